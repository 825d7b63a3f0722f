from __future__ import annotations

import json

import pytest
from support import wire_invoice

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


def test_two_exports_of_the_same_are_the_same_in_any_format(program):
    program.inside("export", "a.csv")
    program.inside("export", "b.csv", "--excel")
    program.inside("export", "c.jsonl")
    for other in ("b.csv", "c.jsonl"):
        done = program.inside("diff", "a.csv", other)
        assert (done.code, done.out) == (0, "")
        assert "0 new, 0 gone, 0 changed, 400 the same" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no export that can be read"),
        ('{"name": "a"}', "has no column id"),
        ('{"id": 1}\n{"id": 1}', "has the invoice 1 twice"),
        ("[1]", "A line is no invoice"),
        ('{"id": "x"}', "is no export that can be read"),
    ],
)
def test_what_is_no_export(program, text, words):
    write(program, "old.jsonl", OLD)
    (program.folder / "new.jsonl").write_text(text)
    done = program.inside("diff", "old.jsonl", "new.jsonl")
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_a_file_that_is_not_there_or_of_another_kind(program):
    write(program, "old.jsonl", OLD)
    assert "No such file" in program.inside("diff", "old.jsonl", "none.csv").err
    done = program.inside("diff", "old.jsonl", "a.parquet")
    assert done.code == 2
    assert "diff reads .csv and .jsonl" in done.err
