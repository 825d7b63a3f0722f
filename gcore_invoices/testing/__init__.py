"""For the tests of programs that use this library: an API in this process, and invoices to put into it.

With pytest the fixture `gcore_api` is there as soon as `gcore-invoices` is installed; without, `FakeApi` is
a context manager. `gcore_invoices.testing.strategies` has Hypothesis strategies (extra `[testing]`).
See docs/testing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcore_invoices.testing.api import AskedRequest, FakeApi, InvoiceFields

__all__ = ["AskedRequest", "FakeApi", "InvoiceFields"]


def __getattr__(name: str) -> Any:
    """Import when asked: pytest loads this package in every run, and most runs do not need it."""
    if name in __all__:
        from gcore_invoices.testing import api  # noqa: PLC0415 - late, on purpose

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
