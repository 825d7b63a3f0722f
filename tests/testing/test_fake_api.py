from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import pytest

from gcore_invoices import (
    APIProtocolError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    InvoicesClient,
    MoveType,
    NotFoundError,
    PaymentState,
    RateLimitError,
    RetryPolicy,
    SortKey,
    Timeouts,
    UsageError,
)
from gcore_invoices.testing import FakeApi


class Caller:
    """A client of the API in one flavour, behind blocking calls."""

    def __init__(self, api, flavour, **options):
        self._api, self._options = api, options
        self._is_async = flavour == "async"

    def __getattr__(self, name):
        def call(*args, **options):
            if not self._is_async:
                with self._api.sync_client(**self._options) as client:
                    return getattr(client, name)(*args, **options)

            async def wait():
                async with self._api.async_client(**self._options) as client:
                    return await getattr(client, name)(*args, **options)

            return asyncio.run(wait())

        return call

    def list(self, **options):
        if not self._is_async:
            with self._api.sync_client(**self._options) as client:
                return list(client.list(**options))

        async def collect():
            async with self._api.async_client(**self._options) as client:
                return [invoice async for invoice in client.list(**options)]

        return asyncio.run(collect())


@pytest.fixture
def call(gcore_api, flavour):
    return Caller(gcore_api, flavour)


@pytest.fixture
def call_once(gcore_api, flavour):
    return Caller(gcore_api, flavour, retry=RetryPolicy(attempts=1))


# -- what is there


def test_it_begins_empty(gcore_api, call):
    assert call.list() == []
    assert gcore_api.invoices == []


def test_what_is_added_is_listed_read_and_downloaded(gcore_api, call):
    invoice = gcore_api.add(amount_total="242.00", payment_state=PaymentState.PARTIAL)
    assert call.list() == [invoice] == gcore_api.invoices
    assert call.get(invoice.id) == invoice
    assert call.download_bytes(invoice.id).startswith(b"%PDF-")


def test_defaults_are_those_of_an_unpaid_invoice(gcore_api):
    first, second = gcore_api.add(), gcore_api.add()
    assert first.payment_state is PaymentState.NOT_PAID
    assert (first.amount_untaxed, first.amount_tax, first.amount_total) == (100, 21, 121)
    assert (first.id, first.name, first.invoice_date) == (1001, "INV/2026/00001", date(2026, 1, 1))
    assert (second.id, second.name, second.invoice_date) == (1002, "INV/2026/00002", date(2026, 1, 2))
    assert (first.billing_period_from, first.billing_period_to) == (date(2025, 12, 1), date(2025, 12, 31))
    assert gcore_api.add(move_type=MoveType.OUT_REFUND).name == "RINV/2026/00003"


def test_every_field_can_be_told(gcore_api, call):
    fields = {
        "id": 7,
        "name": "/",
        "move_type": MoveType.OUT_REFUND,
        "currency": "USD",
        "invoice_date": None,
        "invoice_date_due": None,
        "billing_period_from": date(2026, 2, 1),
        "billing_period_to": date(2026, 2, 28),
        "amount_untaxed": Decimal("0.1"),
        "amount_tax": 0,
        "amount_total": Decimal("0.1"),
        "payment_state": PaymentState.PAID,
        "client_id": -4,
        "payer_id": 9,
        "invoice_id": 12,
        "created_at": datetime(2026, 2, 1, 12, tzinfo=UTC),
        "updated_at": datetime(2026, 2, 2, 12, 0, 1, tzinfo=UTC),
    }
    gcore_api.add(**fields)
    (invoice,) = call.list()
    assert {name: getattr(invoice, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("given", "amounts"),
    [
        ({"amount_total": 50}, (50, 0, 50)),
        ({"amount_untaxed": 50}, (50, 0, 50)),
        ({"amount_tax": 5}, (100, 5, 105)),
        ({"amount_total": 121, "amount_tax": 21}, (100, 21, 121)),
        ({"amount_total": 121, "amount_untaxed": 100}, (100, 21, 121)),
        ({"amount_untaxed": 1, "amount_tax": 1}, (1, 1, 2)),
        ({"amount_untaxed": 1, "amount_tax": 1, "amount_total": 5}, (1, 1, 5)),
    ],
)
def test_amounts_follow_from_those_that_are_given(given, amounts, gcore_api):
    invoice = gcore_api.add(**given)
    assert (invoice.amount_untaxed, invoice.amount_tax, invoice.amount_total) == amounts
    assert gcore_api.client.get(invoice.id).amount_total.as_tuple().exponent == -12
    changed = gcore_api.update(gcore_api.add(), **given)
    assert (changed.amount_untaxed, changed.amount_tax, changed.amount_total) == amounts


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": 5}, "Did you mean 'amount_tax'"),
        ({"amount_total": 1.5}, "takes a Decimal, an int or text"),
        ({"amount_total": True}, "takes a Decimal, an int or text"),
        ({"amount_total": "much"}, "is no amount"),
        ({"amount_total": "NaN"}, "could not send"),
        ({"invoice_date": "soon"}, "invoice_date takes a date, or text such as '2026-04-02', not 'soon'."),
        ({"invoice_date_due": "2026-02-30"}, "could not send"),
        ({"payment_state": "payed"}, "Unknown payment_state 'payed'. Did you mean 'paid'?"),
        ({"move_type": "refund"}, "Unknown move_type 'refund'. Did you mean 'out_refund'?"),
        ({"id": 0}, "An id is a number of 1 or more, not 0."),
        ({"client_id": "x"}, "client_id"),
        ({"created_at": datetime(2026, 1, 1)}, "needs its zone"),  # noqa: DTZ001 - that is the point
    ],
)
def test_what_the_api_could_not_send_is_refused(fields, words, gcore_api):
    with pytest.raises(UsageError) as caught:
        gcore_api.add(**fields)
    assert words in str(caught.value)
    assert gcore_api.invoices == []


def test_an_invoice_can_be_changed_and_removed(gcore_api, call):
    invoice, other = gcore_api.add(), gcore_api.add()
    paid = gcore_api.update(invoice, payment_state=PaymentState.PAID)
    assert paid.updated_at > invoice.updated_at
    assert call.get(invoice.id) == paid
    gcore_api.remove(other.id)
    assert call.list() == [paid]
    with pytest.raises(NotFoundError):
        call.get(other.id)


def test_an_invoice_can_be_added_as_it_is(gcore_api):
    invoice = gcore_api.add(currency="USD")
    with FakeApi() as another:
        assert another.add(invoice) == invoice
        assert another.add(invoice, id=5).id == 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda api: api.add(id=1001), "There is an invoice 1001 already"),
        (lambda api: api.add(5), "add() takes an Invoice, or fields by their names: not 5."),
        (lambda api: api.update(5), "There is no invoice 5 here; there are [1001]."),
        (lambda api: api.update(1001, id=5), "The id of an invoice does not change"),
        (lambda api: api.remove(5), "There is no invoice 5 here"),
        (lambda api: api.unknown_enum(5), "There is no invoice 5 here"),
        (lambda api: api.unknown_enum(value="paid"), "'paid' is a payment_state that is known"),
        (lambda api: api.unknown_enum(field="currency"), "Unknown open field 'currency'."),
        (lambda api: api.fail(times=0), "times takes an integer of 1 or more, not 0."),
        (lambda api: api.fail(200), "status takes an integer from 300 to 599, not 200."),
        (lambda api: api.fail("503"), "status takes an integer from 300 to 599, not '503'."),
        (lambda api: api.fail(429, retry_after=-1), "retry_after takes a number of 0 or more, not -1."),
        (lambda api: api.fail(operation="downlod"), "Unknown operation 'downlod'. Did you mean 'download'?"),
        (lambda api: api.cut(operation=["get"]), "operation takes text such as 'list', not ['get']."),
        (lambda api: api.delay(-1), "delay takes a number from 0 to 86400, not -1."),
        (lambda api: api.delay("5"), "delay takes a number from 0 to 86400, not '5'."),
        (lambda api: api.before_request(0, print), "Requests are counted from 1, not 0."),
        (lambda api: api.between_pages(print, after=-1), "Requests are counted from 1, not 0."),
        (lambda api: api.between_pages(5), "What is to be done is a function without arguments, not 5."),
    ],
)
def test_what_cannot_be_is_an_error(wrong, words, gcore_api):
    invoice = gcore_api.add()
    with pytest.raises(UsageError) as caught:
        wrong(gcore_api)
    assert str(caught.value).startswith(words)
    # Nothing of it is left to come.
    assert gcore_api.client.get(invoice.id) == invoice
    assert len(gcore_api.requests) == 1


def test_filters_and_order_are_those_of_the_api(gcore_api, call):
    gcore_api.add(currency="USD", amount_total=5)
    small, large = gcore_api.add(amount_total=1), gcore_api.add(amount_total=2)
    assert call.list(currency="EUR", order_by=SortKey.AMOUNT_TOTAL.desc()) == [large, small]


# -- what moves


def test_a_list_that_moves_between_its_pages_loses_nothing(gcore_api, call):
    invoices = [gcore_api.add() for _ in range(10)]
    gcore_api.between_pages(lambda: gcore_api.remove(invoices[0]))
    assert [invoice.id for invoice in call.list(page_size=4)] == [invoice.id for invoice in invoices]
    assert len(gcore_api.invoices) == 9


def test_an_action_comes_once_before_its_request(gcore_api, call):
    invoice = gcore_api.add()
    seen = []
    gcore_api.before_request(2, lambda: seen.append(len(gcore_api.requests)))
    for _ in range(3):
        call.get(invoice.id)
    assert seen == [2]


# -- what goes wrong


def test_a_failure_is_retried_without_waiting(gcore_api, call):
    invoice = gcore_api.add()
    gcore_api.fail(status=503, times=2)
    assert call.get(invoice.id) == invoice
    assert len(gcore_api.requests) == 3


def test_nothing_is_waited_for_that_an_answer_asks_for(gcore_api, call):
    invoice = gcore_api.add()
    gcore_api.fail(429, retry_after=59)
    started = time.monotonic()
    assert call.get(invoice.id) == invoice
    assert time.monotonic() - started < 30
    # Beyond what a client is ready to wait for, it is told, as ever.
    gcore_api.fail(429, retry_after=61)
    with pytest.raises(RateLimitError):
        call.get(invoice.id)


def test_a_failure_reaches_who_does_not_retry(gcore_api, call_once):
    gcore_api.fail(429, retry_after=7, detail="Slowly, please.")
    with pytest.raises(RateLimitError) as caught:
        call_once.get(1)
    assert (caught.value.retry_after, caught.value.detail) == (7, "Slowly, please.")


def test_faults_come_in_their_order_and_to_their_operation(gcore_api, call_once):
    invoice = gcore_api.add()
    gcore_api.fail(502, operation="download")
    gcore_api.fail(500)
    gcore_api.fail(599)
    for status in (500, 599):
        with pytest.raises(InternalServerError) as caught:
            call_once.get(invoice.id)
        assert caught.value.status_code == status
    assert call_once.list() == [invoice]
    with pytest.raises(InternalServerError, match="502"):
        call_once.download_bytes(invoice.id)
    assert call_once.download_bytes(invoice.id)


@pytest.mark.parametrize("operation", ["get", "download_bytes"])
def test_a_cut_is_an_error_and_is_retried(operation, gcore_api, flavour, call):
    invoice = gcore_api.add()
    gcore_api.cut(times=2)
    with pytest.raises(APIProtocolError):
        getattr(Caller(gcore_api, flavour, retry=RetryPolicy(attempts=1)), operation)(invoice.id)
    assert getattr(call, operation)(invoice.id)
    assert len(gcore_api.requests) == 3


def test_a_delay_beyond_patience_is_a_timeout_at_once(gcore_api, flavour):
    invoice = gcore_api.add()
    gcore_api.delay(3600)
    caller = Caller(gcore_api, flavour, retry=RetryPolicy(attempts=1), timeouts=Timeouts(read=5))
    with pytest.raises(APITimeoutError):
        caller.get(invoice.id)
    gcore_api.delay(0.001)
    assert caller.get(invoice.id) == invoice


@pytest.mark.parametrize(("field", "value"), [("payment_state", "blocked"), ("move_type", "entry")])
def test_an_unknown_value_costs_nothing(field, value, gcore_api, call):
    invoice = gcore_api.add()
    assert gcore_api.unknown_enum(field=field, value=value).id == invoice.id
    (listed,) = call.list()
    assert getattr(listed, field) == value
    assert not getattr(listed, field).is_known


def test_what_never_went_wrong_is_an_error():
    with pytest.raises(AssertionError) as caught, FakeApi() as api:
        api.fail(502, operation="download")
        api.delay(5, operation="get")
        api.before_request(4, print)
        api.between_pages(print)
        api.client.list().count()
    assert str(caught.value) == (
        "No request met fail(502) of the operation 'download'; nor delay(5) of the operation 'get'; "
        "nor before_request(4); nor between_pages(after=1). Requests so far: 1 (list). "
        "Set it before the request that it is for; or call recover() if it need not come."
    )


@pytest.mark.parametrize(
    ("gets", "words"), [(0, "0 (none)."), (10, f"10 ({'get, ' * 9}get)."), (11, f"11 (…, {'get, ' * 9}get).")]
)
def test_the_error_names_the_last_requests(gets, words):
    with pytest.raises(AssertionError) as caught, FakeApi() as api:
        invoice = api.add()
        for _ in range(gets):
            api.client.get(invoice.id)
        api.cut()
    assert str(caught.value).startswith(f"No request met cut(). Requests so far: {words}")


def test_an_exception_of_the_block_is_not_hidden_by_one():
    with pytest.raises(ZeroDivisionError), FakeApi() as api:
        api.fail()
        _ = 1 / 0


@pytest.mark.parametrize("set_", ["fault", "action"])
def test_what_came_once_has_come(set_, gcore_api):
    invoice = gcore_api.add()
    if set_ == "fault":
        gcore_api.fail(times=5)
    else:
        gcore_api.before_request(1, list)
    with pytest.raises(AssertionError):
        gcore_api.assert_all_met()
    with gcore_api.sync_client(retry=RetryPolicy(attempts=2)) as client:
        if set_ == "fault":
            with pytest.raises(InternalServerError):
                client.get(invoice.id)
        else:
            client.get(invoice.id)
    gcore_api.assert_all_met()


def test_it_recovers_from_what_has_not_come_yet(gcore_api, call_once):
    invoice = gcore_api.add()
    gcore_api.fail(times=1000)
    gcore_api.before_request(2, lambda: gcore_api.remove(invoice))
    with pytest.raises(InternalServerError):
        call_once.get(invoice.id)
    gcore_api.recover()
    gcore_api.assert_all_met()
    assert call_once.get(invoice.id) == invoice


# -- what was asked


def test_requests_are_kept_without_the_key(gcore_api, call):
    call.list(currency="EUR", page_size=5)
    (request,) = gcore_api.requests
    assert (request.operation, request.method) == ("list", "GET")
    assert request.path == "/billing/org/v1/erp-invoices"
    assert request.params == {"currency": "EUR", "limit": "5", "offset": "0", "ordering": "id"}
    assert request.headers["accept"] == "application/json"
    assert gcore_api.api_key not in repr(request)
    with pytest.raises(AttributeError):
        request.path = ""
    with pytest.raises(TypeError):
        request.params["limit"] = "6"
    assert {request} == {request}


def test_operations_are_told_apart(gcore_api):
    invoice = gcore_api.add()
    gcore_api.client.get(invoice.id)
    gcore_api.client.download_bytes(invoice.id)
    with (
        InvoicesClient(
            transport=gcore_api.transport, api_key=gcore_api.api_key, base_url="https://a.test/x"
        ) as client,
        pytest.raises(NotFoundError),
    ):
        client.get(1)
    assert [request.operation for request in gcore_api.requests] == ["get", "download", "other"]


# -- ways in


def test_a_wrong_key_is_refused(gcore_api, flavour):
    with pytest.raises(AuthenticationError):
        Caller(gcore_api, flavour, api_key="1234$wrong").get(1)


def test_a_login_token_can_be_used(gcore_api, flavour):
    with pytest.raises(AuthenticationError):
        Caller(gcore_api, flavour, bearer_token="jwt").get(1)


def test_the_client_is_one_and_closes_with_the_api():
    with FakeApi() as api:
        client = api.client
        assert api.client is client
        assert client.list().count() == 0
    api.close()
    with pytest.raises(UsageError, match="closed"):
        client.list().count()


def test_threads_may_share_it(gcore_api):
    for _ in range(50):
        gcore_api.add()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(len(list(gcore_api.client.list(page_size=7)))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [50] * 4


@pytest.fixture
def port_client(gcore_api, monkeypatch, make_client):
    for name, value in gcore_api.environ.items():
        monkeypatch.setenv(name, value)
    # Its own transport: what a program makes that knows nothing of a test.
    return make_client(api_key=gcore_api.api_key)


def test_a_program_finds_it_by_its_environment(gcore_api, port_client):
    invoices = [gcore_api.add() for _ in range(10)]
    assert port_client.invoices(page_size=3) == invoices
    assert port_client.download_bytes(invoices[0].id).startswith(b"%PDF-")
    assert gcore_api.url == gcore_api.url
    assert gcore_api.requests[0].headers["host"] == gcore_api.url.removeprefix("http://")


def test_faults_come_through_the_port_too(gcore_api, port_client):
    invoice = gcore_api.add()
    gcore_api.fail(502)
    with pytest.raises(InternalServerError):
        port_client.get(invoice.id)
    gcore_api.cut()
    with pytest.raises(APIProtocolError):
        port_client.get(invoice.id)
    assert port_client.get(invoice.id) == invoice


def test_a_port_that_delays_can_be_closed(make_client):
    with FakeApi() as api:
        client = make_client(
            api_key=api.api_key, base_url=api.url, timeouts=Timeouts(read=0.05), retry=RetryPolicy(attempts=1)
        )
        api.delay(3600)
        with pytest.raises(APITimeoutError):
            client.get(1)
    with pytest.raises(UsageError, match="closed"):
        _ = api.url


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_answered_by_the_rules(method, gcore_api):
    answer = httpx.request(
        method,
        f"{gcore_api.url}/billing/org/v1/erp-invoices",
        headers={"Authorization": f"apikey {gcore_api.api_key}"},
    )
    assert answer.status_code == (200 if method == "HEAD" else 405)
