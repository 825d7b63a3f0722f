"""Tells a chat of invoices that have become overdue: a plugin for gcore-invoices with one hook.

`page_received` picks what is overdue and hands it to a thread, which posts it to a webhook. So no call ever
waits for the chat, and a chat that is down costs nothing but a line in the log.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
import urllib.request
import weakref
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.error import HTTPError
from urllib.parse import urlsplit

from gcore_invoices import MoveType, PaymentState, UsageError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gcore_invoices import Invoice, Page

__all__ = ["OverdueAlert"]

WEBHOOK = "GCORE_INVOICES_ALERT_WEBHOOK"
STATE = "GCORE_INVOICES_ALERT_STATE"

_log = logging.getLogger("gcore_invoices_alert")

_OPEN = frozenset({PaymentState.NOT_PAID, PaymentState.PARTIAL})
_SHOWN = 20  # lines of one message
_WAITING = 100  # messages that wait for the thread
_REMEMBERED = 20_000  # ids
_PATIENCE = 10.0  # seconds for one post, and for the rest of the queue at the end


class OverdueAlert:
    """Posts each overdue invoice to a webhook, once.

    Overdue is an invoice whose due date has passed and which is not paid, or paid in part. Refunds never
    are. What was told of is remembered in a small file; what could not be told of is told of the next time
    it is listed.

    Args:
        webhook: Where to post, as `{"text": "…"}`; `GCORE_INVOICES_ALERT_WEBHOOK` if none is given. Whoever
            knows such an address can post to it, so it is shown nowhere.
        state: The file of what was told of; `GCORE_INVOICES_ALERT_STATE`, or else
            `~/.local/state/gcore-invoices-alert.json`. One account, one file, one process.
        today: The day to compare due dates with, by default the day in UTC.

    Raises:
        UsageError: There is no webhook, or it is no http or https address.
    """

    name = "overdue-alert"

    def __init__(
        self,
        webhook: str | None = None,
        *,
        state: str | os.PathLike[str] | None = None,
        today: Callable[[], date] | None = None,
    ) -> None:
        given = webhook or os.environ.get(WEBHOOK)
        if not given:
            raise UsageError(
                f"No webhook to post to: set the environment variable {WEBHOOK}, or pass webhook=."
            )
        if not _is_web(given):
            raise UsageError("The webhook is no http:// or https:// address.")
        path = (
            state or os.environ.get(STATE) or Path.home() / ".local" / "state" / "gcore-invoices-alert.json"
        )
        self._today = today or (lambda: datetime.now(UTC).date())
        self._told = _Told.of(Path(path))
        self._poster = _Poster(given, self._told)
        # Without a close(), what waits is still posted when the plugin goes or Python ends.
        self._finalizer = weakref.finalize(self, self._poster.close, _PATIENCE)

    @hookimpl
    def page_received(self, page: Page) -> None:
        """Hand what is newly overdue to the thread that posts."""
        today = self._today()
        overdue = [invoice for invoice in page.invoices if _is_overdue(invoice, today)]
        new = self._told.claim(invoice.id for invoice in overdue)
        fresh = [invoice for invoice in overdue if invoice.id in new]
        if fresh:
            self._poster.put(_message(fresh, today), new)

    def flush(self, timeout: float = _PATIENCE) -> bool:
        """Wait until everything has been posted, or could not be; False if that takes too long."""
        return self._poster.flush(timeout)

    def close(self, timeout: float = _PATIENCE) -> None:
        """Post what waits, and end the thread. Later pages are not told of. Closing twice does no harm."""
        self._finalizer.detach()
        self._poster.close(timeout)

    def __repr__(self) -> str:
        return "<OverdueAlert>"


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:  # its words quote the address
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_overdue(invoice: Invoice, today: date) -> bool:
    return (
        invoice.move_type is MoveType.OUT_INVOICE
        and invoice.payment_state in _OPEN
        and invoice.invoice_date_due is not None
        and invoice.invoice_date_due < today
    )


def _message(invoices: Sequence[Invoice], today: date) -> str:
    """What the chat shows. Amounts are exact; two currencies are never added."""
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for invoice in invoices:
        totals[invoice.currency] += invoice.amount_total
    count = "1 invoice is" if len(invoices) == 1 else f"{len(invoices)} invoices are"
    amounts = ", ".join(_money(totals[currency], currency) for currency in sorted(totals))
    partly = any(invoice.payment_state is PaymentState.PARTIAL for invoice in invoices)
    lines = [f"{count} overdue: {'up to ' if partly else ''}{amounts}"]
    lines += [_line(invoice, today) for invoice in invoices[:_SHOWN]]
    if len(invoices) > _SHOWN:
        lines.append(f"… and {len(invoices) - _SHOWN} more")
    return "\n".join(lines)


def _line(invoice: Invoice, today: date) -> str:
    due = invoice.invoice_date_due or today
    days = (today - due).days
    late = "1 day" if days == 1 else f"{days} days"
    # The API does not say how much of a part-paid invoice is left.
    partly = ", part-paid" if invoice.payment_state is PaymentState.PARTIAL else ""
    money = _money(invoice.amount_total, invoice.currency)
    return f"• {_plain(invoice.name)} (id {invoice.id}): {money}{partly}, due {due}, {late} ago"


def _money(amount: Decimal, currency: str) -> str:
    whole = amount.normalize() if amount else Decimal(0)
    exponent = whole.as_tuple().exponent
    # Cents as usual, more places only where they are used: nothing is rounded away.
    places = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"{whole:,.{places}f} {_plain(currency)}"


def _plain(text: str) -> str:
    """Without the three characters that are markup to Slack and its like, and on one line."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


class _Told:
    """The ids that were told of, in a file; and those that are being told of right now."""

    _known: ClassVar[weakref.WeakValueDictionary[Path, _Told]] = weakref.WeakValueDictionary()
    _knowing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._under_way: set[int] = set()
        self._ids: dict[int, None] = dict.fromkeys(self._read())  # a dictionary keeps the order

    @classmethod
    def of(cls, path: Path) -> _Told:
        """That of a file: the plugin is made anew for each client, and the clients share it."""
        path = path.absolute()
        with cls._knowing:
            told = cls._known.get(path)
            if told is None:
                told = cls._known[path] = cls(path)
            return told

    def claim(self, ids: Iterable[int]) -> frozenset[int]:
        """Those that nobody was told of, and that nobody else is about to tell of."""
        with self._lock:
            new = frozenset(ids) - self._ids.keys() - self._under_way
            self._under_way |= new
            return new

    def done(self, ids: frozenset[int], *, told: bool) -> None:
        """Remember them, or make them new again."""
        with self._lock:
            self._under_way -= ids
            if not told:
                return
            self._ids |= dict.fromkeys(sorted(ids))
            for oldest in list(self._ids)[: max(len(self._ids) - _REMEMBERED, 0)]:
                del self._ids[oldest]
        with self._writing:  # not the lock of `claim`: no page waits for the disk
            self._write()

    def _read(self) -> list[int]:
        try:
            ids = json.loads(self._path.read_text(encoding="utf-8"))["told"]
            return [number for number in ids if isinstance(number, int)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s cannot be read (%s); overdue invoices are told of anew.", self._path, error)
            return []

    def _write(self) -> None:
        """Write the file whole or not at all."""
        part = self._path.with_name(f"{self._path.name}.part")
        with self._lock:
            ids = list(self._ids)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"told": ids}), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            _log.warning("%s cannot be written (%s); a restart tells of invoices again.", self._path, error)


class _Poster:
    """A thread that posts. It starts with the first message and knows nothing of the plugin."""

    def __init__(self, webhook: str, told: _Told) -> None:
        self._webhook = webhook
        self._told = told
        self._waiting: queue.Queue[tuple[str, frozenset[int]] | None] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, text: str, ids: frozenset[int]) -> None:
        """Hand over a message. It is dropped, and told of another time, if too many wait."""
        with self._lock:
            if self._closed or self._waiting.full():  # only this method puts, and under the lock
                self._told.done(ids, told=False)
                _log.warning("%d overdue invoices are told of another time: too much waits.", len(ids))
                return
            self._waiting.put_nowait((text, ids))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="overdue-alert", daemon=True)
                self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Wait for the queue to be empty and the last post to be over."""
        with self._waiting.all_tasks_done:
            return self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, timeout)

    def close(self, timeout: float) -> None:
        """Post what waits, within so many seconds, and end the thread."""
        with self._lock:
            closed, self._closed = self._closed, True
            thread = self._thread
        if closed or thread is None:
            return
        until = time.monotonic() + timeout
        if self.flush(timeout):
            self._waiting.put_nowait(None)
            thread.join(max(until - time.monotonic(), 0.1))
        # Else it is a daemon: it ends with the process.

    def _work(self) -> None:
        while (message := self._waiting.get()) is not None:
            text, ids = message
            told = False
            try:
                told = self._post(text)
            finally:
                self._told.done(ids, told=told)
                self._waiting.task_done()
        self._waiting.task_done()

    def _post(self, text: str) -> bool:
        # Built here and not by httpx, which logs the address of every request.
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._webhook, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=_PATIENCE):
                return True
        except HTTPError as error:
            error.close()
            _log.warning(
                "The webhook answered %d; it is tried again when the invoices are listed.", error.code
            )
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever a network can do
            # Not its text, which may hold the address.
            _log.warning("The webhook cannot be reached (%s).", type(error).__name__)
        return False


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its message, and count as told."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the redirect an error."""


_OPENER = urllib.request.build_opener(_NoRedirects)
