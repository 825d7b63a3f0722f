"""A summary for people: tables, bars, and what must be said about the numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gcore_invoices.cli.screen import Column, console, money, print_table
from gcore_invoices.cli.summary import AGES, AMOUNTS
from gcore_invoices.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from gcore_invoices.cli.summary import Summary

_BAR = 16
_BARS = "net"  # the amounts of that name always stay
# In this order a narrow terminal goes without them, after the bars.
_RANKS = {"refunded": 4, "invoiced": 3, "tax": 2}


def show(summary: Summary) -> None:
    """Print the groups, the ages of what is open, and footnotes."""
    screen = console()
    left_out: list[str] = []
    if not summary.rows:
        screen.print("No dated invoices match.")
    else:
        left_out = _groups(screen, summary)
        screen.print()
        _ages(screen, summary)
    screen.print()
    for line in _footnotes(summary):
        screen.print(line, style="dim")
    if left_out:
        screen.print(f"Left out, for want of room: {', '.join(left_out)}.", style="dim")


def _groups(screen: Console, summary: Summary) -> list[str]:
    by_currency = sorted(summary.rows.items(), key=lambda row: (row[0][1], summary.order(row[0][0])))
    rows = [(group, code, sums) for (group, code), sums in by_currency]
    totals = [("total", code, sums) for code, sums in sorted(summary.currencies.items())]
    every = rows if summary.by == "currency" else rows + totals
    columns = [Column(summary.by, [printable(group) for group, _, _ in every])]
    if summary.by != "currency":
        columns.append(Column("", [printable(code) for _, code, _ in every]))
    columns.append(Column("count", [f"{sums.count:,}" for _, _, sums in every], right=True, rank=1))
    for name in AMOUNTS:
        marks = [("*" if sums.partial else " ") if name == "open" else "" for _, _, sums in every]
        cells = [money(getattr(sums, name)) + mark for (_, _, sums), mark in zip(every, marks, strict=True)]
        columns.append(Column(name, cells, right=True, rank=_RANKS.get(name, 0)))
    if screen.is_terminal:
        longest = {
            code: max(abs(sums.net) for _, other, sums in rows if other == code)
            for code in summary.currencies
        }
        bars = [_bar(sums.net, longest[code]) for _, code, sums in rows]
        columns.append(Column(_BARS, bars + [""] * (len(every) - len(rows)), rank=9))
    left_out = print_table(screen, columns, bold_from=len(rows))
    return [heading for heading in left_out if heading != _BARS]


def _bar(amount: Decimal, longest: Decimal) -> str:
    if not longest:
        return ""
    return ("░" if amount < 0 else "█") * int((abs(amount) / longest * _BAR).to_integral_value())


def _ages(screen: Console, summary: Summary) -> None:
    every = sorted(summary.currencies.items())
    columns = [Column(f"open on {summary.as_of}", [printable(code) for code, _ in every])]
    columns += [
        Column(_age(name), [money(sums.ages[name]) for _, sums in every], right=True) for name in AGES
    ]
    print_table(screen, columns)


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
            f"{_number(summary.reversed, 'reversed invoice')}: cancelled by a credit note, it seems. "
            "Neither is open; both count, and cancel out in net where the credit note is in the list, too."
        )
    for code, sums in sorted(summary.drafts.items()):
        drafts = _number(sums.count, "draft")
        yield f"Not counted above: {drafts} without a date, {printable(code)} {money(sums.net)}."
    yield "Refunds subtract. Amounts are rounded to cents here; --format csv has every place."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
