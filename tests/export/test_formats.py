"""Every format, read back by a reader that is not ours."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import unicodedata
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_export import DRAFT, HOSTILE, cells, invoice, plain, written, xlsx_rows
from xlsxwriter.worksheet import Worksheet

from gcore_invoices import MoveType, export
from gcore_invoices.export import COLUMNS, Csv, ExportError, Jsonl, Parquet, Xlsx, exporters, stream
from gcore_invoices.export._csv import defused, undefused
from gcore_invoices.models import decode_invoice

ROWS = [
    invoice(1),
    invoice(2, **DRAFT),
    invoice(3, amount_tax="0.000000000000", amount_untaxed="-1.500000000000", amount_total="-1.500000000000"),
    invoice(4, payment_state="blocked", move_type="in_refund", client_id=-7, invoice_id=9),
    invoice(5, amount_tax="0.000000000001", amount_total="-0.000000000001", amount_untaxed="1E-7"),
    invoice(6, amount_total="99999999999999999999.999999999999", amount_tax="1E+3", amount_untaxed="5"),
    invoice(7, amount_total="-0.000000000000", amount_tax="0E-20", amount_untaxed="0"),
    invoice(8, created_at="2026-04-02T08:14:09.123456+02:00"),
]
FORMATS = [Csv(), Csv(excel=True), Jsonl(), Parquet(), Xlsx()]


def test_every_built_in_format_is_tested_here_and_can_be_imported():
    for built_in in {type(one) for one in exporters().values()}:
        name = built_in.__name__
        assert built_in in map(type, FORMATS), f"add {name}() to FORMATS in this file"
        assert name in export.__all__, f"import {name} in gcore_invoices/export/__init__.py"


def buffer(rows, exporter, columns=None):
    file = io.BytesIO()
    assert stream(rows, file, exporter, columns=columns) == len(rows)
    return file.getvalue()


def csv_rows(data, delimiter=","):
    return list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter, strict=True))


def json_rows(data):
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line, parse_float=Decimal) for line in data.splitlines()]


def parquet_rows(data):
    return pq.read_table(io.BytesIO(data)).to_pylist()


# -- CSV


def test_csv_holds_every_field_exactly():
    header, *rows = csv_rows(buffer(ROWS, Csv()))
    assert header == list(COLUMNS)
    assert rows == [cells(row) for row in ROWS]


def test_csv_is_rfc_4180():
    data = buffer([invoice(name='a "b", c\nd')], Csv())
    assert data.count(b"\r\n") == 2
    assert b'"a ""b"", c\nd"' in data
    assert not data.startswith(b"\xef\xbb\xbf")


def test_the_excel_dialect_has_semicolons_and_a_mark():
    data = buffer(ROWS, Csv(excel=True))
    assert data.startswith(b"\xef\xbb\xbfid;name;")
    _, *rows = csv_rows(data, ";")
    amounts = [index for index, name in enumerate(COLUMNS) if name.startswith("amount")]
    expected = [cells(row) for row in ROWS]
    for row in expected:
        for index in amounts:
            row[index] = row[index].replace(".", ",")
    assert rows == expected
    assert rows[0][amounts[-1]] == "121,000000000000"


@pytest.mark.parametrize("exporter", [Csv(), Csv(excel=True)], ids=repr)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_csv_runs(name, exporter):
    data = buffer([invoice(name=name, currency=name, move_type=name, payment_state=name)], exporter)
    _, row = csv_rows(data, ";" if exporter.excel else ",")
    first = re.sub(r"^[^\S\t\r\n]*", "", re.sub(r"[\0'\ufeff]", "", name))[:1]
    runs = first != "" and unicodedata.normalize("NFKC", first) in "=+-@\t\r\n"
    expected = f"'{name}" if runs else name
    at = [COLUMNS.index(column) for column in ("name", "currency", "move_type", "payment_state")]
    assert [row[index] for index in at] == [expected] * 4


@given(st.text(alphabet="'= \t+a\ufeff", max_size=6))
def test_no_two_texts_are_one_in_csv(text):
    assert undefused("name", defused(text)) == text


def test_a_negative_amount_of_csv_stays_a_number():
    _, row = csv_rows(buffer([invoice(amount_total="-5.000000000000", client_id=-3)], Csv()))
    assert {"-5.000000000000", "-3"} <= set(row)


def test_extra_is_json_in_a_cell_of_csv():
    _, row = csv_rows(buffer([invoice(note="=1", rate=0.1, deep={"a": [1, None]})], Csv()))
    assert json.loads(row[-1]) == {"note": "=1", "rate": 0.1, "deep": {"a": [1, None]}}


# -- JSON lines


def test_jsonl_is_what_the_api_sends():
    for row, line in zip(ROWS, json_rows(buffer(ROWS, Jsonl())), strict=True):
        assert line == row.to_dict()
        assert [line[name] for name in COLUMNS if name.startswith("amount")] == [
            plain(getattr(row, name)) for name in COLUMNS if name.startswith("amount")
        ]


def test_jsonl_keeps_the_order_of_the_columns():
    (line,) = json_rows(buffer([invoice()], Jsonl()))
    assert list(line) == list(COLUMNS[:-1])


@pytest.mark.parametrize("name", HOSTILE)
def test_jsonl_keeps_hostile_names(name):
    row = invoice(name=name, currency=name, move_type=name, payment_state=name, amount_tax="1E-9")
    (line,) = json_rows(buffer([row], Jsonl()))
    assert line == row.to_dict()
    assert line["name"] == line["currency"] == line["payment_state"] == name
    assert line["amount_tax"] == "0.000000001"


def test_jsonl_keeps_unknown_fields_in_the_line():
    rows = [
        invoice(1),
        invoice(2, note="new", rate=0.1, deep={"a": {"b": 1}}),
        invoice(3, amount_tax="0E-12"),
    ]
    lines = json_rows(buffer(rows, Jsonl()))
    assert lines == [json.loads(json.dumps(row.to_dict()), parse_float=Decimal) for row in rows]
    assert lines[1]["note"] == "new"
    assert "note" not in lines[0]


def test_a_line_can_be_read_by_the_library_again():
    rows = [*ROWS, invoice(9, note="new")]
    assert [decode_invoice(line) for line in buffer(rows, Jsonl()).splitlines()] == rows


AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda d: abs(d.as_tuple().exponent) <= 20
)


@given(st.lists(AMOUNTS, min_size=3, max_size=3), st.text(st.characters(exclude_categories=["Cs"])))
def test_amounts_are_plain_and_exact_in_every_text(amounts, name):
    untaxed, tax, total = amounts
    row = invoice(name=name, amount_untaxed=str(untaxed), amount_tax=str(tax), amount_total=str(total))
    (line,) = json_rows(buffer([row], Jsonl()))
    _, found = csv_rows(buffer([row], Csv(), ["amount_untaxed", "amount_tax", "amount_total"]))
    expected = [plain(amount) for amount in amounts]
    assert found == expected
    assert [line["amount_untaxed"], line["amount_tax"], line["amount_total"]] == expected
    assert line["name"] == name


# -- Parquet


def fitting(row):
    return all(getattr(row, name).as_tuple().exponent >= -12 for name in COLUMNS if name.startswith("amount"))


def test_parquet_holds_every_field_exactly():
    rows = [row for row in ROWS if fitting(row)]
    expected = [{c: getattr(row, c) for c in COLUMNS if c != "extra"} | {"extra": None} for row in rows]
    assert parquet_rows(buffer(rows, Parquet())) == expected


def test_the_types_of_parquet():
    schema = pq.read_schema(io.BytesIO(buffer([invoice()], Parquet())))
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert list(types) == list(COLUMNS)
    assert types["amount_total"] == types["amount_tax"] == types["amount_untaxed"] == "decimal128(38, 12)"
    assert types["invoice_date"] == types["billing_period_to"] == "date32[day]"
    assert types["created_at"] == types["updated_at"] == "timestamp[us, tz=UTC]"
    assert types["id"] == types["client_id"] == types["invoice_id"] == "int64"
    assert types["name"] == types["extra"] == types["payment_state"] == "string"


def test_a_parquet_file_without_rows_has_its_schema():
    table = pq.read_table(io.BytesIO(buffer([], Parquet())))
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))


@pytest.mark.parametrize("name", HOSTILE)
def test_parquet_keeps_hostile_names(name):
    row = invoice(name=name, note=name)
    (found,) = parquet_rows(buffer([row], Parquet()))
    assert found["name"] == name
    assert json.loads(found["extra"]) == {"note": name}


@pytest.mark.parametrize(
    "amount", ["0.0000000000001", "-1E-13", "1E-20", "100000000000000000000000000.00", "-1" + 26 * "0"]
)
def test_an_amount_that_does_not_fit_parquet_names_its_invoice(amount, tmp_path):
    rows = [*(invoice(number) for number in range(1500)), invoice(7777, amount_tax=amount), invoice(1)]
    with pytest.raises(
        ExportError, match=r"^Invoice 7777 \(INV/2026/07777\): amount_tax .* exactly"
    ) as caught:
        written(rows, Parquet(), tmp_path)
    assert plain(Decimal(amount)) in str(caught.value)
    assert (caught.value.invoice_id, caught.value.column) == (7777, "amount_tax")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "amount", ["9" * 26 + "." + "9" * 12, "-" + "9" * 26, "1E+20", "1.50000000000000", "0E-20"]
)
def test_every_amount_that_fits_parquet_is_exact(amount):
    (row,) = parquet_rows(buffer([invoice(amount_total=amount)], Parquet()))
    assert row["amount_total"] == Decimal(amount)


def test_an_id_that_does_not_fit_parquet_names_its_invoice(tmp_path):
    with pytest.raises(ExportError, match=r"^Invoice 5 .*: payer_id 9{20} does not fit int64"):
        written([invoice(5, payer_id=int("9" * 20))], Parquet(), tmp_path)


def test_parquet_writes_row_groups_as_it_goes():
    rows = [invoice(number) for number in range(45_000)]
    data = buffer(rows, Parquet())
    file = pq.ParquetFile(io.BytesIO(data))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [
        20_000,
        20_000,
        5_000,
    ]
    assert file.read(["id"]).column("id").to_pylist() == list(range(45_000))


# -- XLSX


def row_of(data, number=1):
    rows = xlsx_rows(data)
    row = rows[number] + [None] * (len(COLUMNS) - len(rows[number]))
    return dict(zip(COLUMNS, row, strict=True))


def test_xlsx_holds_numbers_dates_and_text():
    row = row_of(buffer([invoice(3, created_at="2026-04-02T06:00:00.250Z")], Xlsx()))
    amount, date, instant = "#,##0.00##########", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss.000"
    assert row["id"] == ("n", "3", "")
    assert row["name"] == ("inlineStr", "INV/2026/00003", "")
    kind, text, style = row["amount_total"]
    assert (kind, Decimal(text), style) == ("n", 121, amount)
    assert row["invoice_date"] == ("n", str((dt.date(2026, 4, 2) - dt.date(1899, 12, 30)).days), date)
    kind, text, style = row["created_at"]
    assert (kind, style) == ("n", instant)
    assert float(text) == pytest.approx(46114.25 + 0.25 / 86400, abs=1e-9)
    assert row["invoice_id"] is None
    assert row["extra"] is None


@pytest.mark.parametrize(
    ("amount", "is_number"),
    [
        ("121.000000000000", True),
        ("0.000000000000", True),
        ("-0.000000000001", True),
        ("123456789012345.000000000000", True),
        ("1234567890123456.000000000000", False),
        ("1234567890123450.000000000000", True),
        ("999.999999999999", True),
        ("1000.999999999999", False),
        ("-1000.999999999999", False),
        ("8.3", True),
        ("0.07", True),
    ],
)
def test_an_amount_of_xlsx_is_a_number_where_a_spreadsheet_keeps_it(amount, is_number):
    kind, text, _ = row_of(buffer([invoice(amount_total=amount)], Xlsx()))["amount_total"]
    assert kind == ("n" if is_number else "inlineStr")
    assert Decimal(text) == Decimal(amount)
    if not is_number:
        assert text == amount


def test_a_spreadsheets_fifteen_digits_are_the_amount():
    for amount in ("8.3", "0.07", "123456789012.345", "0.000000000001", "-99.990000000000"):
        _, text, _ = row_of(buffer([invoice(amount_total=amount)], Xlsx()))["amount_total"]
        assert Decimal(f"{float(text):.15g}") == Decimal(amount)


def test_instants_of_xlsx_are_utc():
    _, text, _ = row_of(buffer([invoice(created_at="2026-04-02T08:00:00+02:00")], Xlsx()))["created_at"]
    assert float(text) == 46114.25


def test_ids_beyond_a_spreadsheets_digits_are_text():
    row = row_of(buffer([invoice(10**14, payer_id=10**15 + 1)], Xlsx()))
    assert row["id"] == ("n", "100000000000000", "")
    assert row["payer_id"] == ("inlineStr", "1000000000000001", "")


def test_days_before_spreadsheets_begin_are_text():
    row = row_of(buffer([invoice(invoice_date="1900-02-28", created_at="0001-01-01T00:00:00Z")], Xlsx()))
    assert row["invoice_date"] == ("inlineStr", "1900-02-28", "")
    assert row["created_at"] == ("inlineStr", "0001-01-01T00:00:00Z", "")


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\r" not in name])
def test_no_cell_of_xlsx_runs(name):
    row = row_of(buffer([invoice(name=name, note=name)], Xlsx()))
    assert row["name"] == ("inlineStr", name, "")
    assert json.loads(row["extra"][1]) == {"note": name}


def test_the_header_of_xlsx_stands_still():
    data = buffer([], Xlsx())
    assert [cell[1] for cell in xlsx_rows(data)[0]] == list(COLUMNS)


def test_text_that_no_cell_of_xlsx_takes_names_its_invoice(tmp_path):
    with pytest.raises(ExportError, match=r"^Invoice 5 .*: extra does not fit an XLSX sheet") as caught:
        written([invoice(5, note="x" * 33_000)], Xlsx(), tmp_path)
    assert caught.value.invoice_id == 5
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_xlsx_takes_are_an_error(tmp_path, monkeypatch):
    made = Worksheet.__init__

    def smaller(self, *args, **options):
        made(self, *args, **options)
        self.xls_rowmax = 3

    monkeypatch.setattr(Worksheet, "__init__", smaller)
    with pytest.raises(ExportError, match=r"^Invoice 3 .*1,048,575 invoices"):
        written([invoice(number) for number in (1, 2, 3, 4)], Xlsx(), tmp_path)


# -- all of them


@pytest.mark.parametrize("exporter", FORMATS, ids=repr)
def test_columns_are_those_asked_for_in_their_order(exporter):
    columns = ["currency", "amount_total", "id"]
    data = buffer(ROWS[:2], exporter, columns)
    if isinstance(exporter, Csv):
        names = csv_rows(data.removeprefix(b"\xef\xbb\xbf"), ";" if exporter.excel else ",")[0]
    elif isinstance(exporter, Jsonl):
        names = list(json_rows(data)[0])
    elif isinstance(exporter, Parquet):
        names = list(parquet_rows(data)[0])
    else:
        names = [cell[1] for cell in xlsx_rows(data)[0]]
    assert names == columns


def test_columns_of_jsonl_with_extra():
    rows = [invoice(1, note="x", amount_tax="0E-12"), invoice(2)]
    columns = ["id", "extra", "amount_tax"]
    assert json_rows(buffer(rows, Jsonl(), columns)) == [
        {"id": 1, "amount_tax": "0.000000000000", "note": "x"},
        {"id": 2, "amount_tax": "21.000000000000"},
    ]


@pytest.mark.parametrize("exporter", FORMATS, ids=repr)
def test_no_exponent_anywhere(exporter):
    # Names and currencies without an E, so that a search is a proof.
    row = invoice(currency="USD", name="1", amount_tax="0E-12", amount_untaxed="0.000000000000")
    data = buffer([row], exporter, ["amount_tax", "amount_untaxed", "amount_total"])
    if isinstance(exporter, Parquet):
        return
    if isinstance(exporter, Xlsx):
        assert all("E" not in cell[1].upper() for cell in xlsx_rows(data)[1])
        return
    assert b"E" not in data


@pytest.mark.parametrize("exporter", FORMATS, ids=repr)
def test_no_invoices_make_a_file_all_the_same(exporter, tmp_path):
    data = written([], exporter, tmp_path)
    assert (data == b"") is isinstance(exporter, Jsonl)


@pytest.mark.parametrize("exporter", FORMATS, ids=repr)
def test_formats_are_values(exporter):
    assert exporter == eval(repr(exporter))  # noqa: S307
    assert hash(exporter) == hash(eval(repr(exporter)))  # noqa: S307


def test_unknown_enum_values_stay():
    row = invoice(move_type="in_refund", payment_state="blocked")
    assert row.move_type == MoveType("in_refund")
    (line,) = json_rows(buffer([row], Jsonl()))
    (found,) = parquet_rows(buffer([row], Parquet()))
    cell = row_of(buffer([row], Xlsx()))
    for read in (line, found):
        assert (read["move_type"], read["payment_state"]) == ("in_refund", "blocked")
    assert (cell["move_type"][1], cell["payment_state"][1]) == ("in_refund", "blocked")
