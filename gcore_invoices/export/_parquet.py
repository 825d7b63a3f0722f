"""Parquet, with exact amounts."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import frozen

from gcore_invoices.export._columns import AMOUNTS, DATES, INSTANTS, WHOLE, as_text, reader
from gcore_invoices.export._errors import ExportError, load
from gcore_invoices.export._protocol import Sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcore_invoices.export._protocol import WriteBatch
    from gcore_invoices.models import Invoice

# Converting many at once is cheaper; a row group of a few megabytes is what readers like.
_CONVERTED = 1_000
_ROW_GROUP = 20_000


@frozen
class Parquet(Sealed):
    """Apache Parquet: amounts as decimal128(38, 12), dates as date32, instants as timestamp[us, UTC].

    `extra` is JSON text. Needs the extra `[parquet]`.
    """

    @contextmanager
    def _begin(self, file: BinaryIO, columns: Sequence[str]) -> Iterator[WriteBatch]:
        arrow = load("pyarrow", extra="parquet")
        parquet = load("pyarrow.parquet", extra="parquet")
        schema = arrow.schema([(column, _type(arrow, column)) for column in columns])
        table = _Table(arrow, parquet.ParquetWriter(file, schema), schema)
        try:
            yield table.add
            table.flush()
        except BaseException:
            with suppress(Exception):  # an open writer would try it when it is collected
                table.writer.close()
            raise
        table.writer.close()


def _type(arrow: Any, column: str) -> Any:
    if column in AMOUNTS:
        return arrow.decimal128(38, 12)
    if column in DATES:
        return arrow.date32()
    if column in INSTANTS:
        return arrow.timestamp("us", "UTC")
    return arrow.int64() if column in WHOLE else arrow.string()


class _Table:
    """Gathers invoices, then converted batches, and writes row groups."""

    def __init__(self, arrow: Any, writer: Any, schema: Any) -> None:
        self.writer = writer
        self._arrow = arrow
        self._schema = schema
        self._readers = [reader(field.name) for field in schema]
        self._invoices: list[Invoice] = []
        self._batches: list[Any] = []

    def add(self, invoices: Sequence[Invoice]) -> None:
        self._invoices.extend(invoices)
        if len(self._invoices) >= _CONVERTED:
            self._convert()
        if sum(batch.num_rows for batch in self._batches) >= _ROW_GROUP:
            self._write()

    def flush(self) -> None:
        self._convert()
        self._write()

    def _convert(self) -> None:
        if not self._invoices:
            return
        arrays = []
        for field, read in zip(self._schema, self._readers, strict=True):
            values = [read(invoice) for invoice in self._invoices]
            try:
                arrays.append(self._arrow.array(values, field.type))
            except (self._arrow.ArrowException, OverflowError, UnicodeError):
                raise self._culprit(field, values) from None
        self._batches.append(self._arrow.record_batch(arrays, schema=self._schema))
        self._invoices.clear()

    def _write(self) -> None:
        if self._batches:
            self.writer.write_table(
                self._arrow.Table.from_batches(self._batches), row_group_size=_ROW_GROUP * 2
            )
            self._batches.clear()

    def _culprit(self, field: Any, values: list[Any]) -> ExportError:
        for invoice, value in zip(self._invoices, values, strict=True):
            try:
                self._arrow.array([value], field.type)
            except (self._arrow.ArrowException, OverflowError, UnicodeError):
                return ExportError(
                    f"Invoice {invoice.id} ({invoice.name}): {field.name} {as_text(value)} does not fit "
                    f"{field.type} exactly. Write CSV or JSONL, or leave the column out.",
                    invoice_id=invoice.id,
                    column=field.name,
                )
        raise AssertionError("values that convert one by one convert together")
