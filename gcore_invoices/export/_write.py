"""From invoices to a file that is there whole or not at all."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from attrs import frozen

from gcore_invoices._files import PartFile
from gcore_invoices.errors import UsageError
from gcore_invoices.export._columns import check_columns
from gcore_invoices.export._locks import hold
from gcore_invoices.export._scratch import PART, remove_unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gcore_invoices.export._protocol import Exporter
    from gcore_invoices.models import Invoice

BATCH = 100
"""Invoices that are held at a time: a page of the API, so that who reads from a pipe sees each."""

# Seconds between notes of how far a file is; each waits for the disk.
_NOTES_EVERY = 1.0


@frozen
class Kept:
    """What an export that failed, or was killed, has left beside its target, to go on from.

    Attributes:
        part: Name of the unfinished file, in the folder of the target.
        size: How many of its bytes count.
        rows: How many invoices those are.
        place: What the `place` of the failed export said: where to go on.
        columns: Its columns.
        exporter: The repr of its exporter.
    """

    part: str
    size: int
    rows: int
    place: str
    columns: tuple[str, ...]
    exporter: str


def export(
    invoices: Iterable[Invoice],
    target: str | os.PathLike[str],
    exporter: Exporter,
    *,
    columns: Iterable[str] | None = None,
    overwrite: bool = False,
    place: Callable[[], object] | None = None,
    resume: Kept | None = None,
) -> int:
    """Write invoices to a file, as they come, a batch held at a time.

    The file is written beside its target and put in its place when it is whole and on disk. If anything
    fails, Ctrl-C included, the target is as it was and nothing else is left; unless `place` is given and the
    format `appends`: then what was written is kept, and `find_kept` finds it, until an export succeeds or
    another that fails is kept in its place. With `place` it is noted about once a second how far the file
    is, so that the same holds of a process that is killed; what is left of one whose format does not append
    is removed by the next export to the same target.

    Args:
        invoices: A pager, say. Nothing is taken from it before the file is open.
        target: The file to make; its folder is made if it is missing.
        exporter: The format.
        columns: Names from `COLUMNS` in the order wanted; all of them, if none are given.
        overwrite: Whether a file that is there may be replaced.
        place: Says where to go on after the invoice taken last, or None if nobody can. It is asked after each
            batch; its text comes back as `Kept.place`. For a pager: `lambda: pager.checkpoint`.
        resume: Go on with what a failed export left; `invoices` are then those that it lacks.

    Returns:
        How many invoices the file holds, those of before included.

    Raises:
        UsageError: A column is unknown; the target is there; the format's library is missing; what was kept
            does not fit, or another process is writing it.
        ExportError: An invoice cannot be written without loss.
        OSError: The folder cannot be made or written to, the disk is full, or the like.
        InvoicesError: Whatever reading the invoices raises passes through.
    """
    path = Path(target)
    names = check_columns(columns)
    part = _Part(path, overwrite=overwrite, columns=names, exporter=exporter)
    if resume is not None:
        _check_kept(resume, exporter, names)
        part.reopen(resume)
    try:
        if resume is None:
            part.open()
        with exporter.open(part.file, names, append=resume is not None) as write:
            if place:
                part.note()
            for batch in _batches(invoices):
                write(batch)
                part.count(len(batch), place() if place else None)
        part.commit()
    except BaseException:
        if not part.keep():
            part.discard()
        raise
    part.discard()
    discard_kept(path)
    return part.whole.rows


def stream(
    invoices: Iterable[Invoice], file: BinaryIO, exporter: Exporter, *, columns: Iterable[str] | None = None
) -> int:
    """Write invoices to an open binary file, such as `sys.stdout.buffer`, which is flushed after each batch.

    Returns:
        How many.

    Raises:
        UsageError: A column is unknown, or the format's library is missing.
        ExportError: An invoice cannot be written without loss.
        OSError: The reader has gone (`BrokenPipeError`), the disk is full, or the like.
        InvoicesError: Whatever reading the invoices raises passes through.
    """
    rows = 0
    with exporter.open(file, check_columns(columns)) as write:
        for batch in _batches(invoices):
            write(batch)
            file.flush()
            rows += len(batch)
    file.flush()
    return rows


def _batches(invoices: Iterable[Invoice]) -> Iterator[list[Invoice]]:
    source = iter(invoices)
    while batch := list(islice(source, BATCH)):
        yield batch


# -- what a failed export leaves, if it is asked to


def find_kept(target: str | os.PathLike[str]) -> Kept | None:
    """What an export to this target that failed or was killed has left, or None.

    Raises:
        OSError: It cannot be read.
    """
    path = Path(target)
    kept = _noted(path)
    if kept is None or not kept.place:
        return None
    try:
        # The disk may have lost what was not yet on it.
        return kept if path.with_name(kept.part).stat().st_size >= kept.size else None
    except FileNotFoundError:
        return None


def discard_kept(target: str | os.PathLike[str]) -> None:
    """Remove what a failed export to this target has left, if anything, and nobody is writing to it."""
    path = Path(target)
    kept = _noted(path)
    if kept is not None:
        part = path.with_name(kept.part)
        if _is_being_written(part):
            return
        remove_unfinished(part)
    _notes(path).unlink(missing_ok=True)


def _notes(target: Path) -> Path:
    return target.with_name(f".{target.name}.resume.json")


def _noted(target: Path) -> Kept | None:
    """The notes, if they are some; of a file that cannot be gone on with they have no place."""
    try:
        kept = msgspec.json.decode(_notes(target).read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    # Notes that somebody changed may name no other file.
    return kept if PART.fullmatch(kept.part) else None


def _write_notes(target: Path, kept: Kept) -> None:
    notes = _notes(target)
    # In one step: a process may be killed at any time.
    new = notes.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(kept))
    new.replace(notes)


def _is_being_written(part: Path) -> bool:
    """Whether a process that lives is writing it."""
    try:
        with part.open("rb") as file:
            return not hold(file)
    except FileNotFoundError:
        return False


def _check_kept(kept: Kept, exporter: Exporter, columns: tuple[str, ...]) -> None:
    if not exporter.appends or kept.exporter != repr(exporter):
        raise UsageError(
            f"The unfinished file was begun by {kept.exporter}, and {exporter!r} cannot go on with it."
        )
    if kept.columns != columns:
        raise UsageError(
            f"The unfinished file has the columns {', '.join(kept.columns)}: ask for the same, or begin anew."
        )


@frozen
class _Whole:
    """How much of a part file is whole rows, and where the rest begins."""

    size: int = 0
    rows: int = 0
    place: str | None = None


class _Part(PartFile):
    """A part file that knows how much of it is whole, and can be left for later."""

    whole = _Whole()

    def __init__(
        self, target: Path, *, overwrite: bool, columns: tuple[str, ...], exporter: Exporter
    ) -> None:
        super().__init__(target, overwrite=overwrite)
        self._columns = columns
        self._exporter = exporter
        self._notes_due: float | None = None

    def open(self) -> None:
        """Make the file, this process's own."""
        super().open()
        hold(self._file)

    def reopen(self, kept: Kept) -> None:
        """Open the file that was kept, without what does not count of it."""
        if not self._overwrite and self._target.exists():
            raise UsageError(f"{self._target} is already there: pass overwrite=True to replace it.")
        file = self._target.with_name(kept.part).open("r+b")
        if not hold(file):
            file.close()
            raise UsageError(
                f"Another process is exporting to {self._target}: wait for its end, or write another file."
            )
        self._part, self._file = self._target.with_name(kept.part), file
        self.whole = _Whole(kept.size, kept.rows, kept.place)
        self._file.truncate(kept.size)
        self._file.seek(kept.size)

    @property
    def file(self) -> BinaryIO:
        """The open file."""
        return self._file

    def count(self, rows: int, place: object) -> None:
        """So many rows more are in the file; the rest begins at `place`, if anybody knows."""
        # In one step: an interrupt finds either the state before or the one after.
        where = None if place is None else str(place)
        self.whole = _Whole(self._file.tell(), self.whole.rows + rows, where)
        if self._notes_due is not None and time.monotonic() >= self._notes_due:
            self.note()

    def note(self) -> None:
        """Note how far the file is, for the case that this process is killed; from now on, now and then."""
        if sys.platform == "win32":
            return
        # The first rows are noted at once.
        self._notes_due = time.monotonic() + (_NOTES_EVERY if self.whole.rows else 0)
        older = _noted(self._target)
        # Who forgot to ask for it can still go on with what is further.
        if older is not None and older.rows > self.whole.rows and self._target.with_name(older.part).exists():
            return
        # The next failure tells of a full disk.
        with suppress(OSError):
            if self.whole.place is not None:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._replace_notes()

    def _replace_notes(self) -> bool:
        """Note this file in place of an older one; False if another process is writing that."""
        whole = self.whole
        place = whole.place or ""
        older = _noted(self._target)
        if older is not None and older.part != self._part.name:
            if _is_being_written(self._target.with_name(older.part)):
                return False
            discard_kept(self._target)
        _write_notes(
            self._target,
            Kept(self._part.name, whole.size, whole.rows, place, self._columns, repr(self._exporter)),
        )
        return True

    def keep(self) -> bool:
        """Leave the file for `find_kept`, cut to what is whole. False if there is nothing to keep."""
        if not self._exporter.appends or self.whole.place is None or not self._part.exists():
            return False
        try:
            self._file.flush()
            os.truncate(self._part, self.whole.size)
            is_noted = self._replace_notes()
            self._file.close()
        except OSError:  # the disk is full, maybe: the caller is told by the first failure
            return False
        return is_noted

    def discard(self) -> None:
        """Remove the file, if it is still there, and what was noted of it."""
        super().discard()
        noted = _noted(self._target)
        if noted is not None and noted.part == self._part.name:
            _notes(self._target).unlink(missing_ok=True)
