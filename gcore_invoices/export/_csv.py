"""CSV, by RFC 4180, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import frozen

from gcore_invoices.export._columns import AMOUNTS, WHOLE, as_text, reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gcore_invoices.export._protocol import WriteBatch
    from gcore_invoices.models import Invoice

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
# What spreadsheets take for the start of a formula, or strip and then take what follows for one; full-width
# forms are read as the plain ones (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
# What may stand before that: blanks that are stripped, or not seen; and our own apostrophe, so that no two
# texts become one.
_BEFORE = " '\0\v\f\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"
_FROM_OUTSIDE = frozenset({"name", "move_type", "currency", "payment_state"})  # `extra` begins with a brace


@frozen
class Csv:
    """Comma-separated values: RFC 4180, UTF-8, a header, lines that end in CR LF.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; amounts and ids never do.

    Args:
        excel: What Excel opens by a double click where the comma is the decimal sign: semicolons, commas in
            amounts, and a mark of the encoding in front. With a point, Excel would take an amount there for
            text, or for a number a trillion times as large.
    """

    excel: bool = False

    @property
    def appends(self) -> bool:
        """Whether a file can be gone on with."""
        return True

    @contextmanager
    def open(self, file: BinaryIO, columns: Sequence[str], *, append: bool = False) -> Iterator[WriteBatch]:
        """Begin a file; see `Exporter.open`."""
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, delimiter=";" if self.excel else ",", lineterminator="\r\n")
        cells = [_cells(column, "," if self.excel else ".") for column in columns]

        def hand_over() -> None:
            file.write(lines.getvalue().encode())
            lines.seek(0)
            lines.truncate()

        def write(invoices: Sequence[Invoice]) -> None:
            writer.writerows(zip(*[cell(invoices) for cell in cells], strict=True))
            hand_over()

        if not append:
            lines.write(BOM if self.excel else "")
            writer.writerow(columns)
            hand_over()
        yield write


def _cells(column: str, point: str) -> Callable[[Sequence[Invoice]], list[Any]]:
    """What makes the cells of a column; by columns, and with the cheapest way for each, it is much faster."""
    read = reader(column)
    if column in WHOLE:
        return lambda invoices: list(map(read, invoices))  # csv writes integers and None as we do
    if column in AMOUNTS and point != ".":
        return lambda invoices: [format(amount, "f").replace(".", point) for amount in map(read, invoices)]
    if column in AMOUNTS:
        return lambda invoices: [format(amount, "f") for amount in map(read, invoices)]
    if column in _FROM_OUTSIDE:
        return lambda invoices: [defused(as_text(value)) for value in map(read, invoices)]
    return lambda invoices: [as_text(value) for value in map(read, invoices)]


def undefused(column: str, text: str) -> str:
    """A cell of a CSV file as it was before `defused`."""
    if not text.startswith("'") or column not in _FROM_OUTSIDE:
        return text
    return text[1:] if defused(text[1:]) == text else text


def defused(text: str) -> str:
    """Text that no spreadsheet runs: with an apostrophe in front where one would."""
    return f"'{text}" if text.lstrip(_BEFORE).startswith(_FORMULA) else text
