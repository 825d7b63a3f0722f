from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal

import pytest

from gcore_invoices import InvoicesClient, money

AS_OF = ("--as-of", "2026-06-30")


def test_all_is_well(program):
    done = program(
        "check", "--overdue-days", 5000, "--max-open", "EUR:99999999", "--max-open", "usd:99999999", *AS_OF
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "OK   overdue: no invoice by more than 5000 days"
    assert [line.split(",")[0][:14] for line in lines[1:]] == ["OK   open: EUR", "OK   open: USD"]


def test_what_fails_is_a_line_each_and_exit_1(program):
    done = program("check", "--overdue-days", 14, "--max-open", "EUR:0.01", *AS_OF)
    assert done.code == 1
    overdue, is_open = done.out.splitlines()
    assert overdue.startswith("FAIL overdue: ")
    assert "the oldest INV/" in overdue
    assert is_open.startswith("FAIL open: EUR ")
    assert is_open.split("; ")[0].endswith("more than 0.01")


def test_the_border_is_allowed(program):
    told = json.loads(program.inside("check", "--overdue-days", 0, "--format", "json", *AS_OF).out)
    late = told["checks"][0]["invoices"]
    assert late == sorted(late, key=lambda each: (-each["days"], each["id"]))
    worst = late[0]["days"]
    assert program.inside("check", "--overdue-days", worst, *AS_OF).code == 0
    assert program.inside("check", "--overdue-days", worst - 1, *AS_OF).code == 1


def test_open_is_what_the_library_says_without_drafts(program, sandbox):
    with InvoicesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        ages = money.ageing(client.list(), date(2026, 6, 30))["EUR"]
    assert ages.drafts.count
    total = ages.total.amount.quantize(Decimal("1e-12"))
    assert program.inside("check", "--max-open", f"EUR:{total}", *AS_OF).code == 0
    assert program.inside("check", "--max-open", f"EUR:{total - Decimal('1e-12')}", *AS_OF).code == 1


def test_filters_narrow_it(program):
    assert program.inside("check", "--overdue-days", 0, "--since", "2030").code == 0


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--max-open", "EUR"],
        ["--max-open", "EUR:-1"],
        ["--max-open", "10"],
        ["--overdue-days", "-1"],
        ["--overdue-days", "x"],
        ["--max-open", "EUR:10", "--max-open", "eur:20"],
    ],
)
def test_a_wrong_question_is_exit_2(program, options):
    assert program.inside("check", *options).code == 2


def test_a_currency_of_which_nothing_is_open_and_one_without_a_limit_are_said(program):
    """A code that is misspelt would be well for ever."""
    done = program.inside("check", "--max-open", "ERU:10", "--max-open", "USD:99999999", *AS_OF)
    assert done.code == 0
    assert done.out.startswith("OK   open: ERU 0.00, within 10.00; nothing in ERU is open\nOK   open: USD ")
    assert re.fullmatch(r"Open without a --max-open: EUR [0-9,]+\.\d\d\n", done.err)
    assert program.inside("check", "--max-open", "ERU:10", "--quiet", *AS_OF).err == ""
    assert program.inside("check", "--overdue-days", 9999, *AS_OF).err == ""


@pytest.mark.parametrize(
    "options", [["--overdue-days", "999999999"], ["--as-of", "0001-01-05", "--overdue-days", "14"]]
)
def test_days_beyond_the_calendar_are_days(program, options):
    done = program.inside("check", *options)
    assert (done.code, done.out) == (0, f"OK   overdue: no invoice by more than {options[-1]} days\n")


def test_one_day_is_one(program):
    done = program.inside("check", "--overdue-days", 1, "--as-of", "2023-07-20")
    assert "more than 1 day" in done.out
    assert "more than 1 days" not in done.out


@pytest.mark.slow
def test_what_cannot_be_found_out_is_exit_2_whatever_the_cause(program):
    done = program("check", "--overdue-days", 1, GCORE_API_KEY="0$wrong")
    assert (done.code, done.out) == (2, "")
    assert "401" in done.err
    assert program("check", "--overdue-days", 1, "--base-url", "http://127.0.0.1:1").code == 2
