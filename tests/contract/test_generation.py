"""One command, always the same bytes; the check names what differs and touches nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from support_contract import GENERATED, OPENAPI, SPEC, generate, in_generator, tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

PACKAGE = "gcore_erp_api"
COMMITTED = tree(GENERATED)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the contract and of the committed client, in a folder with a space in its name."""
    folder = tmp_path / "a project"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(OPENAPI, folder / "openapi", ignore=ignore)
    shutil.copytree(GENERATED, folder / "generated_client", ignore=ignore)
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Everything below a folder, folders included, with its time of change and its content's hash."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def test_twice_gives_the_committed_bytes_whatever_the_surroundings(tmp_path: Path):
    outputs = []
    for seed, language in (("0", "C"), ("4711", "en_US.UTF-8")):
        output = tmp_path / f"run {seed}"
        done = generate(
            "--output",
            output,
            cwd=tmp_path,
            PYTHONHASHSEED=seed,
            LC_ALL=language,
            COLUMNS="40",
            TZ="Asia/Tokyo",
        )
        assert done.returncode == 0, done.stderr
        outputs.append(tree(output))
    assert outputs[0] == outputs[1] == COMMITTED


def test_a_hostile_configuration_above_the_output_changes_nothing(tmp_path: Path):
    hostile = (
        'line-length = 40\nindent-width = 8\n[format]\nquote-style = "single"\n[lint]\nselect = ["ALL"]\n'
    )
    (tmp_path / "ruff.toml").write_text(hostile)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text(
        "[tool.ruff]\nline-length = 50\n[tool.ruff.format]\nindent-style = 'tab'\n"
    )
    # The temporary folder, where the generator writes first, is below them too.
    done = generate("--output", inner / "client", cwd=inner, TMPDIR=str(inner))
    assert done.returncode == 0, done.stderr
    assert tree(inner / "client") == COMMITTED


def test_output_and_spec_may_be_named_relative_to_the_current_folder(project: Path):
    done = generate("--spec", "openapi/erp-invoices.yaml", "--output", "my client", cwd=project)
    assert done.returncode == 0, done.stderr
    assert tree(project / "my client") == COMMITTED


def test_writing_replaces_what_was_there(project: Path):
    package = project / "generated_client" / PACKAGE
    (package / "left_over.py").write_text("")
    (package / "client.py").write_text("edited")
    (package / "errors.py").unlink()
    done = generate(openapi=project / "openapi")
    assert done.returncode == 0, done.stderr
    assert tree(project / "generated_client") == COMMITTED


def test_the_package_is_typed_and_says_what_made_it():
    assert COMMITTED[f"{PACKAGE}/py.typed"] == b""
    sources = {name: data.decode() for name, data in COMMITTED.items() if name.endswith(".py")}
    assert len(sources) == len(COMMITTED) - 1
    note = "# Generated. Do not edit: change openapi/ and run `make generate`.\n"
    assert [name for name, source in sources.items() if not source.startswith(note)] == []
    version = in_generator(
        "from importlib.metadata import version; print(version('openapi-python-client'))"
    ).strip()
    digest = hashlib.sha256(SPEC.read_bytes()).hexdigest()
    expected = f"{note}# openapi-python-client {version}\n# erp-invoices.yaml sha256 {digest}\n"
    assert sources[f"{PACKAGE}/__init__.py"].startswith(expected)


def test_the_check_passes_on_a_clean_copy_and_touches_nothing(project: Path):
    before = snapshot(project)
    done = generate("--check", openapi=project / "openapi")
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshot(project) == before


def change(package: Path) -> str:
    with (package / "client.py").open("a") as file:
        file.write("# edited\n")
    return f"differs: {PACKAGE}/client.py"


def remove(package: Path) -> str:
    (package / "models" / "ordering.py").unlink()
    return f"missing: {PACKAGE}/models/ordering.py"


def add(package: Path) -> str:
    (package / "models" / "extra.py").write_text("")
    return f"not generated: {PACKAGE}/models/extra.py"


def add_beside(package: Path) -> str:
    (package.parent / "notes.txt").write_text("")
    return "not generated: notes.txt"


@pytest.mark.parametrize("damage", [change, remove, add, add_beside])
def test_the_check_names_the_file_that_differs_and_touches_nothing(
    project: Path, damage: Callable[[Path], str]
):
    named = damage(project / "generated_client" / PACKAGE)
    before = snapshot(project)
    done = generate("--check", openapi=project / "openapi", cwd=project)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "generated_client/ is not what erp-invoices.yaml gives; run `make generate`:",
        f"  {named}",
    ]
    assert snapshot(project) == before


def test_the_check_sees_a_contract_that_was_changed_without_generating(project: Path):
    spec = project / "openapi" / "erp-invoices.yaml"
    spec.write_text(spec.read_text(encoding="utf-8") + "# a word more\n", encoding="utf-8")
    done = generate("--check", openapi=project / "openapi")
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [f"  differs: {PACKAGE}/__init__.py"]


BROKEN = {
    # The generator would go on without the answer, with a warning.
    "unknown content type": ("application/pdf:", "application/x-unheard-of:", "Unsupported content_type"),
    # The generator would go on without the enum.
    "dangling reference": ("/schemas/PaymentState", "/schemas/PaymentStat", "PaymentStat"),
    "not OpenAPI": ("openapi: 3.1.0", "openapi: 1.0", "OpenAPI"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_contract_fails_with_the_generators_words_and_costs_nothing(project: Path, fault: str):
    right, wrong, words = BROKEN[fault]
    spec = project / "openapi" / "erp-invoices.yaml"
    spec.write_text(spec.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    before = snapshot(project)
    done = generate(openapi=project / "openapi", COLUMNS="200")
    assert done.returncode == 1
    assert done.stderr.startswith("openapi-python-client failed")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert snapshot(project) == before


def test_no_temporary_folder_is_left_behind(project: Path, tmp_path: Path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    generate("--check", openapi=project / "openapi", TMPDIR=str(temporary))
    assert os.listdir(temporary) == []  # noqa: PTH208
