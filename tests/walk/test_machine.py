"""A state machine that changes the list between any two requests of a walk, however they interleave.

Then the same walk through both clients, with threads and with tasks.
"""

from __future__ import annotations

import json
import random
import threading

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support import Client, Wire
from support_walk import Shelf, keys_never_change

import gcore_invoices as gi
from gcore_invoices import InvoiceQuery, Order, SortKey, _walk
from gcore_invoices._walk import Deliver, Limits

TERMS = [term for key in SortKey for term in (key.asc(), key.desc())]
orders = st.lists(st.sampled_from(TERMS), max_size=2, unique_by=lambda term: term.key)
counts = st.sampled_from([1, 1, 2, 5, 30])
seeds = st.integers(0, 2**16)


class WalkMachine(RuleBasedStateMachine):
    """One walk; the rules are what may happen before its next request is answered."""

    @initialize(
        seed=seeds,
        size=st.sampled_from([0, 1, 3, 20, 60, 250]),
        order=orders,
        page_size=st.one_of(st.integers(1, 12), st.just(100)),
        offset=st.sampled_from([0, 0, 0, 1, 7, 70]),
        max_items=st.sampled_from([None, None, None, 1, 2, 30]),
        window=st.sampled_from([1, 2, 4, 16, 32]),
        strict=st.booleans(),
    )
    def begin(self, seed, size, order, page_size, offset, max_items, window, strict):
        self.shelf = Shelf(random.Random(seed), size)
        self.query = InvoiceQuery(order_by=order, page_size=page_size, offset=offset)
        self.lasting = keys_never_change(self.query)
        self.window = window
        self.most = max_items
        self.strict = strict and (self.lasting or not offset)
        self.held = {}
        self.ids = []
        self.passed_over = None
        self.report = self.error = None
        self.start(Limits(strict=self.strict, max_items=max_items))

    def start(self, limits):
        self.walk = _walk.walk(self.query, limits)
        self.of_this_walk = 0
        self.go_on(None)

    def go_on(self, answer):
        """Up to the walk's next request."""
        try:
            self.step = self.walk.send(answer)
            while isinstance(self.step, Deliver):
                page = self.step.page
                self.ids += [row.id for row in page.invoices]
                self.of_this_walk += len(page.invoices)
                self.place = page.offset + len(page.invoices) - 1
                self.step = self.walk.send(None)
        except StopIteration as end:
            self.step, self.report = None, end.value
        except gi.PaginationError as error:
            self.step, self.error = None, error

    @rule(number=counts, seed=seeds)
    def insert(self, number, seed):
        self.shelf.random.seed(seed)
        self.shelf.insert(number)

    @rule(number=counts, seed=seeds)
    def delete(self, number, seed):
        self.shelf.random.seed(seed)
        self.shelf.delete(number)

    @rule(number=counts, seed=seeds)
    def change(self, number, seed):
        self.shelf.random.seed(seed)
        self.shelf.change(number)

    @rule()
    def request(self):
        """One request is answered: the next of the window that is not held; or the walk gets its page."""
        if self.step is None:
            return
        if self.passed_over is None:
            before = self.shelf.sorted(self.step.order)[: self.query.offset]
            self.passed_over = {row.id for row in before}
        planned = [
            (self.step.order, offset) for offset in (self.step.offset, *self.step.ahead)[: self.window]
        ]
        self.held = {key: page for key, page in self.held.items() if key in planned}
        missing = [key for key in planned if key not in self.held]
        if missing:
            order, offset = missing[0]
            self.held[missing[0]] = self.shelf.page(order, offset, self.step.limit)
        else:
            self.go_on(self.held.pop(planned[0]))

    @rule()
    def interrupt_and_resume(self):
        """The walk is given up, and another one goes on from its checkpoint."""
        if self.step is None or not self.ids or not _walk.is_by_id(self.query) or self.query.offset:
            return
        left = None if self.most is None else self.most - len(self.ids)
        if left == 0:
            return
        place = gi.Checkpoint(self.query.fingerprint(), self.ids[-1], self.place)
        self.held = {}
        self.start(Limits(resume=gi.Checkpoint.parse(str(place)), max_items=left))

    @invariant()
    def nothing_is_delivered_twice(self):
        assert len(self.ids) == len(set(self.ids))
        assert self.most is None or len(self.ids) <= self.most

    def teardown(self):
        if not hasattr(self, "shelf"):
            return
        for _ in range(20_000):
            if self.step is None:
                break
            self.request()
        assert self.report or self.error, "the walk does not end"
        self.nothing_is_delivered_twice()
        if self.error:
            # The one thing that cannot be mended, and is said: see docs/pagination.md.
            assert self.query.offset, self.error
            assert not self.lasting, self.error
            return
        assert self.report.complete
        assert self.report.delivered == self.of_this_walk
        if self.strict or self.lasting:
            assert self.owed() <= set(self.ids)
        if self.lasting:
            passed, told = self.passed_over or set(), set(self.ids)
            assert passed & told <= self.tied_with(told - passed)

    def owed(self):
        """The invoices that matched all the time and were not to be passed over, up to `max_items`."""
        owed = self.shelf.always - self.passed_over
        if self.most is None or len(self.ids) < self.most:
            return owed
        if not self.lasting:
            return set()
        return {number for number in owed if self.rank(number) <= self.rank(self.ids[-1])}

    def tied_with(self, ids):
        """What the API shows at the same time as one of these; by id there are no ties."""
        if _walk.is_by_id(self.query):
            return set()
        seconds = {self.shelf.exact[number] // 1000 for number in ids}
        return {number for number, exact in self.shelf.exact.items() if exact // 1000 in seconds}

    def rank(self, number):
        """Where an invoice stands in the order, by keys that never change."""
        keys = {SortKey.ID: number, SortKey.CREATED_AT: self.shelf.exact[number]}
        order = _walk.effective_order(self.query)
        return [-keys[term.key] if term.descending else keys[term.key] for term in order if term.key in keys]


WalkMachine.TestCase.settings = settings(
    max_examples=max(300, settings.default.max_examples), stateful_step_count=60, deadline=None
)
TestWalkMachine = WalkMachine.TestCase


def served(shelf):
    """The model behind an httpx transport: any thread's request may find it changed."""
    lock = threading.Lock()
    changes = iter(range(40))

    def respond(request):
        params = request.url.params
        with lock:
            if next(changes, None) is not None:
                act = shelf.random.choice([shelf.insert, shelf.delete, shelf.change, lambda _: None])
                act(shelf.random.choice([1, 2, 9]))
            page = shelf.page(Order.parse(params["ordering"]), int(params["offset"]), int(params["limit"]))
        rows = [row.to_dict() for row in page.invoices]
        body = {"count": page.count, "next": None, "results": rows}
        return httpx.Response(200, content=json.dumps(body), headers={"content-type": "application/json"})

    return Wire(respond)


@settings(max_examples=max(100, settings.default.max_examples // 4), deadline=None)
@given(
    seeds,
    orders,
    st.integers(1, 12),
    st.sampled_from([1, 4, 16]),
    st.booleans(),
    st.sampled_from(["sync", "async"]),
)
def test_both_clients_keep_the_promise(seed, order, page_size, concurrency, strict, flavour):
    shelf = Shelf(random.Random(seed), 60)
    retry = gi.RetryPolicy(attempts=1)
    client = Client(
        flavour, api_key="1234$abcdef", transport=served(shelf), concurrency=concurrency, retry=retry
    )
    try:
        query = InvoiceQuery(order_by=order, page_size=page_size)
        pager = client.real.list(query, strict=strict)
        ids = [invoice.id for invoice in client.items(pager)]
    finally:
        client.close()
    assert len(ids) == len(set(ids)) == pager.report.delivered
    assert pager.report.complete
    if strict or keys_never_change(query):
        assert shelf.always <= set(ids)
