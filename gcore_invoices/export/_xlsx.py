"""XLSX, for people who open it."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import frozen

from gcore_invoices.export._columns import as_text, reader
from gcore_invoices.export._errors import ExportError, load
from gcore_invoices.export._protocol import Sealed
from gcore_invoices.export._scratch import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcore_invoices.export._protocol import WriteBatch
    from gcore_invoices.models import Invoice

# What a spreadsheet keeps of a number.
_DIGITS = 15
# Excel counts a 29 February 1900 that never was: from here on, everybody agrees on the day.
_FIRST_DAY = dt.date(1900, 3, 1)
_WIDTH = 18


@frozen
class Xlsx(Sealed):
    """An Excel workbook of one sheet: amounts as numbers, dates as dates, instants in UTC to the millisecond.

    An amount or id of more than 15 significant digits is text, since a spreadsheet would round it. `extra` is
    JSON text. Nothing is a formula or a link. Needs the extra `[xlsx]`, and room for the unpacked sheet
    beside the file; where that is none of `export`'s, in the folder for temporary files.
    """

    @contextmanager
    def _begin(self, file: BinaryIO, columns: Sequence[str]) -> Iterator[WriteBatch]:
        library = load("xlsxwriter", extra="xlsx")
        with unpacked(file) as folder:
            workbook = library.Workbook(
                file, {"constant_memory": True, "tmpdir": folder, "remove_timezone": True}
            )
            workbook.use_zip64()
            sheet = workbook.add_worksheet("invoices")
            try:
                yield _Sheet(workbook, sheet, columns).add
                workbook.close()
            finally:
                sheet.row_data_fh.close()


class _Sheet:
    def __init__(self, workbook: Any, sheet: Any, columns: Sequence[str]) -> None:
        self._sheet = sheet
        self._columns = [(column, reader(column)) for column in columns]
        self._amount = workbook.add_format({"num_format": "#,##0.00##########"})
        self._date = workbook.add_format({"num_format": "yyyy-mm-dd"})
        self._instant = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(columns) - 1, _WIDTH)
        for index, column in enumerate(columns):
            sheet.write_string(0, index, column)
        self._row = 0

    def add(self, invoices: Sequence[Invoice]) -> None:
        for invoice in invoices:
            self._row += 1
            for index, (column, read) in enumerate(self._columns):
                value = read(invoice)
                if value is not None and self._write(index, value):
                    raise ExportError(
                        f"Invoice {invoice.id} ({invoice.name}): {column} does not fit an XLSX sheet, which "
                        "takes 1,048,575 invoices, and 32,767 characters a cell. Write another format.",
                        invoice_id=invoice.id,
                        column=column,
                    )

    def _write(self, column: int, value: Any) -> int:
        """Write one cell; not 0 if it was left out."""
        done: int
        if isinstance(value, Decimal) and _digits(value) <= _DIGITS:
            # A zero would be written with the exponent of its places.
            done = self._sheet.write_number(self._row, column, value or 0, self._amount)
        elif isinstance(value, int) and len(str(abs(value))) <= _DIGITS:
            done = self._sheet.write_number(self._row, column, value)
        elif isinstance(value, dt.datetime) and value.date() > _FIRST_DAY:
            utc = value.astimezone(dt.UTC)
            done = self._sheet.write_datetime(self._row, column, utc, self._instant)
        elif isinstance(value, dt.date) and not isinstance(value, dt.datetime) and value >= _FIRST_DAY:
            done = self._sheet.write_datetime(self._row, column, value, self._date)
        else:
            done = self._sheet.write_string(self._row, column, as_text(value))
        return done


def _digits(amount: Decimal) -> int:
    """Significant digits; of 1200 they are two, and of 1200.50 five."""
    return len("".join(map(str, amount.as_tuple().digits)).strip("0"))
