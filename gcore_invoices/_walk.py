"""One walk over a list, as a generator: offsets out, pages in, new rows out. No I/O.

The API cuts pages by offset from a list that moves: a row that vanishes before the offset pulls another one
past it, unseen. So each page begins with a row that was delivered already, the seam, and is accepted only if
the seam proves that nothing lies between the two pages. What counts as proof depends on the order:

    by id          keys never change and never repeat: the first row is at or before the last one delivered
    by created_at  keys never change: the first row is strictly earlier than the last one delivered, or the
                   page holds that row (the wire's clock is coarser than the database's, so equal is no proof)
    other keys     a row may pass behind the walk while another takes its place, and no seam can show it: the
                   last row delivered is where it was expected; any doubt ends in a second pass, by id

A proof that fails steps back 2, 4, 8 … rows until it holds. It need not matter when a page was cut: each is a
snapshot, and each proof speaks of the rows that match all the time. So pages can be fetched ahead.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Generator
from itertools import chain, islice
from operator import attrgetter, ge, le
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from attrs import field, frozen

from gcore_invoices._checks import number
from gcore_invoices.errors import PaginationError, UsageError
from gcore_invoices.events import Checkpoint, WalkReport
from gcore_invoices.models import MoveType, Page, PaymentState
from gcore_invoices.ordering import Order, SortKey
from gcore_invoices.query import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcore_invoices.models import Invoice
    from gcore_invoices.query import InvoiceQuery

MAX_CONCURRENCY = 32
"""The widest window: so many pages may be on their way or held at once."""

# Requests that may bring nothing, before one brings something new again; a few more the longer the list.
_PATIENCE = 16
# Pages of rows it knows that a walk may pass on its way to where it was, for each that brought something new.
_WAY = 4
# So many more may have come in before the place of a walk that is resumed.
_WAY_RESUMED = 1000

_BY_ID = Order([SortKey.ID.asc()])
_KNOWN = {*PaymentState, *MoveType}
_FIELD = {PaymentState: "payment_state", MoveType: "move_type"}


class Fetch(msgspec.Struct, frozen=True):
    """Ask for a page. Answered with the `Page`.

    `ahead` are the offsets that will be asked for next if nothing moves; they may be fetched already, in the
    same order and with this limit; one planned earlier may come with the limit of its time. Whatever was
    fetched ahead and is not among them any more is to be thrown away.
    """

    order: Order
    offset: int
    limit: int
    ahead: tuple[int, ...] = ()


class Deliver(msgspec.Struct, frozen=True):
    """Hand out the rows of a page that are new. Answered with nothing."""

    page: Page
    report: WalkReport


Walk: TypeAlias = Generator[Fetch | Deliver, "Page | None", WalkReport]


def _place(resume: Checkpoint | str | None) -> Checkpoint | None:
    return resume if resume is None or isinstance(resume, Checkpoint) else Checkpoint.parse(resume)


@frozen(kw_only=True)
class Limits:
    """What a walk is to do besides its query.

    Attributes:
        max_items: Stop after so many invoices.
        strict: Always make the second pass, by id, after a walk by keys that may change.
        resume: Go on after the place of an earlier walk, a checkpoint or its text.

    Raises:
        UsageError: `max_items` is no positive integer, or the text is no checkpoint.
    """

    max_items: int | None = field(default=None, validator=number(1, whole=True, optional=True))
    strict: bool = False
    resume: Checkpoint | None = field(default=None, converter=_place)


def effective_order(query: InvoiceQuery) -> Order:
    """The query's order, made total by `id`: without it, rows with equal keys could swap between pages."""
    if any(term.key is SortKey.ID for term in query.order_by):
        return query.order_by
    return Order((*query.order_by, SortKey.ID.asc()))


def is_by_id(query: InvoiceQuery) -> bool:
    """Whether the list is ordered by `id` before anything else; then a walk can be resumed."""
    return effective_order(query).terms[0].key is SortKey.ID


def check(query: InvoiceQuery, limits: Limits) -> None:
    """Refuse what a walk cannot do.

    Raises:
        UsageError: The checkpoint is of another list, or the list is not ordered by id; or `strict` is asked
            together with an offset, where a pass by id cannot tell which rows were to be passed over.
    """
    if limits.resume is not None:
        if not is_by_id(query):
            raise UsageError(f"A walk can be resumed only when it is ordered by id, not by {query.order_by}.")
        if limits.resume.query != query.fingerprint():
            raise UsageError("The checkpoint belongs to a list with other filters or another order.")
        if query.offset:
            raise UsageError("A resumed walk knows its place: leave the offset away.")
    if limits.strict and query.offset and isinstance(_seam(query), _ByPlace):
        raise UsageError("strict and an offset exclude each other where the sort key can change.")


def walk(query: InvoiceQuery, limits: Limits) -> Walk:
    """Walk over all that matches the query; the result is the final report.

    Raises:
        PaginationError: The walk cannot be completed without loss.
    """
    run = _Run(query, limits)
    seam = _seam(query)
    if limits.resume is not None and isinstance(seam, _ById):
        seam.last = limits.resume.last_id
    start = query.offset if limits.resume is None else limits.resume.offset
    yield from run.read(effective_order(query), seam, start)
    if isinstance(seam, _ByPlace) and not run.full and (limits.strict or seam.in_doubt or run.miscounted()):
        run.refuse_to_mend_after_offset()
        run.begin_second_pass(seam.seen)
        yield from run.read(_BY_ID, _ById(1), 0)
    return run.report(complete=True)


class _Run:
    """What one walk knows, over its one or two passes."""

    def __init__(self, query: InvoiceQuery, limits: Limits) -> None:
        self._query = query
        self._fingerprint = query.fingerprint() if is_by_id(query) else None
        self._left = limits.max_items
        # One row of a page is the seam; of a resumed walk, of the first page too.
        wanted = query.page_size if self._left is None else self._left + (limits.resume is not None)
        self._limit = max(min(query.page_size, wanted), 2)
        self._places: dict[int, int] = {}
        self._reached: int | None = None
        self._count_moved = False
        self._resumed = limits.resume is not None
        if limits.resume is not None:
            self._places[limits.resume.last_id] = limits.resume.offset
        self._seen: Counter[str] = Counter()
        """The numbers of the report."""
        self._first_count: int | None = None
        self._last_count: int | None = None
        self._unknown: frozenset[str] = frozenset()
        self.checkpoint = limits.resume
        self.delivered_before: frozenset[int] = frozenset()
        """What a second pass is not to deliver again."""
        self.full = False
        """`max_items` have been delivered."""

    def read(self, order: Order, seam: _Seam, start: int) -> Generator[Fetch | Deliver, Page | None, None]:
        """One pass over the list in one order, until nothing new comes."""
        offset, origin, back = start, start, 0
        limit = length = self._limit
        count = idle = way = 0
        looked = begun_anew = False
        while True:
            page = yield Fetch(order, offset, limit, self._ahead(offset, length, count))
            assert page is not None  # noqa: S101 - a Fetch is answered with a page
            rows, count = page.invoices, page.count
            self._note(page)
            self._check_order(rows, order)
            if idle > _PATIENCE + 2 * count.bit_length() or way > self._longest_way():
                raise self._no_end(count)
            if not (seam.joins(rows, back=back, limit=limit) or (begun_anew and offset == 0)):
                self._note_broken(seam)
                # Nothing lies before the first row: it joins on if it is found there twice.
                begun_anew = offset == 0
                # An empty page lies beyond the end; the count says how far.
                origin = min(origin if back else offset, offset if rows else max(count, 1))
                back = back * 2 or 2
                idle += 1
                looked = False
                offset = max(origin - back, 0)
                continue
            back, begun_anew = 0, False
            still = self._note_places(page, seam)
            onward = seam.moves_on(rows)
            new = seam.new(rows, after_only=self._query.offset > 0)
            at_end = offset + len(rows) >= count
            if new:
                idle, way, looked, self._reached = 0, 0, False, new[-1].id
                yield from self._deliver(page, new)
                if self.full:
                    return
            elif len(rows) < min(length, self._limit) and self._is_end(page, still=still, looked=looked):
                # (A whole page may be followed by more, whatever the count says.)
                return
            elif at_end or len(rows) <= 1 or not (still or onward):
                # What does not fit together, such as a next page after the end, is looked at once more.
                # (Else the walk is on its way through rows it knows, to where the last one has moved.)
                idle += 1
                looked = still and at_end and self._stops_where_reached(page)
            else:
                way += 1
            # That way is taken in large steps: the list may move faster than small pages can follow.
            limit = self._limit if new or at_end else MAX_PAGE_SIZE
            length = limit if at_end or len(rows) >= limit or not new else len(rows)
            offset += max(len(rows) - 1, 0)

    def _longest_way(self) -> int:
        return _WAY * (_PATIENCE + self._seen["pages"]) + (_WAY_RESUMED if self._resumed else 0)

    def _is_end(self, page: Page, *, still: bool, looked: bool) -> bool:
        """Whether a short page without new rows shows that there are no more."""
        fits = _fits(page) and not page.has_next
        if still:
            return fits or (looked and page.offset + len(page.invoices) >= page.count)
        # Rows came or went before this very look. What ends where the walk has come to is its end still.
        return fits and self._stops_where_reached(page)

    def _stops_where_reached(self, page: Page) -> bool:
        return (page.invoices[-1].id if page.invoices else None) == self._reached

    def begin_second_pass(self, delivered: Iterable[int]) -> None:
        """From now on rows are read in another order, and these are not delivered again."""
        self.delivered_before = frozenset(delivered)
        self._places, self._reached = {}, None

    def _ahead(self, offset: int, length: int, count: int) -> tuple[int, ...]:
        """The offsets after this one if nothing moves: page by page, and the look beyond the last row."""
        step = max(length - 1, 1)
        end = count if self._left is None else min(count, offset + self._left)
        following = range(offset + step, end, step)
        look = (count - 1,) if end == count and count - 1 > offset and count - 1 not in following else ()
        return tuple(islice(chain(following, look), MAX_CONCURRENCY - 1))

    def _deliver(self, page: Page, new: list[Invoice]) -> Generator[Fetch | Deliver, Page | None, None]:
        if self.delivered_before:
            new = [row for row in new if row.id not in self.delivered_before]
            self._seen["reconciled"] += len(new)
        if self._left is not None:
            new = new[: self._left]
            self._left -= len(new)
            self.full = self._left == 0
        if not new:
            return
        if self._fingerprint:
            self.checkpoint = Checkpoint(self._fingerprint, new[-1].id, self._places[new[-1].id])
        self._seen["pages"] += 1
        self._seen["delivered"] += len(new)
        begins = self._places[new[0].id]
        yield Deliver(msgspec.structs.replace(page, invoices=tuple(new), offset=begins), self.report())

    def _note(self, page: Page) -> None:
        rows = page.invoices
        values = {*map(attrgetter("payment_state"), rows), *map(attrgetter("move_type"), rows)}
        if not values <= _KNOWN:
            self._unknown |= {f"{_FIELD[type(value)]}={value}" for value in values - _KNOWN}
        self._first_count = page.count if self._first_count is None else self._first_count
        self._last_count = page.count
        self._count_moved |= page.count != self._first_count
        self._seen["requests"] += 1

    def _note_broken(self, seam: _Seam) -> None:
        self._seen["seams_reread"] += 1
        if isinstance(seam, _ByPlace):
            seam.in_doubt = True
            self.refuse_to_mend_after_offset()

    def _note_places(self, page: Page, seam: _Seam) -> bool:
        """Note where the rows of this page are; whether those known from the page before are still there.

        A row that is elsewhere tells how many came or went before it, and unmasks an API that passes over
        the offset: whatever it is asked, its rows are never where they were.
        """
        rows, before = page.invoices, self._places
        places = range(page.offset, page.offset + len(rows))
        self._places = dict(zip(map(attrgetter("id"), rows), places, strict=True))
        known = seam.last_id() if seam.last_id() in self._places else None
        if known is None or known not in before:
            known = next((row.id for row in rows if row.id in before), None)
        if known is None:
            # Nothing to compare with: the list has to begin here, or to end before anything was delivered.
            return page.offset == 0 or (not rows and seam.last_id() is None)
        shift = self._places[known] - before[known]
        if shift:
            self._seen["inserted" if shift > 0 else "removed"] += abs(shift)
        return not shift

    def _check_order(self, rows: Sequence[Invoice], order: Order) -> None:
        """Each page must be in the order asked for, as far as its first key shows.

        Names are left out: a database sorts text by rules of its own. So are equal and missing values.
        """
        term = order.terms[0]
        if term.key is SortKey.NAME:
            return
        name = term.key.value
        keys = [key for key in map(attrgetter(name), rows) if key is not None]
        if term.key is SortKey.ID and len(set(keys)) < len(keys):
            raise self.error("The API repeats an invoice within one page.")
        if not all(map(ge if term.descending else le, keys, keys[1:])):
            raise self.error(
                f"The API does not sort by {term} as asked, so that invoices could be missed. "
                'Try the other sort_parameter of the client, "order_by" or "ordering".'
            )

    def miscounted(self) -> bool:
        """Whether the API counts otherwise than was delivered, or than it did before."""
        expected = max((self._last_count or 0) - self._query.offset, 0)
        return self._count_moved or self._seen["delivered"] != expected

    def refuse_to_mend_after_offset(self) -> None:
        """A second pass goes by id, and cannot tell which rows an offset in another order passed over."""
        if self._query.offset:
            raise self.error(
                "The list changed while it was read, so that an invoice may have been missed. With an offset "
                "and a sort key that can change this cannot be mended: start again, or order by id."
            )

    def _no_end(self, count: int) -> PaginationError:
        return self.error(
            f"After {self._seen['delivered']} invoices the API shows nothing new, yet it counts {count}. "
            "It may pass over offsets, cut pages short or count wrongly; the list cannot be read to its end."
        )

    def report(self, *, complete: bool = False) -> WalkReport:
        """What the walk has seen and delivered so far."""
        return WalkReport(
            **self._seen,
            first_count=self._first_count,
            last_count=self._last_count,
            complete=complete,
            unknown_values=self._unknown,
        )

    def error(self, message: str) -> PaginationError:
        """The error that ends this walk."""
        return PaginationError(message, report=self.report(), checkpoint=self.checkpoint)


def _fits(page: Page) -> bool:
    """Whether the count says, too, that the list ends with this page."""
    end = page.offset + len(page.invoices)
    return end == page.count or (not page.invoices and end > page.count)


# -- seams: what proves that a page joins on to what was delivered


class _ById:
    """Ids never change and never repeat: the last one says all that was delivered."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._passed: int | None = None
        self.last: int | None = None

    def joins(self, rows: Sequence[Invoice], *, back: int, limit: int) -> bool:  # noqa: ARG002
        """Whether these rows prove that nothing lies between them and what was delivered.

        Args:
            rows: Cut from the list at an offset above 0.
            back: How many rows the walk has stepped back for them.
            limit: How many rows were asked for.
        """
        return self.last is None or (bool(rows) and rows[0].id * self._sign <= self.last * self._sign)

    def new(self, rows: Sequence[Invoice], *, after_only: bool) -> list[Invoice]:  # noqa: ARG002
        """The rows that have not been delivered, in order; they are from now on.

        Args:
            rows: A page that joins on.
            after_only: Leave out rows that come before the last one delivered: an offset passed them over.
        """
        last = -math.inf if self.last is None else self.last * self._sign
        new = list(rows[bisect_right(rows, last, key=lambda row: row.id * self._sign) :])  # they are in order
        if new:
            self.last = new[-1].id
        return new

    def last_id(self) -> int | None:
        """The row delivered last."""
        return self.last

    def moves_on(self, rows: Sequence[Invoice]) -> bool:
        """Whether a page is certain to come nearer to that row than the page before did."""
        before, self._passed = self._passed, rows[-1].id * self._sign if rows else None
        return before is not None and self._passed is not None and self._passed > before


class _BySet:
    """Remembers the ids that were delivered."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.last: Invoice | None = None

    def new(self, rows: Sequence[Invoice], *, after_only: bool) -> list[Invoice]:
        new = []
        for row in self._after_last(rows) if after_only and self.last is not None else rows:
            if row.id not in self.seen:
                self.seen.add(row.id)
                new.append(row)
        # Also of a page that brings nothing new: the next page is asked for from here.
        if rows and rows[-1].id in self.seen:
            self.last = rows[-1]
        return new

    def last_id(self) -> int | None:
        return self.last.id if self.last else None

    def moves_on(self, rows: Sequence[Invoice]) -> bool:  # noqa: ARG002
        return False

    def place(self, rows: Sequence[Invoice]) -> int | None:
        """Where the row delivered last is among these."""
        return next((index for index, row in enumerate(rows) if row.id == self.last_id()), None)

    def _after_last(self, rows: Sequence[Invoice]) -> Sequence[Invoice]:
        known = [index for index, row in enumerate(rows) if row.id in self.seen]
        return rows[known[-1] + 1 :] if known else rows


class _ByTime(_BySet):
    """Times never change, but the wire shows them coarser than the database sorts them."""

    def __init__(self, *, descending: bool) -> None:
        super().__init__()
        self._descending = descending

    def joins(self, rows: Sequence[Invoice], *, back: int, limit: int) -> bool:  # noqa: ARG002
        if self.last is None:
            return True
        return bool(rows) and (self._is_before_last(rows[0]) or self.place(rows) is not None)

    def _is_before_last(self, row: Invoice) -> bool:
        assert self.last is not None  # noqa: S101 - asked only once something was delivered
        last = self.last.created_at
        return row.created_at > last if self._descending else row.created_at < last

    def _after_last(self, rows: Sequence[Invoice]) -> Sequence[Invoice]:
        if not any(row.id in self.seen for row in rows):
            return [row for row in rows if not self._is_before_last(row)]
        return super()._after_last(rows)


class _ByPlace(_BySet):
    """Keys that may change: a seam that holds is a good sign, and no proof."""

    def __init__(self) -> None:
        super().__init__()
        self.in_doubt = False

    def joins(self, rows: Sequence[Invoice], *, back: int, limit: int) -> bool:
        if self.last is None:
            return True
        if not back:
            return bool(rows) and rows[0].id == self.last.id
        # Further back than a page it will not be found: it has left, or its key has changed.
        return back > limit or self.place(rows) is not None

    def new(self, rows: Sequence[Invoice], *, after_only: bool) -> list[Invoice]:
        # Behind the seam, an invoice that was delivered before has come here from elsewhere.
        self.in_doubt |= any(row.id in self.seen for row in rows[1:])
        return super().new(rows, after_only=after_only)


_Seam: TypeAlias = _ById | _ByTime | _ByPlace


def _seam(query: InvoiceQuery) -> _Seam:
    """What is proof depends on what the order is by."""
    first, *rest = effective_order(query)
    if first.key is SortKey.ID:
        return _ById(-1 if first.descending else 1)
    if first.key is SortKey.CREATED_AT and [term.key for term in rest] == [SortKey.ID]:
        return _ByTime(descending=first.descending)
    return _ByPlace()
