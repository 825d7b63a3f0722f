"""`summary`: what was invoiced, refunded and is open, by group and currency."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sys
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from attrs import define, field
from typer import Option

from gcore_invoices import PaymentState
from gcore_invoices.cli.options import Connection, Filters
from gcore_invoices.cli.progress import read
from gcore_invoices.cli.text import choice, day
from gcore_invoices.money import BUCKETS, ageing, is_draft, is_open, is_refund, signed_total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcore_invoices import Invoice

FORMATS = ("table", "json", "csv")
EXAMPLES = (
    "summary --since 2026-01",
    "summary --by client --period 2026-03 --currency EUR",
    "summary --by state --format csv > state.csv",
    "summary --by payer --as-of 2026-06-30 --format json",
)

_GROUPS: dict[str, Callable[[Invoice], str]] = {
    "month": lambda invoice: f"{invoice.invoice_date:%Y-%m}",
    "currency": lambda invoice: invoice.currency,
    "client": lambda invoice: str(invoice.client_id),
    "payer": lambda invoice: str(invoice.payer_id),
    "state": lambda invoice: str(invoice.payment_state),
}
AGES = tuple(name for name in BUCKETS if name != "drafts")
LATE = tuple(name for name in AGES if name != "not_due")
AMOUNTS = ("invoiced", "refunded", "net", "tax", "open", "overdue")


def summarize(
    *,
    by: Annotated[
        str, Option(metavar="GROUP", help=f"{', '.join(_GROUPS)}.", autocompletion=lambda: list(_GROUPS))
    ] = "month",
    as_of: Annotated[
        str | None, Option(metavar="DATE", help="The day on which to judge what is overdue; today.")
    ] = None,
    format_: Annotated[str, Option("--format", metavar="FORMAT", help="table, json or csv.")] = "table",
    filters: Filters,
    connection: Connection,
) -> None:
    """Sum up what was invoiced and what is open.

    Invoiced, refunded, net, tax, open and overdue, in each currency; two currencies are never added.
    """
    kind = choice("format", format_, FORMATS)
    group = choice("group", by, _GROUPS)
    date = day(as_of, "--as-of")
    with connection.client() as client:
        pager = client.list(filters.query())
        summary = Summary.of(read(pager, "Reading invoices", wanted=not connection.quiet), group, date)
    if kind == "json":
        sys.stdout.write(f"{json.dumps(summary.as_json(), ensure_ascii=False, indent=2)}\n")
    elif kind == "csv":
        sys.stdout.write(summary.as_csv())
    else:
        from gcore_invoices.cli.summary_table import show

        show(summary)


@define
class Sums:
    """One group in one currency."""

    count: int = 0
    partial: int = 0
    invoiced: Decimal = Decimal()
    refunded: Decimal = Decimal()
    net: Decimal = Decimal()
    tax: Decimal = Decimal()
    ages: dict[str, Decimal] = field(factory=lambda: dict.fromkeys(AGES, Decimal()))

    def add(self, invoice: Invoice, as_of: dt.date) -> None:
        """Count an invoice."""
        total = signed_total(invoice)
        self.count += 1
        self.net += total
        if is_refund(invoice):
            self.refunded -= total
            self.tax -= abs(invoice.amount_tax)
        else:
            self.invoiced += total
            self.tax += invoice.amount_tax
        if is_open(invoice):
            self.partial += invoice.payment_state is PaymentState.PARTIAL
            age = ageing([invoice], as_of)[invoice.currency]
            for name in AGES:
                self.ages[name] += getattr(age, name).amount

    @property
    def open(self) -> Decimal:
        """What is left to be paid, part-paid invoices in full."""
        return sum(self.ages.values(), Decimal())

    @property
    def overdue(self) -> Decimal:
        """What of it is late."""
        return sum((self.ages[name] for name in LATE), Decimal())

    def as_dict(self) -> dict[str, Any]:
        """Amounts as text: exact, in plain notation."""
        amounts = {name: f"{getattr(self, name):f}" for name in AMOUNTS}
        ages = {name: f"{amount:f}" for name, amount in self.ages.items()}
        return {"count": self.count, "partial": self.partial} | amounts | {"ages": ages}


@define
class Summary:
    """The groups, drafts apart."""

    by: str
    as_of: dt.date
    rows: dict[tuple[str, str], Sums]
    currencies: dict[str, Sums]
    drafts: dict[str, Sums]
    reversed: int = 0

    @classmethod
    def of(cls, invoices: Iterable[Invoice], by: str, as_of: dt.date) -> Summary:
        """Sum up, holding no invoice."""
        made = cls(by, as_of, defaultdict(Sums), defaultdict(Sums), defaultdict(Sums))
        for invoice in invoices:
            if is_draft(invoice):
                made.drafts[invoice.currency].add(invoice, as_of)
                continue
            made.rows[_GROUPS[by](invoice), invoice.currency].add(invoice, as_of)
            made.currencies[invoice.currency].add(invoice, as_of)
            made.reversed += invoice.payment_state is PaymentState.REVERSED
        return made

    def order(self, group: str) -> tuple[int, str]:
        """What a group is sorted by: ids as numbers."""
        return (int(group) if self.by in {"client", "payer"} else 0, group)

    def _sorted(self) -> list[tuple[tuple[str, str], Sums]]:
        return sorted(self.rows.items(), key=lambda row: (self.order(row[0][0]), row[0][1]))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "by": self.by,
            "as_of": self.as_of.isoformat(),
            "rows": [
                {self.by: group, "currency": currency} | sums.as_dict()
                for (group, currency), sums in self._sorted()
            ],
            "totals": {currency: sums.as_dict() for currency, sums in sorted(self.currencies.items())},
            "drafts": {currency: sums.as_dict() for currency, sums in sorted(self.drafts.items())},
            "reversed": self.reversed,
        }

    def as_csv(self) -> str:
        """The rows alone, with their ages as columns."""
        from gcore_invoices.export._csv import defused

        out = io.StringIO(newline="")
        writer = csv.writer(out)
        writer.writerow(["group", "currency", "count", "partial", *AMOUNTS, *AGES])
        for (group, currency), sums in self._sorted():
            told = sums.as_dict()
            ages = told.pop("ages")
            # Ids may begin with a minus; only text is run as a formula.
            named = group if self.by in {"client", "payer"} else defused(group)
            writer.writerow([named, defused(currency), *told.values(), *ages.values()])
        return out.getvalue()
