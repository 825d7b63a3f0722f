"""Fixtures of the whole suite."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
import support
from hypothesis import HealthCheck, settings

from gcore_invoices import RetryPolicy, _window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# A shell starts what runs in its background with Ctrl-C ignored, nohup ignores the end of a terminal, and so
# would every process of a test.
if threading.current_thread() is threading.main_thread():
    for name, usual in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


# What answers from memory is always too fast for a window; its tests are to see one.
_window.TOO_FAST = 0.0

# Examples are counted, not timed: a busy machine is no bug. `make fuzz` loads "long".
settings.register_profile("brief", deadline=None)
settings.register_profile(
    "long", deadline=None, max_examples=13_000, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("brief")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One worker more than there are cores: many tests wait, for a deadline or for a process."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GCORE_API_KEY", "GCORE_BASE_URL", "GCORE_LOG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """A thread that a test leaves behind fails it. (A socket does so by its warning.)"""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("asyncio-portal"):
            continue  # schemathesis' own, kept for all of its calls
        thread.join(timeout=5)  # one that is ending may end
        assert not thread.is_alive(), f"{thread.name} still runs"


@pytest.fixture(params=["sync", "async"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Both clients: a test that takes this runs once with each."""
    return request.param


@pytest.fixture
def make_client(flavour: str) -> Iterator[Callable[..., support.Client]]:
    """Makes clients of the flavour and closes them."""
    made: list[support.Client] = []

    def make(wire: Any = None, **options: Any) -> support.Client:
        if wire is not None:
            options["transport"] = wire
        if not options.keys() & {"api_key", "bearer_token"}:
            options["api_key"] = support.KEY
        options.setdefault("retry", RetryPolicy(attempts=1))
        made.append(support.Client(flavour, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()
