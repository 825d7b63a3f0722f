"""Where an exporter puts what it needs while it writes."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = re.compile(r"\.gcore-invoices-[0-9a-f]+\.part")
"""An unfinished file, as `PartFile` names it."""


@contextmanager
def unpacked(file: BinaryIO) -> Iterator[str]:
    """A folder beside an unfinished file, where `remove_unfinished` finds it; of another, a temporary one."""
    part = Path(str(getattr(file, "name", "")))
    if not PART.fullmatch(part.name):
        with TemporaryDirectory(prefix="gcore-invoices-") as name:
            yield name
        return
    folder = _beside(part)
    folder.mkdir(mode=0o700)
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(part: Path) -> None:
    """Remove an unfinished file that nobody writes any more, and its folder."""
    part.unlink(missing_ok=True)
    shutil.rmtree(_beside(part), ignore_errors=True)


def _beside(part: Path) -> Path:
    return part.with_suffix(".unpacked")
