"""`manifest.jsonl`: what a folder of PDFs holds, a line for each file."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

import msgspec

from gcore_invoices import UsageError
from gcore_invoices._files import PartFile
from gcore_invoices.cli.text import printable

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from gcore_invoices import Invoice

NAME = "manifest.jsonl"
UNFINISHED = ".gcore-invoices-unfinished"
"""The folder of what is not whole yet; what a killed run leaves there, the next one removes."""


class Entry(msgspec.Struct, frozen=True):
    """One file."""

    id: int
    number: str
    file: str
    sha256: str
    bytes: int


class Manifest:
    """The manifest of one folder; safe to use from many threads.

    Each file is noted before it has its name, so that a run that is cut off, or killed, loses nothing. At its
    end, the manifest is written anew, ordered by id, a line for each file.

    Raises:
        UsageError: When it is entered: another run is writing to the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._lock = Lock()
        self._unfinished = folder / UNFINISHED

    def __enter__(self) -> Self:
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"--into takes a folder, and {self.folder} is a file.")
        self._is_ours = not self.folder.exists()
        self._unfinished.mkdir(parents=True, exist_ok=True)
        self._held = (self._unfinished / "lock").open("wb")
        try:
            self._begin()
        except BaseException:
            self._held.close()
            raise
        return self

    def _begin(self) -> None:
        from gcore_invoices.export._locks import hold

        if not hold(self._held):
            raise UsageError(
                f"Another run is downloading to {self.folder}: wait for its end, or name another folder."
            )
        for left in self._unfinished.iterdir():
            if left.name != "lock":
                left.unlink()
        self._entries = {entry.id: entry for entry in _read(self.path)}
        # Case does not tell files apart everywhere.
        self._claims = {entry.file.casefold(): entry.id for entry in self._entries.values()}
        self._file = self.path.open("ab")
        if self._file.tell():
            self._file.write(b"\n")  # the last line may have been cut off

    def __exit__(self, *_: object) -> None:
        try:
            with suppress(OSError):  # the disk is full: the lines as they were noted do as well
                self._file.close()
                self._write_anew()
        finally:
            self._held.close()
            shutil.rmtree(self._unfinished, ignore_errors=True)
            if self._is_ours:
                with suppress(OSError):  # something is in it
                    self.folder.rmdir()

    def told(self) -> str:
        """Where to see what is there, as the end of a sentence."""
        return f"; {printable(str(self.path))} lists what is there." if self._entries else "."

    def _write_anew(self) -> None:
        if not self._entries:
            self.path.unlink()
            return
        part = PartFile(self.path, overwrite=True)
        try:
            part.open()
            for entry in sorted(self._entries.values(), key=lambda entry: entry.id):
                part.write(msgspec.json.encode(entry) + b"\n")
            part.commit()
        finally:
            part.discard()

    def find(self, invoice_id: int) -> Entry | None:
        """What is known of an invoice's file."""
        with self._lock:
            return self._entries.get(invoice_id)

    def claim(self, invoice: Invoice, wanted: PurePosixPath) -> Path:
        """Where an invoice's file goes: as wanted, or with the id if another invoice has that name."""
        with self._lock:
            while self._claims.setdefault(str(wanted).casefold(), invoice.id) != invoice.id:
                wanted = wanted.with_stem(f"{wanted.stem}-{invoice.id}")
        return self.folder / wanted

    def unfinished(self, invoice: Invoice) -> Path:
        """Where an invoice's file is until it is whole."""
        return self._unfinished / f"{invoice.id}.pdf"

    def put(self, invoice: Invoice, path: Path, *, replace: bool) -> None:
        """Note a file that is whole, and give it its name.

        Raises:
            UsageError: Something else has that name, and may not be replaced.
        """
        whole = self.unfinished(invoice)
        digest, size = _digest(whole)
        file = path.relative_to(self.folder).as_posix()
        entry = Entry(invoice.id, invoice.name, file, digest, size)
        if not replace and path.exists() and not is_whole(path, entry):
            whole.unlink()
            raise UsageError(
                f"{path} is already there, and not in {NAME}: give --overwrite, or another --name."
            )
        with self._lock:
            self._entries[invoice.id] = entry
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.replace(path)


def is_whole(path: Path, entry: Entry) -> bool:
    """Whether a file is there, and what the manifest says."""
    try:
        return path.stat().st_size == entry.bytes and _digest(path) == (entry.sha256, entry.bytes)
    except OSError:
        return False


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _read(path: Path) -> list[Entry]:
    """The lines that are whole."""
    entries = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError:
            continue
    return entries
