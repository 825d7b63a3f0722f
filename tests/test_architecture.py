"""The layers, held by reading the imports: they point down, and generated code has one door."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import gcore_invoices as gi

ROOT = Path(__file__).parent.parent
CORE = ROOT / "gcore_invoices"

# From the top down; a module may import only from rows below its own.
LAYERS = [
    {"__init__"},
    {"client"},
    {"_base", "pagination"},
    {"_window"},
    {"_walk", "_flow"},
    {"plugins.builtin"},
    {"plugins.logging", "plugins.manager", "plugins.metrics", "plugins.ratelimit", "plugins.retries"},
    {"plugins._outcome"},
    {"plugins"},
    {"hookspecs"},
    {"_operations"},
    {"_connect"},
    {"_deadline", "_files", "_body"},
    {"_stop"},
    {"_config"},
    {"query", "_transport", "_problem", "money"},
    {"ordering", "models"},
    {"events"},
    {"_checks", "_mask"},
    {"errors", "_version"},
]
LEVEL = {module: level for level, row in enumerate(LAYERS) for module in row}
OPTIONAL = {"__main__", "cli", "export", "sandbox", "testing", "plugins.otel", "plugins.prometheus"}


def imports(path: Path) -> set[str]:
    """What a module imports at run time, as dotted names; type-checking blocks do not count."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            assert node.level == 0, f"{path.name} uses a relative import"
            if node.module == "gcore_invoices":
                found.update(f"gcore_invoices.{alias.name}" for alias in node.names)
            elif node.module:
                found.add(node.module)

    Visitor().visit(ast.parse(path.read_text()))
    return found


def core_modules() -> list[Path]:
    paths = sorted([*CORE.glob("*.py"), *CORE.glob("plugins/*.py")])
    return [path for path in paths if module(path) not in OPTIONAL]


def module(path: Path) -> str:
    parts = path.relative_to(CORE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def test_every_core_module_has_its_layer():
    assert {module(path) for path in core_modules()} - {"__main__"} == set(LEVEL)


@pytest.mark.parametrize("path", core_modules(), ids=module)
def test_imports_point_down(path):
    for name in imports(path):
        if name.startswith("gcore_invoices."):
            below = name.removeprefix("gcore_invoices.")
            assert not {below, below.split(".")[0]} & OPTIONAL, (
                f"{module(path)} is core and imports the optional {below}"
            )
            assert LEVEL[below] > LEVEL[module(path)], (
                f"{module(path)} imports {below}, which is not below it"
            )


def test_generated_code_has_one_door():
    doors = {
        path.relative_to(CORE).as_posix()
        for path in CORE.rglob("*.py")
        if any(name.split(".")[0] == "gcore_erp_api" for name in imports(path))
    }
    assert doors == {"_operations.py"}


def test_the_core_stands_on_four_libraries():
    libraries = {name.split(".")[0] for path in core_modules() for name in imports(path)}
    ours = {"gcore_invoices", "gcore_erp_api"}
    # httpcore is what httpx itself stands on.
    assert libraries - ours - set(sys.stdlib_module_names) <= {
        "attrs",
        "httpx",
        "msgspec",
        "pluggy",
        "httpcore",
    }


def test_only_the_drivers_do_io():
    """`time.sleep` and asyncio stand with the drivers alone: client.py, and _window.py, which drives a walk."""
    for path in core_modules():
        if path.stem in {"client", "_window"}:
            continue
        text = path.read_text()
        assert "asyncio" not in imports(path), path.stem
        assert "httpx.Client(" not in text, path.stem
        assert "time.sleep" not in text, path.stem


def test_importing_the_library_loads_neither_generated_code_nor_asyncio_nor_extras():
    code = (
        "import sys, gcore_invoices;"
        "print([m for m in ('asyncio', 'gcore_erp_api', 'opentelemetry', 'prometheus_client', 'starlette', "
        "'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_sorted_and_there():
    assert gi.__all__ == sorted(gi.__all__)
    assert not [name for name in gi.__all__ if not hasattr(gi, name)]
    public = {
        name for name, value in vars(gi).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(gi.__all__) - {"__version__"}


def test_everything_public_is_documented():
    for name in gi.__all__:
        value = getattr(gi, name)
        if not inspect.isclass(value):
            continue
        assert value.__doc__, name
        for method, function in inspect.getmembers(value, inspect.isfunction):
            ours = function.__module__.startswith("gcore_invoices")
            if ours and not method.startswith("_"):
                assert function.__doc__, f"{name}.{method}"


def parameters(method):
    return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]


@pytest.mark.parametrize(
    ("sync", "twin"), [(gi.InvoicesClient, gi.AsyncInvoicesClient), (gi.InvoicePager, gi.AsyncInvoicePager)]
)
def test_both_clients_have_the_same_methods(sync, twin):
    def methods(cls):
        return {
            name: parameters(value)
            for name, value in inspect.getmembers(cls, inspect.isfunction)
            if name[0] != "_"
        }

    assert methods(sync) == methods(twin)
    assert parameters(sync.__init__) == parameters(twin.__init__)
