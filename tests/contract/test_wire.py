"""The generated client by itself, over real HTTP: what it sends, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import gcore_erp_api.models
import pytest
from gcore_erp_api import AuthenticatedClient
from gcore_erp_api.api.erp_invoices import download_erp_invoice, get_erp_invoice, list_erp_invoices
from gcore_erp_api.models import (
    ErpInvoice,
    ErpInvoicePage,
    ErrorBody,
    MoveType,
    OrderBy,
    Ordering,
    PaymentState,
)
from gcore_erp_api.types import File, Response
from support_contract import GENERATED, contract, tree

from gcore_invoices.sandbox import API_KEY, NO_BILLING_KEY, Invoices, LazyStore, SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from support_contract import Recorder

TOKEN = "7711$c0ffee"
INVOICE = contract()["components"]["schemas"]["ErpInvoicePage"]["examples"][0]["results"][0]


def call_sync(
    operation: ModuleType, url: str, *arguments: Any, token: str = TOKEN, **keywords: Any
) -> Response[Any]:
    with AuthenticatedClient(base_url=url, token=token, prefix="apikey") as client:
        return operation.sync_detailed(*arguments, client=client, **keywords)


def call_async(
    operation: ModuleType, url: str, *arguments: Any, token: str = TOKEN, **keywords: Any
) -> Response[Any]:
    async def call() -> Response[Any]:
        async with AuthenticatedClient(base_url=url, token=token, prefix="apikey") as client:
            return await operation.asyncio_detailed(*arguments, client=client, **keywords)

    return asyncio.run(call())


@pytest.fixture(params=[call_sync, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Callable[..., Response[Any]]:
    """One of the two ways to call an operation, a test for each."""
    return request.param


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(LazyStore(Invoices(400)), max_seconds=300) as server:
        yield server


# -- against the sandbox


@pytest.mark.parametrize(
    "sorting",
    [
        {"ordering": [Ordering.CREATED_AT_DESC, Ordering.AMOUNT_TOTAL]},
        {"order_by": [OrderBy.CREATED_AT_DESC, OrderBy.AMOUNT_TOTAL_ASC]},
    ],
    ids=["ordering", "order_by"],
)
def test_every_sort_key_counts(
    call: Callable[..., Response[Any]], sandbox: SandboxServer, sorting: dict[str, list[Any]]
):
    # Of a repeated parameter the sandbox obeys the last only, as a Django server does.
    page = call(list_erp_invoices, sandbox.url, token=sandbox.api_key, limit=100, **sorting).parsed
    assert isinstance(page, ErpInvoicePage)
    keys = [(-row.created_at.timestamp(), Decimal(row.amount_total)) for row in page.results]
    assert keys == sorted(keys)
    assert len({created for created, _ in keys}) < len(keys) == 100, "nothing was left to the second key"


def test_a_filter_selects(call: Callable[..., Response[Any]], sandbox: SandboxServer):
    page = call(
        list_erp_invoices,
        sandbox.url,
        token=sandbox.api_key,
        payment_state=PaymentState.PAID,
        currency="EUR",
        invoice_date_from=date(2025, 1, 1),
        limit=5,
    ).parsed
    assert isinstance(page, ErpInvoicePage)
    assert {(row.payment_state, row.currency) for row in page.results} == {(PaymentState.PAID, "EUR")}
    assert all(row.invoice_date >= date(2025, 1, 1) for row in page.results)
    assert len(page.results) == 5 < page.count < 400


def test_one_invoice_and_its_pdf(call: Callable[..., Response[Any]], sandbox: SandboxServer):
    first = call(list_erp_invoices, sandbox.url, token=sandbox.api_key, limit=1).parsed.results[0]
    assert call(get_erp_invoice, sandbox.url, first.id, token=sandbox.api_key).parsed == first
    document = call(download_erp_invoice, sandbox.url, first.id, token=sandbox.api_key)
    assert document.headers["content-type"] == "application/pdf"
    assert isinstance(document.parsed, File)
    data = document.parsed.payload.read()
    assert data == document.content
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize(("status", "token"), [(401, "1234"), (403, NO_BILLING_KEY), (404, API_KEY)])
@pytest.mark.parametrize("operation", [get_erp_invoice, download_erp_invoice], ids=["get", "download"])
def test_a_refusal_is_a_value(
    call: Callable[..., Response[Any]], sandbox: SandboxServer, operation: ModuleType, status: int, token: str
):
    answer = call(operation, sandbox.url, 2**40, token=token)
    assert answer.status_code == status
    assert isinstance(answer.parsed, ErrorBody)
    assert answer.parsed.detail


def test_a_refused_sort_key_is_a_value(call: Callable[..., Response[Any]], sandbox: SandboxServer):
    answer = call(list_erp_invoices, sandbox.url, token=sandbox.api_key, ordering=[Ordering("amount")])
    assert answer.status_code == 400
    assert isinstance(answer.parsed, ErrorBody)
    assert answer.parsed["ordering"]


# -- what goes out


def test_both_sort_parameters_go_out_as_one_comma_joined_value(
    call: Callable[..., Response[Any]], recorder: Recorder
):
    call(
        list_erp_invoices,
        recorder.url,
        ordering=[Ordering.AMOUNT_TOTAL_DESC, Ordering.INVOICE_DATE, Ordering.ID],
        order_by=[OrderBy.CREATED_AT_DESC, OrderBy.ID_ASC],
    )
    assert recorder.query == [
        ("ordering", "-amount_total%2Cinvoice_date%2Cid"),
        ("order_by", "created_at.desc%2Cid.asc"),
    ]


def test_one_sort_key_goes_out_bare(call: Callable[..., Response[Any]], recorder: Recorder):
    call(list_erp_invoices, recorder.url, ordering=[Ordering.NAME_DESC])
    assert recorder.query == [("ordering", "-name")]


def test_an_empty_list_is_not_sent(call: Callable[..., Response[Any]], recorder: Recorder):
    call(list_erp_invoices, recorder.url, ordering=[], order_by=[])
    assert recorder.target == "/billing/org/v1/erp-invoices"


def test_every_filter_goes_out_under_its_own_name(call: Callable[..., Response[Any]], recorder: Recorder):
    call(
        list_erp_invoices,
        recorder.url,
        billing_period_from_from=date(2026, 3, 1),
        billing_period_to_to=date(2026, 3, 31),
        invoice_date_from=date(2026, 1, 2),
        invoice_date_to=date(2026, 6, 30),
        client_id=-1,
        payer_id=5117,
        currency="EUR",
        move_type=MoveType.OUT_REFUND,
        payment_state=PaymentState.IN_PAYMENT,
        limit=100,
        offset=0,
    )
    assert sorted(recorder.query) == [
        ("billing_period_from__from", "2026-03-01"),
        ("billing_period_to__to", "2026-03-31"),
        ("client_id", "-1"),
        ("currency", "EUR"),
        ("invoice_date__from", "2026-01-02"),
        ("invoice_date__to", "2026-06-30"),
        ("limit", "100"),
        ("move_type", "out_refund"),
        ("offset", "0"),
        ("payer_id", "5117"),
        ("payment_state", "in_payment"),
    ]
    sent = {name for name, _ in recorder.query} | {"ordering", "order_by"}
    known = len(inspect.signature(list_erp_invoices._get_kwargs).parameters)
    assert len(sent) == known, (
        f"{known} filters are known, {len(sent)} were sent: add the new one to this test"
    )


@pytest.mark.parametrize(
    ("operation", "arguments", "target"),
    [
        (list_erp_invoices, (), "/billing/org/v1/erp-invoices"),
        (get_erp_invoice, (90431,), "/billing/org/v1/erp-invoices/90431"),
        (download_erp_invoice, (90431,), "/billing/org/v1/erp-invoices/90431/download"),
    ],
    ids=["list", "get", "download"],
)
def test_the_token_follows_the_word_apikey(
    call: Callable[..., Response[Any]],
    recorder: Recorder,
    operation: ModuleType,
    arguments: tuple[int, ...],
    target: str,
):
    recorder.status, recorder.body = 403, b"{}"
    call(operation, recorder.url, *arguments)
    assert recorder.target == target
    (headers,) = recorder.headers
    assert headers["authorization"] == f"apikey {TOKEN}"


# -- what comes back


def test_the_bytes_of_a_pdf_arrive_unharmed(call: Callable[..., Response[Any]], recorder: Recorder):
    recorder.content_type = "application/pdf"
    recorder.body = b"%PDF-1.7\r\n" + bytes(range(256)) + b"\n\r\n%%EOF\x00"
    answer = call(download_erp_invoice, recorder.url, 1)
    assert isinstance(answer.parsed, File)
    assert answer.parsed.payload.read() == answer.content == recorder.body


def test_unknown_values_of_the_enums_are_kept(call: Callable[..., Response[Any]], recorder: Recorder):
    strange = INVOICE | {"payment_state": "blocked", "move_type": "in_receipt"}
    recorder.body = json.dumps({"count": 2, "results": [strange, INVOICE]}).encode()
    page = call(list_erp_invoices, recorder.url).parsed
    assert isinstance(page, ErpInvoicePage)
    for value, text, enum in (
        (page.results[0].payment_state, "blocked", PaymentState),
        (page.results[0].move_type, "in_receipt", MoveType),
    ):
        assert isinstance(value, enum)
        assert value == text == value.value == str(value)
        assert hash(value) == hash(text)
        assert {text: "found"}[value] == "found"
        assert value not in list(enum)
    assert page.results[0].to_dict() == page.results[0].to_dict() | {
        "payment_state": "blocked",
        "move_type": "in_receipt",
    }
    # The neighbour is as it was, and known values are still the members.
    assert page.results[1].payment_state is PaymentState.NOT_PAID


def test_an_unknown_field_is_kept(call: Callable[..., Response[Any]], recorder: Recorder):
    recorder.body = json.dumps(INVOICE | {"amount_residual": "1.000000000000"}).encode()
    invoice = call(get_erp_invoice, recorder.url, 90431).parsed
    assert isinstance(invoice, ErpInvoice)
    assert invoice["amount_residual"] == "1.000000000000"
    assert (invoice.id, invoice.amount_total, invoice.invoice_date) == (
        90431,
        "1499.990000000000",
        date(2026, 4, 2),
    )


def test_an_enum_still_refuses_what_is_no_text():
    with pytest.raises(ValueError, match="7 is not a valid PaymentState"):
        PaymentState(7)


DECLARED = [
    (operation, status)
    for operation, statuses in (
        (list_erp_invoices, (400, 401, 403, 429)),
        (get_erp_invoice, (401, 403, 404, 429)),
        (download_erp_invoice, (401, 403, 404, 429, 502)),
    )
    for status in statuses
]


@pytest.mark.parametrize(
    ("operation", "status"), DECLARED, ids=[f"{o.__name__.rpartition('.')[2]}-{s}" for o, s in DECLARED]
)
def test_a_declared_error_comes_back_as_a_value(
    call: Callable[..., Response[Any]], recorder: Recorder, operation: ModuleType, status: int
):
    recorder.status = status
    recorder.body = b'{"detail": "No.", "request_id": "r-1", "invalid_fields": {"limit": ["too much"]}}'
    answer = call(operation, recorder.url, *(() if operation is list_erp_invoices else (1,)))
    assert answer.status_code == status
    assert isinstance(answer.parsed, ErrorBody)
    assert (answer.parsed.detail, answer.parsed.request_id) == ("No.", "r-1")
    assert answer.parsed["invalid_fields"] == {"limit": ["too much"]}


# -- how it reads


def test_members_have_names_to_read():
    assert [member.name for member in Ordering] == sorted(
        f"{name}{direction}"
        for name in ("AMOUNT_TOTAL", "CREATED_AT", "ID", "INVOICE_DATE", "NAME")
        for direction in ("", "_DESC")
    )
    assert (Ordering.AMOUNT_TOTAL_DESC, Ordering.ID) == ("-amount_total", "id")
    assert (OrderBy.AMOUNT_TOTAL_DESC, OrderBy.ID_ASC) == ("amount_total.desc", "id.asc")
    numbered = [name for name, source in tree(GENERATED).items() if re.search(rb"\bVALUE_\w", source)]
    assert numbered == []


def test_the_models_are_those_of_the_contract():
    assert set(gcore_erp_api.models.__all__) == contract()["components"]["schemas"].keys() - {"Amount"}
