"""The built-in plugin `metrics`: what a client has done, in numbers, without a dependency.

The names and labels below are stable. `PrometheusMetrics` has the same ones.

| name            | labels             | counts                                                              |
| --------------- | ------------------ | ------------------------------------------------------------------- |
| `calls`         | operation, outcome | calls that ended: `ok`, `failed` or `cancelled`                     |
| `errors`        | operation, error   | calls that failed, by the class of the exception                    |
| `attempts`      | operation, status  | attempts that ended, by HTTP status, or by the class of error if    |
|                 |                    | there was no usable answer; answers of plugins are counted too      |
| `retries`       | operation          | attempts that were scheduled after a failure                        |
| `bytes`         | operation          | decoded bytes of the bodies that were received                      |
| `call_duration` | operation          | seconds from start to end of a call, waits included, by `BUCKETS`   |
| `walks`         | outcome            | walks over a list that ended: `complete` or `incomplete`            |
| `pages`         |                    | pages of walks that brought something new                           |
| `invoices`      |                    | invoices on those pages                                             |
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

from gcore_invoices.hookspecs import hookimpl
from gcore_invoices.plugins._outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcore_invoices.errors import InvoicesError
    from gcore_invoices.events import Call, Response, WalkReport
    from gcore_invoices.models import Page

COUNTERS: dict[str, tuple[str, ...]] = {
    "calls": ("operation", "outcome"),
    "errors": ("operation", "error"),
    "attempts": ("operation", "status"),
    "retries": ("operation",),
    "bytes": ("operation",),
    "walks": ("outcome",),
    "pages": (),
    "invoices": (),
}
"""Every counter with its labels."""

# Those of OpenTelemetry's `http.client.request.duration`, and on to the deadline a call has by default.
BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(30.0, 60.0, 120.0),
)
"""Upper bounds of the buckets of `call_duration`, in seconds."""


class Histogram(TypedDict):
    """A distribution.

    Attributes:
        buckets: How many values were not above a bound, by the bound in seconds as text; `+Inf` is all.
        sum: Of the values, in seconds.
        count: Of the values.
    """

    buckets: dict[str, int]
    sum: float
    count: int


class Snapshot(TypedDict):
    """All numbers at one moment, nested by label in the order of the table above; JSON-ready."""

    calls: dict[str, dict[str, int]]
    errors: dict[str, dict[str, int]]
    attempts: dict[str, dict[str, int]]
    retries: dict[str, int]
    bytes: dict[str, int]
    call_duration: dict[str, Histogram]
    walks: dict[str, int]
    pages: int
    invoices: int


class Recorder(ABC):
    """Turns what hooks tell into numbers. What keeps the numbers is the subclass's affair."""

    @abstractmethod
    def count(self, name: str, *labels: str, amount: int = 1) -> None:
        """Add to a counter of `COUNTERS`."""

    @abstractmethod
    def observe(self, operation: str, seconds: float) -> None:
        """Add a call's duration."""

    @hookimpl
    @contextmanager
    def call_context(self, call: Call) -> Iterator[None]:
        """Time the call and count it."""
        started = time.monotonic()
        ended = outcome(None)
        try:
            yield
        except BaseException as error:
            ended = outcome(error)
            if ended == "failed":
                self.count("errors", call.operation, type(error).__name__)
            raise
        finally:
            self.count("calls", call.operation, ended)
            self.observe(call.operation, time.monotonic() - started)

    @hookimpl
    def after_response(self, call: Call, response: Response) -> None:
        """Count the attempt and its bytes."""
        self.count("attempts", call.operation, str(response.status_code))
        self.count("bytes", call.operation, amount=response.size)

    @hookimpl
    def after_error(self, call: Call, error: InvoicesError) -> None:
        """Count the attempt."""
        self.count("attempts", call.operation, type(error).__name__)

    @hookimpl
    def retry_scheduled(self, call: Call) -> None:
        """Count the retry."""
        self.count("retries", call.operation)

    @hookimpl
    def page_received(self, page: Page) -> None:
        """Count the page and its invoices."""
        self.count("pages")
        self.count("invoices", amount=len(page.invoices))

    @hookimpl
    def walk_finished(self, report: WalkReport) -> None:
        """Count the walk."""
        self.count("walks", "complete" if report.complete else "incomplete")


class Metrics(Recorder):
    """Keeps the numbers in the process. `client.metrics` is one; safe to use from many threads.

    Clients that are given the same object in `plugins` count into it together.
    """

    name = "metrics"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in COUNTERS}
        self._durations: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def count(self, name: str, *labels: str, amount: int = 1) -> None:
        """Add to a counter of `COUNTERS`."""
        with self._lock:
            self._counts[name][labels] += amount

    def observe(self, operation: str, seconds: float) -> None:
        """Add a call's duration."""
        with self._lock:
            self._durations[operation][bisect_left(BUCKETS, seconds)] += 1
            self._seconds[operation] += seconds

    def snapshot(self) -> Snapshot:
        """All numbers at this moment, as plain data of the caller's own."""
        with self._lock:
            return Snapshot(
                calls=_nested(self._counts["calls"]),
                errors=_nested(self._counts["errors"]),
                attempts=_nested(self._counts["attempts"]),
                retries=_nested(self._counts["retries"]),
                bytes=_nested(self._counts["bytes"]),
                call_duration={
                    operation: _histogram(counts, self._seconds[operation])
                    for operation, counts in sorted(self._durations.items())
                },
                walks=_nested(self._counts["walks"]),
                pages=self._counts["pages"].total(),
                invoices=self._counts["invoices"].total(),
            )


def _nested(counts: Counter[tuple[str, ...]]) -> Any:
    nested: dict[str, Any] = {}
    for (*outer, last), count in sorted(counts.items()):
        place = nested
        for value in outer:
            place = place.setdefault(value, {})
        place[last] = count
    return nested


def _histogram(counts: list[int], seconds: float) -> Histogram:
    buckets, total = {}, 0
    for bound, count in zip((*(f"{bound:g}" for bound in BUCKETS), "+Inf"), counts, strict=True):
        total += count
        buckets[bound] = total
    return Histogram(buckets=buckets, sum=seconds, count=total)
