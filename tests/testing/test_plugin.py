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
    code, told = run_pytest(tmp_path)
    assert code == 0, told
    found = told.partition("loaded: ")[2].split()
    every = ["gcore_invoices", "gcore_invoices.client", "httpx", "gcore_invoices_pytest"]
    assert found == (every if loaded else ["gcore_invoices_pytest"])


TESTS = """
import pytest

def test_vain(gcore_api):
    gcore_api.fail(502, operation="download")

def test_met(gcore_api):
    invoice = gcore_api.add()
    gcore_api.fail(502, operation="download")
    gcore_api.client.download_bytes(invoice.id)

def test_failing(gcore_api):
    gcore_api.fail(502, operation="download")
    assert gcore_api.requests

def test_skipped(gcore_api):
    gcore_api.fail(502, operation="download")
    pytest.skip()

@pytest.mark.xfail
def test_expected_to_fail(gcore_api):
    gcore_api.fail(502, operation="download")
    assert gcore_api.requests

@pytest.fixture
def broken(gcore_api):
    gcore_api.fail(502, operation="download")
    raise OSError("of the setup")

def test_not_begun(broken):
    pass
"""


def test_a_fault_that_no_request_met_fails_a_test_that_passed_else(tmp_path):
    (tmp_path / "test_a.py").write_text(TESTS)
    code, told = run_pytest(tmp_path, "-rA", "--tb=short")
    assert code == 1, told
    lines = {
        line
        for line in told.splitlines()
        if line.startswith(("PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL"))
    }
    outcomes = sorted((line.split()[0], line.partition("::")[2].split(" - ")[0]) for line in lines)
    assert outcomes == [
        ("ERROR", "test_not_begun"),
        ("ERROR", "test_vain"),
        ("FAILED", "test_failing"),
        ("PASSED", "test_met"),
        ("PASSED", "test_vain"),
        ("SKIPPED", ""),
        ("XFAIL", "test_expected_to_fail"),
    ], told
    assert "No request met fail(502) of the operation 'download'." in told
    assert told.count("ERROR at setup") == told.count("ERROR at teardown") == 1


def run_pytest(folder, *options):
    """Run the tests of a folder with this plugin alone: another one may load httpx."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))
    }
    own = ["-p", "gcore_invoices_pytest", "-W", "error", "-q", "-s", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *own, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    return done.returncode, done.stdout + done.stderr
