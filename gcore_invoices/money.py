"""Sums of invoices: exact, never across currencies, refunds subtracted.

    from gcore_invoices import money

    money.totals_by_currency(client.list())         # {"EUR": Decimal("1204.500000000000"), "USD": …}
    money.ageing(client.list(), date.today())       # {"EUR": Ageing(not_due=…, …), …}

Pure functions that take one invoice, or any iterable of them, which they walk once and do not keep. All
amounts are `Decimal`s, exact: nothing is rounded, whatever the precision of the caller's decimal context.

What states and signs mean is assumed (those of Odoo, whose values they are):

- A refund subtracts, whichever sign the API sends. So does a type that this version does not know, if its
  name ends in `_refund`; other unknown types add.
- `not_paid` and `partial` are open. `in_payment` is paid and `reversed` is settled, as `paid` is. A state
  that this version does not know is open: better looked at once too often than forgotten.
- A draft has no invoice date, and nobody owes it yet.
- An invoice without a due date is due on its invoice date.
"""

from __future__ import annotations

import datetime as dt
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING

from attrs import evolve, fields, frozen

from gcore_invoices.errors import UsageError
from gcore_invoices.models import MoveType, PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcore_invoices.models import Invoice

# The default context keeps 28 digits: 16 before the point, with twelve places.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])
_ZERO = Decimal(0)
_SETTLED = frozenset({PaymentState.PAID, PaymentState.IN_PAYMENT, PaymentState.REVERSED})


def signed_total(invoice: Invoice) -> Decimal:
    """`amount_total` in the invoice's currency, as it counts in a sum: negative if it is a refund."""
    if is_refund(invoice):
        return _EXACT.minus(_EXACT.abs(invoice.amount_total))
    return _EXACT.plus(invoice.amount_total)


def totals_by_currency(invoices: Iterable[Invoice]) -> dict[str, Decimal]:
    """The sum of `signed_total` in each currency, whatever the state; currencies in the order they come."""
    totals: dict[str, Decimal] = {}
    for invoice in invoices:
        totals[invoice.currency] = _EXACT.add(totals.get(invoice.currency, _ZERO), signed_total(invoice))
    return totals


def is_refund(invoice: Invoice) -> bool:
    """Whether it is a refund: money back."""
    return invoice.move_type == MoveType.OUT_REFUND or invoice.move_type.endswith("_refund")


def is_draft(invoice: Invoice) -> bool:
    """Whether it has no invoice date yet."""
    return invoice.invoice_date is None


def is_open(invoice: Invoice) -> bool:
    """Whether something of it is left to be paid, by its state alone; part-paid and unknown states included.

    A draft is mostly `not_paid` too: `is_draft` tells.
    """
    return invoice.payment_state not in _SETTLED


def is_overdue(invoice: Invoice, as_of: dt.date) -> bool:
    """Whether it is open, and was due before that day. Drafts and refunds never are: nobody has to pay them.

    Raises:
        UsageError: `as_of` is no date: a point in time is on different days in different places.
    """
    day = _day(as_of)
    return is_open(invoice) and not is_refund(invoice) and _days_late(invoice, day) > 0


@frozen(kw_only=True)
class Bucket:
    """Invoices of one currency and age.

    Attributes:
        amount: Their sum, refunds subtracted.
        count: How many they are, refunds included.
        partial_amount: How much of `amount` is of part-paid invoices. They are counted in full, since the
            API does not say how much is left of them: what is owed is less than `amount` by up to this.
        partial_count: How many are part-paid.
    """

    amount: Decimal = _ZERO
    count: int = 0
    partial_amount: Decimal = _ZERO
    partial_count: int = 0

    def __add__(self, other: Bucket) -> Bucket:
        return Bucket(
            amount=_EXACT.add(self.amount, other.amount),
            count=self.count + other.count,
            partial_amount=_EXACT.add(self.partial_amount, other.partial_amount),
            partial_count=self.partial_count + other.partial_count,
        )


@frozen(kw_only=True)
class Ageing:
    """Open invoices of one currency by the days since they were due.

    Attributes:
        not_due: Due on the day asked about, or later.
        days_1_30: 1 to 30 days late.
        days_31_60: 31 to 60.
        days_61_90: 61 to 90.
        days_over_90: 91 or more.
        drafts: Without an invoice date; part of no sum.
    """

    not_due: Bucket = Bucket()
    days_1_30: Bucket = Bucket()
    days_31_60: Bucket = Bucket()
    days_61_90: Bucket = Bucket()
    days_over_90: Bucket = Bucket()
    drafts: Bucket = Bucket()

    @property
    def overdue(self) -> Bucket:
        """All that is late."""
        return self.days_1_30 + self.days_31_60 + self.days_61_90 + self.days_over_90

    @property
    def total(self) -> Bucket:
        """All that is open, drafts apart."""
        return self.not_due + self.overdue


def ageing(invoices: Iterable[Invoice], as_of: dt.date) -> dict[str, Ageing]:
    """Open invoices by currency and age on a day; those that are settled are passed over.

    Refunds that are open subtract in the bucket of their own due date.

    Raises:
        UsageError: `as_of` is no date.
    """
    day = _day(as_of)
    found: dict[str, Ageing] = {}
    for invoice in invoices:
        if not is_open(invoice):
            continue
        amount = signed_total(invoice)
        one = Bucket(amount=amount, count=1)
        if invoice.payment_state == PaymentState.PARTIAL:
            one = Bucket(amount=amount, count=1, partial_amount=amount, partial_count=1)
        name = "drafts" if is_draft(invoice) else _bucket(_days_late(invoice, day))
        known = found.get(invoice.currency, Ageing())
        found[invoice.currency] = evolve(known, **{name: getattr(known, name) + one})
    return found


BUCKETS = tuple(field.name for field in fields(Ageing))
"""The names of the buckets, in order; `drafts` comes last."""


def _bucket(days: int) -> str:
    for name, last_day in (("not_due", 0), ("days_1_30", 30), ("days_31_60", 60), ("days_61_90", 90)):
        if days <= last_day:
            return name
    return "days_over_90"


def _days_late(invoice: Invoice, day: dt.date) -> int:
    """Days since it was due, 0 or less if it is not late; of a draft, never late."""
    if invoice.invoice_date is None:
        return 0
    return (day - (invoice.invoice_date_due or invoice.invoice_date)).days


def _day(as_of: dt.date) -> dt.date:
    if isinstance(as_of, dt.datetime) or not isinstance(as_of, dt.date):
        raise UsageError(f"as_of takes a date, such as date(2026, 4, 30), not {as_of!r}.")
    return as_of
