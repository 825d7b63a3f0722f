"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gcore_invoices.errors import UsageError

if TYPE_CHECKING:
    from gcore_invoices.models import Invoice

_MAX_STEM = 120
# Reserved on Windows with any extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def pdf_name(invoice: Invoice) -> str:
    """A file name from the invoice number that every file system takes.

    `INV/2026/00001` gives `INV-2026-00001.pdf`. An invoice without a number gives `invoice-42.pdf` after
    its id.
    """
    stem = re.sub(r"[^\w.() -]+", "-", invoice.name, flags=re.ASCII).strip(" .-")[:_MAX_STEM].strip(" .-")
    if not stem or _DEVICES.fullmatch(stem):
        stem = f"invoice-{invoice.id}"
    return f"{stem}.pdf"


def names_folder(target: str | os.PathLike[str]) -> bool:
    """Whether a target means a folder: it is one, or it ends in a separator."""
    text = os.fspath(target)
    return text.endswith(("/", os.sep)) or Path(text).is_dir()


class PartFile:
    """A temporary file beside its target that becomes the target in one step, or nothing.

    Args:
        target: The file to make; its folder is made if it is missing.
        overwrite: Whether a file that is there may be replaced.
    """

    _file: BinaryIO

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self._target = target
        self._overwrite = overwrite
        # Not tempfile: its files are private to the user, and this one becomes an ordinary file.
        self._part = target.with_name(f".gcore-invoices-{secrets.token_hex(8)}.part")

    def open(self) -> None:
        """Make the temporary file. Blocks. Whatever comes of it, `discard` cleans up.

        Raises:
            UsageError: The target is there and may not be replaced.
            OSError: The folder cannot be made or written to.
        """
        if not self._overwrite and self._target.exists():
            raise _is_there(self._target)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("xb")

    def write(self, data: bytes) -> None:
        """Append to the temporary file."""
        self._file.write(data)

    def restart(self) -> None:
        """Forget what was written: the document comes anew."""
        self._file.seek(0)
        self._file.truncate()

    def commit(self) -> Path:
        """Put the file in its place, on disk before its name is. Blocks.

        Raises:
            UsageError: The target has appeared meanwhile and may not be replaced.
            OSError: The disk is full, or the like.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._overwrite:
            self._part.replace(self._target)
            return self._target
        try:
            # Unlike a rename, a link fails if the name is taken.
            os.link(self._part, self._target)
        except FileExistsError:
            raise _is_there(self._target) from None
        except OSError:  # a file system without hard links
            if self._target.exists():
                raise _is_there(self._target) from None
            self._part.replace(self._target)
        return self._target

    def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        with contextlib.suppress(AttributeError, OSError):
            self._file.close()  # flushes, and so can fail on a full disk
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()


def _is_there(target: Path) -> UsageError:
    return UsageError(f"{target} is already there: pass overwrite=True to replace it, or another name.")
