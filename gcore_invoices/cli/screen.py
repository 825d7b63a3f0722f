"""What people look at: a console, tables, amounts and colours."""

from __future__ import annotations

import shutil
import sys
import textwrap
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, TextIO

from attrs import frozen

from gcore_invoices.cli.command import ReaderGoneError
from gcore_invoices.cli.text import tell
from gcore_invoices.models import PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

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

    class Screen(Console):
        def on_broken_pipe(self) -> None:  # Rich would end the program as failed
            raise ReaderGoneError

    stream = sys.stdout if stream is None else stream
    return Screen(
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
        cells: A text for each row.
        styles: A style for each, if there are some.
        right: Whether it ends at the right, as numbers do.
        rank: A terminal that is too narrow goes without the columns of the highest rank first; 0 stays.
    """

    heading: str
    cells: Sequence[str]
    styles: Sequence[str] | None = None
    right: bool = False
    rank: int = 0


def print_table(screen: Console, columns: Sequence[Column], *, bold_from: int | None = None) -> list[str]:
    """Print a table, without what a narrow terminal has no room for; no amount loses a digit.

    Row by row, since Rich's own table takes a gigabyte for a hundred thousand invoices.

    Args:
        screen: Where to.
        columns: Its columns.
        bold_from: The first of the rows, at the end, that are bold.

    Returns:
        The headings of the columns that were left out. What cannot be left out wraps.
    """
    from rich.cells import cell_len
    from rich.text import Text

    widths = {id(column): max(map(cell_len, (column.heading, *column.cells))) for column in columns}
    shown = list(columns)
    while sum(widths[id(column)] + _GAP for column in shown) - _GAP > screen.width:
        rank = max(column.rank for column in shown)
        if not rank:
            break
        shown.remove(next(column for column in reversed(shown) if column.rank == rank))

    def print_row(cells: Iterable[tuple[str, str]], style: str) -> None:
        line = Text(style=style)
        for column, (text, own) in zip(shown, cells, strict=True):
            space = " " * (widths[id(column)] - cell_len(text))
            line.append(space if column.right else "")
            line.append(text, own)
            line.append("" if column.right else space).append(" " * _GAP)
        line.rstrip()
        screen.print(line, soft_wrap=True)

    print_row([(column.heading, "") for column in shown], "bold")
    for row in range(len(shown[0].cells)):
        styled = ((each.cells[row], each.styles[row] if each.styles else "") for each in shown)
        print_row(styled, "bold" if bold_from is not None and row >= bold_from else "")
    return [column.heading for column in columns if column not in shown]


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
        tell(text)
