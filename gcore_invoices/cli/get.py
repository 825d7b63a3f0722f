"""`get`: one invoice."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from gcore_invoices.cli.listing import record
from gcore_invoices.cli.options import Connection
from gcore_invoices.cli.text import choice, printable

if TYPE_CHECKING:
    from gcore_invoices import Invoice

FORMATS = ("table", "json")
EXAMPLES = ("get 90002", "get 90002 --format json | jq -r .amount_total")


def get_invoice(
    *,
    invoice_id: Annotated[int, Argument(metavar="ID", help="The invoice's id, not its number.")],
    format_: Annotated[
        str | None,
        Option("--format", metavar="FORMAT", help="table or json; a table on a terminal, else json."),
    ] = None,
    connection: Connection,
) -> None:
    """Show one invoice."""
    kind = choice(
        "format", ("table" if sys.stdout.isatty() else "json") if format_ is None else format_, FORMATS
    )
    with connection.client() as client:
        invoice = client.get(invoice_id)
    if kind == "json":
        sys.stdout.write(f"{json.dumps(record(invoice), ensure_ascii=False, indent=2)}\n")
    else:
        _show(invoice)


def _show(invoice: Invoice) -> None:
    from gcore_invoices.cli.screen import console

    screen = console()
    wire = record(invoice)
    width = max(map(len, wire))
    for name, value in wire.items():
        screen.print(f"{name:<{width}}  {'-' if value is None else printable(str(value))}")
