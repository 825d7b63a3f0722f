"""The guarantee, against a list that changes between any two requests."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_walk import Shelf, drive, invoice, keys_never_change

from gcore_invoices import InvoiceQuery, SortKey
from gcore_invoices._walk import Limits

TERMS = [term for key in SortKey for term in (key.asc(), key.desc())]

orders = st.lists(st.sampled_from(TERMS), max_size=2, unique_by=lambda term: term.key)
seeds = st.integers(0, 2**32)


def one_walk(seed, order, page_size, window, *, strict, moving):
    shelf = Shelf(random.Random(seed), random.Random(seed).choice([0, 1, 2, 5, 20, 60, 130]))
    asked = 0

    def ask(order, offset, limit):
        nonlocal asked
        asked += 1
        if moving and asked < 60:  # a list that never came to rest would have no end to reach
            for _ in range(shelf.random.choice([0, 0, 1, 2])):
                act = shelf.random.choice([shelf.insert, shelf.delete, shelf.change])
                act(shelf.random.choice([1, 1, 2, 5, 30]))
        return shelf.page(order, offset, limit)

    query = InvoiceQuery(order_by=order, page_size=page_size)
    return shelf, query, drive(query, ask, limits=Limits(strict=strict), window=window)


@settings(max_examples=max(1000, settings.default.max_examples), deadline=None)
@given(seeds, orders, st.integers(1, 12), st.sampled_from([1, 1, 2, 4, 16]), st.booleans())
def test_a_list_that_moves_is_delivered_whole_and_once(seed, order, page_size, window, strict):
    shelf, query, walked = one_walk(seed, order, page_size, window, strict=strict, moving=True)
    assert walked.error is None
    assert walked.twice() == []
    assert walked.report.delivered == len(walked.ids)
    assert walked.report.complete
    if strict or keys_never_change(query):
        assert shelf.always <= set(walked.ids)


@settings(max_examples=max(250, settings.default.max_examples), deadline=None)
@given(seeds, orders, st.integers(1, 12), st.sampled_from([1, 2, 4, 16]))
def test_a_list_at_rest_is_delivered_in_order_with_few_requests(seed, order, page_size, window):
    shelf, query, walked = one_walk(seed, order, page_size, window, strict=False, moving=False)
    from gcore_invoices._walk import effective_order  # noqa: PLC0415

    assert walked.ids == [row.id for row in shelf.sorted(effective_order(query))]
    size = len(shelf.rows)
    step = max(page_size, 2) - 1
    assert len(walked.asked) == walked.report.requests <= -(-size // step) + 1
    report = walked.report
    assert (report.seams_reread, report.inserted, report.removed, report.reconciled) == (0, 0, 0, 0)
    assert (report.first_count, report.last_count, report.delivered) == (size, size, size)


@pytest.mark.parametrize("seed", range(20))
def test_without_the_seams_rows_would_be_lost(seed):
    """The model is hard enough: a plain offset loop over the same moving list loses and repeats rows."""
    shelf = Shelf(random.Random(seed), 200)
    got = []
    order = InvoiceQuery(order_by=[SortKey.ID.asc()]).order_by
    for offset in range(0, 400, 10):
        shelf.delete(2)
        got += [row.id for row in shelf.page(order, offset, 10).invoices]
    assert shelf.always - set(got)


@pytest.mark.parametrize("hidden", [False, True], ids=["a seam shows it", "an invoice seen again shows it"])
def test_what_passes_behind_the_walk_is_brought_by_the_second_pass(hidden):
    shelf = Shelf(random.Random(1), 0)
    shelf.rows = {n: invoice(n, amount_total=Decimal(n)) for n in range(1, 13)}
    asked = []

    def ask(order, offset, limit):
        asked.append(str(order))
        if len(asked) == 2:
            shelf.rows[8] = invoice(8, amount_total=Decimal("0.5"))
            if hidden:  # another one takes its place, so that no row is elsewhere than expected
                shelf.rows[2] = invoice(2, amount_total=Decimal("8.5"))
        return shelf.page(order, offset, limit)

    query = InvoiceQuery(order_by=SortKey.AMOUNT_TOTAL.asc(), page_size=4)
    walked = drive(query, ask)
    assert sorted(walked.ids) == list(range(1, 13))
    assert walked.ids[-1] == 8
    assert walked.report.reconciled == 1
    assert walked.report.delivered == 12
    assert walked.report.seams_reread == (not hidden)
    assert set(asked) == {"amount_total,id", "id"}
