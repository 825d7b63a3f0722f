"""Ways to read the whole list: ours, and what one would use instead, each as its manual shows it.

A peer opens its client once, keeps it for all rounds, and gives a function that reads the list and returns
all rows. Libraries are imported where they are used: a peer whose library is not installed is left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

import httpx
import msgspec
from gcore_erp_api import AuthenticatedClient
from gcore_erp_api.api.erp_invoices import list_erp_invoices

from gcore_invoices import AsyncInvoicesClient, InvoicesClient

KEY = "1234$benchmark"
PATH = "/billing/org/v1/erp-invoices"
LIMIT = 100
HEADERS = {"Authorization": f"apikey {KEY}"}

Walk: TypeAlias = Callable[[], list[Any]]
Opened: TypeAlias = Iterator[Walk]


class Row(msgspec.Struct):
    """An invoice as one writes it down for msgspec."""

    id: int
    name: str
    move_type: Literal["out_invoice", "out_refund"]
    currency: str
    invoice_date: date | None
    invoice_date_due: date | None
    billing_period_from: date | None
    billing_period_to: date | None
    amount_untaxed: Decimal
    amount_tax: Decimal
    amount_total: Decimal
    payment_state: Literal["not_paid", "paid", "partial", "reversed", "in_payment"]
    client_id: int
    payer_id: int
    invoice_id: int | None
    created_at: datetime
    updated_at: datetime


class Rows(msgspec.Struct):
    """A page of them."""

    count: int
    results: list[Row]


@contextmanager
def ours(url: str, count: int, **options: int) -> Opened:  # noqa: ARG001 - one signature for all
    """InvoicesClient."""
    with InvoicesClient(api_key=KEY, base_url=url, **options) as client:
        yield lambda: list(client.list())


@contextmanager
def ours_logged(url: str, count: int, **options: int) -> Opened:
    """The same while somebody listens: each call is logged at INFO, formatted and thrown away."""
    log = logging.getLogger("gcore_invoices")
    with ours(url, count, **options) as walk, Path(os.devnull).open("w", encoding="utf-8") as void:
        handler = logging.StreamHandler(void)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

        def logged() -> list[Any]:
            log.addHandler(handler)
            log.setLevel(logging.INFO)
            try:
                return walk()
            finally:
                log.removeHandler(handler)
                log.setLevel(logging.NOTSET)

        yield logged


@contextmanager
def ours_async(url: str, count: int, **options: int) -> Opened:  # noqa: ARG001
    """AsyncInvoicesClient."""

    async def opened() -> AsyncInvoicesClient:
        return AsyncInvoicesClient(api_key=KEY, base_url=url, **options)

    async def walk() -> list[Any]:
        return [invoice async for invoice in client.list()]

    with asyncio.Runner() as runner:
        client = runner.run(opened())
        yield lambda: runner.run(walk())
        runner.run(client.close())


@contextmanager
def official_sdk(url: str, count: int) -> Opened:  # noqa: ARG001
    """Gcore's SDK with its own page class and automatic pagination, on the path that it lacks."""
    from gcore import Gcore  # noqa: PLC0415
    from gcore.pagination import SyncOffsetPage  # noqa: PLC0415

    model = _sdk_model()
    with Gcore(api_key=KEY, base_url=url) as client:
        options = {"params": {"limit": LIMIT, "offset": 0}}
        yield lambda: list(
            client.get_api_list(PATH, page=SyncOffsetPage[model], model=model, options=options)
        )


def _sdk_model() -> type:
    """An invoice as that SDK's generator writes models: decimal strings stay strings."""
    from gcore._models import BaseModel  # noqa: PLC0415
    from pydantic import create_model  # noqa: PLC0415

    hints = {each.name: each.type for each in msgspec.structs.fields(Row)}
    hints = {name: (str if hint is Decimal else hint, ...) for name, hint in hints.items()}
    return create_model("ErpInvoice", __base__=BaseModel, **hints)


@contextmanager
def generated_client(url: str, count: int) -> Opened:  # noqa: ARG001
    """The generated client alone, in a loop over offsets."""

    def walk() -> list[Any]:
        rows: list[Any] = []
        while True:
            page = list_erp_invoices.sync(client=client, limit=LIMIT, offset=len(rows))
            rows += page.results
            if len(rows) >= page.count:
                return rows

    with AuthenticatedClient(url, token=KEY, prefix="apikey") as client:
        yield walk


def _by_offset(page: Callable[[int], Any]) -> list[Any]:
    """The loop that people write around a function that gets a page of JSON as dicts."""
    rows: list[Any] = []
    while True:
        answer = page(len(rows))
        rows += answer["results"]
        if len(rows) >= answer["count"]:
            return rows


@contextmanager
def httpx_json(url: str, count: int) -> Opened:  # noqa: ARG001
    """Httpx and its json()."""

    def page(offset: int) -> Any:
        response = client.get(PATH, params={"limit": LIMIT, "offset": offset})
        return response.raise_for_status().json()

    with httpx.Client(base_url=url, headers=HEADERS) as client:
        yield lambda: _by_offset(page)


@contextmanager
def httpx_msgspec(url: str, count: int) -> Opened:  # noqa: ARG001
    """Httpx and msgspec, typed."""
    decode = msgspec.json.Decoder(Rows).decode

    def walk() -> list[Any]:
        rows: list[Any] = []
        while True:
            response = client.get(PATH, params={"limit": LIMIT, "offset": len(rows)})
            page = decode(response.raise_for_status().content)
            rows += page.results
            if len(rows) >= page.count:
                return rows

    with httpx.Client(base_url=url, headers=HEADERS) as client:
        yield walk


@contextmanager
def bare_httpx(url: str, count: int) -> Opened:
    """Httpx without parsing: it has to be told how long the list is."""

    def body(offset: int) -> bytes:
        return client.get(PATH, params={"limit": LIMIT, "offset": offset}).raise_for_status().content

    with httpx.Client(base_url=url, headers=HEADERS) as client:
        yield lambda: [body(offset) for offset in range(0, count, LIMIT)]


@contextmanager
def requests_json(url: str, count: int) -> Opened:  # noqa: ARG001
    """Requests and its json()."""
    import requests  # noqa: PLC0415

    def page(offset: int) -> Any:
        response = session.get(url + PATH, params={"limit": LIMIT, "offset": offset}, timeout=30)
        response.raise_for_status()
        return response.json()

    with requests.Session() as session:
        session.headers.update(HEADERS)
        yield lambda: _by_offset(page)


@contextmanager
def aiohttp_msgspec(url: str, count: int, concurrency: int) -> Opened:  # noqa: ARG001
    """Aiohttp and msgspec: the first page tells the count, the others are gathered."""
    import aiohttp  # noqa: PLC0415

    decode = msgspec.json.Decoder(Rows).decode

    async def page(offset: int, slots: asyncio.Semaphore) -> Rows:
        params = {"limit": LIMIT, "offset": offset}
        async with slots, session.get(PATH, params=params, raise_for_status=True) as response:
            return decode(await response.read())

    async def walk() -> list[Any]:
        slots = asyncio.Semaphore(concurrency)
        first = await page(0, slots)
        rest = await asyncio.gather(*[page(offset, slots) for offset in range(LIMIT, first.count, LIMIT)])
        return [row for each in (first, *rest) for row in each.results]

    async def opened() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(url, headers=HEADERS)

    with asyncio.Runner() as runner:
        session = runner.run(opened())
        yield lambda: runner.run(walk())
        runner.run(session.close())


@contextmanager
def raw_sockets(url: str, count: int, concurrency: int, *, count_known: bool = False) -> Opened:
    """The floor: threads that send prepared bytes and read whole answers, without a look at them.

    It is told the count. It still asks for the first page alone, as whoever has yet to learn the count from
    it must; `count_known` does away with that, too.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    heads = [_request(host, offset) for offset in range(0, count, LIMIT)]

    def work(connection: socket.socket) -> None:
        for index in queue:
            bodies[index] = _exchange(connection, heads[index])

    def walk() -> list[bytes]:
        nonlocal queue
        bodies.clear()
        queue = iter(range(len(heads)))
        if not count_known:
            bodies[0] = _exchange(connections[0], heads[next(queue)])
        if concurrency == 1:
            work(connections[0])
        else:
            list(pool.map(work, connections))
        return [bodies[index] for index in range(len(heads))]

    bodies: dict[int, bytes] = {}
    queue: Iterator[int] = iter(())
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(concurrency)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(concurrency))
        yield walk


def _request(host: str, offset: int) -> bytes:
    line = f"GET {PATH}?limit={LIMIT}&offset={offset} HTTP/1.1"
    return f"{line}\r\nHost: {host}\r\nAuthorization: apikey {KEY}\r\n\r\n".encode()


def _exchange(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    read = connection.recv(2**18)
    head, _, body = read.partition(b"\r\n\r\n")
    missing = int(head.rpartition(b"Content-Length: ")[2]) - len(body)
    parts = [body]
    while missing:
        parts.append(connection.recv(2**18))
        missing -= len(parts[-1])
    return b"".join(parts)


def identities(rows: list[Any]) -> list[tuple[int, Decimal]]:
    """Id and amount of each row, whatever a peer makes of rows; a peer that does not parse returns bodies."""
    if rows and isinstance(rows[0], bytes):
        rows = [row for body in rows for row in json.loads(body)["results"]]
    if rows and isinstance(rows[0], dict):
        return [(row["id"], Decimal(row["amount_total"])) for row in rows]
    return [(row.id, Decimal(row.amount_total)) for row in rows]


@dataclass(frozen=True)
class Peer:
    """One way to read the list."""

    name: str
    gives: str
    open: Callable[[str, int], AbstractContextManager[Walk]]
    waits: tuple[int, ...]
    """At which milliseconds an answer it is measured: one page after the other takes long."""
    needs: str = "httpx"

    @property
    def installed(self) -> bool:
        """Whether its library is there."""
        return find_spec(self.needs) is not None


_ALL, _TWO, _NONE = (0, 20, 50, 100), (0, 50), (0,)


def _ours(opened: Callable[..., Any], name: str, waits: tuple[int, ...] = _NONE, **options: int) -> Peer:
    return Peer(name, "`Invoice`", partial(opened, **options), waits)


def _aiohttp(concurrency: int, waits: tuple[int, ...]) -> Peer:
    opened = partial(aiohttp_msgspec, concurrency=concurrency)
    return Peer(f"aiohttp + msgspec, {concurrency} at once", "structs", opened, waits, needs="aiohttp")


def _floor(concurrency: int, waits: tuple[int, ...] = _ALL, *, count_known: bool = False) -> Peer:
    opened = partial(raw_sockets, concurrency=concurrency, count_known=count_known)
    known = ", count known beforehand" if count_known else ""
    return Peer(f"raw sockets, {concurrency} at once{known}", "bytes", opened, waits)


OURS_DEFAULT = _ours(ours, "ours, default settings", _ALL)
OURS_1 = _ours(ours, "ours, concurrency 1", _TWO, concurrency=1)
OURS_1_LOGGED = _ours(ours_logged, "ours, concurrency 1, each call logged", concurrency=1)
OURS_8 = _ours(ours, "ours, concurrency 8", _ALL, concurrency=8)
OURS_16 = _ours(ours, "ours, concurrency 16", _ALL, concurrency=16)
SDK = Peer("official SDK (`gcore`)", "pydantic models", official_sdk, _ALL, needs="gcore")
GENERATED = Peer("generated client alone", "attrs models", generated_client, _TWO)
BARE_HTTPX = Peer("httpx, without parsing", "bytes", bare_httpx, _NONE)
FLOOR_8, FLOOR_16 = _floor(8), _floor(16)

PEERS = (
    OURS_DEFAULT,
    OURS_1,
    OURS_1_LOGGED,
    OURS_8,
    OURS_16,
    _ours(ours_async, "ours async, concurrency 1", concurrency=1),
    _ours(ours_async, "ours async, concurrency 16", _ALL, concurrency=16),
    SDK,
    GENERATED,
    Peer("httpx + json", "dicts", httpx_json, _TWO),
    Peer("httpx + msgspec", "structs", httpx_msgspec, _NONE),
    Peer("requests", "dicts", requests_json, _TWO, needs="requests"),
    _aiohttp(1, _NONE),
    _aiohttp(16, _ALL),
    BARE_HTTPX,
    _floor(1, _NONE),
    FLOOR_8,
    FLOOR_16,
    _floor(16, count_known=True),
)
