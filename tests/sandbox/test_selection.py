from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.asking import INVOICES, ROWS, STORE, follow, page

from gcore_invoices.sandbox import Invoices, LazyStore, Row, Term, select
from gcore_invoices.sandbox.selection import SORT_KEYS, complete

STATES = ("not_paid", "paid", "partial", "reversed", "in_payment")
DAYS = st.dates(date(2023, 6, 1), date(2026, 7, 31)).map(str)

# -- the same rules, written a second time and as plainly as possible


def naive_filter(rows: list[Row], query: dict[str, Any]) -> list[Row]:
    ranges = {
        "billing_period_from__from": lambda row, day: (
            row["billing_period_from"] and row["billing_period_from"] >= day
        ),
        "billing_period_to__to": lambda row, day: (
            row["billing_period_to"] and row["billing_period_to"] <= day
        ),
        "invoice_date__from": lambda row, day: row["invoice_date"] and row["invoice_date"] >= day,
        "invoice_date__to": lambda row, day: row["invoice_date"] and row["invoice_date"] <= day,
    }
    for name, value in query.items():
        if name in ranges:
            rows = [row for row in rows if ranges[name](row, value)]
        elif name not in {"ordering", "order_by", "limit", "offset"}:
            rows = [row for row in rows if str(row[name]) == str(value)]
    return rows


def naive_order(rows: list[Row], ordering: str) -> list[Row]:
    keys = {
        "id": lambda row: row["id"],
        "invoice_date": lambda row: (row["invoice_date"] is None, row["invoice_date"] or ""),
        "amount_total": lambda row: Decimal(row["amount_total"]),
        "created_at": lambda row: datetime.fromisoformat(row["created_at"]).astimezone(UTC),
        "name": lambda row: row["name"],
    }
    rows = sorted(rows, key=keys["id"])
    # Each pass keeps equal rows as they stand, reverse=True too.
    for term in reversed(ordering.split(",")):
        rows = sorted(rows, key=keys[term.removeprefix("-")], reverse=term.startswith("-"))
    return rows


def ids(query: dict[str, Any] | str) -> list[int]:
    found: list[int] = []
    answer = page(query)
    while True:
        found += [row["id"] for row in answer["results"]]
        assert len(found) <= answer["count"], "the links lead in a circle"
        if answer["next"] is None:
            assert len(found) == answer["count"]
            return found
        answer = follow(answer["next"])


FILTERS = [
    ("billing_period_from__from", "2025-03-01"),
    ("billing_period_from__from", "2025-03-02"),
    ("billing_period_to__to", "2024-12-31"),
    ("billing_period_to__to", "2024-12-30"),
    ("invoice_date__from", "2026-06-02"),
    ("invoice_date__to", "2023-07-02"),
    ("client_id", 21008),
    ("client_id", -412),
    ("client_id", 1),
    ("payer_id", 5230),
    ("currency", "EUR"),
    ("currency", "XAU"),
    ("move_type", "out_invoice"),
    ("move_type", "out_refund"),
    *(("payment_state", state) for state in STATES),
]


@pytest.mark.parametrize(("name", "value"), FILTERS)
def test_each_filter_keeps_what_a_plain_loop_keeps(name, value):
    expected = [row["id"] for row in naive_filter(ROWS, {name: value})]
    assert ids({name: value, "limit": 100}) == expected
    assert len(expected) < len(ROWS)
    assert expected or value in {1, "XAU"}


@pytest.mark.parametrize("name", ["invoice_date__from", "invoice_date__to"])
def test_both_ends_are_inclusive(name):
    day = ROWS[700]["invoice_date"]
    assert ROWS[700]["id"] in ids({name: day, "limit": 100})


def test_a_day_is_a_range_of_one():
    found = ids("invoice_date__from=2026-06-02&invoice_date__to=2026-06-02&limit=100")
    assert found == [row["id"] for row in ROWS if row["invoice_date"] == "2026-06-02"]
    assert found


@pytest.mark.parametrize("key", SORT_KEYS)
@pytest.mark.parametrize("sign", ["", "-"])
def test_each_ordering_sorts_as_plain_python_does(key, sign):
    expected = [row["id"] for row in naive_order(ROWS, sign + key)]
    assert ids(f"ordering={sign}{key}&limit=100") == expected
    assert ids(f"order_by={key}.{'desc' if sign else 'asc'}&limit=100") == expected


@pytest.mark.parametrize(
    "ordering",
    [
        "-amount_total,id",
        "-amount_total,-id",
        "invoice_date,-amount_total",
        "-invoice_date,amount_total,-name",
        "name,-created_at",
        "-created_at,-amount_total,invoice_date,name,-id",
    ],
)
def test_several_keys_sort_as_stable_passes_do(ordering):
    assert ids({"ordering": ordering, "limit": 100}) == [row["id"] for row in naive_order(ROWS, ordering)]


def test_without_an_ordering_rows_come_by_id():
    assert ids("limit=100") == sorted(row["id"] for row in ROWS)


def test_null_dates_are_last_ascending_and_first_descending():
    assert page("ordering=-invoice_date")["results"][0]["invoice_date"] is None
    last = page(f"ordering=invoice_date&offset={len(ROWS) - 1}")["results"]
    assert [row["invoice_date"] for row in last] == [None]


def test_of_both_sort_parameters_order_by_wins():
    both = page("ordering=-id&order_by=amount_total.asc")["results"]
    assert both == page("ordering=amount_total")["results"]
    assert page("ordering=-id&order_by=")["results"] == page("ordering=-id")["results"]


def test_of_a_repeated_parameter_the_last_counts():
    assert page("ordering=name&ordering=-id")["results"] == page("ordering=-id")["results"]
    assert page("currency=EUR&currency=USD")["count"] == page("currency=USD")["count"]


@pytest.mark.parametrize(
    "ordering", ["name,name,-id", "name,-name,-id", " name , -id", "name,,-id,", "name,-id,-name"]
)
def test_a_key_named_twice_counts_where_it_stands_first(ordering):
    assert page({"ordering": ordering})["results"] == page("ordering=name,-id")["results"]


def test_an_order_ends_in_the_primary_key():
    name, by_id = Term("name"), Term("id", descending=True)
    assert complete([name]) == (name, Term("id"))
    assert complete([name, by_id, Term("created_at"), name]) == (name, by_id)
    assert complete([]) == (Term("id"),)


@given(
    query=st.fixed_dictionaries(
        {},
        optional={
            "invoice_date__from": DAYS,
            "invoice_date__to": DAYS,
            "billing_period_from__from": DAYS,
            "billing_period_to__to": DAYS,
            "payment_state": st.sampled_from(STATES),
            "move_type": st.sampled_from(["out_invoice", "out_refund"]),
            "currency": st.sampled_from(["EUR", "USD"]),
            "payer_id": st.sampled_from([5117, 5230, 5306]),
            "client_id": st.sampled_from([20841, 21008, -412]),
            "ordering": st.lists(
                st.sampled_from([sign + key for key in SORT_KEYS for sign in ("", "-")]),
                min_size=1,
                max_size=4,
                unique_by=lambda term: term.removeprefix("-"),
            ).map(",".join),
            "limit": st.integers(1, 100),
            "offset": st.integers(0, 400),
        },
    )
)
@settings(max_examples=60, deadline=None)
def test_any_mix_agrees_with_the_plain_rules(query):
    expected = naive_order(naive_filter(ROWS, query), query.get("ordering", "id"))
    answer = page(query)
    offset = query.get("offset", 0)
    assert answer["count"] == len(expected)
    assert answer["results"] == expected[offset : offset + query.get("limit", 20)]


# -- stores


def test_runs_are_merged_in_order(monkeypatch):
    monkeypatch.setattr("gcore_invoices.sandbox.store.RUN", 64)
    order = complete([Term("amount_total", descending=True), Term("name")])
    merged = LazyStore(INVOICES).select((), order)
    assert merged[:] == select(ROWS, (), order)
    assert merged[0] == merged[:1][0]


def test_an_index_is_built_once(monkeypatch):
    store = LazyStore(Invoices(200))
    first = page("ordering=name", store=store)
    monkeypatch.setattr(store.invoices, "_row", lambda position: ROWS[0])
    again = page("ordering=name", store=store)
    assert again["count"] == first["count"] == 200


def test_a_row_made_by_hand_sorts_where_it_belongs():
    def row(number: int, **fields: Any) -> Row:
        return {**ROWS[0], "id": number, **fields}  # type: ignore[typeddict-item]

    rows = [
        row(1, amount_total="-5.5", name="a", created_at="2026-01-01T00:00:00.5Z"),
        row(2, amount_total="1000", name="ab", created_at="2026-01-01T00:00:00Z"),
        row(3, amount_total="0E-12", name="", created_at="2026-01-01T00:00:01Z"),
        row(-4, amount_total="999.999999999999", name="ä", created_at="2025-12-31T23:59:59Z"),
    ]

    def order(key: str, *, descending: bool = False) -> list[int]:
        return [found["id"] for found in select(rows, (), complete([Term(key, descending)]))]

    assert order("amount_total") == [1, 3, -4, 2]
    assert order("amount_total", descending=True) == [2, -4, 3, 1]
    assert order("name") == [3, 1, 2, -4]
    assert order("name", descending=True) == [-4, 2, 1, 3]
    assert order("created_at") == [-4, 2, 1, 3]
    assert order("id", descending=True) == [3, 2, 1, -4]


def test_amounts_that_differ_in_their_last_place_alone_are_in_order():
    """More digits than a float keeps, or a decimal context by default."""
    amounts = [f"{whole}.{place:012}" for whole in (10**17, 10**17 + 1) for place in (1, 2, 3)]
    rows = [{**ROWS[0], "id": 9 - at, "amount_total": amount} for at, amount in enumerate(amounts)]
    found = select(reversed(rows), (), complete([Term("amount_total")]))  # type: ignore[arg-type]
    assert [row["amount_total"] for row in found] == amounts


def test_the_store_finds_by_id():
    assert STORE.get(ROWS[3]["id"]) == ROWS[3]
    assert STORE.get(1) is None
