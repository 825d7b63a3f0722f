"""Each worked example is a distribution that builds, installs, and passes its own tests where it is installed."""

from __future__ import annotations

import re
import shutil

import pytest
from support_plugins import ROOT, Environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EXAMPLES = {"gcore-invoices-cache": ("cache", "active"), "gcore-invoices-alert": ("overdue-alert", "failed")}


def test_every_example_is_tested_here():
    assert {path.name for path in (ROOT / "examples" / "plugins").iterdir() if path.is_dir()} == set(EXAMPLES)


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request, tmp_path_factory):
    """The example's name, a copy of it, and an environment that it is installed in."""
    folder = tmp_path_factory.mktemp("an example")
    ignored = shutil.ignore_patterns("__pycache__", "dist", ".*")
    copy = shutil.copytree(
        ROOT / "examples" / "plugins" / request.param, folder / request.param, ignore=ignored
    )
    environment = Environment(folder / "environment")
    environment.install(copy)
    shutil.rmtree(copy / "src")  # what is tested is what is installed
    return request.param, copy, environment


def test_its_own_tests_pass(example):
    _, copy, environment = example
    printed = environment.run(
        environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=copy, timeout=100
    )
    assert re.search(r"^\d\d+ passed in ", printed, re.MULTILINE), printed


def test_a_client_finds_it(example):
    distribution, _, environment = example
    name, state = EXAMPLES[distribution]
    printed = environment.ask(
        "import logging\n"
        "from gcore_invoices import InvoicesClient\n"
        "logging.disable()\n"
        "with InvoicesClient(api_key='1234$abcdef') as client:\n"
        "    for info in (*client.plugins, *client.inactive_plugins):\n"
        "        if info.source == 'entry point':\n"
        "            print(info.name, info.distribution, info.state)\n"
    )
    assert printed == f"{name} {distribution} 0.1.0 {state}\n"


def test_it_is_typed(example):
    distribution, _, environment = example
    printed = environment.ask(
        "from importlib.metadata import files\n"
        f"print([path.name for path in files({distribution!r}) if path.name == 'py.typed'])\n"
    )
    assert printed == "['py.typed']\n"
