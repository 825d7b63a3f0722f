"""The pytest plugin: one fixture, and nothing loaded until a test asks for it.

pytest imports this module in every run of an environment that has it. It stands beside the package, because
to import a module of the package is to import the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcore_invoices.testing.api import FakeApi


@pytest.fixture
def gcore_api() -> Iterator[FakeApi]:
    """An invoices API in this process, empty, with clients for it: see docs/testing.md."""
    from gcore_invoices.testing.api import FakeApi  # noqa: PLC0415 - late, on purpose

    with FakeApi() as api:
        yield api
