from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcore_invoices import Invoice, InvoiceQuery, PaymentState, SortKey
from gcore_invoices.models import decode_invoice
from gcore_invoices.testing import FakeApi, strategies

quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@quick
@given(strategies.invoices())
def test_invoices_are_such_as_the_api_sends(invoice):
    assert decode_invoice(json.dumps(invoice.to_dict()).encode()) == invoice
    assert invoice.amount_untaxed + invoice.amount_tax == invoice.amount_total
    assert invoice.created_at <= invoice.updated_at
    assert invoice.payment_state.is_known


@quick
@given(st.data())
def test_fields_can_be_fixed_or_drawn(data):
    invoice = data.draw(
        strategies.invoices(currency="USD", id=st.integers(5, 6), payment_state=PaymentState.PAID)
    )
    assert (invoice.currency, invoice.payment_state) == ("USD", PaymentState.PAID)
    assert invoice.id in {5, 6}


def test_unknown_values_occur_when_they_are_asked_for():
    seen = set()

    @quick
    @given(strategies.invoices(unknown_values=True))
    def look(invoice):
        seen.add(invoice.payment_state.is_known)

    look()
    assert seen == {True, False}


@quick
@given(strategies.queries(currency="EUR"))
def test_queries_are_taken(query):
    assert isinstance(query, InvoiceQuery)
    assert query.currency == "EUR"


@quick
@given(
    st.lists(strategies.invoices(), max_size=8, unique_by=lambda invoice: invoice.id),
    strategies.queries(page_size=st.integers(1, 5), offset=0),
)
def test_any_query_over_any_invoices_gives_what_matches_once_in_order(invoices, query):
    with FakeApi() as api:
        for invoice in invoices:
            assert api.add(invoice) == invoice
        found = list(api.client.list(query))
        assert len({invoice.id for invoice in found}) == len(found)
        for invoice in invoices:
            assert (invoice in found) == _matches(invoice, query)
        ids = [term for term in query.order_by if term.key is SortKey.ID]
        if ids and query.order_by.terms[:1] == tuple(ids):
            assert all((one.id > other.id) == ids[0].descending for one, other in pairwise(found))


def _matches(invoice: Invoice, query: InvoiceQuery) -> bool:
    for name in ("client_id", "payer_id", "currency", "move_type", "payment_state"):
        wanted = getattr(query, name)
        if wanted is not None and getattr(invoice, name) != wanted:
            return False
    ranges = [
        (query.billing_period_from, invoice.billing_period_from, 1),
        (query.billing_period_to, invoice.billing_period_to, -1),
        (query.invoice_date_from, invoice.invoice_date, 1),
        (query.invoice_date_to, invoice.invoice_date, -1),
    ]
    return all(
        wanted is None or (actual is not None and (actual - wanted).days * sign >= 0)
        for wanted, actual, sign in ranges
    )
