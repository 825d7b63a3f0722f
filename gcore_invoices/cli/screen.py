"""What people look at: a console, tables, amounts and colours."""

from __future__ import annotations

import shutil
import sys
import textwrap
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, TextIO

from attrs import frozen

from gcore_invoices.models import PaymentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

CENT = Decimal("0.01")
_WIDE = 500
_GAP = 2

COLOURS = {
    PaymentState.PAID: "green",
    PaymentState.IN_PAYMENT: "green",
    PaymentState.NOT_PAID: "yellow",
    PaymentState.PARTIAL: "yellow",
    PaymentState.REVERSED: "bright_black",
}


def console(stream: TextIO | None = None) -> Console:
    """A console that shows text as it is; wide where nothing wraps, because no terminal has an edge there."""
    from rich.console import Console

    stream = sys.stdout if stream is None else stream
    return Console(
        file=stream,
        width=None if stream.isatty() else _WIDE,
        markup=False,
        highlight=False,
        emoji=False,
    )


@frozen
class Column:
    """A column of a table.

    Attributes:
        heading: What stands above it.
        cells: A text for each row, or a text with a style.
        right: Whether it ends at the right, as numbers do.
        rank: A terminal that is too narrow goes without the columns of the highest rank first; 0 stays.
    """

    heading: str
    cells: Sequence[Text | str]
    right: bool = False
    rank: int = 0


def print_table(screen: Console, columns: Sequence[Column], *, bold_from: int | None = None) -> list[str]:
    """Print a table, without what a narrow terminal has no room for; no amount loses a digit.

    Args:
        screen: Where to.
        columns: Its columns.
        bold_from: The first of the rows, at the end, that are bold.

    Returns:
        The headings of the columns that were left out. What cannot be left out wraps.
    """
    from rich.table import Table

    shown = list(columns)
    while (needed := _width(shown)) > screen.width and (rank := max(column.rank for column in shown)):
        shown.remove(next(column for column in reversed(shown) if column.rank == rank))
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in shown:
        table.add_column(column.heading, justify="right" if column.right else "left", no_wrap=True)
    for number, cells in enumerate(zip(*(column.cells for column in shown), strict=True)):
        table.add_row(*cells, style="bold" if bold_from is not None and number >= bold_from else None)
    width = screen.width
    screen.width = max(width, needed)
    screen.print(table)
    screen.width = width
    return [column.heading for column in columns if column not in shown]


def _width(columns: Sequence[Column]) -> int:
    from rich.cells import cell_len

    widest = [max(cell_len(str(cell)) for cell in (column.heading, *column.cells)) for column in columns]
    return sum(widest) + _GAP * (len(widest) - 1)


def money(amount: Decimal) -> str:
    """An amount in cents, for people; what machines read is exact."""
    return f"{amount.quantize(CENT, ROUND_HALF_EVEN):,f}"


def wrapped(label: str, text: str) -> str:
    """A line on standard output: on a terminal it wraps, below its text; elsewhere a line is a line."""
    if not sys.stdout.isatty():
        return f"{label}{text}\n"
    width = shutil.get_terminal_size().columns
    lines = textwrap.wrap(
        text,
        max(width - len(label), 20),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return label + f"\n{' ' * len(label)}".join(lines or [""]) + "\n"


def note(text: str, *, quiet: bool) -> None:
    """A line on standard error."""
    if not quiet:
        sys.stderr.write(f"{text}\n")
