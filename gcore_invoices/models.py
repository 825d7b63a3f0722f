"""What the API answers with, as values: `Invoice`, `Page`, and their enums.

Field names, types and nullability are the contract's (openapi/erp-invoices.yaml); a test holds them to it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum, StrEnum
from operator import attrgetter
from typing import Annotated, Any, Self

import msgspec


class _OpenEnum(StrEnum):
    """An enum that keeps values it does not know: one of them must never cost a page of invoices."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    # Enum's own hash is slow, and not that of the text that the member is equal to.
    __hash__ = str.__hash__

    @property
    def is_known(self) -> bool:
        """Whether this version of the library knows the value."""
        return self._value_ in type(self)._value2member_map_


class MoveType(_OpenEnum):
    """What the document is. Amounts of a refund are positive too: whoever sums subtracts them."""

    OUT_INVOICE = "out_invoice"
    OUT_REFUND = "out_refund"


class PaymentState(_OpenEnum):
    """How far the payment has come.

    `IN_PAYMENT` is paid and not yet matched with the bank, `REVERSED` was settled by a credit note,
    `PARTIAL` does not say how much is left (meanings assumed from Odoo's, which the values are).
    """

    NOT_PAID = "not_paid"
    PAID = "paid"
    PARTIAL = "partial"
    REVERSED = "reversed"
    IN_PAYMENT = "in_payment"


class Extra(Mapping[str, Any]):
    """Fields of an answer that this version does not know. Numbers with a fraction are `Decimal`."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        self._fields = dict(fields or {})

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return repr(self._fields)


_NO_EXTRA = Extra()
# No name that a server would send: only `models.decode` fills it.
_EXTRA_ON_WIRE = "gcore_invoices:extra"

_Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Invoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    """One invoice or refund.

    Frozen, hashable, picklable. Amounts are exact `Decimal`s in `currency`, as many places as the wire had
    (twelve, by the API reference); `created_at` and `updated_at` are aware. `id` is the only safe identity:
    `name` is the invoice number and may be `/` while the invoice is a draft (assumed).
    """

    id: int
    name: str
    move_type: MoveType
    currency: str
    invoice_date: dt.date | None
    invoice_date_due: dt.date | None
    billing_period_from: dt.date | None
    billing_period_to: dt.date | None
    amount_untaxed: Decimal
    amount_tax: Decimal
    amount_total: Decimal
    payment_state: PaymentState
    client_id: int
    payer_id: int
    invoice_id: int | None
    created_at: _Instant
    updated_at: _Instant
    extra: Extra = msgspec.field(default=_NO_EXTRA, name=_EXTRA_ON_WIRE)

    def __hash__(self) -> int:
        # `extra` cannot be hashed; equal invoices agree on these two.
        return hash((self.id, self.updated_at))

    def to_dict(self) -> dict[str, Any]:
        """The wire form: JSON-ready, amounts in plain notation, unknown fields included.

        A number with a fraction in `extra` becomes a float where that is exact, else a string.
        """
        known = {name: _to_wire(getattr(self, name)) for name in self.__struct_fields__ if name != "extra"}
        return known | {name: _json_ready(value) for name, value in self.extra.items()}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list: the invoices, where the page begins, and how many match in all."""

    invoices: tuple[Invoice, ...]
    count: int
    offset: int
    has_next: bool = False
    """The API named a next page. A hint only: the walk does not rely on it."""


class WirePage(msgspec.Struct, frozen=True):
    """The list answer as it is on the wire."""

    count: Annotated[int, msgspec.Meta(ge=0)]
    results: list[Invoice]
    next: str | None = None
    previous: str | None = None


def _to_wire(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")  # str() would write a twelve-place zero as 0E-12
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, Enum) else value


def _json_ready(value: Any) -> Any:
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, dict):
        return {name: _json_ready(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    return value


_AMOUNTS = ("amount_untaxed", "amount_tax", "amount_total")
_amounts = attrgetter(*_AMOUNTS)
# Decimal() reads much that is no JSON number: 1_000, digits of other scripts, leading zeros.
_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_TWELVE_PLACES = Decimal("0.000000000000")
_MAX_EXPONENT = 20
_MAX_DEPTH = 100
_KNOWN_FIELDS = frozenset(Invoice.__struct_fields__) - {"extra"}
_invoice_decoder = msgspec.json.Decoder(Invoice)
_page_decoder = msgspec.json.Decoder(WirePage)
_loose_decoder = msgspec.json.Decoder(float_hook=Decimal)


def decode_invoice(body: bytes) -> Invoice:
    """Decode one invoice.

    Raises:
        msgspec.DecodeError: The body is not JSON, or not an invoice; the message ends in the place.
        RecursionError: It is nested too deep.
    """
    try:
        invoice = _invoice_decoder.decode(body)
    except msgspec.ValidationError as error:
        if "unknown field" not in str(error):
            raise
        invoice = msgspec.convert(_with_extra(_loose_decoder.decode(body)), Invoice)
    if not _all_usual([invoice]):
        _check_amounts(invoice, _loose_decoder.decode(body), "$")
    return invoice


def decode_page(body: bytes) -> WirePage:
    """Decode one page.

    Raises:
        msgspec.DecodeError: The body is not JSON, or not a page; the message ends in the place.
        RecursionError: It is nested too deep.
    """
    try:
        page = _page_decoder.decode(body)
    except msgspec.ValidationError as error:
        if "unknown field" not in str(error):
            raise
        loose = _loose_decoder.decode(body)
        if isinstance(loose["results"], list):
            loose["results"] = [_with_extra(row) for row in loose["results"]]
        page = msgspec.convert(loose, WirePage)
    if not _all_usual(page.results):
        rows = _loose_decoder.decode(body)["results"]
        for index, (invoice, row) in enumerate(zip(page.results, rows, strict=True)):
            _check_amounts(invoice, row, f"$.results[{index}]")
    return page


def _with_extra(row: Any) -> Any:
    if not isinstance(row, dict):
        return row  # the conversion that follows says what is wrong with it
    unknown = {name: row.pop(name) for name in row.keys() - _KNOWN_FIELDS}
    if unknown:
        _check_depth(unknown)
        row[_EXTRA_ON_WIRE] = Extra(unknown)
    return row


def _check_depth(value: Any) -> None:
    """Refuse what could be neither pickled nor written as JSON again."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        nested = [item for item in level if isinstance(item, dict | list)]
        if not nested:
            return
        level = [each for item in nested for each in (item.values() if isinstance(item, dict) else item)]
    raise RecursionError


def _all_usual(invoices: list[Invoice]) -> bool:
    """Whether every amount has the twelve places that the API documents: one cheap look at finite numbers."""
    return all(
        each.amount_untaxed.same_quantum(_TWELVE_PLACES)
        and each.amount_tax.same_quantum(_TWELVE_PLACES)
        and each.amount_total.same_quantum(_TWELVE_PLACES)
        for each in invoices
    )


def _check_amounts(invoice: Invoice, row: dict[str, Any], place: str) -> None:
    """Amounts in another form: refuse what is no plain number, or has an exponent beyond reason."""
    for name, amount in zip(_AMOUNTS, _amounts(invoice), strict=True):
        exponent = amount.as_tuple().exponent
        problem = None
        if not isinstance(exponent, int):
            problem = f"Expected a finite amount, got {amount}"
        elif abs(exponent) > _MAX_EXPONENT:
            problem = f"Expected an exponent within ±{_MAX_EXPONENT}, got {exponent}"
        elif isinstance(row[name], str) and not _AMOUNT.fullmatch(row[name]):
            problem = f"Expected a decimal number, got {row[name]!r}"
        if problem:
            raise msgspec.ValidationError(f"{problem} - at `{place}.{name}`")
