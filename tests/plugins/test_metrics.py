"""`client.metrics`: what a client has done, in numbers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import httpx
import pytest
from support import Wire, answer, pdf, raw, wire_invoice
from support_plugins import serve

from gcore_invoices import APIStatusError, InvoicesError, RetryPolicy, UsageError, hookimpl
from gcore_invoices._stop import Stopped
from gcore_invoices.plugins._outcome import outcome
from gcore_invoices.plugins.metrics import BUCKETS, COUNTERS, Metrics, Snapshot

AT_ONCE = RetryPolicy(backoff=0)
EMPTY = {
    "calls": {},
    "errors": {},
    "attempts": {},
    "retries": {},
    "bytes": {},
    "call_duration": {},
    "walks": {},
    "pages": 0,
    "invoices": 0,
}


def test_nothing_done_is_nothing_counted_in_the_documented_shape(make_client):
    client = make_client(Wire.of())
    assert client.real.metrics.snapshot() == EMPTY
    assert set(EMPTY) == set(Snapshot.__annotations__) == {*COUNTERS, "call_duration"}


def test_calls_attempts_retries_errors_and_bytes_are_counted(make_client):
    wire = Wire.of(
        answer({}, 503),
        httpx.ReadTimeout("slow"),
        answer(wire_invoice(42)),
        answer({}, 404),
        raw(b"no json", content_type="application/json"),
        pdf(),
    )
    client = make_client(wire, retry=AT_ONCE)
    client.get(42)
    with pytest.raises(APIStatusError):
        client.get(43)
    whole = client.download_bytes(42)
    seen = client.real.metrics.snapshot()
    durations = seen.pop("call_duration")
    assert seen == {
        "calls": {"download": {"ok": 1}, "get": {"failed": 1, "ok": 1}},
        "errors": {"get": {"NotFoundError": 1}},
        "attempts": {
            "download": {"200": 1, "APIResponseValidationError": 1},
            "get": {"200": 1, "404": 1, "503": 1, "APITimeoutError": 1},
        },
        "retries": {"download": 1, "get": 2},
        "bytes": {"download": len(whole), "get": len(json.dumps(wire_invoice(42))) + 2 * len("{}")},
        "walks": {},
        "pages": 0,
        "invoices": 0,
    }
    assert {operation: one["count"] for operation, one in durations.items()} == {"download": 1, "get": 2}


def test_walks_pages_and_invoices_are_counted(make_client):
    client = make_client(Wire(serve(5)))
    client.invoices(page_size=3)
    with pytest.raises(InvoicesError):
        make_client(Wire.of(answer({}, 404)), plugins=[client.real.metrics]).invoices()
    client.run(client.real.list().first())
    seen = client.real.metrics.snapshot()
    assert (seen["walks"], seen["pages"], seen["invoices"]) == ({"complete": 1, "incomplete": 1}, 2, 5)


def test_a_call_that_is_cancelled_is_counted_as_such_and_is_no_error(make_client):
    def interrupt(_):
        raise KeyboardInterrupt

    client = make_client(Wire(interrupt))
    with pytest.raises(KeyboardInterrupt):
        client.get(42)
    seen = client.real.metrics.snapshot()
    assert (seen["calls"], seen["errors"]) == ({"get": {"cancelled": 1}}, {})
    assert seen["call_duration"]["get"]["count"] == 1


def test_an_exception_of_a_plugin_is_an_error_of_the_call(make_client):
    class Broken:
        @hookimpl
        def before_send(self):
            raise LookupError

    client = make_client(Wire.of(), plugins=[Broken()])
    with pytest.raises(LookupError):
        client.get(42)
    assert client.real.metrics.snapshot()["errors"] == {"get": {"LookupError": 1}}


def test_durations_fall_into_cumulative_buckets_by_their_upper_bounds():
    metrics = Metrics()
    for seconds in (0.0, 0.005, 0.0051, 0.3, 120.0, 121.0):
        metrics.observe("get", seconds)
    seen = metrics.snapshot()["call_duration"]["get"]
    assert list(seen["buckets"]) == [f"{bound:g}" for bound in BUCKETS] + ["+Inf"]
    some = {name: seen["buckets"][name] for name in ("0.005", "0.01", "0.25", "0.5", "60", "120", "+Inf")}
    assert some == {"0.005": 2, "0.01": 3, "0.25": 3, "0.5": 4, "60": 4, "120": 5, "+Inf": 6}
    assert (seen["count"], seen["sum"]) == (6, pytest.approx(241.3101))


def test_the_buckets_are_documented_bounds_in_seconds_and_rise():
    assert list(BUCKETS) == sorted(set(BUCKETS))
    assert BUCKETS[-1] == 120


def test_a_snapshot_is_plain_data_that_no_longer_changes(make_client):
    client = make_client(Wire(lambda _: answer(wire_invoice(42))))
    client.get(42)
    before = client.real.metrics.snapshot()
    assert json.loads(json.dumps(before)) == before
    before["calls"]["get"]["ok"] = 99
    client.get(42)
    assert client.real.metrics.snapshot()["calls"] == {"get": {"ok": 2}}


class Yielding(Counter):
    """Lets another thread run between reading a count and writing it."""

    def __getitem__(self, labels):
        count = super().__getitem__(labels)
        time.sleep(0)
        return count


def test_threads_lose_no_count():
    metrics = Metrics()
    metrics._counts["bytes"] = Yielding()
    barrier = threading.Barrier(8)

    def work(_):
        barrier.wait()
        for _ in range(200):
            metrics.count("bytes", "get", amount=3)
            metrics.observe("get", 0.25)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    seen = metrics.snapshot()
    assert seen["bytes"]["get"] == 4800
    assert seen["call_duration"]["get"]["sum"] == 400.0
    assert seen["call_duration"]["get"]["buckets"]["0.25"] == 1600


def test_each_client_counts_for_itself_and_a_view_for_its_client(make_client):
    one, two = (make_client(Wire(lambda _: answer(wire_invoice(42)))) for _ in range(2))
    one.get(42)
    one.run(one.real.with_options(retry=AT_ONCE).get(42))
    assert one.real.metrics.snapshot()["calls"] == {"get": {"ok": 2}}
    assert two.real.metrics.snapshot() == EMPTY


def test_clients_that_are_given_the_same_object_count_together(make_client):
    shared = Metrics()
    for _ in range(2):
        client = make_client(Wire.of(answer(wire_invoice(42))), plugins=[shared])
        client.get(42)
        assert client.real.metrics is shared
    assert shared.snapshot()["calls"] == {"get": {"ok": 2}}


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_client_without_metrics_says_so(make_client, monkeypatch, by):
    if by == "environment":
        monkeypatch.setenv("GCORE_INVOICES_DISABLED_PLUGINS", "metrics")
    client = make_client(Wire.of(), disabled_plugins=["metrics"] if by == "argument" else [])
    with pytest.raises(UsageError, match="keeps no metrics: its plugin 'metrics' is blocked"):
        _ = client.real.metrics


def test_a_client_whose_metrics_were_replaced_says_so(make_client):
    module = ModuleType("metrics")
    module.after_response = hookimpl(lambda: None)
    client = make_client(Wire.of(), plugins=[module])
    with pytest.raises(UsageError) as caught:
        _ = client.real.metrics
    assert str(caught.value) == (
        "This client keeps no metrics: its plugin 'metrics' is blocked, by disabled_plugins or by "
        "GCORE_INVOICES_DISABLED_PLUGINS, or another has its name; see client.inactive_plugins."
    )


def test_what_was_stopped_from_outside_is_cancelled_and_did_not_fail():
    told = [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit(), Stopped()]
    assert {outcome(error) for error in told} == {"cancelled"}
    assert (outcome(None), outcome(InvoicesError()), outcome(LookupError())) == ("ok", "failed", "failed")
