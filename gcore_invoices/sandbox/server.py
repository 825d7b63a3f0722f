"""The sandbox over real HTTP, on this machine only: the one module that needs Starlette and uvicorn."""

from __future__ import annotations

import socket
import time
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING, Final, Self

from gcore_invoices.sandbox.data import Invoices
from gcore_invoices.sandbox.rules import API_KEY, Request, handle
from gcore_invoices.sandbox.store import LazyStore

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import Response as HttpResponse
except ImportError as error:
    raise ImportError(
        "The sandbox's server needs Starlette and uvicorn: pip install 'gcore-invoices[sandbox]'"
    ) from error

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from gcore_invoices.sandbox.selection import Store

HOSTS: Final = ("127.0.0.1", "::1")
_PATIENCE: Final = 10.0  # seconds to start or to stop


class _Endpoint:
    """An ASGI application that hands every request to `handle`.

    It answers on the event loop: `handle` does no I/O, and requests that need the same index wait for it
    anyway.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = handle(_request(scope), self._store)
        response = HttpResponse(answer.body, answer.status, headers=dict(answer.headers))
        await response(scope, receive, send)


def create_app(store: Store) -> Starlette:
    """Make an ASGI application that answers for a store: every path and method goes to `handle`."""
    app = Starlette()
    # Not a route: a route's pattern ends at a newline, and `%0A` may stand in a path.
    app.router.default = _Endpoint(store)
    return app


class SandboxServer:
    """A sandbox that listens on loopback while the `with` block runs, in a thread of its own.

    Args:
        store: Where the invoices are; 2500 invented ones by default.
        host: `127.0.0.1` or `::1`, nothing else.
        port: A free one is chosen for 0.
        max_seconds: The server stops by itself after so long, so that a forgotten one does not stay.

    Raises:
        ValueError: Another host, a port outside 0..65535, or a life that is not positive.
        OSError: On entering, when the port cannot be had.
        RuntimeError: On entering, when the server does not start.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_seconds: float = 3600.0,
    ) -> None:
        if host not in HOSTS:
            raise ValueError(f"The sandbox listens on {' or '.join(HOSTS)} only, not on {host!r}.")
        if not 0 <= port <= 65_535:  # the width of a TCP port
            raise ValueError(f"A port is a number from 0 to 65535, not {port}.")
        if not 0 < max_seconds <= 86_400:  # seconds of a day
            raise ValueError(f"The sandbox lives more than 0 seconds and at most a day, not {max_seconds}.")
        self._app = create_app(LazyStore(Invoices()) if store is None else store)
        self._address = (host, port)
        self._max_seconds = max_seconds
        self._stopped = Event()
        self._running: tuple[uvicorn.Server, Thread, Timer] | None = None

    @property
    def url(self) -> str:
        """Base URL, `http://127.0.0.1:41234`; the port is known once the block is entered."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def api_key(self) -> str:
        """The key that may see everything. It is the same for every sandbox, and no secret."""
        return API_KEY

    def __enter__(self) -> Self:
        listener = _listen(*self._address)
        self._address = (self._address[0], listener.getsockname()[1])
        self._stopped.clear()
        server = uvicorn.Server(_config(self._app))
        timer = Timer(self._max_seconds, lambda: setattr(server, "should_exit", True))
        thread = Thread(target=self._serve, args=(server, listener), name="gcore-sandbox", daemon=True)
        timer.daemon = True
        self._running = (server, thread, timer)
        thread.start()
        timer.start()
        deadline = time.monotonic() + _PATIENCE
        while not server.started:  # uvicorn has nothing to wait on
            if self._stopped.is_set() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("The sandbox's server did not start.")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Finish the requests under way, close the port and join the threads. Stopping twice does no harm."""
        if self._running is None:
            return
        server, thread, timer = self._running
        self._running = None
        timer.cancel()
        server.should_exit = True
        for part in (timer, thread):
            part.join(_PATIENCE)

    def wait(self, seconds: float) -> bool:
        """Wait for the server to end by itself, at most so many seconds; True once it has ended."""
        return self._stopped.wait(seconds)

    def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        try:
            with listener:
                server.run(sockets=[listener])
        finally:
            self._stopped.set()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            error.errno, f"The sandbox cannot listen on {host} port {port}: {error.strerror}"
        ) from error


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",  # header names go out as they are written, whatever else is installed
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        date_header=False,  # a clock in the answer would make each recording differ
        server_header=False,
        timeout_graceful_shutdown=2,
    )


def _request(scope: Scope) -> Request:
    """Rebuild the request as it was sent: `scope["path"]` is decoded already, the links need what came."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        # A header that came twice is one, joined by commas (RFC 9110, section 5.3).
        key = name.decode("latin-1").lower()
        headers[key] = ", ".join(filter(None, (headers.get(key), value.decode("latin-1"))))
    # HTTP/1.0 may leave the host out.
    authority = headers.get("host") or "{}:{}".format(*scope["server"])
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("latin-1")
    return Request(
        scope["method"], f"{scope['scheme']}://{authority}{path}{'?' if query else ''}{query}", headers
    )
