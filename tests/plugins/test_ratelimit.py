"""A known limit is never hit: the bucket by a clock of its own, and then through a client."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import Wire, answer, wire_invoice

from gcore_invoices import (
    APITimeoutError,
    Attempt,
    RateLimit,
    RetryPolicy,
    Timeouts,
    UsageError,
    _flow,
    _operations,
)
from gcore_invoices._config import resolve
from gcore_invoices.plugins.manager import Plugins

ATTEMPT = Attempt(number=1, elapsed=0.0, left=None)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def limited(*args):
    clock = Clock()
    return RateLimit(*args, clock=clock), clock


def waits(limit, count):
    return [limit.throttle(ATTEMPT) for _ in range(count)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((2,), [0, 0.5, 1, 1.5]),
        ((2, 1), [0, 0.5, 1, 1.5]),
        ((2, 3), [0, 0, 0, 0.5, 1]),
        ((0.1,), [0, 10, 20]),
        ((1000, 2), [0, 0, 0.001, 0.002]),
    ],
)
def test_attempts_at_the_same_moment_get_one_slot_each(arguments, expected):
    limit, _ = limited(*arguments)
    assert waits(limit, len(expected)) == pytest.approx(expected)


def test_a_rest_fills_the_bucket_and_never_above_its_size():
    limit, clock = limited(2, 3)
    waits(limit, 3)
    clock.now += 0.5
    assert waits(limit, 2) == pytest.approx([0, 0.5])
    clock.now += 1000
    assert waits(limit, 4) == pytest.approx([0, 0, 0, 0.5])


def test_no_window_of_time_ever_holds_more_than_the_limit_says():
    limit, clock = limited(5, 3)
    begun = []
    for step in (0, 0.01, 0.5, 0.03, 2, 0, 0, 0, 0.1) * 20:
        clock.now += step
        begun += [clock.now + wait for wait in waits(limit, 2)]
    begun.sort()
    for first in range(len(begun)):
        for last in range(first, len(begun)):
            assert last - first + 1 <= 3 + 5 * (begun[last] - begun[first]) + 1e-6


class Yielding:
    """An attempt that lets another thread run while it is looked at."""

    @property
    def left(self):
        time.sleep(0)


def test_threads_that_ask_at_once_get_different_slots():
    limit, _ = limited(10, 5)
    barrier = threading.Barrier(16)

    def ask(_):
        barrier.wait()
        return [limit.throttle(Yielding()) for _ in range(50)]

    with ThreadPoolExecutor(16) as pool:
        given = sorted(wait for some in pool.map(ask, range(16)) for wait in some)
    assert given == pytest.approx([0] * 5 + [n / 10 for n in range(1, 796)])


def test_a_call_that_cannot_wait_takes_no_slot_from_others():
    limit, _ = limited(1)
    hasty = Attempt(number=1, elapsed=0.0, left=0.5)
    assert limit.throttle(hasty) == 0
    assert [limit.throttle(hasty) for _ in range(3)] == [1, 1, 1]
    assert limit.throttle(ATTEMPT) == 1
    assert limit.throttle(ATTEMPT) == 2


def test_it_never_sleeps(monkeypatch):
    monkeypatch.setattr(time, "sleep", None)
    assert RateLimit(0.001).throttle(ATTEMPT) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0,), "per_second takes a number above 0, not 0."),
        ((-1,), "per_second takes a number above 0"),
        ((math.nan,), "per_second takes a number above 0"),
        ((math.inf,), "per_second takes a number above 0"),
        (("5",), "per_second takes a number above 0, not '5'."),
        ((5, 0), "burst takes an integer of 1 or more, not 0."),
        ((5, 1.5), "burst takes an integer of 1 or more"),
    ],
)
def test_what_is_no_limit_is_refused(arguments, sentence):
    with pytest.raises(UsageError) as caught:
        RateLimit(*arguments)
    assert sentence in str(caught.value)


def test_the_flow_waits_for_its_slot_before_it_sends():
    limit, _ = limited(2)
    settings = resolve(api_key="1$a", bearer_token=None, base_url=None, sort_parameter="ordering")
    session = _flow.Session(settings, Plugins([limit], {}).hooks, Timeouts(), RetryPolicy())
    assert isinstance(next(_flow.call(_operations.get(1), session)).do, _flow.Send)
    second = _flow.call(_operations.get(1), session)
    assert next(second).do == _flow.Sleep(0.5)
    assert isinstance(second.send(None).do, _flow.Send)


def test_retries_are_held_back_too_and_it_is_off_unless_passed(make_client):
    wire = Wire.of(answer({}, 503), answer(wire_invoice(42)))
    limit, _ = limited(500)
    client = make_client(wire, retry=RetryPolicy(backoff=0), plugins=[limit])
    started = time.monotonic()
    client.get(42)
    assert time.monotonic() - started >= 0.0019
    assert limit.throttle(ATTEMPT) == pytest.approx(0.004)
    assert "throttle" not in {hook for plugin in make_client(Wire.of()).real.plugins for hook in plugin.hooks}


def test_a_wait_beyond_the_deadline_fails_at_once(make_client):
    limit, _ = limited(0.001)
    client = make_client(Wire(lambda _: answer(wire_invoice(42))), plugins=[limit])
    client.get(42)
    with pytest.raises(APITimeoutError, match="get was not sent: a plugin's throttle asks for a wait of "):
        client.get(42)
