"""Sums of invoices, against fractions, which never round."""

from __future__ import annotations

import decimal
import gc
import weakref
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import wire_invoice

from gcore_invoices import MoveType, PaymentState, UsageError, money
from gcore_invoices.models import decode_invoice
from gcore_invoices.money import Ageing, Bucket

TODAY = date(2026, 6, 30)


def invoice(**changes):

    return decode_invoice(msgspec.json.encode(wire_invoice(**changes)))


amounts = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**30), max_value=10**30)
currencies = st.sampled_from(["EUR", "USD", "JPY"])
move_types = st.sampled_from(["out_invoice", "out_refund", "in_refund", "entry"]).map(MoveType)
states = st.sampled_from([*PaymentState, "blocked"]).map(PaymentState)
dates = st.none() | st.dates(date(2025, 1, 1), date(2027, 1, 1))


@st.composite
def some_invoice(draw):

    return msgspec.structs.replace(
        invoice(),
        amount_total=draw(amounts),
        currency=draw(currencies),
        move_type=draw(move_types),
        payment_state=draw(states),
        invoice_date=draw(dates),
        invoice_date_due=draw(dates),
    )


invoices = st.lists(some_invoice(), max_size=12)


def signed(each):
    total = Fraction(each.amount_total)
    return -abs(total) if each.move_type.value.endswith("refund") else total


# -- sums


@pytest.mark.parametrize("sent", ["121.000000000000", "-121.000000000000"])
def test_a_refund_subtracts_whichever_sign_the_api_sends(sent):
    refund = invoice(move_type="out_refund", amount_total=sent)
    assert money.signed_total(refund) == Decimal(-121)
    assert money.totals_by_currency([invoice(), refund]) == {"EUR": Decimal(0)}


def test_an_invoice_counts_as_it_is():
    assert money.signed_total(invoice(amount_total="-5.000000000000")) == -5


@pytest.mark.parametrize(
    ("move_type", "expected"), [("in_refund", -121), ("out_receipt", 121), ("entry", 121), ("refund", 121)]
)
def test_unknown_types_subtract_if_they_are_called_refunds(move_type, expected):
    assert money.signed_total(invoice(move_type=move_type)) == expected


@pytest.mark.parametrize("move_type", ["out_invoice", "out_refund"])
@pytest.mark.parametrize("sent", ["0.000000000000", "-0.000000000000"])
def test_zero_has_no_sign(sent, move_type):
    total = money.signed_total(invoice(amount_total=sent, move_type=move_type))
    assert f"{total:f}" == "0.000000000000"


@given(invoices)
def test_totals_are_those_of_fractions(given_invoices):
    expected = {}
    for each in given_invoices:
        expected[each.currency] = expected.get(each.currency, 0) + signed(each)
    totals = money.totals_by_currency(iter(given_invoices))
    assert {currency: Fraction(total) for currency, total in totals.items()} == expected


def test_large_sums_keep_their_last_place():
    large = invoice(amount_total="99999999999999999999.000000000001")
    small = invoice(amount_total="0.000000000001")
    assert money.totals_by_currency([large, small]) == {"EUR": Decimal("99999999999999999999.000000000002")}
    # What a plain sum makes of it.
    assert large.amount_total + small.amount_total != Decimal("99999999999999999999.000000000002")


def test_the_precision_of_the_caller_does_not_matter_and_stays():
    with decimal.localcontext(prec=3) as context:
        context.clear_flags()
        refund = invoice(amount_total="12345.670000000000", move_type="out_refund")
        assert str(money.signed_total(refund)) == "-12345.670000000000"
        assert str(money.totals_by_currency([invoice(amount_total="12345.67")])["EUR"]) == "12345.67"
        (aged,) = money.ageing([invoice(amount_total="12345.67")] * 2, TODAY).values()
        assert str(aged.total.amount) == "24691.34"
        assert context.prec == 3
        assert not context.flags[decimal.Inexact]


def test_no_float_comes_near():
    total = money.totals_by_currency([invoice(amount_total="0.1"), invoice(amount_total="0.2")])["EUR"]
    assert total == Decimal("0.3")
    assert type(total) is Decimal


def test_currencies_come_apart_and_in_order():
    rows = [invoice(currency="USD"), invoice(currency="EUR"), invoice(currency="USD")]
    assert list(money.totals_by_currency(rows).items()) == [("USD", Decimal(242)), ("EUR", Decimal(121))]
    assert money.totals_by_currency([]) == {}


def test_invoices_are_taken_one_by_one_and_not_kept():

    class Watched:
        def __init__(self, real):
            self.real = real

        def __getattr__(self, name):
            return getattr(self.real, name)

    alive = []

    def stream():
        for _ in range(50):
            watched = Watched(invoice())
            alive.append(weakref.ref(watched))
            yield watched
            del watched

    money.totals_by_currency(stream())
    money.ageing(stream(), TODAY)
    gc.collect()
    assert not [ref for ref in alive if ref()]


# -- open, overdue


@pytest.mark.parametrize(
    ("state", "is_open"),
    [
        ("not_paid", True),
        ("partial", True),
        ("paid", False),
        ("in_payment", False),
        ("reversed", False),
        ("blocked", True),
        ("something_new", True),
    ],
)
def test_what_is_open(state, is_open):
    assert money.is_open(invoice(payment_state=state)) is is_open
    late = invoice(payment_state=state, invoice_date_due="2020-01-01")
    assert money.is_overdue(late, TODAY) is is_open


@pytest.mark.parametrize(
    ("changes", "overdue"),
    [
        ({"invoice_date_due": "2026-06-29"}, True),
        ({"invoice_date_due": "2026-06-30"}, False),
        ({"invoice_date_due": "2026-07-01"}, False),
        ({"invoice_date_due": None, "invoice_date": "2026-06-29"}, True),
        ({"invoice_date_due": None, "invoice_date": "2026-06-30"}, False),
        ({"invoice_date_due": "2026-06-01", "invoice_date": None}, False),
        ({"invoice_date_due": None, "invoice_date": None}, False),
        ({"invoice_date_due": "2026-06-01", "move_type": "out_refund"}, False),
    ],
)
def test_what_is_overdue(changes, overdue):
    assert money.is_overdue(invoice(**changes), TODAY) is overdue


@pytest.mark.parametrize("as_of", [datetime(2026, 6, 30, tzinfo=UTC), "2026-06-30", None])
def test_a_day_is_a_date(as_of):
    with pytest.raises(UsageError, match=r"^as_of takes a date, such as date\(2026, 4, 30\), not "):
        money.is_overdue(invoice(), as_of)
    with pytest.raises(UsageError, match="as_of takes a date"):
        money.ageing([], as_of)


# -- ageing


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-400, "not_due"),
        (0, "not_due"),
        (1, "days_1_30"),
        (30, "days_1_30"),
        (31, "days_31_60"),
        (60, "days_31_60"),
        (61, "days_61_90"),
        (90, "days_61_90"),
        (91, "days_over_90"),
        (4000, "days_over_90"),
    ],
)
def test_where_the_buckets_end(days, bucket):
    due = (TODAY - timedelta(days=days)).isoformat()
    aged = money.ageing([invoice(invoice_date_due=due)], TODAY)
    assert aged == {"EUR": Ageing(**{bucket: Bucket(amount=Decimal(121), count=1)})}


def test_ageing_subtracts_refunds_marks_part_paid_and_keeps_drafts_apart():
    late = {"invoice_date_due": "2026-06-20"}
    (aged,) = money.ageing(
        [
            invoice(amount_total="100", **late),
            invoice(amount_total="30", move_type="out_refund", **late),
            invoice(amount_total="50", payment_state="partial", **late),
            invoice(amount_total="7", invoice_date=None, **late),
            invoice(amount_total="1000", payment_state="paid", **late),
            invoice(amount_total="1", invoice_date_due="2026-07-20"),
        ],
        TODAY,
    ).values()
    assert aged.days_1_30 == Bucket(amount=Decimal(120), count=3, partial_amount=Decimal(50), partial_count=1)
    assert aged.drafts == Bucket(amount=Decimal(7), count=1)
    assert aged.overdue == aged.days_1_30
    assert (aged.total.amount, aged.total.count) == (121, 4)


def test_settled_invoices_leave_no_trace():
    assert money.ageing([invoice(payment_state="paid", currency="USD")], TODAY) == {}


@given(invoices, st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_no_open_invoice_is_lost_or_counted_twice(given_invoices, as_of):
    aged = money.ageing(given_invoices, as_of)
    for currency in {each.currency for each in given_invoices}:
        rows = [each for each in given_invoices if each.currency == currency and money.is_open(each)]
        found = aged.get(currency, Ageing())
        buckets = [getattr(found, name) for name in money.BUCKETS]
        assert sum(bucket.count for bucket in buckets) == len(rows)
        assert sum(Fraction(bucket.amount) for bucket in buckets) == sum(map(signed, rows))
        drafts = [each for each in rows if each.invoice_date is None]
        assert Fraction(found.drafts.amount) == sum(map(signed, drafts))
        assert found.total.count == len(rows) - len(drafts)
        part_paid = [each for each in rows if each.payment_state == PaymentState.PARTIAL]
        assert sum(bucket.partial_count for bucket in buckets) == len(part_paid)
        assert sum(Fraction(bucket.partial_amount) for bucket in buckets) == sum(map(signed, part_paid))


@given(invoices, st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_what_is_overdue_is_in_the_late_buckets(given_invoices, as_of):
    bills = [each for each in given_invoices if not money.is_refund(each)]
    late = sum(bucket.overdue.count for bucket in money.ageing(bills, as_of).values())
    assert late == sum(money.is_overdue(each, as_of) for each in bills)


def test_the_names_of_the_buckets():
    assert money.BUCKETS == ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90", "drafts")
