"""What `make dist` refuses, and that version, changelog and tag of a release agree."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile

import pytest
from packaging.metadata import InvalidMetadata
from support_contract import ROOT
from support_scripts import script

import gcore_invoices

dist = script("tools/dist.py")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
RELEASED = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-12-01\n\n## 0.1.0 - 2026-11-30\n"


def git(folder, *arguments):
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_version_changelog_and_tag_of_this_commit_agree():
    tags = git(ROOT, "tag", "--points-at", "HEAD", "--list", "v[0-9]*").split()
    assert dist.release_problems(gcore_invoices.__version__, tags, CHANGELOG) == []


@pytest.mark.parametrize(
    ("version", "tags", "changelog", "problems"),
    [
        ("0.2.0", [], RELEASED, []),
        ("0.3.0", [], RELEASED, []),
        ("0.2.0", ["v0.2.0"], RELEASED, []),
        ("0.2.0", ["v0.1.0"], RELEASED, ["The tag is v0.1.0, and gcore_invoices/_version.py says 0.2.0."]),
        (
            "0.3.0",
            ["v0.3.0"],
            RELEASED,
            ["The tag is v0.3.0, and CHANGELOG.md has no `## 0.3.0 - YYYY-MM-DD`."],
        ),
        (
            "0.3.0",
            ["v0.3.0"],
            f"{RELEASED}\n## 0.3.0\n",
            ["The tag is v0.3.0, and CHANGELOG.md has no `## 0.3.0 - YYYY-MM-DD`."],
        ),
        (
            "0.1.0",
            [],
            "# Changelog\n\n## 0.1.0 - 2026-11-30\n",
            ["CHANGELOG.md does not begin with a section `## Unreleased`."],
        ),
    ],
)
def test_a_tag_must_be_what_version_and_changelog_say(version, tags, changelog, problems):
    assert dist.release_problems(version, tags, changelog) == problems


def test_every_extra_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(dist.SMOKE) == {"", *project["optional-dependencies"]}


def test_metadata_is_read_as_an_index_reads_it(tmp_path):
    path = tmp_path / "a-1.0-py3-none-any.whl"
    text = "Metadata-Version: 2.4\nName: a\nVersion: 1.0\n"
    for more in ("", "Requires-Python: three\n"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a-1.0.dist-info/METADATA", text + more)
        if not more:
            assert str(dist.metadata(path).version) == "1.0"
            continue
        with pytest.raises(ExceptionGroup) as caught:
            dist.metadata(path)
        assert caught.group_contains(InvalidMetadata, match="requires-python")


PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "a"
version = "1.0"
readme = "README.md"
[tool.hatch.build.targets.wheel]
packages = ["gcore_invoices"]
"""
HOOK = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class Now(BuildHookInterface):
    def initialize(self, version, build_data):
        import time, pathlib
        pathlib.Path(self.root, "gcore_invoices", "now.py").write_text(str(time.time_ns()))
        build_data["artifacts"].append("gcore_invoices/now.py")
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small project under git, which dist.py takes for its own."""
    root = tmp_path / "project"
    (root / "gcore_invoices").mkdir(parents=True)
    (root / "gcore_invoices" / "_version.py").write_text('__version__ = "1.0"\n', encoding="utf-8")
    (root / "gcore_invoices" / "__init__.py").touch()
    (root / "CHANGELOG.md").write_text("## Unreleased\n", encoding="utf-8")
    (root / "README.md").write_text("# A\n", encoding="utf-8")
    (root / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    git(tmp_path, "init", "--quiet", "project")
    monkeypatch.setattr(dist, "ROOT", root)
    monkeypatch.setattr("sys.argv", ["dist.py"])

    def commit(**files):
        for name, text in files.items():
            (root / name.replace("_", ".", 1)).write_text(text, encoding="utf-8")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "one")
        return root

    return commit


def refused():
    with pytest.raises(SystemExit) as caught:
        dist.main()
    return str(caught.value)


@pytest.mark.slow
def test_a_build_that_is_not_the_same_twice_is_refused(repository):
    hooked = PYPROJECT + '[tool.hatch.build.targets.wheel.hooks.custom]\npath = "hook.py"\n'
    root = repository(pyproject_toml=hooked, hook_py=HOOK)
    assert refused() == "Built twice, these differ: a-1.0-py2.py3-none-any.whl."
    assert not (root / "dist").exists()


@pytest.mark.slow
def test_what_an_index_would_not_show_as_it_should_is_refused(repository, capsys):
    root = repository(pyproject_toml=PYPROJECT.replace('version = "1.0"', 'version = "1.1"'))
    assert refused().endswith("is of version 1.1, and gcore_invoices/_version.py says 1.0.")
    repository(pyproject_toml=PYPROJECT.replace('readme = "README.md"\n', ""))
    assert "has no description in Markdown" in refused()
    repository(pyproject_toml=PYPROJECT)
    (root / "stray.txt").touch()
    assert refused() == (
        "Extras and what tools/dist.py tries differ: cli, otel, parquet, prometheus, sandbox, testing, xlsx."
    )
    assert "There are changes that are not committed" in capsys.readouterr().out


@pytest.mark.slow
def test_a_wheel_that_does_not_work_is_refused(repository, monkeypatch):
    monkeypatch.setattr(dist, "SMOKE", {"": "import gcore_invoices, nowhere"})
    root = repository()
    (root / "constraints.txt").touch()
    assert "No module named 'nowhere'" in refused()
    assert not (root / "dist").exists()
    monkeypatch.setattr(dist, "SMOKE", {"": "import gcore_invoices"})
    dist.main()
    assert {path.suffix for path in (root / "dist").iterdir()} == {".whl", ".gz"}


def test_a_tagged_commit_that_is_not_the_release_stops_before_anything_is_built(repository):
    root = repository()
    git(root, "tag", "v2.0")
    assert refused() == "The tag is v2.0, and gcore_invoices/_version.py says 1.0."
