"""Invoices in memory that can be added, changed and removed, in the wire form of the sandbox's rules."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.models import Invoice, MoveType, PaymentState, decode_invoice
from gcore_invoices.sandbox.selection import Filters, Order, Row, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AMOUNTS = ("amount_untaxed", "amount_tax", "amount_total")
OPEN_FIELDS = {"payment_state": PaymentState, "move_type": MoveType}
"""The enums that may grow."""

_FIRST_DAY = dt.date(2026, 1, 1)
_TAX = Decimal(21)


class MemoryStore:
    """A store for `gcore_invoices.sandbox.handle`."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self.invoices: dict[int, Invoice] = {}
        """What the rows are to a client, by id, in the order they were added."""
        self._made = 0

    def select(self, filters: Filters, order: Order) -> Sequence[Row]:
        """The rows that pass every filter, in this order."""
        return select(self._rows.values(), filters, order)

    def get(self, invoice_id: int) -> Row | None:
        """The row with this id, or None."""
        return self._rows.get(invoice_id)

    def add(self, fields: Mapping[str, Any]) -> Invoice:
        """Add a row of defaults with these fields instead."""
        self._made += 1
        wanted = _wire(fields)
        row = _defaults(max(self._rows, default=1000) + 1, self._made, wanted) | wanted
        if row["id"] in self._rows:
            raise UsageError(f"There is an invoice {row['id']} already; update() changes it.")
        return self._keep(row)

    def update(self, invoice_id: int, fields: Mapping[str, Any]) -> Invoice:
        """Change fields of a row, and the time of its last change."""
        old = self._existing(invoice_id)
        wanted = _wire(fields)
        if wanted.get("id", invoice_id) != invoice_id:
            raise UsageError("The id of an invoice does not change: remove it and add another.")
        amounts = _amounts(wanted) if wanted.keys() & set(_AMOUNTS) else {}
        changed = dt.datetime.fromisoformat(old["updated_at"]) + dt.timedelta(seconds=1)
        return self._keep(dict(old) | {"updated_at": _text(changed)} | amounts | wanted)

    def remove(self, invoice_id: int) -> None:
        """Remove a row."""
        self._existing(invoice_id)
        del self._rows[invoice_id], self.invoices[invoice_id]

    def _existing(self, invoice_id: int) -> Row:
        if invoice_id not in self._rows:
            raise UsageError(f"There is no invoice {invoice_id} here; there are {sorted(self._rows)[:20]}.")
        return self._rows[invoice_id]

    def _keep(self, row: dict[str, Any]) -> Invoice:
        try:
            invoice = decode_invoice(json.dumps(row).encode())
        except ValueError as error:
            raise UsageError(f"The API could not send this invoice: {error}") from None
        self._rows[invoice.id], self.invoices[invoice.id] = cast("Row", row), invoice
        return invoice


def _defaults(invoice_id: int, number: int, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """An unpaid invoice: one a day from the first of January 2026, for the month before."""
    day = _FIRST_DAY + dt.timedelta(days=number - 1)
    if isinstance(wanted.get("invoice_date"), str):
        day = _day(wanted["invoice_date"])
    until = day.replace(day=1) - dt.timedelta(days=1)
    kind = "RINV" if wanted.get("move_type") == "out_refund" else "INV"
    created = f"{day}T06:00:00Z"
    return {
        "id": invoice_id,
        "name": f"{kind}/{day.year}/{number:05}",
        "move_type": "out_invoice",
        "currency": "EUR",
        "invoice_date": str(day),
        "invoice_date_due": str(day + dt.timedelta(days=30)),
        "billing_period_from": str(until.replace(day=1)),
        "billing_period_to": str(until),
        **_amounts(wanted),
        "payment_state": "not_paid",
        "client_id": 20841,
        "payer_id": 5117,
        "invoice_id": None,
        "created_at": created,
        "updated_at": wanted.get("created_at", created),
    }


def _amounts(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Three amounts that add up, from those that were given."""
    untaxed, tax, total = (None if wanted.get(name) is None else Decimal(wanted[name]) for name in _AMOUNTS)
    if tax is None:
        both = untaxed is not None and total is not None
        tax = total - untaxed if both else (_TAX if total is None and untaxed is None else Decimal(0))  # type: ignore[operator]
    if untaxed is None:
        untaxed = Decimal(100) if total is None else total - tax
    total = untaxed + tax if total is None else total
    return {name: _plain(amount) for name, amount in zip(_AMOUNTS, (untaxed, tax, total), strict=True)}


def _wire(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in the form of the wire.

    Raises:
        UsageError: A name is unknown, or a value is not what its field takes.
    """
    for name, value in fields.items():
        if name not in Row.__annotations__:
            raise unknown_name("invoice field", name, Row.__annotations__)
        # A slip of the pen is no new state. A member that is unknown was made so on purpose.
        if type(value) is str and name in OPEN_FIELDS and not OPEN_FIELDS[name](value).is_known:
            raise unknown_name(name, value, [known.value for known in OPEN_FIELDS[name]])
        if name == "id" and isinstance(value, int) and value < 1:
            raise UsageError(f"An id is a number of 1 or more, not {value}.")
    return {
        name: _amount(name, value) if name in _AMOUNTS else _text(value) for name, value in fields.items()
    }


def _amount(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise UsageError(f"{name} takes a Decimal, an int or text such as '121.00', not {value!r}.")
    try:
        return _plain(Decimal(value))
    except InvalidOperation:
        raise UsageError(f"{name} is no amount: {value!r}.") from None


def _plain(amount: Decimal) -> str:
    """At least twelve places, as the API writes them."""
    exponent = amount.as_tuple().exponent
    short = isinstance(exponent, int) and exponent > -12
    return format(amount, ".12f" if short else "f")


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"invoice_date takes a date, or text such as '2026-04-02', not {text!r}.") from None


def _text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise UsageError(f"A time needs its zone: {value!r}.")
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
