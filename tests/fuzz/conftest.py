"""Adds up the examples that hypothesis ran, and says how many."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # The count stands in the report of the teardown.
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    torn_down = [report for report in reports if getattr(report, "when", None) == "teardown"]
    ran = sum(value for report in torn_down for name, value in report.user_properties if name == "examples")
    if ran:
        terminalreporter.write_line(f"fuzz: {ran:,} examples")
