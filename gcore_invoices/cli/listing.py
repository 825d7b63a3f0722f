"""`list`: invoices as a table, JSON, JSON lines or CSV."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

from typer import Option

from gcore_invoices.cli.options import Columns, Connection, Filters, Sort
from gcore_invoices.cli.progress import read
from gcore_invoices.cli.text import choice, day

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcore_invoices import Invoice

FORMATS = ("table", "json", "jsonl", "csv")
EXAMPLES = (
    "list --unpaid --since 2026-01 --sort -amount_total,id",
    "list --period 2026-03 --client-id 20841",
    "list --limit 5 --columns id,name,amount_total --format csv",
    "list --state partial --format jsonl | jq .name",
)


def list_invoices(
    *,
    filters: Filters,
    sort: Sort = None,
    limit: Annotated[int | None, Option(metavar="N", help="At most so many invoices.")] = None,
    format_: Annotated[
        str | None,
        Option(
            "--format",
            metavar="FORMAT",
            help=f"{', '.join(FORMATS)}; a table on a terminal, else jsonl.",
            autocompletion=lambda: list(FORMATS),
        ),
    ] = None,
    columns: Columns = None,
    as_of: Annotated[
        str | None, Option(metavar="DATE", help="The day on which a table marks what is overdue; today.")
    ] = None,
    connection: Connection,
) -> None:
    """List invoices."""
    from gcore_invoices.export import Csv, Jsonl, check_columns, stream

    on_terminal = sys.stdout.isatty()
    kind = choice("format", ("table" if on_terminal else "jsonl") if format_ is None else format_, FORMATS)
    chosen = None if columns is None else check_columns(part.strip() for part in columns.split(","))
    date = day(as_of, "--as-of")
    with connection.client() as client:
        pager = client.list(filters.query(sort), max_items=limit)
        # A bar and rows cannot share a terminal; a table comes at the end.
        wanted = not connection.quiet and (kind == "table" or not on_terminal)
        walk = read(pager, "Reading invoices", wanted=wanted)
        if kind == "table":
            from gcore_invoices.cli.table import show

            show(list(walk), chosen, date)
        elif kind == "json":
            _write_json(walk, chosen)
        else:
            stream(walk, sys.stdout.buffer, Csv() if kind == "csv" else Jsonl(), columns=chosen)


def _write_json(invoices: Iterable[Invoice], columns: Sequence[str] | None) -> None:
    divider = "["
    for invoice in invoices:
        sys.stdout.write(f"{divider}\n  {json.dumps(record(invoice, columns), ensure_ascii=False)}")
        divider = ","
    sys.stdout.write("\n]\n" if divider == "," else "[]\n")


def record(invoice: Invoice, columns: Sequence[str] | None = None) -> dict[str, object]:
    """An invoice as JSON has it, whole or some columns of it."""
    wire = invoice.to_dict()
    return wire if columns is None else {name: wire.get(name) for name in columns}
