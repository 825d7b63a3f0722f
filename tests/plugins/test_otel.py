"""OpenTelemetry: a span a call, one an attempt, and the metric of HTTP clients."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

import httpx
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
)
from opentelemetry.semconv.metrics.http_metrics import HTTP_CLIENT_REQUEST_DURATION
from opentelemetry.trace import SpanKind, StatusCode
from support import KEY, Wire, answer, wire_invoice

from gcore_invoices import (
    APITimeoutError,
    NotFoundError,
    RateLimit,
    Response,
    RetryPolicy,
    Timeouts,
    hookimpl,
)
from gcore_invoices.plugins.otel import OpenTelemetry

AT_ONCE = RetryPolicy(backoff=0)
TEMPLATE = "/billing/org/v1/erp-invoices/{id}"
REQUEST = {
    "http.request.method": "GET",
    "server.address": "api.gcore.com",
    "server.port": 443,
    "url.template": TEMPLATE,
}


class Telemetry:
    """What was exported."""

    def __init__(self):
        self._spans = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._metrics = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._metrics], shutdown_on_exit=False)

    def plugin(self):
        return OpenTelemetry(self.tracer_provider, self.meter_provider)

    @property
    def spans(self):
        """By kind: those of calls, those of attempts."""
        done = self._spans.get_finished_spans()
        return [[one for one in done if one.kind is kind] for kind in (SpanKind.INTERNAL, SpanKind.CLIENT)]

    @property
    def metrics(self):
        data = self._metrics.get_metrics_data()
        if data is None:
            return []
        return [
            metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics
        ]

    @property
    def samples(self):
        return [
            (dict(point.attributes), point) for metric in self.metrics for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture(autouse=True)
def _context_is_left_as_it_was(caplog):
    before = context.get_current()
    yield
    assert context.get_current() == before
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def test_a_call_is_a_span_with_one_for_each_attempt(make_client, telemetry):
    wire = Wire.of(answer({}, 503), httpx.ReadTimeout("slow"), answer(wire_invoice(42)))
    make_client(wire, retry=AT_ONCE, plugins=[telemetry.plugin()]).get(42)
    [call], attempts = telemetry.spans
    assert (call.name, call.kind, call.status.status_code) == (
        "gcore_invoices get",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert dict(call.attributes) == {"gcore_invoices.operation": "get"}
    assert [one.name for one in attempts] == [f"GET {TEMPLATE}"] * 3
    assert {one.parent.span_id for one in attempts} == {call.context.span_id}
    full = {"url.full": f"https://api.gcore.com{TEMPLATE}"}
    timeout = "gcore_invoices.errors.APITimeoutError"
    assert [dict(one.attributes) for one in attempts] == [
        REQUEST | full | {"http.response.status_code": 503, "error.type": "503"},
        REQUEST | full | {"error.type": timeout, "http.request.resend_count": 1},
        REQUEST | full | {"http.response.status_code": 200, "http.request.resend_count": 2},
    ]
    statuses = [one.status.status_code for one in attempts]
    assert statuses == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    for one in attempts:
        assert call.start_time <= one.start_time <= one.end_time <= call.end_time


def test_the_metric_has_a_sample_for_each_attempt_and_the_advised_buckets(make_client, telemetry):
    wire = Wire.of(answer({}, 503), httpx.ReadTimeout("slow"), answer(wire_invoice(42)))
    make_client(wire, retry=AT_ONCE, plugins=[telemetry.plugin()]).get(42)
    [metric] = telemetry.metrics
    assert (metric.name, metric.unit) == (HTTP_CLIENT_REQUEST_DURATION, "s")
    attributes = sorted((one for one, _ in telemetry.samples), key=str)
    timeout = "gcore_invoices.errors.APITimeoutError"
    assert attributes == sorted(
        [
            REQUEST | {"http.response.status_code": 503, "error.type": "503"},
            REQUEST | {"error.type": timeout},
            REQUEST | {"http.response.status_code": 200},
        ],
        key=str,
    )
    advised = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert all(point.explicit_bounds == advised for _, point in telemetry.samples)
    assert all(0 <= point.sum < 5 and point.count == 1 for _, point in telemetry.samples)


def test_the_names_are_those_of_the_semantic_conventions(make_client, telemetry):
    make_client(
        Wire.of(answer({}, 503), answer(wire_invoice(42))), retry=AT_ONCE, plugins=[telemetry.plugin()]
    ).get(42)
    known = {
        value
        for module in (error_attributes, http_attributes, server_attributes, url_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    } | {"url.template"}  # still in development, so in no stable module
    _, attempts = telemetry.spans
    assert {name for one in attempts for name in one.attributes} <= known


def test_a_call_that_fails_is_an_error_and_quotes_nothing(make_client, telemetry):
    wire = Wire.of(answer({"detail": "SECRET"}, 404))
    with pytest.raises(NotFoundError, match="SECRET"):
        make_client(wire, plugins=[telemetry.plugin()]).get(42)
    [call], [attempt] = telemetry.spans
    assert call.attributes["error.type"] == "gcore_invoices.errors.NotFoundError"
    assert attempt.attributes["error.type"] == "404"
    for one in (call, attempt):
        assert (one.status.status_code, one.status.description) == (StatusCode.ERROR, None)
        assert one.events == ()


def test_nothing_holds_an_id_a_query_or_the_key(make_client, telemetry):
    wire = Wire(lambda _: answer({"detail": KEY}, 400, location="?x=SECRET"))
    client = make_client(wire, plugins=[telemetry.plugin()], base_url="https://proxy.example:8443/gcore")
    for call in (lambda: client.get(4711), lambda: client.invoices(payer_id=73317331)):
        with pytest.raises(Exception, match="answered 400"):
            call()
    calls, attempts = telemetry.spans
    told = str([one.to_json() for one in calls + attempts]) + str(telemetry.samples)
    for secret in ("4711/", "/4711", "73317331", KEY, "SECRET", "limit"):
        assert secret not in told
    assert [one.attributes["url.full"] for one in attempts] == [
        f"https://proxy.example:8443/gcore{TEMPLATE}",
        "https://proxy.example:8443/gcore/billing/org/v1/erp-invoices",
    ]
    assert attempts[0].attributes["server.port"] == 8443


def test_nothing_is_added_to_the_request(make_client, telemetry):
    wires = [Wire.of(answer(wire_invoice(42))) for _ in range(2)]
    make_client(wires[0], plugins=[telemetry.plugin()]).get(42)
    make_client(wires[1]).get(42)
    assert wires[0].requests[0].headers == wires[1].requests[0].headers


def test_the_callers_span_is_the_parent_and_the_calls_is_current_within(make_client, telemetry):
    seen = []

    def respond(_):
        seen.append(trace.get_current_span().get_span_context().span_id)
        return answer(wire_invoice(42))

    client = make_client(Wire(respond), plugins=[telemetry.plugin()])
    tracer = telemetry.tracer_provider.get_tracer("test")

    def within():
        return tracer.start_as_current_span("mine", kind=SpanKind.SERVER)

    async def in_a_task():
        with within() as mine:
            await client.real.get(42)
            assert trace.get_current_span() is mine
        return mine

    if client.is_async:
        mine = client.run(in_a_task())
    else:
        with within() as mine:
            client.get(42)
            assert trace.get_current_span() is mine
    [call], [attempt] = telemetry.spans
    assert call.parent.span_id == mine.get_span_context().span_id
    assert seen == [call.context.span_id] == [attempt.parent.span_id]
    assert {call.context.trace_id, attempt.context.trace_id} == {mine.get_span_context().trace_id}


def test_attempts_are_within_the_call_whatever_another_plugin_puts_around_it(make_client, telemetry):
    class Inner:
        @hookimpl
        def call_context(self):
            return telemetry.tracer_provider.get_tracer("x").start_as_current_span("x", kind=SpanKind.SERVER)

    make_client(Wire.of(answer(wire_invoice(42))), plugins=[telemetry.plugin(), Inner()]).get(42)
    [call], [attempt] = telemetry.spans
    assert attempt.parent.span_id == call.context.span_id


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError, httpx.ReadError])
def test_the_context_is_left_on_any_error(make_client, telemetry, error):
    def fail(_):
        raise error("x")

    client = make_client(Wire(fail), plugins=[telemetry.plugin()])
    before = context.get_current()
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it becomes
        client.get(42)
    assert context.get_current() == before
    [call], [attempt] = telemetry.spans
    assert call.status.status_code is attempt.status.status_code is StatusCode.ERROR
    assert attempt.parent.span_id == call.context.span_id


def test_tasks_side_by_side_keep_their_own_context_and_a_cancelled_one_leaves_it(telemetry):
    from gcore_invoices import AsyncInvoicesClient  # noqa: PLC0415

    class Slow(httpx.AsyncBaseTransport):
        def __init__(self):
            self.waiting = asyncio.Semaphore(0)

        async def handle_async_request(self, request):
            self.waiting.release()
            if request.url.path.endswith("/9"):
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            return answer(wire_invoice(42))

    async def scenario():
        slow = Slow()
        tracer = telemetry.tracer_provider.get_tracer("test")
        async with AsyncInvoicesClient(api_key=KEY, transport=slow, plugins=[telemetry.plugin()]) as client:

            async def one(number):
                with tracer.start_as_current_span(f"task {number}", kind=SpanKind.SERVER) as mine:
                    try:
                        await client.get(number)
                    finally:
                        assert trace.get_current_span() is mine

            tasks = [asyncio.create_task(one(number)) for number in range(1, 10)]
            async with asyncio.timeout(10):
                for _ in tasks:
                    await slow.waiting.acquire()
            tasks[-1].cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in ended] == [type(None)] * 8 + [asyncio.CancelledError]

    asyncio.run(scenario())
    calls, attempts = telemetry.spans
    assert len(calls) == len(attempts) == 9
    by_id = {one.context.span_id: one for one in calls}
    assert len({one.parent.span_id for one in calls}) == 9
    assert {one.parent.span_id for one in attempts} == set(by_id)
    [cancelled] = [one for one in attempts if one.status.status_code is StatusCode.ERROR]
    assert cancelled.attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert by_id[cancelled.parent.span_id].attributes["error.type"] == "asyncio.exceptions.CancelledError"
    # How long it would have taken is not known.
    assert [point.count for _, point in telemetry.samples] == [8]


def test_an_attempt_whose_wait_is_too_long_has_a_span_and_no_sample(make_client, telemetry):
    wire = Wire.of(answer({}, 503))
    plugins = [telemetry.plugin(), RateLimit(0.001)]
    client = make_client(wire, plugins=plugins, retry=AT_ONCE, timeouts=Timeouts(deadline=9))
    with pytest.raises(APITimeoutError):
        client.get(42)
    _, attempts = telemetry.spans
    assert [one.attributes["error.type"] for one in attempts] == [
        "503",
        "gcore_invoices.errors.APITimeoutError",
    ]
    assert [point.count for _, point in telemetry.samples] == [1]


def test_a_wait_before_the_request_is_not_counted_to_the_request(make_client, telemetry):
    class Wait:
        @hookimpl
        def throttle(self):
            return 0.05

    make_client(Wire.of(answer(wire_invoice(42))), plugins=[telemetry.plugin(), Wait()]).get(42)
    [call], [attempt] = telemetry.spans
    assert call.end_time - call.start_time >= 50_000_000
    assert attempt.start_time - call.start_time >= 45_000_000
    [(_, point)] = telemetry.samples
    assert attempt.end_time - attempt.start_time == pytest.approx(point.sum * 1e9, abs=2)


def test_a_plugins_answer_has_a_span_and_no_sample(make_client, telemetry):
    class Cache:
        @hookimpl
        def intercept(self):
            return Response(404, {}, b"{}")

    with pytest.raises(NotFoundError):
        make_client(Wire.of(), plugins=[Cache(), telemetry.plugin()]).get(42)
    _, [attempt] = telemetry.spans
    assert attempt.attributes["gcore_invoices.intercepted"] is True
    assert telemetry.samples == []


def test_two_clients_never_register_twice(make_client, telemetry, caplog):
    caplog.set_level(logging.DEBUG, logger="opentelemetry")
    for _ in range(2):
        client = make_client(Wire.of(answer(wire_invoice(42))), plugins=[telemetry.plugin()])
        client.get(42)
    [metric] = telemetry.metrics
    [point] = metric.data.data_points
    assert point.count == 2


def test_without_an_sdk_it_does_nothing_and_harms_nothing(make_client):
    client = make_client(Wire.of(answer(wire_invoice(42))), plugins=[OpenTelemetry()])
    assert client.get(42).id == 42
    assert client.real.plugins[0].name == "otel"


def test_a_provider_that_is_set_later_is_used():
    code = """
import httpx
from gcore_invoices import InvoicesClient, NotFoundError
from gcore_invoices.plugins.otel import OpenTelemetry
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

wire = httpx.MockTransport(lambda _: httpx.Response(404, stream=httpx.ByteStream(b"")))
clients = [InvoicesClient(api_key="1$a", transport=wire, plugins=[OpenTelemetry()])]
spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
metrics.set_meter_provider(MeterProvider([reader]))
clients.append(InvoicesClient(api_key="1$a", transport=wire, plugins=[OpenTelemetry()]))
for client in clients:
    try: client.get(1)
    except NotFoundError: pass
[scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
[metric] = scope.metrics
print(len(spans.get_finished_spans()), [point.count for point in metric.data.data_points])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("4 [2]\n", "")


def test_without_the_extra_one_sentence_says_what_to_install():
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try: import gcore_invoices.plugins.otel\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "OpenTelemetry needs opentelemetry-api: pip install 'gcore-invoices[otel]'\n"
