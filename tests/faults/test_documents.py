"""Bodies: never larger than allowed, never short; documents whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import time
import tracemalloc

import pytest
from faults.conftest import NO_WAITS
from faults.server import hangs_up_after, head, resets_after, says, silent_after, trickles, whole
from faults.test_scenarios import BODY, BOMB, BRIEF, GOOD, GOOD_PDF, SHORT
from support import PDF

import gcore_invoices as gi

BIG_PDF = b"%PDF-1.7\n" + os.urandom(3 * 2**20) + b"\n%%EOF\n"
PDF_HEAD = {"content_type": "application/pdf"}


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*"))


MEMORY = {
    "get": ("get", {}, 80),
    "document": ("download_bytes", PDF_HEAD, 160),
    "error": ("get", {"status": "500 Oops"}, 4),
}


@pytest.mark.parametrize(("call", "headers", "most"), MEMORY.values(), ids=MEMORY)
def test_a_bomb_never_unfolds(connect, call, headers, most):
    """65 MiB of zeros and more, in 65 KiB: what is kept is the limit, once while it is written."""
    wire = says(whole(BOMB * 20, content_encoding="gzip", **headers))
    client, _ = connect(says(GOOD), wire)
    client.get(42)
    tracemalloc.start()
    try:
        with pytest.raises(gi.InvoicesError):
            getattr(client, call)(42)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most * 2**20


def test_a_document_on_its_way_to_a_file_takes_no_memory(connect, tmp_path):
    client, _ = connect(says(GOOD), says(whole(BIG_PDF, **PDF_HEAD)))
    client.get(42)
    tracemalloc.start()
    try:
        path = client.download(42, tmp_path / "a.pdf")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The server of this test keeps what it sends in memory; its copy was made before.
    assert peak < 2 * 2**20
    assert path.read_bytes() == BIG_PDF


def test_a_document_that_unfolds_beyond_the_limit_leaves_nothing(connect, tmp_path):
    client, _ = connect(says(whole(BOMB, content_encoding="gzip", **PDF_HEAD)))
    with pytest.raises(gi.APIResponseValidationError, match="larger than 64 MiB"):
        client.download(42, tmp_path / "a.pdf")
    assert left_in(tmp_path) == []


FAULTS = {
    "short": hangs_up_after(head(content_length=len(PDF), **PDF_HEAD) + PDF[:99]),
    "cut chunk": hangs_up_after(head(transfer_encoding="chunked", **PDF_HEAD) + b"ff\r\n" + PDF[:9]),
    "cut gzip": says(whole(gzip.compress(PDF)[:-9], content_encoding="gzip", **PDF_HEAD)),
    "no gzip": says(whole(PDF, content_encoding="gzip", **PDF_HEAD)),
    "reset": resets_after(head(content_length=len(PDF), **PDF_HEAD) + PDF[:99]),
    "stall": silent_after(head(content_length=len(PDF), **PDF_HEAD) + PDF[:99]),
    "no end": says(whole(PDF[:-6], **PDF_HEAD)),
    "no beginning": says(whole(PDF[1:], **PDF_HEAD)),
    "a page": says(whole(b"<html>", content_type="text/html")),
    "503": says(whole(b"later", "503 Service Unavailable")),
    "502 without end": trickles(head("502 Bad Gateway", content_length=9999), b"x", then_silent=3),
}


@pytest.mark.parametrize("does", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("target", ["file", "memory"])
def test_a_fault_leaves_nothing_and_the_next_attempt_brings_it_whole(connect, tmp_path, does, target):
    def ask(client):
        return client.download(42, tmp_path / "a.pdf") if target == "file" else client.download_bytes(42)

    client, server = connect(does, timeouts=BRIEF)
    with pytest.raises(gi.InvoicesError) as caught:
        ask(client)
    assert caught.value.operation == "download"
    assert left_in(tmp_path) == []
    client, server = connect(does, says(GOOD_PDF), timeouts=BRIEF, retry=NO_WAITS)
    found = ask(client)
    assert (found.read_bytes() if target == "file" else found) == PDF
    assert len(server.requests) == 2
    assert left_in(tmp_path) == (["a.pdf"] if target == "file" else [])


def test_while_it_comes_it_stands_in_the_target_folder_under_another_name(connect, tmp_path):
    seen = []

    def behave(exchange):
        exchange.send(head(content_length=len(BIG_PDF), **PDF_HEAD) + BIG_PDF[: 2**20])
        seen.extend(left_in(tmp_path))
        exchange.send(BIG_PDF[2**20 :])

    client, _ = connect(behave)
    client.download(42, tmp_path / "a.pdf")
    assert len(seen) == 1
    assert seen[0].startswith(".gcore-invoices-")
    assert seen[0].endswith(".part")
    assert left_in(tmp_path) == ["a.pdf"]


def test_a_long_name_is_no_hindrance(connect, tmp_path):
    name = "\N{SNOWMAN}" * 83 + ".pdf"  # 253 bytes
    client, _ = connect(says(GOOD_PDF))
    assert client.download(42, tmp_path / name).read_bytes() == PDF


def test_an_old_file_survives_a_download_that_fails(connect, tmp_path):
    target = tmp_path / "a.pdf"
    target.write_bytes(b"old")
    client, _ = connect(hangs_up_after(head(content_length=99, **PDF_HEAD) + PDF[:50]), timeouts=SHORT)
    with pytest.raises(gi.APIProtocolError):
        client.download(42, target, overwrite=True)
    assert target.read_bytes() == b"old"
    assert left_in(tmp_path) == ["a.pdf"]


def test_it_is_on_disk_before_it_has_its_name(connect, tmp_path, monkeypatch):
    order = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda file: order.append("fsync") or fsync(file))
    monkeypatch.setattr(os, "link", lambda *names: order.append("link") or link(*names))
    client, _ = connect(says(GOOD_PDF))
    client.download(42, tmp_path / "a.pdf")
    assert order == ["fsync", "link"]


def test_hostile_pages_are_understood_in_no_time(connect):
    """Expressions on what is no page take time by the square."""
    bodies = [
        text * (64 * 1024 // len(text)) for text in ("<", "<title>", "<h1>", "&", "\\u", "%", '{"a":[', "[")
    ]
    client, _ = connect(*[says(whole(body.encode(), "502 Bad Gateway")) for body in bodies])
    for body in bodies:
        started = time.thread_time()
        with pytest.raises(gi.InternalServerError):
            client.get(42)
        assert time.thread_time() - started < 0.5, body[:9]


@pytest.mark.parametrize("depth", [100, 400, 600, 900, 5000])
def test_nesting_is_no_hindrance(connect, depth):
    bodies = ["[" * depth + '"x"' + "]" * depth, '{"detail": ' * depth + '"x"' + "}" * depth]
    client, _ = connect(*[says(whole(body.encode(), "400 Bad")) for body in bodies])
    for _ in bodies:
        with pytest.raises(gi.BadRequestError):
            client.get(42)


@pytest.mark.parametrize(("depth", "fine"), [(98, True), (101, False), (400, False)])
def test_an_unknown_field_is_kept_as_far_as_it_can_be_written_again(connect, depth, fine):
    field = b', "new": ' + b"[" * depth + b"]" * depth + b"}"
    client, _ = connect(says(whole(BODY[:-1] + field, content_type="application/json")))
    if fine:
        invoice = client.get(42)
        assert pickle.loads(pickle.dumps(invoice)) == invoice  # noqa: S301 - our own bytes
        assert json.loads(json.dumps(invoice.to_dict()))["new"] == invoice.extra["new"]
    else:
        with pytest.raises(gi.APIResponseValidationError, match="It is nested without end"):
            client.get(42)


def test_a_byte_that_is_no_utf8_is_an_error_wherever_it_stands(connect):
    """The decoder skips what it does not know, bytes included."""
    body = b'{"count": 0, "\x80next": "more", "previous": null, "results": []}'
    client, _ = connect(says(whole(body, content_type="application/json")))
    with pytest.raises(gi.APIResponseValidationError, match="It is not UTF-8"):
        client.invoices()


def test_an_answer_of_the_largest_size_is_refused_quickly(connect):
    """Its words are looked at as far as they are shown, not all 64 MiB of them."""
    body = gzip.compress(b'{"id": "' + b"0" * (63 * 2**20) + b'"}')
    client, _ = connect(says(whole(body, content_encoding="gzip")))
    with pytest.raises(gi.APIResponseValidationError) as caught:
        client.get(42)
    assert len(caught.value.excerpt) == 500
    assert caught.value.elapsed < 2
