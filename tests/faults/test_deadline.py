"""Time: the deadline of a call and the limits of its phases, however the server or the proxy dawdles."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextvars import ContextVar

import httpcore
import httpx
import pytest
from faults.conftest import NO_WAITS
from faults.server import head, says, sends_its_end, silent_after, trickles, whole
from faults.test_scenarios import GOOD, GOOD_PDF, SHORT

import gcore_invoices as gi
from gcore_invoices import _deadline

LIMIT = SHORT.deadline


def late(call, *args):
    """The error of a call that must end at its deadline."""
    started = time.monotonic()
    with pytest.raises(
        gi.APITimeoutError, match=r"did not finish within its deadline of 0\.5 seconds"
    ) as caught:
        call(*args)
    assert LIMIT - 0.1 < time.monotonic() - started < LIMIT + 0.5
    return caught.value


def silent(exchange):
    exchange.silence()


def byte_by_byte(exchange):
    """A TLS handshake record that is on its way for ever."""
    exchange.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    exchange.trickle(iter(lambda: b"\x00", None))


@pytest.mark.parametrize("greet", [silent, byte_by_byte])
def test_a_slow_tls_handshake_ends_at_the_deadline_and_leaves_no_connection(connect, certificates, greet):
    client, server = connect(
        says(GOOD), tls=certificates.server, greet=greet, ca_bundle=certificates.ca, timeouts=SHORT
    )
    assert late(client.get, 42).attempts == 1
    server.all_hung_up()


def through(proxy_behaviour, serve, make_client, certificates, *, behaviours, tls_proxy=False, **options):
    server = serve(*behaviours, tls=certificates.server)
    proxy = serve(proxy_behaviour or sends_its_end(server), tls=certificates.server if tls_proxy else None)
    client = make_client(
        base_url=server.url, proxy=proxy.url, ca_bundle=certificates.ca, timeouts=SHORT, **options
    )
    return client, server, proxy


DAWDLERS = {
    "stall, http": (silent_after(), False),
    "head, https": (trickles(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), True),
    "body, https": (trickles(head(content_length=100_000), b"x"), True),
    "trickle, then stall, http": (trickles(head(content_length=1000), b"x", then_silent=20), False),
}


@pytest.mark.parametrize(("does", "tls_proxy"), DAWDLERS.values(), ids=DAWDLERS)
def test_the_deadline_holds_through_a_proxy(serve, make_client, certificates, does, tls_proxy):
    client, server, proxy = through(
        None, serve, make_client, certificates, behaviours=[does], tls_proxy=tls_proxy
    )
    late(client.get, 42)
    assert len(server.requests) == 1
    client.run(client.real.close())
    proxy.all_hung_up()


CONNECTING = {
    "stall, http": (silent_after(), False),
    "head, https": (trickles(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), True),
    "no TLS, https": (trickles(b"HTTP/1.1 200 OK\r\n\r\n", b"\x16"), True),
}


@pytest.mark.parametrize(("does", "tls_proxy"), CONNECTING.values(), ids=CONNECTING)
def test_the_deadline_holds_while_a_proxy_connects(serve, make_client, certificates, does, tls_proxy):
    client, _, proxy = through(
        does, serve, make_client, certificates, behaviours=[says(GOOD)], tls_proxy=tls_proxy
    )
    started = time.monotonic()
    with pytest.raises(gi.APIConnectionError):
        client.get(42)
    assert time.monotonic() - started < LIMIT + 0.5
    client.run(client.real.close())
    proxy.all_hung_up()


def test_a_record_of_tls_in_tls_that_never_ends_is_late_too(serve, make_client, certificates):
    """The inner TLS comes whole; the outer one is trickled."""

    def trickle_the_hello(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        exchange.socket.recv(65536)  # the client's hello
        exchange.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
        exchange.trickle(iter(lambda: b"\x00", None))

    client, _, proxy = through(
        trickle_the_hello, serve, make_client, certificates, behaviours=[says(GOOD)], tls_proxy=True
    )
    late(client.get, 42)
    proxy.all_hung_up()


def test_all_of_a_download_to_a_folder_has_one_deadline(connect, tmp_path):
    slow = trickles(head(content_length=100_000), b"x")

    def nearly_late(exchange):
        time.sleep(0.3)
        exchange.send(GOOD)

    client, server = connect(nearly_late, slow, timeouts=SHORT)
    error = late(client.download, 42, tmp_path)
    assert error.operation == "download"
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_waits_between_attempts_count(connect):
    policy = gi.RetryPolicy(attempts=100, backoff=0.2, max_backoff=0.2)
    client, server = connect(lambda exchange: exchange.reset(), timeouts=SHORT, retry=policy)
    started = time.monotonic()
    with pytest.raises(gi.APIConnectionError):
        client.get(42)
    assert time.monotonic() - started < LIMIT + 0.5
    assert len(server.requests) > 1


def test_a_slow_look_up_of_a_name_ends_at_the_deadline(make_client, monkeypatch, flavour):
    found = threading.Event()
    real = socket.getaddrinfo

    def look_up(host, *args, **options):
        if host not in {"slow.example", b"slow.example"}:
            return real(host, *args, **options)
        found.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = make_client(base_url="https://slow.example", trust_env=False, timeouts=SHORT)
    try:
        late(client.get, 42)
    finally:
        found.set()


# -- phases


def test_connecting_has_its_own_limit(connect, certificates):
    """TLS is a part of it."""
    client, _ = connect(
        says(GOOD),
        tls=certificates.server,
        greet=silent,
        ca_bundle=certificates.ca,
        timeouts=gi.Timeouts(connect=0.2),
    )
    started = time.monotonic()
    with pytest.raises(gi.APITimeoutError, match=r"No connection to .* in time"):
        client.get(42)
    assert 0.1 < time.monotonic() - started < 0.7


def test_looking_up_a_name_is_a_part_of_connecting(monkeypatch):
    """Of the sync client's; asyncio's look-up is awaited, and the test of the deadline shows it."""
    found = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found.wait(10) and [])
    options = {"api_key": "1$a", "trust_env": False, "retry": gi.RetryPolicy(attempts=1)}
    with gi.InvoicesClient(
        base_url="https://slow.example", timeouts=gi.Timeouts(connect=0.2), **options
    ) as client:
        try:
            with pytest.raises(gi.APITimeoutError, match=r"slow\.example was not resolved in time"):
                client.get(42)
        finally:
            found.set()


@pytest.mark.parametrize("first", [True, False], ids=["the first token", "a new token"])
def test_a_login_that_hangs_ends_at_the_deadline(connect, first):
    """A function of the caller's: it is left to itself in its thread."""
    end, given = threading.Event(), iter(() if first else ["jwt.old"])

    def login():
        for token in given:
            return token
        end.wait(10)
        return "jwt.late"

    refusal = says(whole(b"{}", "401 Unauthorized"))
    client, server = connect(refusal, api_key=None, bearer_token=login, timeouts=gi.Timeouts(deadline=0.4))
    started = time.monotonic()
    try:
        with pytest.raises(gi.APITimeoutError, match=r"^get did not finish within its deadline of 0\.4 sec"):
            client.get(42)
        assert 0.3 < time.monotonic() - started < 0.9
    finally:
        end.set()
    assert len(server.requests) == (not first)


def test_a_login_that_hangs_does_not_keep_asyncio_from_ending():
    """The threads of asyncio are waited for at the end of its loop; that of a login is not."""
    end = threading.Event()

    async def main():
        limits = gi.Timeouts(deadline=0.2)
        async with gi.AsyncInvoicesClient(bearer_token=lambda: end.wait(20), timeouts=limits) as client:
            await client.get(42)

    started = time.monotonic()
    try:
        with pytest.raises(gi.APITimeoutError, match=r"^get did not finish within its deadline of 0\.2 sec"):
            asyncio.run(main())
        assert time.monotonic() - started < 5
    finally:
        end.set()


def test_what_a_login_raises_reaches_the_caller(connect):
    client, _ = connect(api_key=None, bearer_token=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        client.get(42)


def test_a_login_sees_the_context_of_its_caller(connect):
    trace = ContextVar("trace")
    trace.set("here")
    client, _ = connect(says(GOOD), api_key=None, bearer_token=lambda: f"jwt.{trace.get()}")
    assert client.get(42).id == 42


def addresses(monkeypatch, number):
    """A name with so many addresses; `tried` are those connected to, with their limits."""
    many = [(2, 1, 6, "", (f"127.0.0.{n}", 443)) for n in range(number, 0, -1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
    connected, tried = _deadline._connected, []

    def connect(stop, address, timeout, *rest):
        tried.append((address[0], timeout))
        if address[0] != "127.0.0.1":
            raise TimeoutError("no answer")
        return connected(stop, address, timeout, *rest)

    monkeypatch.setattr(_deadline, "_connected", connect)
    return tried


def test_a_dead_address_leaves_time_for_the_others(serve, monkeypatch):
    tried = addresses(monkeypatch, 4)
    port = int(serve(says(GOOD)).url.rpartition(":")[2])
    stream = _deadline._Backend().connect_tcp("many.example", port, timeout=8)
    stream.close()
    assert [address for address, _ in tried] == ["127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.1"]
    shares = [limit for _, limit in tried]
    assert shares == [pytest.approx(share, abs=0.5) for share in (2, 8 / 3, 4, 8)]


def test_an_address_that_fails_is_said_once_all_have_failed(monkeypatch):
    tried = addresses(monkeypatch, 3)
    monkeypatch.setattr(socket.socket, "connect", refused)
    with pytest.raises(httpcore.ConnectError, match="nobody there"):
        _deadline._Backend().connect_tcp("many.example", 443, timeout=8)
    assert len(tried) == 3


def refused(*_):
    raise ConnectionRefusedError("nobody there")


def test_at_the_end_of_the_interpreter_a_name_is_looked_up_without_a_thread(monkeypatch):
    """An `atexit` function may still ask: Python 3.12 starts no threads then."""
    tried = addresses(monkeypatch, 1)
    monkeypatch.setattr(socket.socket, "connect", refused)

    def no_thread(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(httpcore.ConnectError, match="nobody there"):
        _deadline._Backend().connect_tcp("many.example", 443)
    assert tried == [("127.0.0.1", None)]


def test_the_wait_for_a_plugin_is_taken_from_the_time_for_a_connection(serve, monkeypatch):
    monkeypatch.setattr("gcore_invoices._connect._LIMITS", httpx.Limits(max_connections=1))
    server = serve(silent_after())

    class Throttle:
        @gi.hookimpl
        def throttle(self, call):
            return 0.4 if call.operation == "get" else None

    with gi.InvoicesClient(api_key="1$a", base_url=server.url, plugins=[Throttle()]) as client:
        occupies = threading.Thread(target=ended, args=(client,), kwargs={"call": "download_bytes"})
        occupies.start()
        server.wait_for(lambda server: server.requests)
        started = time.monotonic()
        with pytest.raises(gi.APITimeoutError):
            client.with_options(timeouts=gi.Timeouts(deadline=0.6), retry=gi.RetryPolicy(attempts=1)).get(42)
        assert time.monotonic() - started < 0.95
        client.close()
        occupies.join()


def ended(client, call="get"):
    with pytest.raises(gi.UsageError, match="closed"):
        getattr(client, call)(1)


def test_a_full_pool_has_its_own_limit(serve, monkeypatch):
    monkeypatch.setattr("gcore_invoices._connect._LIMITS", httpx.Limits(max_connections=1))
    server = serve(silent_after())
    with gi.InvoicesClient(
        api_key="1$a",
        base_url=server.url,
        timeouts=gi.Timeouts(pool=0.2, deadline=2),
        retry=gi.RetryPolicy(attempts=1),
    ) as client:
        first = threading.Thread(target=ended, args=[client])
        first.start()
        server.wait_for(lambda server: server.requests)
        with pytest.raises(gi.APITimeoutError, match="No connection of the client's pool came free in time"):
            client.get(2)
        client.close()
        first.join(5)
        assert not first.is_alive()


# -- per client and per call


def test_a_view_has_its_own_limits_and_the_same_connection(connect):
    client, server = connect(says(GOOD), says(GOOD), silent_after(), retry=NO_WAITS)
    view = client.real.with_options(timeouts=SHORT, retry=gi.RetryPolicy(attempts=1))
    client.get(1)
    assert client.run(view.get(2)).id == 42
    late(lambda: client.run(view.get(3)))
    assert [request.connection for request in server.requests] == [1, 1, 1]


def test_closing_a_view_closes_nothing_and_closing_the_client_closes_it(connect):
    client, server = connect(says(GOOD))
    view = client.real.with_options(timeouts=SHORT)
    client.get(1)
    client.run(view.close())
    client.get(2)
    assert server.connections == 1
    client.run(client.real.close())
    with pytest.raises(gi.UsageError, match="closed"):
        client.run(view.get(3))


def test_a_view_is_cheap(make_client):
    client = make_client().real
    started = time.perf_counter()
    for _ in range(1000):
        client.with_options(timeouts=SHORT)
    assert (time.perf_counter() - started) / 1000 < 0.000_5


@pytest.mark.parametrize("timeouts", [5, 0.5, {"read": 5}, httpx.Timeout(5)])
def test_timeouts_and_retries_are_checked_when_given(make_client, timeouts):
    with pytest.raises(gi.UsageError, match=r"timeouts takes Timeouts\(…\), not "):
        make_client(timeouts=timeouts)
    with pytest.raises(gi.UsageError, match=r"timeouts takes Timeouts\(…\), not "):
        make_client().real.with_options(timeouts=timeouts)
    with pytest.raises(gi.UsageError, match=r"retry takes RetryPolicy\(…\), not "):
        make_client(retry=timeouts)


@pytest.mark.parametrize("name", ["connect", "read", "write", "pool", "deadline"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e300, "5", True, 2_000_001])
def test_a_time_is_checked_when_it_is_made(name, value):
    with pytest.raises(gi.UsageError, match=f"{name} takes a number above 0, at most 2000000, not "):
        gi.Timeouts(**{name: value})


def test_the_longest_times_work(connect):
    longest = dict.fromkeys(("connect", "read", "write", "pool", "deadline"), 2_000_000)
    client, _ = connect(says(GOOD), timeouts=gi.Timeouts(**longest))
    assert client.get(42).id == 42
    client, _ = connect(says(GOOD_PDF), timeouts=gi.Timeouts(**dict.fromkeys(longest)))
    assert client.download_bytes(42)


# -- what this stands on


def test_httpx_still_has_the_attributes_that_the_deadline_stands_on():
    """`_deadline` wraps `transport._pool._network_backend` and its `create_connection`: no parameter does that."""
    for pool in (httpx.HTTPTransport()._pool, httpx.AsyncHTTPTransport()._pool):
        assert callable(pool.create_connection)
    for transport in (httpx.HTTPTransport(), httpx.HTTPTransport(proxy="http://127.0.0.1:1")):
        assert isinstance(transport._pool._network_backend, httpcore.NetworkBackend)
        _deadline.adapt(transport)
        assert isinstance(transport._pool._network_backend, _deadline._Backend)
    for transport in (httpx.AsyncHTTPTransport(), httpx.AsyncHTTPTransport(proxy="http://127.0.0.1:1")):
        assert isinstance(transport._pool._network_backend, httpcore.AsyncNetworkBackend)
        _deadline.adapt(transport)
        assert isinstance(transport._pool._network_backend, _deadline._AsyncBackend)


def test_a_stream_does_all_that_httpcore_asks_of_it():
    base = _deadline._Stream.__mro__[1]
    assert not [name for name in vars(base) if name[0] != "_" and name not in vars(_deadline._Stream)]
