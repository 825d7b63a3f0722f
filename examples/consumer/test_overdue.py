"""The job's tests: an API in this process (the fixture `gcore_api`), and nothing of the library mocked."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import overdue
from hypothesis import given
from hypothesis import strategies as st

from gcore_invoices import MoveType, PaymentState
from gcore_invoices.testing import FakeApi, strategies

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from gcore_invoices import Invoice

TODAY = date(2026, 6, 30)


def test_only_what_is_due_and_open_is_overdue(gcore_api: FakeApi) -> None:
    late = gcore_api.add(invoice_date_due=TODAY - timedelta(days=1))
    later = gcore_api.add(invoice_date_due=date(2026, 1, 1), payment_state=PaymentState.PARTIAL)
    gcore_api.add(invoice_date_due=TODAY)
    gcore_api.add(invoice_date_due=date(2026, 1, 1), payment_state=PaymentState.PAID)
    gcore_api.add(invoice_date_due=date(2026, 1, 1), move_type=MoveType.OUT_REFUND)
    gcore_api.add(invoice_date=None, invoice_date_due=None, name="/")
    assert overdue.overdue(gcore_api.client, TODAY) == [later, late]
    assert {request.params["move_type"] for request in gcore_api.requests} == {"out_invoice"}


def test_an_invoice_that_is_paid_meanwhile_hides_no_other(gcore_api: FakeApi) -> None:
    invoices = [gcore_api.add(invoice_date_due=date(2026, 1, 1)) for _ in range(250)]
    gcore_api.between_pages(lambda: gcore_api.update(invoices[0], payment_state=PaymentState.PAID))
    found = overdue.overdue(gcore_api.client, TODAY)
    assert {invoice.id for invoice in invoices[1:]} <= {invoice.id for invoice in found}


def test_the_job_survives_an_api_that_stumbles(
    gcore_api: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in gcore_api.environ.items():
        monkeypatch.setenv(name, value)
    gcore_api.add(invoice_date_due=date(2026, 1, 1), amount_total="121.00")
    gcore_api.add(invoice_date_due=date(2026, 1, 2), amount_total="9.50", currency="USD")
    gcore_api.fail(status=429, retry_after=0)
    assert overdue.main(str(tmp_path), TODAY) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["Total 121.00 EUR", "Total 9.50 USD"]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pdf", ".pdf"]


def test_a_document_that_cannot_be_had_is_named(gcore_api: FakeApi, tmp_path: Path) -> None:
    first, second = gcore_api.add(), gcore_api.add()
    gcore_api.fail(status=502, times=4, operation="download")
    files, missing = overdue.fetch(gcore_api.client, [first, second], str(tmp_path))
    assert missing == [first.name]
    assert [path.read_bytes()[:5] for path in files] == [b"%PDF-"]


@given(st.lists(strategies.invoices()))
def test_nothing_is_lost_in_the_totals(invoices: list[Invoice]) -> None:
    sums = overdue.totals(invoices)
    assert sum(sums.values()) == sum(invoice.amount_total for invoice in invoices)
    assert sums.keys() == {invoice.currency for invoice in invoices}
    assert all(isinstance(total, Decimal) for total in sums.values())
