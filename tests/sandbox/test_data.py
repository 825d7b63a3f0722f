from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise

import pytest
from sandbox.asking import INVOICES, ROWS, page, validator

from gcore_invoices.sandbox import Invoices, LazyStore
from gcore_invoices.sandbox.data import PAYERS

DRAFTS = [row for row in ROWS if row["name"] == "/"]
ISSUED = [row for row in ROWS if row["name"] != "/"]
PINNED = "e4ae5b8f66fdb4ab5b3c74e33e117d510ba593c64c1a68c09ed9e8132af802b1"
PAYERS_BY_ID = {payer.payer_id: payer for payer in PAYERS}


def test_every_row_is_what_the_contract_says():
    check = validator("/billing/org/v1/erp-invoices/{id}", "200")
    for row in ROWS:
        check.validate(row)


def test_the_same_seed_gives_the_same_rows_wherever_one_starts():
    again = Invoices(800)
    assert again[700] == ROWS[700]
    assert again[:] == ROWS
    assert Invoices(800, seed=7)[:] != ROWS


def test_the_default_rows_are_pinned():
    text = json.dumps(Invoices()[:], sort_keys=True)
    assert sha256(text.encode()).hexdigest() == PINNED, "recordings hold these rows: make them afresh"


def test_ids_increase_with_gaps():
    steps = {after["id"] - before["id"] for before, after in pairwise(ROWS)}
    assert min(steps) >= 1
    assert max(steps) > 1


def test_an_id_is_found_again_and_a_gap_is_not():
    ids = {row["id"]: position for position, row in enumerate(ROWS)}
    for invoice_id in range(min(ids) - 5, max(ids) + 5):
        assert INVOICES.position(invoice_id) == ids.get(invoice_id)


def test_rows_cover_36_months_up_to_today_oldest_first():
    created = [row["created_at"] for row in ROWS]
    assert created == sorted(created)
    assert len({stamp[:7] for stamp in created}) == 36
    assert created[0][:7] == "2023-07"
    assert created[-1][:10] <= "2026-06-30"


def test_time_runs_forward():
    end = datetime(2026, 7, 1, tzinfo=UTC)
    for row in ROWS:
        created, updated = (datetime.fromisoformat(row[name]) for name in ("created_at", "updated_at"))
        assert created <= updated < end
        if row["invoice_date"] is not None:
            assert row["invoice_date"] == row["created_at"][:10]
            assert row["invoice_date"] <= row["invoice_date_due"]
            assert (row["billing_period_to"] or "") < row["invoice_date"]
    assert all(r["updated_at"] > r["created_at"] for r in ISSUED if r["payment_state"] == "partial")


def test_numbers_run_without_gaps_in_each_year_and_kind():
    series: dict[str, list[int]] = {}
    for row in ISSUED:
        prefix, year, number = row["name"].split("/")
        assert prefix == {"out_invoice": "INV", "out_refund": "RINV"}[row["move_type"]]
        assert year == row["invoice_date"][:4]
        assert len(number) == 5
        series.setdefault(f"{prefix}/{year}", []).append(int(number))
    assert len(series) == 8
    for numbers in series.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_drafts_have_no_number_and_no_date_and_owe_nothing_yet():
    assert 5 <= len(DRAFTS) <= 30
    for row in DRAFTS:
        assert row["invoice_date"] is row["invoice_date_due"] is row["invoice_id"] is None
        assert row["payment_state"] == "not_paid"
    assert DRAFTS[0]["created_at"] < "2026", "one draft was forgotten long ago"


def test_amounts_add_up_and_are_never_negative():
    for row in ROWS:
        untaxed, tax, total = (Decimal(row[f"amount_{part}"]) for part in ("untaxed", "tax", "total"))
        assert untaxed + tax == total >= 0
        assert len(row["amount_total"].partition(".")[2]) == 12
        rate = Decimal(PAYERS_BY_ID[row["payer_id"]].tax) / 10_000
        assert abs(tax - untaxed * rate) <= Decimal("0.005")


def test_amounts_are_of_every_size():
    totals = [Decimal(row["amount_total"]) for row in ROWS]
    assert sum(total == 0 for total in totals) > 5
    assert sum(0 < total < Decimal("0.01") for total in totals) > 5
    assert sum(total > 1000 for total in totals) > 300
    assert sum(total % Decimal("0.01") != 0 for total in totals) > 100
    assert max(Counter(totals).values()) > 20, "flat plans make equal amounts, so that a tiebreak matters"
    assert sum(row["amount_tax"] == "0.000000000000" for row in ROWS) > 300


def test_several_clients_and_payers_one_currency_each():
    assert {row["currency"] for row in ROWS} == {"EUR", "USD"}
    for row in ROWS:
        payer = PAYERS_BY_ID[row["payer_id"]]
        assert row["client_id"] in payer.clients
        assert row["currency"] == payer.currency
    assert {client for payer in PAYERS for client in payer.clients} == {row["client_id"] for row in ROWS}
    assert sum(row["client_id"] < 0 for row in ROWS) > 20


def test_every_state_occurs_and_old_invoices_are_mostly_paid():
    assert set(Counter(row["payment_state"] for row in ROWS)) == {
        "not_paid",
        "paid",
        "partial",
        "reversed",
        "in_payment",
    }
    old = [row for row in ISSUED if row["invoice_date"] < "2025-06-30"]
    recent = [row for row in Invoices()[:] if (row["invoice_date"] or "") > "2026-06-01"]
    settled = ("paid", "reversed")
    assert sum(row["payment_state"] in settled for row in old) > 0.93 * len(old)
    assert sum(row["payment_state"] not in settled for row in recent) > 0.5 * len(recent)
    overdue = [r for r in ISSUED if r["payment_state"] == "not_paid" and r["invoice_date_due"] < "2026-06-30"]
    assert len(overdue) > 15


def test_a_reversed_invoice_has_its_refund():
    refunds = [row for row in ISSUED if row["move_type"] == "out_refund" and row["payment_state"] == "paid"]
    reversed_ = [row for row in ROWS if row["payment_state"] == "reversed"]
    assert len(reversed_) > 10
    for row in reversed_:
        assert any(
            refund["amount_total"] == row["amount_total"]
            and refund["client_id"] == row["client_id"]
            and refund["created_at"] == row["updated_at"]
            for refund in refunds
        )
    assert {row["move_type"] for row in reversed_} == {"out_invoice"}


@pytest.mark.parametrize("count", [0, 1, 2, 17, 35, 36, 37, 100])
def test_small_counts_are_whole_too(count):
    rows = Invoices(count, today=date(2026, 3, 1))[:]
    assert len(rows) == len({row["id"] for row in rows}) == count
    assert all(row["created_at"][:10] <= "2026-03-01" for row in rows)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="cannot be negative, and it is -1"):
        Invoices(-1)


@pytest.mark.parametrize(
    "query", ["", "limit=100&offset=777777", "ordering=-id&limit=100", "limit=100&offset=9999999"]
)
def test_a_page_of_a_million_costs_its_own_rows(query):
    store = LazyStore(Invoices(1_000_000))
    page(store=store)  # imports and caches
    tracemalloc.start()
    try:
        assert page(query, store=store)["count"] == 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_an_index_is_kept_in_four_bytes_a_row(monkeypatch):
    monkeypatch.setattr("gcore_invoices.sandbox.store.RUN", 2048)
    count = 20_000
    store = LazyStore(Invoices(count))
    page("limit=1", store=store)
    tracemalloc.start()
    try:
        page("ordering=-amount_total&limit=1", store=store)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # An array grows by an eighth at a time; days and their texts are cached, whatever the count.
    assert kept < 4 * count * 1.2 + 300_000
    assert peak < 75 * count + 500_000
