"""InvoiceQuery checks itself when it is made, before anything could be sent."""

from __future__ import annotations

import datetime as dt
from datetime import date

import attrs
import pytest
from support import Wire

from gcore_invoices import InvoiceQuery, MoveType, Order, PaymentState, QueryFields, SortKey, UsageError

FULL = {
    "billing_period_from": date(2026, 3, 1),
    "billing_period_to": date(2026, 3, 31),
    "invoice_date_from": date(2026, 4, 1),
    "invoice_date_to": date(2026, 4, 1),
    "client_id": -7,
    "payer_id": 5117,
    "currency": "EUR",
    "move_type": MoveType.OUT_REFUND,
    "payment_state": PaymentState.PARTIAL,
    "order_by": SortKey.NAME.asc(),
    "page_size": 1,
    "offset": 3,
}

WRONG = {
    "reversed invoice dates": (
        {"invoice_date_from": date(2026, 2, 1), "invoice_date_to": date(2026, 1, 31)},
        "invoice_date_from (2026-02-01) is later than invoice_date_to (2026-01-31): no invoice can match. "
        "Were they swapped?",
    ),
    "reversed periods": (
        {"billing_period_from": date(2026, 2, 1), "billing_period_to": date(2026, 1, 31)},
        "billing_period_from (2026-02-01) is later than billing_period_to (2026-01-31)",
    ),
    "a page of none": ({"page_size": 0}, "page_size takes an integer from 1 to 100, not 0."),
    "too large a page": ({"page_size": 101}, "page_size takes an integer from 1 to 100, not 101."),
    "no page size": ({"page_size": None}, "page_size takes an integer from 1 to 100, not None."),
    "a negative offset": ({"offset": -1}, "offset takes an integer of 0 or more, not -1."),
    "no offset": ({"offset": None}, "offset takes an integer of 0 or more, not None."),
    "a long currency": (
        {"currency": "EURO"},
        "currency takes a code of three letters such as 'EUR', not 'EURO'.",
    ),
    "a short currency": ({"currency": "E"}, "currency takes a code of three letters"),
    "digits": ({"currency": "E1R"}, "currency takes a code of three letters"),
    "letters of another script": ({"currency": "ЕUR"}, "currency takes a code of three letters"),  # noqa: RUF001
    "no text": ({"currency": 978}, "currency takes a code of three letters such as 'EUR', not 978."),
    "a bare state": (
        {"payment_state": "not_paid"},
        "payment_state takes one of PaymentState.NOT_PAID, PaymentState.PAID, PaymentState.PARTIAL, "
        "PaymentState.REVERSED, PaymentState.IN_PAYMENT, not 'not_paid'.",
    ),
    "an unknown state": (
        {"payment_state": PaymentState("blocked")},
        "payment_state takes one of PaymentState.",
    ),
    "another enum": ({"payment_state": MoveType.OUT_INVOICE}, "payment_state takes one of PaymentState."),
    "an unknown type": (
        {"move_type": MoveType("entry")},
        "move_type takes one of MoveType.OUT_INVOICE, MoveType.OUT_REFUND, not",
    ),
    "a bool for an id": (
        {"client_id": True},
        "client_id takes an integer from -2147483648 to 2147483647, not True.",
    ),
    "a bool for a payer": ({"payer_id": False}, "payer_id takes an integer, not False."),
    "a bool for an offset": ({"offset": True}, "offset takes an integer of 0 or more, not True."),
    "a bool for a size": ({"page_size": True}, "page_size takes an integer from 1 to 100, not True."),
    "a float": ({"client_id": 7.0}, "client_id takes an integer from -2147483648 to 2147483647, not 7.0."),
    "text": ({"payer_id": "5117"}, "payer_id takes an integer, not '5117'."),
    "a client beyond 32 bits": (
        {"client_id": 2**31},
        "client_id takes an integer from -2147483648 to 2147483647, not 2147483648.",
    ),
    "a date as text": (
        {"invoice_date_from": "2026-01-01"},
        "invoice_date_from takes a datetime.date, not '2026-01-01': e.g. date(2026, 1, 31).",
    ),
    "a time": (
        {"invoice_date_from": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
        "drop the time with .date().",
    ),
    "a bare order": ({"order_by": "-id"}, "write SortKey.ID.desc()"),
    "an unknown field": (
        {"state": PaymentState.PAID},
        "Unknown query field 'state'. Did you mean 'payment_state'? Valid: billing_period_from,",
    ),
}


@pytest.mark.parametrize(("fields", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_a_usage_error_before_anything_is_sent(make_client, fields, sentence):
    wire = Wire.of()
    client = make_client(wire)
    with pytest.raises(UsageError) as caught:
        client.real.list(**fields)
    assert sentence in str(caught.value)
    if "state" not in fields:
        with pytest.raises(UsageError) as caught:
            InvoiceQuery(**fields)
        assert sentence in str(caught.value)
    assert wire.requests == []


def test_every_field_takes_its_value():
    query = InvoiceQuery(**FULL)
    for name, value in FULL.items():
        assert getattr(query, name) == (Order.of(value) if name == "order_by" else value)
    assert query == attrs.evolve(query)
    assert len({query, InvoiceQuery(**FULL)}) == 1
    with pytest.raises(AttributeError):
        query.currency = "USD"


@pytest.mark.parametrize("client_id", [-(2**31), 2**31 - 1, 0])
def test_the_bounds_themselves_are_taken(client_id):
    assert InvoiceQuery(client_id=client_id, page_size=100, offset=0).client_id == client_id


def test_nothing_given_asks_for_everything():
    query = InvoiceQuery()
    assert query.filters() == {}
    assert (query.page_size, query.offset, query.order_by) == (100, 0, Order())


def test_a_currency_is_written_in_capitals():
    assert InvoiceQuery(currency="eur").currency == "EUR"


def test_the_keywords_of_list_are_the_fields_of_the_query():
    assert (
        list(QueryFields.__annotations__)
        == [field.name for field in attrs.fields(InvoiceQuery)]
        == list(FULL)
    )


def test_list_takes_a_query_or_keywords_not_both(make_client):
    client = make_client(Wire.of())
    query = InvoiceQuery(currency="EUR")
    assert client.real.list(query).query is query
    assert client.real.list(currency="EUR").query == query
    with pytest.raises(
        UsageError,
        match=r"^list takes an InvoiceQuery or keywords, not both: change the query with attrs\.evolve\.$",
    ):
        client.real.list(query, currency="USD")
    with pytest.raises(UsageError, match="list takes an InvoiceQuery or keywords, not 'EUR'"):
        client.real.list("EUR")


def test_a_fingerprint_stands_for_one_list():
    query = InvoiceQuery(**FULL)
    # Written down: a checkpoint of today is taken by the versions to come.
    assert query.fingerprint() == "15dcd8bdad3f187e"
    assert (
        InvoiceQuery().fingerprint()
        == InvoiceQuery(order_by=SortKey.ID.asc()).fingerprint()
        == "0aeeb30910e96a7f"
    )
    assert attrs.evolve(query, page_size=50, offset=0).fingerprint() == query.fingerprint()
    changed = [
        attrs.evolve(query, **change)
        for change in (
            {"client_id": 7},
            {"client_id": None},
            {"invoice_date_from": date(2026, 3, 31)},
            {"payment_state": PaymentState.PAID},
            {"order_by": SortKey.NAME.desc()},
            {"order_by": None},
        )
    ]
    assert len({each.fingerprint() for each in (query, InvoiceQuery(), *changed)}) == 8
