"""The file is there whole, or as it was; and what is kept to go on with is exactly what was written."""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import sys
import tempfile
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
import support
from support_export import invoice

from gcore_invoices import InvoicesClient, PermissionDeniedError, UsageError
from gcore_invoices.errors import APIConnectionError
from gcore_invoices.events import Checkpoint
from gcore_invoices.export import (
    BATCH,
    COLUMNS,
    Csv,
    Jsonl,
    Parquet,
    Xlsx,
    _write,
    check_columns,
    discard_kept,
    export,
    find_kept,
    stream,
)

FORMATS = [Csv(), Jsonl(), Parquet(), Xlsx()]
LINES = [Csv(), Csv(excel=True), Jsonl()]
every_format = pytest.mark.parametrize("exporter", FORMATS, ids=repr)
every_line_format = pytest.mark.parametrize("exporter", LINES, ids=repr)


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch):
    """The folder for temporary files: nothing may be left there either."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def rows(count, *, start=0):
    return (invoice(number) for number in range(start, start + count))


def broken(count, error, *, start=0):
    yield from rows(count, start=start)
    raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def content(data):
    """The file; of a workbook its parts, save for the one that says when it was made."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        return {name: parts.read(name) for name in parts.namelist() if name != "docProps/core.xml"}


# -- whole or not at all


@every_format
def test_a_file_is_made_with_its_folder(exporter, tmp_path):
    target = tmp_path / "new folder" / "invoices.out"
    assert export(rows(3), target, exporter) == 3
    assert names(tmp_path / "new folder") == ["invoices.out"]
    file = io.BytesIO()
    stream(rows(3), file, exporter)
    assert content(target.read_bytes()) == content(file.getvalue())


@every_format
@pytest.mark.parametrize(
    "error", [APIConnectionError("gone"), KeyboardInterrupt(), ZeroDivisionError()], ids=repr
)
@pytest.mark.parametrize("taken", [0, 1, BATCH, 250])
def test_a_failure_leaves_nothing(exporter, error, taken, tmp_path):
    with pytest.raises(type(error)):
        export(broken(taken, error), tmp_path / "a", exporter)
    assert names(tmp_path) == []


@every_format
def test_a_failure_leaves_the_file_that_was_there(exporter, tmp_path):
    target = tmp_path / "a"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        export(broken(150, KeyboardInterrupt()), target, exporter, overwrite=True)
    assert target.read_text() == "before"
    assert names(tmp_path) == ["a"]


@every_format
def test_a_file_that_is_there_is_replaced_only_if_asked(exporter, tmp_path):
    target = tmp_path / "a"
    target.write_text("before")
    asked = []
    with pytest.raises(UsageError, match="already there"):
        export((asked.append(1) for _ in [1]), target, exporter)
    assert (target.read_text(), asked) == ("before", [])
    export(rows(1), target, exporter, overwrite=True)
    assert target.read_bytes() != b"before"


@every_format
def test_a_file_that_appears_meanwhile_is_not_replaced(exporter, tmp_path):
    target = tmp_path / "a"

    def appearing():
        yield from rows(1)
        target.write_text("somebody's")

    with pytest.raises(UsageError, match="already there"):
        export(appearing(), target, exporter)
    assert target.read_text() == "somebody's"
    assert names(tmp_path) == ["a"]


@every_format
def test_the_file_is_on_disk_before_its_name_is(exporter, tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(number):
        real(number)
        synced.append((os.fstat(number).st_size, (tmp_path / "a").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    export(rows(3), tmp_path / "a", exporter)
    assert synced == [((tmp_path / "a").stat().st_size, False)]


@every_format
def test_a_full_disk_is_an_os_error_and_leaves_nothing(exporter, tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        export(rows(3), tmp_path / "a", exporter, place=lambda: None)
    assert names(tmp_path) == []


@every_format
def test_the_library_is_asked_for_before_the_first_invoice(exporter, tmp_path):
    """So that a missing one costs no request."""

    @contextmanager
    def refusing(file, columns, *, append=False):
        raise UsageError("install it")
        yield

    class Missing:
        appends = False
        open = staticmethod(refusing)

    with pytest.raises(UsageError, match="install it"):
        export(broken(0, AssertionError("asked")), tmp_path / "a", Missing())
    assert names(tmp_path) == []


# -- columns


def test_columns_are_checked_before_anything(tmp_path):
    for given, words in [
        (["id", "amount_totl"], "Unknown column 'amount_totl'. Did you mean 'amount_total'"),
        (["id", "id"], "The column 'id' comes twice."),
        ([], "There are no columns."),
        ("id", "columns takes a list of names, such as ['id'], not one."),
        (3, "columns takes a list of names"),
    ]:
        with pytest.raises(UsageError) as caught:
            export(broken(0, AssertionError("asked")), tmp_path / "a", Csv(), columns=given)
        assert words in str(caught.value)
    assert names(tmp_path) == []
    assert check_columns(None) == COLUMNS
    assert check_columns(iter(["name", "id"])) == ("name", "id")
    assert COLUMNS[0] == "id"
    assert COLUMNS[-1] == "extra"


# -- going on


def kept_after(count, exporter, folder, *, start=0, **options):
    """What is kept of an export that fails after so many invoices."""
    taken = [start - 1]

    def counted():
        for each in broken(count, APIConnectionError("gone"), start=start):
            taken.append(each.id)
            yield each

    with pytest.raises(APIConnectionError):
        export(counted(), folder / "a", exporter, place=lambda: taken[-1] + 1, **options)
    return find_kept(folder / "a")


@every_line_format
@pytest.mark.parametrize("taken", [BATCH, BATCH + 1, 3 * BATCH + 50])
def test_an_export_that_goes_on_is_the_export_that_never_failed(exporter, taken, tmp_path):
    kept = kept_after(taken, exporter, tmp_path)
    assert (kept.rows, kept.place) == (taken // BATCH * BATCH, str(taken // BATCH * BATCH))
    assert not (tmp_path / "a").exists()
    rest = rows(500 - int(kept.place), start=int(kept.place))
    assert export(rest, tmp_path / "a", exporter, resume=kept) == 500
    export(rows(500), tmp_path / "whole", exporter)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "whole").read_bytes()
    assert names(tmp_path) == ["a", "whole"]
    assert find_kept(tmp_path / "a") is None


@every_line_format
def test_it_may_fail_again_and_again(exporter, tmp_path):
    kept_after(150, exporter, tmp_path)
    for begin, taken in [(100, 150), (200, 5), (200, 150), (300, 0), (300, 199)]:
        kept = find_kept(tmp_path / "a")
        assert (kept.rows, kept.place) == (begin, str(begin))
        kept_after(taken, exporter, tmp_path, start=begin, resume=kept)
    kept = find_kept(tmp_path / "a")
    assert export(rows(1, start=400), tmp_path / "a", exporter, resume=kept) == 401
    export(rows(401), tmp_path / "whole", exporter)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "whole").read_bytes()


@every_line_format
def test_a_batch_cut_short_is_not_kept(exporter, tmp_path, monkeypatch):
    """Half a batch in the file, and the interrupt: what is kept ends with the batch before."""
    done = []

    class Cut(type(exporter)):
        @contextmanager
        def open(self, file, columns, *, append=False):
            with super().open(file, columns, append=append) as write:

                def cut(invoices):
                    if done:
                        write(invoices[:7])
                        file.write(b"half a li")
                        raise KeyboardInterrupt
                    write(invoices)
                    done.append(1)

                yield cut

    cutting = Cut()
    with pytest.raises(KeyboardInterrupt):
        export(rows(300), tmp_path / "a", cutting, place=lambda: "here")
    kept = find_kept(tmp_path / "a")
    assert kept.rows == BATCH
    (part,) = tmp_path.glob("*.part")
    plain = io.BytesIO()
    stream(rows(BATCH), plain, cutting_as(cutting))
    assert part.read_bytes() == plain.getvalue()


def cutting_as(cutting):
    return type(cutting).__mro__[1]()


@every_line_format
def test_nothing_is_kept_unasked_or_when_there_is_no_place(exporter, tmp_path):
    for place in (None, lambda: None):
        with pytest.raises(APIConnectionError):
            export(broken(250, APIConnectionError("gone")), tmp_path / "a", exporter, place=place)
        assert names(tmp_path) == []
    with pytest.raises(APIConnectionError):  # less than a batch: nothing worth keeping
        export(broken(5, APIConnectionError("gone")), tmp_path / "a", exporter, place=lambda: "here")
    assert names(tmp_path) == []


@pytest.mark.parametrize("exporter", [Parquet(), Xlsx()], ids=repr)
def test_formats_that_cannot_go_on_keep_nothing(exporter, tmp_path):
    with pytest.raises(APIConnectionError):
        export(broken(250, APIConnectionError("gone")), tmp_path / "a", exporter, place=lambda: "here")
    assert names(tmp_path) == []
    kept = kept_after(250, Csv(), tmp_path)
    with pytest.raises(UsageError, match=r"was begun by Csv\(excel=False\), and .* cannot go on"):
        export(rows(1), tmp_path / "a", exporter, resume=kept)


def test_another_dialect_or_other_columns_do_not_go_on(tmp_path):
    kept = kept_after(250, Csv(), tmp_path, columns=["id", "name"])
    with pytest.raises(UsageError, match="begun by"):
        export(rows(1), tmp_path / "a", Csv(excel=True), resume=kept, columns=["id", "name"])
    with pytest.raises(UsageError, match="has the columns id, name: ask for the same"):
        export(rows(1), tmp_path / "a", Csv(), resume=kept)
    assert find_kept(tmp_path / "a") == kept
    (tmp_path / "a").touch()
    with pytest.raises(UsageError, match="already there"):
        export(rows(1), tmp_path / "a", Csv(), resume=kept, columns=["id", "name"])
    assert find_kept(tmp_path / "a") == kept


def test_an_export_that_begins_anew_and_succeeds_forgets_what_was_kept(tmp_path):
    kept_after(250, Csv(), tmp_path)
    assert len(names(tmp_path)) == 2
    export(rows(1), tmp_path / "a", Csv())
    assert names(tmp_path) == ["a"]


def test_an_export_that_begins_anew_and_fails_keeps_the_longest_it_can(tmp_path):
    kept = kept_after(250, Csv(), tmp_path)
    assert kept_after(50, Csv(), tmp_path) == kept
    newer = kept_after(350, Csv(), tmp_path)
    assert newer.rows == 300
    assert names(tmp_path) == [".a.resume.json", newer.part]


def test_what_is_kept_can_be_discarded(tmp_path):
    kept_after(250, Csv(), tmp_path)
    discard_kept(tmp_path / "a")
    discard_kept(tmp_path / "a")
    assert names(tmp_path) == []


def test_notes_that_do_not_fit_the_file_are_no_notes(tmp_path):
    kept = kept_after(250, Csv(), tmp_path)
    part, notes = tmp_path / kept.part, tmp_path / ".a.resume.json"
    os.truncate(part, kept.size - 1)
    assert find_kept(tmp_path / "a") is None
    part.unlink()
    assert find_kept(tmp_path / "a") is None
    notes.write_text("{")
    assert find_kept(tmp_path / "a") is None
    notes.write_bytes(msgspec.json.encode({"part": "../../etc/passwd"}))
    assert find_kept(tmp_path / "a") is None


def test_notes_name_files_of_their_folder_only(tmp_path):
    (tmp_path / "sub").mkdir()
    victim = tmp_path / "precious"
    victim.write_text("x" * 100)
    kept = kept_after(250, Csv(), tmp_path / "sub")
    for name in ("../precious", str(victim), "..", ""):
        notes = msgspec.json.encode(
            msgspec.structs.asdict(kept) if isinstance(kept, msgspec.Struct) else kept
        )
        changed = msgspec.json.decode(notes) | {"part": name, "size": 1}
        (tmp_path / "sub" / ".a.resume.json").write_bytes(msgspec.json.encode(changed))
        assert find_kept(tmp_path / "sub" / "a") is None
        discard_kept(tmp_path / "sub" / "a")
    assert victim.read_text() == "x" * 100


@pytest.mark.parametrize("size", [100, 70, 33])
def test_a_pagers_checkpoint_is_a_place(size, tmp_path):
    every = support.listing(support.wire_invoice(number) for number in range(1, 351))
    fails = iter([False] * (250 // size) + [True])

    def answer(request):
        if next(fails, False):
            return support.answer({"detail": "no"}, status=403)
        return every.handle_request(request)

    # One page after the other: fetched ahead, an early page could be the one that fails.
    with InvoicesClient(api_key=support.KEY, transport=support.Wire(answer), concurrency=1) as client:
        pager = client.list(page_size=size)
        with pytest.raises(PermissionDeniedError):
            export(pager, tmp_path / "a.jsonl", Jsonl(), place=lambda: pager.checkpoint)
        kept = find_kept(tmp_path / "a.jsonl")
        assert kept.rows == Checkpoint.parse(kept.place).last_id >= 100
        again = client.list(page_size=size, resume=Checkpoint.parse(kept.place))
        assert export(again, tmp_path / "a.jsonl", Jsonl(), resume=kept) == 350
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["id"] for line in lines] == list(range(1, 351))


# -- noted on the way, for a process that is killed

on_the_way = pytest.mark.skipif(sys.platform == "win32", reason="nothing is noted on the way there")


def watched(count, folder, seen, *, start=0):
    """Invoices; and what `find_kept` finds while they are written."""
    for each in rows(count, start=start):
        seen.append(find_kept(folder / "a"))
        yield each


@on_the_way
@every_line_format
def test_the_first_batch_is_noted_at_once_and_whole(exporter, tmp_path):
    seen, columns = [], ["id", "name"]
    placed = iter(["first", "second", "third"])
    export(
        watched(250, tmp_path, seen), tmp_path / "a", exporter, columns=columns, place=lambda: next(placed)
    )
    assert set(seen[:BATCH]) == {None}
    (kept,) = set(seen[BATCH:])  # less than a second passes here
    plain = io.BytesIO()
    stream(rows(BATCH), plain, exporter, columns=columns)
    assert (kept.rows, kept.place, kept.columns) == (BATCH, "first", ("id", "name"))
    assert kept.size == len(plain.getvalue())
    assert names(tmp_path) == ["a"]


@on_the_way
def test_later_ones_are_noted_when_a_second_has_passed(tmp_path, monkeypatch):
    now, seen = [0.0], []
    monkeypatch.setattr(_write.time, "monotonic", lambda: now[0])

    def slow():
        for number, each in enumerate(watched(500, tmp_path, seen)):
            now[0] = 1.5 * (number // 200)
            yield each

    export(slow(), tmp_path / "a", Jsonl(), place=lambda: "here")
    assert [kept and kept.rows for kept in seen[::BATCH]] == [None, 100, 100, 300, 300]


@on_the_way
@every_format
def test_without_a_place_nothing_is_noted(exporter, tmp_path):
    seen = set()

    def watching():
        for each in rows(250):
            seen.update(names(tmp_path))
            yield each

    export(watching(), tmp_path / "a", exporter)
    assert {Path(name).suffix for name in seen} - {".unpacked"} == {".part"}


def test_what_xlsx_unpacks_is_beside_its_file_and_goes_with_it(tmp_path, monkeypatch):
    """Not in the folder for temporary files, where nobody would look for what a killed process has left."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    seen = []

    def watching():
        for each in rows(250):
            seen.extend(path for path in tmp_path.iterdir() if path.is_dir())
            yield each

    export(watching(), tmp_path / "a", Xlsx())
    (folder,) = set(seen)
    assert re.fullmatch(r"\.gcore-invoices-[0-9a-f]{16}\.unpacked", folder.name)
    assert names(tmp_path) == ["a"]


@on_the_way
def test_who_forgets_to_go_on_can_still_until_the_new_one_is_as_far(tmp_path):
    older = kept_after(250, Jsonl(), tmp_path)
    seen = []
    export(watched(450, tmp_path, seen), tmp_path / "a", Jsonl(), place=lambda: "new")
    # A batch is noted when it is in the file and no second has passed since the one before: here, never.
    assert set(seen) == {older}
    assert names(tmp_path) == ["a"]


@on_the_way
def test_a_killed_one_that_is_not_further_is_replaced(tmp_path):
    older = kept_after(150, Jsonl(), tmp_path)
    seen = []
    export(watched(250, tmp_path, seen), tmp_path / "a", Jsonl(), place=lambda: "new")
    assert {kept.place for kept in seen[BATCH:]} == {"new"}
    assert older.part not in names(tmp_path)


@on_the_way
def test_a_file_that_is_being_written_is_no_other_exports(tmp_path):
    """Two at once, the second inside of the first."""
    seen = []

    def nested():
        for number, each in enumerate(rows(350)):
            if number == 250:
                kept = find_kept(tmp_path / "a")
                with pytest.raises(
                    UsageError, match=r"^Another process is exporting to .*: wait for its end"
                ):
                    export(rows(1), tmp_path / "a", Jsonl(), resume=kept)
                discard_kept(tmp_path / "a")
                with pytest.raises(APIConnectionError):  # fails, and may not put its notes in their place
                    export(broken(250, APIConnectionError("x")), tmp_path / "a", Jsonl(), place=lambda: "b")
                seen.extend([kept, find_kept(tmp_path / "a")])
            yield each

    export(nested(), tmp_path / "a", Jsonl(), place=lambda: "a")
    assert seen[0] == seen[1]
    assert seen[0].place == "a"
    assert len((tmp_path / "a").read_bytes().splitlines()) == 350
    assert names(tmp_path) == ["a"]


@on_the_way
def test_notes_that_cannot_be_written_fail_no_export(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_write, "_write_notes", full)
    assert export(rows(250), tmp_path / "a", Jsonl(), place=lambda: "here") == 250
    assert names(tmp_path) == ["a"]


# -- streams and memory


class Flushed(io.BytesIO):
    def __init__(self):
        super().__init__()
        self.at = []

    def flush(self):
        self.at.append(self.tell())


@every_line_format
def test_a_reader_of_a_stream_sees_each_batch(exporter):
    file = Flushed()
    seen = []

    def watched():
        for number, each in enumerate(rows(250)):
            if number == BATCH:
                seen.append(len(file.getvalue().splitlines()))
            yield each

    assert stream(watched(), file, exporter) == 250
    assert seen[0] >= BATCH
    assert len(file.at) >= 3


def test_a_reader_that_has_gone_ends_the_stream():
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(BrokenPipeError), os.fdopen(write, "wb", buffering=0) as file:
        stream(rows(1000), file, Jsonl())


@pytest.mark.slow
@every_format
def test_memory_does_not_grow_with_the_list(exporter, tmp_path):
    one = invoice(1)

    def peak(count):
        gc.collect()
        arrow = pa.total_allocated_bytes()
        highest = 0

        def many():
            nonlocal highest
            for number in range(count):
                if number % 2_000 == 0:
                    highest = max(highest, pa.total_allocated_bytes() - arrow)
                # Distinct objects, as a walk makes them.
                yield msgspec.structs.replace(one, id=number, name=f"INV/{number}")

        tracemalloc.start()
        export(many(), tmp_path / "a", exporter, overwrite=True, columns=["id", "name", "amount_total"])
        traced = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return traced + highest

    peak(100)  # imports and caches
    small, large = peak(2_000), peak(20_000)
    assert large < max(small, 400_000) * 3
    assert large < 2_000_000


def test_files_are_ordinary_files(tmp_path):
    export(rows(1), tmp_path / "a", Csv())
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    assert isinstance(tmp_path, Path)
