from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import gcore_invoices.testing
from gcore_invoices.testing import plugin


def test_it_is_an_entry_point_of_pytest():
    (found,) = entry_points(group="pytest11", name="gcore_invoices")
    assert found.load() is plugin


def test_loading_it_loads_nothing_of_the_kit():
    code = (
        "import json, sys, gcore_invoices.testing.plugin;"
        "print(json.dumps([name for name in sys.modules if name.startswith('gcore_invoices.sandbox')"
        " or name.startswith('gcore_invoices.testing.') or name in ('hypothesis', 'asyncio', 'http.server')]))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import pytest, asyncio, http.server; {code}"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert set(json.loads(done.stdout)) - {"asyncio", "http.server"} == {"gcore_invoices.testing.plugin"}


def test_its_names_come_when_they_are_asked_for():
    for name in gcore_invoices.testing.__all__:
        assert getattr(gcore_invoices.testing, name).__module__ == "gcore_invoices.testing.api"
    with pytest.raises(AttributeError, match="no attribute 'Fake'"):
        _ = gcore_invoices.testing.Fake
