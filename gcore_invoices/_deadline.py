"""The total deadline of a sync call, kept below httpx.

httpx limits each read by itself, so a server that sends one byte at a time is never too slow for it. The
network backend here gives every connect, read and write no more time than the call has left.
(The async client needs none of this: asyncio.timeout ends whatever is awaited.)
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    import httpx

_deadline: ContextVar[float | None] = ContextVar("gcore_invoices_deadline", default=None)


@contextmanager
def deadline(at: float | None) -> Iterator[None]:
    """Let nothing inside wait on the network beyond `time.monotonic() == at`."""
    token = _deadline.set(at)
    try:
        yield
    finally:
        _deadline.reset(token)


def keep_deadlines(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """Make a transport keep the deadline of the call it works for."""
    # httpx has no parameter for this; pyproject.toml pins httpx, and a test holds the two attributes.
    pool: Any = transport._pool  # noqa: SLF001
    pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001
    return transport


def _left(limit: float | None, error: type[Exception]) -> float | None:
    """The shorter of the limit and the time that is left; the error if there is none."""
    at = _deadline.get()
    if at is None:
        return limit
    left = at - time.monotonic()
    if left <= 0:
        raise error("the call's deadline is over")
    return left if limit is None else min(limit, left)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


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
        # One address at a time: given a name with several, the backend below allows each the whole time.
        refused: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            left = _left(timeout, httpcore.ConnectTimeout)
            try:
                return _Stream(self._inner.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        raise refused

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()
