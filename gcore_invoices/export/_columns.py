"""What can stand in a column, and the texts that formats share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.models import Invoice

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS: tuple[str, ...] = Invoice.__struct_fields__
"""Every column, in the order of the API; `extra`, the last, holds what this version does not know."""

AMOUNTS = ("amount_untaxed", "amount_tax", "amount_total")
DATES = ("invoice_date", "invoice_date_due", "billing_period_from", "billing_period_to")
INSTANTS = ("created_at", "updated_at")
WHOLE = ("id", "client_id", "payer_id", "invoice_id")


def check_columns(columns: Iterable[str] | None) -> tuple[str, ...]:
    """The columns of an export, all of them if none are given.

    Raises:
        UsageError: A name is unknown or comes twice, or there are none.
    """
    if columns is None:
        return COLUMNS
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise UsageError(f"columns takes a list of names, such as [{columns!r}], not one.")
    names = tuple(columns)
    for name in names:
        if name not in COLUMNS:
            raise unknown_name("column", str(name), COLUMNS)
    twice = [name for name in names if names.count(name) > 1]
    if twice or not names:
        raise UsageError(f"The column {twice[0]!r} comes twice." if twice else "There are no columns.")
    return names


def extra_json(invoice: Invoice) -> str:
    """`extra` as JSON; empty if there is none."""
    if not invoice.extra:
        return ""
    wire = invoice.to_dict()
    return msgspec.json.encode({name: wire[name] for name in invoice.extra}).decode()


def as_text(value: Any) -> str:
    """A field of an invoice, `extra` aside, as every text format writes it; empty for none."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return format(value, "f")  # str() would write a twelve-place zero as 0E-12
    if isinstance(value, dt.datetime):
        return instant(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def instant(value: dt.datetime) -> str:
    """A point in time as RFC 3339, in UTC."""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def reader(column: str) -> Callable[[Invoice], Any]:
    """What reads a column of an invoice: its value, `extra` as JSON."""
    if column == "extra":
        return lambda invoice: extra_json(invoice) or None

    read: Callable[[Invoice], Any] = attrgetter(column)
    return read
