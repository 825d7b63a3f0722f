"""Metrics for Prometheus: the same numbers under Prometheus's names, once a registry."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from support import KEY, Wire, answer, wire_invoice
from support_plugins import serve

from gcore_invoices import NotFoundError, RetryPolicy
from gcore_invoices.plugins import prometheus
from gcore_invoices.plugins.metrics import BUCKETS, COUNTERS
from gcore_invoices.plugins.prometheus import _NAMES, PrometheusMetrics


@pytest.fixture
def registry():
    return CollectorRegistry()


def value(registry, name, **labels):
    return registry.get_sample_value(f"gcore_invoices_{name}", labels)


def test_a_client_counts_into_the_registry(make_client, registry):
    wire = Wire.of(answer({}, 503), answer(wire_invoice(42)), answer({}, 404))
    client = make_client(wire, retry=RetryPolicy(backoff=0), plugins=[PrometheusMetrics(registry)])
    client.get(42)
    with pytest.raises(NotFoundError):
        client.get(4711)
    assert value(registry, "calls_total", operation="get", outcome="ok") == 1
    assert value(registry, "calls_total", operation="get", outcome="failed") == 1
    assert value(registry, "errors_total", operation="get", error="NotFoundError") == 1
    for status in ("200", "404", "503"):
        assert value(registry, "attempts_total", operation="get", status=status) == 1
    assert value(registry, "retries_total", operation="get") == 1
    size = len(json.dumps(wire_invoice(42))) + 2 * len("{}")
    assert value(registry, "received_bytes_total", operation="get") == size
    assert value(registry, "call_duration_seconds_count", operation="get") == 2
    bounds = {
        sample.labels["le"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "gcore_invoices_call_duration_seconds_bucket"
    }
    assert sorted(map(float, bounds))[:-1] == list(BUCKETS)


def test_walks_pages_and_invoices_are_counted(make_client, registry):
    make_client(Wire(serve(5)), plugins=[PrometheusMetrics(registry)]).invoices()
    assert value(registry, "walks_total", outcome="complete") == 1
    assert value(registry, "pages_total") == 1
    assert value(registry, "invoices_total") == 5


def test_labels_hold_no_id_key_or_query(make_client, registry):
    wire = Wire(lambda request: answer({"detail": KEY}, 404 if "4711" in request.url.path else 400))
    client = make_client(wire, plugins=[PrometheusMetrics(registry)])
    for call in (lambda: client.get(4711), lambda: client.invoices(payer_id=73317331)):
        with pytest.raises(Exception, match="answered 40"):
            call()
    labels = [
        label for family in registry.collect() for sample in family.samples for label in sample.labels.items()
    ]
    assert {name for name, _ in labels} == {"operation", "outcome", "status", "error", "le"}
    told = " ".join(text for name, text in labels if name != "le")
    for secret in (KEY, KEY.partition("$")[2], "4711", "73317331", "erp-invoices", "gcore.com"):
        assert secret not in told


def test_clients_with_plugins_of_their_own_share_the_collectors(make_client, registry):
    for _ in range(3):
        make_client(Wire.of(answer(wire_invoice(42))), plugins=[PrometheusMetrics(registry)]).get(42)
    assert value(registry, "calls_total", operation="get", outcome="ok") == 3


def test_plugins_made_at_once_register_once(registry, monkeypatch):
    barrier = threading.Barrier(16)
    collectors = prometheus._collectors

    def slowly(registry):
        time.sleep(0)  # lets another thread run
        return collectors(registry)

    def make(_):
        barrier.wait()
        return PrometheusMetrics(registry)

    monkeypatch.setattr(prometheus, "_collectors", slowly)
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(make, range(16)))
    for plugin in made:
        plugin.count("pages")
    assert value(registry, "pages_total") == 16


def test_without_a_registry_it_is_prometheus_own():
    before = REGISTRY.get_sample_value("gcore_invoices_pages_total") or 0
    PrometheusMetrics().count("pages")
    PrometheusMetrics().count("pages")
    assert REGISTRY.get_sample_value("gcore_invoices_pages_total") == before + 2


def test_a_registry_is_not_kept_alive():
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    alive = weakref.ref(registry)
    del registry
    gc.collect()
    assert alive() is None


def test_every_counter_has_a_name_and_a_help(registry):
    assert set(_NAMES) == set(COUNTERS)
    PrometheusMetrics(registry)
    assert all(family.documentation.endswith(".") for family in registry.collect())


def test_it_stands_beside_the_built_in_metrics(make_client, registry):
    client = make_client(Wire.of(answer(wire_invoice(42))), plugins=[PrometheusMetrics(registry)])
    client.get(42)
    assert client.real.metrics.snapshot()["calls"] == {"get": {"ok": 1}}
    assert client.real.plugins[0].name == "prometheus"


def test_without_the_extra_one_sentence_says_what_to_install():
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "try: import gcore_invoices.plugins.prometheus\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "PrometheusMetrics needs prometheus-client: pip install 'gcore-invoices[prometheus]'\n"
    )
