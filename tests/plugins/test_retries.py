"""Which failures are tried again, when, and how often in all."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support import PDF, RawBody, Wire, answer, pdf, raw, wire_invoice
from support_plugins import serve

from gcore_invoices import (
    APIConnectionError,
    APIProtocolError,
    APIResponseValidationError,
    APITimeoutError,
    Attempt,
    Call,
    InternalServerError,
    InvoicesError,
    NotFoundError,
    PaginationError,
    RateLimitError,
    Response,
    RetryDecision,
    RetryPolicy,
    Timeouts,
    UsageError,
    WalkReport,
    _flow,
    _operations,
    hookimpl,
)
from gcore_invoices._config import resolve
from gcore_invoices._operations import Answer
from gcore_invoices.errors import class_for_status
from gcore_invoices.plugins.manager import Plugins
from gcore_invoices.plugins.retries import Retries, RetryBudget

AT_ONCE = RetryPolicy(backoff=0)
GOOD = wire_invoice(42)


def status_error(status, **details):
    return class_for_status(status)("x", status_code=status, **details)


# --- which ---------------------------------------------------------------------------------------------

STATUSES = {408, 429, 500, 501, 502, 503, 504, 507, 520, 599}
FINAL_STATUSES = {300, 301, 304, 400, 401, 403, 404, 405, 409, 410, 418, 422, 425, 451, 499}

TRANSIENT = {
    **{f"a {status}": (status_error(status), True) for status in STATUSES},
    **{f"a {status}": (status_error(status), False) for status in FINAL_STATUSES},
    "no connection": (APIConnectionError("x"), True),
    "a timeout": (APITimeoutError("x"), True),
    "a body cut short": (APIProtocolError("x"), True),
    "an undecodable body": (APIResponseValidationError("x", undecodable=True), True),
    "a schema mismatch": (APIResponseValidationError("x"), False),
    "a walk that failed": (PaginationError("x", report=WalkReport()), False),
    "a mistake of ours": (UsageError("x"), False),
    "anything else": (InvoicesError("x"), False),
}


@pytest.mark.parametrize(("error", "transient"), TRANSIENT.values(), ids=TRANSIENT)
def test_what_is_transient(error, transient):
    assert RetryPolicy().is_transient("GET", error) is transient
    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD"):
        assert RetryPolicy().is_transient(method, error) is False


def cut(*chunks):
    return RawBody(*chunks, error=httpx.RemoteProtocolError("cut"))


# What comes first, and whether the call then asks again.
SCENARIOS = {
    **{
        f"a {status}": (lambda status=status: answer({}, status), True)
        for status in (408, 429, 500, 502, 503, 504, 520)
    },
    **{
        f"a {status}": (lambda status=status: answer({}, status), False)
        for status in (302, 400, 401, 403, 404, 409, 418)
    },
    "no connection": (lambda: httpx.ConnectError("refused"), True),
    "a connection that takes too long": (lambda: httpx.ConnectTimeout("slow"), True),
    "an answer that takes too long": (lambda: httpx.ReadTimeout("slow"), True),
    "no free connection": (lambda: httpx.PoolTimeout("busy"), True),
    "no HTTP": (lambda: httpx.RemoteProtocolError("what"), True),
    "a connection that breaks": (lambda: httpx.ReadError("reset"), True),
    "a body cut short": (lambda: raw(cut(b'{"id": 4'), content_type="application/json"), True),
    "JSON cut short": (lambda: raw(b'{"id": 4', content_type="application/json"), True),
    "no JSON": (lambda: raw(b"<h1>Bad gateway</h1>", content_type="text/html"), True),
    "no UTF-8": (lambda: raw(b'{"name": "\xff"}', content_type="application/json"), True),
    "nothing": (lambda: raw(b"", content_type="application/json"), True),
    "a schema mismatch": (lambda: answer(wire_invoice(42, amount_total=[])), False),
    "a missing field": (lambda: answer({"id": 42}), False),
}


@pytest.mark.parametrize(("first", "again"), SCENARIOS.values(), ids=SCENARIOS)
def test_what_is_asked_again(make_client, first, again):
    wire = Wire.of(first(), answer(GOOD))
    client = make_client(wire, retry=AT_ONCE)
    if again:
        assert client.get(42).id == 42
        assert len(wire.requests) == 2
    else:
        with pytest.raises(InvoicesError) as caught:
            client.get(42)
        assert caught.value.attempts == len(wire.requests) == 1


def test_a_page_is_asked_for_again_like_anything_else(make_client):
    wire = Wire(serve(3, also=lambda _: answer({}, 503) if len(wire.requests) == 1 else None))
    assert [one.id for one in make_client(wire, retry=AT_ONCE).invoices()] == [1, 2, 3]


BEFORE_A_DOCUMENT = {
    "a 502, which the reference documents": lambda: answer({"detail": "PDF temporarily unavailable"}, 502),
    "a document cut short": lambda: raw(cut(PDF[:3000]), content_type="application/pdf"),
    "a document without its end": lambda: pdf(PDF[:3000]),
    "no document": lambda: raw(b"{}", content_type="application/json"),
}


@pytest.mark.parametrize("first", BEFORE_A_DOCUMENT.values(), ids=BEFORE_A_DOCUMENT)
def test_a_document_is_asked_for_again_as_a_whole(make_client, tmp_path, first):
    client = make_client(Wire.of(first(), pdf(), first(), pdf()), retry=AT_ONCE)
    assert client.download_bytes(42) == PDF
    assert client.download(42, tmp_path / "a.pdf").read_bytes() == PDF
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


# --- how often -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_end(make_client, attempts):
    wire = Wire(lambda _: answer({}, 503))
    with pytest.raises(InternalServerError) as caught:
        make_client(wire, retry=RetryPolicy(backoff=0, attempts=attempts)).get(42)
    assert caught.value.attempts == len(wire.requests) == attempts


def test_four_is_what_is_tried_by_default():
    assert RetryPolicy().attempts == 4


def test_a_view_may_try_more_or_less_often(make_client):
    wire = Wire(lambda _: answer({}, 503))
    client = make_client(wire, retry=AT_ONCE)
    view = client.real.with_options(retry=RetryPolicy(attempts=1))
    with pytest.raises(InternalServerError):
        client.run(view.get(42))
    assert len(wire.requests) == 1


WRONG = [
    ({"attempts": 0}, "attempts takes an integer of 1 or more, not 0."),
    ({"attempts": True}, "attempts takes an integer"),
    ({"attempts": 2.0}, "attempts takes an integer"),
    ({"backoff": -1}, "backoff takes a number of 0 or more, not -1."),
    ({"max_backoff": float("inf")}, "max_backoff takes a number"),
    ({"max_retry_after": "60"}, "max_retry_after takes a number"),
]


@pytest.mark.parametrize(("values", "sentence"), WRONG)
def test_what_is_no_policy_is_refused(values, sentence):
    with pytest.raises(UsageError) as caught:
        RetryPolicy(**values)
    assert sentence in str(caught.value)


def test_a_policy_is_a_frozen_value():
    with pytest.raises(AttributeError):
        RetryPolicy().attempts = 9
    assert RetryPolicy() == RetryPolicy(attempts=4)


# --- when ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "bound"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 20.0), (99, 20.0), (5000, 20.0)]
)
def test_the_wait_is_drawn_from_the_whole_range_below_a_bound_that_doubles(attempt, bound):
    policy = RetryPolicy(backoff=0.5, max_backoff=20)
    assert policy.wait(attempt, None, 0.0) == 0
    assert policy.wait(attempt, None, 0.5) == bound / 2
    assert policy.wait(attempt, None, 1.0) == bound


def test_each_wait_is_drawn_anew():
    shares = iter([0.25, 0.75])
    flow = Hand(Retries(share=lambda: next(shares)), RetryPolicy(backoff=8))
    assert flow.fails(503) == 2.0
    assert flow.fails(503) == 12.0
    drawn = {Hand(Retries(), RetryPolicy(backoff=8)).fails(503) for _ in range(20)}
    assert len(drawn) == 20
    assert all(0 <= wait <= 8 for wait in drawn)


class Hand:
    """One call by hand: what the flow does after each answer."""

    def __init__(self, *plugins, retry=None, timeouts=None):
        if len(plugins) > 1 and isinstance(plugins[-1], RetryPolicy):
            *plugins, retry = plugins
        settings = resolve(api_key="1$a", bearer_token=None, base_url=None, sort_parameter="ordering")
        hooks = Plugins(plugins or [Retries(share=lambda: 1.0)], {}).hooks
        session = _flow.Session(settings, hooks, timeouts or Timeouts(), retry or RetryPolicy())
        self.flow = _flow.call(_operations.get(42), session)
        assert isinstance(next(self.flow).do, _flow.Send)

    def fails(self, status, **headers):
        """How long it then waits, before it asks again."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        step = self.flow.send(Answer(status, httpx.Headers(named), b"{}"))
        if isinstance(step.do, _flow.Send):
            return 0
        assert isinstance(step.do, _flow.Sleep)
        assert isinstance(self.flow.send(None).do, _flow.Send)
        return step.do.seconds

    def ends(self, status, **headers):
        """The error that it then raises."""
        with pytest.raises(InvoicesError) as caught:
            self.fails(status, **headers)
        return caught.value


NOON = "Thu, 01 Jan 2026 12:00:00 GMT"
LATER = "Thu, 01 Jan 2026 12:00:07 GMT"

ASKED = {
    "seconds": ({"retry_after": "7"}, 7),
    "a fraction": ({"retry_after": "7.5"}, 7.5),
    "the cap itself": ({"retry_after": "60"}, 60),
    "less than the backoff": ({"retry_after": "1"}, 3),
    "nothing at all": ({"retry_after": "0"}, 3),
    "a date, by the server's own clock": ({"retry_after": LATER, "date": NOON}, 7),
    "a date that has passed": ({"retry_after": NOON, "date": LATER}, 3),
    "milliseconds": ({"retry_after_ms": "7000"}, 7),
    "milliseconds before seconds": ({"retry_after_ms": "7000", "retry_after": "9"}, 7),
    "malformed milliseconds, then seconds": ({"retry_after_ms": "soon", "retry_after": "7"}, 7),
}
MALFORMED = [
    "soon",
    "",
    "-5",
    "nan",
    "inf",
    "1e1",
    "0x7",
    "7s",
    "\u0667",
    "7,8",
    "2026-01-01",
    "Thu, 99 Jan 2026 12:00:00 GMT",
]


@pytest.mark.parametrize(("headers", "wait"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("status", [429, 503])
def test_it_is_never_asked_again_sooner_than_the_api_said(headers, wait, status):
    assert Hand(retry=RetryPolicy(backoff=3)).fails(status, **headers) == wait


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("header", ["retry_after", "retry_after_ms"])
def test_what_is_malformed_falls_back_to_the_backoff(header, value):
    headers = {header: value.encode()}
    assert Hand(retry=RetryPolicy(backoff=3)).fails(429, **headers) == 3


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("asked", [0.0, 1.0, 59.9, 60.0])
def test_chance_never_makes_a_wait_shorter_than_asked(share, asked):
    assert RetryPolicy().wait(1, asked, share) >= asked


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"retry_after": "61"}, 61),
        ({"retry_after": "86400"}, 86400),
        ({"retry_after_ms": "60001"}, 60.001),
        ({"retry_after": "Thu, 01 Jan 2026 13:00:00 GMT", "date": NOON}, 3600),
    ],
)
def test_beyond_the_cap_it_is_an_error_at_once_that_says_how_long(headers, asked):
    error = Hand().ends(429, **headers)
    assert isinstance(error, RateLimitError)
    assert (error.retry_after, error.attempts) == (asked, 1)


def test_the_cap_is_the_policys(make_client):
    wire = Wire.of(answer({}, 429, retry_after="2"))
    with pytest.raises(RateLimitError) as caught:
        make_client(wire, retry=RetryPolicy(max_retry_after=1)).get(42)
    assert (caught.value.retry_after, caught.value.attempts) == (2, 1)


def test_what_the_api_asks_for_is_waited_for(make_client):
    wire = Wire.of(answer({}, 429, retry_after_ms="20"), answer(GOOD))
    client = make_client(wire, retry=AT_ONCE)
    client.get(42)
    assert client.real.metrics.snapshot()["call_duration"]["get"]["sum"] >= 0.019


def test_a_wait_beyond_the_deadline_is_the_error_at_once(make_client):
    wire = Wire.of(answer({}, 503, retry_after="9"))
    client = make_client(wire, retry=RetryPolicy(), timeouts=Timeouts(deadline=8))
    with pytest.raises(InternalServerError) as caught:
        client.get(42)
    assert caught.value.attempts == 1
    assert caught.value.elapsed < 8


def test_the_deadline_counts_what_the_attempt_itself_took(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(_flow.time, "monotonic", lambda: clock[0])
    budget = RetryBudget()
    hand = Hand(Retries(budget, share=lambda: 1.0), RetryPolicy(backoff=4), timeouts=Timeouts(deadline=10))
    clock[0] += 3
    assert hand.fails(503) == 4
    clock[0] += 4 + 2  # that wait, and an attempt: 1 second is left, the next wait would take 8
    assert hand.ends(503).attempts == 2
    # A retry that did not happen costs nothing.
    assert budget.left == 495
    hand = Hand(Retries(budget, share=lambda: 1.0), RetryPolicy(backoff=4), timeouts=Timeouts(deadline=10))
    clock[0] += 7
    assert hand.ends(503).attempts == 1
    assert budget.left == 495


# --- how often in all ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cost"), [(status_error(503), 5), (APIConnectionError("x"), 5), (APITimeoutError("x"), 10)]
)
def test_a_retry_costs_tokens_and_a_timeout_twice_as_many(error, cost):
    retries = Retries(RetryBudget(100))
    assert retries.decide_retry(a_call(), Attempt(number=1, elapsed=0, left=None), error).delay is not None
    assert retries.budget.left == 100 - cost


def a_call(retry=AT_ONCE):
    return Call(
        id="0" * 16, operation="get", method="GET", url="https://x/", template="/", params={}, retry=retry
    )


def test_a_success_gives_back_what_its_last_retry_took_or_one():
    retries = Retries(RetryBudget(100))
    call = a_call()
    retries.decide_retry(call, Attempt(number=1, elapsed=0, left=None), status_error(503))
    retries.decide_retry(call, Attempt(number=2, elapsed=0, left=None), APITimeoutError("x"))
    assert retries.budget.left == 85
    retries.after_response(call, Response(200))
    assert retries.budget.left == 95
    retries.after_response(a_call(), Response(200))
    assert retries.budget.left == 96
    for _ in range(9):
        retries.after_response(a_call(), Response(200))
    assert retries.budget.left == 100


@pytest.mark.parametrize(
    "seen", [Response(404), Response(503), Response(302), Response(200, intercepted=True)], ids=str
)
def test_what_is_no_success_of_the_api_gives_nothing_back(seen):
    retries = Retries(RetryBudget(100))
    retries.budget.take(50)
    retries.after_response(a_call(), seen)
    assert retries.budget.left == 50


def test_a_budget_never_goes_below_nothing():
    budget = RetryBudget(7)
    assert (budget.take(5), budget.take(5), budget.left) == (True, False, 2)


def fail_together(client, calls):
    """So many calls at once, all of which must fail."""

    async def together():
        return await asyncio.gather(*(client.real.get(42) for _ in range(calls)), return_exceptions=True)

    def one(_):
        with pytest.raises(InternalServerError) as caught:
            client.get(42)
        return caught.value

    if client.is_async:
        return client.run(together())
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(calls)))


def test_a_failing_service_is_asked_at_most_once_a_call_and_for_the_budget(make_client):
    wire = Wire(lambda _: answer({}, 503))
    client = make_client(wire, retry=AT_ONCE)
    ended = fail_together(client, 120)
    assert {type(error) for error in ended} == {InternalServerError}
    # 500 tokens, 5 a retry
    assert len(wire.requests) == 120 + 100
    fail_together(client, 30)
    assert len(wire.requests) == 120 + 100 + 30


def test_a_budget_refills_as_the_service_recovers(make_client):
    failing = threading.Event()
    wire = Wire(lambda _: answer({}, 503) if failing.is_set() else answer(GOOD))
    retries = Retries(RetryBudget(5))
    client = make_client(wire, retry=AT_ONCE, plugins=[retries])
    failing.set()
    fail_together(client, 3)
    assert (len(wire.requests), retries.budget.left) == (4, 0)
    failing.clear()
    for _ in range(5):
        client.get(42)
    assert retries.budget.left == 5
    failing.set()
    fail_together(client, 3)
    assert len(wire.requests) == 4 + 5 + 4


def test_each_client_has_a_budget_of_its_own_and_a_view_its_clients(make_client):
    spent, fresh = Retries(RetryBudget(5)), Wire(lambda _: answer({}, 503))
    client = make_client(Wire(lambda _: answer({}, 503)), retry=AT_ONCE, plugins=[spent])
    view = client.real.with_options(retry=RetryPolicy(backoff=0, attempts=9))
    with pytest.raises(InternalServerError):
        client.run(view.get(42))
    assert spent.budget.left == 0
    with pytest.raises(InternalServerError):
        make_client(fresh, retry=AT_ONCE).get(42)
    assert len(fresh.requests) == 4


def test_a_call_that_is_over_is_forgotten():
    retries = Retries()
    call = a_call()
    retries.decide_retry(call, Attempt(number=1, elapsed=0, left=None), status_error(503))
    gone = weakref.ref(call)
    del call
    gc.collect()
    assert gone() is None
    assert len(retries._taken) == 0


# --- beside other plugins ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "requests"), [(RetryDecision(0.0), 3), (RetryDecision(None), 1), (None, 2)], ids=str
)
def test_a_plugin_decides_before_the_built_in_retries(make_client, decision, requests):
    class Mine:
        @hookimpl
        def decide_retry(self, attempt):
            return decision if attempt.number < 3 else RetryDecision(None)

    wire = Wire(lambda _: answer({}, 404 if decision or len(wire.requests) == 2 else 503))
    with pytest.raises(NotFoundError):
        make_client(wire, retry=AT_ONCE, plugins=[Mine()]).get(42)
    assert len(wire.requests) == requests


def test_blocked_nothing_is_tried_again(make_client):
    wire = Wire.of(answer({}, 503))
    client = make_client(wire, retry=AT_ONCE, disabled_plugins=["retries"])
    with pytest.raises(InternalServerError):
        client.get(42)


def test_they_are_the_last_of_the_built_ins(make_client):
    names = [plugin.name for plugin in make_client(Wire.of()).real.plugins if plugin.source == "built-in"]
    assert names == ["logging", "metrics", "retries"]
