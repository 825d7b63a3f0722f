"""Build what is released, and try it: `make dist`.

From the last commit, never from the files beside it: an sdist, and a wheel made from that sdist. Both are
built twice, from copies that differ in what must not matter, and must come out the same byte for byte. The
metadata is checked, and the wheel is installed bare and with each of its extras, each time into an
environment of its own, where a few lines try what it is for. On a commit with a release tag, the version
and the changelog must say the same as the tag. What passes lies in dist/.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent
INHERITED = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "GCORE"))
}
FAKE = "from gcore_invoices.testing import FakeApi\napi = FakeApi()\napi.add()\n"
# What an extra is for, in a few lines; each also shows that the extra alone brings what they need.
SMOKE = {
    "": FAKE
    + """
assert api.client.list().count() == 1
api.close()
import subprocess, sysconfig
command = subprocess.run([sysconfig.get_path("scripts") + "/gcore-invoices"], capture_output=True, text=True)
assert command.returncode == 2 and "gcore-invoices[cli]" in command.stderr, command
""",
    "cli": """
import http.server, subprocess, sysconfig, threading
from importlib.metadata import version
command = [sysconfig.get_path("scripts") + "/gcore-invoices"]
assert "summary" in subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
assert version("gcore-invoices") in shown, shown
class Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"count": 0, "next": null, "previous": null, "results": []}')
    def log_message(self, *_):
        pass
with http.server.HTTPServer(("127.0.0.1", 0), Empty) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there = {"GCORE_API_KEY": "1$a", "GCORE_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
    done = subprocess.run([*command, "list"], env=there, capture_output=True, text=True, timeout=60)
    server.shutdown()
assert done.returncode == 0, done
""",
    "otel": FAKE
    + """
from gcore_invoices.plugins.otel import OpenTelemetry
with api.sync_client(plugins=[OpenTelemetry()]) as client:
    assert client.list().count() == 1
api.close()
""",
    "parquet": FAKE
    + """
from gcore_invoices.export import Parquet, export
export(api.client.list(), "a.parquet", Parquet())
from pyarrow import parquet
assert parquet.read_table("a.parquet").num_rows == 1
api.close()
""",
    "prometheus": FAKE
    + """
from prometheus_client import CollectorRegistry, generate_latest
from gcore_invoices.plugins.prometheus import PrometheusMetrics
registry = CollectorRegistry()
with api.sync_client(plugins=[PrometheusMetrics(registry)]) as client:
    assert client.list().count() == 1
assert b"gcore_invoices" in generate_latest(registry)
api.close()
""",
    "sandbox": """
from gcore_invoices import InvoicesClient
from gcore_invoices.sandbox import SandboxServer
with SandboxServer(max_seconds=60) as server:
    with InvoicesClient(api_key=server.api_key, base_url=server.url) as client:
        assert client.list().count() > 0
""",
    "testing": """
import pathlib, pytest
pathlib.Path("test_a.py").write_text('''
from hypothesis import given, settings
from gcore_invoices.testing import strategies
def test_fixture(gcore_api):
    gcore_api.add()
    assert gcore_api.client.list().count() == 1
@settings(max_examples=5)
@given(strategies.invoices())
def test_strategy(invoice):
    assert invoice.currency
''')
assert pytest.main(["-q", "-p", "no:cacheprovider", "test_a.py"]) == 0
""",
    "xlsx": FAKE
    + """
import python_calamine
from gcore_invoices.export import Xlsx, export
export(api.client.list(), "a.xlsx", Xlsx())
heads, row = python_calamine.load_workbook("a.xlsx").get_sheet_by_index(0).to_python()
assert "amount_total" in heads and len(row) == len(heads), (heads, row)
api.close()
""",
}


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What a command prints; stop with all it said if it fails."""
    done = subprocess.run(
        command, cwd=cwd or ROOT, env=INHERITED | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = "\n".join(part for part in (done.stdout.strip(), done.stderr.strip()) if part)
        sys.exit(f"{' '.join(map(str, command[:4]))} … failed (exit {done.returncode}):\n{said}")
    return done.stdout.strip()


def release_problems(version: str, tags: list[str], changelog: str) -> list[str]:
    """What keeps a tagged commit from being the release that its tag names."""
    sections = re.findall(r"^## (\S+)(?: - (\d{4}-\d\d-\d\d))?$", changelog, re.MULTILINE)
    problems = []
    if not sections or sections[0] != ("Unreleased", ""):
        problems.append("CHANGELOG.md does not begin with a section `## Unreleased`.")
    for tag in tags:
        if tag != f"v{version}":
            problems.append(f"The tag is {tag}, and gcore_invoices/_version.py says {version}.")
        elif not dict(sections).get(version):
            problems.append(f"The tag is {tag}, and CHANGELOG.md has no `## {version} - YYYY-MM-DD`.")
    return problems


def build(output: Path, folder: Path, epoch: str, *, otherwise: bool) -> dict[str, bytes]:
    """Build from the last commit in a folder; `otherwise` with other times, rights and time zone."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    run("git", "-c", f"tar.umask={'0077' if otherwise else '0022'}", "archive", "--output", archive, "HEAD")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    if otherwise:
        for path in folder.rglob("*"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
    zone = "Pacific/Auckland" if otherwise else "UTC"
    run(
        *(sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", output, folder),
        cwd=folder,
        SOURCE_DATE_EPOCH=epoch,
        TZ=zone,
    )
    return {path.name: path.read_bytes() for path in sorted(output.iterdir())}


def metadata(path: Path) -> Metadata:
    """The metadata of a wheel or an sdist, checked against the specification."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
            data = archive.read(name)
    else:
        with tarfile.open(path) as tar:
            held = tar.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
            data = held.read() if held else b""
    return Metadata.from_email(data, validate=True)


def try_wheel(wheel: Path, extra: str, folder: Path) -> None:
    """Install a wheel with an extra into an environment of its own, and try it there."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(
        *(sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--python", python),
        *("install", "--quiet", "--constraint", ROOT / "constraints.txt"),
        f"{wheel}[{extra}]" if extra else wheel,
    )
    room = folder / "room"
    room.mkdir()
    run(python, "-P", "-W", "error", "-c", SMOKE[extra], cwd=room)


def check(version: str, held: dict[str, Metadata]) -> None:
    """Stop if the metadata is not what an index would show as it should."""
    for name, one in held.items():
        if str(one.version) != version:
            sys.exit(f"{name} is of version {one.version}, and gcore_invoices/_version.py says {version}.")
        if not one.description or one.description_content_type != "text/markdown":
            sys.exit(f"{name} has no description in Markdown: an index would show an empty page.")
    wheel, *_ = (one for name, one in held.items() if name.endswith(".whl"))
    if wrong := {*SMOKE} ^ {"", *(wheel.provides_extra or ())}:
        sys.exit(f"Extras and what tools/dist.py tries differ: {', '.join(sorted(wrong))}.")


def main() -> None:
    """Build, check, try, and leave the result in dist/."""
    argparse.ArgumentParser(description="Build what is released, and try it.").parse_args()
    version = runpy.run_path(str(ROOT / "gcore_invoices" / "_version.py"))["__version__"]
    commit, epoch = run("git", "log", "-1", "--format=%h %ct").split()
    tags = run("git", "tag", "--points-at", "HEAD", "--list", "v[0-9]*").split()
    if problems := release_problems(version, tags, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        sys.exit("\n".join(problems))
    if run("git", "status", "--porcelain"):
        print("There are changes that are not committed: they are not in what is built.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = build(folder / "one", folder / "tree", epoch, otherwise=False)
        again = build(folder / "two", folder / "another tree", epoch, otherwise=True)
        if different := [one for one in built.keys() | again.keys() if built.get(one) != again.get(one)]:
            sys.exit(f"Built twice, these differ: {', '.join(sorted(different))}.")
        print(f"Built twice from {commit}, the same bytes:")
        for one, data in built.items():
            print(f"  {one}  {len(data):,} bytes  sha256 {hashlib.sha256(data).hexdigest()}")
        held = {one: metadata(folder / "one" / one) for one in built}
        check(version, held)
        print(f"Metadata is valid, version {version}.")
        (wheel,) = (folder / "one").glob("*.whl")
        for extra in SMOKE:
            try_wheel(wheel, extra, folder / f"with {extra or 'nothing'}")
            print(f"Installed and tried: {wheel.name}{f'[{extra}]' if extra else ', bare'}")
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(folder / "one", ROOT / "dist")
    print("In dist/.")


if __name__ == "__main__":
    main()
