from __future__ import annotations

import pytest
from cassettes.faults import TOO_MANY, html_answer, json_answer

from gcore_invoices import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    UnexpectedRedirectError,
)
from gcore_invoices.sandbox import NO_BILLING_KEY

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]

MESSAGE = {
    "exception_class": "ValidationError",
    "message": "The request is not valid.",
    "request_id": "5d1e9c0b8f7a4e62",
    "info": {"resource": "erp-invoices"},
    "invalid_fields": {"client_id": ["Expected a whole number."]},
}
# One of each form that shared documentation of sibling products shows, and what is understood of it.
DIALECTS = {
    "message": (400, MESSAGE, "The request is not valid.", {"client_id": ("Expected a whole number.",)}),
    "detail": (404, {"detail": "Not found."}, "Not found.", {}),
    "fields": (
        400,
        {"payment_state": ["Select a valid choice."], "currency": ["Too long."]},
        "payment_state: Select a valid choice.; currency: Too long.",
        {"payment_state": ("Select a valid choice.",), "currency": ("Too long.",)},
    ),
    "errors": (400, {"errors": ["One thing.", "Another."]}, "One thing.; Another.", {}),
    "errors_by_field": (
        400,
        {"errors": {"limit": ["Too large."]}},
        "limit: Too large.",
        {"limit": ("Too large.",)},
    ),
    "html": (
        502,
        "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
        "502 Bad Gateway",
        {},
    ),
}
STATUSES = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    500: InternalServerError,
    502: InternalServerError,
    503: InternalServerError,
    504: InternalServerError,
    418: APIStatusError,
}


OPERATIONS = {
    "list": lambda client, _: client.invoices(),
    "get": lambda client, invoice_id: client.get(invoice_id),
    "download": lambda client, invoice_id: client.download_bytes(invoice_id),
}


def failure(client, invoice_id, operation="get"):
    with pytest.raises(APIStatusError) as caught:
        OPERATIONS[operation](client, invoice_id)
    assert caught.value.operation == operation
    return caught.value


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_unknown_key(operation, cassette):
    error = failure(cassette.client(api_key="1234$wrong"), cassette.known.invoice_id, operation)
    assert type(error) is AuthenticationError
    assert cassette.requests[0].headers["authorization"] == "apikey KEY"
    assert "wrong" not in str(error)


@pytest.mark.sandbox_only  # it takes a key of another role
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_role_without_billing(operation, cassette):
    error = failure(cassette.client(api_key=NO_BILLING_KEY), cassette.known.invoice_id, operation)
    assert type(error) is PermissionDeniedError
    assert "billing" in error.detail


def test_no_such_invoice(cassette):
    error = failure(cassette.client(), 1)
    assert type(error) is NotFoundError
    assert error.request_id


def test_no_such_document(cassette, tmp_path):
    with pytest.raises(NotFoundError):
        cassette.client().download(1, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sandbox_only
@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialect(dialect, cassette):
    status, body, detail, fields = DIALECTS[dialect]
    answer = html_answer if isinstance(body, str) else json_answer
    cassette.faults(answer(status, body))
    error = failure(cassette.client(), cassette.known.invoice_id)
    assert (error.status_code, error.detail, error.fields) == (status, detail, fields)
    assert error.request_id == (body["request_id"] if dialect == "message" else None)


@pytest.mark.sandbox_only
@pytest.mark.parametrize("status", STATUSES)
def test_status(status, cassette):
    cassette.faults(json_answer(status, {"detail": "It is so."}))
    error = failure(cassette.client(), cassette.known.invoice_id)
    assert type(error) is STATUSES[status]
    assert (error.status_code, error.detail) == (status, "It is so.")


@pytest.mark.sandbox_only
def test_a_redirect_is_not_followed(cassette):
    cassette.faults(html_answer(302, "", Location="https://api.gcore.com/login"))
    error = failure(cassette.client(), cassette.known.invoice_id)
    assert type(error) is UnexpectedRedirectError
    assert len(cassette.requests) == 1


@pytest.mark.sandbox_only
def test_an_error_on_a_list(cassette):
    cassette.faults(json_answer(400, {"ordering": ["Unknown sort key 'updated_at'."]}))
    with pytest.raises(BadRequestError) as caught:
        cassette.client().invoices(page_size=2)
    assert caught.value.fields == {"ordering": ("Unknown sort key 'updated_at'.",)}


@pytest.mark.sandbox_only
def test_429_then_success(cassette):
    cassette.faults(TOO_MANY, None)
    client = cassette.client(retry=RetryPolicy(attempts=2, backoff=0))
    assert client.get(cassette.known.invoice_id).id == cassette.known.invoice_id
    assert cassette.statuses == [429, 200]


@pytest.mark.sandbox_only
def test_429_within_a_list(cassette):
    cassette.faults(None, TOO_MANY, None)
    client = cassette.client(retry=RetryPolicy(attempts=2, backoff=0))
    invoices = client.invoices(page_size=3, client_id=cassette.known.client_id, max_items=5)
    assert len({invoice.id for invoice in invoices}) == 5
    assert cassette.statuses[:3] == [200, 429, 200]


@pytest.mark.sandbox_only
def test_429_that_asks_for_patience(cassette):
    cassette.faults(json_answer(429, {"detail": "Request was throttled."}, Retry_After="3600"))
    client = cassette.client(retry=RetryPolicy(attempts=3, backoff=0))
    error = failure(client, cassette.known.invoice_id)
    assert error.retry_after == 3600
    assert cassette.statuses == [429]
