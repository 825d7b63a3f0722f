"""What to list: filters, order and paging, checked when they are made."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypedDict

from attrs import Attribute, field, fields, frozen

from gcore_invoices._checks import number
from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.models import MoveType, PaymentState
from gcore_invoices.ordering import Order, SortTerm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_PAGE_SIZE = 100
"""The API serves no more rows a page (API reference)."""

_int32 = number(-(2**31), 2**31 - 1, whole=True, optional=True)


def _date(_: object, attribute: Attribute[Any], value: object) -> None:
    # A datetime is a date to isinstance, and would go out with its time.
    if value is None or type(value) is dt.date:
        return
    hint = "drop the time with .date()" if isinstance(value, dt.datetime) else "e.g. date(2026, 1, 31)"
    raise UsageError(f"{attribute.name} takes a datetime.date, not {value!r}: {hint}.")


def _known_member(enum: type[MoveType | PaymentState]) -> Callable[..., None]:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is None or (isinstance(value, enum) and value.is_known):
            return
        members = ", ".join(f"{enum.__name__}.{name}" for name in enum.__members__)
        raise UsageError(f"{attribute.name} takes one of {members}, not {value!r}.")

    return check


def _currency(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is None:
        return
    if not (isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha()):
        raise UsageError(f"{attribute.name} takes a code of three letters such as 'EUR', not {value!r}.")


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) and value.isascii() else value


def _order(given: Order | SortTerm | Sequence[SortTerm] | None) -> Order:
    return Order() if given is None else Order.of(given)


class QueryFields(TypedDict, total=False):
    """The fields of `InvoiceQuery`, as keywords of `client.list`."""

    billing_period_from: dt.date | None
    billing_period_to: dt.date | None
    invoice_date_from: dt.date | None
    invoice_date_to: dt.date | None
    client_id: int | None
    payer_id: int | None
    currency: str | None
    move_type: MoveType | None
    payment_state: PaymentState | None
    order_by: Order | SortTerm | Sequence[SortTerm] | None
    page_size: int
    offset: int


@frozen(kw_only=True)
class InvoiceQuery:
    """Which invoices to list, in which order. Filters combine with AND.

    Attributes:
        billing_period_from: Keep invoices whose billing period starts on this day or later.
        billing_period_to: Keep invoices whose billing period ends on this day or earlier.
        invoice_date_from: Keep invoices dated this day or later.
        invoice_date_to: Keep invoices dated this day or earlier.
        client_id: Keep invoices of the client that consumed; 32 bits, may be negative.
        payer_id: Keep invoices of the payer.
        currency: Keep invoices in this currency, a code of three letters.
        move_type: Keep only invoices, or only refunds.
        payment_state: Keep invoices in this state.
        order_by: One sort term, several, or an `Order`; by `id` if none.
        page_size: Rows a page, 1 to 100.
        offset: Rows of the ordered result to pass over first.

    Raises:
        UsageError: A value is not what its field takes, or a range is reversed.
    """

    billing_period_from: dt.date | None = field(default=None, validator=_date)
    billing_period_to: dt.date | None = field(default=None, validator=_date)
    invoice_date_from: dt.date | None = field(default=None, validator=_date)
    invoice_date_to: dt.date | None = field(default=None, validator=_date)
    client_id: int | None = field(default=None, validator=_int32)
    payer_id: int | None = field(default=None, validator=number(whole=True, optional=True))
    currency: str | None = field(default=None, converter=_upper, validator=_currency)
    move_type: MoveType | None = field(default=None, validator=_known_member(MoveType))
    payment_state: PaymentState | None = field(default=None, validator=_known_member(PaymentState))
    order_by: Order = field(default=None, converter=_order)
    page_size: int = field(default=MAX_PAGE_SIZE, validator=number(1, MAX_PAGE_SIZE, whole=True))
    offset: int = field(default=0, validator=number(0, whole=True))

    def __attrs_post_init__(self) -> None:
        for name in ("billing_period", "invoice_date"):
            start, end = getattr(self, f"{name}_from"), getattr(self, f"{name}_to")
            if start is not None and end is not None and start > end:
                raise UsageError(
                    f"{name}_from ({start}) is later than {name}_to ({end}): no invoice can match. "
                    "Were they swapped?"
                )

    @classmethod
    def of(cls, query: InvoiceQuery | None, keywords: QueryFields) -> InvoiceQuery:
        """The query given, or one made of keywords; not both.

        Raises:
            UsageError: Both were given, a keyword is unknown, or a value is not what its field takes.
        """
        for name in keywords:
            if name not in QueryFields.__annotations__:
                raise unknown_name("query field", name, QueryFields.__annotations__)
        if query is None:
            return cls(**keywords)
        if not isinstance(query, InvoiceQuery):
            raise UsageError(f"list takes an InvoiceQuery or keywords, not {query!r}.")
        if keywords:
            raise UsageError(
                "list takes an InvoiceQuery or keywords, not both: change the query with attrs.evolve."
            )
        return query

    def filters(self) -> dict[str, Any]:
        """The filters that are set, by field name."""
        values = {attribute.name: getattr(self, attribute.name) for attribute in fields(type(self))}
        return {
            name: value
            for name, value in values.items()
            if value is not None and name not in {"order_by", "page_size", "offset"}
        }

    def fingerprint(self) -> str:
        """Sixteen hex digits that stand for the filters and the order, and so for one list."""
        filters = sorted((name, str(value)) for name, value in self.filters().items())
        text = repr((filters, str(self.order_by) or "id"))
        return sha256(text.encode()).hexdigest()[:16]
