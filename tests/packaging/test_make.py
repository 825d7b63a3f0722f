"""The README's commands, in a clone of their own whose path has spaces: from nothing, and again."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support_contract import ROOT, repository_files, tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("make"), pytest.mark.timeout(420)]

# What the suite itself runs under is no business of a clone.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTEST", "COV", "MAKE", "MFLAGS", "VIRTUAL_ENV", "GCORE"))
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the repository, under git, without environments or leftovers."""
    folder = tmp_path_factory.mktemp("make") / "a clone with spaces"
    for path in repository_files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def make(clone: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["make", *arguments],
        cwd=clone,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_demo_runs_from_nothing_and_again(clone):
    for _ in range(2):
        shown = make(clone, "demo")
        assert "INV/2026/" in shown
        assert "EUR" in shown
        assert "The sandbox has stopped." in shown
    (pdf,) = (clone / "demo").iterdir()
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_the_tests_run(clone):
    shown = make(clone, "test", "TESTS=tests/facade/test_ordering.py -p no:randomly")
    assert " passed" in shown


def test_generating_leaves_no_difference(clone):
    before = tree(clone / "generated_client")
    for _ in range(2):
        make(clone, "generate")
        assert tree(clone / "generated_client") == before
    make(clone, "check-generated")


def test_git_sees_nothing_of_it_all(clone):
    """Runs last in its group only by luck; whatever has run, nothing untracked or changed is left."""
    done = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line for line in done.stdout.splitlines() if not line.startswith("A  ")] == []


def test_an_old_python_is_refused_with_a_remedy(clone, tmp_path):
    old = tmp_path / "python-of-old"
    old.write_text('#!/bin/sh\necho "Python 3.11 or newer is needed" >&2\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "--always-make", ".venv/installed", f"PYTHON={old}"],
        cwd=clone,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
