"""`pdf`: documents into a folder, many at once, each whole or not at all."""

from __future__ import annotations

import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import define, field
from typer import Argument, Option

from gcore_invoices import InvoicesError, UsageError
from gcore_invoices.cli.explain import ACCESS, explain, sentence
from gcore_invoices.cli.manifest import Manifest, is_whole
from gcore_invoices.cli.options import Connection, Filters
from gcore_invoices.cli.progress import progress
from gcore_invoices.cli.screen import note
from gcore_invoices.cli.template import Template
from gcore_invoices.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gcore_invoices import Invoice, InvoicesClient
    from gcore_invoices.cli.progress import Told

EXAMPLES = (
    "pdf 90001 90004",
    "pdf --all --period 2026-03 --into march",
    "pdf --all --unpaid --name '{invoice_date:%Y-%m}/{client_id}/{name}.pdf'",
)


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

    Run again, it goes on: what is there and whole is passed over.
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
                run.each(
                    (_getter(client, each) for each in unique),
                    connection.concurrency,
                    told,
                    lambda: len(unique),
                )
            else:
                pager = client.list(query)
                run.each(map(_held, pager), connection.concurrency, told, lambda: pager.report.first_count)
    for what, error in run.failures:
        sys.stderr.write(f"{what}: {printable(sentence(error))}\n")
    note(
        f"{run.loaded} downloaded, {run.skipped} already there, {len(run.failures)} failed; "
        f"{printable(str(manifest.path))} lists what is there.",
        quiet=connection.quiet and not run.failures,
    )
    return _code(run.failures[0][1]) if run.failures else 0


Task = tuple[str, "Callable[[], Invoice]"]
"""What to call it when it fails, and how to come by it."""


def _getter(client: InvoicesClient, invoice_id: int) -> Task:
    return f"id {invoice_id}", lambda: client.get(invoice_id)


def _held(invoice: Invoice) -> Task:
    return f"{printable(invoice.name)} (id {invoice.id})", lambda: invoice


def _code(error: Exception) -> int:
    told = explain(error)
    return told.code if told else 4


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

    def each(self, tasks: Iterable[Task], workers: int, told: Told, total: Callable[[], int | None]) -> None:
        """Do each; what fails is kept, unless all the rest would fail too."""
        pool = ThreadPoolExecutor(workers)
        try:
            for done, (what, future) in enumerate(
                _as_done(pool, self._one, tasks, window=2 * workers), start=1
            ):
                self._settle(what, future)
                told(done, total())
        except BaseException:
            self._client.close()  # ends what is under way, so that nobody waits for it
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _settle(self, what: str, future: Future[Path | None]) -> None:
        try:
            path = future.result()
        except (InvoicesError, OSError) as error:
            if _code(error) == ACCESS:
                raise
            self.failures.append((what, error))
            return
        if path is None:
            self.skipped += 1
            return
        self.loaded += 1
        if not sys.stdout.isatty():  # a program wants the names, a person watches the bar
            sys.stdout.write(f"{path}\n")

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


def _as_done(
    pool: ThreadPoolExecutor, work: Callable[..., Path | None], tasks: Iterable[Task], *, window: int
) -> Iterator[tuple[str, Future[Path | None]]]:
    pending: dict[Future[Path | None], str] = {}
    for what, get in tasks:
        pending[pool.submit(work, get)] = what
        if len(pending) >= window:
            yield from _first(pending)
    while pending:
        yield from _first(pending)


def _first(pending: dict[Future[Path | None], str]) -> Iterator[tuple[str, Future[Path | None]]]:
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        yield pending.pop(future), future
