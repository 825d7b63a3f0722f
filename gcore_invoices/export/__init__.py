"""Invoices to files: CSV, JSON lines, Parquet, XLSX, and whatever plugins add.

    from gcore_invoices.export import Csv, export

    export(client.list(currency="EUR"), "invoices.csv", Csv())

Optional: the core imports nothing of this. Parquet and XLSX need the extras `[parquet]` and `[xlsx]`.
"""

from gcore_invoices.export._columns import COLUMNS, check_columns
from gcore_invoices.export._csv import Csv
from gcore_invoices.export._errors import ExportError
from gcore_invoices.export._jsonl import Jsonl
from gcore_invoices.export._parquet import Parquet
from gcore_invoices.export._protocol import Exporter, WriteBatch
from gcore_invoices.export._write import BATCH, Kept, discard_kept, export, find_kept, stream
from gcore_invoices.export._xlsx import Xlsx
from gcore_invoices.export.builtin import BuiltInExporters, exporter_for, exporters

__all__ = [
    "BATCH",
    "COLUMNS",
    "BuiltInExporters",
    "Csv",
    "ExportError",
    "Exporter",
    "Jsonl",
    "Kept",
    "Parquet",
    "WriteBatch",
    "Xlsx",
    "check_columns",
    "discard_kept",
    "export",
    "exporter_for",
    "exporters",
    "find_kept",
    "stream",
]
