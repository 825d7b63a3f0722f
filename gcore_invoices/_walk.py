"""One walk over the pages of a list, as a generator: offsets out, pages in, new rows out. No I/O.

Pages overlap by one row: the first row of a page must be the last one of the page before, or rows have
appeared or vanished in between, and a row may have been passed over. Then the walk says so. It never ends
short without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, frozen

from gcore_invoices.errors import PaginationError
from gcore_invoices.events import WalkReport
from gcore_invoices.ordering import Order, SortKey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from gcore_invoices.models import Invoice, Page
    from gcore_invoices.query import InvoiceQuery


@frozen
class Fetch:
    """Ask for a page. Answered with the `Page`."""

    order: Order
    offset: int
    limit: int


@frozen
class Deliver:
    """Hand out the rows of a page that are new. Answered with nothing."""

    page: Page
    report: WalkReport


Walk: TypeAlias = "Generator[Fetch | Deliver, Page | None, WalkReport]"


def effective_order(query: InvoiceQuery) -> Order:
    """The query's order, made total by `id`: without it, rows with equal keys could swap between pages."""
    if any(term.key is SortKey.ID for term in query.order_by):
        return query.order_by
    return Order((*query.order_by, SortKey.ID.asc()))


def walk(query: InvoiceQuery) -> Walk:
    """Walk over all that matches the query; the result is the final report.

    Raises:
        PaginationError: The list changed between two pages so that a row may have been missed, or the
            rows do not add up to the count.
    """
    order = effective_order(query)
    limit = max(query.page_size, 2)  # one row of a page is the seam
    report = WalkReport()
    last: Invoice | None = None
    offset = query.offset
    while True:
        page = yield Fetch(order, offset, limit)
        assert page is not None  # noqa: S101 - Fetch is answered with a page
        report = _seen(report, page)
        rows = page.invoices
        if last is not None:
            if not rows or rows[0].id != last.id:
                raise PaginationError(
                    f"The list changed while it was read: after {report.delivered} invoices the next page "
                    "does not join on to the last one, so an invoice may have been missed. Start again.",
                    report=report,
                )
            rows = rows[1:]
        if rows:
            last = rows[-1]
            report = evolve(report, pages=report.pages + 1, delivered=report.delivered + len(rows))
            yield Deliver(_with_rows(page, rows), report)
        expected = max(page.count - query.offset, 0)
        if report.delivered == expected and not page.has_next:
            return evolve(report, complete=True)
        if not rows:
            if report.delivered == expected:
                return evolve(report, complete=True)
            raise PaginationError(
                f"The API counts {expected} invoices, but {report.delivered} could be read: "
                "the list changed while it was read, or the API did not show all of it. Start again.",
                report=report,
            )
        offset = query.offset + report.delivered - 1


def _seen(report: WalkReport, page: Page) -> WalkReport:
    return evolve(
        report,
        requests=report.requests + 1,
        first_count=page.count if report.first_count is None else report.first_count,
        last_count=page.count,
        unknown_values=report.unknown_values | _unknown_values(page.invoices),
    )


def _unknown_values(invoices: Iterable[Invoice]) -> frozenset[str]:
    return frozenset(
        f"{name}={value}"
        for invoice in invoices
        for name, value in (("payment_state", invoice.payment_state), ("move_type", invoice.move_type))
        if not value.is_known
    )


def _with_rows(page: Page, rows: tuple[Invoice, ...]) -> Page:
    from msgspec.structs import replace  # noqa: PLC0415

    overlap = len(page.invoices) - len(rows)
    return replace(page, invoices=rows, offset=page.offset + overlap)
