"""A progress bar on standard error, for people who wait."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING, Protocol

from gcore_invoices.cli.screen import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from gcore_invoices import Invoice, InvoicePager

PATIENCE = 1.0
"""Seconds that pass without a bar."""

_OFTEN = 20


class Told(Protocol):
    """Takes what is done by now, and how much there is in all, if that is known."""

    def __call__(self, done: int, total: int | None) -> None:
        """Show it."""


@contextmanager
def progress(label: str, *, wanted: bool) -> Iterator[Told]:
    """Show a bar once the block takes more than a second; none where nobody looks.

    Args:
        label: What is done.
        wanted: Whether to show it at all; also not where standard error is no terminal.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005 - the protocol's names
        return
    bar = _Bar(label)
    timer = Timer(PATIENCE, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar
    finally:
        timer.cancel()
        bar.hide()


class _Bar:
    def __init__(self, label: str) -> None:
        self._label = label
        self._lock = Lock()
        self._done = 0
        self._total: int | None = None
        self._shown: tuple[Progress, TaskID] | None = None
        self._over = False
        self._begun = time.monotonic()

    def _rate(self) -> str:
        return f"{self._done / max(time.monotonic() - self._begun, PATIENCE):,.0f}/s"

    def __call__(self, done: int, total: int | None) -> None:
        with self._lock:
            self._done, self._total = done, total
            if self._shown:
                bar, task = self._shown
                bar.update(task, completed=done, total=total, rate=self._rate())

    def show(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._over:
                return
            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                console=console(sys.stderr),
                transient=True,
            )
            task = bar.add_task(self._label, total=self._total, completed=self._done, rate=self._rate())
            self._shown = (bar, task)
            bar.start()

    def hide(self) -> None:
        with self._lock:
            self._over = True
            if self._shown:
                self._shown[0].stop()


def read(pager: InvoicePager, label: str, *, wanted: bool) -> Iterator[Invoice]:
    """The invoices of a list, with a bar beside."""
    with progress(label, wanted=wanted) as told:
        for number, invoice in enumerate(pager, start=1):
            yield invoice
            if number % _OFTEN == 0:
                told(number, pager.report.first_count)
