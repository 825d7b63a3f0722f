"""The numbers of `gcore_invoices.plugins.metrics`, for Prometheus. Needs the extra `prometheus`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gcore_invoices.plugins.metrics import BUCKETS, COUNTERS, Recorder

try:
    from prometheus_client import REGISTRY, Counter, Histogram
except ImportError as error:
    raise ImportError(
        "PrometheusMetrics needs prometheus-client: pip install 'gcore-invoices[prometheus]'"
    ) from error

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics import MetricWrapperBase

# What Prometheus calls a counter whose own name lacks the unit or the noun, and what its help says.
_NAMES = {
    "calls": ("calls", "Calls that ended, by outcome."),
    "errors": ("errors", "Calls that failed, by class of exception."),
    "attempts": ("attempts", "Attempts that ended, by HTTP status or class of error."),
    "retries": ("retries", "Attempts that were scheduled after a failure."),
    "bytes": ("received_bytes", "Decoded bytes of the bodies received."),
    "walks": ("walks", "Walks over a list that ended, by outcome."),
    "pages": ("pages", "Pages of walks that brought something new."),
    "invoices": ("invoices", "Invoices that walks brought."),
}

_lock = threading.Lock()
_registered: WeakKeyDictionary[CollectorRegistry, dict[str, MetricWrapperBase]] = WeakKeyDictionary()


class PrometheusMetrics(Recorder):
    """Counts into Prometheus collectors: `gcore_invoices_calls_total` and so on, one for each name.

    The collectors are made once a registry: all clients that use it share them. Labels are the operation,
    the outcome, the HTTP status and the class of an error; never an id, an address or a query.

    Args:
        registry: Where the collectors are; Prometheus's own if none is given.

    Example:
        `InvoicesClient(plugins=[PrometheusMetrics()])`
    """

    name = "prometheus"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = REGISTRY if registry is None else registry
        with _lock:
            if registry not in _registered:
                _registered[registry] = _collectors(registry)
            self._collectors = _registered[registry]

    def count(self, name: str, *labels: str, amount: int = 1) -> None:
        """Add to a counter."""
        counter = self._collectors[name]
        (counter.labels(*labels) if labels else counter).inc(amount)  # type: ignore[attr-defined]

    def observe(self, operation: str, seconds: float) -> None:
        """Add a call's duration."""
        self._collectors["call_duration"].labels(operation).observe(seconds)  # type: ignore[attr-defined]


def _collectors(registry: CollectorRegistry) -> dict[str, MetricWrapperBase]:
    collectors: dict[str, MetricWrapperBase] = {
        name: Counter(f"gcore_invoices_{_NAMES[name][0]}", _NAMES[name][1], labels, registry=registry)
        for name, labels in COUNTERS.items()
    }
    collectors["call_duration"] = Histogram(
        "gcore_invoices_call_duration_seconds",
        "Seconds from a call's start to its end, waits included.",
        ("operation",),
        buckets=BUCKETS,
        registry=registry,
    )
    return collectors
