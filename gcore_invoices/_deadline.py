"""The total deadline of a sync call, kept below httpx, and the means to end it from another thread.

httpx limits each read by itself, so a server that sends one byte at a time is never too slow for it. The
network backend here gives every connect, read and write no more time than the call has left, and lets a
`Stop` end it. (The async client needs neither: asyncio ends whatever is awaited. It needs its connection
closed when that happens while TLS is being agreed on, which httpcore does not do.)
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from contextvars import ContextVar
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Stopped(Exception):  # noqa: N818 - a signal from a Stop to whoever set it
    """The call was ended by its `Stop`."""


class Stop:
    """Ends a sync call from another thread: what it waits for, and all it would wait for next."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._using: socket.socket | None = None
        self._pid = os.getpid()

    def set(self) -> None:
        """End the call."""
        with self._lock:
            self._stopped.set()
            # A child process has a copy, and no business with its parent's connections.
            if self._using is not None and self._pid == os.getpid():
                # Closing wakes no thread that reads, and an SSLSocket's own shutdown takes its TLS away.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._using, socket.SHUT_RDWR)

    def is_set(self) -> bool:
        """Whether the call is to end."""
        return self._stopped.is_set()

    def wait(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            Stopped: It was set before or meanwhile.
        """
        if self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise Stopped

    @contextlib.contextmanager
    def using(self, connection: socket.socket) -> Iterator[None]:
        """While inside, this is what the call waits for."""
        with self._lock:
            if self._stopped.is_set():
                raise Stopped
            self._using = connection
        try:
            yield
        finally:
            with self._lock:
                self._using = None


_deadline: ContextVar[float | None] = ContextVar("gcore_invoices_deadline", default=None)
_stop: ContextVar[Stop] = ContextVar("gcore_invoices_stop")


@contextlib.contextmanager
def deadline(at: float | None, stop: Stop) -> Iterator[None]:
    """Let nothing inside wait on the network beyond `time.monotonic() == at`, or after it was stopped."""
    tokens = _deadline.set(at), _stop.set(stop)
    try:
        yield
    finally:
        _deadline.reset(tokens[0])
        _stop.reset(tokens[1])


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


def _left(limit: float | None, error: type[Exception]) -> float | None:
    """The shorter of the limit and the time that is left; the error if there is none."""
    at = _deadline.get()
    if at is None:
        return limit
    left = at - time.monotonic()
    if left <= 0:
        raise error("the call's deadline is over")
    return left if limit is None else min(limit, left)


def _until_stopped(connection: socket.socket) -> contextlib.AbstractContextManager[None]:
    stop = _stop.get(None)
    return contextlib.nullcontext() if stop is None else stop.using(connection)


def _addresses(host: str, port: int, limit: float | None) -> list[str]:
    """The addresses of a host, in a thread of its own: nothing else can end a slow look-up in time."""
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    answer: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - a name that is none is a UnicodeError
            answer.put(error)
        else:
            answer.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))

    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    try:
        found = answer.get(timeout=limit)
    except Empty:
        raise httpcore.ConnectTimeout(f"the name {host} was not resolved in time") from None
    if isinstance(found, Exception):
        raise httpcore.ConnectError(str(found)) from found
    return found


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
        stop = _stop.get(None)
        if stop is not None and stop.is_set():
            raise Stopped
        end = None if timeout is None else time.monotonic() + timeout
        # One address at a time: given a name with several, the backend below allows each the whole time.
        refused: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port, _left(timeout, httpcore.ConnectTimeout)):
            left = _left(None if end is None else end - time.monotonic(), httpcore.ConnectTimeout)
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

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _until_stopped(self._socket):
            return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _until_stopped(self._socket):
            self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            with self._handle() as handle, _until_stopped(handle):
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))
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
        self.settimeout(_left(self.gettimeout(), httpcore.ReadTimeout))
        return super().recv(*args)

    def send(self, *args: Any) -> int:
        """Write, no longer than the call may take."""
        self.settimeout(_left(self.gettimeout(), httpcore.WriteTimeout))
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
