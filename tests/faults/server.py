"""A server on loopback that does what a script says, down to single bytes; and proxies. Plain sockets in threads.

Nothing in it lasts: every wait ends when the other side hangs up, when the server is closed, or after `PATIENCE`.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE = 20.0
_TICK = 0.01


@frozen
class Request:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    connection: int
    raw: bytes = field(repr=False)

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


class HungUpError(Exception):
    """The other side has gone, or the server is closed."""


class Exchange:
    """One connection, from the side of a behaviour."""

    def __init__(self, server: Server, connection: socket.socket, number: int) -> None:
        self.server = server
        self.socket = connection
        self.number = number
        self.request: Request | None = None

    def read_request(self) -> Request:
        """The next request; it is recorded."""
        raw = b""
        while b"\r\n\r\n" not in raw:
            self._wait_readable()
            more = self.socket.recv(65536)
            if not more:
                raise HungUpError
            raw += more
        first, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.request = Request(first, headers, self.number, raw)
        self.server.note("requests", self.request)
        return self.request

    def send(self, data: bytes) -> None:
        with suppress(ssl.SSLError, OSError):
            self.socket.sendall(data)
            return
        raise HungUpError

    def trickle(self, data: Iterable[bytes], every: float = _TICK) -> None:
        """Send piece after piece, for as long as somebody listens."""
        for piece in data:
            self.send(piece)
            if self._gone(every):
                raise HungUpError

    def silence(self) -> None:
        """Say nothing until the other side hangs up."""
        while not self._gone(_TICK):
            pass
        raise HungUpError

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HungUpError

    def _gone(self, seconds: float) -> bool:
        """Whether, within so many seconds, the other side hung up or the time was over."""
        if self.server.over:
            return True
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        with suppress(OSError):
            return not self.socket.recv(1)
        return True

    def _wait_readable(self) -> None:
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return
        while not select.select([self.socket], [], [], _TICK)[0]:
            if self.server.over:
                raise HungUpError


Behaviour = Callable[[Exchange], None]


class Server:
    """Answers the first request by the first behaviour, and so on; the last one serves all that follow.

    Args:
        behaviours: What to do with each request. A connection stays open as long as a behaviour returns.
        tls: Speak TLS, with this context.
        greet: What to do with a connection before anything is read from it, TLS included.
    """

    def __init__(
        self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None, greet: Behaviour | None = None
    ) -> None:
        self.behaviours = behaviours
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self._tls, self._greet = tls, greet
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._end = time.monotonic() + PATIENCE
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def over(self) -> bool:
        return self._stopped.is_set() or time.monotonic() > self._end

    def note(self, name: str, value: Any) -> None:
        with self._changed:
            getattr(self, name).append(value)
            self._changed.notify_all()

    def wait_for(self, true: Callable[[Self], bool], seconds: float = 5) -> None:
        """Wait until something is true of this server."""
        with self._changed:
            assert self._changed.wait_for(lambda: true(self), seconds), "it never happened"

    def all_hung_up(self) -> None:
        """Wait until no connection is open any more."""
        self.wait_for(lambda server: server.open == 0)

    def _count(self, opened: int) -> None:
        with self._changed:
            self.open += opened
            self.connections += opened > 0
            self._changed.notify_all()

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, name="fault server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.over:
            if select.select([self._listener], [], [], _TICK)[0]:
                connection, _ = self._listener.accept()
                self._count(1)
                self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        exchange = Exchange(self, connection, number)
        try:
            with suppress(HungUpError, OSError):  # ssl.SSLError is one: the other side may refuse
                connection.settimeout(PATIENCE)
                if self._greet:
                    self._greet(exchange)
                if self._tls:
                    exchange.socket = self._tls.wrap_socket(connection, server_side=True)
                while True:
                    exchange.read_request()
                    self._behaviour(len(self.requests))(exchange)
        finally:
            exchange.socket.close()
            connection.close()
            self._count(-1)

    def _behaviour(self, number: int) -> Behaviour:
        return self.behaviours[min(number, len(self.behaviours)) - 1]

    def stop_listening(self) -> None:
        """From now on connections are refused."""
        self._stopped.set()
        self.close()

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# -- behaviours


def head(status: str = "200 OK", **headers: object) -> bytes:
    """The head of an answer."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "\r\n"]).encode("latin-1")


def whole(body: bytes, status: str = "200 OK", **headers: object) -> bytes:
    """A whole answer."""
    return head(status, content_length=len(body), **headers) + body


def says(*pieces: bytes) -> Behaviour:
    """Send and keep the connection."""

    def behave(exchange: Exchange) -> None:
        for piece in pieces:
            exchange.send(piece)

    return behave


def hangs_up_after(*pieces: bytes) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        says(*pieces)(exchange)
        raise HungUpError

    return behave


def resets_after(*pieces: bytes) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        says(*pieces)(exchange)
        time.sleep(0.05)  # a reset overtakes what has not been read
        exchange.reset()

    return behave


def silent_after(*pieces: bytes) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        says(*pieces)(exchange)
        exchange.silence()

    return behave


def trickles(before: bytes, endless: bytes = b"", *, then_silent: int | None = None) -> Behaviour:
    """One byte at a time, without end, or until a stall."""

    def behave(exchange: Exchange) -> None:
        exchange.send(before)
        sent = 0
        while then_silent is None or sent < then_silent:
            exchange.trickle([endless])
            sent += 1
        exchange.silence()

    return behave


def sends_its_end(server: Server) -> Behaviour:
    """A tunnel to another server, as a proxy's answer to CONNECT; or one request handed on."""

    def behave(exchange: Exchange) -> None:
        request = exchange.request
        assert request is not None
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as other:
            if request.line.startswith("CONNECT "):
                exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                other.sendall(request.raw)
            _pump(exchange, other)
        raise HungUpError

    return behave


def _pump(exchange: Exchange, other: socket.socket) -> None:
    ends = {exchange.socket: other, other: exchange.socket}
    while not exchange.server.over:
        ready = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
        for end in ready or select.select(list(ends), [], [], _TICK)[0]:
            data = end.recv(65536)
            if not data:
                return
            ends[end].sendall(data)
