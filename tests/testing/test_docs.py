"""The files that docs/testing.md shows are run with pytest, the plugin found as a reader's pytest finds it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support_contract import ROOT
from support_snippets import blocks

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV_"))
}


@pytest.mark.slow
def test_the_job_in_fifteen_lines_passes(tmp_path):
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    files = {block.title: block.code for block in blocks(page, "testing.md") if block.title}
    assert files.keys() == {"job.py", "test_job.py"}
    for name, code in files.items():
        (tmp_path / name).write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "2 passed" in done.stdout, f"{done.stdout}\n{done.stderr}"


def test_it_is_fifteen_lines():
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    (test,) = (block.code for block in blocks(page, "testing.md") if block.title == "test_job.py")
    first = test.split("\n\n\ndef test_only")[0]
    assert len(first.splitlines()) <= 15
