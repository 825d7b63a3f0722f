"""The wheel holds what people import and nothing else, installs into a bare environment, and works there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support_contract import ROOT, leaks, python, repository_files, tree

if TYPE_CHECKING:
    from email.message import Message

# With --dist loadgroup one worker builds for all; else each worker does, which takes seconds.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging"), pytest.mark.timeout(300)]

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
HINT = "pip install 'gcore-invoices[sandbox]'"


def build(source: Path, output: Path, *arguments: str) -> Path:
    done = python("-m", "hatchling", "build", "--directory", output, *arguments, cwd=source, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone would hold, with a file beside it that nobody should get."""
    folder = tmp_path_factory.mktemp("packaging") / "a clone"
    for path in repository_files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    (folder / "stray.py").write_text("")
    return folder


@pytest.fixture(scope="module")
def built(source: Path) -> Path:
    return build(source, source.parent / "dist")


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked_sdist(built: Path) -> Path:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(built / "unpacked", filter="data")
    (folder,) = (built / "unpacked").iterdir()
    return folder


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


@pytest.fixture(scope="module")
def bare(source: Path, wheel: Path) -> Path:
    """The Python of an environment that holds the wheel, what it needs at run time, and nothing else."""
    folder = source.parent / "bare"
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    done = subprocess.run(
        [
            *(interpreter, "-P", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
            *("--constraint", source / "constraints.txt", wheel),
        ],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return interpreter


def ask(interpreter: Path | str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter, "-P", *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# -- the files


def test_the_wheel_holds_what_is_ours_and_nothing_else(wheel: Path, source: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    facade = {f"gcore_invoices/{name}" for name in tree(source / "gcore_invoices")}
    assert names - info == facade | {"gcore_invoices_pytest.py"} | set(tree(source / "generated_client"))
    assert {"gcore_invoices/py.typed", "gcore_erp_api/py.typed"} <= names
    assert {name.partition("/")[2] for name in info} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_no_member_names_a_machine_or_a_registry(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        assert [leak for name in archive.namelist() for leak in leaks(name, archive.read(name))] == []


def test_the_metadata(metadata: Message):
    assert metadata["Name"] == "gcore-invoices"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert not [value for value in metadata.get_all("Classifier") if value.startswith("License ::")]
    requirements = metadata.get_all("Requires-Dist")
    needed = {re.match(r"[\w-]+", line)[0] for line in requirements if "extra ==" not in line}
    assert needed == {"attrs", "httpx", "msgspec", "pluggy"}
    extras = {re.search(r"extra == ['\"](.+?)['\"]", line)[1] for line in requirements if "extra ==" in line}
    assert extras == set(metadata.get_all("Provides-Extra"))
    assert "sandbox" in extras


def test_the_sdist_holds_what_work_on_it_needs(unpacked_sdist: Path, source: Path):
    held = tree(unpacked_sdist)
    for folder in ("openapi", "generated_client", "gcore_invoices", "tests"):
        wanted = {f"{folder}/{name}": data for name, data in tree(source / folder).items()}
        assert {name: held.get(name) for name in wanted} == wanted
    assert {
        "gcore_invoices_pytest.py",
        "pyproject.toml",
        "constraints.txt",
        "api.txt",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        "SECURITY.md",
        "README.md",
        "LICENSE",
        "PKG-INFO",
    } <= held.keys()


def test_the_sdist_gives_the_same_wheel(unpacked_sdist: Path, wheel: Path, tmp_path: Path):
    (again,) = build(unpacked_sdist, tmp_path, "--target", "wheel").glob("*.whl")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


# -- a bare environment


def test_the_wheel_imports_in_a_bare_environment(bare: Path, tmp_path: Path):
    code = (
        "import json, gcore_invoices, gcore_erp_api, gcore_erp_api.models;"
        "from gcore_invoices import InvoicesClient, AsyncInvoicesClient, InvoiceQuery, PaymentState, SortKey;"
        "print(json.dumps([gcore_invoices.__file__, gcore_erp_api.__file__]))"
    )
    done = ask(bare, "-W", "error", "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(Path(name).is_relative_to(bare.parent.parent) for name in json.loads(done.stdout))


def test_a_client_works_in_a_bare_environment(bare: Path, tmp_path: Path):
    code = (
        "from gcore_invoices import InvoicesClient, APIConnectionError\n"
        "with InvoicesClient(api_key='1234$abcdef', base_url='http://127.0.0.1:1') as client:\n"
        "    try:\n"
        "        client.get(1)\n"
        "    except APIConnectionError:\n"
        "        print('as expected')\n"
    )
    done = ask(bare, "-c", code, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("as expected\n", "")


NAMES = (
    "import importlib.util as util, json;"
    "names = ['gcore_invoices', 'gcore_invoices_pytest', 'gcore_erp_api', 'generated_client', 'tests', 'openapi', 'stray'];"
    "print(json.dumps([name for name in names if util.find_spec(name)]))"
)


OURS = ["gcore_invoices", "gcore_invoices_pytest", "gcore_erp_api"]


def test_only_our_names_are_importable_from_the_wheel(bare: Path, tmp_path: Path):
    assert json.loads(ask(bare, "-c", NAMES, cwd=tmp_path).stdout) == OURS


def test_only_our_names_are_importable_from_the_editable_install(tmp_path: Path):
    assert json.loads(ask(sys.executable, "-c", NAMES, cwd=tmp_path).stdout) == OURS


def test_the_sandbox_without_its_extra_says_what_to_install(bare: Path, tmp_path: Path):
    done = ask(bare, "-m", "gcore_invoices.sandbox", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.rstrip().endswith(HINT)


def test_importing_the_server_without_its_extra_says_what_to_install(bare: Path, tmp_path: Path):
    code = (
        "import gcore_invoices.sandbox\n"
        "try:\n"
        "    gcore_invoices.sandbox.SandboxServer\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = ask(bare, "-c", code, cwd=tmp_path)
    assert HINT in done.stdout, done.stderr
