"""What façade tests share: one surface over both clients, a wire of canned answers, and wire-form invoices."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from gcore_invoices import AsyncInvoicesClient, InvoicesClient

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

    from gcore_invoices import Invoice, Page

KEY = "1234$abcdef"
BASE_URL = "https://api.gcore.com"


def until(true: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for what nobody tells, and return it."""
    limit = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.002)
    return found


def interrupt(process: subprocess.Popen[Any]) -> None:
    """Ctrl-C, once the process waits.

    Python looks for signals between its own steps: one that comes after the last look and before the kernel has
    the wait is seen when the wait is over, in any program. A test would meet that once in some thousand runs.
    """
    stat = Path(f"/proc/{process.pid}/stat")  # of its main thread
    if stat.exists():
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")
    process.send_signal(signal.SIGINT)


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """An httpx transport that answers from a function and keeps what it was asked, in either flavour."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)

    @classmethod
    def of(cls, *answers: httpx.Response | Exception) -> Wire:
        """Answer with these in turn; being asked for more is an error of the test."""
        left = iter(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            given = next(left, None)
            assert given is not None, f"unexpected request {request.method} {request.url}"
            if isinstance(given, Exception):
                raise given
            return given

        return cls(answer)


class RawBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as it is on the wire: chunks that httpx does not touch, and then perhaps an error."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self._chunks = chunks
        self._error = error
        self.closed = False
        self.read = 0

    def __iter__(self):
        for chunk in self._chunks:
            self.read += len(chunk)
            yield chunk
        if self._error:
            raise self._error

    async def __aiter__(self):
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class Client:
    """Either client behind blocking calls, so that one scenario runs in both flavours."""

    def __init__(self, flavour: str, **options: Any) -> None:
        self.is_async = flavour == "async"
        if not self.is_async:
            self.real: Any = InvoicesClient(**options)
            return
        self._runner = asyncio.Runner()

        async def make() -> AsyncInvoicesClient:
            return AsyncInvoicesClient(**options)

        try:
            self.real = self._runner.run(make())
        except BaseException:
            self._runner.close()
            raise

    def run(self, result: Any) -> Any:
        """The result of a method, awaited if it has to be."""
        return self._runner.run(_await(result)) if self.is_async else result

    def get(self, invoice_id: Any) -> Invoice:
        return self.run(self.real.get(invoice_id))

    def download(self, *args: Any, **options: Any) -> Any:
        return self.run(self.real.download(*args, **options))

    def download_bytes(self, invoice_id: Any) -> bytes:
        return self.run(self.real.download_bytes(invoice_id))

    def items(self, source: Any) -> list[Any]:
        """Everything that a pager, or its pages(), yields."""
        return self._runner.run(_collect(source)) if self.is_async else list(source)

    def invoices(self, *args: Any, **fields: Any) -> list[Invoice]:
        return self.items(self.real.list(*args, **fields))

    def pages(self, *args: Any, **fields: Any) -> list[Page]:
        return self.items(self.real.list(*args, **fields).pages())

    def close(self) -> None:
        self.run(self.real.close())
        if self.is_async:
            self._runner.close()


async def _await(result: Any) -> Any:
    return await result


async def _collect(source: Any) -> list[Any]:
    return [item async for item in source]


def wire_invoice(invoice_id: int = 42, **changes: Any) -> dict[str, Any]:
    """One invoice in wire form."""
    return {
        "id": invoice_id,
        "name": f"INV/2026/{invoice_id:05}",
        "move_type": "out_invoice",
        "currency": "EUR",
        "invoice_date": "2026-04-02",
        "invoice_date_due": "2026-05-02",
        "billing_period_from": "2026-03-01",
        "billing_period_to": "2026-03-31",
        "amount_untaxed": "100.000000000000",
        "amount_tax": "21.000000000000",
        "amount_total": "121.000000000000",
        "payment_state": "not_paid",
        "client_id": 20841,
        "payer_id": 5117,
        "invoice_id": None,
        "created_at": "2026-04-02T06:14:09Z",
        "updated_at": "2026-04-02T06:14:09Z",
    } | changes


def page(rows: Iterable[dict[str, Any]], *, count: int | None = None, **changes: Any) -> httpx.Response:
    """A list answer."""
    results = list(rows)
    total = len(results) if count is None else count
    return answer({"count": total, "next": None, "previous": None, "results": results} | changes)


def listing(rows: Iterable[dict[str, Any]], **changes: Any) -> Wire:
    """A list endpoint over these rows."""
    every = list(rows)

    def respond(request: httpx.Request) -> httpx.Response:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        return page(every[offset : offset + limit], count=len(every), **changes)

    return Wire(respond)


def answer(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    """An answer with a JSON body."""
    sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Response(status, headers=sent, stream=RawBody(json.dumps(body).encode()))


def raw(body: bytes | RawBody, status: int = 200, **headers: str) -> httpx.Response:
    """An answer of bytes."""
    sent = {k.replace("_", "-"): v for k, v in headers.items()}
    return httpx.Response(status, headers=sent, stream=body if isinstance(body, RawBody) else RawBody(body))


PDF = b"%PDF-1.4\n" + b"x" * 5000 + b"\n%%EOF\n"


def pdf(body: bytes = PDF, **headers: str) -> httpx.Response:
    """A document."""
    return raw(body, content_type="application/pdf", **headers)
