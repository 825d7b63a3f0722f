"""For the tests of programs that use this library: an API in this process, and invoices to put into it.

With pytest the fixture `gcore_api` is there as soon as `gcore-invoices` is installed; without, `FakeApi` is
a context manager. `gcore_invoices.testing.strategies` has Hypothesis strategies (extra `[testing]`).
See docs/testing.md.
"""

from gcore_invoices.testing.api import AskedRequest, FakeApi, InvoiceFields

__all__ = ["AskedRequest", "FakeApi", "InvoiceFields"]
