from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from decimal import Decimal

import pytest

from gcore_invoices import InvoicesClient, PaymentState, money

AS_OF = "2026-06-30"


@pytest.fixture(scope="module")
def invoices(sandbox):
    with InvoicesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        return list(client.list())


@pytest.mark.parametrize("by", ["month", "currency", "client", "payer", "state"])
def test_the_groups_add_up_to_the_invoices_in_each_currency(program, invoices, by):
    done = program.inside("summary", "--by", by, "--format", "json", "--as-of", AS_OF)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    dated = [invoice for invoice in invoices if invoice.invoice_date]
    nets = money.totals_by_currency(dated)
    assert {code: Decimal(sums["net"]) for code, sums in told["totals"].items()} == nets
    for code, net in nets.items():
        rows = [row for row in told["rows"] if row["currency"] == code]
        assert sum(Decimal(row["net"]) for row in rows) == net
        assert sum(Decimal(row["invoiced"]) - Decimal(row["refunded"]) for row in rows) == net
        taxes = [
            -each.amount_tax if money.is_refund(each) else each.amount_tax
            for each in dated
            if each.currency == code
        ]
        assert sum(Decimal(row["tax"]) for row in rows) == sum(taxes)
        assert sum(row["count"] for row in rows) == len([each for each in dated if each.currency == code])
        for row in rows:
            assert sum(map(Decimal, row["ages"].values())) == Decimal(row["open"])
            assert Decimal(row["open"]) - Decimal(row["ages"]["not_due"]) == Decimal(row["overdue"])


def test_open_and_its_ages_are_those_of_the_library(program, invoices):
    told = json.loads(program("summary", "--format", "json", "--as-of", AS_OF).out)
    ages = money.ageing(invoices, date.fromisoformat(AS_OF))
    for code, sums in told["totals"].items():
        assert Decimal(sums["open"]) == ages[code].total.amount
        assert {name: Decimal(amount) for name, amount in sums["ages"].items()} == {
            name: getattr(ages[code], name).amount for name in sums["ages"]
        }
    assert told["reversed"] == sum(invoice.payment_state is PaymentState.REVERSED for invoice in invoices)
    drafts = sum(invoice.invoice_date is None for invoice in invoices)
    assert sum(sums["count"] for sums in told["drafts"].values()) == drafts > 0


def test_csv_has_a_row_for_each_group_and_currency(program):
    text = program("summary", "--by", "client", "--format", "csv").out
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(found[0])[:5] == ["group", "currency", "count", "partial", "invoiced"]
    assert "-412" in {row["group"] for row in found}
    assert "E" not in "".join(row["open"] for row in found)


def test_on_a_terminal_it_has_bars_and_footnotes(program):
    code, screen = program.on_terminal("summary", "--since", "2026", "--as-of", AS_OF)
    assert code == 0
    assert "█" in screen
    assert "Part-paid invoices count in full" in screen
    assert "Refunds subtract." in screen
    drafts = program.inside("summary", "--as-of", AS_OF).out
    assert "draft without a date, USD" in drafts
    assert "reversed invoices: cancelled by a credit note" in drafts
    assert "█" not in drafts


def test_nothing_to_sum_up(program):
    assert "No dated invoices match." in program.inside("summary", "--since", "2030").out


@pytest.mark.parametrize(
    ("options", "words"), [(["--by", "mnth"], "Did you mean 'month'?"), (["--as-of", "2026"], "one day")]
)
def test_a_wrong_option(program, options, words):
    done = program.inside("summary", *options)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize("by", ["month", "currency", "client", "payer", "state"])
def test_at_80_columns_no_line_is_longer_and_no_amount_is_cut(program, by):
    wide = program.inside("summary", "--by", by, "--as-of", AS_OF).out
    assert "Left out" not in wide
    _, screen = program.on_terminal("summary", "--by", by, "--as-of", AS_OF, COLUMNS="80", NO_COLOR="1")
    lines = re.sub(r"\x1b\[\d*m", "", screen).splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in screen
    assert "█" not in screen
    assert lines[0].split()[-2:] == ["open", "overdue"]
    shown = {word for line in lines for word in line.split()}
    for line in wide.partition("\n\n")[0].splitlines()[1:]:
        net, _, is_open, overdue = line.split()[-4:]
        assert {net, is_open, overdue} <= shown
    assert re.search(r"Left out, for want of room: (invoiced, )?refunded", " ".join(lines))


def test_ids_are_in_the_order_of_numbers(program):
    told = json.loads(program.inside("summary", "--by", "client", "--format", "json").out)
    ids = [int(row["client"]) for row in told["rows"]]
    assert ids == sorted(ids)
    assert ids[0] < 0
