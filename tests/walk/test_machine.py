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
        size=st.sampled_from([0, 1, 3, 20, 60]),
        order=orders,
        page_size=st.integers(1, 12),
        window=st.sampled_from([1, 2, 4, 16]),
        strict=st.booleans(),
    )
    def begin(self, seed, size, order, page_size, window, strict):
        self.shelf = Shelf(random.Random(seed), size)
        self.query = InvoiceQuery(order_by=order, page_size=page_size)
        self.window = window
        self.strict = strict
        self.walk = _walk.walk(self.query, Limits(strict=strict))
        self.held = {}
        self.ids = []
        self.report = None
        self.go_on(None)

    def go_on(self, answer):
        """Up to the walk's next request."""
        try:
            self.step = self.walk.send(answer)
            while isinstance(self.step, Deliver):
                self.ids += [row.id for row in self.step.page.invoices]
                self.step = self.walk.send(None)
        except StopIteration as end:
            self.step, self.report = None, end.value

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

    @invariant()
    def nothing_is_delivered_twice(self):
        assert len(self.ids) == len(set(self.ids))

    def teardown(self):
        if not hasattr(self, "shelf"):
            return
        for _ in range(20_000):
            if self.step is None:
                break
            self.request()
        assert self.report is not None, "the walk does not end"
        assert self.report.complete
        assert self.report.delivered == len(self.ids)
        self.nothing_is_delivered_twice()
        if self.strict or keys_never_change(self.query):
            assert self.shelf.always <= set(self.ids)


WalkMachine.TestCase.settings = settings(
    max_examples=max(300, settings.default.max_examples // 4), stateful_step_count=60, deadline=None
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


@settings(deadline=None)
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
