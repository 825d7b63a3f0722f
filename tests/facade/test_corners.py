"""Corners of the façade that are easy to lose again."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx
import pytest
from support import KEY, RawBody, Wire, answer, listing, page, raw, wire_invoice

import gcore_invoices as gi
from gcore_invoices._transport import Credential, _log_filter
from gcore_invoices.models import decode_invoice, decode_page

CAFE = [(b"server", b"caf\xe9"), (b"content-type", b"application/json")]


def served(body, headers=(), status=200):
    return httpx.Response(status, headers=[*CAFE, *headers], stream=RawBody(json.dumps(body).encode()))


def test_a_header_that_is_not_ascii_beside_one_that_echoes_the_key(make_client):
    seen = []

    class Watch:
        @gi.hookimpl
        def after_response(self, response):
            seen.append(dict(response.headers))

    wire = Wire.of(served(wire_invoice(), [(b"x-request-id", KEY.encode())]))
    assert make_client(wire, plugins=[Watch()]).get(42).id == 42
    assert seen[0]["server"] == "caf\xe9"
    assert seen[0]["x-request-id"] == "***"


def test_an_intercepted_answer_may_have_headers_that_are_not_ascii(make_client):
    class Forever:
        kept = None

        @gi.hookimpl
        def after_response(self, response):
            self.kept = response

        @gi.hookimpl
        def intercept(self):
            return self.kept

    client = make_client(Wire.of(served(wire_invoice())), plugins=[Forever()])
    assert client.get(42) == client.get(42)


def test_the_error_of_a_transport_of_ones_own_holds_no_key(make_client):
    def broken(_):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as caught:
        make_client(Wire(broken)).get(42)
    trace = caught.value.__traceback__
    while trace:
        if "support" not in trace.tb_frame.f_code.co_filename:
            assert (
                "abcdef" not in repr(trace.tb_frame.f_locals) or "test_" in trace.tb_frame.f_code.co_filename
            )
        trace = trace.tb_next


def test_an_async_client_says_that_it_belongs_to_another_loop():
    client = gi.AsyncInvoicesClient(api_key=KEY, transport=listing([wire_invoice()]))

    async def first():
        return await client.list().first()

    assert asyncio.run(first()).id == 42
    with pytest.raises(gi.UsageError, match="used in another event loop: make a client in each asyncio"):
        asyncio.run(first())


@pytest.mark.parametrize("cls", [gi.InvoicesClient, gi.AsyncInvoicesClient])
def test_a_slip_in_the_constructor_does_not_show_the_key(cls):
    with pytest.raises(TypeError) as caught:
        cls(api_key=KEY, timeout=3)
    trace = caught.value.__traceback__
    while trace:
        if "test_" not in trace.tb_frame.f_code.co_filename:
            assert "abcdef" not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next


def test_a_content_type_that_echoes_the_key_is_masked_in_a_body_that_is_too_large(make_client):
    body = RawBody(*[bytes(2**20)] * 65)
    client = make_client(Wire.of(raw(body, content_type=f"text/{KEY}")))
    with pytest.raises(gi.APIResponseValidationError, match="larger than 64 MiB") as caught:
        client.get(42)
    assert caught.value.content_type == "text/***"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "9999999999"}, 1e9),
        ({"retry_after": "9" * 400}, 1e9),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after": "Sun Nov  6 08:49:37 1994", "date": "Sun, 06 Nov 1994 08:49:30 GMT"}, 7),
        ({"retry_after": "Sunday, 06-Nov-94 08:49:37 GMT", "date": "Sun, 06 Nov 1994 08:49:30 GMT"}, 7),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-3"}, None),
    ],
)
def test_every_form_of_retry_after_is_heard(make_client, headers, seconds):
    client = make_client(Wire.of(answer({}, 503, **headers)))
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(42)
    assert caught.value.retry_after == seconds


def test_a_date_to_retry_after_counts_by_our_clock_if_the_servers_is_garbled(make_client):
    client = make_client(Wire.of(answer({}, 503, retry_after="Fri, 01 Jan 2100 00:00:00 GMT", date="today")))
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(42)
    assert caught.value.retry_after > 1e6


def test_the_documented_timeouts_are_the_default():
    limits = gi.Timeouts()
    assert (limits.connect, limits.read, limits.pool, limits.deadline) == (5, 30, 30, 120)


@pytest.mark.parametrize("value", [None, 3, ()])
def test_a_wrapper_of_throttle_that_returns_no_list_is_refused(make_client, value):
    class Wrapper:
        @gi.hookimpl(wrapper=True)
        def throttle(self):
            yield
            return value

    with pytest.raises(gi.UsageError, match="A wrapper of throttle returned "):
        make_client(Wire.of(), plugins=[Wrapper()]).get(42)


def test_a_transport_that_clients_share_is_prepared_once():
    shared = httpx.HTTPTransport()
    gi.InvoicesClient(api_key=KEY, transport=shared)
    backend = shared._pool._network_backend
    gi.InvoicesClient(api_key=KEY, transport=shared)
    assert shared._pool._network_backend is backend
    shared.close()


ODD = ["1_000.00", "\uff11\uff12.5", " 5.0 ", "+5.0", "00012.5", ".5", "5.", "0x1"]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("field", ["amount_untaxed", "amount_tax", "amount_total"])
def test_an_amount_that_is_spelled_oddly_is_refused(text, field):
    row = wire_invoice() | {field: text}
    with pytest.raises(ValueError, match=f"{field}"):
        decode_invoice(json.dumps(row).encode())
    with pytest.raises(ValueError, match=rf"results\[1\]\.{field}"):
        decode_page(json.dumps({"count": 2, "results": [wire_invoice(1), row]}, ensure_ascii=False).encode())


def test_an_amount_of_another_name_may_be_spelled_at_will():
    row = wire_invoice(lines=[{"amount_total": "1_0"}], amount_note=" ")
    assert decode_invoice(json.dumps(row).encode()).extra["amount_note"] == " "


def test_a_pagination_error_says_how_long_and_how_often(make_client):
    client = make_client(Wire(lambda _: page([wire_invoice(n) for n in range(100)], count=500)))
    with pytest.raises(gi.PaginationError) as caught:
        client.invoices()
    assert caught.value.operation == "list"
    assert caught.value.attempts == caught.value.report.requests > 1
    assert caught.value.elapsed > 0


def test_the_log_filter_may_grow_while_it_is_read():
    credentials = [Credential("apikey", f"k{n:02}$abc") for n in range(50)]
    for credential in credentials:
        _log_filter.add(credential)
    record = logging.LogRecord("httpcore", 10, "", 1, "key %s", ("k49$abc",), None)
    assert _log_filter.filter(record)
    assert record.getMessage() == "key ***"
    assert credentials


def test_the_first_of_a_resumed_list_is_the_next_one(make_client):
    client = make_client(listing(wire_invoice(n) for n in range(1, 10)))
    pager = client.real.list(max_items=3)
    client.items(pager)
    assert client.run(client.real.list(resume=pager.checkpoint).first()).id == 4


def test_a_term_takes_a_key():
    with pytest.raises(
        gi.UsageError, match=r"A sort term takes a SortKey, not 'id': write SortKey.ID.asc\(\)"
    ):
        gi.SortTerm("id")


def test_a_transport_of_the_other_flavour_is_refused(make_client, flavour):
    wrong = httpx.HTTPTransport() if flavour == "async" else httpx.AsyncHTTPTransport()
    with pytest.raises(gi.UsageError, match=r"transport takes an httpx\.(Async)?BaseTransport, not "):
        make_client(wrong)


def test_a_plugin_that_cannot_be_read_is_refused(make_client):
    class Hostile:
        def __dir__(self):
            raise RuntimeError("no")

    with pytest.raises(gi.UsageError, match="Plugin 'Hostile' cannot be read: RuntimeError: no"):
        make_client(Wire.of(), plugins=[Hostile()])


def test_a_currency_of_other_letters_is_refused():
    with pytest.raises(gi.UsageError, match="currency takes a code of three letters"):
        gi.InvoiceQuery(currency="\u00dfd")
