"""Documents: whole or not at all, in memory and on disk."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import httpx
import pytest
from support import PDF, RawBody, Wire, answer, pdf, raw, wire_invoice

import gcore_invoices as gi
from gcore_invoices import _files
from gcore_invoices.models import decode_invoice


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_bytes_arrive_as_they_were(make_client):
    wire = Wire.of(pdf())
    assert make_client(wire).download_bytes(42) == PDF
    assert wire.requests[0].url.path == "/billing/org/v1/erp-invoices/42/download"
    assert wire.requests[0].headers["accept"] == "application/pdf, application/json;q=0.5"


def test_a_file_is_written(make_client, tmp_path):
    target = tmp_path / "new" / "march.pdf"
    path = make_client(Wire.of(pdf())).download(42, target)
    assert path == target
    assert path.read_bytes() == PDF
    assert left_in(tmp_path) == ["march.pdf"]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("form", ["existing folder", "trailing slash", "string"])
def test_in_a_folder_the_file_is_named_after_the_invoice_number(make_client, tmp_path, form):
    target = {"existing folder": tmp_path, "trailing slash": f"{tmp_path}/deep/er/", "string": str(tmp_path)}[
        form
    ]
    wire = Wire.of(answer(wire_invoice(42, name="INV/2026/00042")), pdf())
    path = make_client(wire).download(42, target)
    assert path == Path(target) / "INV-2026-00042.pdf"
    assert path.read_bytes() == PDF


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("INV/2026/00001", "INV-2026-00001.pdf"),
        ("/", "invoice-42.pdf"),
        ("", "invoice-42.pdf"),
        ("../../etc/passwd", "etc-passwd.pdf"),
        ("..", "invoice-42.pdf"),
        ("a\x00b\nc", "a-b-c.pdf"),
        ('q<>:"|?*\\w', "q-w.pdf"),
        ("CON", "invoice-42.pdf"),
        ("com1.2026", "invoice-42.pdf"),
        ("Rechnung Größe", "Rechnung Gr-e.pdf"),
        (".hidden", "hidden.pdf"),
        ("x" * 500, "x" * 120 + ".pdf"),
        ("ends. ", "ends.pdf"),
    ],
)
def test_a_number_becomes_a_name_that_every_file_system_takes(number, name):
    import json  # noqa: PLC0415

    invoice = decode_invoice(json.dumps(wire_invoice(42, name=number)).encode())
    assert _files.pdf_name(invoice) == name


def test_a_file_that_is_there_is_kept_unless_asked(make_client, tmp_path):
    target = tmp_path / "a.pdf"
    target.write_bytes(b"old")
    wire = Wire.of()
    with pytest.raises(gi.UsageError, match=r"a\.pdf is already there: pass overwrite=True to replace it"):
        make_client(wire).download(42, target)
    assert target.read_bytes() == b"old"
    assert wire.requests == []
    make_client(Wire.of(pdf())).download(42, target, overwrite=True)
    assert target.read_bytes() == PDF
    assert left_in(tmp_path) == ["a.pdf"]


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_a_file_that_appears_meanwhile_is_kept_too(make_client, tmp_path, monkeypatch, links):
    target = tmp_path / "a.pdf"
    if not links:

        def no_links(*_):
            raise OSError(95, "not supported")

        monkeypatch.setattr(os, "link", no_links)

    def respond(_):
        target.write_bytes(b"another's")
        return pdf()

    with pytest.raises(gi.UsageError, match="is already there"):
        make_client(Wire(respond)).download(42, target)
    assert target.read_bytes() == b"another's"
    assert left_in(tmp_path) == ["a.pdf"]


def test_a_file_system_without_links_is_fine(make_client, tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", no_links)
    make_client(Wire.of(pdf())).download(42, tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == PDF
    assert left_in(tmp_path) == ["a.pdf"]


NOT_A_PDF = {
    "html": (raw, b"<html>", "text/html", "Expected application/pdf, got text/html"),
    "no type": (raw, PDF, "", "got no content type"),
    "no header": (raw, b"junk" + PDF, "application/pdf", "which begins with %PDF-"),
    "no end": (raw, PDF[:-8], "application/pdf", "Expected a whole PDF, which ends in %%EOF"),
    "nothing": (raw, b"", "application/pdf", "which begins with %PDF-"),
}


@pytest.mark.parametrize(("make", "body", "kind", "words"), NOT_A_PDF.values(), ids=NOT_A_PDF)
def test_what_is_no_whole_pdf_leaves_nothing(make_client, tmp_path, make, body, kind, words):
    client = make_client(Wire(lambda _: make(body, content_type=kind)))
    with pytest.raises(gi.APIResponseValidationError) as caught:
        client.download(42, tmp_path / "a.pdf")
    assert words in str(caught.value)
    assert caught.value.operation == "download"
    assert left_in(tmp_path) == []
    with pytest.raises(gi.APIResponseValidationError):
        client.download_bytes(42)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: raw(
            RawBody(PDF[:3000], error=httpx.RemoteProtocolError("cut")), content_type="application/pdf"
        ),
        lambda: pdf(gzip.compress(PDF)[:-9], content_encoding="gzip"),
        lambda: pdf(b"not gzip", content_encoding="gzip"),
        lambda: pdf(PDF, content_encoding="br"),
    ],
    ids=["cut", "cut gzip", "no gzip", "another encoding"],
)
def test_a_cut_document_leaves_nothing(make_client, tmp_path, broken):
    with pytest.raises(gi.APIProtocolError):
        make_client(Wire.of(broken())).download(42, tmp_path / "a.pdf")
    assert left_in(tmp_path) == []
    with pytest.raises(gi.APIProtocolError):
        make_client(Wire.of(broken())).download_bytes(42)


def test_a_refused_document_leaves_nothing(make_client, tmp_path):
    client = make_client(Wire(lambda _: answer({"detail": "The PDF is not ready."}, 502)))
    with pytest.raises(gi.InternalServerError, match="not ready"):
        client.download(42, tmp_path / "a.pdf")
    with pytest.raises(gi.InternalServerError, match="not ready"):
        client.download_bytes(42)
    assert left_in(tmp_path) == []


def test_a_renewed_token_does_not_mix_two_answers(make_client, tmp_path):
    given = iter(["jwt.one", "jwt.two"])
    wire = Wire.of(answer({"detail": "expired"}, 401), pdf())
    client = make_client(wire, bearer_token=lambda: next(given))
    assert client.download(42, tmp_path / "a.pdf").read_bytes() == PDF


def test_an_interrupt_leaves_nothing(make_client, tmp_path):
    class Interrupt(BaseException):
        pass

    def respond(_):
        raise Interrupt

    with pytest.raises(Interrupt):
        make_client(Wire(respond)).download(42, tmp_path / "a.pdf")
    assert left_in(tmp_path) == []


def test_a_full_disk_is_the_systems_error_and_leaves_nothing(make_client, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make_client(Wire.of(pdf())).download(42, tmp_path / "a.pdf")
    assert left_in(tmp_path) == []


def test_a_gzipped_document_is_unpacked(make_client):
    assert make_client(Wire.of(pdf(gzip.compress(PDF), content_encoding="gzip"))).download_bytes(42) == PDF


@pytest.mark.parametrize("target", ["", None, 7, b"a.pdf"], ids=repr)
def test_a_target_that_is_no_path_is_refused(make_client, target):
    wire = Wire.of()
    with pytest.raises(gi.UsageError) as caught:
        make_client(wire).download(42, target)
    assert str(caught.value) == f"download takes a file or a folder to write to, not {target!r}."
    assert wire.requests == []
