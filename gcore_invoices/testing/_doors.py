"""The two doors of a `FakeApi`: an httpx transport in this process, and a real port on loopback."""

from __future__ import annotations

import asyncio
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import httpx

from gcore_invoices.sandbox.rules import Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from gcore_invoices.testing._faults import Fault

    Ask = Callable[[Request], tuple[Response, Fault]]

ORIGIN = "http://127.0.0.1:1"
"""Where the API in this process is, for its clients: an address that nobody listens at."""


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body, or the first half of one."""

    def __init__(self, body: bytes, *, cut: bool) -> None:
        self._body, self._cut = body, cut

    def __iter__(self) -> Iterator[bytes]:
        if not self._cut:
            yield self._body
            return
        yield self._body[: len(self._body) // 2]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


class FakeTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Asks a `FakeApi` in this process, for both clients.

    A delay longer than the request may wait for an answer is a timeout at once: no test has to sit it out.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        answer, fault = self._ask(_plain(request))
        time.sleep(_patience(request, fault))
        return _answer(answer, fault)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request without blocking the event loop."""
        answer, fault = self._ask(_plain(request))
        await asyncio.sleep(_patience(request, fault))
        return _answer(answer, fault)


def _plain(request: httpx.Request) -> Request:
    return Request(request.method, str(request.url), dict(request.headers))


def _patience(request: httpx.Request, fault: Fault) -> float:
    limit = request.extensions.get("timeout", {}).get("read")
    if limit is not None and fault.delay >= limit:
        raise httpx.ReadTimeout("the fake API answers too late", request=request)
    return fault.delay


def _answer(answer: Response, fault: Fault) -> httpx.Response:
    return httpx.Response(
        answer.status, headers=dict(answer.headers), stream=_Stream(answer.body, cut=fault.cut)
    )


class Port:
    """A `FakeApi` on a free port of 127.0.0.1, for programs that run in a process of their own."""

    def __init__(self, ask: Ask) -> None:
        self._stopped = Event()
        self._server = _Server(("127.0.0.1", 0), _handler(ask, self._stopped))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="gcore-fake-api"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests under way end, those that wait are not waited for."""
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them


def _handler(ask: Ask, stopped: Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds: a client that says nothing must not keep the thread

        def answer(self) -> None:
            url = f"http://{self.headers.get('Host', 'localhost')}{self.path}"
            headers: dict[str, str] = dict(self.headers.items())
            answer, fault = ask(Request(self.command, url, headers))
            stopped.wait(fault.delay)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if fault.cut else answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - their names

        def log_message(self, *_: Any) -> None:
            """Say nothing on standard error."""

    return Handler
