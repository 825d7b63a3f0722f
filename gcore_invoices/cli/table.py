"""Invoices as a table for people."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gcore_invoices.cli.screen import CENT, COLOURS, Column, console, money, print_table
from gcore_invoices.cli.text import printable
from gcore_invoices.money import is_overdue, signed_total, totals_by_currency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcore_invoices import Invoice

Cell = tuple[str, str]
"""A text and its style."""

_HEADINGS: dict[str, str] = {
    "id": "id",
    "name": "number",
    "invoice_date": "dated",
    "invoice_date_due": "due",
    "client_id": "client",
    "payment_state": "state",
    "amount_total": "amount",
    "currency": "",
}
# In this order a narrow terminal goes without them.
_RANKS = {"client_id": 3, "invoice_date": 2, "id": 1}
_RIGHT = {"id", "client_id", "payer_id", "invoice_id", "amount_total", "amount_tax", "amount_untaxed"}


def show(invoices: Sequence[Invoice], columns: Sequence[str] | None, today: dt.date) -> None:
    """Print a table, and below it what the invoices come to in each currency."""
    screen = console()
    shown = []
    for name in columns or _HEADINGS:
        cells = [_cell(invoice, name, today) for invoice in invoices]
        texts, styles = [printable(text) for text, _ in cells], [style for _, style in cells]
        # Who names columns gets them, whatever comes of it.
        heading, rank = (name, 0) if columns else (_HEADINGS[name], _RANKS.get(name, 0))
        shown.append(Column(heading, texts, styles, right=name in _RIGHT, rank=rank))
    if not invoices:
        screen.print("No invoices match.")
        return
    left_out = print_table(screen, shown)
    screen.print()
    totals = ", ".join(
        f"{printable(code)} {money(sum_)}" for code, sum_ in sorted(totals_by_currency(invoices).items())
    )
    number = "1 invoice" if len(invoices) == 1 else f"{len(invoices):,} invoices"
    screen.print(f"{number}{f'; in all {totals}' if totals else ''}")
    notes = [words for holds, words in _NOTES if any(holds(invoice, today) for invoice in invoices)]
    if left_out:
        notes.append(f"Left out, for want of room: {', '.join(left_out)}.")
    for words in notes:
        screen.print(words, style="dim")


def _cell(invoice: Invoice, column: str, today: dt.date) -> Cell:
    value: Any = getattr(invoice, column)
    if column == "invoice_date_due" and is_overdue(invoice, today):
        return f"{value}!", "bold red"
    if column == "payment_state":
        return str(value), COLOURS.get(value, "magenta")
    if column == "amount_total":
        value = signed_total(invoice)
    if isinstance(value, Decimal):
        return money(value), "cyan" if value < 0 else ""
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M}", ""
    return "-" if value is None else str(value), ""


def _is_rounded(invoice: Invoice, _today: dt.date) -> bool:
    return invoice.amount_total != invoice.amount_total.quantize(CENT)


_NOTES: tuple[tuple[Callable[[Invoice, dt.date], bool], str], ...] = (
    (is_overdue, "! = overdue"),
    (lambda invoice, _: signed_total(invoice) < 0, "Refunds are shown below zero."),
    (_is_rounded, "Rounded to cents; --format csv has every place."),
)
