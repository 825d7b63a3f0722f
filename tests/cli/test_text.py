from __future__ import annotations

import datetime as dt
from datetime import date

import pytest

from gcore_invoices import PaymentState, UsageError
from gcore_invoices.cli import text
from gcore_invoices.cli.text import choice, day, member, names, printable, span


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2026-03", date(2026, 3, 1), date(2026, 3, 31)),
        ("2026-3", date(2026, 3, 1), date(2026, 3, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2026-03-31", date(2026, 3, 31), date(2026, 3, 31)),
        (" 2026-03-05 ", date(2026, 3, 5), date(2026, 3, 5)),
        ("0001", date(1, 1, 1), date(1, 12, 31)),
    ],
)
def test_a_span(given, first, last):
    assert span(given, "--since") == (first, last)


@pytest.mark.parametrize(
    "given",
    ["", "26", "2026-", "2026-13", "2026-00", "2026-02-29", "2026-03-00", "2026-Q5", "2026-Q0", "2026-Q1-01",
     "0000", "20260331", "31.03.2026", "03/2026", "٢٠٢٦", "2026-03-31T00:00"],
)  # fmt: skip
def test_what_is_no_span(given):
    with pytest.raises(UsageError) as caught:
        span(given, "--until")
    assert str(caught.value) == (
        f"--until takes a day, a month, a quarter or a year, not {given!r}. "
        "Examples: 2026-03-31, 2026-03, 2026-Q1, 2026."
    )


def test_a_day():
    assert day("2026-03-31", "--as-of") == date(2026, 3, 31)
    for given in ("2026", "2026-03"):
        with pytest.raises(UsageError, match=f"^--as-of takes one day, such as 2026-03-31, not '{given}'"):
            day(given, "--as-of")


def test_today_is_the_day_of_this_machine(monkeypatch):
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            # Two hours east of UTC, half an hour after midnight: in UTC it is still the day before.
            assert tz is None
            return cls(2026, 3, 31, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))

        def astimezone(self, tz=None):
            return self

    monkeypatch.setattr(text, "datetime", Clock)
    assert day(None, "--as-of") == date(2026, 3, 31)


def test_a_choice_and_a_member():
    assert choice("format", "json", ("json", "csv")) == "json"
    assert member("payment state", " In-Payment ", PaymentState) is PaymentState.IN_PAYMENT
    for call in (
        lambda: choice("format", "jsno", ("json", "csv")),
        lambda: names("format", "csv, jsno", ("json", "csv")),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert str(caught.value) == "Unknown format 'jsno'. Did you mean 'json'? Valid: csv, json."


def test_names():
    assert names("column", "id, name", {"id", "name"}) == ("id", "name")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("INV/2026/1 №", "INV/2026/1 №"),
        ("a\x1b[31mb", "a�[31mb"),
        ("a\x9bb\x07\r\n\t", "a�b����"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("a\u200bb\ud800", "a�b�"),
        ("", ""),
    ],
)
def test_what_a_terminal_would_obey_is_replaced(given, shown):
    assert printable(given) == shown
