"""From invoices to a file that is there whole or not at all."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from attrs import frozen

from gcore_invoices._files import PartFile
from gcore_invoices.errors import UsageError
from gcore_invoices.export._columns import check_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gcore_invoices.export._protocol import Exporter
    from gcore_invoices.models import Invoice

BATCH = 100
"""Invoices that are held at a time: a page of the API, so that who reads from a pipe sees each."""

# As `PartFile` names them.
_PART = re.compile(r"\.gcore-invoices-[0-9a-f]+\.part")


@frozen
class Kept:
    """What a failed export has left beside its target, to go on from.

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
    another that fails is kept in its place.

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
            does not fit.
        ExportError: An invoice cannot be written without loss.
        OSError: The folder cannot be made or written to, the disk is full, or the like.
        InvoicesError: Whatever reading the invoices raises passes through.
    """
    path = Path(target)
    names = check_columns(columns)
    part = _Part(path, overwrite=overwrite)
    if resume is not None:
        _check_kept(resume, exporter, names)
        part.reopen(resume)
    try:
        if resume is None:
            part.open()
        with exporter.open(part.file, names, append=resume is not None) as write:
            for batch in _batches(invoices):
                write(batch)
                part.count(len(batch), place() if place else None)
        part.commit()
    except BaseException:
        if not (exporter.appends and part.keep(names, exporter)):
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
    """What a failed export to this target has left, or None.

    Raises:
        OSError: It cannot be read.
    """
    path = Path(target)
    try:
        kept = msgspec.json.decode(_notes(path).read_bytes(), type=Kept)
        # Notes that somebody changed may name no other file.
        part = path.with_name(kept.part) if _PART.fullmatch(kept.part) else None
        # The disk may have lost what was not yet on it.
        return kept if part and part.stat().st_size >= kept.size else None
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def discard_kept(target: str | os.PathLike[str]) -> None:
    """Remove what a failed export to this target has left, if anything."""
    path = Path(target)
    kept = find_kept(path)
    if kept is not None:
        path.with_name(kept.part).unlink(missing_ok=True)
    _notes(path).unlink(missing_ok=True)


def _notes(target: Path) -> Path:
    return target.with_name(f".{target.name}.resume.json")


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

    def reopen(self, kept: Kept) -> None:
        """Open the file that was kept, without what does not count of it."""
        if not self._overwrite and self._target.exists():
            raise UsageError(f"{self._target} is already there: pass overwrite=True to replace it.")
        self._part = self._target.with_name(kept.part)
        self._file = self._part.open("r+b")
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

    def keep(self, columns: tuple[str, ...], exporter: Exporter) -> bool:
        """Leave the file for `find_kept`, cut to what is whole. False if there is nothing to keep."""
        whole = self.whole
        if whole.place is None or not self._part.exists():
            return False
        kept = Kept(self._part.name, whole.size, whole.rows, whole.place, columns, repr(exporter))
        try:
            self._file.close()
            os.truncate(self._part, whole.size)
            older = find_kept(self._target)
            if older is not None and older.part != kept.part:
                discard_kept(self._target)
            _notes(self._target).write_bytes(msgspec.json.encode(kept))
        except OSError:  # the disk is full, maybe: the caller is told by the first failure
            return False
        return True
