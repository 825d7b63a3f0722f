"""The deadline and the stop of a sync call, kept below httpx; and a cancelled async connection, closed.

httpx limits each read by itself, so a server that sends one byte at a time is never too slow for it. The
network backend here gives every connect, read and write no more time than the call has left, and lets its
`Stop` end it. (Async calls are ended by asyncio; their connections need closing when that happens while TLS
is being agreed on, which httpcore does not do.)

Loaded when a client is made: httpcore takes as long to import as half of this library.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
from httpcore._backends.auto import AutoBackend
from httpcore._backends.sync import SyncStream

from gcore_invoices import _stop
from gcore_invoices._stop import Stop, shut_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def adapt(transport: httpx.BaseTransport | httpx.AsyncBaseTransport) -> None:
    """Make a transport keep the deadline of the call it works for, if it is one of httpx's.

    An async one closes what it was connecting when it is cancelled.
    """
    if isinstance(transport, httpx.HTTPTransport):
        _wrap(transport, _Backend, _close_after_failure)
    elif isinstance(transport, httpx.AsyncHTTPTransport):
        _wrap(transport, _AsyncBackend, _aclose_after_failure)


def _wrap(transport: Any, backend: Callable[[], object], mend: Callable[[Any], None]) -> None:
    # httpx has no parameter for this; pyproject.toml pins httpx, and a test holds the three attributes.
    pool = transport._pool  # noqa: SLF001
    if isinstance(pool._network_backend, _Backend | _AsyncBackend):  # noqa: SLF001
        return  # a transport that several clients share
    pool._network_backend = backend()  # noqa: SLF001
    create = pool.create_connection

    def create_connection(origin: httpcore.Origin) -> Any:
        connection = create(origin)
        mend(connection)
        return connection

    pool.create_connection = create_connection


def _close_after_failure(connection: Any) -> None:
    """Close a connection whose request failed.

    httpcore does, save for a proxy's tunnel that comes to no TLS: it would keep its place in the pool.
    """
    handle = connection.handle_request

    def handle_request(request: httpcore.Request) -> httpcore.Response:
        try:
            return handle(request)  # type: ignore[no-any-return]
        except httpcore.ConnectionNotAvailable:  # another request's by now
            raise
        except BaseException:
            connection.close()
            raise

    connection.handle_request = handle_request


def _aclose_after_failure(connection: Any) -> None:
    handle = connection.handle_async_request

    async def handle_async_request(request: httpcore.Request) -> httpcore.Response:
        try:
            return await handle(request)  # type: ignore[no-any-return]
        except httpcore.ConnectionNotAvailable:
            raise
        except BaseException:
            await connection.aclose()
            raise

    connection.handle_async_request = handle_async_request


def _addresses(host: str, port: int, stop: Stop, limit: float | None) -> list[str]:
    """The addresses of a host: nothing can end a slow look-up in time."""
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    late = httpcore.ConnectTimeout(f"the name {host} was not resolved in time")
    try:
        found = stop.aside(look_up, f"look up {host}", limit, late)
    except (OSError, UnicodeError) as error:  # no such name, or none that could be
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _current() -> Stop:
    """The stop of this call; one that does nothing, where httpx uses the transport without a client."""
    return _stop.current.get() or Stop()


def _connected(
    stop: Stop,
    address: tuple[str, int],
    timeout: float | None,
    local_address: str | None,
    options: Iterable[Any],
) -> httpcore.NetworkStream:
    """A connection to one address. httpcore's own way to it shows no socket by which it could be ended."""
    connection = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        for option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *options):
            connection.setsockopt(*option)
        if local_address is not None:
            connection.bind((local_address, 0))
        stop.during(partial(shut_down, connection), connection.connect, address)
    except BaseException:
        connection.close()
        raise
    return SyncStream(connection)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stop = _current()
        end = None if timeout is None else time.monotonic() + timeout
        refused: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = _addresses(host, port, stop, stop.left(timeout, httpcore.ConnectTimeout))
        for tried, address in enumerate(addresses):
            left = stop.left(None if end is None else end - time.monotonic(), httpcore.ConnectTimeout)
            # Its share of the time, so that one dead address does not take the others' too.
            left = None if left is None else max(left / (len(addresses) - tried), 0.001)
            try:
                return _Stream(_connected(stop, (address, port), left, local_address, socket_options or ()))
            except TimeoutError as error:
                refused = httpcore.ConnectTimeout(str(error))
            except OSError as error:
                refused = httpcore.ConnectError(str(error))
        raise refused

    def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_unix_socket(*args, **options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._socket: socket.socket = inner.get_extra_info("socket")
        self._end = partial(shut_down, self._socket)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        stop = _current()
        return stop.during(self._end, self._inner.read, max_bytes, stop.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:  # a request without a body ends with nothing
            stop = _current()
            stop.during(self._end, self._inner.write, buffer, stop.left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stop = _current()
        try:
            left = stop.left(timeout, httpcore.ConnectTimeout)
            with self._handle() as handle:
                return _Stream(
                    stop.during(
                        partial(shut_down, handle), self._inner.start_tls, ssl_context, server_hostname, left
                    )
                )
        except BaseException:
            self.close()
            raise

    def _handle(self) -> contextlib.AbstractContextManager[socket.socket]:
        """What TLS is stopped by: wrap_socket takes the socket itself away, save for TLS in TLS."""
        if isinstance(self._socket, ssl.SSLSocket):
            return contextlib.nullcontext(self._socket)
        return self._socket.dup()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()


class PatientSocket(ssl.SSLSocket):
    """The TLS connection to a proxy: each read and write below a second TLS keeps the deadline."""

    def recv(self, *args: Any) -> bytes:
        """Read, no longer than the call may take."""
        self.settimeout(_current().left(self.gettimeout(), httpcore.ReadTimeout))
        return super().recv(*args)

    def send(self, *args: Any) -> int:
        """Write, no longer than the call may take."""
        self.settimeout(_current().left(self.gettimeout(), httpcore.WriteTimeout))
        return super().send(*args)


class _AsyncBackend(AutoBackend):
    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _closing(await super().connect_tcp(*args, **options))

    async def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _closing(await super().connect_unix_socket(*args, **options))


def _closing(stream: Any) -> httpcore.AsyncNetworkStream:
    """Make a stream close itself when its TLS comes to nothing."""
    begin = stream.start_tls

    async def start_tls(*args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        try:
            return _closing(await begin(*args, **options))
        except BaseException:
            await stream.aclose()
            raise

    stream.start_tls = start_tls
    return stream  # type: ignore[no-any-return]
