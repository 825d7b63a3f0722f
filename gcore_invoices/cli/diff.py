"""`diff`: two exports compared, invoice by invoice."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from attrs import define, field
from typer import Argument, Option

from gcore_invoices import UsageError
from gcore_invoices.cli.explain import CHECK_FAILED
from gcore_invoices.cli.screen import note
from gcore_invoices.cli.text import choice, printable

if TYPE_CHECKING:
    from gcore_invoices.cli.exports import Row

FORMATS = ("text", "json")
EXAMPLES = (
    "diff february.csv march.csv",
    "diff old.parquet new.csv --format json | jq .changed",
    "diff a.csv b.xlsx --exit-code",
)


def diff_exports(
    *,
    old: Annotated[Path, Argument(metavar="OLD", help="An earlier export: csv, jsonl, parquet or xlsx.")],
    new: Annotated[Path, Argument(metavar="NEW", help="A later one; the formats may differ.")],
    format_: Annotated[str, Option("--format", metavar="FORMAT", help="text or json.")] = "text",
    exit_code: Annotated[bool, Option("--exit-code", help="Exit with 1 if they differ.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No notes on standard error.")] = False,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - run.py reads it
) -> int:
    """Compare two exports.

    Says which invoices are new, gone or changed, and in which fields.
    """
    kind = choice("format", format_, FORMATS)
    # Rows wait in a temporary database, which is on disk as far as it is large.
    with closing(sqlite3.connect("")) as rows, _disk_told():
        found = Comparison.of(rows, old, new)
        if kind == "json":
            _write_json(found)
        else:
            sys.stdout.writelines(f"{printable(line)}\n" for line in found.lines())
    note(found.counts(), quiet=quiet)
    if found.only:
        words = f"Not compared, because only one of them has it: {', '.join(map(printable, found.only))}"
        note(words, quiet=quiet)
    return CHECK_FAILED if exit_code and found.differs else 0


@contextmanager
def _disk_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UsageError(
            f"The rows that wait in the folder for temporary files have no room: {error}. "
            "Make some, or let SQLITE_TMPDIR name another folder."
        ) from None


Fields = dict[str, tuple[str, str]]
"""What changed: the values before and after."""


@define
class Comparison:
    """Two exports by id, in the columns that both have. It counts while it is read."""

    _rows: sqlite3.Connection
    _both: frozenset[str]
    only: Sequence[str]
    _instants_within: float
    counted: dict[str, int] = field(factory=lambda: dict.fromkeys(("new", "gone", "changed", "same"), 0))

    @classmethod
    def of(cls, rows: sqlite3.Connection, old: Path, new: Path) -> Comparison:
        """Read both."""
        before, after = (_hold(rows, table, path) for table, path in (("old", old), ("new", new)))
        # A file without rows may have no columns either, and they are not missing there.
        both = before & after if before and after else before | after
        # A workbook keeps instants to the millisecond.
        within = 0.001 if ".xlsx" in {old.suffix.lower(), new.suffix.lower()} else 0.0
        return cls(rows, frozenset(both), sorted((before | after) - both), within)

    @property
    def differs(self) -> bool:
        """Whether anything differs, as far as it was read."""
        return any(count for what, count in self.counted.items() if what != "same")

    def new(self) -> Iterator[Row]:
        """Invoices that only the later one has."""
        return self._lone("new", "new", "old")

    def gone(self) -> Iterator[Row]:
        """Invoices that only the earlier one has."""
        return self._lone("gone", "old", "new")

    def changed(self) -> Iterator[tuple[Row, Fields]]:
        """Invoices that both have, and not the same; with what is now, and the fields."""
        for was, now in self._rows.execute(
            "SELECT old.row, new.row FROM old JOIN new ON old.id = new.id ORDER BY old.id"
        ):
            after: Row = msgspec.json.decode(now)
            fields = {} if was == now else self._fields(msgspec.json.decode(was), after)
            self.counted["changed" if fields else "same"] += 1
            if fields:
                yield after, fields

    def _lone(self, what: str, table: str, other: str) -> Iterator[Row]:
        query = f"SELECT row FROM {table} WHERE id NOT IN (SELECT id FROM {other}) ORDER BY id"  # noqa: S608 - ours
        for (row,) in self._rows.execute(query):
            self.counted[what] += 1
            yield msgspec.json.decode(row)

    def _fields(self, was: Row, now: Row) -> Fields:
        values = {name: (was.get(name, ""), now.get(name, "")) for name in {**now, **was}}
        return {
            name: (before, after)
            for name, (before, after) in values.items()
            if before != after and name in self._both and not self._same(name, before, after)
        }

    def _same(self, name: str, was: str, now: str) -> bool:
        """By value: 121.00 is 121.000000000000."""
        from gcore_invoices.export._columns import AMOUNTS, INSTANTS

        try:
            if name in AMOUNTS:
                return Decimal(was) == Decimal(now)
            if name in INSTANTS:
                apart = _instant(was) - _instant(now)
                return abs(apart.total_seconds()) <= self._instants_within
        except (InvalidOperation, ValueError, TypeError):
            pass
        return False

    def counts(self) -> str:
        """What was counted, as a sentence."""
        return "{new} new, {gone} gone, {changed} changed, {same} the same".format_map(self.counted)

    def lines(self) -> Iterator[str]:
        """For people, a line an invoice: + new, - gone, ~ changed."""
        yield from (f"+ {_title(row)}" for row in self.new())
        yield from (f"- {_title(row)}" for row in self.gone())
        for row, fields in self.changed():
            told = ", ".join(
                f"{name}: {was or '(none)'} → {now or '(none)'}" for name, (was, now) in fields.items()
            )
            yield f"~ {_title(row)}: {told}"


def _hold(rows: sqlite3.Connection, table: str, path: Path) -> set[str]:
    """Put the rows of an export into a table; its columns."""
    from gcore_invoices.cli.exports import read_rows

    columns: set[str] = set()
    key = 0

    def keyed() -> Iterator[tuple[int, bytes]]:
        nonlocal key
        for row in read_rows(path):
            try:
                key = int(row["id"])
            except KeyError:
                raise UsageError(
                    f"{path} has no column id, by which invoices are told apart: export it with one."
                ) from None
            except ValueError:
                raise UsageError(f"{path} is no export that can be read: {row['id']!r} is no id.") from None
            columns.update(row)
            yield key, msgspec.json.encode(row)

    rows.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, row BLOB)")
    try:
        rows.executemany(f"INSERT INTO {table} VALUES (?, ?)", keyed())  # noqa: S608 - ours
    except sqlite3.IntegrityError:
        raise UsageError(f"{path} has the invoice {key} twice: it is not one export.") from None
    except OverflowError:
        raise UsageError(f"{path} is no export that can be read: {key} is no id.") from None
    return columns


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _title(row: Row) -> str:
    amount = " ".join(filter(None, (row.get("currency"), row.get("amount_total"))))
    return " ".join(filter(None, (row.get("name"), f"(id {row['id']})", amount, row.get("payment_state"))))


def _write_json(found: Comparison) -> None:
    """One object, written as it is found."""
    changed = (
        {"id": row["id"], "fields": {name: {"old": was, "new": now} for name, (was, now) in fields.items()}}
        for row, fields in found.changed()
    )
    parts: tuple[tuple[str, Iterable[Any]], ...] = (
        ("new", found.new()),
        ("gone", found.gone()),
        ("changed", changed),
    )
    sys.stdout.write("{")
    for name, each in parts:
        sys.stdout.write(f'\n  "{name}": [')
        divider = ""
        for one in each:
            sys.stdout.write(f"{divider}\n    {json.dumps(one, ensure_ascii=False)}")
            divider = ","
        sys.stdout.write("\n  ]," if divider else "],")
    sys.stdout.write(f'\n  "same": {found.counted["same"]},')
    sys.stdout.write(f'\n  "not_compared": {json.dumps(found.only, ensure_ascii=False)}\n}}\n')
