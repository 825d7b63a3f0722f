"""The cache, sync and async, without network: an httpx transport answers as an API with ETags would."""
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, D101, D102, D103, PLC0415, S101, SLF001

from __future__ import annotations

import asyncio
import json
from threading import Thread

import httpx
import pytest
from gcore_invoices_cache import ResponseCache

from gcore_invoices import (
    AsyncInvoicesClient,
    InternalServerError,
    InvoicesClient,
    NotFoundError,
    RetryPolicy,
    UsageError,
)


def invoice(number):
    return {
        "id": number,
        "name": f"INV/2026/{number:05}",
        "move_type": "out_invoice",
        "currency": "EUR",
        "invoice_date": "2026-04-02",
        "invoice_date_due": "2026-05-02",
        "billing_period_from": None,
        "billing_period_to": None,
        "amount_untaxed": "100.00",
        "amount_tax": "21.00",
        "amount_total": "121.00",
        "payment_state": "not_paid",
        "client_id": 1,
        "payer_id": 2,
        "invoice_id": None,
        "created_at": "2026-04-02T06:14:09Z",
        "updated_at": "2026-04-02T06:14:09Z",
    }


class Api(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Invoices with an ETag, and 304 for whoever has them already."""

    def __init__(self, **headers):
        self.asked = []
        self.version = 1
        self.status = 200
        self._headers = headers

    def handle_request(self, request):
        self.asked.append(request)
        headers = {"content-type": "application/json", "etag": f'"{self.version}"'} | self._headers
        headers = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.status != 200:
            return httpx.Response(self.status, headers=headers, stream=httpx.ByteStream(b"{}"))
        conditions = {"if-none-match": headers.get("etag"), "if-modified-since": headers.get("last-modified")}
        if any(value and request.headers.get(name) == value for name, value in conditions.items()):
            return httpx.Response(304, headers=headers, stream=httpx.ByteStream(b""))
        if request.url.path.endswith("/download"):
            body = b"%PDF-1.4\n%%EOF\n"
            return httpx.Response(
                200, headers=headers | {"content-type": "application/pdf"}, stream=httpx.ByteStream(body)
            )
        last = request.url.path.rpartition("/")[2]
        body = (
            invoice(int(last))
            if last.isdigit()
            else {"count": 1, "next": None, "previous": None, "results": [invoice(1)]}
        )
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(json.dumps(body).encode()))

    async def handle_async_request(self, request):
        return self.handle_request(request)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Both:
    """Either client behind blocking calls."""

    def __init__(self, flavour, api, *plugins, **options):
        options = {"api_key": "1234$abcdef", "transport": api, "retry": RetryPolicy(attempts=1)} | options
        self._runner = asyncio.Runner() if flavour == "async" else None
        if self._runner is None:
            self.real = InvoicesClient(plugins=plugins, **options)
        else:

            async def make():
                return AsyncInvoicesClient(plugins=plugins, **options)

            self.real = self._runner.run(make())

    def run(self, result):
        async def wait():
            return await result

        return result if self._runner is None else self._runner.run(wait())

    def get(self, number):
        return self.run(self.real.get(number))

    def list(self, **fields):
        pager = self.real.list(**fields)
        if self._runner is None:
            return list(pager)

        async def collect():
            return [item async for item in pager]

        return self._runner.run(collect())

    def download_bytes(self, number):
        return self.run(self.real.download_bytes(number))

    def close(self):
        self.run(self.real.close())
        if self._runner:
            self._runner.close()


@pytest.fixture(params=["sync", "async"])
def make(request):
    made = []

    def make(*arguments, **options):
        made.append(Both(request.param, *arguments, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return ResponseCache(max_age=60, clock=clock)


def conditions(request):
    return request.headers.get("if-none-match"), request.headers.get("if-modified-since")


def test_what_is_fresh_needs_no_network(make, cache, clock):
    api = Api()
    client = make(api, cache)
    first = client.get(1)
    clock.now = 59.9
    assert client.get(1) == first
    assert len(api.asked) == 1
    assert client.get(2).id == 2
    assert len(api.asked) == 2


def test_a_list_is_held_page_by_page(make, cache):
    api = Api()
    client = make(api, cache)
    rows = client.list(currency="EUR")
    assert client.list(currency="EUR") == rows
    asked = len(api.asked)
    client.list(currency="USD")
    assert len(api.asked) == 2 * asked


def test_what_is_stale_is_asked_about_and_304_confirms_it(make, cache, clock):
    api = Api(last_modified="Thu, 02 Apr 2026 06:14:09 GMT")
    client = make(api, cache)
    first = client.get(1)
    clock.now = 60.0
    assert client.get(1) == first
    assert [conditions(request) for request in api.asked] == [
        (None, None),
        ('"1"', "Thu, 02 Apr 2026 06:14:09 GMT"),
    ]
    clock.now = 119.9
    client.get(1)
    assert len(api.asked) == 2, "it is fresh again from the time it was confirmed"


def test_what_has_changed_takes_the_place_of_what_was_held(make, cache, clock):
    api = Api()
    client = make(api, cache)
    client.get(1)
    api.version, clock.now = 2, 60.0
    client.get(1)
    clock.now = 61.0
    client.get(1)
    assert len(api.asked) == 2
    assert len(cache) == 1


def test_with_no_age_at_all_every_answer_is_confirmed_and_no_call_runs_in_circles(make):
    api = Api()
    client = make(api, ResponseCache(max_age=0))
    assert [client.get(1).id for _ in range(3)] == [1, 1, 1]
    assert [conditions(request)[0] for request in api.asked] == [None, '"1"', '"1"']


def test_a_304_that_nobody_asked_for_stays_an_error(make, cache):
    api = Api()
    api.status = 304
    with pytest.raises(Exception, match="304"):
        make(api, cache).get(1)
    assert len(api.asked) == 1


def test_an_error_is_never_held_and_drops_what_was(make, cache, clock):
    api = Api()
    client = make(api, cache)
    api.status = 404
    for _ in range(2):
        with pytest.raises(NotFoundError):
            client.get(1)
    assert (len(api.asked), len(cache)) == (2, 0)
    api.status = 200
    client.get(1)
    clock.now, api.status = 60.0, 404
    with pytest.raises(NotFoundError):
        client.get(1)
    assert (len(cache), cache.size) == (0, 0)


def test_a_failure_of_the_server_neither_holds_nor_drops(make, cache, clock):
    api = Api()
    client = make(api, cache)
    client.get(1)
    clock.now, api.status = 60.0, 503
    with pytest.raises(InternalServerError):
        client.get(1)
    api.status = 200
    client.get(1)
    assert [conditions(request)[0] for request in api.asked] == [None, '"1"', '"1"']


def test_documents_are_never_held(make, cache):
    api = Api()
    client = make(api, cache)
    assert client.download_bytes(1) == client.download_bytes(1)
    assert (len(api.asked), len(cache)) == (2, 0)


@pytest.mark.parametrize("headers", [{"etag": ""}, {"cache_control": "private, No-Store"}])
def test_what_cannot_be_asked_about_or_must_not_be_kept_is_not(make, cache, headers):
    api = Api(**headers)
    client = make(api, cache)
    client.get(1)
    client.get(1)
    assert (len(api.asked), len(cache)) == (2, 0)


def test_it_is_bounded_and_what_was_used_least_lately_goes_first(make, clock):
    one = len(json.dumps(invoice(1))) + 2048
    cache = ResponseCache(max_bytes=2 * one, clock=clock)
    api = Api()
    client = make(api, cache)
    for number in (1, 2, 1, 3):
        client.get(number)
    assert (len(cache), len(api.asked)) == (2, 3)
    assert cache.size <= 2 * one
    client.get(1)
    assert len(api.asked) == 3
    client.get(2)
    assert len(api.asked) == 4
    nothing = ResponseCache(max_bytes=0)
    assert make(Api(), nothing).get(1).id == 1
    assert (len(nothing), nothing.size) == (0, 0)


def test_what_is_dropped_while_it_is_confirmed_still_answers(make, clock):
    cache = ResponseCache(max_age=60, clock=clock)

    class Forgetful(Api):
        def handle_request(self, request):
            if request.headers.get("if-none-match"):
                cache.clear()
            return super().handle_request(request)

    client = make(Forgetful(), cache)
    client.get(1)
    clock.now = 60.0
    assert client.get(1).id == 1


def test_clients_share_entries_only_if_they_share_the_cache(make, cache):
    api = Api()
    make(api, cache).get(1)
    make(api, cache).get(1)
    assert len(api.asked) == 1
    make(api, ResponseCache()).get(1)
    assert len(api.asked) == 2


def test_another_base_url_is_another_answer(make, cache):
    api = Api()
    make(api, cache).get(1)
    make(api, cache, base_url="https://staging.example").get(1)
    assert len(api.asked) == 2


def test_many_threads_share_it(clock):
    api, cache = Api(), ResponseCache(max_age=0, clock=clock)
    errors = []
    with InvoicesClient(api_key="1234$abcdef", transport=api, plugins=[cache]) as client:

        def work():
            try:
                for number in (1, 2, 3, 1, 2, 3):
                    assert client.get(number).id == number
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        threads = [Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert errors == []
    assert len(cache) == 3


def test_a_call_leaves_nothing_behind(make, cache, clock):
    import gc

    api = Api()
    client = make(api, cache)
    client.get(1)
    clock.now = 60.0
    client.get(1)
    api.status, clock.now = 404, 200.0
    with pytest.raises(NotFoundError):
        client.get(1)
    gc.collect()
    assert not list(cache._asked)
    assert not list(cache._confirmed)


@pytest.mark.parametrize(
    "settings",
    [{"max_age": -1}, {"max_bytes": -1}, {"max_age": float("nan")}, {"max_age": "60"}, {"max_bytes": None}],
)
def test_settings_that_cannot_be_right_are_refused(settings):
    with pytest.raises(UsageError, match="A cache takes 0 or more"):
        ResponseCache(**settings)


def test_a_cache_is_true_though_it_is_empty(cache):
    assert cache
    assert len(cache) == 0
    cache.clear()


def test_every_client_finds_it_once_it_is_installed():
    with InvoicesClient(api_key="1234$abcdef") as client:
        (info,) = [info for info in client.plugins if info.name == "cache"]
        assert (info.source, info.distribution) == ("entry point", "gcore-invoices-cache 0.1.0")
    with InvoicesClient(api_key="1234$abcdef", plugins=[ResponseCache(max_age=5)]) as client:
        assert [info.source for info in client.plugins if info.name == "cache"] == ["explicit"]
