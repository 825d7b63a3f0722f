"""What the tests of exports share: invoices, and readers of files that are not the writers' own."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec
from support import wire_invoice

from gcore_invoices.export import COLUMNS, export
from gcore_invoices.models import decode_invoice

if TYPE_CHECKING:
    from gcore_invoices import Invoice
    from gcore_invoices.export import Exporter

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "\0=1",
    "\N{FULLWIDTH EQUALS SIGN}1",
    "\N{FULLWIDTH PLUS SIGN}1",
    "\N{FULLWIDTH HYPHEN-MINUS}1",
    "\N{FULLWIDTH COMMERCIAL AT}A1",
    "\N{NO-BREAK SPACE}=1",
    "\N{ZERO WIDTH NO-BREAK SPACE}@A1",
    "\v=1",
    "'=1",
    "' '=1",
    '=cmd|"/c calc"!A1',
    'a "quoted" name',
    "a,b;c\td",
    "two\nlines",
    "two\r\nlines",
    "a\0b",
    "\N{SNOWMAN} Ünïcode \N{GRINNING FACE} \u202egnp",
    "_x0041_",
    "<b>&amp;</b>",
    "https://example.com",
    "{=1}",
    "0E-12",
    '","gcore_invoices:extra":null}',
    '"amount_tax":"1E-9"',
    "INVOICE-2026",
    "'",
    " ",
    "00042",
    "1E5",
    "/",
]
"""Names that some format or spreadsheet takes for something else."""

DRAFT = {"name": "/", "invoice_date": None, "invoice_date_due": None, "billing_period_from": None} | {
    "billing_period_to": None
}


def invoice(number: int = 42, /, **changes: Any) -> Invoice:
    """An invoice as it comes from the wire."""
    return decode_invoice(msgspec.json.encode(wire_invoice(number) | changes))


def written(invoices: Any, exporter: Exporter, folder: Any, **options: Any) -> bytes:
    """The bytes of an export."""
    target = folder / "written"
    export(invoices, target, exporter, overwrite=True, **options)
    return target.read_bytes()


def plain(value: Any) -> str:
    """What a field is in a text cell, said another way than the writers say it."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        number = int("".join(map(str, digits)))
        text = str(number * 10**exponent) if exponent >= 0 else _placed(number, -exponent)
        return f"-{text}" if sign else text
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC)
        return value.strftime("%Y-%m-%dT%H:%M:%S" + (".%f" if value.microsecond else "")) + "Z"
    if isinstance(value, dt.date):
        return value.strftime("%Y-%m-%d")
    return str(value)


def _placed(number: int, places: int) -> str:
    text = str(number).zfill(places + 1)
    return f"{text[:-places]}.{text[-places:]}"


def cells(row: Invoice) -> list[str]:
    """The cells of an invoice without extra."""
    return [plain(getattr(row, column)) if column != "extra" else "" for column in COLUMNS]


_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def xlsx_rows(data: bytes) -> list[list[tuple[str, str, str] | None]]:
    """Rows of a workbook's sheet: the type, the text and the number format of each cell."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file
        styles = ET.fromstring(book.read("xl/styles.xml"))  # noqa: S314 - our own file
    codes = {e.get("numFmtId"): e.get("formatCode") for e in styles.iter(f"{_SHEET}numFmt")}
    formats = [codes.get(e.get("numFmtId"), "") for e in styles.find(f"{_SHEET}cellXfs")]
    rows: list[list[tuple[str, str, str] | None]] = []
    for row in sheet.iter(f"{_SHEET}row"):
        found: dict[int, tuple[str, str, str]] = {}
        for cell in row:
            assert cell.find(f"{_SHEET}f") is None, "a formula"
            kind = cell.get("t", "n")
            holder = cell.find(f"{_SHEET}is/{_SHEET}t" if kind == "inlineStr" else f"{_SHEET}v")
            text = (holder.text or "") if holder is not None else ""
            if kind == "inlineStr":
                text = re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)
            found[_column(cell.get("r"))] = (kind, text, formats[int(cell.get("s", 0))])
        rows.append([found.get(index) for index in range(max(found, default=-1) + 1)])
    return rows


def _column(reference: str) -> int:
    index = 0
    for letter in reference.rstrip("0123456789"):
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1
