from __future__ import annotations

import pytest

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]


def test_one(cassette):
    invoice = cassette.client().get(cassette.known.invoice_id)
    assert invoice.to_dict() == cassette.bodies[0]
    assert invoice.id == cassette.known.invoice_id
    assert invoice.amount_untaxed + invoice.amount_tax == invoice.amount_total


def test_the_key_goes_out(cassette):
    cassette.client().get(cassette.known.invoice_id)
    (request,) = cassette.requests
    assert request.headers["authorization"] == "apikey KEY"
    assert request.headers["accept"] == "application/json"
    assert request.uri.startswith("https://api.gcore.com/billing/org/v1/erp-invoices/")


@pytest.mark.sandbox_only  # a login token is no API key
def test_a_login_token_goes_out(cassette):
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzYW5kYm94In0.sandbox"
    assert cassette.client(bearer_token=token).get(cassette.known.invoice_id).id == cassette.known.invoice_id
    assert cassette.requests[0].headers["authorization"] == "Bearer KEY"
