"""The site: what is made from the code is up to date, every page is in it, and its build is strict."""

from __future__ import annotations

import html
import importlib.util
import re
import shutil
import subprocess
import sys

import pytest
from support_contract import ROOT, repository_files

SCRIPTS = ROOT / "docs" / "scripts"


def script(name):
    spec = importlib.util.spec_from_file_location(f"docs_scripts_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build():
    return script("build")


@pytest.fixture(scope="module")
def layers():
    return script("layers")


# -- what is made from the code


def check_pages(folder):
    return subprocess.run(
        [sys.executable, "-P", folder / "docs" / "scripts" / "pages.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_is_made_from_the_code_is_what_the_code_gives():
    done = check_pages(ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def copy(tmp_path):
    """The sources and the docs, to be changed."""
    for name in ("gcore_invoices", "docs", "openapi"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("hookspecs.py", '"""See an answer.', '"""See any answer.', "docs/hooks.md"),
        ("hookspecs.py", "def walk_finished(walk: Walk,", "def walk_finished(walk: object,", "docs/hooks.md"),
        ("errors.py", '"""The call cannot be made as asked', '"""It cannot be made', "docs/api.md"),
        ("sandbox/rules.py", None, "import gcore_invoices.errors", "docs/layers.svg"),
        ("_walk.py", None, "import trio", "docs/layers.svg"),
    ],
)
def test_a_change_of_the_code_makes_its_page_stale(copy, file, old, new, told):
    if old is None:
        path = copy / "gcore_invoices" / file
        head = "from __future__ import annotations\n"
        change(path, head, f"{head}\n{new}\n")
    else:
        change(copy / "gcore_invoices" / file, old, new)
    done = check_pages(copy)
    assert done.returncode == 1
    assert done.stderr == f"Not what the code gives: {told}. Run `make docs` and commit what it writes.\n"


def test_a_name_that_is_made_public_needs_its_place_in_the_reference(copy):
    change(
        copy / "gcore_invoices" / "__init__.py", '    "UsageError",\n', '    "UsageError",\n    "Extra",\n'
    )
    done = check_pages(copy)
    assert done.returncode == 1
    assert "SECTIONS lacks ['Extra']" in done.stderr


def test_a_hook_that_is_not_described_in_full_is_refused(copy):
    change(copy / "gcore_invoices" / "hookspecs.py", "    When: before each attempt.\n", "")
    done = check_pages(copy)
    assert done.returncode == 1
    assert "hookspecs.before_send: the docstring must have When, May" in done.stderr


def test_a_new_module_needs_a_group_in_the_drawing(copy, layers):
    (copy / "gcore_invoices" / "fresh.py").write_text("")
    with pytest.raises(layers.LayersError, match=r"^fresh has no group: add it to GROUPS"):
        layers.read(copy / "gcore_invoices")


def test_imports_in_a_circle_are_refused(copy, layers):
    path = copy / "gcore_invoices" / "errors.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\nimport gcore_invoices.client\n")
    with pytest.raises(layers.LayersError, match=r"^Imports in a circle: .*drivers.*values"):
        layers.drawing(copy / "gcore_invoices")


def test_arrows_that_a_longer_way_replaces_are_left_out(layers):
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert layers.direct(edges) == [("a", "b"), ("b", "c")]
    assert layers.ranks(edges) == {"a": 0, "b": 1, "c": 2}


# -- pages and links, without building


def test_every_page_is_in_the_navigation(build):
    build.check_navigation(set(build.stage()))


@pytest.mark.parametrize(
    ("more", "less", "told"),
    [({"stray.md"}, set(), "nav lacks stray.md"), (set(), {"money.md"}, "not there: money.md")],
)
def test_a_page_outside_the_navigation_and_an_entry_without_a_page_are_refused(build, more, less, told):
    with pytest.raises(build.DocsError, match=told):
        build.check_navigation((set(build.stage()) | more) - less)


def pages_from(build, monkeypatch, tmp_path, text):
    """What becomes of one page."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "page.md").write_text(text)
    (docs / "other.md").write_text("# Other\n")
    (tmp_path / "code.py").write_text("")
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi" / "README.md").write_text("# Contract\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "DOCS", docs)
    return lambda **given: build.stage(**given)["page.md"]


def test_links_follow_to_pages_and_to_files(build, monkeypatch, tmp_path):
    text = "[a](other.md#x) [b](../openapi/README.md) [`c`](../code.py) [d](https://e.com) [e](#f)\n"
    stage = pages_from(build, monkeypatch, tmp_path, text)
    assert stage() == "[a](other.md#x) [b](contract.md) `c` [d](https://e.com) [e](#f)\n"
    assert "[`c`](https://host/blob/main/code.py)" in stage(source_url="https://host/blob/main/")


def test_a_link_to_a_file_that_is_not_there_is_refused(build, monkeypatch, tmp_path):
    stage = pages_from(build, monkeypatch, tmp_path, "[a](../gone.py)\n")
    with pytest.raises(build.DocsError, match=r"^docs/page\.md: the link to \.\./gone\.py leads nowhere"):
        stage()


def test_words_for_the_tests_are_left_out_and_code_stays_as_it_is(build, monkeypatch, tmp_path):
    text = '```sh no-run: it installs\n[a](b)\n```\n```sh slow\n```\n```python title="a.py"\n```\n```text output\n```\n'
    stage = pages_from(build, monkeypatch, tmp_path, text)
    assert stage() == (
        '```sh\n[a](b)\n```\n```sh\n```\n```python title="a.py"\n```\n```text title="prints"\n```\n'
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<img src="https://elsewhere.com/a.png">', "would be loaded from elsewhere"),
        ('<script src="//elsewhere.com/a.js"></script>', "would be loaded from elsewhere"),
        ('<link rel="stylesheet" href="https://elsewhere.com/a.css">', "would be loaded from elsewhere"),
        ('<a href="gone.html">a</a>', "gone.html leads nowhere"),
        ('<a href="#gone">a</a>', "#gone leads nowhere"),
        ('<img src="gone.png">', "gone.png leads nowhere"),
        ("<p>```python\nx</p>", "not understood"),
        ("<p>as follows:\n- one\n- two</p>", "not understood"),
        ("<p>::: gcore_invoices</p>", "not understood"),
    ],
)
def test_a_site_with_a_mistake_is_refused(build, tmp_path, body, told):
    (tmp_path / "index.html").write_text(f"<html><body>{body}</body></html>")
    with pytest.raises(build.DocsError, match=told):
        build.check_site(tmp_path)


def test_a_style_that_loads_a_font_from_elsewhere_is_refused(build, tmp_path):
    (tmp_path / "a.css").write_text("@font-face { src: url('https://elsewhere.com/a.woff') }")
    with pytest.raises(build.DocsError, match=r"a\.css: would be loaded from elsewhere"):
        build.check_site(tmp_path)


def test_a_site_without_a_mistake_passes(build, tmp_path):
    (tmp_path / "index.html").write_text(
        '<p id="a">1. is a number, <code>- [this](x)</code> is code</p><pre>```</pre>'
        '<a href="#a">a</a><a href="sub/">b</a><a href="https://elsewhere.com">c</a><img src="d.svg">'
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text('<a href="../#a">a</a>')
    (tmp_path / "d.svg").write_text("<svg/>")
    build.check_site(tmp_path)


# -- the build itself


@pytest.fixture
def clone(tmp_path):
    """The files of the repository, as `make docs` finds them."""
    for path in repository_files():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return tmp_path


def build_site(clone):
    python = ROOT / ".venv-docs" / "bin" / "python"
    if not python.exists():
        pytest.fail("the docs' environment is missing: make .venv-docs/installed")
    done = subprocess.run(
        [python, "-P", clone / "docs" / "scripts" / "build.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)


@pytest.mark.slow
def test_the_site_builds_and_holds_every_page_and_name(build, clone):
    code, told = build_site(clone)
    assert code == 0, told
    for name in build.sources():
        page = clone / "site" / name.removesuffix(".md").removesuffix("index")
        assert (page / "index.html").exists(), name
    assert "The menu names every page" in (clone / "site" / "404.html").read_text(encoding="utf-8")
    reference = (clone / "site" / "api" / "index.html").read_text(encoding="utf-8")
    for name in ("InvoicesClient.list", "Timeouts", "money.ageing", "testing.FakeApi.add"):
        assert f'id="gcore_invoices.{name}"' in reference, name
    # attrs writes what is called when a value is made; the page has it all the same.
    text = html.unescape(re.sub(r"<[^>]+>", "", reference))
    assert "deadline: float | None = 120.0" in text
    # A default is shown as what it is, not by a name of ours.
    for default in ("timeouts: Timeouts = Timeouts()", "retry: RetryPolicy = RetryPolicy()"):
        assert default in text, default
    assert "page_size: int = 100" in text
    assert not re.search(r" = _?[A-Z][A-Z_]+\b", text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "text", "told"),
    [
        ("money.md", "[a](pagination.md#no-such-heading)", "anchor does not exist"),
        ("money.md", "[a](export.md#whole-or-not-at-all) [b][gcore_invoices.Nothing]", "unresolved"),
        ("money.md", "- a\n\n    ```sh\n    b", "not understood"),
        ("money.md", "![a](https://elsewhere.com/a.png)", "would be loaded from elsewhere"),
        ("api.md", "### `gcore_invoices.Nothing`\n\nText.\n", "gcore_invoices.Nothing"),
    ],
)
def test_a_mistake_fails_the_build(clone, page, text, told):
    path = clone / "docs" / page
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")
    code, said = build_site(clone)
    assert code != 0
    assert told in said
