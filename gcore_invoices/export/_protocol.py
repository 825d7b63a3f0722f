"""What a file format is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, runtime_checkable

from gcore_invoices.models import Invoice

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

WriteBatch: TypeAlias = Callable[[Sequence[Invoice]], None]
"""Writes invoices, in their order."""


@runtime_checkable
class Exporter(Protocol):
    """A file format: what the hook `register_exporters` maps a file ending to.

    `export` and `stream` do the rest: they gather invoices in batches, make the file appear whole or not at
    all, and keep what is needed to go on after a failure.

    The repr should tell its settings: a file is gone on with only by an exporter of the same repr.
    """

    @property
    def appends(self) -> bool:
        """Whether a file that ends after any batch can be gone on with: true of lines, not of a ZIP.

        If so, whatever a batch makes is in the file when the function that writes it returns.
        """

    def open(
        self, file: BinaryIO, columns: Sequence[str], *, append: bool = False
    ) -> AbstractContextManager[WriteBatch]:
        """Begin a file.

        Nothing is read before this is entered, so that a missing library is noticed before a request is made.
        Leaving the context finishes the file; leaving it with an exception only frees what is held. `file`
        is not closed, nor flushed.

        Args:
            file: Open for writing at its end.
            columns: Names from `COLUMNS`, checked, in the order they are wanted.
            append: Go on with rows that are there already: no header. Only if `appends`.

        Raises:
            UsageError: It cannot be written here: a library is missing, say.
            ExportError: An invoice cannot be written without loss (from the function that writes).
            OSError: The disk is full, or the like.
        """


class Sealed:
    """A format whose end closes the file, as that of a ZIP does: nothing can be added to what is there."""

    @property
    def appends(self) -> bool:
        """Whether a file can be gone on with: no."""
        return False

    def open(
        self,
        file: BinaryIO,
        columns: Sequence[str],
        *,
        append: bool = False,  # noqa: ARG002 - never asked to
    ) -> AbstractContextManager[WriteBatch]:
        """Begin a file; see `Exporter.open`."""
        return self._begin(file, columns)

    def _begin(self, file: BinaryIO, columns: Sequence[str]) -> AbstractContextManager[WriteBatch]:
        raise NotImplementedError
