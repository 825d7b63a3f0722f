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

from gcore_invoices import _stop
from gcore_invoices._stop import Stop, Stopped, shut_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def keep_deadlines(transport: httpx.BaseTransport) -> None:
    """Make a transport keep the deadline of the call it works for, if it is one of httpx's."""
    if isinstance(transport, httpx.HTTPTransport):
        _wrap(transport, _Backend, _close_after_failure)


def close_when_cancelled(transport: httpx.AsyncBaseTransport) -> None:
    """Make an async transport close what it was connecting when it is cancelled, if it is one of httpx's."""
    if isinstance(transport, httpx.AsyncHTTPTransport):
        _wrap(transport, _AsyncBackend, _aclose_after_failure)


def _wrap(transport: Any, backend: Callable[[Any], object], mend: Callable[[Any], None]) -> None:
    # httpx has no parameter for this; pyproject.toml pins httpx, and a test holds the three attributes.
    pool = transport._pool  # noqa: SLF001
    if isinstance(pool._network_backend, _Backend | _AsyncBackend):  # noqa: SLF001
        return  # a transport that several clients share
    pool._network_backend = backend(pool._network_backend)  # noqa: SLF001
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


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stop = _current()
        if stop.is_set():
            raise Stopped
        end = None if timeout is None else time.monotonic() + timeout
        # One address at a time: given a name with several, the backend below allows each the whole time.
        refused: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port, stop, stop.left(timeout, httpcore.ConnectTimeout)):
            left = stop.left(None if end is None else end - time.monotonic(), httpcore.ConnectTimeout)
            if left is not None and left <= 0:
                break
            try:
                return _Stream(self._inner.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        raise refused

    def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_unix_socket(*args, **options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


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


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await self._inner.connect_tcp(*args, **options))

    async def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await self._inner.connect_unix_socket(*args, **options))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, *args: Any, **options: Any) -> bytes:
        return await self._inner.read(*args, **options)

    async def write(self, *args: Any, **options: Any) -> None:
        await self._inner.write(*args, **options)

    async def start_tls(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        try:
            return _AsyncStream(await self._inner.start_tls(*args, **options))
        except BaseException:
            await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
