"""Traces and a metric of HTTP requests, by OpenTelemetry's API alone. Needs the extra `otel`.

Names follow the semantic conventions for HTTP client spans and metrics:
https://opentelemetry.io/docs/specs/semconv/http/
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from attrs import define

from gcore_invoices._version import __version__
from gcore_invoices.hookspecs import hookimpl

try:
    from opentelemetry import context, metrics, trace
except ImportError as error:
    raise ImportError("OpenTelemetry needs opentelemetry-api: pip install 'gcore-invoices[otel]'") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from gcore_invoices.errors import InvoicesError
    from gcore_invoices.events import Attempt, Call, Response

_SCHEMA = "https://opentelemetry.io/schemas/1.27.0"
# The buckets that the conventions advise for this metric.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_PORTS = {"https": 443, "http": 80}


@define
class _Running:
    """A call under way."""

    parent: Context
    attempt: Attempt | None = None
    since: float = 0.0


class OpenTelemetry:
    """One span per call, in it one per attempt, and a sample of `http.client.request.duration` per attempt.

    The span of a call is of kind INTERNAL, and is current while the call runs, so that what other
    instrumentations start is within it; its parent is whatever is current where the method is called. The
    spans of attempts are of kind CLIENT. Neither spans nor metric hold an id, a query, a header or a text of
    an error: `url.full` has the template's `{id}`. Nothing is added to the requests.

    An attempt that was cancelled has a span, and no sample. An answer of a plugin in the network's place
    has a span with `gcore_invoices.intercepted`, and no sample.

    Args:
        tracer_provider: OpenTelemetry's global one if none is given.
        meter_provider: The same.

    Example:
        `InvoicesClient(plugins=[OpenTelemetry()])`
    """

    name = "otel"

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer("gcore_invoices", __version__, tracer_provider, _SCHEMA)
        meter = metrics.get_meter("gcore_invoices", __version__, meter_provider, _SCHEMA)
        # A provider knows its instruments by name, so a second client gets the same one.
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._running: WeakKeyDictionary[Call, _Running] = WeakKeyDictionary()

    @hookimpl
    @contextmanager
    def call_context(self, call: Call) -> Iterator[None]:
        """The call's span."""
        span = self._tracer.start_span(
            f"gcore_invoices {call.operation}", attributes={"gcore_invoices.operation": call.operation}
        )
        running = self._running[call] = _Running(trace.set_span_in_context(span))
        token = context.attach(running.parent)
        try:
            yield
        except BaseException as error:
            if running.attempt:
                elapsed = time.monotonic() - running.since
                self._end_attempt(call, running.attempt, elapsed, {"error.type": _kind(error)})
            span.set_attribute("error.type", _kind(error))
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            context.detach(token)
            span.end()

    @hookimpl
    def before_send(self, call: Call, attempt: Attempt) -> None:
        """Remember the attempt: one that is cancelled tells no other hook."""
        if running := self._running.get(call):
            running.attempt, running.since = attempt, time.monotonic()

    @hookimpl
    def after_response(self, call: Call, attempt: Attempt, response: Response, elapsed: float) -> None:
        """The attempt's span and sample."""
        outcome: dict[str, str | int] = {"http.response.status_code": response.status_code}
        if response.status_code >= 400:
            outcome["error.type"] = str(response.status_code)
        self._end_attempt(call, attempt, elapsed, outcome, intercepted=response.intercepted)
        if not response.intercepted:
            self._duration.record(elapsed, _request(call) | outcome)

    @hookimpl
    def after_error(self, call: Call, attempt: Attempt, error: InvoicesError, elapsed: float) -> None:
        """The same, without an answer."""
        outcome: dict[str, str | int] = {"error.type": _kind(error)}
        self._end_attempt(call, attempt, elapsed, outcome)
        self._duration.record(elapsed, _request(call) | outcome)

    def _end_attempt(
        self,
        call: Call,
        attempt: Attempt,
        elapsed: float,
        outcome: dict[str, str | int],
        *,
        intercepted: bool = False,
    ) -> None:
        """Write the attempt's span, once it is known how long the request took without the waits before."""
        running = self._running.get(call)
        if running:
            running.attempt = None
        # The address with the id left out: what stands before the template's segments, and the template.
        base = call.url.rsplit("/", call.template.count("/"))[0]
        attributes = _request(call) | outcome | {"url.full": base + call.template}
        if attempt.number > 1:
            attributes["http.request.resend_count"] = attempt.number - 1
        if intercepted:
            attributes["gcore_invoices.intercepted"] = True
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{call.method} {call.template}",
            running.parent if running else None,
            trace.SpanKind.CLIENT,
            attributes,
            start_time=end - int(elapsed * 1e9),
        )
        if "error.type" in outcome:
            span.set_status(trace.StatusCode.ERROR)
        span.end(end)


def _request(call: Call) -> dict[str, str | int]:
    """What is known of every request of a call, fit for a metric."""
    url = urlsplit(call.url)
    return {
        "http.request.method": call.method,
        "server.address": url.hostname or "",
        "server.port": url.port or _PORTS[url.scheme],
        "url.template": call.template,
    }


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
