"""The mark `hook`: what a test is about. A test that carries it and never fires its hook fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy
import pytest

from gcore_invoices import AsyncInvoicesClient, InvoicesClient, _flow
from gcore_invoices.plugins import manager

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "hook(name): a test of a hook; it fails if the hook is never called")


@pytest.fixture(autouse=True)
def _the_marked_hook_is_called(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    wanted = {mark.args[0] for mark in request.node.iter_markers("hook")}
    called: set[str] = set()
    observed, decided = manager._Observers.__call__, pluggy.HookCaller.__call__

    def observe(self: manager._Observers, **arguments: object) -> object:
        called.add(self._hook)
        return observed(self, **arguments)

    def decide(self: pluggy.HookCaller, **arguments: object) -> object:
        called.add(self.name)
        return decided(self, **arguments)

    if wanted:
        monkeypatch.setattr(manager._Observers, "__call__", observe)
        monkeypatch.setattr(pluggy.HookCaller, "__call__", decide)
    yield
    assert wanted <= called, f"the test never fires {', '.join(wanted - called)}"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of every client, which are not waited."""
    waits: list[float] = []
    sync, later = InvoicesClient._do, AsyncInvoicesClient._do

    def do(self: InvoicesClient, step: _flow.Step, *rest: object) -> object:
        if isinstance(step.do, _flow.Sleep):
            return waits.append(step.do.seconds)
        return sync(self, step, *rest)

    async def do_async(self: AsyncInvoicesClient, step: _flow.Step) -> object:
        if isinstance(step.do, _flow.Sleep):
            return waits.append(step.do.seconds)
        return await later(self, step)

    monkeypatch.setattr(InvoicesClient, "_do", do)
    monkeypatch.setattr(AsyncInvoicesClient, "_do", do_async)
    return waits
