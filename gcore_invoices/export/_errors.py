"""What goes wrong with files, and only with them."""

from __future__ import annotations

import importlib
from typing import Any

from gcore_invoices.errors import InvoicesError, UsageError


class ExportError(InvoicesError):
    """An invoice that cannot be written without loss.

    Attributes:
        invoice_id: Which.
        column: What of it.
    """

    invoice_id: int
    column: str

    def __init__(self, message: str, *, invoice_id: int, column: str) -> None:
        super().__init__(message)
        self.invoice_id = invoice_id
        self.column = column


def load(library: str, *, extra: str, to: str = "write") -> Any:
    """Import what an extra brings, to write or to read its format; untyped, because not all have types.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library.partition(".")[0]:
            raise  # it is there, and broken
        raise UsageError(
            f"To {to} this format, install its library: pip install 'gcore-invoices[{extra}]'."
        ) from None
