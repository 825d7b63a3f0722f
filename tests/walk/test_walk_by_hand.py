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
from support_walk import invoice

import gcore_invoices as gi
from gcore_invoices import InvoiceQuery, Order, Page, SortKey, _walk
from gcore_invoices._walk import Deliver, Limits

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
            self.rows[number] = invoice(number, milliseconds=number * 1000, **given)

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
            assert asked < 60, "the walk does not end"
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
        lambda it: {6: lambda: it.insert(11, amount_total=Decimal(-1))},
        strict=True,
    ),
    # -- lies
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
            List(1, 2, 3).page(Order.parse("id"), 0, 2), offset=page.offset
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
