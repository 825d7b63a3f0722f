"""`export`: a list into a file, whole or not at all, in any format that a plugin brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import evolve
from typer import Argument, Option

from gcore_invoices import UsageError
from gcore_invoices.cli.options import Columns, Connection, Filters, Sort
from gcore_invoices.cli.progress import read
from gcore_invoices.cli.screen import note
from gcore_invoices.cli.text import printable

if TYPE_CHECKING:
    from gcore_invoices import InvoicesClient
    from gcore_invoices.export import Exporter

EXAMPLES = (
    "export invoices.csv",
    "export march.xlsx --period 2026-03",
    "export march.csv --period 2026-03 --excel --columns id,name,invoice_date,amount_total,currency",
    "export all.parquet --overwrite",
    "export all.jsonl --resume",
)


def export_invoices(  # long: each option is spelt out with its help
    *,
    target: Annotated[
        Path,
        Argument(
            metavar="FILE", help="The file to make; its ending is the format: csv, jsonl, parquet, xlsx."
        ),
    ],
    columns: Columns = None,
    excel: Annotated[
        bool, Option("--excel", help="CSV that Excel opens: semicolons and a byte-order mark.")
    ] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a file that is there.")] = False,
    resume: Annotated[bool, Option("--resume", help="Go on after a failure (csv, jsonl), or start.")] = False,
    filters: Filters,
    sort: Sort = None,
    connection: Connection,
) -> None:
    """Export invoices to a file.

    Its ending is the format: csv, jsonl, parquet, xlsx, and what plugins add. It appears when it is whole.
    """
    from gcore_invoices.export import check_columns, discard_kept, export, find_kept

    names = None if columns is None else check_columns(part.strip() for part in columns.split(","))
    query = filters.query(sort)
    with connection.client() as client:
        exporter = _exporter(client, target, excel=excel)
        before = find_kept(target)
        kept = before if resume else None
        pager = client.list(query, resume=kept.place if kept else None)
        walk = read(pager, "Exporting invoices", wanted=not connection.quiet)
        try:
            rows = export(
                walk,
                target,
                exporter,
                columns=names,
                overwrite=overwrite,
                place=lambda: pager.checkpoint,
                resume=kept,
            )
        except Exception as error:
            if find_kept(target) and not isinstance(error, UsageError):
                words = "What was read is kept: the same command with --resume goes on from there."
                note(words, quiet=connection.quiet)
            raise
        except BaseException:  # a person ended it, and gets nothing that was not asked for
            if not resume and find_kept(target) != before:
                discard_kept(target)
            raise
    note(f"{rows} invoices in {printable(str(target))}", quiet=connection.quiet)
    moved = pager.report.inserted or pager.report.removed
    if moved:
        note(
            "The list changed while it was read; nothing is missing that was there all the time.",
            quiet=connection.quiet,
        )


def _exporter(client: InvoicesClient, target: Path, *, excel: bool) -> Exporter:
    from gcore_invoices.export import Csv, exporter_for, exporters

    exporter = exporter_for(target, exporters(client))
    if not excel:
        return exporter
    if not isinstance(exporter, Csv):
        raise UsageError(f"--excel is for CSV, not for {target.suffix or target.name}.")
    return evolve(exporter, excel=True)
