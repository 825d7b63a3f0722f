"""Servers that lie or fail: a complete walk or a typed error, in a bounded number of requests."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace
from support_walk import Shelf, drive, invoice

from gcore_invoices import InvoiceQuery, Page, PaginationError, SortKey
from gcore_invoices._walk import Limits

SIZES = [0, 1, 2, 99, 100, 101, 150, 199, 250, 298]
ORDERS = {
    "id": [],
    "-id": [SortKey.ID.desc()],
    "created_at": [SortKey.CREATED_AT.asc()],
    "-amount_total": [SortKey.AMOUNT_TOTAL.desc()],
    "name": [SortKey.NAME.asc()],
}


def listing(size):
    return Shelf(random.Random(size), size)


def capped(cap):
    return lambda shelf, order, offset, limit, n: shelf.page(order, offset, min(limit, cap))


def counting(lie):
    def ask(shelf, order, offset, limit, n):
        page = shelf.page(order, offset, limit)
        return replace(page, count=max(0, lie(page.count, n)))

    return ask


def next_is(value):
    return lambda shelf, order, offset, limit, n: replace(shelf.page(order, offset, limit), has_next=value)


def short_pages(shelf, order, offset, limit, n):
    return shelf.page(order, offset, shelf.random.randrange(2, limit + 1))


def empty_now_and_then(shelf, order, offset, limit, n):
    page = shelf.page(order, offset, limit)
    return replace(page, invoices=()) if offset and n % 3 == 1 else page


def empty_at_one_offset(shelf, order, offset, limit, n):
    page = shelf.page(order, offset, limit)
    return replace(page, invoices=()) if offset == 99 else page


def the_same_page_once_more(shelf, order, offset, limit, n):
    if n % 5 == 3 and "stale" in shelf.__dict__ and shelf.stale[0] == order:
        return replace(shelf.stale[1], offset=offset)
    page = shelf.page(order, offset, limit)
    shelf.stale = (order, page)
    return page


def offset_ignored_now_and_then(shelf, order, offset, limit, n):
    page = shelf.page(order, 0 if n % 4 == 3 else offset, limit)
    return replace(page, offset=offset)


HARMLESS = {
    "a cap of 50": capped(50),
    "a cap of 3": capped(3),
    "a cap of 2": capped(2),
    "next null too early": next_is(False),
    "next without end": next_is(True),
    "a count of nothing": counting(lambda count, n: 0),
    "a count too low": counting(lambda count, n: count // 2),
    "a count that jumps": counting(lambda count, n: count + (n % 3 == 0) * 7),
    "short pages": short_pages,
    "a page that comes twice": the_same_page_once_more,
    "an empty page now and then": empty_now_and_then,
    "an empty page at one place": empty_at_one_offset,
}


def told(lie, shelf, order, window=1, **limits):
    calls = 0

    def ask(order, offset, limit):
        nonlocal calls
        calls += 1
        return lie(shelf, order, offset, limit, calls - 1)

    return drive(InvoiceQuery(order_by=order), ask, limits=Limits(**limits), window=window)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("lie", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("window", [1, 8])
def test_a_lie_that_can_be_seen_through_costs_requests_only(lie, order, size, window):
    shelf = listing(size)
    walked = told(lie, shelf, order, window)
    assert walked.error is None
    assert walked.twice() == []
    assert set(walked.ids) == set(shelf.rows)
    assert len(walked.asked) <= 40 + 10 * window + 3 * size


def offset_ignored(shelf, order, offset, limit, n):
    return replace(shelf.page(order, 0, limit), offset=offset)


def order_ignored(shelf, order, offset, limit, n):
    page = shelf.page(order, offset, limit)
    mixed = sorted(page.invoices, key=lambda row: (row.id * 7919) % 101)
    return replace(page, invoices=tuple(mixed))


def ends_too_early(shelf, order, offset, limit, n):
    page = shelf.page(order, offset, limit)
    return replace(page, invoices=page.invoices[: max(0, 120 - offset)], has_next=False)


def every_second_page_is_the_one_before(shelf, order, offset, limit, n):
    if n % 2 and "stale" in shelf.__dict__ and shelf.stale[0] == order:
        return replace(shelf.stale[1], offset=offset)
    page = shelf.page(order, offset, limit)
    shelf.stale = (order, page)
    return page


def nothing_but_a_count(shelf, order, offset, limit, n):
    return replace(shelf.page(order, offset, limit), invoices=())


HOPELESS = {
    "nothing but a count": (nothing_but_a_count, "yet it counts"),
    "a cap of 1": (capped(1), "cannot be read to its end"),
    "a count too high": (counting(lambda count, n: count + 1), "yet it counts"),
    "a count that grows": (counting(lambda count, n: count + n), "yet it counts"),
    "the offset ignored": (offset_ignored, "may pass over offsets"),
    "the order ignored": (order_ignored, ""),
    "rows that are never shown": (ends_too_early, "yet it counts"),
    "every second page a copy": (every_second_page_is_the_one_before, ""),
}


@pytest.mark.parametrize("size", [s for s in SIZES if s > 101])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize(("lie", "words"), HOPELESS.values(), ids=HOPELESS)
@pytest.mark.parametrize("window", [1, 8])
def test_a_lie_that_cannot_be_seen_through_is_an_error_never_a_shortage(lie, words, order, size, window):
    shelf = listing(size)
    walked = told(lie, shelf, order, window)
    assert walked.twice() == []
    assert len(walked.asked) <= 60 + 12 * window + size
    if walked.error is None:
        assert set(walked.ids) == set(shelf.rows)
        assert lie in {every_second_page_is_the_one_before, order_ignored}
    else:
        assert isinstance(walked.error, PaginationError)
        assert words in str(walked.error)
        assert walked.error.report == walked.report
        assert walked.report.complete is False


@pytest.mark.parametrize("size", [120, 250, 298, 300, 400])
@pytest.mark.parametrize(
    "order", [[], [SortKey.ID.desc()], [SortKey.CREATED_AT.asc()]], ids=["id", "-id", "created_at"]
)
def test_a_backend_that_sometimes_passes_over_the_offset_costs_no_invoice(order, size):
    shelf = listing(size)
    walked = told(offset_ignored_now_and_then, shelf, order)
    assert walked.twice() == []
    assert walked.error or set(walked.ids) == set(shelf.rows)


@pytest.mark.parametrize("lie", ["short pages", "a cap of 50", "next null too early", "next without end"])
@pytest.mark.parametrize(
    "other", ["an empty page now and then", "an empty page at one place", "a page that comes twice"]
)
@pytest.mark.parametrize("size", [120, 250, 298])
def test_two_lies_at_once_cost_no_invoice(lie, other, size):
    shelf = listing(size)

    def both(shelf, order, offset, limit, n):
        page = HARMLESS[lie](shelf, order, offset, limit, n)
        kept = HARMLESS[other](shelf, order, offset, limit, n)
        return replace(page, invoices=page.invoices if kept.invoices else ())

    walked = told(both, shelf, [])
    assert walked.twice() == []
    assert walked.error or set(walked.ids) == set(shelf.rows)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("window", [1, 8])
def test_a_list_that_begins_anew_at_its_end_and_counts_no_end_is_an_error(order, window):
    shelf = listing(250)

    def round_and_round(shelf, order, offset, limit, n):
        rows = shelf.sorted(order)
        shown = tuple(rows[offset % 249 :][:limit])
        return Page(invoices=shown, count=10**9, offset=offset, has_next=True)

    walked = told(round_and_round, shelf, order, window)
    assert isinstance(walked.error, PaginationError)
    assert walked.twice() == []
    assert len(walked.asked) <= 300 * window


def test_rows_without_end_below_the_last_one_are_an_error():
    """By id each of these pages comes nearer to the row delivered last, and never to it."""
    rows = [invoice(n) for n in range(10_000_000, 10_000_100)]

    def ask(order, offset, limit):
        shown = rows if offset == 0 else [invoice(n) for n in range(offset, offset + limit)]
        return Page(invoices=tuple(shown), count=10**9, offset=offset, has_next=True)

    walked = drive(InvoiceQuery(), ask)
    assert "cannot be read to its end" in str(walked.error)
    assert walked.ids == [row.id for row in rows]
    assert len(walked.asked) < 200


def test_an_order_that_is_ignored_is_said_with_a_remedy():
    walked = told(order_ignored, listing(50), [SortKey.AMOUNT_TOTAL.desc()])
    assert str(walked.error) == (
        "The API does not sort by -amount_total as asked, so that invoices could be missed. "
        'Try the other sort_parameter of the client, "order_by" or "ordering".'
    )


def test_an_invoice_twice_on_a_page_is_an_error_by_id_and_dropped_elsewhere():
    def doubled(shelf, order, offset, limit, n):
        page = shelf.page(order, offset, limit)
        return replace(page, invoices=(*page.invoices, *page.invoices[-1:]), count=page.count)

    assert "repeats an invoice" in str(told(doubled, listing(5), []).error)
    walked = told(doubled, listing(5), [SortKey.CREATED_AT.asc()])
    assert walked.twice() == []


def test_a_count_that_is_too_high_by_one_says_how_many_were_read():
    walked = told(counting(lambda count, n: count + 1), listing(150), [])
    assert str(walked.error) == (
        "After 150 invoices the API shows nothing new, yet it counts 151. It may pass over offsets, "
        "cut pages short or count wrongly; the list cannot be read to its end."
    )
    assert walked.error.checkpoint.last_id == walked.ids[-1]
