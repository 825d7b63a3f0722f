"""A stand-in for Gcore's ERP invoices API, for when the real one cannot or must not be asked.

`handle` holds the rules, `Invoices` the data, `LazyStore` joins them; `SandboxServer` serves them over HTTP
and needs the extra `gcore-invoices[sandbox]`, nothing else here does. It shares no code with the client, so
that it can judge it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcore_invoices.sandbox.data import Invoices
from gcore_invoices.sandbox.rules import (
    ACCESS,
    API_KEY,
    BEARER_TOKEN,
    NO_BILLING_KEY,
    Request,
    Response,
    handle,
)
from gcore_invoices.sandbox.selection import Condition, Filters, Match, Order, Row, Store, Term, select
from gcore_invoices.sandbox.store import LazyStore

if TYPE_CHECKING:
    from gcore_invoices.sandbox.server import SandboxServer, create_app

__all__ = [
    "ACCESS",
    "API_KEY",
    "BEARER_TOKEN",
    "NO_BILLING_KEY",
    "Condition",
    "Filters",
    "Invoices",
    "LazyStore",
    "Match",
    "Order",
    "Request",
    "Response",
    "Row",
    "SandboxServer",
    "Store",
    "Term",
    "create_app",
    "handle",
    "select",
]


def __getattr__(name: str) -> Any:
    """Import the server when it is asked for: only it needs the extra."""
    if name in {"SandboxServer", "create_app"}:
        from gcore_invoices.sandbox import server  # noqa: PLC0415  # late, on purpose

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
