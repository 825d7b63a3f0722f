"""Hypothesis strategies for values of this library; Hypothesis comes with the extra `[testing]`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gcore_invoices.models import Invoice, MoveType, PaymentState
from gcore_invoices.ordering import Order, SortKey, SortTerm
from gcore_invoices.query import InvoiceQuery

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("The strategies need Hypothesis: pip install 'gcore-invoices[testing]'") from error

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

_FIRST, _LAST = dt.date(2000, 1, 1), dt.date(2100, 12, 31)
_PLACES = Decimal(1).scaleb(-12)

_days = st.dates(_FIRST, _LAST)
_ids = st.integers(1, 2**31 - 1)
_client_ids = st.integers(-(2**31), 2**31 - 1)
_currencies = st.sampled_from(["EUR", "USD", "GBP", "PLN", "JPY"])
# Hypothesis takes bounds without a zone, and gives each value the zone of `timezones`.
_times = st.datetimes(
    dt.datetime.combine(_FIRST, dt.time()),
    dt.datetime.combine(_LAST, dt.time()),
    timezones=st.just(dt.UTC),
).map(lambda time: time.replace(microsecond=0))


def amounts(low: Decimal | int = 0, high: Decimal | int = 10**6) -> SearchStrategy[Decimal]:
    """Amounts with the twelve places of the wire."""
    return st.decimals(low, high, places=12, allow_nan=False, allow_infinity=False).map(
        lambda amount: amount.quantize(_PLACES)
    )


@st.composite
def invoices(
    draw: DrawFn, /, *, unknown_values: bool = False, **fields: SearchStrategy[Any] | Any
) -> Invoice:
    """Invoices as the API may send them: the total is the sum, periods and due dates run forward.

    Args:
        draw: Hypothesis's own.
        unknown_values: Whether payment states may occur that this version does not know.
        **fields: Fields of `Invoice`: a value, or a strategy for it.
    """
    # Drafts have neither number nor date (assumed).
    is_draft = draw(st.booleans())
    day, start = draw(_days), draw(_days)
    untaxed, tax = draw(amounts()), draw(amounts(0, 10**5))
    created = draw(_times)
    states: SearchStrategy[PaymentState] = st.sampled_from(list(PaymentState))
    if unknown_values:
        states |= st.sampled_from(["blocked", "invoicing_legacy"]).map(PaymentState)
    has_period = draw(st.booleans())
    made: dict[str, Any] = {
        "id": _ids,
        "name": "/" if is_draft else st.integers(1, 99_999).map(lambda number: f"INV/{day.year}/{number:05}"),
        "move_type": st.sampled_from(list(MoveType)),
        "currency": _currencies,
        "invoice_date": None if is_draft else day,
        "invoice_date_due": None if is_draft else day + dt.timedelta(days=draw(st.integers(0, 90))),
        "billing_period_from": start if has_period else None,
        "billing_period_to": start + dt.timedelta(days=draw(st.integers(0, 92))) if has_period else None,
        "amount_untaxed": untaxed,
        "amount_tax": tax,
        "amount_total": untaxed + tax,
        "payment_state": states,
        "client_id": _client_ids,
        "payer_id": _ids,
        "invoice_id": st.none() | _ids,
        "created_at": created,
        "updated_at": created + dt.timedelta(seconds=draw(st.integers(0, 10**8))),
    }
    return Invoice(
        **{
            name: draw(value) if isinstance(value, st.SearchStrategy) else value
            for name, value in (made | fields).items()
        }
    )


def orders() -> SearchStrategy[Order]:
    """Orders by up to all sort keys, each at most once; none is the empty one."""
    terms = st.builds(SortTerm, st.sampled_from(SortKey), descending=st.booleans())
    return st.lists(terms, max_size=len(SortKey), unique_by=lambda term: term.key).map(Order)


@st.composite
def queries(draw: DrawFn, /, **fields: SearchStrategy[Any] | Any) -> InvoiceQuery:
    """Queries that `InvoiceQuery` takes, with any of their filters.

    Args:
        draw: Hypothesis's own.
        **fields: Fields of `InvoiceQuery`: a value, or a strategy for it.
    """
    made: dict[str, Any] = {
        "client_id": st.none() | _client_ids,
        "payer_id": st.none() | _ids,
        "currency": st.none() | _currencies,
        "move_type": st.none() | st.sampled_from(list(MoveType)),
        "payment_state": st.none() | st.sampled_from(list(PaymentState)),
        "order_by": orders(),
        "page_size": st.integers(1, 100),
        "offset": st.integers(0, 1000),
    }
    for name in ("billing_period", "invoice_date"):
        one, other = sorted([draw(_days), draw(_days)])
        made |= {f"{name}_from": st.sampled_from([None, one]), f"{name}_to": st.sampled_from([None, other])}
    return InvoiceQuery(
        **{
            name: draw(value) if isinstance(value, st.SearchStrategy) else value
            for name, value in (made | fields).items()
        }
    )
