"""`check`: for cron and CI; exit 0 if all is well, 1 if not, 2 if nobody can tell."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import attrs
from attrs import define, field, frozen
from typer import Option

from gcore_invoices import UsageError
from gcore_invoices.cli.explain import CHECK_FAILED, CannotTellError
from gcore_invoices.cli.options import Connection, Filters
from gcore_invoices.cli.progress import read
from gcore_invoices.cli.screen import money, note
from gcore_invoices.cli.text import choice, day, printable
from gcore_invoices.money import is_draft, is_open, is_overdue, signed_total

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcore_invoices import Invoice

FORMATS = ("text", "json")
EXAMPLES = (
    "check --overdue-days 14",
    "check --overdue-days 14 --max-open EUR:10000 --max-open USD:5000",
    "check --max-open EUR:10000 --client-id 20841 > report || mail -s Invoices finance@example.com < report",
)


def check_invoices(
    *,
    overdue_days: Annotated[
        int | None, Option(metavar="DAYS", help="Fail if an open invoice is overdue by more days.", min=0)
    ] = None,
    max_open: Annotated[
        list[str] | None,
        Option(metavar="EUR:AMOUNT", help="Fail if more is open, such as EUR:10000; once for each currency."),
    ] = None,
    as_of: Annotated[str | None, Option(metavar="DATE", help="The day on which to judge; today.")] = None,
    format_: Annotated[str, Option("--format", metavar="FORMAT", help="text or json.")] = "text",
    filters: Filters,
    connection: Connection,
) -> int:
    """Check what is overdue and open, for cron and CI.

    Exits with 0 if all is well, 1 if not, and 2 if that could not be found out.
    """
    kind = choice("format", format_, FORMATS)
    limits: dict[str, Decimal] = {}
    for code, limit in map(_limit, max_open or []):
        if limits.setdefault(code, limit) != limit:
            raise UsageError(f"--max-open is given twice for {code}: give one limit for a currency.")
    if overdue_days is None and not limits:
        raise UsageError("There is nothing to check: give --overdue-days, --max-open, or both.")
    date = day(as_of, "--as-of")
    try:
        with connection.client() as client:
            walk = read(client.list(filters.query()), "Reading invoices", wanted=not connection.quiet)
            seen = _Seen.of(walk, date, overdue_days)
    except Exception as error:
        raise CannotTellError from error
    results = [] if overdue_days is None else [seen.overdue(overdue_days)]
    results += [seen.open(code, limit) for code, limit in sorted(limits.items())]
    if kind == "json":
        told = {
            "ok": all(each.ok for each in results),
            "as_of": date.isoformat(),
            "checks": list(map(attrs.asdict, results)),
        }
        sys.stdout.write(f"{json.dumps(told, ensure_ascii=False, indent=2)}\n")
    else:
        sys.stdout.writelines(f"{'OK  ' if each.ok else 'FAIL'} {printable(each.told)}\n" for each in results)
    if unlimited := [code for code in sorted(seen.totals) if limits and code not in limits]:
        amounts = ", ".join(f"{printable(code)} {money(seen.totals[code])}" for code in unlimited)
        note(f"Open without a --max-open: {amounts}", quiet=connection.quiet)
    return 0 if all(each.ok for each in results) else CHECK_FAILED


def _limit(text: str) -> tuple[str, Decimal]:
    found = re.fullmatch(r"([A-Za-z]{3}):(\d{1,18}(?:\.\d{1,12})?)", text.strip(), re.ASCII)
    if found is None:
        raise UsageError(f"--max-open takes a currency and an amount, such as EUR:10000, not {text!r}.")
    return found[1].upper(), Decimal(found[2])


@frozen
class Result:
    """What one check found."""

    check: str
    ok: bool
    told: str
    invoices: list[dict[str, object]]


@define
class _Seen:
    """What the checks need of the invoices."""

    totals: defaultdict[str, Decimal] = field(factory=lambda: defaultdict(Decimal))
    partial: defaultdict[str, int] = field(factory=lambda: defaultdict(int))
    late: list[tuple[int, Invoice]] = field(factory=list)

    @classmethod
    def of(cls, invoices: Iterable[Invoice], date: dt.date, overdue_days: int | None) -> _Seen:
        made = cls()
        for invoice in invoices:
            if is_draft(invoice) or not is_open(invoice):
                continue
            made.totals[invoice.currency] += signed_total(invoice)
            made.partial[invoice.currency] += invoice.payment_state == "partial"
            if overdue_days is not None and is_overdue(invoice, date):
                days = (date - (invoice.invoice_date_due or invoice.invoice_date or date)).days
                if days > overdue_days:
                    made.late.append((days, invoice))
        return made

    def overdue(self, allowed: int) -> Result:
        late = sorted(self.late, key=lambda each: (-each[0], each[1].id))
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for _, invoice in late:
            sums[invoice.currency] += signed_total(invoice)
        told = f"overdue: no invoice by more than {_days(allowed)}"
        if late:
            amounts = ", ".join(f"{code} {money(total)}" for code, total in sorted(sums.items()))
            days, oldest = late[0]
            told = (
                f"overdue: {len(late)} by more than {_days(allowed)}, {amounts}; "
                f"the oldest {oldest.name} (id {oldest.id}) by {_days(days)}"
            )
        return Result(
            "overdue", not late, told, [_as_json(invoice) | {"days": days} for days, invoice in late]
        )

    def open(self, code: str, limit: Decimal) -> Result:
        total, partial = self.totals.get(code, Decimal()), self.partial.get(code, 0)
        ok = total <= limit
        told = f"open: {code} {money(total)}, {'within' if ok else 'more than'} {money(limit)}"
        if code not in self.totals:  # none, or a code that is misspelt
            told += f"; nothing in {code} is open"
        if partial:
            told += f"; {partial} part-paid {'count' if partial > 1 else 'counts'} in full"
        return Result(f"open {code}", ok, told, [])


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}"


def _as_json(invoice: Invoice) -> dict[str, object]:
    return {
        "id": invoice.id,
        "name": invoice.name,
        "currency": invoice.currency,
        "amount_total": f"{signed_total(invoice):f}",
        "invoice_date_due": str(invoice.invoice_date_due),
    }
