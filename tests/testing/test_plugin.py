from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import gcore_invoices_pytest


def test_it_is_an_entry_point_of_pytest():
    (found,) = entry_points(group="pytest11", name="gcore_invoices")
    assert found.load() is gcore_invoices_pytest


@pytest.mark.parametrize(
    ("test", "loaded"),
    [
        ("def test_a(): pass", False),
        ("def test_a(gcore_api): assert gcore_api.client.list().count() == 0", True),
    ],
)
def test_a_run_that_does_not_use_it_loads_nothing_of_it(test, loaded, tmp_path):
    (tmp_path / "test_a.py").write_text(test)
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    names = ('gcore_invoices', 'gcore_invoices.client', 'httpx', 'gcore_invoices_pytest')\n"
        "    print('loaded:', *[name for name in names if name in sys.modules])\n"
    )
    # Only this plugin: another one may load httpx.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))
    }
    options = ["-p", "gcore_invoices_pytest", "-W", "error", "-q", "-s", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = done.stdout.partition("loaded: ")[2].split()
    every = ["gcore_invoices", "gcore_invoices.client", "httpx", "gcore_invoices_pytest"]
    assert found == (every if loaded else ["gcore_invoices_pytest"])
