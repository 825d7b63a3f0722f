"""Every snippet of the docs runs, in the order of its page, against the sandbox."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

import pytest
from support_plugins import ROOT, Environment
from support_snippets import PYTHON, SHELL, BadPageError, Block, Page, assert_printed, blocks

from gcore_invoices.sandbox import SandboxServer

PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
SLOW = [page for page in PAGES if re.search(r"^ *```\w+ slow", page.read_text("utf-8"), re.MULTILINE)]


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def sandbox():
    with SandboxServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """A page may set up logging; the next test must not log through it."""
    names = ["gcore_invoices", "gcore_invoices.calls", "gcore_invoices.walks", "gcore_invoices.plugins"]
    loggers = [logging.getLogger(), *map(logging.getLogger, names)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def open_page(sandbox, tmp_path, monkeypatch):
    """Opens a page in a folder of its own, with what a reader has set."""

    def open_page(path, variables=None):
        folder = tmp_path / "page"
        folder.mkdir()
        settings = {"GCORE_API_KEY": sandbox.api_key, "GCORE_BASE_URL": sandbox.url, "HOME": str(tmp_path)}
        for variable, value in settings.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.chdir(folder)
        here = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a reader has pytest alone
        }
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))
        }
        page = Page(path, folder, inherited | here | (variables or {}) | settings)
        monkeypatch.setitem(sys.modules, page.module.__name__, page.module)
        return page

    return open_page


def run_apart(path):
    """The page of the command line starts many programs."""
    return pytest.param(path, marks=pytest.mark.slow if name(path) == "docs/cli.md" else ())


@pytest.mark.parametrize("path", [run_apart(path) for path in PAGES], ids=name)
def test_the_snippets_of_a_page_run(path, open_page):
    page = open_page(path)
    ran = list(page.run(slow=False))
    assert len(ran) == len([block for block in page.blocks if block.runs and not block.is_slow])


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", SLOW, ids=name)
def test_the_snippets_that_install_run_too(path, open_page, tmp_path):
    environment = Environment(tmp_path / "environment")
    page = open_page(path, environment.variables)
    assert [block for block in page.run(slow=True) if block.is_slow]


def test_the_page_that_takes_newcomers_by_the_hand_skips_next_to_nothing():
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    every = [block for block in blocks(text, "plugins.md") if block.language in PYTHON | SHELL]
    assert len(every) > 15
    assert len([block for block in every if block.is_skipped]) <= 2


# -- the runner itself


def fenced(*lines, fence="```"):
    return "\n".join([f"{fence}{lines[0]}", *lines[1:], fence])


def page_of(text, tmp_path):
    path = tmp_path / "a page.md"
    path.write_text(text, encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    return Page(path, folder, os.environ)


def test_blocks_are_found_with_their_words_and_their_line():
    text = f"# A\n\n{fenced('python', 'a = 1')}\n\n1. b\n\n   ```sh slow\n   echo\n     b\n   ```\n{fenced('text', 'x', fence='~~~~')}"
    assert blocks(text, "p") == [
        Block("p", 3, "python", "", "a = 1\n"),
        Block("p", 9, "sh", "slow", "echo\n  b\n"),
        Block("p", 13, "text", "", "x\n"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```python\na = 1", "this fence is never closed"),
        (fenced("pyton", "a"), "'pyton' is none of"),
        (fenced("console", "$ a"), "'console' is none of"),
        (fenced("sh no-run", "a"), "say why it is not run"),
        (fenced("sh no-run: x", "a"), "say why it is not run"),
        (fenced("sh norun", "a"), "nobody knows what 'norun' means"),
        (fenced("sh", "pip install x"), "write ```sh slow"),
        (fenced("sh", "python -m pip install x"), "write ```sh slow"),
        (fenced("sh output", "a"), "what is printed is ```text output"),
    ],
)
def test_a_block_that_would_silently_not_be_run_is_refused(text, words):
    with pytest.raises(BadPageError, match=r"^p:1: ") as caught:
        blocks(text, "p")
    assert words in str(caught.value)


def test_a_page_is_one_namespace_and_one_folder(tmp_path):
    text = "\n".join(
        [
            fenced("python", "a = 2"),
            fenced('python title="sub/b.py"', "print(3)"),
            fenced("python", "print(a)"),
            fenced("text output", "2"),
            fenced("sh", "cat sub/b.py"),
            fenced("text output", "print(…)"),
            fenced("sh no-run: it would fail here", "exit 1"),
            fenced("sh slow", "exit 1"),
            fenced("text output", "never compared"),
        ]
    )
    assert [block.language for block in page_of(text, tmp_path).run(slow=False)] == ["python", "python", "sh"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (fenced("python", "a = 1", "assert a == 2"), AssertionError, ""),
        (fenced("python", "undefined"), NameError, "undefined"),
        (fenced("sh", "false", "true"), AssertionError, "exit 1"),
        (fenced("sh", "false | true"), AssertionError, "exit 1"),
        (fenced("sh", "echo $UNDEFINED_VARIABLE"), AssertionError, "unbound variable"),
        (fenced("sh slow", "false"), AssertionError, "exit 1"),
        (fenced("json", "{"), ValueError, ""),
        (fenced('text title="../x"', ""), AssertionError, "outside the page's folder"),
        (
            f"{fenced('python', 'print(1)')}\n{fenced('text output', '2')}",
            AssertionError,
            "a page.md:4 shows",
        ),
    ],
)
def test_a_snippet_that_fails_fails_the_page(text, error, words, tmp_path):
    with pytest.raises(error) as caught:
        list(page_of(text, tmp_path).run(slow=True))
    assert words in str(caught.value)


def test_a_traceback_points_at_the_line_of_the_page(tmp_path):
    text = f"# A\n\n{fenced('python', 'a = 1', '1 / 0')}"
    with pytest.raises(ZeroDivisionError) as caught:
        list(page_of(text, tmp_path).run(slow=False))
    assert caught.traceback[-1].lineno + 1 == 5


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a\n", "a", True),
        ("a b c\n", "a … c", True),
        ("a\nb", "a…b", False),
        ("ab", "a", False),
        ("a.c", "abc", False),
        ("", "a", False),
    ],
)
def test_what_is_printed_is_what_the_page_shows(printed, shown, same):
    block = Block("p", 1, "text", "output", f"{shown}\n")
    if same:
        assert_printed(printed, block)
    else:
        with pytest.raises(AssertionError):
            assert_printed(printed, block)
