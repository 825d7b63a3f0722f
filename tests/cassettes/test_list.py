from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest

from gcore_invoices import MoveType, PaymentState, SortKey

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]

FILTERS = {
    "billing_period_from": lambda known: known.billing_period_from,
    "billing_period_to": lambda known: known.billing_period_to,
    "invoice_date_from": lambda known: known.day - timedelta(days=60),
    "invoice_date_to": lambda known: known.day,
    "client_id": lambda known: known.client_id,
    "payer_id": lambda known: known.payer_id,
    "currency": lambda known: known.currency,
    **{f"move_type-{kind}": lambda _, kind=kind: kind for kind in MoveType},
    **{f"payment_state-{state}": lambda _, state=state: state for state in PaymentState},
}
KEEPS = {
    "billing_period_from": lambda invoice, day: invoice.billing_period_from >= day,
    "billing_period_to": lambda invoice, day: invoice.billing_period_to <= day,
    "invoice_date_from": lambda invoice, day: invoice.invoice_date >= day,
    "invoice_date_to": lambda invoice, day: invoice.invoice_date <= day,
}
NAMES_ON_THE_WIRE = {
    "billing_period_from": "billing_period_from__from",
    "billing_period_to": "billing_period_to__to",
    "invoice_date_from": "invoice_date__from",
    "invoice_date_to": "invoice_date__to",
}


def query(request):
    return parse_qs(urlsplit(request.uri).query)


def rows(cassette):
    """Each invoice recorded once, in the order of the pages."""
    return list({row["id"]: row for body in cassette.bodies for row in body["results"]}.values())


def test_first_page(cassette):
    invoices = cassette.client().invoices(page_size=3, max_items=3)
    assert [invoice.to_dict() for invoice in invoices] == rows(cassette)[:3]
    assert len(invoices) == 3
    assert query(cassette.requests[0])["ordering"] == ["id"]


def test_many_pages(cassette):
    client = cassette.client()
    pager = client.real.list(
        page_size=4,
        client_id=cassette.known.client_id,
        invoice_date_from=cassette.known.day - timedelta(days=365),
    )
    invoices = client.items(pager)
    assert [invoice.to_dict() for invoice in invoices] == rows(cassette)
    assert pager.report.complete
    assert pager.report.delivered == len(invoices) == cassette.bodies[0]["count"]
    assert len(cassette.requests) > 2
    assert cassette.bodies[0]["next"].startswith("https://api.gcore.com/")


def test_empty(cassette):
    client = cassette.client()
    pager = client.real.list(invoice_date_from=cassette.known.day.replace(year=2099))
    assert client.items(pager) == []
    assert pager.report.complete
    assert rows(cassette) == []


def test_count_and_first(cassette):
    client = cassette.client()
    pager = client.real.list(currency=cassette.known.currency)
    assert client.run(pager.count()) == cassette.bodies[0]["count"]
    assert client.run(pager.first()).id == cassette.bodies[1]["results"][0]["id"]
    assert [query(request)["limit"] for request in cassette.requests] == [["1"], ["1"]]


@pytest.mark.parametrize("case", FILTERS)
def test_filter(case, cassette):
    name, _, _ = case.partition("-")
    value = FILTERS[case](cassette.known)
    if name.startswith("billing_period"):
        value = cassette.known.day.fromisoformat(value)
    invoices = cassette.client().invoices(**{name: value}, page_size=3, max_items=3)
    assert [invoice.to_dict() for invoice in invoices] == rows(cassette)[:3]
    assert invoices or "-" in case  # a state that no invoice of an account may have
    keeps = KEEPS.get(name, lambda invoice, value: getattr(invoice, name) == value)
    assert all(keeps(invoice, value) for invoice in invoices)
    assert query(cassette.requests[0])[NAMES_ON_THE_WIRE.get(name, name)] == [str(value)]


def test_all_filters(cassette):
    known = cassette.known
    invoices = cassette.client().invoices(
        billing_period_from=known.day.fromisoformat(known.billing_period_from),
        billing_period_to=known.day.fromisoformat(known.billing_period_to),
        invoice_date_from=known.day,
        invoice_date_to=known.day,
        client_id=known.client_id,
        payer_id=known.payer_id,
        currency=known.currency,
        move_type=MoveType.OUT_INVOICE,
        payment_state=PaymentState.NOT_PAID,
        page_size=5,
    )
    assert {invoice.client_id for invoice in invoices} <= {known.client_id}
    assert set(NAMES_ON_THE_WIRE.values()) < query(cassette.requests[0]).keys()


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", list(SortKey), ids=lambda key: key.value)
@pytest.mark.parametrize("parameter", ["ordering", "order_by"])
def test_order(parameter, key, direction, cassette):
    # Paid ones: drafts have no date and no name to sort by.
    pages = cassette.client(sort_parameter=parameter).pages(
        order_by=getattr(key, direction)(),
        payment_state=PaymentState.PAID,
        page_size=5,
        max_items=5,
    )
    values = [getattr(invoice, key.value) for page in pages for invoice in page.invoices]
    assert len(values) == 5
    assert values == sorted(values, reverse=direction == "desc")
    sent = query(cassette.requests[0])
    first = sent[parameter][0].split(",")[0]
    dotted = f"{key.value}.{direction}"
    assert first == (dotted if parameter == "order_by" else f"{'-' * (direction == 'desc')}{key.value}")
    assert not {"ordering", "order_by"} - {parameter} & sent.keys()


def test_several_sort_keys(cassette):
    invoices = cassette.client().invoices(
        order_by=[SortKey.INVOICE_DATE.desc(), SortKey.AMOUNT_TOTAL.asc()],
        payment_state=PaymentState.PAID,
        page_size=6,
        max_items=6,
    )
    pairs = [(invoice.invoice_date, -invoice.amount_total) for invoice in invoices]
    assert all(one >= other for one, other in pairwise(pairs))
    assert query(cassette.requests[0])["ordering"] == ["-invoice_date,amount_total,id"]
