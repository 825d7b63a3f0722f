"""The list of invoices, rendered beforehand: as little server as possible, so that it measures clients.

    python server.py SECONDS COUNT:MILLISECONDS …

Listens on a free loopback port for each COUNT:MILLISECONDS, with so many invoices and so long a wait before
each answer, and prints the ports as one JSON list. Stops after SECONDS, or when its standard input ends. Rows
are the sandbox's, by id; it knows `limit` and `offset`, compresses nothing and passes over all else.
`GET /requests` tells how many pages that port was asked for.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
from functools import lru_cache

from gcore_invoices.sandbox import Invoices
from gcore_invoices.sandbox.data import ID_STEP

DISTINCT = 10_000  # longer lists repeat these rows with other ids
_OFFSET = re.compile(rb"[?&]offset=(\d+)")
_LIMIT = re.compile(rb"[?&]limit=(\d+)")


class Listing:
    """So many invoices; pages that fit a short list stay rendered."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._distinct = min(count, DISTINCT)
        rows = Invoices(self._distinct)
        self._ids = [row["id"] for row in rows]
        # `id` comes first in a row; what follows it is the same in every repetition.
        self._tails = [json.dumps(row, separators=(",", ":")).partition(",")[2].encode() for row in rows]
        self.page = lru_cache(maxsize=512)(self._page)

    def _row(self, position: int) -> bytes:
        turn, index = divmod(position, self._distinct)
        row_id = self._ids[index] + turn * self._distinct * ID_STEP
        return b'{"id":%d,%b' % (row_id, self._tails[index])

    def _page(self, offset: int, limit: int) -> bytes:
        end = min(offset + limit, self._count)
        rows = b",".join(self._row(position) for position in range(offset, end))
        following = b'"/?limit=%d&offset=%d"' % (limit, end) if end < self._count else b"null"
        head = b'{"count":%d,"next":%b,"previous":null,"results":[' % (self._count, following)
        return _response(head + rows + b"]}")


def _response(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


class Endpoint:
    """One port: a listing, the wait before each answer, and how many pages were asked for."""

    def __init__(self, listing: Listing, wait: float) -> None:
        self.wait = wait
        self.requests = 0
        self._listing = listing

    def answer(self, head: bytes) -> bytes:
        """The response to a request's head."""
        line = head[: head.index(b"\r\n")]
        if line.startswith(b"GET /requests "):
            return _response(b"%d" % self.requests)
        self.requests += 1
        offset, limit = _OFFSET.search(line), _LIMIT.search(line)
        return self._listing.page(int(offset[1]) if offset else 0, min(int(limit[1]) if limit else 100, 100))


class Connection(asyncio.Protocol):
    """Answers one request after the other; a client may keep the connection as long as it likes."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server makes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            response = self._endpoint.answer(self._read[: end + 2])
            self._read = self._read[end + 4 :]
            if self._endpoint.wait:
                asyncio.get_running_loop().call_later(self._endpoint.wait, self._transport.write, response)
            else:
                self._transport.write(response)


async def _serve(seconds: float, specs: list[str]) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.call_later(seconds, over.set)
    loop.add_reader(sys.stdin.fileno(), over.set)  # nothing is ever written to it: readable is its end
    pairs = [(int(count), int(wait) / 1000) for count, wait in (spec.split(":") for spec in specs)]
    listings = {count: Listing(count) for count, _ in pairs}
    ports = []
    for count, wait in pairs:
        endpoint = Endpoint(listings[count], wait)
        server = await loop.create_server(lambda endpoint=endpoint: Connection(endpoint), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    gc.freeze()
    gc.disable()  # nothing here makes cycles
    print(json.dumps(ports), flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), sys.argv[2:]))
