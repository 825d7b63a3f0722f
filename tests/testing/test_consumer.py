"""A program that uses the library, tested as its author would: installed from the wheel, with the kit's extra."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support_contract import ROOT

CONSUMER = ROOT / "examples" / "consumer"
PUBLIC = {"gcore_invoices", "gcore_invoices.testing"}
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV_"))
}


def run(*command: str | Path, cwd: Path, timeout: float = 240) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("path", sorted(CONSUMER.glob("*.py")), ids=lambda path: path.name)
def test_it_stands_on_public_names_alone(path):
    imported = {
        node.module: {alias.name for alias in node.names}
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gcore")
    }
    assert imported
    assert imported.keys() <= PUBLIC
    for module, names in imported.items():
        if module == "gcore_invoices":
            assert names <= set(__import__("gcore_invoices").__all__)


@pytest.mark.slow
def test_its_tests_pass_here(tmp_path):
    copy = shutil.copytree(CONSUMER, tmp_path / "consumer", ignore=shutil.ignore_patterns("__pycache__"))
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=copy)
    assert "5 passed" in said


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("packaging")
def test_its_tests_pass_with_the_wheel_alone(tmp_path):
    run(sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (python, "-P", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}[testing]", cwd=tmp_path)
    copy = shutil.copytree(CONSUMER, tmp_path / "consumer", ignore=shutil.ignore_patterns("__pycache__"))
    said = run(python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=copy)
    assert "5 passed" in said
    where = run(python, "-P", "-c", "import gcore_invoices; print(gcore_invoices.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)
