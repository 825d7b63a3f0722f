"""Chase unpaid invoices: what is overdue, how much that is, and the documents to send along."""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from gcore_invoices import InternalServerError, InvoicesClient, MoveType, PaymentState, SortKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gcore_invoices import Invoice

OPEN = (PaymentState.NOT_PAID, PaymentState.PARTIAL)


def overdue(client: InvoicesClient, today: date) -> list[Invoice]:
    """Invoices that should have been paid before today, the oldest first."""
    found = [
        invoice
        for state in OPEN
        for invoice in client.list(
            payment_state=state, move_type=MoveType.OUT_INVOICE, order_by=SortKey.ID.asc()
        )
        if invoice.invoice_date_due and invoice.invoice_date_due < today
    ]
    return sorted(found, key=lambda invoice: (invoice.invoice_date_due or today, invoice.id))


def totals(invoices: Iterable[Invoice]) -> dict[str, Decimal]:
    """What they come to, by currency. What was paid of a partial one the API does not say."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for invoice in invoices:
        sums[invoice.currency] += invoice.amount_total
    return dict(sorted(sums.items()))


def fetch(client: InvoicesClient, invoices: Iterable[Invoice], folder: str) -> tuple[list[Path], list[str]]:
    """Download their documents; returns the files, and the names of those that could not be had."""
    files, missing = [], []
    for invoice in invoices:
        try:
            files.append(client.download(invoice.id, f"{folder}/", overwrite=True))
        except InternalServerError:
            missing.append(invoice.name)
    return files, missing


def main(folder: str, today: date) -> int:
    """Do it all; returns what a shell is told."""
    with InvoicesClient() as client:
        found = overdue(client, today)
        for invoice in found:
            amount = f"{invoice.amount_total:.2f} {invoice.currency}"
            print(f"{invoice.name}  due {invoice.invoice_date_due}  {amount}")
        for currency, total in totals(found).items():
            print(f"Total {total:.2f} {currency}")
        _, missing = fetch(client, found, folder)
    for name in missing:
        print(f"No document for {name}; try again later.", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], date.today()))  # noqa: DTZ011 - due dates are days of the local calendar
