"""Invented invoices: any number of them, each computed from the seed and its position when it is asked for.

Nothing is stored, so a million rows cost what ten do. The same seed, count and day give the same bytes on
every machine; the clock is never read.
"""

from __future__ import annotations

import struct
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, overload

if TYPE_CHECKING:
    from gcore_invoices.sandbox.selection import Row

MONTHS: Final = 36
TODAY: Final = date(2026, 6, 30)
SEED: Final = 2026

FIRST_ID: Final = 90_001
ID_STEP: Final = 3  # a row takes one of three ids, so ids increase and leave gaps
REFUND_EVERY: Final = 17  # the last row of each block of 17 refunds one of the others
FORGOTTEN_EVERY: Final = 17 * 59  # a multiple of the block, so that a forgotten draft is never a refund
FORGOTTEN_AT: Final = 500

_DAY: Final = 86_400
_CENT: Final = 10**10  # amounts are integers of 10^-12
_UNIT: Final = 10**12


class Payer(NamedTuple):
    """Who pays: one currency, a tax rate in basis points, days to pay, and the clients it pays for."""

    payer_id: int
    currency: str
    tax: int
    terms: int
    clients: tuple[int, ...]


PAYERS: Final = (
    Payer(5117, "EUR", 2100, 30, (20841,)),
    Payer(
        5230, "USD", 0, 45, (21007, 21008, 21033, 21190, -412)
    ),  # a reseller; the reference allows negative ids
    Payer(5306, "EUR", 1900, 14, (20977, 20978)),
    Payer(5412, "USD", 887, 30, (22015,)),
    Payer(5588, "EUR", 0, 30, (22460, 22461)),  # reverse charge: the payer owes the tax
    Payer(5603, "USD", 0, 15, (22871,)),
)
_CLIENTS: Final = tuple((payer, client) for payer in PAYERS for client in payer.clients)
_PLANS: Final = (49, 121, 250, 1200)  # flat prices, so that many amounts are equal
_MAGNITUDES: Final = (
    1_000,
    10_000,
    100_000,
    1_000_000,
)  # cents: from ten to ten thousand, and up to ten times that


class _Month(NamedTuple):
    start: int  # ordinal of its first day
    days: int  # as far as it has come
    first: int  # position of its first row
    rows: int
    year: int
    year_first: int  # position of the first row of its year: numbers start again there


class _Bill(NamedTuple):
    payer: Payer
    client: int
    untaxed: int  # of 10^-12
    tax: int
    period: tuple[str, str] | None


class _Created(NamedTuple):
    month: _Month
    day: int  # ordinal
    second: int

    @property
    def stamp(self) -> str:
        return _stamp(self.day, self.second)


class Invoices(Sequence["Row"]):
    """A sequence of `count` invoices over the 36 months that end on `today`, oldest first, ids increasing.

    Old ones are mostly paid, recent ones mostly open, the newest are drafts without a number or a date. One
    row in 17 is a refund; about a third of those cancel their invoice, which is then `reversed`.

    Args:
        count: How many rows.
        seed: What the rows are computed from.
        today: The last day anything happened.

    Raises:
        ValueError: `count` is negative.
    """

    def __init__(self, count: int = 2500, *, seed: int = SEED, today: date = TODAY) -> None:
        if count < 0:
            raise ValueError(f"The number of invoices cannot be negative, and it is {count}.")
        self.seed = seed
        self.today = today
        self._count = count
        self._today = today.toordinal()
        self._drafts_from = count - (count + 150) // 200  # the newest half percent
        self._months = _months(count, today)
        # All 17 rows of a block ask about its refund.
        self._refunded = lru_cache(maxsize=64)(self._find_refunded)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        """Compute one row, or a list of them.

        Raises:
            IndexError: No such position.
        """
        positions = range(self._count)[index]
        if isinstance(positions, range):
            return [self._row(position) for position in positions]
        return self._row(positions)

    def position(self, invoice_id: int) -> int | None:
        """Where the row with this id stands, or None. Arithmetic, whatever the count."""
        position = (invoice_id - FIRST_ID) // ID_STEP
        if 0 <= position < self._count and self._id(position) == invoice_id:
            return position
        return None

    def _draws(self, position: int) -> tuple[int, ...]:
        """Eight independent 32-bit numbers that belong to this row."""
        digest = blake2b(b"%d:%d" % (self.seed, position), digest_size=32).digest()
        return struct.unpack("<8I", digest)

    def _id(self, position: int) -> int:
        return FIRST_ID + ID_STEP * position + self._draws(position)[0] % ID_STEP

    def _is_draft(self, position: int) -> bool:
        return position >= self._drafts_from or position % FORGOTTEN_EVERY == FORGOTTEN_AT

    def _created(self, position: int) -> _Created:
        """When the row was made: mostly in a month's first three days, and four rows at a time."""
        month = self._months[position * MONTHS // self._count]
        slot = (position - month.first) // 4 * 4
        busy = min(3, month.days)
        if slot * 5 < month.rows * 4:
            second = busy * _DAY * slot * 5 // (month.rows * 4)
        else:
            second = busy * _DAY + (month.days - busy) * _DAY * (slot * 5 - month.rows * 4) // month.rows
        second = min(second, month.days * _DAY - 1)
        return _Created(month, month.start + second // _DAY, second % _DAY)

    def _number(self, position: int, month: _Month) -> str:
        """`INV/2026/00001` or `RINV/2026/00001`: one sequence a year and kind, without gaps."""
        if position % REFUND_EVERY == REFUND_EVERY - 1:
            number = position // REFUND_EVERY - month.year_first // REFUND_EVERY + 1
            return f"RINV/{month.year}/{number:05}"
        number = _invoices_before(position) - _invoices_before(month.year_first) + 1
        return f"INV/{month.year}/{number:05}"

    def _bill(self, created: _Created, draws: tuple[int, ...]) -> _Bill:
        payer, client = _CLIENTS[draws[1] % len(_CLIENTS)]
        untaxed = _price(draws[2], draws[3])
        tax = untaxed * payer.tax // 10_000
        if untaxed % _CENT == 0:
            tax = (tax + _CENT // 2) // _CENT * _CENT
        period = None
        if draws[1] // 100 % 40:  # the others are bought once, not by the month
            period = _period(created.month.start, 3 if draws[1] // 100 % 40 == 1 else 1)
        return _Bill(payer, client, untaxed, tax, period)

    def _find_refunded(self, refund: int) -> tuple[int, bool]:
        """Which invoice a refund is for, and whether it gives back all of it."""
        draw = self._draws(refund)[4]
        target = refund - 1 - draw % (REFUND_EVERY - 1)
        return target, draw // 100 % 3 == 0 and not self._is_draft(target)

    def _reversed_by(self, position: int) -> int | None:
        """Position of the refund that cancels this invoice, if one does."""
        refund = position // REFUND_EVERY * REFUND_EVERY + REFUND_EVERY - 1
        if refund >= self._count or self._is_draft(refund) or self._refunded(refund) != (position, True):
            return None
        return refund

    def _row(self, position: int) -> Row:
        draws = self._draws(position)
        created = self._created(position)
        if position % REFUND_EVERY == REFUND_EVERY - 1:
            move_type = "out_refund"
            bill, state, updated = self._refund(position, created, draws)
        else:
            move_type = "out_invoice"
            bill = self._bill(created, draws)
            state, updated = self._settlement(position, created, bill, draws)
        draft = self._is_draft(position)
        return {
            "id": FIRST_ID + ID_STEP * position + draws[0] % ID_STEP,
            "name": "/" if draft else self._number(position, created.month),
            "move_type": move_type,
            "currency": bill.payer.currency,
            "invoice_date": None if draft else _iso(created.day),
            "invoice_date_due": None if draft else _iso(created.day + bill.payer.terms),
            "billing_period_from": bill.period[0] if bill.period else None,
            "billing_period_to": bill.period[1] if bill.period else None,
            "amount_untaxed": _decimal(bill.untaxed),
            "amount_tax": _decimal(bill.tax),
            "amount_total": _decimal(bill.untaxed + bill.tax),
            "payment_state": state,
            "client_id": bill.client,
            "payer_id": bill.payer.payer_id,
            "invoice_id": None if draft or not bill.period else 300_000 + 2 * position,
            "created_at": created.stamp,
            "updated_at": updated,
        }

    def _refund(self, position: int, created: _Created, draws: tuple[int, ...]) -> tuple[_Bill, str, str]:
        """Give a refund's bill, state and last change. Its amounts are positive, as an ERP keeps them."""
        target, whole = self._refunded(position)
        bill = self._bill(self._created(target), self._draws(target))
        if whole and not self._is_draft(position):
            return bill, "paid", created.stamp  # settled against the invoice it cancels
        untaxed = bill.untaxed // 4
        part = bill._replace(untaxed=untaxed, tax=untaxed * bill.payer.tax // 10_000)
        return part, *self._payment(position, created, part, draws)

    def _settlement(
        self, position: int, created: _Created, bill: _Bill, draws: tuple[int, ...]
    ) -> tuple[str, str]:
        refund = self._reversed_by(position)
        if refund is not None:
            return "reversed", self._created(refund).stamp
        return self._payment(position, created, bill, draws)

    def _payment(
        self, position: int, created: _Created, bill: _Bill, draws: tuple[int, ...]
    ) -> tuple[str, str]:
        """Payment state and time of the last change, as they are at the end of `today`."""
        if self._is_draft(position):
            return "not_paid", created.stamp
        if not bill.untaxed:
            return "paid", created.stamp
        paid = created.day + _delay(bill.payer.terms, draws[5], draws[6])
        second = draws[7] % _DAY
        if paid <= self._today:
            # The bank's statement follows after some days; until then the money is on its way.
            return ("paid" if paid + 4 <= self._today else "in_payment"), _stamp(paid, second)
        half = created.day + bill.payer.terms // 2 + 1
        if draws[6] // 1000 % 4 == 0 and half <= self._today:
            return "partial", _stamp(half, second)
        return "not_paid", created.stamp


def _months(count: int, today: date) -> tuple[_Month, ...]:
    """The 36 calendar months up to today, each with its even share of the rows."""
    months: list[_Month] = []
    last = today.year * 12 + today.month - 1
    year_first = 0
    for index in range(MONTHS):
        year, month = divmod(last - MONTHS + 1 + index, 12)
        first = -(-index * count // MONTHS)
        rows = -(-(index + 1) * count // MONTHS) - first
        if month == 0:
            year_first = first
        days = today.day if index == MONTHS - 1 else monthrange(year, month + 1)[1]
        months.append(_Month(date(year, month + 1, 1).toordinal(), days, first, rows, year, year_first))
    return tuple(months)


def _invoices_before(position: int) -> int:
    """How many numbered invoices stand before this position: all but refunds and forgotten drafts."""
    forgotten = (position + FORGOTTEN_EVERY - FORGOTTEN_AT - 1) // FORGOTTEN_EVERY
    return position - position // REFUND_EVERY - forgotten


def _delay(terms: int, draw: int, days: int) -> int:
    """Days from invoice to payment: most in time, some late, a few never."""
    chance = draw % 100
    if chance < 72:  # shares of a hundred say more here than names would
        return terms - days % (terms // 2)
    if chance < 93:  # the same
        return terms + 1 + days % 45
    if chance < 98:  # the same
        return terms + 45 + days % 200
    return 100_000


def _price(kind: int, draw: int) -> int:
    """An untaxed amount, of 10^-12: nothing, below a cent, a flat plan, metered finely, or in cents."""
    chance = kind % 100
    least = _MAGNITUDES[kind // 100 % len(_MAGNITUDES)]
    cents = least + draw % (9 * least)
    amounts = ((2, 0), (4, draw % 99 * 100_000_000 + 1), (24, _PLANS[draw % len(_PLANS)] * _UNIT))
    for share, amount in amounts:
        if chance < share:
            return amount
    metered = draw % 9_999 * 1_000_000 if chance < 40 else 0  # a share of a hundred
    return cents * _CENT + metered


@lru_cache(maxsize=512)
def _period(month_start: int, months: int) -> tuple[str, str]:
    """The whole months before this one."""
    start = date.fromordinal(month_start)
    year, month = divmod(start.year * 12 + start.month - 1 - months, 12)
    return date(year, month + 1, 1).isoformat(), _iso(month_start - 1)


@lru_cache(maxsize=4096)
def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


def _stamp(day: int, second: int) -> str:
    return f"{_iso(day)}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def _decimal(amount: int) -> str:
    return f"{amount // _UNIT}.{amount % _UNIT:012}"
