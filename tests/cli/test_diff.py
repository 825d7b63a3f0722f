from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import tracemalloc

import pytest
from support import wire_invoice
from support_export import DRAFT, HOSTILE, invoice

from gcore_invoices.cli.diff import Comparison
from gcore_invoices.export import Csv, Jsonl, Parquet, Xlsx, export

OLD = [wire_invoice(1), wire_invoice(2), wire_invoice(3)]
NEW = [
    wire_invoice(1, amount_total="121.00"),
    wire_invoice(2, payment_state="paid", updated_at="2026-05-01T00:00:00Z"),
    wire_invoice(4),
]


def write(program, name, rows):
    (program.folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_new_gone_and_changed_with_the_fields(program):
    write(program, "old.jsonl", OLD)
    write(program, "new.jsonl", NEW)
    done = program("diff", "old.jsonl", "new.jsonl")
    assert done.code == 0
    assert done.out.splitlines() == [
        "+ INV/2026/00004 (id 4) EUR 121.000000000000 not_paid",
        "- INV/2026/00003 (id 3) EUR 121.000000000000 not_paid",
        "~ INV/2026/00002 (id 2) EUR 121.000000000000 paid: payment_state: not_paid → paid, "
        "updated_at: 2026-04-02T06:14:09Z → 2026-05-01T00:00:00Z",
    ]
    assert done.err == "1 new, 1 gone, 1 changed, 1 the same\n"
    told = json.loads(program.inside("diff", "old.jsonl", "new.jsonl", "--format", "json").out)
    assert told["changed"][0]["fields"]["payment_state"] == {"old": "not_paid", "new": "paid"}
    assert ([row["id"] for row in told["new"]], [row["id"] for row in told["gone"]]) == (["4"], ["3"])
    assert program.inside("diff", "old.jsonl", "new.jsonl", "--exit-code").code == 1
    assert program.inside("diff", "old.jsonl", "old.jsonl", "--exit-code").code == 0


@pytest.fixture(scope="module")
def exports(sandbox, program_in, tmp_path_factory):
    """The same list in every format that `export` writes."""
    folder = tmp_path_factory.mktemp("exports")
    program = program_in(sandbox.url, folder)
    for name, *options in (("a.csv",), ("excel.csv", "--excel"), ("a.jsonl",), ("a.parquet",), ("a.xlsx",)):
        assert program.inside("export", name, *options).code == 0
    return program


EXPORTS = ["a.csv", "excel.csv", "a.jsonl", "a.parquet", "a.xlsx"]


@pytest.mark.parametrize("new", EXPORTS)
@pytest.mark.parametrize("old", EXPORTS)
def test_two_exports_of_the_same_are_the_same_in_any_format(exports, old, new):
    done = exports.inside("diff", old, new, "--exit-code")
    assert (done.code, done.out) == (0, "")
    assert done.err == "0 new, 0 gone, 0 changed, 400 the same\n"


HARD = [
    *(invoice(number, name=name, move_type=name, note=name) for number, name in enumerate(HOSTILE, start=1)
      if name not in {"\0=1", "a\0b"}),  # which no line of CSV and no cell can hold
    invoice(100, **DRAFT),
    invoice(101, amount_total="99999999999999999999.999999999999", amount_tax="0E-12"),
    invoice(102, amount_total="1000.999999999999", amount_tax="-0.000000000001", client_id=-7, invoice_id=None),
    invoice(103, created_at="2026-04-02T08:14:09.123456+02:00", updated_at="1899-01-01T00:00:00Z"),
    invoice(104, invoice_date="1900-02-28", note={"deep": [1, 0.1, None]}, flag=True),
]  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "excel.csv", "parquet", "xlsx"])
def test_every_value_comes_back(program, ending):
    formats = {"csv": Csv(), "excel.csv": Csv(excel=True), "parquet": Parquet(), "xlsx": Xlsx()}
    export(HARD, program.folder / "old.jsonl", Jsonl())
    export(HARD, program.folder / f"new.{ending}", formats[ending])
    done = program.inside("diff", "old.jsonl", f"new.{ending}")
    assert (done.code, done.out) == (0, ""), done.err
    assert done.err == f"0 new, 0 gone, 0 changed, {len(HARD)} the same\n"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx"])
def test_every_change_is_seen(program, ending):
    formats = {"csv": Csv(), "jsonl": Jsonl(), "parquet": Parquet(), "xlsx": Xlsx()}
    later = {
        "amount_total": "121.000000000001", "invoice_date": "2026-04-03", "payment_state": "paid",
        "payer_id": 8, "invoice_id": 4, "updated_at": "2026-04-02T06:14:09.002Z", "note": "b",
    }  # fmt: skip
    export([invoice(1, note="a")], program.folder / f"old.{ending}", formats[ending])
    export([invoice(1, **later)], program.folder / f"new.{ending}", formats[ending])
    done = program.inside("diff", f"old.{ending}", f"new.{ending}", "--format", "json")
    (changed,) = json.loads(done.out)["changed"]
    assert changed["fields"].keys() == later.keys()
    assert changed["fields"]["note"] == {"old": "a", "new": "b"}
    assert changed["fields"]["amount_total"]["new"] == "121.000000000001"


def test_a_field_that_only_one_has_is_said_and_not_compared(program):
    write(program, "old.jsonl", [wire_invoice(1)])
    write(program, "new.jsonl", [wire_invoice(1) | {"purpose": "x"}])
    done = program.inside("diff", "old.jsonl", "new.jsonl", "--exit-code")
    assert done.code == 0
    assert "Not compared, because only one of them has it: purpose" in done.err
    # A field of some rows is one of the file.
    write(program, "old.jsonl", [wire_invoice(1), wire_invoice(2) | {"purpose": "x"}])
    done = program.inside("diff", "old.jsonl", "new.jsonl")
    assert "~ INV/2026/00001" in done.out
    assert "purpose: (none) → x" in done.out


def test_an_export_without_invoices(program):
    export([], program.folder / "none.csv", Csv())
    export([], program.folder / "none.jsonl", Jsonl())
    write(program, "new.jsonl", NEW)
    for none in ("none.csv", "none.jsonl"):
        done = program.inside("diff", none, "new.jsonl", "--format", "json")
        assert len(json.loads(done.out)["new"]) == 3
        assert done.err == "3 new, 0 gone, 0 changed, 0 the same\n"
    empty = json.loads(program.inside("diff", "none.csv", "none.jsonl", "--format", "json").out)
    assert empty == {"new": [], "gone": [], "changed": [], "same": 0, "not_compared": []}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("new.jsonl", b"\n{", "new.jsonl is no export that can be read: line 2 is no JSON: Expecting"),
        ("new.jsonl", b'{"name": "a"}', "has no column id"),
        ("new.jsonl", b'{"id": 1}\n{"id": 1}', "has the invoice 1 twice"),
        ("new.jsonl", b"[1]", "line 1 is no invoice: [1]"),
        ("new.jsonl", b'{"id": "x"}', "'x' is no id"),
        ("new.jsonl", b'{"id": 99999999999999999999}', "99999999999999999999 is no id"),
        ("new.jsonl", b"\xff", "is no export that can be read"),
        ("new.csv", b"", "it is empty, and a CSV file has a header at least"),
        ("new.csv", b"name\r\na\r\n", "has no column id"),
        ("new.csv", b"id,name\r\n\r\n1\r\n", "line 3 has 1 cells, and the header has 2"),
        ("new.csv", b'id,name\r\n1,"a', "is no export that can be read"),
        ("new.csv", b"id,extra\r\n1,[]\r\n", "its column extra holds what is no JSON object: []"),
        ("new.parquet", b"", "is no export that can be read"),
        ("new.parquet", b"PAR1" * 9, "is no export that can be read"),
        ("new.xlsx", b"PK\3\4", "is no export that can be read"),
        (
            "new.txt",
            b"",
            "diff reads .csv, .jsonl, .parquet and .xlsx, not 'new.txt': export to one of these.",
        ),
    ],
)
def test_what_is_no_export(program, name, data, words):
    write(program, "old.jsonl", OLD)
    (program.folder / name).write_bytes(data)
    done = program.inside("diff", "old.jsonl", name)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1


def test_no_room_for_the_rows_is_told_and_is_no_difference(program, monkeypatch):
    write(program, "old.jsonl", [wire_invoice(number) for number in range(1, 200)])

    def small(name, connect=sqlite3.connect):
        made = connect(name)
        made.execute("PRAGMA max_page_count = 4")
        return made

    monkeypatch.setattr("gcore_invoices.cli.diff.sqlite3.connect", small)
    done = program.inside("diff", "old.jsonl", "old.jsonl", "--exit-code")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "gcore-invoices: The rows that wait in the folder for temporary files have no room: database or disk is "
        "full. Make some, or let SQLITE_TMPDIR name another folder.\n"
    )


@pytest.mark.parametrize("name", ["none.csv", "none.jsonl", "none.parquet", "none.xlsx"])
def test_a_file_that_is_not_there(program, name):
    write(program, "old.jsonl", OLD)
    done = program.inside("diff", "old.jsonl", name)
    assert done.code == 2
    assert f"{name}: No such file or directory." in done.err


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [("a.parquet", "pyarrow", "parquet"), ("a.xlsx", "python_calamine", "xlsx")],
)
def test_a_missing_library_is_named(exports, name, library, extra, monkeypatch):
    for module in [module for module in sys.modules if module.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    find = sys.meta_path

    class Missing:
        @staticmethod
        def find_spec(wanted, *_):
            if wanted.partition(".")[0] == library:
                raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr(sys, "meta_path", [Missing, *find])
    done = exports.inside("diff", "a.csv", name)
    assert done.code == 2
    assert done.err == (
        f"gcore-invoices: To read this format, install its library: pip install 'gcore-invoices[{extra}]'.\n"
    )


@pytest.mark.slow
def test_memory_does_not_grow_with_the_exports(tmp_path):
    def peak(count):
        for name in ("old.jsonl", "new.jsonl"):
            rows = (f"{json.dumps(wire_invoice(number))}\n" for number in range(count))
            (tmp_path / name).write_text("".join(rows))
        tracemalloc.start()
        with contextlib.closing(sqlite3.connect("")) as rows:
            found = Comparison.of(rows, tmp_path / "old.jsonl", tmp_path / "new.jsonl")
            assert list(found.lines()) == []
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.counted["same"] == count
        return highest

    small, large = peak(500), peak(5_000)
    assert large < small + 500_000  # which is not a tenth of the rows
