"""Writes the pages and the drawing that are made from the code, or checks that they are what the code gives.

    docs/hooks.md     from the signatures and docstrings of gcore_invoices/hookspecs.py
    docs/api.md       from the public names and the first sentences of their docstrings
    docs/layers.svg   from the imports (see layers.py)

The code is read, not imported, so any Python of the project's versions will do.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import layers

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "gcore_invoices"

WIDTH = 110


class PageError(Exception):
    """The code and what is said about it here do not fit; the message says what to do."""


# -- reading the code


def parse(module: str) -> ast.Module:
    """The source of a module, by its dotted name."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def public_names(module: str) -> list[str]:
    """What a module's `__all__` lists; without one, what it defines and describes."""
    body = parse(module).body
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return [
        node.name
        for node in body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]


def home(module: str, name: str) -> tuple[str, ast.stmt]:
    """Where a name is defined: the module that does it, and the statement."""
    for node in parse(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == name:
                return module, node
    for inner in ast.walk(parse(module)):  # also what is imported for type checkers alone
        if isinstance(inner, ast.ImportFrom) and inner.module and inner.module.startswith("gcore_invoices"):
            for alias in inner.names:
                if (alias.asname or alias.name) == name:
                    return home(inner.module, alias.name)
    raise PageError(f"{module}.{name} is nowhere defined.")


def docstring(module: str, name: str) -> str:
    """What is said where a name is defined; of a value, the text below it."""
    where, node = home(module, name)
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return ast.get_docstring(node) or ""
    body = parse(where).body
    place = next(i for i, other in enumerate(body) if ast.unparse(other) == ast.unparse(node))
    after = body[place + 1] if place + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        return inspect.cleandoc(str(after.value.value))
    return ""


def first_sentence(text: str) -> str:
    """The first paragraph, as one line."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


# -- the hook reference


class Hook(NamedTuple):
    """A hook as it is declared."""

    name: str
    arguments: list[str]
    signature: str
    kind: str
    first: bool
    summary: str
    lines: list[str]
    since: str


LINES = ("When", "May", "Exceptions", "Sync and async")


def hooks() -> list[Hook]:
    """Every hook, in the order of the module."""
    return [
        _hook(node, mark)
        for node in parse("gcore_invoices.hookspecs").body
        if isinstance(node, ast.FunctionDef) and (mark := _mark(node))
    ]


def _mark(node: ast.FunctionDef) -> ast.Call | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "_hook":
            return decorator
    return None


def _hook(node: ast.FunctionDef, mark: ast.Call) -> Hook:
    text = ast.get_docstring(node) or ""
    pattern = r"(.+?)\n\n" + "".join(rf"{line}: (.+?)\n" for line in LINES) + r"New in (\d+\.\d+)\."
    found = re.fullmatch(pattern, text, re.DOTALL)
    if found is None:
        raise PageError(f"hookspecs.{node.name}: the docstring must have {', '.join(LINES)}, and New in.")
    summary, *said, since = (" ".join(part.split()) for part in found.groups())
    arguments = [argument.arg for argument in node.args.args]
    given = ", ".join(["self", *(ast.unparse(argument) for argument in node.args.args)])
    returns = ast.unparse(node.returns) if node.returns else "None"
    return Hook(
        name=node.name,
        arguments=arguments,
        signature=f"def {node.name}({given}) -> {returns}: ...",
        kind=ast.literal_eval(mark.args[0]),
        first=any(word.arg == "firstresult" and ast.literal_eval(word.value) for word in mark.keywords),
        summary=summary,
        lines=[f"{line}: {words}" for line, words in zip(LINES, said, strict=True)],
        since=since,
    )


HOOKS_HEAD = """\
# Hook reference

<!-- Written by docs/scripts/pages.py from gcore_invoices/hookspecs.py: change that, and run `make docs`. -->

Every hook in the order in which a call meets them. [Plugins](plugins.md) says how to write, test and install
one.

Within one attempt the order is: `before_send`, `intercept`, `throttle`, the request itself, `after_response`
or `after_error`; and if it failed, `decide_retry` and `retry_scheduled`. An attempt that does not come to its
end (cancelled, or a decider raised) is not told of.

A hook takes its arguments by name: leave out those that you do not need. The functions below are methods of a
plugin; in a module that is one, they are without `self`. What the arguments hold stands under
[What hooks are told](plugins.md#what-hooks-are-told).
"""


def hooks_page() -> str:
    """docs/hooks.md."""
    every = hooks()
    recipes = _recipes()
    parts = [HOOKS_HEAD, _imports(every)]
    rows = [f"| [`{h.name}`](#{h.name}) | {h.kind}{_first(h)} | {h.summary} |" for h in every]
    parts.append(
        "\n".join(["## All hooks\n", "| hook | kind | what it is for |", "| --- | --- | --- |", *rows]) + "\n"
    )
    for hook in every:
        arguments = ", ".join(f"`{name}`" for name in hook.arguments) or "none"
        parts += [
            f"### `{hook.name}`\n\n{hook.summary}\n",
            f"Arguments: {arguments}. Kind: {hook.kind}{_first(hook)}. New in {hook.since}.\n",
            f"```python\n@hookimpl\n{hook.signature}\n```\n",
            "\n".join(_wrapped(f"- {line}", "  ") for line in hook.lines) + "\n",
        ]
        if links := recipes.get(hook.name):
            parts.append(f"{'Recipes' if len(links) > 1 else 'Recipe'}: {', '.join(links)}.\n")
    return "\n".join(parts)


def _first(hook: Hook) -> str:
    return ", the first result counts" if hook.first else ""


def _imports(every: list[Hook]) -> str:
    """The imports that the signatures need, so that they can be copied, and run."""
    used = set(re.findall(r"\w+", " ".join(hook.signature for hook in every)))
    ours = sorted({"hookimpl", *(used & set(public_names("gcore_invoices")))})
    return "\n".join(
        [
            "```python",
            "from collections.abc import Mapping",
            "from contextlib import AbstractContextManager",
            "from typing import Any",
            "",
            "import httpx",
            "",
            "from gcore_invoices import (",
            *(f"    {name}," for name in ours),
            ")",
            "```\n",
        ]
    )


def _recipes() -> dict[str, list[str]]:
    """The recipes of docs/plugins.md that implement each hook."""
    text = (DOCS / "plugins.md").read_text(encoding="utf-8").partition("\n## Recipes\n")[2]
    found: dict[str, list[str]] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title = part.splitlines()[0]
        anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for name in dict.fromkeys(re.findall(r"@hookimpl.*\n(?: +@.*\n)* +def (\w+)\(", part)):
            found.setdefault(name, []).append(f"[{title}](plugins.md#{anchor})")
    return found


def _wrapped(text: str, indent: str) -> str:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


# -- the API reference

API_HEAD = """\
# API reference

<!-- Written by docs/scripts/pages.py from the docstrings: change them there, and run `make docs`. -->

Every public name with what it is for. The site that `make docs` builds has signatures, arguments, attributes
and errors beside each name; so have the docstrings: `python -m pydoc gcore_invoices.InvoicesClient`.

What counts as public, and what that promises, is in [compatibility](compatibility.md).
"""

# Sections, each a module and those of its names that belong there; None is all that no other section has.
SECTIONS: dict[str, list[tuple[str, list[str] | None]]] = {
    "Clients": [("gcore_invoices", ["InvoicesClient", "AsyncInvoicesClient"])],
    "Settings": [("gcore_invoices", ["Timeouts", "RetryPolicy", "RateLimit"])],
    "Lists": [
        (
            "gcore_invoices",
            [
                *("InvoicePager", "AsyncInvoicePager", "InvoiceQuery", "QueryFields"),
                *("SortKey", "SortTerm", "Order", "Page", "WalkReport", "Checkpoint"),
            ],
        )
    ],
    "Invoices": [("gcore_invoices", ["Invoice", "MoveType", "PaymentState"])],
    "Errors": [
        (
            "gcore_invoices",
            [
                *("InvoicesError", "UsageError", "APIConnectionError", "APITimeoutError", "APIProtocolError"),
                *("APIStatusError", "BadRequestError", "AuthenticationError", "PermissionDeniedError"),
                *("NotFoundError", "RateLimitError", "UnexpectedRedirectError", "InternalServerError"),
                *("APIResponseValidationError", "PaginationError"),
            ],
        )
    ],
    "What plugins see": [
        (
            "gcore_invoices",
            ["hookimpl", "Call", "Attempt", "Response", "RetryDecision", "Walk", "PluginInfo"],
        )
    ],
    "Metrics and traces": [
        ("gcore_invoices.plugins.metrics", ["Metrics", "Snapshot", "Histogram"]),
        ("gcore_invoices.plugins.prometheus", ["PrometheusMetrics"]),
        ("gcore_invoices.plugins.otel", ["OpenTelemetry"]),
    ],
    "gcore_invoices.money": [("gcore_invoices.money", None)],
    "gcore_invoices.export": [("gcore_invoices.export", None)],
    "gcore_invoices.testing": [("gcore_invoices.testing", None)],
    "gcore_invoices.testing.strategies": [("gcore_invoices.testing.strategies", None)],
    "gcore_invoices.sandbox": [("gcore_invoices.sandbox", ["SandboxServer"])],
}


def api_page() -> str:
    """docs/api.md."""
    _check_sections()
    parts = [API_HEAD]
    for title, members in SECTIONS.items():
        shown = f"`{title}`" if title.startswith("gcore_invoices") else title
        parts.append(f"## {shown}\n")
        for module, names in members:
            for name in names if names is not None else public_names(module):
                said = first_sentence(docstring(module, name))
                if not said:
                    raise PageError(f"{module}.{name} has no docstring.")
                parts.append(f"### `{module}.{name}`\n\n{_wrapped(said, '')}\n")
    return "\n".join(parts)


def _check_sections() -> None:
    listed = {
        name
        for members in SECTIONS.values()
        for module, names in members
        for name in names or ()
        if module == "gcore_invoices"
    }
    public = set(public_names("gcore_invoices")) - {"__version__"}
    if listed != public:
        raise PageError(
            f"docs/scripts/pages.py: SECTIONS lacks {sorted(public - listed)}, and has "
            f"{sorted(listed - public)}, which gcore_invoices.__all__ has not."
        )


# -- all of it


def pages() -> dict[Path, str]:
    """Every file that is made from the code, with what it must hold."""
    return {
        DOCS / "hooks.md": hooks_page(),
        DOCS / "api.md": api_page(),
        DOCS / "layers.svg": layers.drawing(PACKAGE),
    }


def main(arguments: list[str]) -> str | None:
    """Write the files, or with `--check` name those that are not what the code gives."""
    if arguments not in ([], ["--check"]):
        return "Usage: pages.py [--check]"
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
    if arguments and stale:
        return f"Not what the code gives: {names}. Run `make docs` and commit what it writes."
    for path in stale:
        path.write_text(pages()[path], encoding="utf-8")
    if stale:
        print(f"Written: {names}")
    return None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (PageError, layers.LayersError) as error:
        sys.exit(str(error))
