from __future__ import annotations

import csv
import json
import re
import signal
import sys
from contextlib import contextmanager
from threading import Event, Semaphore

import pyarrow.parquet as pq
import pytest
from support import interrupt, until

from gcore_invoices.export import find_kept
from gcore_invoices.sandbox import Response


def names(program):
    return sorted(path.name for path in program.folder.iterdir())


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx"])
def test_every_format_by_its_ending(program, ending):
    done = program("export", f"all.{ending}", "--currency", "EUR")
    assert (done.code, done.out) == (0, ""), done.err
    assert names(program) == [f"all.{ending}"]
    count = int(done.err.split()[0])
    assert done.err == f"{count} invoices in all.{ending}\n"
    path = program.folder / f"all.{ending}"
    if ending == "parquet":
        assert pq.read_table(path).num_rows == count
    if ending in {"csv", "jsonl"}:
        assert len(path.read_text().splitlines()) == count + (ending == "csv")


def test_columns_order_and_the_dialect_of_excel(program):
    arguments = ("--columns", "id,amount_total,currency", "--excel", "--sort", "-id", "--since", "2026-06")
    assert program.inside("export", "a.csv", *arguments).code == 0
    data = (program.folder / "a.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfid;amount_total;currency\r\n")
    rows = list(csv.DictReader(data.decode("utf-8-sig").splitlines(), delimiter=";"))
    assert [int(row["id"]) for row in rows] == sorted((int(row["id"]) for row in rows), reverse=True)
    assert all(re.fullmatch(r"-?\d+,\d{12}", row["amount_total"]) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.cvs"], "Unknown file ending 'cvs'. Did you mean 'csv'?"),
        (["a"], "a has no ending to say its format"),
        (["a.jsonl", "--excel"], "--excel is for CSV"),
        (["a.csv", "--columns", "nmae"], "Did you mean 'name'?"),
        (["there.csv"], "there.csv is already there: give --overwrite to replace it"),
        (["there.csv/a.csv"], "there.csv"),
    ],
)
def test_wrong_arguments_change_nothing(program, arguments, words):
    (program.folder / "there.csv").write_text("mine")
    done = program.inside("export", *arguments)
    assert done.code == 2
    assert words in done.err
    assert (program.folder / "there.csv").read_text() == "mine"
    assert names(program) == ["there.csv"]


def test_overwrite(program):
    (program.folder / "a.jsonl").write_text("old")
    assert program.inside("export", "a.jsonl", "--overwrite", "--since", "2030").code == 0
    assert (program.folder / "a.jsonl").read_text() == ""


def test_quiet_says_nothing(program):
    done = program.inside("export", "a.csv", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_after_a_failure_it_goes_on_where_it_was(faulty, ending):
    broken = True
    asked = []

    def before(request):
        asked.append(request.url)
        if broken and "offset=0" not in request.url:
            return Response(403, {"Content-Type": "application/json"}, b'{"detail": "no"}')
        return None

    program = faulty(before)
    done = program("export", f"a.{ending}")
    assert done.code == 3
    assert "the same command with --resume goes on from there" in done.err
    assert not (program.folder / f"a.{ending}").exists()
    again = program("export", f"a.{ending}", "--resume")
    assert again.code == 3
    broken = False
    asked.clear()
    done = program("export", f"a.{ending}", "--resume")
    assert (done.code, done.err) == (0, f"250 invoices in a.{ending}\n")
    assert not [url for url in asked if "offset=0" in url]
    assert names(program) == [f"a.{ending}"]
    assert program("export", f"whole.{ending}").code == 0
    assert (program.folder / f"a.{ending}").read_bytes() == (program.folder / f"whole.{ending}").read_bytes()


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(faulty):
    asked, held = Semaphore(0), Event()

    def before(request):
        if "offset=0" not in request.url and not held.is_set():
            asked.release()
            held.wait(30)

    program = faulty(before)
    for arguments, left in ((), 0), (("--resume",), 2):
        with program.start("export", "a.jsonl", *arguments) as process:
            # All pages are on their way.
            for _ in range(3):
                assert asked.acquire(timeout=30)
            interrupt(process)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert b"Traceback" not in errors
        assert len(names(program)) == left
    held.set()
    assert program("export", "a.jsonl", "--resume").code == 0
    rows = [json.loads(line) for line in (program.folder / "a.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 250


# -- a process that is killed, and cleans up nothing

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="nothing is noted on the way there")


@pytest.fixture
def held(faulty):
    """A program whose exports stop after the first page, until `let_go` is set; and what was asked for."""
    let_go, asked = Event(), []

    def before(request):
        asked.append(request.url)
        if "offset=0" not in request.url:
            let_go.wait(30)

    program = faulty(before)
    program.let_go, program.asked = let_go, asked
    yield program
    let_go.set()


@contextmanager
def exporting(held, name, *options):
    """An export that has written its first page, and waits for the others."""
    with held.start("export", name, *options) as process:
        # Of a format that cannot go on there is a note, too: which file it is.
        notes = held.folder / f".{name}.resume.json"
        until(lambda: find_kept(held.folder / name) if name.endswith(("csv", "jsonl")) else notes.exists())
        yield process


def kill(process):
    process.send_signal(signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL


@pytest.mark.slow
@needs_locks
@pytest.mark.parametrize("options", [[], ["--resume"]], ids=" ".join)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_killed_export_goes_on_where_it_was(held, ending, options):
    with exporting(held, f"a.{ending}", *options) as process:
        kill(process)
    assert len(names(held)) == 2
    assert not (held.folder / f"a.{ending}").exists()
    held.let_go.set()
    held.asked.clear()
    done = held("export", f"a.{ending}", "--resume")
    assert (done.code, done.err) == (0, f"250 invoices in a.{ending}\n")
    assert not [url for url in held.asked if "offset=0" in url]
    assert names(held) == [f"a.{ending}"]
    held("export", f"whole.{ending}")
    assert (held.folder / f"a.{ending}").read_bytes() == (held.folder / f"whole.{ending}").read_bytes()


@pytest.mark.slow
@needs_locks
@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_the_next_export_removes_what_a_killed_one_has_left(held, ending):
    with exporting(held, f"a.{ending}") as process:
        kill(process)
    assert len(names(held)) == (3 if ending == "xlsx" else 2)
    held.let_go.set()
    done = held("export", f"a.{ending}")
    assert done.code == 0, done.err
    assert names(held) == [f"a.{ending}"]


@pytest.mark.slow
@needs_locks
def test_nobody_goes_on_with_a_file_that_is_being_written(held):
    with exporting(held, "a.jsonl") as process:
        done = held("export", "a.jsonl", "--resume")
        assert done.code == 2
        assert "Another process is exporting to a.jsonl: wait for its end, or write another file." in done.err
        held.let_go.set()
        # Beside it, one that begins anew: the first that is done has the name.
        beside = held("export", "a.jsonl", "--overwrite")
        assert beside.code == 0, beside.err
        _, errors = process.communicate(timeout=20)
    assert process.returncode in {0, 2}, errors
    assert names(held) == ["a.jsonl"]
    rows = [json.loads(line) for line in (held.folder / "a.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 250


def test_sigterm_leaves_nothing_either(held):
    with exporting(held, "a.jsonl") as process:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in errors
    assert names(held) == []
