"""The main job on one screen, against the sandbox: no key, no account, no network.

Run it with `make demo`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from gcore_invoices import InvoicesClient, InvoicesError, MoveType, PaymentState, SortKey
from gcore_invoices.sandbox import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcore_invoices import Invoice

SHOWN = 12


def main() -> None:
    """Start the sandbox, do the job, stop the sandbox; also on Ctrl-C."""
    with SandboxServer() as sandbox:
        print(f"The sandbox answers at {sandbox.url}\n")
        with InvoicesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
            unpaid = client.list(
                payment_state=PaymentState.NOT_PAID,
                invoice_date_from=date(2026, 1, 1),
                order_by=[SortKey.AMOUNT_TOTAL.desc(), SortKey.ID.asc()],
            )
            invoices = list(unpaid)
            print_table(invoices)
            print(f"\n{unpaid.report.delivered} unpaid in {unpaid.report.requests} request(s). Open in all:")
            for currency, total in sorted(totals(invoices).items()):
                print(f"  {currency} {total:>16,.2f}")
            if invoices:
                path = client.download(invoices[0].id, "demo/", overwrite=True)
                print(f"\nThe largest as a PDF: {path} ({path.stat().st_size} bytes)")
    print("The sandbox has stopped.")


def print_table(invoices: list[Invoice]) -> None:
    """The first rows as a table."""
    print(f"{'number':<16} {'dated':<10} {'due':<10} {'client':>7} {'kind':<8} {'amount':>18}")
    for invoice in invoices[:SHOWN]:
        kind = "refund" if invoice.move_type is MoveType.OUT_REFUND else "invoice"
        amount = f"{signed(invoice):,.2f} {invoice.currency}"
        dated, due = invoice.invoice_date or "draft", invoice.invoice_date_due or "-"
        print(f"{invoice.name:<16} {dated!s:<10} {due!s:<10} {invoice.client_id:>7} {kind:<8} {amount:>18}")
    if len(invoices) > SHOWN:
        print(f"… and {len(invoices) - SHOWN} more")


def totals(invoices: Iterable[Invoice]) -> dict[str, Decimal]:
    """What is owed in each currency. Two currencies are never added."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for invoice in invoices:
        sums[invoice.currency] += signed(invoice)
    return dict(sums)


def signed(invoice: Invoice) -> Decimal:
    """The amount as it counts: a refund's is positive on the wire and subtracts."""
    return -abs(invoice.amount_total) if invoice.move_type is MoveType.OUT_REFUND else invoice.amount_total


if __name__ == "__main__":
    try:
        main()
    except InvoicesError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        print("\nStopped; the sandbox too.")
        sys.exit(130)
