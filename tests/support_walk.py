"""A model of the list endpoint that a test may change between any two requests, and make lie."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from attrs import define, field
from msgspec.structs import replace

from gcore_invoices import Invoice, MoveType, Order, Page, PaymentState, SortKey, WalkReport, _walk

if TYPE_CHECKING:
    import random

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def invoice(number: int, *, milliseconds: int = 0, **changes: Any) -> Invoice:
    """An invoice whose `created_at` is cut to seconds, as the wire cuts what the database knows finer."""
    fields: dict[str, Any] = {
        "id": number,
        "name": "a",
        "move_type": MoveType.OUT_INVOICE,
        "currency": "EUR",
        "invoice_date": None,
        "invoice_date_due": None,
        "billing_period_from": None,
        "billing_period_to": None,
        "amount_untaxed": Decimal(0),
        "amount_tax": Decimal(0),
        "amount_total": Decimal(0),
        "payment_state": PaymentState.PAID,
        "client_id": 1,
        "payer_id": 1,
        "invoice_id": None,
        "created_at": START + dt.timedelta(seconds=milliseconds // 1000),
        "updated_at": START,
    }
    return Invoice(**fields | changes)


class Shelf:
    """Rows in a database that sorts by exact keys; `always` are those that were there all the time."""

    def __init__(self, randomness: random.Random, size: int) -> None:
        self.random = randomness
        self.rows: dict[int, Invoice] = {}
        self.exact: dict[int, int] = {}
        self._next_id = 1
        self._clock = 0
        self.insert(size)
        self.always = set(self.rows)

    def insert(self, number: int = 1) -> None:
        """New rows: ids mostly next to each other, times mostly moving on, a few of them behind."""
        pick = self.random
        for _ in range(number):
            self._clock += pick.choice([0, 0, 1, 300, 2000])
            exact = self._clock if pick.random() < 0.9 else max(0, self._clock - pick.randrange(5000))
            self.exact[self._next_id] = exact
            self.rows[self._next_id] = invoice(
                self._next_id,
                milliseconds=exact,
                name=pick.choice("abcdeÄ/"),
                amount_total=Decimal(pick.randrange(6)),
                invoice_date=pick.choice(
                    [None, dt.date(2026, 1, 1), dt.date(2026, 1, 2), dt.date(2026, 1, 3)]
                ),
            )
            self._next_id += pick.choice([1, 1, 1, 3])

    def delete(self, number: int = 1) -> None:
        for gone in self.random.sample(sorted(self.rows), min(number, len(self.rows))):
            del self.rows[gone]
        self.always &= self.rows.keys()

    def change(self, number: int = 1) -> None:
        """Other amounts, names and dates: the keys that may change."""
        pick = self.random
        for key in pick.sample(sorted(self.rows), min(number, len(self.rows))):
            self.rows[key] = replace(
                self.rows[key],
                amount_total=Decimal(pick.randrange(6)),
                name=pick.choice("abcdeÄ/"),
                invoice_date=pick.choice([None, dt.date(2026, 1, 1), dt.date(2026, 1, 3)]),
            )

    def key(self, term: Any) -> Any:
        if term.key is SortKey.CREATED_AT:
            return self.exact.__getitem__
        if term.key is SortKey.INVOICE_DATE:
            return lambda n: (self.rows[n].invoice_date is None, self.rows[n].invoice_date or dt.date.min)
        name = term.key.value
        return lambda n: getattr(self.rows[n], name)

    def sorted(self, order: Order) -> list[Invoice]:
        ids = list(self.rows)
        for term in reversed(order.terms):
            ids.sort(key=self.key(term), reverse=term.descending)
        return [self.rows[number] for number in ids]

    def page(self, order: Order, offset: int, limit: int) -> Page:
        rows = self.sorted(order)
        shown = tuple(rows[offset : offset + limit])
        return Page(invoices=shown, count=len(rows), offset=offset, has_next=offset + limit < len(rows))


@define
class Walked:
    """What came of a walk."""

    ids: list[int] = field(factory=list)
    pages: list[Page] = field(factory=list)
    asked: list[tuple[Order, int, int]] = field(factory=list)
    report: WalkReport = field(factory=WalkReport)
    error: Exception | None = None

    def twice(self) -> list[int]:
        return [number for number, times in Counter(self.ids).items() if times > 1]


def drive(query: Any, ask: Any, *, limits: Any = None, window: int = 1, most: int = 5000) -> Walked:
    """Run a walk over `ask(order, offset, limit)`, fetching ahead as a client with this window would."""
    walked = Walked()
    walk = _walk.walk(query, limits or _walk.Limits())
    answer = None
    held: dict[tuple[Order, int], Page] = {}
    try:
        while True:
            step = walk.send(answer)
            answer = None
            if isinstance(step, _walk.Deliver):
                walked.pages.append(step.page)
                walked.ids += [row.id for row in step.page.invoices]
                continue
            planned = [(step.order, offset) for offset in (step.offset, *step.ahead)[:window]]
            held = {key: page for key, page in held.items() if key in planned}
            for order, offset in planned:
                if (order, offset) not in held:
                    walked.asked.append((order, offset, step.limit))
                    assert len(walked.asked) <= most, "the walk does not end"
                    held[order, offset] = ask(order, offset, step.limit)
            answer = held.pop((step.order, step.offset))
    except StopIteration as end:
        walked.report = end.value
    except _walk.PaginationError as error:
        walked.error, walked.report = error, error.report
    return walked


def keys_never_change(query: Any) -> bool:
    terms = [term.key for term in _walk.effective_order(query)]
    return terms[0] is SortKey.ID or terms == [SortKey.CREATED_AT, SortKey.ID]
