"""Text from a command line read, and text from outside made fit for a terminal."""

from __future__ import annotations

import os
import re
import sys
from calendar import monthrange
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from gcore_invoices.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from enum import StrEnum

E = TypeVar("E", bound="StrEnum")

_SPAN = re.compile(r"(\d{4})(?:-(?:(\d{1,2})(?:-(\d{1,2}))?|[qQ]([1-4])))?", re.ASCII)


def span(text: str, option: str) -> tuple[date, date]:
    """First and last day of `2026`, `2026-Q1`, `2026-03` or `2026-03-31`.

    Raises:
        UsageError: It is none of these, or there is no such day.
    """
    found = _SPAN.fullmatch(text.strip())
    problem = UsageError(
        f"{option} takes a day, a month, a quarter or a year, not {text!r}. "
        "Examples: 2026-03-31, 2026-03, 2026-Q1, 2026."
    )
    if found is None:
        raise problem
    year, month, day, quarter = (int(part) if part else None for part in found.groups())
    assert year is not None  # noqa: S101 - the pattern has it
    first, last = (1, 12) if month is None else (month, month)
    if quarter is not None:
        first, last = quarter * 3 - 2, quarter * 3
    try:
        if day is not None:
            return date(year, first, day), date(year, first, day)
        return date(year, first, 1), date(year, last, monthrange(year, last)[1])
    except ValueError:  # also calendar's own error for a month 13
        raise problem from None


def choice(kind: str, text: str, valid: Collection[str]) -> str:
    """One of several names.

    Raises:
        UsageError: It is none of them; the message lists them and points at the nearest.
    """
    if text not in valid:
        raise unknown_name(kind, text, valid)
    return text


def member(kind: str, text: str, enum: type[E]) -> E:
    """A member of an enum by its value, `-` and `_` alike.

    Raises:
        UsageError: As for `choice`.
    """
    return enum(choice(kind, text.strip().lower().replace("-", "_"), [each.value for each in enum]))


def names(kind: str, text: str, valid: Collection[str]) -> tuple[str, ...]:
    """Names divided by commas.

    Raises:
        UsageError: As for `choice`.
    """
    return tuple(choice(kind, part.strip(), valid) for part in text.split(","))


def printable(text: str) -> str:
    """The text without what a terminal would obey: control characters, escapes, reversed writing."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def tell(text: str) -> None:
    """A line on standard error. If nobody can read it there, the exit code still says how it went."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:  # closed by its reader, or on a full disk
        sys.stderr = nowhere()


def nowhere() -> TextIO:
    """A stream in place of one that nobody reads."""
    return Path(os.devnull).open("w", encoding="utf-8")


def day(text: str | None, option: str) -> date:
    """A day such as `2026-03-31`, or today where nothing is given.

    Raises:
        UsageError: It is no day.
    """
    if text is None:
        return datetime.now().astimezone().date()
    first, last = span(text, option)
    if first != last:
        raise UsageError(f"{option} takes one day, such as 2026-03-31, not {text!r}.")
    return first
