"""Lists of invoices, read as they are used. Two drivers over the walk of `_walk.py`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator
from contextlib import aclosing
from operator import length_hint
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from gcore_invoices import _operations, _walk
from gcore_invoices._flow import Flow, call
from gcore_invoices._window import TaskWindow, ThreadWindow, Width
from gcore_invoices.errors import PaginationError
from gcore_invoices.events import Checkpoint, Walk, WalkReport
from gcore_invoices.models import Invoice, Page

if TYPE_CHECKING:
    from gcore_invoices._flow import Session
    from gcore_invoices._stop import Stop
    from gcore_invoices._window import Key
    from gcore_invoices.query import InvoiceQuery


_NONE: Iterator[Invoice] = iter(())


class _Pager:
    """What both pagers share: the query, what a page of it is, and what a walk has come to."""

    def __init__(
        self, query: InvoiceQuery, limits: _walk.Limits, session: Session, run: Callable[..., Any]
    ) -> None:
        _walk.check(query, limits)
        self.query = query
        """What is listed."""
        self.report = WalkReport()
        """What the walk that was begun last has seen and delivered so far."""
        self._limits = limits
        self._session = session
        self._run = run
        self._page: Page | None = None
        self._rows = _NONE
        """What is left of the page."""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The place the walk has reached: every invoice handed out is before it, the current one included.

        None before the first invoice, and where the order is not by `id`: such a walk cannot be resumed.
        """
        page = self._page
        if page is None or not _walk.is_by_id(self.query):
            return self._limits.resume
        index = len(page.invoices) - length_hint(self._rows) - 1
        return Checkpoint(self.query.fingerprint(), page.invoices[index].id, page.offset + index)

    def _hand_out(self, page: Page, rows: Iterator[Invoice] = _NONE) -> Iterator[Invoice]:
        self._page, self._rows = page, rows
        return rows

    def _ask(self, key: Key, limit: int, told: Callable[..., None] | None = None) -> Flow[Page]:
        order, offset = key
        operation = _operations.list_page(
            self.query, order, offset=offset, limit=limit, settings=self._session.settings
        )
        return call(operation, self._session, told=told)

    def _next_one(self) -> Self:
        """The first row of a resumed walk: it needs a seam, and so a walk."""
        return type(self)(self.query, evolve(self._limits, max_items=1), self._session, self._run)

    def _one_row(self) -> Flow[Page]:
        return self._ask((_walk.effective_order(self.query), self.query.offset), 1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.query}>"


class _Running:
    """A walk under way: what both drivers do around its steps."""

    def __init__(self, pager: _Pager) -> None:
        self._pager = pager
        self._hooks = pager._session.hooks  # noqa: SLF001 - the pager's other half
        self._walk = _walk.walk(pager.query, pager._limits)  # noqa: SLF001
        self._named = Walk(token_hex(8), pager.query)
        self._asked = 0
        self._error: PaginationError | None = None
        self._started = time.monotonic()
        self._tell(WalkReport())
        pager._page = None  # noqa: SLF001

    def step(self, answer: Page | None) -> _walk.Fetch | _walk.Deliver | None:
        """The walk's next step, or None at its end."""
        try:
            step = self._walk.send(answer)
        except StopIteration as end:
            self._tell(end.value)
            return None
        except PaginationError as error:
            self._tell(error.report)
            self._error, error.operation = error, "list"
            raise
        if isinstance(step, _walk.Deliver):
            self._tell(step.report)
            if self._hooks.page_received:
                self._hooks.page_received(walk=self._named, page=step.page)
        return step

    def ask(self, key: Key, limit: int, width: Width) -> Flow[Page]:
        """The call for one page, whether or not it will be read."""
        self._asked += 1
        return self._pager._ask(key, limit, width.told)  # noqa: SLF001

    def finish(self) -> None:
        """However it ended."""
        self._tell(evolve(self._report, requests=self._asked))
        if self._error:
            self._error.report = self._report
            self._error.attempts = self._asked
            self._error.elapsed = time.monotonic() - self._started
        if self._hooks.walk_finished:
            self._hooks.walk_finished(walk=self._named, report=self._report)

    def _tell(self, report: WalkReport) -> None:
        # Kept apart from the pager's, which is that of the walk told of last: there may be several.
        self._report = self._pager.report = report


class InvoicePager(_Pager, Iterable[Invoice]):
    """A list of invoices that is read as it is used. Made by `InvoicesClient.list`.

    Iterate over it for invoices, over `pages()` for pages; each iteration is a new walk from the start.
    Every method may raise what a call raises (`APIStatusError`, `APIConnectionError`,
    `APIResponseValidationError`), and a walk also `PaginationError`.
    """

    def __iter__(self) -> Generator[Invoice, None, None]:
        for page in self._pages():
            yield from self._hand_out(page, iter(page.invoices))

    def pages(self) -> Generator[Page, None, None]:
        """The pages, each with the rows that are new in it."""
        for page in self._pages():
            self._hand_out(page)
            yield page

    def _pages(self) -> Generator[Page, None, None]:
        running = _Running(self)
        width = Width(self._session.concurrency)

        def fetch(key: Key, limit: int, stop: Stop | None) -> Page:
            page: Page = self._run(running.ask(key, limit, width), stop)
            return page

        window = ThreadWindow(fetch, width)
        answer: Page | None = None
        try:
            while (step := running.step(answer)) is not None:
                answer = None
                if isinstance(step, _walk.Fetch):
                    answer = window.get(step)
                else:
                    yield step.page
        finally:
            try:
                window.close()
            finally:
                running.finish()

    def first(self) -> Invoice | None:
        """The first invoice, or none if nothing matches. One request; after `resume`, the next one."""
        if self._limits.resume is not None:
            return next(iter(self._next_one()), None)
        page: Page = self._run(self._one_row())
        return next(iter(page.invoices), None)

    def count(self) -> int:
        """How many invoices match, by the API's own count. One request of one row."""
        page: Page = self._run(self._one_row())
        return page.count


class AsyncInvoicePager(_Pager, AsyncIterable[Invoice]):
    """The same for `async for`. Made by `AsyncInvoicesClient.list`."""

    async def __aiter__(self) -> AsyncGenerator[Invoice, None]:
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for invoice in self._hand_out(page, iter(page.invoices)):
                    yield invoice

    async def pages(self) -> AsyncGenerator[Page, None]:
        """The pages, each with the rows that are new in it."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                self._hand_out(page)
                yield page

    async def _pages(self) -> AsyncGenerator[Page, None]:
        running = _Running(self)
        width = Width(self._session.concurrency)

        async def fetch(key: Key, limit: int) -> Page:
            page: Page = await self._run(running.ask(key, limit, width))
            return page

        window = TaskWindow(fetch, width)
        answer: Page | None = None
        try:
            while (step := running.step(answer)) is not None:
                answer = None
                if isinstance(step, _walk.Fetch):
                    answer = await window.get(step)
                else:
                    yield step.page
        finally:
            try:
                await window.close()
            finally:
                running.finish()

    async def first(self) -> Invoice | None:
        """The first invoice, or none if nothing matches. One request; after `resume`, the next one."""
        if self._limits.resume is not None:
            async with aclosing(aiter(self._next_one())) as invoices:
                return await anext(invoices, None)
        page: Page = await self._run(self._one_row())
        return next(iter(page.invoices), None)

    async def count(self) -> int:
        """How many invoices match, by the API's own count. One request of one row."""
        page: Page = await self._run(self._one_row())
        return page.count
