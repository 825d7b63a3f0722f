from __future__ import annotations

import errno
import hashlib
import json
import re
import signal
import socket
import sys
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Event, Lock

import pytest
from support import interrupt, until
from support_export import invoice

from gcore_invoices import InvoicesClient, RetryPolicy
from gcore_invoices.cli.manifest import Manifest
from gcore_invoices.sandbox import Response

JUNE = ("--all", "--since", "2026-06")


def manifest(folder):
    path = folder / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.pdf")}


def test_ids_into_a_folder_with_a_manifest(program):
    done = program("pdf", 90002, 90005, 90002)
    assert done.code == 0, done.err
    folder = program.folder / "invoices"
    assert sorted(done.out.split()) == ["invoices/INV-2023-00001.pdf", "invoices/INV-2023-00002.pdf"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "INV-2023-00001.pdf",
        "INV-2023-00002.pdf",
        "manifest.jsonl",
    ]
    first = manifest(folder)[0]
    data = (folder / first["file"]).read_bytes()
    assert first == {
        "id": 90002,
        "number": "INV/2023/00001",
        "file": "INV-2023-00001.pdf",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    assert data.startswith(b"%PDF-")
    assert "2 downloaded, 0 already there, 0 failed" in done.err


def test_again_it_passes_over_what_is_whole_and_mends_what_is_not(program):
    assert program("pdf", *JUNE, "--into", "june").code == 0
    folder = program.folder / "june"
    before = files(folder)
    assert len(before) == len(manifest(folder)) > 4
    broken, gone, *_ = sorted(folder.glob("*.pdf"))
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")  # the same size
    gone.unlink()
    with (folder / "manifest.jsonl").open("ab") as file:
        file.write(b'{"id": 1, "num')  # a run that was cut off while it wrote
    done = program("pdf", *JUNE, "--into", "june")
    assert sorted(done.out.split()) == [f"june/{broken.name}", f"june/{gone.name}"]
    assert files(folder) == before
    assert len(manifest(folder)) == len(before)
    assert f"2 downloaded, {len(before) - 2} already there" in done.err


def test_a_template_makes_folders_and_names_that_are_safe(program):
    template = "../{invoice_date:%Y-%m}/c{client_id}/{name}"
    assert program.inside("pdf", *JUNE, "--name", template).code == 0
    folder = program.folder / "invoices"
    assert files(program.folder).keys() == {f"invoices/{name}" for name in files(folder)}
    assert all(name.startswith("2026-06/c") and name.endswith(".pdf") for name in files(folder))
    assert {entry["file"] for entry in manifest(folder)} == set(files(folder))


def test_two_invoices_of_one_name_are_two_files(program):
    assert program.inside("pdf", *JUNE, "--name", "{currency}").code == 0
    folder = program.folder / "invoices"
    assert len(files(folder)) == len(manifest(folder)) > 4
    assert "EUR.pdf" in files(folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the ids of the invoices, or give --all"),
        (["5", "--all"], "one of the two"),
        (["5", "--since", "2026"], "Filters go with --all"),
        (["5", "--name", "{nmae}"], "Did you mean 'name'?"),
        (["5", "--name", "{name.__class__}"], "Unknown field of --name"),
        (["5", "--name", "{name"], "cannot be read"),
        (
            ["90002", "--name", "{client_id:%Y}"],
            "gcore-invoices: --name '{client_id:%Y}': {client_id:%Y} does not work",
        ),
        (
            ["90002", "--name", "{name!r}"],
            "gcore-invoices: --name '{name!r}': {name!r} does not work: leave !r away.",
        ),
    ],
)
def test_wrong_arguments(program, arguments, words):
    done = program.inside("pdf", *arguments)
    assert done.code == 2
    assert words in done.err
    assert files(program.folder) == {}


def test_a_temporary_502_is_tried_again_and_what_fails_is_listed(faulty):
    lock, seen = Lock(), []

    def before(request):
        if not request.url.endswith("/download"):
            return None
        with lock:
            first = request.url not in seen
            seen.append(request.url)
        if "/90002/" in request.url:
            return Response(404, {"Content-Type": "application/json"}, b'{"detail": "It was deleted."}')
        return (
            Response(502, {"Content-Type": "text/plain"}, b"PDF temporarily unavailable") if first else None
        )

    program = faulty(before)
    done = program("pdf", 90002, 90005)
    assert done.code == 4
    assert done.out == "invoices/INV-2023-00002.pdf\n"
    assert done.err.splitlines()[0].startswith("id 90002: The API answered 404 Not Found: It was deleted.")
    assert "1 downloaded, 0 already there, 1 failed" in done.err
    assert [entry["id"] for entry in manifest(program.folder / "invoices")] == [90005]


def test_a_key_that_is_refused_ends_it_at_once(program):
    done = program("pdf", "--all", GCORE_API_KEY="5678$sandbox-engineer")
    assert done.code == 3
    assert list(program.folder.iterdir()) == []


def answer(status, text):
    body = json.dumps({"detail": text}).encode()
    return Response(status, {"Content-Type": "application/json"}, body)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_documents_that_may_not_be_seen_end_it_at_once(faulty, concurrency):
    def before(request):
        return answer(403, "No documents for you.") if request.url.endswith("/download") else None

    program = faulty(before, count=250)
    done = program.inside("pdf", "--all", "--concurrency", concurrency)
    *failed, counts, told, remedy = done.err.splitlines()
    assert done.code == 3
    assert told.startswith("gcore-invoices: The API answered 403 Forbidden: No documents for you.")
    assert "Administrators" in remedy
    assert 1 <= len(failed) <= 2 * concurrency  # those that were under way
    assert counts == (f"0 downloaded, 0 already there, {len(failed)} failed, {250 - len(failed)} not tried.")
    assert not (program.folder / "invoices").exists()


def test_it_gives_up_when_one_after_the_other_fails_in_the_same_way(faulty):
    asked = []

    def before(request):
        if not request.url.endswith("/download"):
            return None
        asked.append(request.url)
        return None if len(asked) <= 3 else answer(404, "There are no documents.")

    program = faulty(before, count=250)
    done = program.inside("pdf", "--all", "--concurrency", 1)
    *failed, counts, told, _ = done.err.splitlines()
    assert done.code == 4
    assert told == (
        "gcore-invoices: Gave up, because 10 documents in a row failed in the same way: "
        "The API answered 404 Not Found: There are no documents."
    )
    assert len(failed) in {10, 11}
    assert counts == (
        f"3 downloaded, 0 already there, {len(failed)} failed, {247 - len(failed)} not tried; "
        "invoices/manifest.jsonl lists what is there."
    )
    assert len(asked) == 3 + len(failed)
    again = program.inside("pdf", "--all", "--concurrency", 4)
    assert "0 downloaded, 3 already there, " in again.err  # what is there says nothing of the rest
    assert " not tried" in again.err
    assert len(asked) <= 14 + 18


@pytest.mark.slow
def test_it_goes_on_when_some_work_in_between_or_fail_in_other_ways(faulty):
    asked = []

    def before(request):
        if not request.url.endswith("/download"):
            return None
        asked.append(request.url)
        if len(asked) in {9, 18, 27}:
            return None
        return answer(404, "It was deleted.") if len(asked) <= 20 or len(asked) % 2 else answer(400, "No.")

    done = faulty(before, count=39).inside("pdf", "--all", "--concurrency", 1)
    assert done.code == 4
    assert "3 downloaded, 0 already there, 36 failed; " in done.err
    assert "Gave up" not in done.err


def test_the_network_that_has_gone_ends_it_and_the_ids_that_are_left_are_counted(program, monkeypatch):
    once = partial(InvoicesClient, retry=RetryPolicy(attempts=1))
    monkeypatch.setattr("gcore_invoices.cli.options.InvoicesClient", once)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = program.inside("pdf", *range(1, 41), "--base-url", url)
    *failed, counts, told, remedy = done.err.splitlines()
    assert done.code == 4
    assert told.startswith("gcore-invoices: Gave up, because 10 documents in a row failed in the same way: ")
    assert "Connection refused" in told
    assert "gcore-invoices doctor" in remedy
    assert 10 <= len(failed) <= 18
    assert f"{len(failed)} failed, {40 - len(failed)} not tried." in counts


def test_a_full_disk_ends_it_at_once(program, monkeypatch):
    def full(self, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "replace", full)
    done = program.inside("pdf", *JUNE, "--concurrency", 1)
    assert done.code == 2
    assert done.err.splitlines()[-2].startswith("gcore-invoices: ")
    assert "No space left on device." in done.err.splitlines()[-2]
    assert re.search(r"0 downloaded, 0 already there, [12] failed, \d+ not tried", done.err)


def test_a_manifest_that_cannot_be_written_anew_is_one_all_the_same(program, monkeypatch):
    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert program.inside("pdf", 90005).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "_write_anew", full)
        done = program.inside("pdf", 90002, 1)
    assert done.err.splitlines()[0].startswith("id 1: The API answered 404")
    assert "1 downloaded, 0 already there, 1 failed; " in done.err
    assert "2 already there" in program.inside("pdf", 90002, 90005).err


def test_names_that_are_taken_never_end_it(program):
    folder = program.folder / "invoices"
    folder.mkdir()
    assert program.inside("pdf", "--all", "--since", "2026-05", "--into", "copy").code == 0
    names = files(program.folder / "copy")
    assert len(names) > 12
    for name in names:
        (folder / name).write_bytes(b"mine")
    done = program.inside("pdf", "--all", "--since", "2026-05")
    assert done.code == 2
    assert f"0 downloaded, 0 already there, {len(names)} failed." in done.err
    assert set(files(folder).values()) == {b"mine"}


def test_a_list_that_breaks_off_ends_it_and_what_came_is_told(faulty):
    def before(request):
        return answer(400, "No.") if re.search("offset=[1-9]", request.url) else None

    program = faulty(before, count=120)
    done = program.inside("pdf", "--all")
    assert done.code == 4
    assert "100 downloaded, 0 already there, 0 failed, 20 not tried; " in done.err
    assert done.err.splitlines()[-1].startswith("gcore-invoices: The API answered 400 Bad Request")
    assert len(manifest(program.folder / "invoices")) == len(done.out.splitlines()) == 100


def test_a_folder_that_was_made_for_nothing_is_removed_and_another_is_not(program):
    done = program.inside("pdf", 1)
    assert done.err.splitlines()[-1] == "0 downloaded, 0 already there, 1 failed."
    assert list(program.folder.iterdir()) == []
    (program.folder / "mine").mkdir()
    program.inside("pdf", 1, "--into", "mine")
    assert [path.name for path in program.folder.iterdir()] == ["mine"]


@pytest.fixture
def held(faulty):
    """A program whose downloads stop after three, until `let_go` is set; `stopped` is set then."""
    let_go, stopped, lock = Event(), Event(), Lock()
    count = 0

    def before(request):
        nonlocal count
        if request.url.endswith("/download"):
            with lock:
                count += 1
                mine = count
            if mine > 3 and not let_go.is_set():
                stopped.set()
                let_go.wait(30)

    program = faulty(before, count=12)
    program.let_go, program.stopped = let_go, stopped
    yield program
    let_go.set()


@pytest.mark.slow
def test_ctrl_c_leaves_no_half_file_and_the_next_run_goes_on(held):
    with held.start("pdf", "--all") as process:
        assert held.stopped.wait(30)
        interrupt(process)
        _, errors = process.communicate(timeout=20)
    held.let_go.set()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    folder = held.folder / "invoices"
    there = {path.name for path in folder.iterdir()} - {"manifest.jsonl"}
    assert there == {entry["file"] for entry in manifest(folder)}
    assert len(there) < 12
    assert held("pdf", "--all").code == 0
    assert len(files(folder)) == len(manifest(folder)) == 12


@pytest.mark.slow
def test_a_killed_run_goes_on_and_what_it_left_is_removed(held):
    folder = held.folder / "invoices"
    with held.start("pdf", "--all") as process:
        assert held.stopped.wait(30)
        until(lambda: len(manifest(folder)) >= 3)  # what has come is noted at once
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
    held.let_go.set()
    (folder / ".gcore-invoices-unfinished" / "90002.pdf").write_bytes(b"half")
    there = {path.name for path in folder.glob("*.pdf")}
    assert there <= {entry["file"] for entry in manifest(folder)}
    done = held("pdf", "--all")
    assert done.code == 0, done.err
    assert f"{12 - len(there)} downloaded, {len(there)} already there" in done.err
    assert len(there) >= 2
    assert len(manifest(folder)) == 12
    assert {path.name for path in folder.iterdir()} == {
        "manifest.jsonl",
        *(entry["file"] for entry in manifest(folder)),
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="two processes are not told apart there")
def test_two_runs_do_not_share_a_folder(held):
    with held.start("pdf", "--all") as process:
        assert held.stopped.wait(30)
        done = held("pdf", 90002)
        assert done.code == 2
        assert "Another run is downloading to invoices: wait for its end, or name another folder." in done.err
        held.let_go.set()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(manifest(held.folder / "invoices")) == 12


@pytest.mark.slow
def test_somebody_elses_file_is_not_replaced_unless_asked(program):
    mine = program.folder / "invoices" / "INV-2023-00001.pdf"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    done = program("pdf", 90002, 90005)
    assert (done.code, done.out) == (2, "invoices/INV-2023-00002.pdf\n")
    assert "id 90002: invoices/INV-2023-00001.pdf is already there, and not in manifest.jsonl" in done.err
    assert "give --overwrite, or another --name" in done.err
    assert mine.read_bytes() == b"mine"
    assert [entry["id"] for entry in manifest(mine.parent)] == [90005]
    assert program("pdf", 90002, "--overwrite").code == 0
    whole = mine.read_bytes()
    assert whole.startswith(b"%PDF-")
    (mine.parent / "manifest.jsonl").unlink()
    done = program("pdf", 90002)  # the same file, of a folder whose manifest was lost
    assert (done.code, mine.read_bytes()) == (0, whole)
    assert len(manifest(mine.parent)) == 1


def test_three_invoices_that_want_one_name_are_three_files(tmp_path):
    with Manifest(tmp_path) as claims:
        wanted = [claims.claim(invoice(number), PurePosixPath(name)) for number, name in (
            (7, "a-5.pdf"), (9, "A.pdf"), (5, "a.pdf"), (5, "a.pdf"))]  # fmt: skip
    assert [path.name for path in wanted] == ["a-5.pdf", "A.pdf", "a-5-5.pdf", "a-5-5.pdf"]
    assert list(tmp_path.iterdir()) == []
