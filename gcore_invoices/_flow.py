"""One call as a generator: what to send, when to renew the token, what the answer means. No I/O.

A flow yields what it needs done and is sent what came of it, or has thrown into it what went wrong. The
drivers in client.py do it, one with threads and one with asyncio; no rule of a call lives there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import httpx
from attrs import frozen

from gcore_invoices import _operations
from gcore_invoices._body import MAX_BODY, MAX_ERROR_BODY, Body, Sink
from gcore_invoices._files import PartFile, names_folder, pdf_name
from gcore_invoices._operations import Answer, Operation
from gcore_invoices.errors import (
    APIConnectionError,
    APIProtocolError,
    APITimeoutError,
    AuthenticationError,
    InvoicesError,
)

if TYPE_CHECKING:
    import os

    from gcore_invoices._config import Settings

T = TypeVar("T")


@frozen
class Send:
    """Send the request and read the answer into what `open` makes of its head. Answered with an `Answer`."""

    request: httpx.Request
    open: Callable[[httpx.Response], Reader]


@frozen
class RenewToken:
    """Ask for a new bearer token, unless that has been done since `generation`. Answered with nothing."""

    generation: int


@frozen
class Block:
    """Run something that may block for a while, such as a write to disk. Answered with its result."""

    work: Callable[[], Any]


Flow: TypeAlias = Generator[Send | RenewToken | Block, Any, T]


class DocumentSink(Sink, Protocol):
    """Where a document goes: kept or thrown away as a whole."""

    def restart(self) -> None:
        """Forget what was written: the document comes anew."""

    def commit(self) -> Any:
        """Keep it; the result is what the caller gets."""

    def discard(self) -> None:
        """Throw it away."""


class Reader:
    """Reads one answer, as its head demands: an error's beginning, a page, or a document into its sink."""

    def __init__(self, response: httpx.Response, document: DocumentSink | None) -> None:
        self._head = response
        failed = not 200 <= response.status_code < 300
        self._kept = BytesIO()
        self._edges = None
        if document is not None and not failed:
            document.restart()
            self._edges = _Edges(document)
        self.body = Body(
            response.headers.get("content-encoding", ""),
            self._edges or self._kept,
            limit=MAX_ERROR_BODY if failed else MAX_BODY,
            cut=failed,
        )

    def answer(self) -> Answer:
        """The answer, once the body has ended."""
        self.body.end()
        kept = self._edges.kept if self._edges else self._kept.getvalue()
        return Answer(self._head.status_code, self._head.headers, kept)


class _Edges:
    """Passes a document on, and keeps its beginning and its end for the checks."""

    _SIZE = 1024

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.kept = b""

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        kept = self.kept + data
        self.kept = kept if len(kept) <= 2 * self._SIZE else kept[: self._SIZE] + kept[-self._SIZE :]


class _Memory(BytesIO):
    """A document in memory."""

    def restart(self) -> None:
        self.seek(0)
        self.truncate()

    def commit(self) -> bytes:
        return self.getvalue()

    def discard(self) -> None:
        self.close()


def call(operation: Operation[T], settings: Settings, document: DocumentSink | None = None) -> Flow[T]:
    """Make one call.

    Args:
        operation: What to ask.
        settings: What the client was configured with.
        document: Where the answer's document goes, if it is one.

    Raises:
        APIStatusError: The API answered with an error status.
        APIConnectionError: No connection, a timeout, or an answer that is no HTTP.
        APIResponseValidationError: An answer that is not what the contract says.
        UsageError: The bearer token's function gave something that is no token.
    """
    credential = settings.credential
    started = time.monotonic()
    attempts = 0
    renewed = False
    try:
        if credential.renewable and credential.generation == 0:
            yield RenewToken(0)
        while True:
            generation = credential.generation
            attempts += 1
            try:
                answer: Answer = yield Send(operation.request(settings), lambda head: Reader(head, document))
                return operation.decode(answer, credential)
            except AuthenticationError:
                # Once: a token that was made just now and is refused will not get better.
                if renewed or not credential.renewable:
                    raise
                renewed = True
            yield RenewToken(generation)
    except InvoicesError as error:
        _tell(error, operation, attempts, started)
        _drop_tracebacks(error.__cause__, error.__context__)
        raise
    except (httpx.HTTPError, httpx.StreamError) as cause:
        broken = _connection_error(cause, settings)
        _tell(broken, operation, attempts, started)
        _drop_tracebacks(cause)
        raise broken from cause


def download(
    invoice_id: int, target: str | os.PathLike[str], settings: Settings, *, overwrite: bool
) -> Flow[Path]:
    """Download a document to a file, whole or not at all."""
    operation = _operations.download(invoice_id)
    folder = yield Block(lambda: names_folder(target))
    path = Path(target)
    if folder:
        # The number is what people look for; the download itself does not name it reliably.
        path /= pdf_name((yield from call(_operations.get(invoice_id), settings)))
    sink: PartFile = yield Block(lambda: PartFile(path, overwrite=overwrite))
    try:
        yield from call(operation, settings, sink)
        done: Path = yield Block(sink.commit)
        return done
    finally:
        sink.discard()


def download_bytes(invoice_id: int, settings: Settings) -> Flow[bytes]:
    """Download a document into memory."""
    memory = _Memory()
    yield from call(_operations.download(invoice_id), settings, memory)
    return memory.commit()


def _tell(error: InvoicesError, operation: Operation[Any], attempts: int, started: float) -> None:
    error.operation = operation.name
    error.attempts = attempts
    error.elapsed = time.monotonic() - started


def _connection_error(cause: Exception, settings: Settings) -> APIConnectionError:
    said = settings.credential.mask(str(cause)) or type(cause).__name__
    where = settings.base_url
    if isinstance(cause, httpx.ConnectTimeout):
        return APITimeoutError(f"No connection to {where} in time ({said}). Check the network and base_url.")
    if isinstance(cause, httpx.PoolTimeout):
        return APITimeoutError(
            "No connection of the client's pool came free in time: too many calls at once."
        )
    if isinstance(cause, httpx.TimeoutException):
        return APITimeoutError(f"{where} did not answer in time ({said}).")
    if isinstance(cause, httpx.ProtocolError | httpx.StreamError):
        return APIProtocolError(f"{where} sent an answer that is cut short or no HTTP: {said}")
    if isinstance(cause, httpx.ProxyError):
        return APIConnectionError(f"The proxy refused to connect to {where}: {said}")
    return APIConnectionError(f"No connection to {where}: {said}. Check the network, DNS and base_url.")


def _drop_tracebacks(*errors: BaseException | None) -> None:
    """Drop the frames of causes: those inside httpcore hold the headers as sent, the key among them."""
    left = [error for error in errors if error is not None]
    seen: set[int] = set()
    while left:
        error = left.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = None
        left += [next_ for next_ in (error.__cause__, error.__context__) if next_ is not None]
