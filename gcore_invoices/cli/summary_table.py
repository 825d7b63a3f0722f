"""A summary for people: tables, bars, and what must be said about the numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gcore_invoices.cli.screen import console, money, print_table
from gcore_invoices.cli.summary import AGES, AMOUNTS
from gcore_invoices.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from gcore_invoices.cli.summary import Summary

_BAR = 16
_WIDE_ENOUGH = 120  # columns of a terminal that has room for bars


def show(summary: Summary) -> None:
    """Print the groups, the ages of what is open, and footnotes."""
    screen = console()
    if not summary.rows:
        screen.print("No dated invoices match.")
    else:
        _groups(screen, summary)
        screen.print()
        _ages(screen, summary)
    screen.print()
    for line in _footnotes(summary):
        screen.print(line, style="dim")


def _groups(screen: Console, summary: Summary) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(summary.by)
    if summary.by != "currency":
        table.add_column("")
    for name in ("count", *AMOUNTS):
        table.add_column(name, justify="right", no_wrap=True)
    barred = screen.is_terminal and screen.width >= _WIDE_ENOUGH
    if barred:
        table.add_column("net")
    longest = {
        code: max(abs(sums.net) for (_, other), sums in summary.rows.items() if other == code)
        for code in summary.currencies
    }
    for (group, code), sums in sorted(summary.rows.items(), key=lambda row: (row[0][1], row[0][0])):
        names = [group] if summary.by == "currency" else [group, code]
        mark = "*" if sums.partial else " "
        amounts = [money(getattr(sums, name)) for name in AMOUNTS]
        amounts[4] += mark
        bar = [_bar(sums.net, longest[code])] if barred else []
        table.add_row(*map(printable, names), str(sums.count), *amounts, *bar)
    if summary.by != "currency":
        for code, sums in sorted(summary.currencies.items()):
            amounts = [money(getattr(sums, name)) for name in AMOUNTS]
            amounts[4] += "*" if sums.partial else " "
            table.add_row("total", printable(code), str(sums.count), *amounts, style="bold")
    print_table(screen, table)


def _bar(amount: Decimal, longest: Decimal) -> str:
    if not longest:
        return ""
    return ("░" if amount < 0 else "█") * int((abs(amount) / longest * _BAR).to_integral_value())


def _ages(screen: Console, summary: Summary) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(f"open on {summary.as_of}")
    for name in AGES:
        table.add_column(_age(name), justify="right", no_wrap=True)
    for code, sums in sorted(summary.currencies.items()):
        table.add_row(printable(code), *(money(sums.ages[name]) for name in AGES))
    print_table(screen, table)


def _age(name: str) -> str:
    """`days_1_30` as a heading: `1-30 days`."""
    if name == "not_due":
        return "not due"
    return f"{name.removeprefix('days_').replace('over_', 'over ').replace('_', '-')} days"


def _footnotes(summary: Summary) -> Iterator[str]:
    if any(sums.partial for sums in summary.currencies.values()):
        yield "* Part-paid invoices count in full: the API does not say how much of them is left."
    if summary.reversed:
        yield (
            f"{summary.reversed} are reversed: cancelled by a credit note, it seems. "
            "Both count, and cancel out in net; neither is open."
        )
    for code, sums in sorted(summary.drafts.items()):
        yield f"Not counted above: {sums.count} drafts without a date, {printable(code)} {money(sums.net)}."
    yield "Refunds subtract. Amounts are rounded to cents here; --format csv has every place."
