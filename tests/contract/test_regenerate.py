"""docs/regenerate.md, gone through in a copy of the repository: what it shows is what is seen."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess

import pytest
from support_contract import ROOT, generator_python, repository_files
from support_scripts import script
from support_snippets import blocks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PAGE = blocks((ROOT / "docs" / "regenerate.md").read_text(encoding="utf-8"), "regenerate.md")
drift = script("openapi/drift.py")


def shown(words):
    """The one block of the page that holds these words."""
    (block,) = (block for block in PAGE if words in block.code)
    return block.code


@pytest.fixture
def clone(tmp_path):
    """A copy of the repository that uses this one's environments."""
    generator_python()
    folder = tmp_path / "clone"
    for path in repository_files():
        copied = folder / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)
    for name in (".venv", ".venv-generate"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def run(clone, command):
    """Run a line of the page; the copy's packages come before the installed ones."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MAKE", "MFLAGS"))
    }
    paths = os.pathsep.join(str(clone / name) for name in ("", "generated_client"))
    # What is newer, pyproject.toml or the environment, is no matter of this test.
    fresh = [
        "--assume-old=pyproject.toml",
        "--assume-old=constraints.txt",
        "--assume-old=openapi/requirements.txt",
    ]
    fresh += ["--assume-old=.venv/installed", "--assume-old=.venv-generate/installed"]
    make, *words = command.split("#")[0].split()
    assert make == "make"
    done = subprocess.run(
        ["make", *fresh, *words],
        cwd=clone,
        env=inherited | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def line(words):
    """The line of the page that begins with these words."""
    (found,) = {one for block in PAGE for one in block.code.splitlines() if one.startswith(words)}
    return found


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_page_leads_from_drift_to_a_facade_that_knows(clone):
    published = copy.deepcopy(drift.load(str(ROOT / "tests" / "contract" / "drift" / "published.yaml")))
    published["components"]["schemas"]["State"]["enum"].append("blocked")
    parameters = published["paths"]["/org/v1/erp-invoices/"]["get"]["parameters"]
    (state,) = (one for one in parameters if one["name"] == "payment_state")
    state["schema"]["enum"].append("blocked")
    (clone / "published.yaml").write_text(json.dumps(published), encoding="utf-8")
    see = shown("a path or an address").splitlines()[0]
    code, said = run(clone, see)
    assert code == 2
    assert shown("Drift: 3") in said
    assert "Error 1" in said  # that of drift.py, as make tells it

    contract = clone / "openapi" / "erp-invoices.yaml"
    enum, names = re.findall(r"(?:enum|varnames): \[.+\]", shown("PaymentState:"))
    change(contract, enum.replace(", blocked", ""), enum)
    change(contract, names.replace(", BLOCKED", ""), names)
    code, said = run(clone, line("make generate"))
    assert code == 0, said
    code, said = run(clone, see)
    assert code == 0, said
    assert "Drift: none" in said

    code, said = run(clone, line("make test"))
    assert code != 0
    assert shown("add `BLOCKED").strip() in said
    change(
        clone / "gcore_invoices" / "models.py",
        '    IN_PAYMENT = "in_payment"\n',
        '    IN_PAYMENT = "in_payment"\n    BLOCKED = "blocked"\n',
    )
    code, said = run(clone, line("make test"))
    assert code == 0, said
    code, said = run(clone, line("make api"))
    assert code == 0, said
    assert "gcore_invoices.PaymentState.BLOCKED = 'blocked'\n" in (clone / "api.txt").read_text("utf-8")
