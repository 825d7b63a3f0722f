"""Invoice and its enums: exact, frozen, open to what is new, closed to what is wrong."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Wire, answer, listing, page, raw, wire_invoice

import gcore_invoices as gi
from gcore_invoices.models import Extra, decode_invoice, decode_page


def decoded(**changes):
    return decode_invoice(json.dumps(wire_invoice(**changes)).encode())


def test_an_invoice_is_typed():
    invoice = decoded(amount_total="121.000000000000", client_id=-7)
    assert invoice.amount_total == Decimal(121)
    assert invoice.invoice_date == dt.date(2026, 4, 2)
    assert invoice.created_at == dt.datetime(2026, 4, 2, 6, 14, 9, tzinfo=dt.UTC)
    assert invoice.payment_state is gi.PaymentState.NOT_PAID
    assert invoice.move_type is gi.MoveType.OUT_INVOICE
    assert invoice.client_id == -7
    assert invoice.extra == {}


def test_an_invoice_is_frozen_slotted_hashable_and_picklable():
    invoice = decoded(residual="1.5")
    with pytest.raises(AttributeError):
        invoice.name = "x"
    assert not hasattr(invoice, "__dict__")
    for twin in (pickle.loads(pickle.dumps(invoice)), copy.copy(invoice), copy.deepcopy(invoice)):  # noqa: S301
        assert twin == invoice
        assert hash(twin) == hash(invoice)
        assert twin.extra["residual"] == "1.5"
    assert {invoice: 1}[decoded(residual="1.5")] == 1
    assert decoded() != invoice


AMOUNTS = [
    "121.000000000000",
    "0.000000000000",
    "-1499.990000000000",
    "123456789012.000000000001",
    "1.5",
    "7",
]


@pytest.mark.parametrize("text", AMOUNTS)
def test_an_amount_is_exact_and_goes_back_letter_for_letter(text):
    invoice = decoded(amount_total=text, amount_tax=text, amount_untaxed=text)
    assert str(invoice.amount_total.as_tuple()) == str(Decimal(text).as_tuple())
    assert invoice.to_dict()["amount_total"] == text
    assert invoice.to_dict()["amount_tax"] == text
    assert invoice.to_dict()["amount_untaxed"] == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_any_amount_of_twelve_places_survives_the_round_trip(amount):
    text = format(amount, "f")
    assert decoded(amount_total=text).to_dict()["amount_total"] == text


def test_the_wire_form_comes_back():
    wire = wire_invoice(invoice_date=None, invoice_id=9, payment_state="blocked", new={"a": [1, {"b": None}]})
    back = decode_invoice(json.dumps(wire).encode()).to_dict()
    assert back == wire
    assert json.loads(json.dumps(back)) == wire


def test_times_go_back_equal_in_value():
    back = decoded(created_at="2026-04-02T08:14:09.250+02:00").to_dict()["created_at"]
    assert dt.datetime.fromisoformat(back) == dt.datetime(2026, 4, 2, 6, 14, 9, 250_000, tzinfo=dt.UTC)


REFUSED = {
    "a naive time": ({"created_at": "2026-04-02T06:14:09"}, "created_at"),
    "no time": ({"updated_at": "yesterday"}, "updated_at"),
    "not a number": ({"amount_total": "NaN"}, "amount_total"),
    "a signalling one": ({"amount_total": "sNaN"}, "amount_total"),
    "infinity": ({"amount_tax": "-Infinity"}, "amount_tax"),
    "a large exponent": ({"amount_untaxed": "1e21"}, "amount_untaxed"),
    "an absurd exponent": ({"amount_untaxed": "1e999999"}, "amount_untaxed"),
    "a small exponent": ({"amount_total": "1e-21"}, "amount_total"),
    "no amount": ({"amount_total": "twelve"}, "amount_total"),
    "an absent amount": ({"amount_total": None}, "amount_total"),
    "no date": ({"invoice_date": "2026-02-30"}, "invoice_date"),
    "a float for an id": ({"id": 1.5}, "id"),
    "a number for a state": ({"payment_state": 3}, "payment_state"),
}


@pytest.mark.parametrize(("change", "field"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("unknown", [{}, {"brand_new": 1}], ids=["", "with an unknown field"])
def test_what_no_contract_allows_is_refused_with_its_place(make_client, change, field, unknown):
    rows = [wire_invoice(1), wire_invoice(2) | change | unknown]
    client = make_client(Wire.of(page(rows), answer(rows[1])))
    with pytest.raises(gi.APIResponseValidationError) as caught:
        client.invoices()
    assert caught.value.path == f"$.results[1].{field}"
    assert caught.value.operation == "list"
    with pytest.raises(gi.APIResponseValidationError) as caught:
        client.get(42)
    assert caught.value.path == f"$.{field}"


@pytest.mark.parametrize("field", sorted(wire_invoice()))
def test_every_field_is_required(field):
    row = wire_invoice()
    del row[field]
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{field}`"):
        decode_invoice(json.dumps(row).encode())


def test_an_exponent_of_twenty_is_still_an_amount():
    assert decoded(amount_total="1e20").to_dict()["amount_total"] == "1" + "0" * 20
    assert decoded(amount_total="1e-20").amount_total == Decimal("1e-20")


def test_an_amount_sent_as_a_number_is_still_exact():
    body = json.dumps(wire_invoice()).replace('"121.000000000000"', "0.1000000000000000055")
    assert decode_invoice(body.encode()).amount_total == Decimal("0.1000000000000000055")
    body = body.replace('"id"', '"unknown": 0.1000000000000000055, "id"')
    assert decode_invoice(body.encode()).amount_total == Decimal("0.1000000000000000055")


def test_unknown_fields_are_kept_for_each_invoice_and_cost_nothing_else():
    rows = [wire_invoice(1), wire_invoice(2, residual=0.1, tags=["a"]), wire_invoice(3)]
    results = decode_page(json.dumps({"count": 3, "results": rows}).encode()).results
    assert [dict(invoice.extra) for invoice in results] == [
        {},
        {"residual": Decimal("0.1"), "tags": ["a"]},
        {},
    ]
    assert results[1].to_dict() == rows[1]


def test_unknown_numbers_stay_exact_and_json_ready():
    body = json.dumps(wire_invoice()).replace('"id"', '"huge": 1e400, "long": 0.1000000000000000055, "id"')
    invoice = decode_invoice(body.encode())
    assert invoice.extra["long"] == Decimal("0.1000000000000000055")
    back = json.loads(json.dumps(invoice.to_dict()))
    assert (back["huge"], back["long"]) == ("1E+400", "0.1000000000000000055")


def test_a_server_cannot_fill_extra_itself():
    with pytest.raises(msgspec.ValidationError):
        decode_invoice(json.dumps(wire_invoice() | {"gcore_invoices:extra": {"id": 1}}).encode())


def test_hostile_shapes_of_a_page_are_validation_errors():
    row = json.dumps(wire_invoice(new=1))
    for body in (
        f'{{"count": 1, "results": [{row}], "results": 5}}',
        '{"count": 1, "results": [5]}',
        '{"count": -1, "results": []}',
        '{"results": []}',
        "[]",
        f'{{"count": 1, "results": [{row}, 5]}}',
    ):
        with pytest.raises(msgspec.ValidationError):
            decode_page(body.encode())


def test_extra_is_a_read_only_mapping():
    extra = Extra({"a": 1})
    assert (extra["a"], len(extra), list(extra), extra == {"a": 1}) == (1, 1, ["a"], True)
    assert repr(extra) == "{'a': 1}"
    with pytest.raises(TypeError):
        extra["a"] = 2


def test_an_unknown_enum_value_never_costs_the_page(make_client):
    rows = [wire_invoice(1, payment_state="blocked"), wire_invoice(2, move_type="entry"), wire_invoice(3)]
    client = make_client(listing(rows))
    pager = client.real.list()
    first, second, third = client.items(pager)
    assert first.payment_state == "blocked"
    assert not first.payment_state.is_known
    assert not second.move_type.is_known
    assert third.payment_state.is_known
    assert pager.report.unknown_values == {"payment_state=blocked", "move_type=entry"}


@pytest.mark.parametrize("value", ["blocked", "", "NOT_PAID", "ünknown", "paid "])
def test_an_unknown_value_is_like_its_string(value):
    state = gi.PaymentState(value)
    assert state == value
    assert hash(state) == hash(value)
    assert str(state) == f"{state}" == value
    assert json.dumps(state) == json.dumps(value)
    twin = pickle.loads(pickle.dumps(state))  # noqa: S301
    assert (twin, type(twin), twin.is_known) == (state, gi.PaymentState, False)
    assert value not in {member.value for member in gi.PaymentState}


def test_a_member_is_like_its_string():
    assert gi.PaymentState("paid") is gi.PaymentState.PAID
    assert f"{gi.PaymentState.PAID}" == "paid"
    assert gi.PaymentState.PAID.is_known
    with pytest.raises(ValueError, match="3 is not a valid PaymentState"):
        gi.PaymentState(3)


def test_a_page_says_where_it_begins_and_how_many_match(make_client):
    client = make_client(listing(wire_invoice(n) for n in range(-4, 4)))
    (got,) = client.pages(offset=5)
    assert (got.offset, got.count, [invoice.id for invoice in got.invoices]) == (5, 8, [1, 2, 3])
    assert isinstance(got.invoices, tuple)


def test_an_answer_that_is_no_page_is_a_validation_error(make_client):
    client = make_client(Wire.of(raw(b'{"detail": "hm"}', content_type="application/json")))
    with pytest.raises(gi.APIResponseValidationError, match="missing required field `count`"):
        client.invoices()


def test_an_enum_member_is_found_where_its_text_is():
    assert gi.PaymentState.PAID == "paid"
    assert gi.PaymentState.PAID in {"paid", "partial"}
    assert {gi.MoveType("a_new_kind"): 1}["a_new_kind"] == 1
