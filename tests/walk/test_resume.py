"""Checkpoints: from any place of a walk by id another one goes on, without loss or repeat."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import listing, wire_invoice
from support_walk import Shelf, drive

import gcore_invoices as gi
from gcore_invoices import Checkpoint, InvoiceQuery, SortKey
from gcore_invoices._walk import Limits

BY_ID = [[], [SortKey.ID.asc()], [SortKey.ID.desc()], [SortKey.ID.desc(), SortKey.NAME.asc()]]


@given(
    st.integers(0, 2**32),
    st.sampled_from(BY_ID),
    st.integers(1, 12),
    st.integers(1, 80),
    st.sampled_from([1, 4]),
)
def test_a_resumed_walk_delivers_the_rest_and_only_the_rest(seed, order, page_size, stop, window):
    shelf = Shelf(random.Random(seed), 70)

    def ask(order, offset, limit):
        act = shelf.random.choice([shelf.insert, shelf.delete, shelf.change, lambda _: None])
        act(shelf.random.choice([1, 2, 9]))
        return shelf.page(order, offset, limit)

    query = InvoiceQuery(order_by=order, page_size=page_size)
    first = drive(query, ask, limits=Limits(max_items=stop), window=window)
    if not first.ids:
        return
    place = first.pages[-1].offset + len(first.pages[-1].invoices) - 1
    text = str(Checkpoint(query.fingerprint(), first.ids[-1], place))
    calls = iter(range(60))
    rest = drive(
        query,
        lambda *asked: ask(*asked) if next(calls, None) is not None else shelf.page(*asked),
        limits=Limits(resume=Checkpoint.parse(text)),
        window=window,
    )
    assert rest.error is None
    assert not set(first.ids) & set(rest.ids)
    assert rest.twice() == []
    assert shelf.always <= {*first.ids, *rest.ids}


def test_the_checkpoint_is_where_the_reader_is(make_client):
    client = make_client(listing(wire_invoice(n) for n in range(1, 301)))
    pager = client.real.list(page_size=50)
    assert pager.checkpoint is None
    seen = []

    def look(item):
        seen.append((item, pager.checkpoint))

    read(client, pager, look)
    assert [(invoice.id, place.last_id, place.offset) for invoice, place in seen] == [
        (n, n, n - 1) for n in range(1, 301)
    ]
    seen.clear()
    read(client, pager.pages(), look)
    for page, place in seen:
        assert place.last_id == page.invoices[-1].id
        assert place.offset == page.offset + len(page.invoices) - 1


def read(client, source, look):
    if not client.is_async:
        for item in source:
            look(item)
        return

    async def main():
        async for item in source:
            look(item)

    client.run(main())


@pytest.mark.parametrize("stop", [1, 49, 50, 51, 299, 300])
def test_from_any_invoice_the_next_one_follows(make_client, stop):
    wire = listing(wire_invoice(n) for n in range(1, 301))
    client = make_client(wire)
    pager = client.real.list(page_size=50, max_items=stop)
    assert len(client.items(pager)) == stop
    line = str(pager.checkpoint)
    assert "\n" not in line
    again = client.real.list(page_size=20, resume=line)
    assert again.checkpoint == pager.checkpoint
    assert [invoice.id for invoice in client.items(again)] == list(range(stop + 1, 301))


def test_a_checkpoint_of_another_list_is_refused(make_client):
    client = make_client(listing(wire_invoice(n) for n in range(1, 10)))
    pager = client.real.list(currency="EUR", max_items=3)
    client.items(pager)
    place = pager.checkpoint
    others = [
        {},
        {"currency": "USD"},
        {"currency": "EUR", "order_by": SortKey.ID.desc()},
        {"currency": "EUR", "payer_id": 1},
    ]
    for other in others:
        with pytest.raises(gi.UsageError, match="belongs to a list with other filters or another order"):
            client.real.list(resume=place, **other)
    client.real.list(currency="EUR", page_size=7, resume=place)


@pytest.mark.parametrize("key", [key for key in SortKey if key is not SortKey.ID])
def test_elsewhere_than_by_id_a_walk_cannot_be_resumed(make_client, key):
    client = make_client(listing(wire_invoice(n) for n in range(1, 10)))
    pager = client.real.list(order_by=key.asc(), max_items=3)
    client.items(pager)
    assert pager.checkpoint is None
    query = InvoiceQuery(order_by=key.asc())
    with pytest.raises(gi.UsageError, match=f"resumed only when it is ordered by id, not by {key.value}"):
        client.real.list(query, resume=Checkpoint(query.fingerprint(), 3, 2))


def test_a_resumed_walk_takes_no_offset(make_client):
    client = make_client(listing([]))
    place = Checkpoint(InvoiceQuery().fingerprint(), 3, 2)
    with pytest.raises(gi.UsageError, match="A resumed walk knows its place: leave the offset away"):
        client.real.list(offset=5, resume=place)


@pytest.mark.parametrize(
    "text", ["", "3", "gcore-invoices:1:abc:1:1", "gcore-invoices:2:0123456789abcdef:1:1", "x" * 99]
)
def test_a_text_that_is_no_checkpoint_is_refused(make_client, text):
    with pytest.raises(gi.UsageError) as caught:
        make_client(listing([])).real.list(resume=text)
    assert (
        str(caught.value) == f"This is no checkpoint: {text!r}. It is the text of `pager.checkpoint`, whole."
    )


def test_a_checkpoint_reads_back_from_its_line():
    place = Checkpoint(InvoiceQuery(currency="EUR").fingerprint(), -42, 7)
    assert Checkpoint.parse(str(place)) == place
    assert Checkpoint.parse(f" {place}\n") == place


@pytest.mark.parametrize("most", [1, 2, 99, 100, 101, 150, 249, 250, 251, 1000])
@pytest.mark.parametrize("order", [None, SortKey.AMOUNT_TOTAL.desc()])
def test_max_items_is_exact_and_asks_for_no_more_than_it_needs(make_client, most, order):
    wire = listing(wire_invoice(n) for n in range(1, 251))
    client = make_client(wire)
    pager = client.real.list(max_items=most, order_by=order)
    assert [invoice.id for invoice in client.items(pager)] == list(range(1, min(most, 250) + 1))
    assert pager.report.complete
    if most <= 100:
        assert len(wire.requests) == 1
        assert int(wire.requests[0].url.params["limit"]) == max(most, 2)
    elif most <= 250:
        assert len(wire.requests) == 1 + -(-(most - 100) // 99)


@pytest.mark.parametrize("most", [0, -1, True, 1.5, "3"])
def test_max_items_is_checked(make_client, most):
    with pytest.raises(gi.UsageError, match="max_items takes an integer of 1 or more, not "):
        make_client(listing([])).real.list(max_items=most)


def test_strict_and_an_offset_exclude_each_other_where_keys_change(make_client):
    client = make_client(listing([]))
    with pytest.raises(
        gi.UsageError, match="strict and an offset exclude each other where the sort key can change"
    ):
        client.real.list(order_by=SortKey.NAME.asc(), strict=True, offset=3)
    client.real.list(strict=True, offset=3)


def test_strict_always_makes_the_second_pass(make_client):
    wire = listing(wire_invoice(n) for n in range(1, 51))
    client = make_client(wire)
    pager = client.real.list(order_by=SortKey.NAME.asc(), strict=True)
    assert len(client.items(pager)) == 50
    assert [request.url.params["ordering"] for request in wire.requests] == ["name,id"] * 2 + ["id"] * 2
    assert pager.report.reconciled == 0
    assert pager.report.complete
