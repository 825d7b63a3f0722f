"""Pages fetched ahead of their reader: a bounded window, once with threads and once with tasks.

A walk asks for one page at a time and says which it will ask for next. The window starts those too, hands
each out when its turn comes, and throws away what the walk's next plan leaves out. No page is started that
would make more than the window's width on their way or held, however slow the reader is.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from gcore_invoices._stop import Stop
from gcore_invoices.errors import APIStatusError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Collection
    from concurrent.futures import Future, ThreadPoolExecutor

    from gcore_invoices._walk import Fetch
    from gcore_invoices.errors import InvoicesError
    from gcore_invoices.models import Page
    from gcore_invoices.ordering import Order

    Key: TypeAlias = tuple[Order, int]

_RUN_OF_FAILURES = 3
TOO_FAST = 0.002
"""Seconds; while pages come sooner than this, threads cost more time than they save."""


class Width:
    """How wide the window is: narrower when the API asks for less, wider again as it answers.

    Args:
        widest: Pages at most.
    """

    def __init__(self, widest: int) -> None:
        self.now = widest
        self.widest = widest
        self._failures = 0
        self._narrowed = 0.0

    def told(self, error: InvoicesError | None, asked: float) -> None:
        """Learn how an attempt went.

        Args:
            error: What it failed with, if it did.
            asked: When it was sent, by `time.monotonic()`. What was sent before the window was narrowed says
                nothing about the narrower one.
        """
        if asked < self._narrowed:
            return
        if error is None:
            self._failures = 0
            self.now = min(self.now + 1, self.widest)
        elif isinstance(error, APIStatusError):
            self._failures += error.status_code >= 500
            if error.status_code == 429 or self._failures >= _RUN_OF_FAILURES:
                self.now = max(self.now // 2, 1)
                self._failures = 0
                self._narrowed = time.monotonic()

    def plan(self, step: Fetch) -> list[Key]:
        """What may be on its way or held now. Only the first `now` of it are started."""
        return [(step.order, offset) for offset in (step.offset, *step.ahead)[: self.widest]]

    def missing(self, plan: list[Key], held: Collection[Key]) -> list[Key]:
        """What of a plan is to be started now."""
        return [key for key in plan[: self.now] if key not in held]


class ThreadWindow:
    """The window of the sync client.

    Args:
        fetch: Fetches one page; ended by its `Stop` from another thread.
        width: How many at once.
    """

    def __init__(self, fetch: Callable[[Key, int, Stop | None], Page], width: Width) -> None:
        self._fetch = fetch
        self._width = width
        self._pool: ThreadPoolExecutor | None = None
        self._held: dict[Key, tuple[Future[Page], Stop]] = {}
        self._stops: set[Stop] = set()
        self._took = math.inf

    def get(self, step: Fetch) -> Page:
        """The page asked for; the pages after it are started."""
        plan = self._width.plan(step)
        for key in self._held.keys() - plan:
            self._discard(key)
        missing = self._width.missing(plan, self._held)
        if not self._held and (missing == plan[:1] or self._took < TOO_FAST):
            started = time.monotonic()
            page = self._fetch(plan[0], step.limit, None)  # no thread: it would not help
            self._took = time.monotonic() - started
            return page
        for key in missing:
            self._start(key, step.limit)
        page = self._held[plan[0]][0].result()
        _, stop = self._held.pop(plan[0])
        self._stops.discard(stop)
        return page

    def close(self) -> None:
        """Stop what is on its way, at once, and wait for its threads to end."""
        for stop in self._stops:
            stop.set()
        if self._pool is not None:
            # An abandoned walk may be collected as garbage in one of its threads, which cannot join itself.
            with suppress(RuntimeError):
                self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, key: Key, limit: int) -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only lists of several pages need it
        from contextvars import copy_context  # noqa: PLC0415

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._width.widest, "gcore-invoices")
        stop = Stop()
        self._stops.add(stop)  # before the page is started: Ctrl-C may come between any two steps
        # The caller's context, so that spans find their parent.
        self._held[key] = self._pool.submit(copy_context().run, self._fetch, key, limit, stop), stop

    def _discard(self, key: Key) -> None:
        future, stop = self._held.pop(key)
        future.cancel()
        stop.set()
        self._stops.discard(stop)


class TaskWindow:
    """The window of the async client.

    Args:
        fetch: Fetches one page.
        width: How many at once.
    """

    def __init__(self, fetch: Callable[[Key, int], Awaitable[Page]], width: Width) -> None:
        import asyncio  # noqa: PLC0415 - the async client has loaded it

        self._asyncio = asyncio
        self._fetch = fetch
        self._width = width
        self._held: dict[Key, asyncio.Task[Page]] = {}
        self._leaving: set[asyncio.Task[Page]] = set()

    async def get(self, step: Fetch) -> Page:
        """The page asked for; the pages after it are started."""
        plan = self._width.plan(step)
        for key in self._held.keys() - plan:
            self._discard(key)
        for key in self._width.missing(plan, self._held):
            self._held[key] = self._asyncio.ensure_future(self._fetch(key, step.limit))
        page = await self._held[plan[0]]
        del self._held[plan[0]]
        return page

    async def close(self) -> None:
        """Cancel what is on its way, and wait for its tasks to end."""
        for key in list(self._held):
            self._discard(key)
        if self._leaving:
            await self._asyncio.gather(*self._leaving, return_exceptions=True)

    def _discard(self, key: Key) -> None:
        task = self._held.pop(key)
        self._leaving.add(task)
        task.add_done_callback(self._left)
        task.cancel()

    def _left(self, task: asyncio.Task[Page]) -> None:
        self._leaving.discard(task)  # and its page with it
        if not task.cancelled():
            task.exception()  # seen, and of no interest
