"""What a clone holds: nothing of this machine, exact pins, and targets that exist."""

from __future__ import annotations

import re
import subprocess

import pytest
from support_contract import ROOT, leaks, repository_files

in_a_clone = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")


@in_a_clone
def test_no_file_names_a_machine_a_registry_or_a_secret():
    files = repository_files()
    assert ROOT / "pyproject.toml" in files
    assert [
        leak for path in files for leak in leaks(path.relative_to(ROOT).as_posix(), path.read_bytes())
    ] == []


@pytest.mark.parametrize(
    "parts",
    [
        ("see /", "work/main"),
        ("/", "tmp/", "x"),
        ("open('/", "home/someone/.netrc')"),
        ("--extra-index", "-url x"),
        ("https://pypi.org", "/simple/"),
        ("PIP_INDEX", "_URL=x"),
        ("-----BEGIN RSA PRIV", "ATE KEY-----"),
        ("1234$", "0123456789abcdef" * 4),
    ],
    ids=lambda parts: "".join(parts)[:24],
)
def test_the_scan_finds_what_it_is_for(parts: tuple[str, ...]):
    assert leaks("file", "".join(parts).encode())


@pytest.mark.parametrize(
    "text",
    [
        "https://api.gcore.com/work/order",
        "a/tmp/b",
        "$HOME/tmp/",
        "1234$abcdef",
        "https://pypi.org/project/x",
    ],
)
def test_the_scan_leaves_the_rest_alone(text: str):
    assert leaks("file", text.encode()) == []


@pytest.mark.parametrize("name", ["constraints.txt", "docs/requirements.txt", "openapi/requirements.txt"])
def test_pins_are_exact_and_hold_nothing_else(name: str):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 10
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==\d+(\.\d+)*(b\d+)?", line)] == []
    names = [re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in pins]
    assert len(names) == len(set(names))


def test_both_environments_use_the_same_ruff():
    # One formats generated_client, the other the rest: two versions would be two styles.
    pins = [
        next(
            line
            for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
            if line.startswith("ruff==")
        )
        for name in ("constraints.txt", "openapi/requirements.txt")
    ]
    assert pins[0] == pins[1]


def make(*arguments: str) -> str:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def helped() -> set[str]:
    return {line.split()[1] for line in make("help").splitlines() if line.startswith("  make ")}


def test_help_lists_every_target_and_each_exists():
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    assert helped() == set(phony[1].split())
    for target in helped():
        assert make("--dry-run", target).strip(), target


def test_a_plain_make_says_what_there_is():
    assert make() == make("help")


@in_a_clone
def test_ci_runs_all_of_check():
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        if line.startswith("make ")
    ]
    assert commands == ["make test", "make check-rest"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^check: test check-rest( ##.*)?$", makefile, re.MULTILINE)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111, ".ci/run cannot be executed"
    planned = make("--dry-run", "check-rest")
    for part in (
        "ruff check",
        "ruff format --check",
        "mypy",
        "basedpyright",
        "generate.py --check",
        "api.py --check",
        "-m slow",
    ):
        assert part in planned
