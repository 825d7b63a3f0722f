"""What a type checker tells authors of plugins, exporters and tests. Checked by `make types`, never run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, assert_type

from hypothesis.strategies import SearchStrategy

from gcore_invoices import (
    APIStatusError,
    AsyncInvoicesClient,
    Attempt,
    Call,
    Checkpoint,
    Invoice,
    InvoiceQuery,
    InvoicesClient,
    InvoicesError,
    Order,
    RateLimit,
    RateLimitError,
    Response,
    RetryDecision,
    RetryPolicy,
    Timeouts,
    WalkReport,
    hookimpl,
    hookspecs,
    money,
)
from gcore_invoices.export import (
    Csv,
    Exporter,
    Jsonl,
    Kept,
    Parquet,
    WriteBatch,
    Xlsx,
    export,
    exporter_for,
    find_kept,
    stream,
)
from gcore_invoices.export import (
    exporters as registered,
)
from gcore_invoices.plugins.metrics import Snapshot
from gcore_invoices.plugins.otel import OpenTelemetry
from gcore_invoices.plugins.prometheus import PrometheusMetrics
from gcore_invoices.sandbox import Invoices, LazyStore, SandboxServer
from gcore_invoices.testing import AskedRequest
from gcore_invoices.testing.strategies import invoices, orders, queries

if TYPE_CHECKING:
    import httpx

    from gcore_invoices import Page, Walk
    from gcore_invoices.testing import FakeApi


class Patient:
    """A plugin; its hooks keep their types under `@hookimpl`."""

    @hookimpl
    def decide_retry(self, call: Call, attempt: Attempt, error: InvoicesError) -> RetryDecision | None:
        assert_type(call.operation, str)
        assert_type(attempt.number, int)
        return RetryDecision(delay=60.0) if isinstance(error, RateLimitError) else None

    @hookimpl(tryfirst=True)
    def intercept(self, call: Call) -> Response | None:
        return Response(status_code=200, body=call.url.encode())


def plugin(call: Call, attempt: Attempt, error: APIStatusError) -> None:
    assert_type(Patient().decide_retry(call, attempt, error), RetryDecision | None)
    Patient().decide_retry(call, attempt, "error")  # type: ignore[arg-type]
    call.url = "x"  # type: ignore[misc]
    RetryDecision(delay="soon")  # type: ignore[arg-type]
    assert_type(error.status_code, int)
    assert_type(error.retry_after, float | None)


def hooks(
    call: Call, attempt: Attempt, request: httpx.Request, response: Response, error: InvoicesError
) -> None:
    """What an implementation of each hook is given and may return: the specifications say it to checkers."""
    assert_type(hookspecs.call_context(call), AbstractContextManager[object] | None)
    hookspecs.before_send(call, attempt, request)
    assert_type(hookspecs.intercept(call, request), Response | None)
    assert_type(hookspecs.throttle(call, attempt), float | None)
    hookspecs.after_response(call, attempt, response, elapsed=0.1)
    hookspecs.after_error(call, attempt, error, elapsed=0.1)
    assert_type(hookspecs.decide_retry(call, attempt, error), RetryDecision | None)
    hookspecs.retry_scheduled(call, attempt, error, delay=0.1)
    assert_type(hookspecs.register_exporters(), Mapping[str, object] | None)
    hookspecs.register_commands(object())
    hookspecs.after_response(call, attempt, error, elapsed=0.1)  # type: ignore[arg-type]
    hookspecs.throttle(call)  # type: ignore[call-arg]


def hooks_of_walks(walk: Walk, page: Page, report: WalkReport) -> None:
    hookspecs.page_received(walk, page)
    hookspecs.walk_finished(walk, report)
    assert_type(walk.query, InvoiceQuery)
    assert_type(page.invoices, tuple[Invoice, ...])
    hookspecs.page_received(page, walk)  # type: ignore[arg-type]


def options() -> None:
    with InvoicesClient(plugins=[RateLimit(2.0)], retry=RetryPolicy(attempts=6)) as client:
        patient = client.with_options(timeouts=Timeouts(deadline=30))
        assert_type(patient, InvoicesClient)
        assert_type(client.list().report, WalkReport)
        assert_type(client.list().checkpoint, Checkpoint | None)
        assert_type(client.metrics.snapshot(), Snapshot)
        client.with_options(retry=3)  # type: ignore[arg-type]
        client.list(resume=7)  # type: ignore[arg-type]


def sums(invoices: Sequence[Invoice]) -> None:
    assert_type(money.totals_by_currency(invoices), dict[str, Decimal])
    assert_type(money.ageing(invoices, date(2026, 1, 1))["EUR"].overdue.amount, Decimal)
    assert_type(money.signed_total(invoices[0]), Decimal)
    assert_type(money.is_overdue(invoices[0], date(2026, 1, 1)), bool)
    assert_type(money.is_open(invoices[0]), bool)
    money.signed_total(invoices)  # type: ignore[arg-type]
    money.ageing(invoices, "2026-01-01")  # type: ignore[arg-type]


class Names:
    """An exporter: the protocol is met by form, without a base class."""

    @property
    def appends(self) -> bool:
        return True

    @contextmanager
    def open(
        self, file: BinaryIO, columns: Sequence[str], *, append: bool = False
    ) -> Generator[WriteBatch, None, None]:
        def write(invoices: Sequence[Invoice]) -> None:
            file.writelines(invoice.name.encode() for invoice in invoices)

        yield write


class NoExporter:
    """One that lacks what the protocol asks for."""

    appends = True


def exporters(client: InvoicesClient, exporter: Exporter, file: BinaryIO) -> None:
    assert_type(exporter.open(file, ["id"]), AbstractContextManager[WriteBatch])
    export(client.list(), Path("a.csv"), Csv(excel=True), columns=["id", "name"])
    export(client.list(), "a.txt", Names())
    assert_type(exporter_for("a.csv", registered(client)), Exporter)
    assert_type(stream(client.list(), file, Jsonl()), int)
    kept = find_kept("a.csv")
    assert_type(kept, Kept | None)
    export(client.list(), "a.csv", Csv(), resume=kept)
    export(client.list(), Path("a.parquet"), Parquet())
    export(client.list(), Path("a.xlsx"), Xlsx())
    export(client.list(), "a.csv", "csv")  # type: ignore[arg-type]
    export(client.list(), "a.txt", NoExporter())  # type: ignore[arg-type]


def tests(gcore_api: FakeApi) -> None:
    assert_type(gcore_api.add(amount_total="121.00"), Invoice)
    assert_type(gcore_api.client, InvoicesClient)
    assert_type(gcore_api.async_client(), AsyncInvoicesClient)
    assert_type(gcore_api.requests, tuple[AskedRequest, ...])
    assert_type(gcore_api.update(7, name="x"), Invoice)
    assert_type(gcore_api.environ, dict[str, str])
    assert_type(gcore_api.unknown_enum(), Invoice)
    gcore_api.between_pages(lambda: gcore_api.remove(7), after=2)
    gcore_api.cut(operation="download")
    gcore_api.delay("1 s")  # type: ignore[arg-type]
    gcore_api.add(amount=121)  # type: ignore[call-arg]
    gcore_api.fail(operation="lists")  # type: ignore[arg-type]


def strategies() -> None:
    assert_type(invoices(), SearchStrategy[Invoice])
    assert_type(queries(page_size=10), SearchStrategy[InvoiceQuery])
    assert_type(orders(), SearchStrategy[Order])


def observers() -> None:
    InvoicesClient(plugins=[OpenTelemetry(), PrometheusMetrics()])
    PrometheusMetrics("registry")  # type: ignore[arg-type]


def sandbox() -> None:
    with SandboxServer(LazyStore(Invoices(7)), max_seconds=60) as server:
        assert_type(server.url, str)
        assert_type(server.api_key, str)
    SandboxServer(port="8000")  # type: ignore[arg-type]
