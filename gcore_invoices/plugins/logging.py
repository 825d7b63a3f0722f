"""The built-in plugin `logging`: what a client does, told to the standard library's `logging`.

| logger                 | level   | one record for                                                        |
| ---------------------- | ------- | --------------------------------------------------------------------- |
| `gcore_invoices.calls` | INFO    | each call, well or not                                                |
|                        | WARNING | each retry                                                            |
|                        | DEBUG   | each attempt, with the response headers of `HEADERS`                  |
| `gcore_invoices.walks` | INFO    | the end of each walk over a list                                      |
|                        | WARNING | values that this version does not know, once a walk                   |

A call that failed is told at INFO too: its caller gets the exception and knows whether it matters. WARNING is
for what nobody would hear of otherwise. Each record has its values as attributes (`extra`), which JSON
formatters and structlog's `ExtraAdder` pick up. No record holds the key, a body, a query value, or a text
that came with an answer other than the headers named here and the unknown values of a walk.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import asdict, define

from gcore_invoices.errors import APIStatusError, unknown_name
from gcore_invoices.hookspecs import hookimpl
from gcore_invoices.plugins._outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcore_invoices.errors import InvoicesError
    from gcore_invoices.events import Attempt, Call, Response, Walk, WalkReport

HEADERS = (
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "retry-after",
    "retry-after-ms",
    "server",
    "x-request-id",
)
"""The response headers that are logged, at DEBUG."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}
"""What `GCORE_LOG` may be."""

_MAX_VALUES = 10
_MAX_VALUE = 60

_ours = logging.getLogger("gcore_invoices")
_ours.addHandler(logging.NullHandler())
_calls = logging.getLogger("gcore_invoices.calls")
_walks = logging.getLogger("gcore_invoices.walks")

_once = threading.Lock()
_attached: list[logging.Handler] = []


def log_to_stderr() -> None:
    """Show the library's log on standard error if `GCORE_LOG` is `debug` or `info`, as the official SDK does.

    Takes effect once a process. Another value is a `UserWarning` that names the valid ones.
    """
    asked = os.environ.get("GCORE_LOG", "").strip().lower()
    if not asked:
        return
    if asked not in LEVELS:
        # Points at the line that makes the client.
        warnings.warn(str(unknown_name("GCORE_LOG level", asked, LEVELS)), stacklevel=4)
        return
    with _once:
        if not _attached:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
            _ours.addHandler(handler)
            _ours.setLevel(LEVELS[asked])
            _attached.append(handler)


@define
class _Seen:
    """What a call's line will say."""

    attempts: int = 0
    status: int | None = None
    size: int = 0


class Logging:
    """Logs calls, attempts, retries and walks; the module's docstring says what and where."""

    name = "logging"

    def __init__(self) -> None:
        self._seen: weakref.WeakKeyDictionary[Call, _Seen] = weakref.WeakKeyDictionary()

    @hookimpl
    @contextmanager
    def call_context(self, call: Call) -> Iterator[None]:
        """The call's line, at its end."""
        seen = self._seen[call] = _Seen()
        started = time.monotonic()
        try:
            yield
        except BaseException as error:
            _log_call(call, seen, time.monotonic() - started, error)
            raise
        else:
            _log_call(call, seen, time.monotonic() - started, None)

    @hookimpl
    def before_send(self, call: Call, attempt: Attempt) -> None:
        """Count the attempt: one that is cancelled tells no other hook."""
        if seen := self._seen.get(call):
            seen.attempts, seen.status = attempt.number, None

    @hookimpl
    def after_response(self, call: Call, attempt: Attempt, response: Response, elapsed: float) -> None:
        """The attempt's line."""
        if seen := self._seen.get(call):
            seen.status = response.status_code
            seen.size += response.size
        if not _calls.isEnabledFor(logging.DEBUG):
            return
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        _calls.debug(
            "%s attempt %d: %d, %.3f s, %d bytes%s, %s",
            call.operation,
            attempt.number,
            response.status_code,
            elapsed,
            response.size,
            ", from a plugin" if response.intercepted else "",
            headers,
            extra=_about(call)
            | {
                "attempt": attempt.number,
                "status": response.status_code,
                "elapsed": elapsed,
                "bytes": response.size,
                "intercepted": response.intercepted,
                "headers": headers,
            },
        )

    @hookimpl
    def after_error(self, call: Call, attempt: Attempt, error: InvoicesError, elapsed: float) -> None:
        """The line of an attempt without a usable answer."""
        _calls.debug(
            "%s attempt %d: %s, %.3f s",
            call.operation,
            attempt.number,
            _named(error),
            elapsed,
            extra=_about(call)
            | {"attempt": attempt.number, "error": type(error).__name__, "elapsed": elapsed},
        )

    @hookimpl
    def retry_scheduled(self, call: Call, attempt: Attempt, error: InvoicesError, delay: float) -> None:
        """Warn: a caller does not see what a retry has mended."""
        _calls.warning(
            "%s attempt %d failed with %s; the next one is in %.3f s",
            call.operation,
            attempt.number,
            _named(error),
            delay,
            extra=_about(call)
            | {
                "attempt": attempt.number,
                "error": type(error).__name__,
                "status": error.status_code if isinstance(error, APIStatusError) else None,
                "delay": delay,
            },
        )

    @hookimpl
    def walk_finished(self, walk: Walk, report: WalkReport) -> None:
        """The walk's line, and the values that were new to this version."""
        values = [value[:_MAX_VALUE] for value in sorted(report.unknown_values)[:_MAX_VALUES]]
        if values:
            _walks.warning(
                # As repr: they come from outside, and may hold a line break.
                "The list holds %d values that this version does not know, kept as they are: %s",
                len(report.unknown_values),
                ", ".join(map(repr, values)),
                extra={"walk_id": walk.id, "unknown_values": values},
            )
        _walks.info(
            "walk %s: invoices %d, pages %d, requests %d",
            "complete" if report.complete else "left before its end",
            report.delivered,
            report.pages,
            report.requests,
            extra={"walk_id": walk.id} | asdict(report, recurse=False) | {"unknown_values": values},
        )


def _log_call(call: Call, seen: _Seen, elapsed: float, error: BaseException | None) -> None:
    if not _calls.isEnabledFor(logging.INFO):
        return
    ended = outcome(error)
    name = type(error).__name__ if error else None
    _calls.info(
        "%s %s: %s, %d attempt%s, %.3f s, %d bytes",
        call.operation,
        f"failed with {name}" if ended == "failed" else ended,
        seen.status or "no answer",
        seen.attempts,
        "" if seen.attempts == 1 else "s",
        elapsed,
        seen.size,
        extra=_about(call)
        | {
            "status": seen.status,
            "attempts": seen.attempts,
            "elapsed": elapsed,
            "bytes": seen.size,
            "outcome": ended,
            "error": name,
        },
    )


def _about(call: Call) -> dict[str, object]:
    return {"operation": call.operation, "call_id": call.id, "url": call.url}


def _named(error: InvoicesError) -> str:
    """An error by its classes and status alone: its text may quote what the API sent."""
    cause = error.__cause__
    detail = error.status_code if isinstance(error, APIStatusError) else cause and type(cause).__name__
    return f"{type(error).__name__} ({detail})" if detail else type(error).__name__
