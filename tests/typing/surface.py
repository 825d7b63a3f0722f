"""What a type checker tells our users. Checked by `make types`, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, assert_type

from gcore_invoices import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    AsyncInvoicePager,
    AsyncInvoicesClient,
    BadRequestError,
    Checkpoint,
    Invoice,
    InvoicePager,
    InvoiceQuery,
    InvoicesClient,
    InvoicesError,
    MoveType,
    Order,
    Page,
    PaginationError,
    PaymentState,
    PluginInfo,
    RetryPolicy,
    SortKey,
    SortTerm,
    Timeouts,
    WalkReport,
)


def sync() -> None:
    with InvoicesClient(bearer_token=lambda: "jwt") as client:
        assert_type(client, InvoicesClient)
        pager = client.list(
            payment_state=PaymentState.NOT_PAID,
            invoice_date_from=date(2026, 1, 1),
            order_by=[SortKey.AMOUNT_TOTAL.desc(), SortKey.ID.asc()],
        )
        assert_type(pager, InvoicePager)
        assert_type(iter(pager), Generator[Invoice, None, None])
        assert_type(pager.pages(), Generator[Page, None, None])
        assert_type(pager.first(), Invoice | None)
        assert_type(pager.count(), int)
        assert_type(pager.query, InvoiceQuery)
        assert_type(client.plugins, tuple[PluginInfo, ...])
        assert_type(client.inactive_plugins, tuple[PluginInfo, ...])
        assert_type(client.get(42), Invoice)
        assert_type(client.download(42, "invoices/"), Path)
        assert_type(client.download_bytes(42), bytes)
        client.list(InvoiceQuery(currency="EUR", order_by=Order.parse("-id")))
        client.list(order_by=SortKey.ID.asc())

        client.list(currency=978)  # type: ignore[arg-type]
        client.list(state="paid")  # type: ignore[call-arg]
        client.list(payment_state="paid")  # type: ignore[arg-type]
        client.list(order_by="-id")  # type: ignore[arg-type]
        client.get("42")  # type: ignore[arg-type]
        InvoiceQuery(order_by=[SortKey.ID])  # type: ignore[list-item]
        client.list(max_items="5")  # type: ignore[arg-type]
        client.download(42)  # type: ignore[call-arg]
        client.download(42, "a.pdf", True)  # type: ignore[call-arg]
        InvoicesClient(sort_parameter="sort")  # type: ignore[arg-type]
        InvoicesClient("1234$key")  # type: ignore[call-arg]
        InvoicesClient(timeouts=30)  # type: ignore[arg-type]
        InvoicesClient(client_cert=("a", "b", "c"))  # type: ignore[arg-type]
    client.close()


async def asynchronous() -> None:
    async def token() -> str:
        return "jwt"

    async with AsyncInvoicesClient(bearer_token=token) as client:
        pager = client.list(move_type=MoveType.OUT_REFUND)
        assert_type(pager, AsyncInvoicePager)
        assert_type(await pager.count(), int)
        assert_type(pager.report, WalkReport)
        assert_type(pager.checkpoint, Checkpoint | None)
        assert_type(client.with_options(concurrency=2), AsyncInvoicesClient)
        assert_type(await client.download_bytes(42), bytes)
        assert_type(aiter(pager), AsyncGenerator[Invoice, None])
        async for invoice in pager:
            assert_type(invoice, Invoice)
        async for page in pager.pages():
            assert_type(page.invoices, tuple[Invoice, ...])
        assert_type(await pager.first(), Invoice | None)
        assert_type(await client.get(42), Invoice)
        assert_type(await client.download(42, Path("a.pdf"), overwrite=True), Path)
        await client.get("42")  # type: ignore[arg-type]
    await client.close()


def wrong_flavours(client: InvoicesClient, other: AsyncInvoicesClient) -> None:
    async def token() -> str:
        return "jwt"

    InvoicesClient(bearer_token=token)  # type: ignore[arg-type]
    for _ in other.list():  # type: ignore[attr-defined]
        pass
    with other:  # type: ignore[attr-defined]
        pass


def values(invoice: Invoice) -> None:
    assert_type(invoice.amount_total, Decimal)
    assert_type(invoice.invoice_date, date | None)
    assert_type(invoice.created_at, datetime)
    assert_type(invoice.payment_state, PaymentState)
    assert_type(invoice.payment_state.is_known, bool)
    assert_type(SortKey.ID.asc(), SortTerm)
    invoice.name = "x"  # type: ignore[misc]
    assert_type(invoice.extra["note"], Any)
    assert_type(invoice.to_dict(), dict[str, Any])
    assert_type(invoice.billing_period_from, date | None)
    assert_type(invoice.invoice_id, int | None)
    Invoice(id=1)  # type: ignore[call-arg]


def queries(query: InvoiceQuery, order: Order, checkpoint: Checkpoint) -> None:
    assert_type(query.order_by, Order)
    assert_type(query.page_size, int)
    assert_type(query.filters(), dict[str, Any])
    assert_type(query.fingerprint(), str)
    assert_type(order.terms, tuple[SortTerm, ...])
    assert_type(list(order), list[SortTerm])
    assert_type(order.terms[0].key, SortKey)
    assert_type(Checkpoint.parse(str(checkpoint)), Checkpoint)
    assert_type(checkpoint.last_id, int)
    query.offset = 1  # type: ignore[misc]
    InvoiceQuery("EUR")  # type: ignore[call-arg, arg-type]
    InvoiceQuery(state="paid")  # type: ignore[call-arg]
    Order.parse(SortKey.ID)  # type: ignore[arg-type]
    RetryPolicy(attempts="3")  # type: ignore[arg-type]
    Timeouts(total=3)  # type: ignore[call-arg]


def reports(report: WalkReport, page: Page, info: PluginInfo) -> None:
    assert_type(report.complete, bool)
    assert_type(report.first_count, int | None)
    assert_type(report.unknown_values, frozenset[str])
    assert_type(page.has_next, bool)
    assert_type(info.source, Literal["explicit", "entry point", "built-in"])
    report.delivered = 1  # type: ignore[misc]


def errors(client: InvoicesClient) -> None:
    try:
        client.get(42)
    except APIStatusError as error:
        assert_type(error.detail, str)
        assert_type(error.fields["limit"], tuple[str, ...])
        assert_type(error.body, str)
    except APIConnectionError as error:
        assert_type(error.permanent, bool)
    except APIResponseValidationError as error:
        assert_type(error.path, str | None)
        assert_type(error.undecodable, bool)
    except PaginationError as error:
        assert_type(error.report, WalkReport)
        assert_type(error.checkpoint, Checkpoint | None)
    except InvoicesError as error:
        assert_type(error.request_id, str | None)
        assert_type(error.attempts, int)
        assert_type(error.elapsed, float | None)
        str(error.status_code)  # type: ignore[attr-defined]
    BadRequestError("text")  # type: ignore[call-arg]
