"""A walk by hand: what it asks for, what it hands out and what it reports, step by step, as stories.txt has it.

    id 3+4 (6, 9)       asks for 4 rows from offset 3, in the order by id; the next offsets, if nothing moves
    id 3+4 (2 times)    asks so twice in a row
    = 5 6 7 at 4        hands these out
    ! no end            ends with this error

The walk is the same whoever runs it: nothing is sent anywhere.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from pathlib import Path

import msgspec
import pytest
from support_walk import START, invoice

import gcore_invoices as gi
from gcore_invoices import InvoiceQuery, Order, Page, SortKey, _walk
from gcore_invoices._walk import Deliver, Limits

BY_ID = Order.parse("id")
EXPECTED = {
    name: lines
    for name, *lines in (
        story.splitlines()
        for story in Path(__file__).with_name("stories.txt").read_text("utf-8").rstrip().split("\n\n")
    )
}


class List:
    """Rows by id; an amount of each row is its id unless it is set, and a second passes between any two."""

    def __init__(self, *ids):
        self.rows = {}
        self.insert(*ids)

    def insert(self, *ids, **changes):
        for number in ids:
            given = {"amount_total": Decimal(number)} | changes
            self.rows[number] = invoice(number, milliseconds=number % 10**6 * 1000, **given)

    def delete(self, *ids):
        for number in ids:
            del self.rows[number]

    def page(self, order, offset, limit):
        rows = list(self.rows.values())
        for term in reversed(order.terms):
            rows.sort(key=lambda row: getattr(row, term.key.value), reverse=term.descending)
        shown = tuple(rows[offset : offset + limit])
        return Page(invoices=shown, count=len(rows), offset=offset, has_next=offset + limit < len(rows))


def told(query, rows, before=None, answer=None, **limits):
    """The story of a walk: `before` says what happens before a request of that number."""
    before = before or {}
    walk = _walk.walk(query, Limits(**limits))
    story, page, asked = [], None, 0
    try:
        while True:
            step = walk.send(page)
            page = None
            if isinstance(step, Deliver):
                story.append(f"= {' '.join(str(row.id) for row in step.page.invoices)} at {step.page.offset}")
                continue
            asked += 1
            assert asked < 100, "the walk does not end"
            before.get(asked, lambda: None)()
            story.append(f"{step.order} {step.offset}+{step.limit} {step.ahead or ''}".rstrip())
            page = rows.page(step.order, step.offset, step.limit)
            page = answer(page, asked) if answer else page
    except StopIteration as end:
        report = end.value
    except gi.PaginationError as error:
        story.append(f"! {error}")
        report = error.report
    untouched = gi.WalkReport()
    names = [name for name in REPORTED if getattr(report, name) != getattr(untouched, name)]
    story.append(", ".join(f"{name} {getattr(report, name)}" for name in names))
    folded = [(line, len(list(same))) for line, same in groupby(story)]
    return [line if times == 1 else f"{line} ({times} times)" for line, times in folded]


REPORTED = (
    *("pages", "requests", "delivered", "first_count", "last_count", "seams_reread", "inserted", "removed"),
    *("reconciled", "complete"),
)


def query(page_size=4, **fields):
    return InvoiceQuery(page_size=page_size, **fields)


def ten():
    return List(*range(1, 11))


def at_one_time():
    rows = List()
    rows.insert(*range(1, 11), created_at=START)
    return rows


def changed(**how):
    return lambda page, asked: msgspec.structs.replace(page, **how)


def at_rest(asked_for, rows=ten, **limits):
    return lambda: told(asked_for, rows(), **limits)


def moving(asked_for, steps, rows=ten, **limits):
    """`steps(list)` are the changes, by the number of the request that they come before."""

    def tell():
        listed = rows()
        return told(asked_for, listed, steps(listed), **limits)

    return tell


def resumed(place, asked_for, **limits):
    resume = gi.Checkpoint(asked_for.fingerprint(), *place)
    return at_rest(asked_for, resume=resume, **limits)


STORIES = {
    # -- at rest
    "by id": at_rest(query()),
    "by id, down": at_rest(query(order_by=SortKey.ID.desc())),
    "an empty list": at_rest(query(), List),
    "one row": at_rest(query(), lambda: List(5)),
    "a page exactly": at_rest(query(), lambda: List(1, 2, 3, 4)),
    "pages of one row are of two": at_rest(query(1), lambda: List(1, 2, 3)),
    "large pages": at_rest(query(100)),
    "from an offset": at_rest(query(offset=3)),
    "from an offset beyond the end": at_rest(query(offset=30)),
    "so many": at_rest(query(), max_items=5),
    "one": at_rest(query(), max_items=1),
    "as many as a page": at_rest(query(), max_items=4),
    "more than there are": at_rest(query(), max_items=50),
    "so many from an offset": at_rest(query(offset=6), max_items=3),
    "by amount": at_rest(query(order_by=SortKey.AMOUNT_TOTAL.asc())),
    "by amount, strictly": at_rest(query(order_by=SortKey.AMOUNT_TOTAL.asc()), strict=True),
    "by amount, so many, strictly": at_rest(
        query(order_by=SortKey.AMOUNT_TOTAL.desc()), strict=True, max_items=3
    ),
    "by time, from an offset": at_rest(query(order_by=SortKey.CREATED_AT.desc(), offset=2)),
    # -- going on
    "resumed": resumed((4, 3), query()),
    "resumed at the end": resumed((10, 9), query()),
    "resumed, so many": resumed((4, 3), query(), max_items=2),
    "resumed where the row has moved": resumed((6, 2), query()),
    "resumed where rows are gone": resumed((6, 9), query()),
    "resumed beyond the end": resumed((6, 40), query()),
    # -- by id, moving
    "rows vanish behind": moving(query(), lambda it: {2: lambda: it.delete(1, 2)}),
    "a page of rows vanishes behind": moving(query(), lambda it: {3: lambda: it.delete(1, 2, 3, 4, 5, 6)}),
    "the last row vanishes": moving(query(), lambda it: {2: lambda: it.delete(4)}),
    "all vanish": moving(query(), lambda it: {3: lambda: it.delete(*list(it.rows))}),
    "the rest vanishes": moving(query(), lambda it: {2: lambda: it.delete(5, 6, 7, 8, 9, 10)}),
    "rows come behind": moving(
        query(order_by=SortKey.ID.desc()), lambda it: {2: lambda: it.insert(11, 12, 13)}
    ),
    "rows come at the end": moving(query(), lambda it: {4: lambda: it.insert(11, 12)}),
    "rows come behind all the time": moving(
        query(order_by=SortKey.ID.desc()),
        lambda it: {2: lambda: it.insert(11), 3: lambda: it.insert(12), 4: lambda: it.insert(13, 14, 15, 16)},
    ),
    "rows vanish behind, from an offset": moving(query(offset=2), lambda it: {2: lambda: it.delete(1, 2, 3)}),
    # -- by time
    "by time, rows vanish behind": moving(
        query(order_by=SortKey.CREATED_AT.asc()), lambda it: {2: lambda: it.delete(1, 2, 3)}
    ),
    "by time, rows come behind": moving(
        query(order_by=SortKey.CREATED_AT.desc()), lambda it: {2: lambda: it.insert(11, 12)}
    ),
    "by time, down, the last row vanishes": moving(
        query(order_by=SortKey.CREATED_AT.desc(), offset=1), lambda it: {2: lambda: it.delete(9, 8, 7, 6)}
    ),
    "by time, all at one time, from an offset, the last row vanishes": moving(
        query(order_by=SortKey.CREATED_AT.desc(), offset=1),
        lambda it: {4: lambda: it.delete(10)},
        at_one_time,
    ),
    # -- by keys that change
    "a row moves ahead of the walk": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()),
        lambda it: {3: lambda: it.insert(9, amount_total=Decimal(0))},
    ),
    "a row is moved back into the way": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()),
        lambda it: {2: lambda: it.insert(2, amount_total=Decimal("7.5"))},
    ),
    "rows vanish behind, by amount": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()), lambda it: {2: lambda: it.delete(1, 2)}
    ),
    "the seam is gone, by amount": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()), lambda it: {2: lambda: it.delete(4)}
    ),
    "a change after an offset, by amount": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc(), offset=1), lambda it: {2: lambda: it.delete(2, 3)}
    ),
    "rows come behind the second pass": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()),
        lambda it: {6: lambda: it.insert(*range(11, 19), amount_total=Decimal(-1))},
        strict=True,
    ),
    "by amount, from an offset": at_rest(query(order_by=SortKey.AMOUNT_TOTAL.asc(), offset=3)),
    "rows come at the end, by amount": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()), lambda it: {3: lambda: it.insert(11, 12)}
    ),
    "two pages of rows move ahead of the walk": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()),
        lambda it: {2: lambda: it.insert(5, 6, 7, 8, 9, 10, amount_total=Decimal(0))},
    ),
    "rows move ahead of the walk that are more than a page": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()),
        lambda it: {5: lambda: it.insert(16, 17, 18, 19, 20, amount_total=Decimal(0))},
        lambda: List(*range(1, 21)),
    ),
    "a row comes and goes, by amount": moving(
        query(order_by=SortKey.AMOUNT_TOTAL.asc()),
        lambda it: {2: lambda: it.insert(11), 4: lambda: it.delete(11)},
    ),
    # -- times that are equal, as the wire shows them
    "at one time, rows vanish behind": moving(
        query(order_by=SortKey.CREATED_AT.asc()), lambda it: {2: lambda: it.delete(1, 2)}, at_one_time
    ),
    "at one time, down, rows vanish behind": moving(
        query(order_by=[SortKey.CREATED_AT.desc(), SortKey.ID.asc()]),
        lambda it: {2: lambda: it.delete(1, 2)},
        at_one_time,
    ),
    "by time, from an offset, rows vanish behind": moving(
        query(order_by=SortKey.CREATED_AT.asc(), offset=2), lambda it: {2: lambda: it.delete(3, 4, 5)}
    ),
    # -- numbers that no float holds
    "large ids": at_rest(query(2), lambda: List(*range(2**60, 2**60 + 5))),
    "large ids, down, moving": moving(
        query(2, order_by=SortKey.ID.desc()),
        lambda it: {2: lambda: it.delete(2**60 + 3), 4: lambda: it.insert(2**60 + 5, 2**60 + 6)},
        lambda: List(*range(2**60, 2**60 + 5)),
    ),
    # -- lies
    "a page of the beginning, under an offset that would end the list": lambda: told(
        query(),
        List(1, 2, 3, 4, 5, 6, 7),
        answer=lambda page, asked: (
            page
            if asked != 2
            else Page(invoices=List(1, 2, 3, 4).page(BY_ID, 0, 4).invoices, count=7, offset=3, has_next=False)
        ),
    ),
    "a next page far beyond the end": lambda: told(query(offset=30), ten(), answer=changed(has_next=True)),
    "a next page after the end": lambda: told(query(), ten(), answer=changed(has_next=True)),
    "a count too high": lambda: told(query(), List(1, 2, 3), answer=changed(count=4)),
    "a count too low": lambda: told(query(), ten(), answer=changed(count=2)),
    "no rows, and a count": lambda: told(query(), List(), answer=changed(count=3)),
    "pages cut short": lambda: told(
        query(), ten(), answer=lambda page, asked: msgspec.structs.replace(page, invoices=page.invoices[:3])
    ),
    "not sorted": lambda: told(
        query(), ten(), answer=lambda page, asked: msgspec.structs.replace(page, invoices=page.invoices[::-1])
    ),
    "an invoice twice": lambda: told(
        query(),
        ten(),
        answer=lambda page, asked: msgspec.structs.replace(page, invoices=page.invoices[:1] * 2),
    ),
    "an empty page in the middle": lambda: told(
        query(),
        ten(),
        answer=lambda page, asked: page if asked != 2 else msgspec.structs.replace(page, invoices=()),
    ),
    "the offset passed over": lambda: told(
        query(2),
        List(1, 2, 3),
        answer=lambda page, asked: msgspec.structs.replace(
            List(1, 2, 3).page(BY_ID, 0, 2), offset=page.offset
        ),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_walk_does_what_its_story_says(name):
    assert STORIES[name]() == EXPECTED[name]


def test_every_story_is_told():
    assert list(STORIES) == list(EXPECTED)


def test_values_that_are_unknown_are_named_once():
    rows = List(1, 2, 3)
    rows.insert(4, payment_state=gi.PaymentState("blocked"), move_type=gi.MoveType("entry"))
    rows.insert(5, payment_state=gi.PaymentState("blocked"))
    walk = _walk.walk(query(3), Limits())
    seen, page = [], None
    with pytest.raises(StopIteration) as end:
        while True:
            step = walk.send(page)
            page = None
            if isinstance(step, Deliver):
                seen.append(step.report.unknown_values)
            else:
                page = rows.page(step.order, step.offset, step.limit)
    named = {"payment_state=blocked", "move_type=entry"}
    assert seen == [frozenset(), named]
    assert end.value.value.unknown_values == named


def test_rows_that_come_behind_all_the_time_are_passed_over_in_large_steps():
    rows = List(*range(1, 11))
    before = {2: lambda: rows.insert(*range(11, 5511))}
    before |= {number: lambda at=number: rows.insert(6000 + at) for number in range(3, 70)}
    story = told(query(order_by=SortKey.ID.desc()), rows, before)
    assert "delivered 10," in story[-1]
    assert story[-1].endswith("complete True")
    assert len(story) < 70


@pytest.mark.parametrize(("resumed", "requests"), [(False, 72), (True, 1067)])
def test_the_way_through_rows_that_are_known_has_an_end(resumed, requests):
    """Four times the pages that brought something, and sixteen more; and a thousand for a resumed walk."""
    last = 10**6
    limits = Limits(resume=gi.Checkpoint(query().fingerprint(), last, 3)) if resumed else Limits()
    walk = _walk.walk(query(), limits)
    page = None
    with pytest.raises(gi.PaginationError, match="shows nothing new, yet it counts 10000000") as caught:
        while True:
            step = walk.send(page)
            page = None
            if isinstance(step, Deliver):
                continue
            # The last row, and then rows before it, each page one row further on.
            ids = [last] if step.offset == 0 else [step.offset, step.offset + 1]
            rows = tuple(invoice(number) for number in ids)
            page = Page(invoices=rows, count=10**7, offset=step.offset, has_next=True)
            if step.offset == 0:
                page = msgspec.structs.replace(page, invoices=(invoice(last - 1), *rows))
    assert caught.value.report.requests == requests


def test_a_page_whose_rows_moved_ends_no_list_that_counts_more():
    """It ends with the row delivered last; but the count says, that once, that another comes."""
    rows = ten()
    miscounted = 4
    story = told(
        query(),
        rows,
        {miscounted: lambda: rows.insert(0)},
        answer=lambda page, asked: changed(count=page.count + (asked == miscounted))(page, asked),
    )
    assert story[-3:-1] == ["id 9+4", "id 10+100 (11,)"]
    assert story[-1].endswith("complete True")


def test_two_rows_the_wrong_way_round_are_enough_to_tell():
    rows = List(1, 2, 3)
    story = told(query(), rows, answer=lambda page, _: msgspec.structs.replace(page, invoices=shuffled(page)))
    assert story[1].startswith("! The API does not sort by id as asked")


def shuffled(page):
    first, second, third = page.invoices
    return first, third, second


def test_no_more_is_asked_for_ahead_than_a_client_may_fetch_at_once():
    rows = List(*range(1, 101))
    walk = _walk.walk(query(2), Limits())
    first = walk.send(None)
    assert first.ahead == ()
    walk.send(rows.page(first.order, first.offset, first.limit))
    assert walk.send(None).ahead == tuple(range(2, 2 + _walk.MAX_CONCURRENCY - 1))


def test_a_resumed_walk_that_fails_at_once_is_where_it_was():
    place = gi.Checkpoint(query().fingerprint(), 4, 3)
    walk = _walk.walk(query(), Limits(resume=place))
    step = walk.send(None)
    with pytest.raises(gi.PaginationError) as caught:
        walk.send(ten().page(Order.parse("-id"), step.offset, step.limit))
    assert caught.value.checkpoint == place


@pytest.mark.parametrize("order", ["id", "-id"])
def test_a_walk_that_fails_says_where_to_go_on(order):
    asked_for = query(order_by=Order.parse(order))
    walk = _walk.walk(asked_for, Limits())
    rows = ten()
    first = walk.send(None)
    assert isinstance(walk.send(rows.page(first.order, 0, 4)), Deliver)
    step = walk.send(None)
    wrong = rows.page(Order.parse("-id" if order == "id" else "id"), step.offset, step.limit)
    with pytest.raises(gi.PaginationError) as caught:
        walk.send(wrong)
    last = 4 if order == "id" else 7
    assert caught.value.checkpoint == gi.Checkpoint(asked_for.fingerprint(), last, 3)


def test_a_whole_page_is_no_end_whatever_the_count_says():
    rows = List(*range(1, 8))
    before = {3: lambda: rows.delete(3), 4: lambda: rows.insert(3)}

    def counts_itself(page, asked):
        return changed(count=len(page.invoices), has_next=False)(page, asked)

    story = told(query(page_size=2), rows, before, counts_itself)
    assert [line for line in story if line.startswith("=")] == [
        "= 1 2 at 0",
        "= 3 at 2",
        "= 4 at 3",
        "= 5 at 4",
        "= 6 at 5",
        "= 7 at 6",
    ]
    assert story[-1].endswith("complete True")


def test_an_offset_passed_over_is_no_end_on_a_page_that_was_fetched_ahead():
    def the_first_three(page, asked):
        # Asked for when pages were of three rows, read when they are longer; at 4 it seems to end the list.
        return changed(invoices=rows.page(BY_ID, 0, 3).invoices, has_next=page.offset + 3 < 7)(page, asked)

    rows = List(*range(1, 8))
    story = told(query(page_size=3), rows, answer=the_first_three)
    assert "= 1 2 3 at 0" in story
    assert any(
        line.startswith("! After 3 invoices the API shows nothing new, yet it counts 7.") for line in story
    )


def test_a_walk_by_a_key_that_can_change_knows_no_place_to_go_on():
    walk = _walk.walk(query(order_by=SortKey.AMOUNT_TOTAL.asc()), Limits())
    rows = ten()
    first = walk.send(None)
    walk.send(rows.page(first.order, 0, 4))
    walk.send(None)
    with pytest.raises(gi.PaginationError) as caught:
        walk.send(rows.page(Order.parse("-id"), 0, 4))
    assert caught.value.checkpoint is None


@pytest.mark.parametrize(
    ("asked_for", "limits", "sentence"),
    [
        (
            query(order_by=SortKey.NAME.asc()),
            {"resume": gi.Checkpoint("0" * 16, 1, 1)},
            "A walk can be resumed only when it is ordered by id, not by name.",
        ),
        (
            query(),
            {"resume": gi.Checkpoint("0" * 16, 1, 1)},
            "The checkpoint belongs to a list with other filters or another order.",
        ),
        (
            query(offset=1),
            {"resume": gi.Checkpoint(query().fingerprint(), 1, 1)},
            "A resumed walk knows its place: leave the offset away.",
        ),
        (
            query(offset=1, order_by=SortKey.NAME.asc()),
            {"strict": True},
            "strict and an offset exclude each other where the sort key can change.",
        ),
    ],
)
def test_what_a_walk_cannot_do_is_refused_in_a_sentence(asked_for, limits, sentence):
    with pytest.raises(gi.UsageError) as caught:
        _walk.check(asked_for, Limits(**limits))
    assert str(caught.value) == sentence
