"""Draws the layers of gcore_invoices as SVG, from the imports in its source."""

from __future__ import annotations

import ast
import sys
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

# What belongs together, by the names of the modules, and the column that it is drawn in. The rest is read
# from the code.
GROUPS: dict[str, tuple[int, tuple[str, ...]]] = {
    "testing kit": (0, ("testing",)),
    "command line": (1, ("__main__", "cli")),
    "more plugins": (3, ("plugins.prometheus", "plugins.otel")),
    "sandbox": (0, ("sandbox",)),
    "public names": (1, ("__init__",)),
    "exports": (2, ("export",)),
    "drivers": (1, ("client", "_base")),
    "lists": (1, ("pagination", "_window")),
    "plugins": (3, ("plugins",)),
    "one call, one walk: no I/O": (1, ("_flow", "_walk")),
    "hooks": (3, ("hookspecs",)),
    "the door to generated code": (1, ("_operations",)),
    "generated code": (1, ("gcore_erp_api",)),
    "the wire": (
        2,
        ("_connect", "_transport", "_deadline", "_stop", "_body", "_files", "_config", "_problem"),
    ),
    "values": (
        2,
        ("query", "ordering", "models", "money", "events", "errors", "_checks", "_mask", "_version"),
    ),
}
OPTIONAL = {"command line", "exports", "testing kit", "sandbox", "more plugins"}
FOREIGN = {"generated code"}

PACKAGE = "gcore_invoices"


class LayersError(Exception):
    """The imports cannot be drawn as layers; the message says which."""


def imports(path: Path) -> set[str]:
    """What a module imports when it runs, early or late, as dotted names; not what type checkers import."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if ast.unparse(node.test) != "TYPE_CHECKING":
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            if node.module == PACKAGE:
                found.update(f"{PACKAGE}.{alias.name}" for alias in node.names)
            elif node.module:
                found.add(node.module)

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def group_of(module: str) -> str | None:
    """The group of a module of ours, by the longest name that fits."""
    fits = [
        (len(name), group)
        for group, (_, names) in GROUPS.items()
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(fits)[1] if fits else None


class Graph(NamedTuple):
    """What the source says."""

    modules: dict[str, set[str]]
    edges: dict[str, set[str]]
    libraries: dict[str, set[str]]


def read(package: Path) -> Graph:
    """The groups, which of them import which, and the libraries that each stands on.

    Raises:
        LayersError: A module has no group.
    """
    graph = Graph(_empty(), _empty(), _empty())
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        group = group_of(module)
        if group is None:
            raise LayersError(f"{module} has no group: add it to GROUPS in docs/scripts/layers.py.")
        if len(parts) == 1 or parts[0] == "plugins":
            graph.modules[group].add(module)
        else:
            graph.modules[group].add(f"{parts[0]}/")
        for name in imports(path):
            _sort_in(graph, group, name)
    graph.modules["generated code"].add("gcore_erp_api")
    return graph


def _empty() -> dict[str, set[str]]:
    return {group: set() for group in GROUPS}


def _sort_in(graph: Graph, group: str, name: str) -> None:
    first, _, rest = name.partition(".")
    if first == PACKAGE:
        # `from gcore_invoices import InvoicesClient` is of the package itself.
        other = group_of(rest) or "public names"
    elif first == "gcore_erp_api":
        other = "generated code"
    else:
        if first not in sys.stdlib_module_names:
            graph.libraries[group].add(first)
        return
    if other != group:
        graph.edges[group].add(other)


def ranks(edges: dict[str, set[str]]) -> dict[str, int]:
    """The row of each group: below everything that imports it.

    Raises:
        LayersError: Groups import each other in a circle.
    """
    found: dict[str, int] = {}
    while len(found) < len(edges):
        above = {group: {other for other, below in edges.items() if group in below} for group in edges}
        ready = [group for group in edges if group not in found and above[group] <= found.keys()]
        if not ready:
            raise LayersError(f"Imports in a circle: {', '.join(sorted(edges.keys() - found.keys()))}.")
        found |= {group: max((found[other] + 1 for other in above[group]), default=0) for group in ready}
    return found


def direct(edges: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The edges that no longer way replaces."""

    def reached(group: str) -> set[str]:
        return edges[group].union(*(reached(other) for other in edges[group]))

    return [
        (group, other)
        for group, below in edges.items()
        for other in sorted(below)
        if not any(other in reached(between) for between in below)
    ]


# -- drawing

BOX, GAP, ROW, MARGIN = 236, 20, 44, 24
LINE = 17
COLOURS = {
    "core": ("#e8eefc", "#3f5fb5"),
    "optional": ("#eaf5ea", "#3d7d43"),
    "foreign": ("#f3f0e6", "#8a7436"),
}
FONT = "system-ui, sans-serif"
MONO = "ui-monospace, monospace"


class Box(NamedTuple):
    """A group's place on the page."""

    column: int
    row: int
    x: float
    y: float
    height: float
    lines: list[str]
    libraries: list[str]

    @property
    def middle(self) -> float:
        return self.x + BOX / 2


def drawing(package: Path) -> str:
    """The SVG."""
    graph = read(package)
    boxes, height = _places(graph)
    width = (1 + max(box.column for box in boxes.values())) * (BOX + GAP) - GAP + 2 * MARGIN
    taken = {(box.column, box.row) for box in boxes.values()}
    body = [_arrow(boxes[a], boxes[b], taken) for a, b in direct(graph.edges)]
    body += [_box(group, box) for group, box in boxes.items()]
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg"',
            f'  viewBox="0 0 {width:g} {height:g}" font-family="{FONT}">',
            "<title>The layers of gcore_invoices: an arrow means imports, and all of them point down</title>",
            '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4"',
            '  markerWidth="7" markerHeight="7" orient="auto">',
            '<path d="M0 0L8 4L0 8z" fill="#7b8190"/></marker>',
            f'<rect width="{width:g}" height="{height:g}" rx="10" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _places(graph: Graph) -> tuple[dict[str, Box], float]:
    rank = ranks(graph.edges)
    boxes: dict[str, Box] = {}
    y: float = MARGIN
    for row in range(max(rank.values()) + 1):
        for group in (group for group in GROUPS if rank[group] == row):
            lines = _lines(sorted(graph.modules[group]))
            libraries = _lines(sorted(graph.libraries[group]))
            height = 36 + LINE * (len(lines) + len(libraries))
            column = GROUPS[group][0]
            boxes[group] = Box(column, row, MARGIN + column * (BOX + GAP), y, height, lines, libraries)
        y += max(box.height for box in boxes.values() if box.row == row) + ROW
    return boxes, y - ROW + MARGIN


def _lines(names: list[str]) -> list[str]:
    """The names, as many to a line as fit."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + 2 + len(name) <= 29:
            lines[-1] += f", {name}"
        else:
            lines.append(name)
    return lines


def _arrow(above: Box, below: Box, taken: set[tuple[int, int]]) -> str:
    """From box to box; past boxes in between along a column that is free."""
    x1, y1 = above.middle, above.y + above.height
    x2, y2 = below.middle, below.y - 2
    side = 1 if x1 < x2 else -1
    rows = range(above.row + 1, below.row)
    if not rows or above.column == below.column:
        bend = min((y2 - y1) / 2, 60)
        path = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    elif taken & {(above.column, row) for row in rows}:
        x1, y1 = x1 + side * BOX / 2, above.y + above.height / 2
        path = f"M{x1:g} {y1:g}Q{x2:g} {y1:g} {x2:g} {y1 + 60:g}V{y2:g}"
    elif (above.column, below.row) in taken:
        path = f"M{x1:g} {y1:g}V{y2 - ROW:g}C{x1:g} {y2 - 12:g} {x2:g} {y2 - ROW + 12:g} {x2:g} {y2:g}"
    else:
        x2, y2 = x2 - side * (BOX / 2 + 2), below.y + below.height / 2
        path = f"M{x1:g} {y1:g}V{y2 - 60:g}Q{x1:g} {y2:g} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" stroke="#7b8190" stroke-width="1.3" marker-end="url(#tip)"/>'


def _box(group: str, box: Box) -> str:
    kind = "optional" if group in OPTIONAL else "foreign" if group in FOREIGN else "core"
    fill, edge = COLOURS[kind]
    rows = [(group, 'font-size="14" font-weight="600" fill="#1c2333"')]
    rows += [(line, f'font-size="12" font-family="{MONO}" fill="#33405c"') for line in box.lines]
    rows += [(line, 'font-size="11" font-style="italic" fill="#5b6270"') for line in box.libraries]
    texts = "".join(
        f'<text x="{box.middle:g}" y="{box.y + 21 + LINE * number:g}" {style}>{escape(text)}</text>'
        for number, (text, style) in enumerate(rows)
    )
    return (
        f'<g text-anchor="middle"><rect x="{box.x:g}" y="{box.y:g}" width="{BOX}" '
        f'height="{box.height:g}" rx="7" fill="{fill}" stroke="{edge}"/>{texts}</g>'
    )
