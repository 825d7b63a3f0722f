"""Exports read back, row by row, from every built-in format."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcore_invoices import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Row = dict[str, str]
"""A row of an export, every value as text, empty for none; what was in `extra` stands beside the rest."""

_ROWS = 1_000  # of a Parquet file that are held at a time


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of an export, as they come; of an XLSX workbook, the whole sheet is held.

    Raises:
        UsageError: It is no export of a kind that can be read, or the library for that is missing.
        OSError: It cannot be read.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise UsageError(
            f"diff reads .csv, .jsonl, .parquet and .xlsx, not {path.name!r}: export to one of these."
        )
    try:
        yield from read(path)
    except UsageError:
        raise
    except (ValueError, ArithmeticError, csv.Error) as error:
        raise UsageError(f"{path} is no export that can be read: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _csv_rows(path: Path) -> Iterator[Row]:
    from gcore_invoices.export._columns import AMOUNTS
    from gcore_invoices.export._csv import undefused

    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if not first:
            raise ValueError("it is empty, and a CSV file has a header at least")
        delimiter = ";" if first.count(";") > first.count(",") else ","
        lines = csv.reader(chain([first], file), delimiter=delimiter, strict=True)
        header = next(lines)
        for values in filter(None, lines):  # a blank line holds none
            if len(values) != len(header):
                raise ValueError(
                    f"line {lines.line_num} has {len(values)} cells, and the header has {len(header)}"
                )
            row = {name: undefused(name, value) for name, value in zip(header, values, strict=True)}
            if delimiter == ";":
                row |= {name: row[name].replace(",", ".") for name in AMOUNTS if name in row}
            yield _flat(row)


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_float=Decimal)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is no JSON: {error.msg}") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no invoice: {line.strip()[:60]}")  # noqa: TRY004 - of the file
            yield {name: _json_text(value) for name, value in row.items()}


def _parquet_rows(path: Path) -> Iterator[Row]:
    from gcore_invoices.export._columns import as_text
    from gcore_invoices.export._errors import load

    parquet = load("pyarrow.parquet", extra="parquet", to="read")
    arrow = load("pyarrow", extra="parquet", to="read")
    try:
        with path.open("rb") as file, parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    yield _flat({name: as_text(value) for name, value in row.items()})
    except arrow.ArrowException as error:
        raise ValueError(str(error)) from None


def _xlsx_rows(path: Path) -> Iterator[Row]:
    from gcore_invoices.export._errors import load

    library = load("python_calamine", extra="xlsx", to="read")
    try:
        with path.open("rb") as file, library.load_workbook(file) as book:
            rows = book.get_sheet_by_index(0).iter_rows()
            columns = [(name, _cell_reader(name)) for name in map(str, next(rows, []))]
            for values in filter(any, rows):  # a sheet that was edited may have empty ones
                named = zip(columns, values, strict=True)
                yield _flat({name: read(value) for (name, read), value in named if name})
    except library.CalamineError as error:
        raise ValueError(str(error)) from None


_READERS: dict[str, Callable[[Path], Iterable[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
    ".xlsx": _xlsx_rows,
}


def _cell_reader(column: str) -> Callable[[Any], str]:
    """What makes the text of a column's cells; a number becomes the one that was written."""
    from gcore_invoices.export._columns import DATES, INSTANTS, as_text

    def read(value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, float):
            # Of fifteen digits, which is all that is written as a number, the shortest text is the exact one.
            return format(Decimal(repr(value)), "f").removesuffix(".0")
        if isinstance(value, dt.datetime):
            return as_text(value.date() if column in DATES else value.replace(tzinfo=dt.UTC))
        if isinstance(value, dt.date) and column in INSTANTS:  # midnight
            return as_text(dt.datetime.combine(value, dt.time(), dt.UTC))
        return as_text(value)

    return read


def _flat(row: Row) -> Row:
    """The row with what is in `extra` beside the rest, as in JSON lines."""
    extra = row.pop("extra", "")
    if extra:
        found = json.loads(extra, parse_float=Decimal)
        if not isinstance(found, dict):
            raise ValueError(f"its column extra holds what is no JSON object: {extra[:60]}")
        row |= {name: _json_text(value) for name, value in found.items()}
    return row


def _json_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
