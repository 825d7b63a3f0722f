"""Lists of invoices, read page by page as they are used. Two thin drivers over the walk of `_walk.py`."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from gcore_invoices import _operations, _walk
from gcore_invoices._flow import Flow, call
from gcore_invoices.errors import PaginationError
from gcore_invoices.events import Walk, WalkReport
from gcore_invoices.models import Invoice, Page

if TYPE_CHECKING:
    from gcore_invoices._flow import Session
    from gcore_invoices.plugins.manager import Hooks
    from gcore_invoices.query import InvoiceQuery


class _Running:
    """A walk under way: what both drivers do around its steps."""

    def __init__(self, pager: _Pager, hooks: Hooks) -> None:
        self._pager = pager
        self._hooks = hooks
        self._walk = _walk.walk(pager.query)
        self._seen = Walk(token_hex(8), pager.query)
        pager.report = WalkReport()

    def step(self, answer: Page | None) -> _walk.Fetch | _walk.Deliver | None:
        """The walk's next step, or None at its end."""
        try:
            step = self._walk.send(answer)
        except StopIteration as end:
            self._pager.report = end.value
            return None
        except PaginationError as error:
            self._pager.report = error.report
            raise
        if isinstance(step, _walk.Deliver):
            self._pager.report = step.report
            if self._hooks.page_received:
                self._hooks.page_received(walk=self._seen, page=step.page)
        return step

    def finish(self) -> None:
        """However it ended."""
        if self._hooks.walk_finished:
            self._hooks.walk_finished(walk=self._seen, report=self._pager.report)


class _Pager:
    """What both pagers share: the query, and what a page of it is."""

    def __init__(self, query: InvoiceQuery, session: Session, run: Callable[[Flow[Any]], Any]) -> None:
        self.query = query
        """What is listed."""
        self.report = WalkReport()
        """What the walk that was begun last has seen and delivered so far."""
        self._session = session
        self._run = run

    def _begin(self) -> _Running:
        return _Running(self, self._session.hooks)

    def _page(self, fetch: _walk.Fetch) -> Flow[Page]:
        operation = _operations.list_page(
            self.query,
            fetch.order,
            offset=fetch.offset,
            limit=fetch.limit,
            settings=self._session.settings,
        )
        return call(operation, self._session)

    def _one_row(self) -> Flow[Page]:
        return self._page(_walk.Fetch(_walk.effective_order(self.query), self.query.offset, 1))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.query}>"


class InvoicePager(_Pager, Iterable[Invoice]):
    """A list of invoices that is read as it is used. Made by `InvoicesClient.list`.

    Iterate over it for invoices, over `pages()` for pages; each iteration is a new walk from the start.
    Every method may raise what a call raises (`APIStatusError`, `APIConnectionError`,
    `APIResponseValidationError`), and a walk also `PaginationError`.
    """

    def __iter__(self) -> Iterator[Invoice]:
        for page in self.pages():
            yield from page.invoices

    def pages(self) -> Iterator[Page]:
        """The pages, each with the rows that are new in it."""
        walk = self._begin()
        answer: Page | None = None
        try:
            while (step := walk.step(answer)) is not None:
                answer = None
                if isinstance(step, _walk.Fetch):
                    answer = self._run(self._page(step))
                else:
                    yield step.page
        finally:
            walk.finish()

    def first(self) -> Invoice | None:
        """The first invoice, or none if nothing matches. One request."""
        page: Page = self._run(self._one_row())
        return next(iter(page.invoices), None)

    def count(self) -> int:
        """How many invoices match, by the API's own count. One request of one row."""
        page: Page = self._run(self._one_row())
        return page.count


class AsyncInvoicePager(_Pager, AsyncIterable[Invoice]):
    """The same for `async for`. Made by `AsyncInvoicesClient.list`."""

    _run: Callable[[Flow[Any]], Awaitable[Any]]

    async def __aiter__(self) -> AsyncIterator[Invoice]:
        async for page in self.pages():
            for invoice in page.invoices:
                yield invoice

    async def pages(self) -> AsyncIterator[Page]:
        """The pages, each with the rows that are new in it."""
        walk = self._begin()
        answer: Page | None = None
        try:
            while (step := walk.step(answer)) is not None:
                answer = None
                if isinstance(step, _walk.Fetch):
                    answer = await self._run(self._page(step))
                else:
                    yield step.page
        finally:
            walk.finish()

    async def first(self) -> Invoice | None:
        """The first invoice, or none if nothing matches. One request."""
        page: Page = await self._run(self._one_row())
        return next(iter(page.invoices), None)

    async def count(self) -> int:
        """How many invoices match, by the API's own count. One request of one row."""
        page: Page = await self._run(self._one_row())
        return page.count
