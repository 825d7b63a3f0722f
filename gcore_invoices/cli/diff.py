"""`diff`: two exports compared, invoice by invoice."""

from __future__ import annotations

import csv
import json
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from attrs import frozen
from typer import Argument, Option

from gcore_invoices import UsageError
from gcore_invoices.cli.explain import CHECK_FAILED
from gcore_invoices.cli.screen import note
from gcore_invoices.cli.text import choice, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMATS = ("text", "json")
EXAMPLES = (
    "diff february.csv march.csv",
    "diff old.jsonl new.csv --format json | jq .changed",
    "diff a.csv b.csv --exit-code",
)
AMOUNTS = {"amount_untaxed", "amount_tax", "amount_total"}

Row = dict[str, str]
"""A row of an export, every value as text; empty for none."""


def diff_exports(
    *,
    old: Annotated[Path, Argument(metavar="OLD", help="An earlier export, csv or jsonl.")],
    new: Annotated[Path, Argument(metavar="NEW", help="A later one; the formats may differ.")],
    format_: Annotated[str, Option("--format", help="text or json.")] = "text",
    exit_code: Annotated[bool, Option("--exit-code", help="Exit with 1 if they differ.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No notes on standard error.")] = False,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - run.py reads it
) -> int:
    """Compare two exports.

    Says which invoices are new, gone or changed, and in which fields.
    """
    kind = choice("format", format_, FORMATS)
    found = compare(read_rows(old), read_rows(new))
    if kind == "json":
        sys.stdout.write(f"{json.dumps(found.as_json(), ensure_ascii=False, indent=2)}\n")
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in found.lines())
    counts = (
        f"{len(found.new)} new, {len(found.gone)} gone, {len(found.changed)} changed, {found.same} the same"
    )
    note(counts, quiet=quiet)
    if found.only:
        note(
            f"Not compared, because only one of them has it: {', '.join(map(printable, found.only))}",
            quiet=quiet,
        )
    return CHECK_FAILED if exit_code and found else 0


@frozen
class Difference:
    """What became of the invoices between two exports."""

    new: list[Row]
    gone: list[Row]
    changed: list[tuple[Row, dict[str, tuple[str, str]]]]
    same: int
    only: list[str]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.changed)

    def as_json(self) -> dict[str, Any]:
        """For programs; values as they stand in the files."""
        changed = [
            {
                "id": row["id"],
                "fields": {name: {"old": was, "new": now} for name, (was, now) in fields.items()},
            }
            for row, fields in self.changed
        ]
        return {
            "new": self.new,
            "gone": self.gone,
            "changed": changed,
            "same": self.same,
            "not_compared": self.only,
        }

    def lines(self) -> Iterator[str]:
        """For people, a line an invoice: + new, - gone, ~ changed."""
        for sign, rows in (("+", self.new), ("-", self.gone)):
            yield from (f"{sign} {_title(row)}" for row in rows)
        for row, fields in self.changed:
            told = ", ".join(
                f"{name}: {was or '(none)'} → {now or '(none)'}" for name, (was, now) in fields.items()
            )
            yield f"~ {_title(row)}: {told}"


def _title(row: Row) -> str:
    amount = " ".join(filter(None, (row.get("currency"), row.get("amount_total"))))
    return " ".join(filter(None, (row.get("name"), f"(id {row['id']})", amount, row.get("payment_state"))))


def compare(old: dict[int, Row], new: dict[int, Row]) -> Difference:
    """Compare exports by id, in the columns that both have."""
    both = _columns(old) & _columns(new) if old and new else _columns(old) | _columns(new)
    changed = []
    for key in sorted(old.keys() & new.keys()):
        before, after = old[key], new[key]
        fields = {
            name: (before[name], after[name])
            for name in after
            if name in both and _value(name, before[name]) != _value(name, after[name])
        }
        if fields:
            changed.append((after, fields))
    return Difference(
        new=[new[key] for key in sorted(new.keys() - old.keys())],
        gone=[old[key] for key in sorted(old.keys() - new.keys())],
        changed=changed,
        same=len(old.keys() & new.keys()) - len(changed),
        only=sorted((_columns(old) | _columns(new)) - both),
    )


def _columns(rows: dict[int, Row]) -> set[str]:
    return set(next(iter(rows.values()), {}))


def _value(name: str, text: str) -> str | Decimal:
    """What is compared: 121.00 is 121.000000000000."""
    if name not in AMOUNTS:
        return text
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def read_rows(path: Path) -> dict[int, Row]:
    """The rows of an export by id.

    Raises:
        UsageError: It is no export of a kind that can be read, or an id is missing or comes twice.
        OSError: It cannot be read.
    """
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise UsageError(f"diff reads .csv and .jsonl, not {path.name!r}: export to one of these.")
    rows: dict[int, Row] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in read(file):
                key = int(row["id"])
                if key in rows:
                    raise UsageError(f"{path} has the invoice {key} twice: it is not one export.")
                rows[key] = row
    except KeyError:
        raise UsageError(
            f"{path} has no column id, by which invoices are told apart: export it with one."
        ) from None
    except (ValueError, csv.Error) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is no export that can be read: {error}.") from None
    return rows


def _csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    source = iter(lines)
    header = next(source, "")
    columns = next(csv.reader([header], delimiter=_delimiter(header)), [])
    for values in csv.reader(source, delimiter=_delimiter(header), strict=True):
        yield dict(zip(columns, values, strict=True))


def _delimiter(header: str) -> str:
    return ";" if header.count(";") > header.count(",") else ","


def _jsonl_rows(lines: Iterable[str]) -> Iterator[Row]:
    for line in lines:
        row = json.loads(line, parse_float=Decimal)
        if not isinstance(row, dict):
            raise UsageError(f"A line is no invoice: {line[:60]!r}.")
        yield {name: "" if value is None else str(value) for name, value in row.items()}
