"""One call as a generator: attempts, hooks, waits, the deadline, and what the answer means. No I/O.

A flow yields what it needs done and is sent what came of it, or has thrown into it what went wrong. The
drivers in client.py do it, one with threads and one with asyncio; no rule of a call lives there. (What passes
between them are msgspec's structs: as attrs classes they would cost a tenth of the library's import.)

    call          context managers of plugins, and what every error is told
      _attempts   the token, retries, waits
        _attempt  one request: before_send, intercept, throttle, send, decode, observers
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import httpx
import msgspec
from attrs import evolve

from gcore_invoices import _operations
from gcore_invoices._body import MAX_BODY, MAX_ERROR_BODY, Body, Sink
from gcore_invoices._checks import is_number
from gcore_invoices._config import Settings, Timeouts
from gcore_invoices._files import PartFile, names_folder, pdf_name
from gcore_invoices._operations import Answer, Operation
from gcore_invoices.errors import (
    APIConnectionError,
    APIProtocolError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    InvoicesError,
    UsageError,
)
from gcore_invoices.events import Attempt, Response, RetryDecision
from gcore_invoices.plugins.manager import Hooks
from gcore_invoices.plugins.retries import RetryPolicy

if TYPE_CHECKING:
    from gcore_invoices._transport import Credential

T = TypeVar("T")


class Send(msgspec.Struct, frozen=True):
    """Send the request and read the answer into what `open` makes of its head. Answered with an `Answer`."""

    request: httpx.Request
    open: Callable[[int, httpx.Headers], Reader]


class Sleep(msgspec.Struct, frozen=True):
    """Wait so many seconds. Answered with nothing."""

    seconds: float


class RenewToken(msgspec.Struct, frozen=True):
    """Ask for a new bearer token, unless that has been done since `generation`. Answered with nothing."""

    generation: int


class Block(msgspec.Struct, frozen=True):
    """Run something that may block for a while, such as a write to disk. Answered with its result."""

    work: Callable[[], Any]


class Step(msgspec.Struct, frozen=True):
    """One thing to do, and the `time.monotonic()` by which it must be done."""

    do: Send | Sleep | RenewToken | Block
    deadline: float | None = None


Flow: TypeAlias = Generator[Step, Any, T]


class DeadlinePassed(Exception):  # noqa: N818 - a signal from the drivers to the flow
    """A step was not done by its deadline."""


class Session(msgspec.Struct, frozen=True):
    """What all calls of one client share."""

    settings: Settings
    hooks: Hooks
    timeouts: Timeouts
    retry: RetryPolicy
    concurrency: int = 4


class DocumentSink(Sink, Protocol):
    """Where a document goes: kept or thrown away as a whole."""

    def restart(self) -> None:
        """Forget what was written: the document comes anew."""


class Reader:
    """Reads one answer, as its head demands: an error's beginning, a page, or a document into its sink."""

    # Error trackers look into what has a `__dict__`, and an answer's head may echo the key.
    __slots__ = ("_edges", "_headers", "_kept", "_status_code", "body")

    def __init__(self, status_code: int, headers: httpx.Headers, document: DocumentSink | None) -> None:
        self._status_code, self._headers = status_code, headers
        failed = not 200 <= status_code < 300
        self._kept = BytesIO()
        self._edges = None
        if document is not None and not failed:
            document.restart()
            self._edges = _Edges(document)
        self.body = Body(
            headers.get("content-encoding", ""),
            self._edges or self._kept,
            limit=MAX_ERROR_BODY if failed else MAX_BODY,
            cut=failed,
        )

    def answer(self, *, intercepted: bool = False) -> Answer:
        """The answer, once the body has ended."""
        self.body.end()
        return self.so_far(intercepted=intercepted)

    def so_far(self, *, intercepted: bool = False) -> Answer:
        """The answer as far as it has come."""
        return Answer(
            self._status_code,
            self._headers,
            self._edges.kept if self._edges else self._kept.getvalue(),
            size=self.body.size,
            streamed=self._edges is not None,
            cut=self.body.full,
            intercepted=intercepted,
        )


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


class _State(Generic[T]):
    """What one call knows of itself."""

    def __init__(
        self, operation: Operation[T], session: Session, document: DocumentSink | None, began: float | None
    ) -> None:
        self.operation = operation
        self.session = session
        self.document = document
        self.call = operation.describe(session.settings, session.retry)
        self.attempts = 0
        self.renewed = False
        self.failed: InvoicesError | None = None
        """What the attempt before failed with."""
        self._reader: Reader | None = None
        self._started = time.monotonic() if began is None else began
        limit = session.timeouts.deadline
        self.deadline = None if limit is None else self._started + limit

    def open(self, status_code: int, headers: httpx.Headers) -> Reader:
        """Begin to read an answer."""
        self._reader = Reader(status_code, headers, self.document)
        return self._reader

    def next_attempt(self) -> Attempt:
        self.attempts += 1
        self._reader = None
        elapsed = time.monotonic() - self._started
        return Attempt(number=self.attempts, elapsed=elapsed, left=self.left())

    def left(self) -> float | None:
        """Seconds to the deadline."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def allows(self, seconds: float) -> bool:
        """Whether there is time to wait so long and then do something."""
        left = self.left()
        return left is None or seconds < left

    def late(self) -> APITimeoutError:
        most = self.session.timeouts.deadline
        return APITimeoutError(f"{self.operation.name} did not finish within its deadline of {most} seconds.")

    def error_status(self) -> Answer | None:
        """The answer so far, if its head told of an error: that counts, though its body came to nothing."""
        answer = self._reader.so_far() if self._reader and self.allows(0) else None
        return None if answer is None or 200 <= answer.status_code < 300 else evolve(answer, cut=True)

    def failure(self, error: InvoicesError) -> InvoicesError:
        """An attempt that got no whole answer: the error is told what had come of it."""
        credential = self.session.settings.credential
        if self._reader is not None:
            answer = self._reader.so_far()
            error.request_id = _operations.request_id(answer.headers, credential)
            error.excerpt = _operations.excerpt(answer, credential)
            if isinstance(error, APIResponseValidationError):
                error.content_type = _operations.content_type(answer, credential)
        error.args = tuple(credential.mask(str(value)) for value in error.args)
        clean(error, credential)
        return error

    def tell(self, error: InvoicesError) -> None:
        error.operation = self.operation.name
        error.attempts = self.attempts
        error.elapsed = time.monotonic() - self._started


def call(
    operation: Operation[T],
    session: Session,
    document: DocumentSink | None = None,
    *,
    began: float | None = None,
    told: Callable[[InvoicesError | None, float], None] | None = None,
) -> Flow[T]:
    """Make one call.

    Args:
        operation: What to ask.
        session: What the client shares.
        document: Where the answer's document goes, if it is one.
        began: The `time.monotonic()` that the deadline counts from, if not from now.
        told: Is told how each attempt went and when, by `time.monotonic()`, it began.

    Raises:
        APIStatusError: The API answered with an error status.
        APIConnectionError: No connection, a timeout, or an answer that is no HTTP.
        APIResponseValidationError: An answer that is not what the contract says.
        UsageError: The bearer token's function gave something that is no token, or a plugin's hook
            returned something that is no answer to it.
    """
    state = _State(operation, session, document, began)
    with session.hooks.around(state.call):
        try:
            try:
                return (yield from _attempts(state, told))
            except DeadlinePassed:
                raise state.late() from None
        except InvoicesError as error:
            state.tell(error)
            for chained in (error.__cause__, error.__context__):
                clean(chained, session.settings.credential)
            raise


def _attempts(state: _State[T], told: Callable[[InvoicesError | None, float], None] | None) -> Flow[T]:
    """Attempts until one succeeds or no more are to be made."""
    credential = state.session.settings.credential
    if credential.renewable and credential.generation == 0:
        yield from _renew(state, 0)
    while True:
        generation = credential.generation
        began = time.monotonic()
        attempt = state.next_attempt()
        outcome = yield from _attempt(state, attempt)
        if told:
            told(outcome if isinstance(outcome, InvoicesError) else None, began)
        if not isinstance(outcome, InvoicesError):
            return outcome
        state.tell(outcome)
        state.failed = outcome
        if isinstance(outcome, AuthenticationError) and credential.renewable and not state.renewed:
            # Once: a token that was made just now and is refused will not get better.
            state.renewed = True
            yield from _renew(state, generation)
        else:
            yield from _wait_or_raise(state, attempt, outcome)


def _renew(state: _State[Any], generation: int) -> Flow[None]:
    try:
        yield Step(RenewToken(generation), state.deadline)
    except UsageError as error:
        clean(error, state.session.settings.credential)  # its frames hold what was no token
        raise


def _wait_or_raise(state: _State[Any], attempt: Attempt, error: InvoicesError) -> Flow[None]:
    """Wait for the next attempt, or raise the error if there is to be none."""
    hooks, call_ = state.session.hooks, state.call
    decision = hooks.decide_retry(call=call_, attempt=attempt, error=error) if hooks.decide_retry else None
    if decision is not None and not isinstance(decision, RetryDecision):
        raise UsageError(
            f"decide_retry returned {decision!r}; it takes a RetryDecision, or None for no opinion."
        )
    if decision is None or decision.delay is None or not state.allows(decision.delay):
        raise error
    if hooks.retry_scheduled:
        hooks.retry_scheduled(call=call_, attempt=attempt, error=error, delay=decision.delay)
    if decision.delay:
        yield Step(Sleep(decision.delay), state.deadline)


def _attempt(state: _State[T], attempt: Attempt) -> Flow[T | InvoicesError]:
    """One request: ask, read the answer, tell the observers."""
    before_send = state.session.hooks.before_send
    request = state.operation.request(state.session.settings)
    if before_send:
        before_send(call=state.call, attempt=attempt, request=request)
    started = time.monotonic()
    answer = _intercepted(state, request)
    if answer is None:
        yield from _throttle(state, attempt)
        started = time.monotonic()
        answer = yield from _sent(state, request)
    outcome = _decoded(state, answer)
    _observe(state, attempt, answer, outcome, time.monotonic() - started)
    return outcome


def _decoded(state: _State[T], answer: Answer | InvoicesError) -> T | InvoicesError:
    if isinstance(answer, InvoicesError):
        return answer
    credential = state.session.settings.credential
    try:
        return state.operation.decode(answer, credential)
    except InvoicesError as error:
        clean(error, credential)
        return error


def _observe(
    state: _State[Any], attempt: Attempt, answer: Answer | InvoicesError, outcome: object, elapsed: float
) -> None:
    """Tell the observers of a complete answer, whatever its status; or else of what went wrong."""
    hooks, error = state.session.hooks, outcome if isinstance(outcome, InvoicesError) else None
    if isinstance(answer, Answer) and (error is None or isinstance(error, APIStatusError)):
        if hooks.after_response:
            seen = _as_response(answer, state)
            hooks.after_response(call=state.call, attempt=attempt, response=seen, elapsed=elapsed)
    elif hooks.after_error:
        hooks.after_error(call=state.call, attempt=attempt, error=error, elapsed=elapsed)


def _intercepted(state: _State[Any], request: httpx.Request) -> Answer | InvoicesError | None:
    """What a plugin answers in the network's place."""
    hooks = state.session.hooks
    if hooks.intercept is None:
        return None
    try:
        response = hooks.intercept(call=state.call, request=request)
    except UsageError:
        raise
    except InvoicesError as error:
        return error
    if response is None:
        return None
    if not isinstance(response, Response) or not isinstance(response.body, bytes):
        raise UsageError(f"intercept returned {response!r}; it takes a Response with a body, or None.")
    headers = httpx.Headers(
        [pair for pair in response.headers.multi_items() if pair[0] != "content-encoding"],
        encoding=response.headers.encoding,
    )
    try:
        reader = state.open(response.status_code, headers)
        reader.body.feed(response.body)
    except InvoicesError as error:
        return state.failure(error)
    return reader.answer(intercepted=True)


def _throttle(state: _State[Any], attempt: Attempt) -> Flow[None]:
    """Wait as long as the plugin that asks for the longest wait."""
    throttle = state.session.hooks.throttle
    if throttle is None:
        return
    waits = throttle(call=state.call, attempt=attempt)
    if not isinstance(waits, list):
        raise UsageError(
            f"A wrapper of throttle returned {waits!r}; it takes the list of waits that it wraps."
        )
    for wait in waits:
        if not is_number(wait) or wait < 0:
            raise UsageError(f"throttle returned {wait!r}; it takes seconds, 0 or more, or None.")
    longest = max(waits, default=0)
    if not state.allows(longest):
        state.attempts -= 1  # it is not sent
        before = f" The attempt before failed: {state.failed}" if state.failed else ""
        raise APITimeoutError(
            f"{state.operation.name} was not sent: a plugin's throttle asks for a wait of {longest} seconds, "
            f"and the call's deadline of {state.session.timeouts.deadline} seconds comes first.{before}"
        ) from state.failed
    if longest:
        yield Step(Sleep(longest), state.deadline)


def _sent(state: _State[Any], request: httpx.Request) -> Flow[Answer | InvoicesError]:
    """What the network answers."""
    if not state.allows(0):
        return state.failure(state.late())
    request.extensions["timeout"] = state.session.timeouts.within(state.left())
    try:
        answer: Answer = yield Step(Send(request, state.open), state.deadline)
    except UsageError as error:
        clean(error, state.session.settings.credential)
        raise
    except InvoicesError as error:
        return state.error_status() or state.failure(error)
    except DeadlinePassed:
        return state.failure(state.late())
    except (httpx.HTTPError, httpx.StreamError, ssl.SSLError) as cause:
        broken = _connection_error(cause, state)
        broken.__cause__ = cause
        return state.error_status() or state.failure(broken)
    except BaseException as error:
        # Cancelled or interrupted deep inside httpcore, or what a transport of the caller's raises.
        clean(error, state.session.settings.credential)
        raise
    return answer


def _as_response(answer: Answer, state: _State[Any]) -> Response:
    """The answer as hooks may see it: they write logs."""
    credential = state.session.settings.credential
    body = None if answer.streamed else answer.body
    if not 200 <= answer.status_code < 300:
        body = credential.mask(answer.text(), cut=answer.cut).encode()
    headers = answer.headers
    text = "\n".join(headers.values())
    if credential.mask(text) != text:
        headers = httpx.Headers(
            [(name, credential.mask(value)) for name, value in headers.multi_items()],
            encoding=headers.encoding,
        )
    return Response(answer.status_code, headers, body, size=answer.size, intercepted=answer.intercepted)


def _connection_error(cause: Exception, state: _State[Any]) -> APIConnectionError:
    settings = state.session.settings
    said = settings.credential.mask(_words(cause), limit=_MAX_SAID)
    where = settings.base_url
    if isinstance(cause, httpx.TimeoutException):
        if not state.allows(0):
            return state.late()
        return APITimeoutError(_TIMED_OUT.get(type(cause), _NO_ANSWER).format(where=where, said=said))
    refused = next((each for each in _chain(cause) if isinstance(each, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        error = APIConnectionError(
            f"The certificate of {where}, or of a proxy before it, is not trusted: {refused.verify_message}. "
            "If it is meant to be so, pass the certificate of whoever signed it as ca_bundle=."
        )
        error.permanent = True
        return error
    kind = next((kind for kind in _BROKEN if isinstance(cause, kind)), httpx.ConnectError)
    broken, words = _BROKEN[kind]
    return broken(words.format(where=where, said=said))


_MAX_SAID = 300
_NO_ANSWER = "{where} did not answer in time ({said})."
_TIMED_OUT: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "No connection to {where} in time ({said}). Check the network and base_url.",
    httpx.PoolTimeout: "No connection of the client's pool came free in time: too many calls at once.",
}
_CUT = (APIProtocolError, "{where} sent an answer that is cut short or no HTTP: {said}")
_BROKE = (APIConnectionError, "The connection to {where} broke: {said}.")
_BROKEN: dict[type[Exception], tuple[type[APIConnectionError], str]] = {
    httpx.LocalProtocolError: (APIProtocolError, "The request to {where} cannot be sent: {said}."),
    httpx.ProtocolError: _CUT,
    httpx.StreamError: _CUT,
    httpx.ProxyError: (APIConnectionError, "The proxy refused to connect to {where}: {said}"),
    httpx.ReadError: _BROKE,
    httpx.WriteError: _BROKE,
    ssl.SSLError: (
        APIConnectionError,
        "{where} broke off the TLS connection: {said}. Does it want a client_cert?",
    ),
    httpx.ConnectError: (
        APIConnectionError,
        "No connection to {where}: {said}. Check the network, DNS and base_url.",
    ),
}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(error: Exception) -> str:
    """What an error says, or what it came of, if it says nothing itself."""
    return next((str(each) for each in _chain(error) if str(each)), type(error).__name__)


def clean(error: BaseException | None, credential: Credential) -> None:
    """Take out of an error and its causes what may hold the key.

    Frames inside httpcore hold the headers as sent, and a garbled answer may echo them into a message.
    """
    left = [error]
    seen: set[int] = set()
    while left:
        error = left.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = None
        if not isinstance(error, InvoicesError):
            error.args = tuple(_masked(value, credential) for value in error.args)
        if isinstance(error, UnicodeDecodeError):
            error.object = b""  # the whole body
        left += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def _masked(value: object, credential: Credential) -> object:
    if isinstance(value, str):
        return credential.mask(value)
    return b"" if isinstance(value, bytes) else value


def download(
    invoice_id: int, target: str | os.PathLike[str], session: Session, *, overwrite: bool
) -> Flow[Path]:
    """Download a document to a file, whole or not at all. One deadline for all of it."""
    operation = _operations.download(invoice_id)
    _check_target(target)
    began = time.monotonic()
    folder = yield Step(Block(lambda: names_folder(target)))
    path = Path(target)
    if folder:
        # The number is what people look for, and no header is documented to name it.
        path /= pdf_name((yield from call(_operations.get(invoice_id), session, began=began)))
    sink = PartFile(path, overwrite=overwrite)
    try:
        yield Step(Block(sink.open))
        yield from call(operation, session, sink, began=began)
        done: Path = yield Step(Block(sink.commit))
        return done
    finally:
        sink.discard()


def _check_target(target: object) -> None:
    if not isinstance(target, str | os.PathLike) or not isinstance(os.fspath(target), str) or target == "":
        raise UsageError(f"download takes a file or a folder to write to, not {target!r}.")


def download_bytes(invoice_id: int, session: Session) -> Flow[bytes]:
    """Download a document into memory."""
    memory = _Memory()
    yield from call(_operations.download(invoice_id), session, memory)
    return memory.getvalue()
