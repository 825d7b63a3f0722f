"""Lists page by page: every invoice once, or an error that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import Wire, answer, page, wire_invoice

import gcore_invoices as gi

if TYPE_CHECKING:
    import httpx


class Shelf:
    """A list endpoint over ids that a test may change between two requests."""

    def __init__(self, ids, *, cap=100, **changes):
        self.ids = list(ids)
        self.cap = cap
        self.changes = changes
        self.before = {}
        self.wire = Wire(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.before.get(len(self.wire.requests), lambda _: None)(self.ids)
        query = request.url.params
        offset, limit = int(query["offset"]), min(int(query["limit"]), self.cap)
        rows = self.ids[offset : offset + limit]
        more = offset + limit < len(self.ids)
        link = "https://elsewhere.example/?offset=1" if more else None
        body = {"count": len(self.ids), "next": link} | self.changes
        return page([wire_invoice(n) for n in rows], **body)

    @property
    def asked(self):
        return [(int(r.url.params["offset"]), int(r.url.params["limit"])) for r in self.wire.requests]


def ids(invoices):
    return [invoice.id for invoice in invoices]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 99, 100])
@pytest.mark.parametrize("total", [0, 1, 2, 99, 100, 101, 250])
def test_every_invoice_comes_once(make_client, size, total):
    shelf = Shelf(range(1, total + 1))
    client = make_client(shelf.wire)
    pager = client.real.list(page_size=size)
    assert ids(client.items(pager)) == list(range(1, total + 1))
    report = pager.report
    assert (report.delivered, report.complete) == (total, True)
    assert (report.first_count, report.last_count) == (total, total)
    assert report.requests == len(shelf.wire.requests)
    step = max(size, 2) - 1
    assert report.requests <= -(-total // step) + 1  # the one more is the look beyond the end


def test_pages_overlap_by_a_row_and_are_never_followed_by_link(make_client):
    shelf = Shelf(range(250))
    client = make_client(shelf.wire)
    pages = client.pages()
    assert sorted(shelf.asked) == [(0, 100), (99, 100), (198, 100), (249, 100)]
    assert [(one.offset, len(one.invoices)) for one in pages] == [(0, 100), (100, 99), (199, 51)]
    assert {request.url.host for request in shelf.wire.requests} == {"api.gcore.com"}


def test_a_page_size_of_one_asks_for_two(make_client):
    shelf = Shelf([1, 2, 3])
    assert ids(make_client(shelf.wire).invoices(page_size=1)) == [1, 2, 3]
    assert {limit for _, limit in shelf.asked} == {2}


def test_a_server_that_caps_the_page_costs_requests_not_invoices(make_client):
    shelf = Shelf(range(50), cap=7)
    assert ids(make_client(shelf.wire).invoices()) == list(range(50))


def test_an_offset_passes_rows_over(make_client):
    shelf = Shelf(range(10))
    client = make_client(shelf.wire)
    assert ids(client.invoices(offset=7)) == [7, 8, 9]
    assert ids(client.invoices(offset=99)) == []


def test_a_next_that_ends_too_early_is_not_believed(make_client):
    shelf = Shelf(range(250), next=None)
    assert ids(make_client(shelf.wire).invoices()) == list(range(250))


def test_a_next_that_never_ends_is_not_believed(make_client):
    shelf = Shelf(range(150), next="https://api.gcore.com/loop")
    client = make_client(shelf.wire)
    assert ids(client.invoices()) == list(range(150))
    assert sorted(shelf.asked) == [(0, 100), (99, 100), (149, 100), (149, 100)]


def test_rows_appended_during_the_walk_are_delivered(make_client):
    shelf = Shelf(range(150))
    shelf.before[2] = lambda rows: rows.extend([900, 901])
    client = make_client(shelf.wire)
    pager = client.real.list()
    assert ids(client.items(pager))[-2:] == [900, 901]
    assert (pager.report.first_count, pager.report.last_count) == (150, 152)


def test_a_walk_is_lazy_and_can_be_made_again(make_client, flavour):
    shelf = Shelf(range(250))
    client = make_client(shelf.wire)
    pager = client.real.list()
    assert shelf.wire.requests == []
    if flavour == "sync":
        assert next(iter(pager)).id == 0
        assert len(shelf.wire.requests) == 1
        assert pager.report.complete is False
    assert len(client.items(pager)) == len(client.items(pager)) == 250


def test_first_and_count_cost_one_request_of_one_row(make_client):
    shelf = Shelf(range(250))
    client = make_client(shelf.wire)
    pager = client.real.list(offset=5)
    assert client.run(pager.first()).id == 5
    assert client.run(pager.count()) == 250
    assert shelf.asked == [(5, 1), (5, 1)]
    assert client.run(make_client(Shelf([]).wire).real.list().first()) is None


def test_an_error_in_the_middle_reaches_the_caller(make_client):
    first = page([wire_invoice(n) for n in range(100)], count=150)
    wire = Wire(lambda request: answer({}, 503) if int(request.url.params["offset"]) else first)
    client = make_client(wire)
    with pytest.raises(gi.InternalServerError) as caught:
        client.invoices()
    assert caught.value.operation == "list"


ORDERS = [
    ([], "ordering", "id"),
    ([gi.SortKey.AMOUNT_TOTAL.desc()], "ordering", "-amount_total,id"),
    ([gi.SortKey.AMOUNT_TOTAL.desc(), gi.SortKey.ID.desc()], "ordering", "-amount_total,-id"),
    ([gi.SortKey.ID.desc()], "ordering", "-id"),
    ([], "order_by", "id.asc"),
    ([gi.SortKey.CREATED_AT.desc(), gi.SortKey.NAME.asc()], "order_by", "created_at.desc,name.asc,id.asc"),
]


@pytest.mark.parametrize(("terms", "parameter", "value"), ORDERS)
def test_the_order_goes_out_as_one_value_that_ends_in_id(make_client, terms, parameter, value):
    wire = Wire.of(page([]))
    make_client(wire, sort_parameter=parameter).invoices(order_by=terms)
    params = wire.requests[0].url.params
    assert params.get_list(parameter) == [value]
    assert len(params.keys() & {"ordering", "order_by"}) == 1


def test_every_filter_goes_out_by_its_name(make_client):
    from datetime import date  # noqa: PLC0415

    wire = Wire.of(page([]))
    make_client(wire).invoices(
        billing_period_from=date(2026, 3, 1),
        billing_period_to=date(2026, 3, 31),
        invoice_date_from=date(2026, 4, 1),
        invoice_date_to=date(2026, 4, 30),
        client_id=-7,
        payer_id=5117,
        currency="eur",
        move_type=gi.MoveType.OUT_REFUND,
        payment_state=gi.PaymentState.IN_PAYMENT,
        page_size=50,
        offset=3,
    )
    assert dict(wire.requests[0].url.params) == {
        "billing_period_from__from": "2026-03-01",
        "billing_period_to__to": "2026-03-31",
        "invoice_date__from": "2026-04-01",
        "invoice_date__to": "2026-04-30",
        "client_id": "-7",
        "payer_id": "5117",
        "currency": "EUR",
        "move_type": "out_refund",
        "payment_state": "in_payment",
        "limit": "50",
        "offset": "3",
        "ordering": "id",
    }
    assert wire.requests[0].url.path == "/billing/org/v1/erp-invoices"
