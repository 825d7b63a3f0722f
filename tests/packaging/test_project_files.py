"""Workflows, templates, hooks and pages for contributors: they can be read, and what they name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from itertools import chain

import pytest
import yaml
from support_contract import ROOT

from gcore_invoices import hookspecs

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    ROOT / "docs" / "regenerate.md",
]
PRE_COMMIT = ROOT / ".pre-commit-config.yaml"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(path):
    """YAML with every scalar a string: `on` stays a word."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - it makes strings alone


def named(path):
    return path.relative_to(ROOT).as_posix()


def targets():
    return set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split())


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow_for_tests_release_and_drift():
    assert [path.name for path in WORKFLOWS] == ["drift.yml", "release.yml", "tests.yml"]
    for path in WORKFLOWS:
        workflow = read(path)
        assert {"name", "on", "permissions", "jobs"} <= set(workflow)
        for job in workflow["jobs"].values():
            assert {"runs-on", "steps", "timeout-minutes"} <= set(job)
            assert [step for step in job["steps"] if ("run" in step) == ("uses" in step)] == []


@pytest.mark.parametrize("path", [*WORKFLOWS, *FORMS, *PAGES, PRE_COMMIT, ROOT / "README.md"], ids=named)
def test_every_make_target_that_is_named_is_there(path):
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r"(?:^|`|run: |entry: )make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)", text, re.MULTILINE))
    assert found - targets() == set()
    assert found or path.name not in {"tests.yml", "release.yml", "drift.yml", "CONTRIBUTING.md"}


def test_workflows_may_read_and_the_upload_may_only_prove_who_it_is():
    for path in WORKFLOWS:
        workflow = read(path)
        assert workflow["permissions"] == {"contents": "read"}
        given = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        assert given == ({"publish": {"id-token": "write"}} if path.name == "release.yml" else {})
        assert "secrets." not in path.read_text(encoding="utf-8")
        for step in steps(workflow):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] == "false"
            # What others can write, a title or a branch, must not become part of a command.
            assert "${{" not in step.get("run", "")


def test_actions_are_pinned_by_commit_each_to_one():
    uses = [
        line.split("uses:")[1].strip()
        for path in WORKFLOWS
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert [one for one in uses if not re.fullmatch(r"[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
    assert len(set(uses)) == len({one.split("@")[0] for one in uses})


def test_a_release_is_a_tag_that_was_checked_built_and_only_then_uploaded():
    workflow = read(GITHUB / "workflows" / "release.yml")
    assert workflow["on"] == {"push": {"tags": ["v[0-9]*"]}}
    ran = [step.get("run") or step["uses"].split("@")[0] for step in workflow["jobs"]["build"]["steps"]]
    assert ran[-3:] == ["make check", "make dist", "actions/upload-artifact"]
    assert workflow["concurrency"]["cancel-in-progress"] == "false"
    assert workflow["jobs"]["publish"]["needs"] == "build"
    assert workflow["jobs"]["publish"]["environment"] == "pypi"


@pytest.mark.parametrize(
    ("name", "right"), [("v1.2.3", True), ("v1.2", False), ("v1.2.30", False), ("main", False)]
)
def test_a_release_stops_if_its_tag_did_not_come_with_the_commit(tmp_path, name, right):
    (step,) = (
        one for one in steps(read(GITHUB / "workflows" / "release.yml")) if "git tag" in one.get("run", "")
    )
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (
        ("init", "--quiet"),
        ("commit", "--quiet", "--allow-empty", "-m", "a"),
        ("tag", "v1.2.3"),
    ):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    done = shell(step, tmp_path, GITHUB_REF_NAME=name)
    assert (done.returncode == 0) == right


def test_a_look_for_drift_without_an_address_fails_and_says_where_to_put_one(tmp_path):
    first, *_ = steps(read(GITHUB / "workflows" / "drift.yml"))
    done = shell(first, tmp_path, UPSTREAM="")
    assert done.returncode == 1
    for part in ("::error::", "variable UPSTREAM", "Settings, Secrets and variables, Actions, Variables"):
        assert part in done.stdout
    done = shell(first, tmp_path, UPSTREAM="https://example.com/api.yaml")
    assert (done.returncode, done.stdout) == (0, "")


def test_drift_ends_the_run_as_failed_and_its_report_is_on_the_page_and_kept(tmp_path):
    compare, show, keep = steps(read(GITHUB / "workflows" / "drift.yml"))[-3:]
    (tmp_path / "Makefile").write_text(
        "spec-drift:\n\t@echo Added: a field; echo and why >&2; exit 1\n", "utf-8"
    )
    done = shell(compare, tmp_path)
    assert done.returncode == 2
    page = tmp_path / "page.md"
    assert shell(show, tmp_path, GITHUB_STEP_SUMMARY=str(page)).returncode == 0
    assert "Added: a field\nand why\n" in page.read_text(encoding="utf-8")
    assert (tmp_path / keep["with"]["path"]).exists()
    # A step after a failed one runs only if it says so.
    assert show["if"] == keep["if"] == "${{ !cancelled() && hashFiles('drift.txt') != '' }}"


def shell(step, folder, **environment):
    """Run a step as GitHub does: `bash -e`, and with pipefail if the step names bash."""
    pipefail = ("-o", "pipefail") if step.get("shell") == "bash" else ()
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", *pipefail, "-c", step["run"]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_name_the_same_versions_of_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    matrix = read(GITHUB / "workflows" / "tests.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    made = re.search(r"^PYTHONS := (.+)$", MAKEFILE, re.MULTILINE)[1].split()
    assert matrix == made == classified
    assert project["requires-python"] == f">={classified[0]}"


def test_the_lowest_versions_that_are_promised_are_those_that_are_tested():
    told = subprocess.run(
        [sys.executable, ROOT / "tools" / "lowest.py"], capture_output=True, text=True, check=True
    )
    pins = dict(line.split("==") for line in told.stdout.splitlines() if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = list(chain(project["dependencies"], *project["optional-dependencies"].values()))
    assert len(promised) > 10
    for requirement in promised:
        name, bound = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()
        assert pins[name.lower()] == bound
    assert {"run": "make lowest"} in read(GITHUB / "workflows" / "tests.yml")["jobs"]["lowest"]["steps"]


@pytest.mark.parametrize("path", FORMS, ids=named)
def test_an_issue_form_asks_and_warns(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    asked = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(asked) == len(set(asked)) >= 3
    assert [part for part in form["body"] if part.get("validations", {}).get("required") == "true"]
    assert re.search(r"never paste a key", path.read_text(encoding="utf-8"), re.IGNORECASE)


def test_a_bug_form_comes_with_what_is_needed_to_see_it():
    (bug,) = (path for path in FORMS if path.name == "bug.yml")
    text = bug.read_text(encoding="utf-8")
    for part in ("traceback", "gcore-invoices doctor", "FakeApi", "request_id", "SECURITY.md"):
        assert part in text


def test_hooks_of_pre_commit_are_local_and_call_what_is_there():
    (repository,) = read(PRE_COMMIT)["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        command, *_ = hook["entry"].split()
        assert command in {"make", ".venv/bin/ruff"}
        re.compile(hook.get("files", ""))


def test_contributing_tells_all_that_make_check_does():
    parts = set(re.search(r"^check: (.+?) ##", MAKEFILE, re.MULTILINE)[1].split())
    parts |= set(re.search(r"^check-rest: (.+?) ##", MAKEFILE, re.MULTILINE)[1].split())
    told = re.findall(r"^\| `make ([a-z-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert set(told) == parts - {"check-rest"}


def test_the_changelog_names_every_command_and_the_number_of_hooks():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    listed = subprocess.run(
        [sys.executable, "-P", "-m", "gcore_invoices", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = re.findall(r"^  ([a-z]+)  ", listed.split("Commands:")[1].split("Examples:")[0], re.MULTILINE)
    assert {"list", "sandbox"} < set(commands)
    assert [name for name in commands if f"`{name}`" not in text] == []
    assert len(hookspecs.KINDS) == 12, "the changelog says twelve"
    assert "Twelve hooks" in text


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_files_and_links_that_a_page_names_are_there(path):
    text = path.read_text(encoding="utf-8")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    known = {*tracked, *(f"{part}/" for name in tracked for part in parents(name))}
    files = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:md|txt|toml|yaml|py))`", text)
    beside = {name.rpartition("/")[2] for name in tracked}
    assert [one for one in files if one not in known and ("/" in one or one not in beside)] == []
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (path.parent / link.partition("#")[0]).exists()]
    assert missing == []


def parents(name):
    parts = name.split("/")[:-1]
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
