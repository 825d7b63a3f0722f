from __future__ import annotations

import pytest
from cassettes.faults import UNAVAILABLE

from gcore_invoices import InternalServerError, RetryPolicy

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]


def test_to_memory(cassette):
    client = cassette.client()
    client.get(cassette.known.invoice_id)  # a live recording needs it, to write a document in its place
    document = client.download_bytes(cassette.known.invoice_id)
    assert document.startswith(b"%PDF-")
    assert document.rstrip().endswith(b"%%EOF")


def test_to_a_file(cassette, tmp_path):
    client = cassette.client()
    client.get(cassette.known.invoice_id)
    path = client.download(cassette.known.invoice_id, tmp_path)
    assert path.parent == tmp_path
    assert path.suffix == ".pdf"
    assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.sandbox_only
def test_502_then_the_document(cassette):
    cassette.faults(UNAVAILABLE, None)
    client = cassette.client(retry=RetryPolicy(attempts=2, backoff=0))
    assert client.download_bytes(cassette.known.invoice_id).startswith(b"%PDF-")
    assert cassette.statuses == [502, 200]


@pytest.mark.sandbox_only
def test_502(cassette, tmp_path):
    cassette.faults(UNAVAILABLE)
    with pytest.raises(InternalServerError) as caught:
        cassette.client().download(cassette.known.invoice_id, tmp_path / "invoice.pdf")
    assert caught.value.status_code == 502
    assert caught.value.detail == "PDF temporarily unavailable"
    assert list(tmp_path.iterdir()) == []
