"""What people look at: a console, tables, amounts and colours."""

from __future__ import annotations

import sys
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, TextIO

from gcore_invoices.models import PaymentState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

CENT = Decimal("0.01")
_WIDE = 500

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


def print_table(screen: Console, table: Table) -> None:
    """Print a table in its full width: where a terminal is narrower it wraps, and no amount loses a digit."""
    from rich.measure import Measurement

    needed = Measurement.get(screen, screen.options.update(width=_WIDE), table).maximum
    screen.width = max(screen.width, needed)
    screen.print(table)


def money(amount: Decimal) -> str:
    """An amount in cents, for people; what machines read is exact."""
    return f"{amount.quantize(CENT, ROUND_HALF_EVEN):,f}"


def note(text: str, *, quiet: bool) -> None:
    """A line on standard error."""
    if not quiet:
        sys.stderr.write(f"{text}\n")
