"""`pdf`: documents into a folder, many at once, each whole or not at all."""

from __future__ import annotations

import errno
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import define, field
from typer import Argument, Option

from gcore_invoices import InvoicesError, UsageError
from gcore_invoices.cli.explain import ACCESS, GaveUpError, explain, sentence
from gcore_invoices.cli.manifest import Manifest, is_whole
from gcore_invoices.cli.options import Connection, Filters
from gcore_invoices.cli.progress import progress
from gcore_invoices.cli.screen import note
from gcore_invoices.cli.template import Template
from gcore_invoices.cli.text import printable, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcore_invoices import Invoice, InvoicesClient
    from gcore_invoices.cli.progress import Told

EXAMPLES = (
    "pdf 90002 90005",
    "pdf --all --period 2026-03 --into march",
    "pdf --all --unpaid --name '{invoice_date:%Y-%m}/{client_id}/{name}.pdf'",
)

_GIVE_UP_AFTER = 10
"""Documents in a row, of those that were tried, that fail in one way: the next will, too."""

# No other document fits on the disk either.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def download_pdfs(
    *,
    ids: Annotated[list[int] | None, Argument(metavar="ID", help="Ids of invoices; or else --all.")] = None,
    every: Annotated[bool, Option("--all", help="All invoices, or those that the filters leave.")] = False,
    into: Annotated[Path, Option(metavar="FOLDER", help="The folder; made if it is missing.")] = Path(
        "invoices"
    ),
    name: Annotated[
        str,
        Option(metavar="TEMPLATE", help="How files are named, of the fields of the API; / makes folders."),
    ] = "{name}.pdf",
    overwrite: Annotated[bool, Option("--overwrite", help="Download again what is there.")] = False,
    filters: Filters,
    connection: Connection,
) -> int:
    """Download PDFs into a folder.

    Run again, it goes on: what is there and whole is passed over. It gives up when one document after
    the other fails in the same way.
    manifest.jsonl in the folder has a line for each file: id, number, file, sha256, bytes.
    """
    if bool(ids) == every:
        raise UsageError("Name the ids of the invoices, or give --all: one of the two.")
    if ids and filters != Filters():
        raise UsageError("Filters go with --all: leave them away, or the ids.")
    template = Template(name)
    query = filters.query()
    with connection.client() as client, Manifest(into) as manifest:
        run = _Run(client, manifest, template, overwrite=overwrite)
        with progress("Downloading PDFs", wanted=not connection.quiet) as told:
            if ids:
                unique = list(dict.fromkeys(ids))
                tasks: Iterable[Task] = (_getter(client, each) for each in unique)
                total: Callable[[], int | None] = unique.__len__
            else:
                pager = client.list(query)
                tasks, total = map(_held, pager), lambda: pager.report.first_count
            run.each(tasks, connection.concurrency, told, total)
    for what, error in run.failures:
        tell(f"{what}: {printable(sentence(error))}")
    note(run.counts(total()) + manifest.told(), quiet=connection.quiet and not run.failures)
    if run.ended is not None:
        raise run.ended
    return explain(run.failures[0][1]).code if run.failures else 0


Task = tuple[str, "Callable[[], Invoice]"]
"""What to call it when it fails, and how to come by it."""


def _getter(client: InvoicesClient, invoice_id: int) -> Task:
    return f"id {invoice_id}", lambda: client.get(invoice_id)


def _held(invoice: Invoice) -> Task:
    return f"{printable(invoice.name)} (id {invoice.id})", lambda: invoice


@define
class _Run:
    """One run: at most a window of downloads under way, however long the list is."""

    _client: InvoicesClient
    _manifest: Manifest
    _template: Template
    _overwrite: bool = field(kw_only=True)
    loaded: int = 0
    skipped: int = 0
    failures: list[tuple[str, Exception]] = field(factory=list)
    ended: Exception | None = None
    _pending: dict[Future[Path | None], str] = field(factory=dict)
    _in_a_row: list[Exception] = field(factory=list)

    @property
    def done(self) -> int:
        """How many were tried, or are there."""
        return self.loaded + self.skipped + len(self.failures)

    def counts(self, total: int | None) -> str:
        """What came of it, as a sentence without its end."""
        told = f"{self.loaded} downloaded, {self.skipped} already there, {len(self.failures)} failed"
        if self.ended is not None:
            told += ", the rest not tried" if total is None else f", {max(total - self.done, 0)} not tried"
        return told

    def each(self, tasks: Iterable[Task], workers: int, told: Told, total: Callable[[], int | None]) -> None:
        """Do each; what fails is kept. `ended` is why, if it ends early: the list broke off, or all fail."""
        pool = ThreadPoolExecutor(workers)
        broken_off = None
        try:
            try:
                for what, get in tasks:
                    self._pending[pool.submit(self._one, get)] = what
                    if len(self._pending) >= 2 * workers:
                        self._settle_some()
                        told(self.done, total())
                    if self.ended is not None:
                        break
            except InvoicesError as error:
                broken_off = error
            while self._pending:  # what the list gave before may well work
                self._settle_some()
                told(self.done, total())
            self.ended = self.ended or broken_off
        except BaseException:
            self._client.close()  # ends what is under way, so that nobody waits for it
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _settle_some(self) -> None:
        for future in wait(self._pending, return_when=FIRST_COMPLETED).done:
            self._settle(self._pending.pop(future), future)
        if self.ended is not None:
            for future in [each for each in self._pending if each.cancel()]:
                del self._pending[future]

    def _settle(self, what: str, future: Future[Path | None]) -> None:
        try:
            path = future.result()
        except (InvoicesError, OSError) as error:
            self.failures.append((what, error))
            self._judge(error)
            return
        if path is None:
            self.skipped += 1
            return
        self._in_a_row.clear()
        self.loaded += 1
        if not sys.stdout.isatty():  # a program wants the names, a person watches the bar
            sys.stdout.write(f"{path}\n")

    def _judge(self, error: Exception) -> None:
        """Whether to give up: for what nothing will mend at once, else when it happens again and again."""
        if self.ended is not None:
            return
        if explain(error).code == ACCESS or (isinstance(error, OSError) and error.errno in _FULL):
            self.ended = error
            return
        if self._in_a_row and _kind(self._in_a_row[0]) != _kind(error):
            self._in_a_row.clear()
        if isinstance(error, UsageError):  # it came; its name is taken
            return
        self._in_a_row.append(error)
        if len(self._in_a_row) == _GIVE_UP_AFTER:
            self.ended = GaveUpError(
                f"Gave up, because {_GIVE_UP_AFTER} documents in a row failed in the same way"
            )
            self.ended.__cause__ = error

    def _one(self, get: Callable[[], Invoice]) -> Path | None:
        """Download one; none if it is there already."""
        invoice = get()
        known = self._manifest.find(invoice.id)
        if known and not self._overwrite and is_whole(self._manifest.folder / known.file, known):
            return None
        path = self._manifest.claim(invoice, self._template.path(invoice))
        self._client.download(invoice.id, self._manifest.unfinished(invoice), overwrite=True)
        # What the manifest names is ours: it is broken, or else it would have been passed over.
        is_ours = known is not None and self._manifest.folder / known.file == path
        self._manifest.put(invoice, path, replace=self._overwrite or is_ours)
        return path


def _kind(error: Exception) -> tuple[object, ...]:
    """What two failures have in common that fail in the same way."""
    return type(error), getattr(error, "status_code", None), getattr(error, "errno", None)
