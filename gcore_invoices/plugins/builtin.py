"""The plugins every client starts with, in the order they are called."""

from __future__ import annotations

from gcore_invoices.plugins.logging import Logging
from gcore_invoices.plugins.metrics import Metrics
from gcore_invoices.plugins.retries import Retries


def built_in_plugins() -> dict[str, object]:
    """New instances, for one client, by the names they are blocked by."""
    return {"logging": Logging(), "metrics": Metrics(), "retries": Retries()}
