from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from decimal import Decimal
from threading import Event

import pytest
from support import wire_invoice

from gcore_invoices import InvoicesClient
from gcore_invoices.sandbox import Response


def rows(done):
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_piped_it_is_json_lines_of_the_api_and_nothing_else(program, sandbox):
    done = program("list")
    assert done.err == ""
    found = rows(done)
    assert len(found) == 400
    assert found == sorted(found, key=lambda row: row["id"])
    assert len(found[0]) == 17
    assert Decimal(found[0]["amount_total"]).as_tuple().exponent == -12


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        (["--unpaid"], lambda row: row["payment_state"] == "not_paid"),
        (["--state", "partial"], lambda row: row["payment_state"] == "partial"),
        (["--state", "IN-PAYMENT"], lambda row: row["payment_state"] == "in_payment"),
        (["--type", "out_refund"], lambda row: row["move_type"] == "out_refund"),
        (["--since", "2026-05"], lambda row: (row["invoice_date"] or "") >= "2026-05-01"),
        (["--until", "2023-08"], lambda row: (row["invoice_date"] or "9") <= "2023-08-31"),
        (["--since", "2025-Q4", "--until", "2025"], lambda row: "2025-10" <= (row["invoice_date"] or "") <= "2025-12-31"),
        (["--period", "2026-03"], lambda row: (row["billing_period_from"], row["billing_period_to"]) == ("2026-03-01", "2026-03-31")),
        (["--period-from", "2026-04-01"], lambda row: (row["billing_period_from"] or "") >= "2026-04-01"),
        (["--period-to", "2023"], lambda row: (row["billing_period_to"] or "9") <= "2023-12-31"),
        (["--client-id", "-412"], lambda row: row["client_id"] == -412),
        (["--payer-id", "5117"], lambda row: row["payer_id"] == 5117),
        (["--currency", "eur"], lambda row: row["currency"] == "EUR"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_every_filter(program, everything, options, holds):
    expected = [row["id"] for row in everything if holds(row)]
    assert expected
    assert [row["id"] for row in rows(program.inside("list", *options))] == expected


@pytest.fixture(scope="module")
def everything(sandbox, tmp_path_factory):
    with InvoicesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        return [invoice.to_dict() for invoice in client.list()]


def test_order_and_limit(program, everything):
    found = rows(program.inside("list", "--sort", "-amount_total,id", "--limit", "7"))
    ordered = sorted(everything, key=lambda row: (-Decimal(row["amount_total"]), row["id"]))
    assert [row["id"] for row in found] == [row["id"] for row in ordered[:7]]


def test_columns_come_in_the_order_asked_for(program):
    done = program("list", "--limit", 2, "--columns", "currency, id", "--format", "csv")
    assert done.out == "currency,id\r\nUSD,90002\r\nUSD,90005\r\n"
    assert rows(program.inside("list", "--limit", 1, "--columns", "name,id")) == [
        {"name": "INV/2023/00001", "id": 90002}
    ]


def test_csv_has_exact_amounts_and_every_field(program):
    found = list(csv.DictReader(io.StringIO(program.inside("list", "--limit", 3, "--format", "csv").out)))
    assert [row["amount_total"] for row in found][:2] == ["740.410000000000", "4010.890000000000"]
    assert len(found[0]) == 18  # the fields, and `extra`


def test_json_is_one_array_and_an_empty_one_too(program):
    assert len(json.loads(program.inside("list", "--limit", 3, "--format", "json").out)) == 3
    assert json.loads(program.inside("list", "--since", "2030", "--format", "json").out) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sort", "amout_total"], "Unknown sort key 'amout_total'. Did you mean 'amount_total'?"),
        (["--state", "paidd"], "Unknown payment state 'paidd'. Did you mean 'paid'?"),
        (["--type", "refund"], "Unknown type 'refund'. Did you mean 'out_refund'?"),
        (["--format", "jason"], "Unknown format 'jason'. Did you mean 'json'?"),
        (["--columns", "id,nmae"], "Unknown column 'nmae'. Did you mean 'name'?"),
        (["--since", "2026-13"], "--since takes a day, a month, a quarter or a year, not '2026-13'."),
        (["--since", "yesterday"], "not 'yesterday'"),
        (["--unpaid", "--state", "paid"], "--unpaid and --state paid exclude each other"),
        (["--period", "2026", "--period-to", "2027"], "--period already says from and to"),
        (["--limit", "0"], "--limit takes an integer"),
        (["--currency", "euro"], "three letters"),
        (["--since", "2026-05", "--until", "2026-04"], "Were they swapped?"),
        (["--client-id", "x"], "client"),
        (["--colums", "id"], "--columns"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_one_sentence_with_the_nearest_match(program, options, sentence):
    done = program.inside("list", *options)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err


# -- on a terminal


def test_on_a_terminal_it_is_a_table_with_colours(program, everything):
    code, screen = program.on_terminal("list", "--unpaid", "--since", "2026-01")
    assert code == 0
    expected = [
        row
        for row in everything
        if row["payment_state"] == "not_paid" and (row["invoice_date"] or "") >= "2026"
    ]
    lines = screen.splitlines()
    assert "number" in lines[0]
    assert sum("INV/" in line for line in lines) == len(expected)
    assert "\x1b[33mnot_paid" in screen
    overdue = [
        row for row in expected if row["invoice_date_due"] < dt.datetime.now().astimezone().date().isoformat()
    ]
    assert screen.count("!") == len(overdue) + 1
    assert "! = overdue" in screen
    assert f"{len(expected)} invoices; in all EUR" in screen


def test_what_is_overdue_on_another_day(program, everything):
    day = "2026-06-30"
    done = program.inside("list", "--unpaid", "--since", "2026-01", "--as-of", day, "--format", "table")
    late = [
        row
        for row in everything
        if row["payment_state"] == "not_paid"
        and (row["invoice_date"] or "") >= "2026"
        and row["move_type"] == "out_invoice"
        and row["invoice_date_due"] < day
    ]
    assert done.out.count("!") == len(late) + 1 > 1
    assert len(late) < len([line for line in done.out.splitlines() if "INV/" in line])
    assert program.inside("list", "--as-of", "2026").code == 2


def test_amounts_are_aligned_and_refunds_are_below_zero(program):
    done = program.inside("list", "--type", "out_refund", "--limit", 9, "--format", "table")
    lines = [line for line in done.out.splitlines() if "RINV" in line]
    assert len({line.rindex(".") for line in lines}) == 1
    assert all(" -" in line for line in lines)
    assert "\x1b" not in done.out


def test_no_color_is_honoured(program):
    _, screen = program.on_terminal("list", "--unpaid", "--limit", 5, NO_COLOR="1")
    assert "\x1b[3" not in screen


def test_a_narrow_terminal_costs_no_digit(program):
    """Columns that are named are all shown, on two lines if need be."""
    columns = ("--columns", "id,name,amount_total,created_at,payment_state")
    wide = program("list", "--limit", 30, *columns, "--format", "table").out
    _, screen = program.on_terminal("list", "--limit", 30, *columns, COLUMNS="40", NO_COLOR="1")
    assert "…" not in screen
    assert re.sub(r"\x1b\[\d*m", "", screen).split() == wide.split()


def test_a_narrow_terminal_goes_without_columns_and_says_so(program):
    wide = program("list", "--limit", 30, "--format", "table").out
    assert "Left out" not in wide
    for width, left_out in ((66, ["client", "dated"]), (59, ["client", "dated", "id"])):
        _, screen = program.on_terminal("list", "--limit", 30, COLUMNS=str(width), NO_COLOR="1")
        lines = re.sub(r"\x1b\[\d*m", "", screen).splitlines()
        assert max(map(len, lines)) <= width
        assert lines[0].split() == [
            name
            for name in ("id", "number", "dated", "due", "client", "state", "amount")
            if name not in left_out
        ]
        # Number and amount of each are whole.
        cells = [[line.split()[wide_at] for line in wide.splitlines()[1:31]] for wide_at in (1, 6)]
        assert all(any(a in line and b in line for line in lines[1:31]) for a, b in zip(*cells, strict=True))
        told = " ".join(lines)
        assert f"Left out, for want of room: {', '.join(sorted(left_out, key=wide.index))}." in told


def test_no_invoices_are_a_sentence(program):
    assert program.inside("list", "--since", "2030", "--format", "table").out == "No invoices match.\n"


def test_one_invoice_is_one(program):
    assert "\n1 invoice; in all USD" in program.inside("list", "--limit", 1, "--format", "table").out


def test_instants_of_a_table_are_utc(faulty):
    row = wire_invoice(1, created_at="2026-04-02T01:30:00+02:00")
    body = json.dumps({"count": 1, "next": None, "previous": None, "results": [row]}).encode()
    answer = Response(200, {"Content-Type": "application/json"}, body)
    done = faulty(lambda request: answer)("list", "--columns", "created_at", "--format", "table")
    assert done.out.splitlines()[1].strip() == "2026-04-01 23:30"


@pytest.mark.slow
def test_a_walk_of_more_than_a_second_shows_a_bar_with_count_and_rate(faulty):
    seen = Event()

    def before(request):
        if "offset=" in request.url and "offset=0" not in request.url:
            assert seen.wait(30)

    program = faulty(before)
    code, screen = program.on_terminal("list", "--format", "table", until="/s", then=lambda _: seen.set())
    assert code == 0
    assert "Reading invoices" in screen
    assert "/250" in screen


@pytest.mark.slow
def test_quiet_shows_no_bar(faulty):
    held = Event()

    def before(request):
        if "offset=0" not in request.url:
            held.wait(1.5)  # longer than the bar's patience; nothing tells of a bar that does not come

    code, screen = faulty(before).on_terminal("list", "--quiet", "--format", "table")
    assert code == 0
    assert "Reading" not in screen


def test_what_a_terminal_would_obey_is_not_sent_to_it(faulty):
    def before(request):
        row = wire_invoice(1, name="INV\x1b]0;owned\x07")
        body = json.dumps({"count": 1, "next": None, "previous": None, "results": [row]}).encode()
        return Response(200, {"Content-Type": "application/json"}, body)

    _, screen = faulty(before).on_terminal("list")
    assert "INV\N{REPLACEMENT CHARACTER}]0;owned" in screen
    assert "\x1b]0" not in screen
