"""Which rows a request selects, and in which order: one set of rules for every store.

A store keeps rows in the API's wire form (`Row`). `Filters` and `Order` are plain values, so a store may
cache by them.
"""

from __future__ import annotations

from decimal import Context, Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Row(TypedDict):
    """One invoice as the API sends it: the 17 fields of the reference, all required.

    Dates are `YYYY-MM-DD` or None, times UTC with a `Z`, amounts decimal strings with twelve places. The
    enumerated fields are plain strings, so that a test can put in a value nobody has heard of.
    """

    id: int
    name: str
    move_type: str
    currency: str
    invoice_date: str | None
    invoice_date_due: str | None
    billing_period_from: str | None
    billing_period_to: str | None
    amount_untaxed: str
    amount_tax: str
    amount_total: str
    payment_state: str
    client_id: int
    payer_id: int
    invoice_id: int | None
    created_at: str
    updated_at: str


class Match(Enum):
    """How a filter compares a field; both ends of a range are inclusive (API reference)."""

    IS = "is"
    AT_LEAST = "at least"
    AT_MOST = "at most"


class Condition(NamedTuple):
    """One filter: the field of `Row` it looks at, how, and the value, in the field's own wire type."""

    field: str
    match: Match
    value: str | int

    def accepts(self, row: Row) -> bool:
        """Whether the row stays. A null never does: SQL's comparison with NULL is not true."""
        actual = row[self.field]  # type: ignore[literal-required]  # the field comes from a table of names
        if actual is None:
            return False
        if self.match is Match.IS:
            return bool(actual == self.value)
        if self.match is Match.AT_LEAST:
            return bool(actual >= self.value)
        return bool(actual <= self.value)


class Term(NamedTuple):
    """One sort key, one of `SORT_KEYS`, and its direction."""

    key: str
    descending: bool = False


Filters: TypeAlias = tuple[Condition, ...]
"""Conditions that must all hold; empty selects every row."""

Order: TypeAlias = tuple[Term, ...]
"""Terms, the most significant first. `complete` makes it total."""

BY_ID: Final[Order] = (Term("id"),)


class Store(Protocol):
    """Where `handle` finds invoices. Anything with these two methods serves."""

    def select(self, filters: Filters, order: Order) -> Sequence[Row]:
        """Give the rows that pass every filter, in this total order; `len` and slices are used."""
        ...

    def get(self, invoice_id: int) -> Row | None:
        """Give the row with this id, or None."""
        ...


def complete(terms: Iterable[Term]) -> Order:
    """Make an order total: a repeated key counts once, where it stands first, and `id` ends it.

    The tiebreak on the primary key is the second edition of the reference; nothing after `id` can matter.
    """
    unique: dict[str, Term] = {}
    for term in (*terms, *BY_ID):
        unique.setdefault(term.key, term)
        if term.key == "id":
            break
    return tuple(unique.values())


def matches(filters: Filters, row: Row) -> bool:
    """Whether a row passes every filter."""
    return all(condition.accepts(row) for condition in filters)


def sort_key(order: Order) -> Callable[[Row], bytes]:
    """Build the key function of an order.

    Keys are bytes that compare as the rows do, so that a million of them can be kept side by side: each
    part is prefix-free, and a descending part is its complement. Text compares by code point, as
    PostgreSQL's C collation does. An amount must be below 10^18 either way, an id below 2^63.
    """
    parts = [(SORT_KEYS[term.key], _COMPLEMENT if term.descending else None) for term in order]
    return lambda row: b"".join([encode(row).translate(table) for encode, table in parts])


def select(rows: Iterable[Row], filters: Filters, order: Order) -> list[Row]:
    """Filter and sort rows that are held in memory: all that a small store needs for its `select`."""
    return sorted((row for row in rows if matches(filters, row)), key=sort_key(order))


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _date(value: str | None) -> bytes:
    # PostgreSQL puts nulls last when ascending, and so first when descending.
    return b"\xff" if value is None else _text(value)


def _amount(value: str) -> bytes:
    units = int(Decimal(value).scaleb(12, _EXACT))
    return (units + _AMOUNT_ZERO).to_bytes(13, "big")


_COMPLEMENT: Final = bytes(range(255, -1, -1))
_EXACT: Final = Context(prec=60)  # the default keeps 28 digits: two amounts of 10^17 would be one
_AMOUNT_ZERO: Final = 1 << 102  # room for amounts of 10^18 either side of zero

SORT_KEYS: Final[dict[str, Callable[[Row], bytes]]] = {
    "id": lambda row: (row["id"] + (1 << 63)).to_bytes(8, "big"),
    "invoice_date": lambda row: _date(row["invoice_date"]),
    "amount_total": lambda row: _amount(row["amount_total"]),
    # Without the Z a fraction of a second sorts after the whole second it follows.
    "created_at": lambda row: _text(row["created_at"].removesuffix("Z")),
    "name": lambda row: _text(row["name"]),
}
"""The sort keys of the API reference, each with its order-preserving encoding."""
