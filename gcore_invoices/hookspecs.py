"""The hooks: what a plugin may implement.

A plugin is any object (an instance, or a module) with functions that carry `@hookimpl` and the name of a
hook. Each takes, by name, as many of the hook's arguments as it needs. All are plain functions; the sync and
the async client call the same ones. A client's hooks are called from every thread that uses the client.

There are three kinds:

observer
    Is told. Its exceptions are logged once per plugin and hook, and swallowed; it cannot wrap.
decider
    Changes what happens. Its exceptions reach the caller; `@hookimpl(wrapper=True)` wraps the others.
collected
    Every plugin's result is gathered. Exceptions reach the caller; wrappers are fine.

Plugins are called in this order: `plugins=[…]` as listed, entry points of the group `gcore_invoices`,
built-ins. `@hookimpl(tryfirst=True)` and `trylast=True` move one implementation to an end of the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import httpx

    from gcore_invoices.errors import InvoicesError
    from gcore_invoices.events import Attempt, Call, Response, RetryDecision, Walk, WalkReport
    from gcore_invoices.models import Page

PROJECT = "gcore_invoices"

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of its name."""

Kind = Literal["observer", "decider", "collected"]
KINDS: dict[str, Kind] = {}
"""Every hook with its kind."""

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")


def _hook(kind: Kind, *, firstresult: bool = False) -> Callable[[FunctionT], FunctionT]:
    def declare(function: FunctionT) -> FunctionT:
        KINDS[function.__name__] = kind
        return pluggy.HookspecMarker(PROJECT)(function, firstresult=firstresult)

    return declare


@_hook("observer")
def call_context(call: Call) -> AbstractContextManager[object] | None:
    """Surround a call with a context manager, for a span or a timer.

    When: once a call; entered before the first attempt and left after the last, also when the call fails
    or is cancelled, in which case it is given the exception.
    May: return a context manager, or None. It cannot swallow the call's exception.
    Exceptions: of the hook, of entering and of leaving are logged and swallowed.
    Sync and async: the same plain context manager; it is entered and left in the thread or task of the call.
    New in 0.1.
    """


@_hook("decider")
def before_send(call: Call, attempt: Attempt, request: httpx.Request) -> None:
    """Change the headers of a request.

    When: before each attempt.
    May: change `request.headers`. The request never holds the key, and a header `Authorization` that is
    set here is replaced by the client's own.
    Exceptions: end the call and reach the caller.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("decider", firstresult=True)
def intercept(call: Call, request: httpx.Request) -> Response | None:
    """Answer in the network's place: a cache, chaos, offline work.

    When: before each attempt, after `before_send`. The first answer counts, the rest are not asked.
    May: return a `Response`, which is read like the network's, or None to have the request sent; raise one
    of this library's errors, for an attempt that failed without an answer (`after_error`, `decide_retry`).
    Exceptions: others, and a `UsageError`, end the call and reach the caller; so does a result that is no
    `Response` with a body.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("collected")
def throttle(call: Call, attempt: Attempt) -> float | None:
    """Hold a request back.

    When: before each attempt that goes to the network, after `intercept`.
    May: return the seconds to wait, or None. The longest wait of all plugins is slept; a wait beyond the
    call's deadline is an `APITimeoutError` at once.
    Exceptions: end the call and reach the caller; so does a result that is no number of seconds.
    Sync and async: return the wait, do not sleep: the async client must not block its event loop.
    New in 0.1.
    """


@_hook("observer")
def after_response(call: Call, attempt: Attempt, response: Response, elapsed: float) -> None:
    """See an answer.

    When: after each attempt that got a complete answer, whatever its status. Of `after_response` and
    `after_error`, each attempt that was made to its end fires one.
    May: look. `elapsed` is the seconds this attempt took, body included.
    Exceptions: logged and swallowed.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("observer")
def after_error(call: Call, attempt: Attempt, error: InvoicesError, elapsed: float) -> None:
    """See an attempt that got no usable answer.

    When: after each attempt that failed to connect, timed out, was cut short, or got an answer outside the
    contract. Error statuses are answers: `after_response` sees them.
    May: look. `elapsed` is the seconds this attempt took.
    Exceptions: logged and swallowed.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("decider", firstresult=True)
def decide_retry(call: Call, attempt: Attempt, error: InvoicesError) -> RetryDecision | None:
    """Decide whether a failed attempt is repeated.

    When: after each attempt that failed, by status or without a usable answer, save for a 401 that a new
    login token may mend. The first decision counts.
    May: return `RetryDecision(delay=2.0)` to try again after so many seconds, `RetryDecision(delay=None)`
    to stop, or None for no opinion. Built-in retries are asked last. A delay beyond the call's deadline
    ends the call with the error at once.
    Exceptions: end the call and reach the caller; so does a result that is no `RetryDecision`.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("observer")
def retry_scheduled(call: Call, attempt: Attempt, error: InvoicesError, delay: float) -> None:
    """See that an attempt will be repeated.

    When: after the decision, before the sleep of `delay` seconds.
    May: look.
    Exceptions: logged and swallowed.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("observer")
def page_received(walk: Walk, page: Page) -> None:
    """See a page of a list.

    When: each page of a walk, in order, with the rows that are new in it, before they are handed out.
    May: look.
    Exceptions: logged and swallowed.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("observer")
def walk_finished(walk: Walk, report: WalkReport) -> None:
    """See the end of a walk.

    When: once a walk that was begun: complete, failed, or left early (`report.complete` tells).
    May: look.
    Exceptions: logged and swallowed.
    Sync and async: the same; must not block.
    New in 0.1.
    """


@_hook("collected")
def register_exporters() -> Mapping[str, object] | None:
    """Add file formats to the command line's export.

    When: when the command line looks for a format.
    May: return a mapping from file ending (`txt`) to exporter, a `gcore_invoices.export.Exporter`.
    Exceptions: reach the caller.
    Sync and async: called by the command line, outside any call.
    New in 0.1.
    """


@_hook("collected")
def register_commands(app: Any) -> None:
    """Add commands to the command line.

    When: when the command line is built.
    May: add commands to `app`, a `typer.Typer`.
    Exceptions: reach the caller.
    Sync and async: called by the command line, outside any call.
    New in 0.1.
    """
