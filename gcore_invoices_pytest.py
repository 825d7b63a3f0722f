"""The pytest plugin: one fixture, and nothing of the library loaded until a test asks for it.

pytest imports this module in every run of an environment that has it. It stands beside the package, because
to import a module of the package is to import the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from gcore_invoices.testing.api import FakeApi

_has_passed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep for the fixture how the test ended."""
    report = yield
    if report.when == "call":
        item.stash[_has_passed] = report.passed
    return report


@pytest.fixture
def gcore_api(request: pytest.FixtureRequest) -> Iterator[FakeApi]:
    """An invoices API in this process, empty, with clients for it: see docs/testing.md.

    A test that passes without a request for a fault that it set is an error.
    """
    from gcore_invoices.testing.api import FakeApi  # noqa: PLC0415 - late, on purpose

    with FakeApi() as api:
        yield api
        if not request.node.stash.get(_has_passed, False):
            api.recover()  # it failed or was skipped: one reason is enough
