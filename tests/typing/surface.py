"""What a type checker tells our users. Checked by `make types`, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import assert_type

from gcore_invoices import (
    AsyncInvoicesClient,
    Invoice,
    InvoicePager,
    InvoiceQuery,
    InvoicesClient,
    MoveType,
    Order,
    Page,
    PaymentState,
    SortKey,
    SortTerm,
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
        InvoicesClient(sort_parameter="sort")  # type: ignore[arg-type]


async def asynchronous() -> None:
    async def token() -> str:
        return "jwt"

    async with AsyncInvoicesClient(bearer_token=token) as client:
        pager = client.list(move_type=MoveType.OUT_REFUND)
        assert_type(aiter(pager), AsyncGenerator[Invoice, None])
        async for invoice in pager:
            assert_type(invoice, Invoice)
        async for page in pager.pages():
            assert_type(page.invoices, tuple[Invoice, ...])
        assert_type(await pager.first(), Invoice | None)
        assert_type(await client.get(42), Invoice)
        assert_type(await client.download(42, Path("a.pdf"), overwrite=True), Path)


def values(invoice: Invoice) -> None:
    assert_type(invoice.amount_total, Decimal)
    assert_type(invoice.invoice_date, date | None)
    assert_type(invoice.created_at, datetime)
    assert_type(invoice.payment_state, PaymentState)
    assert_type(invoice.payment_state.is_known, bool)
    assert_type(SortKey.ID.asc(), SortTerm)
    invoice.name = "x"  # type: ignore[misc]
