"""Builds the site: `make docs`.

The pages are written for GitHub, and stay as they are. What a site needs differently is done to a copy:

- words after a fence's language (`no-run: …`, `slow`, `output`) are for the tests and are left out;
- files elsewhere in the repository that are pages too (`PAGES`) come along, and links to them follow;
- links to other files go to `SOURCE_URL`, if the environment names one, or else become plain text;
- each heading of api.md is followed by what mkdocstrings makes of the name.

Zensical then builds it strictly: a link or a cross-reference that leads nowhere is an error. The rest is
checked here, because it escapes Zensical: a page outside the navigation, Markdown that was not understood,
and anything that a page would load from elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
STAGE = ROOT / ".site"
SITE = ROOT / "site"
CONFIG = ROOT / "zensical.toml"

# Pages of the site that live elsewhere in the repository.
PAGES = {
    "openapi/README.md": "contract.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
FILES = ("*.svg", "*.png", "*.css")


class DocsError(Exception):
    """The site would be wrong; the message says where."""


# -- the copy


def sources() -> dict[str, Path]:
    """Every page by its name in the site."""
    found = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    return found | {name: ROOT / path for path, name in PAGES.items() if (ROOT / path).exists()}


def stage(source_url: str = "") -> dict[str, str]:
    """Every page as the site needs it, by its name.

    Raises:
        DocsError: A link names a file that is not there.
    """
    names = {path: name for name, path in sources().items()}
    pages = {}
    for path, name in names.items():
        text = _links(path.read_text(encoding="utf-8"), path, name, names, source_url)
        text = re.sub(r"^( *```\w+) (?:slow|no-run: .*)$", r"\1", text, flags=re.MULTILINE)
        text = re.sub(r"^( *```text) output$", r'\1 title="prints"', text, flags=re.MULTILINE)
        pages[name] = _reference(text) if name == "api.md" else text
    return pages


FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def _links(text: str, path: Path, name: str, names: dict[Path, str], source_url: str) -> str:
    def link(match: re.Match[str]) -> str:
        image, shown, target = match.groups()
        if urlsplit(target).scheme or target.startswith("#"):
            return match[0]
        file, _, anchor = target.partition("#")
        goal = (path.parent / unquote(file)).resolve()
        if not goal.exists():
            raise DocsError(f"{path.relative_to(ROOT)}: the link to {target} leads nowhere.")
        if goal in names:
            up = "../" * name.count("/")
            return f"{image}[{shown}]({up}{names[goal]}{'#' * bool(anchor)}{anchor})"
        if goal.is_relative_to(DOCS):
            return match[0]
        if source_url:
            return f"{image}[{shown}]({source_url.rstrip('/')}/{goal.relative_to(ROOT).as_posix()})"
        return str(shown)

    # Only outside of code.
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(link, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(link, text[end:])])


def _reference(text: str) -> str:
    """The first sentences replaced by all that is to be said."""

    def directive(match: re.Match[str]) -> str:
        # What the clients have in common is an affair of ours; of errors, the class above matters.
        bases = "true" if "Error" in match[1] else "false"
        return f"::: {match[1]}\n    options:\n      show_bases: {bases}\n"

    return re.sub(r"^### `([\w.]+)`\n\n(?:(?!#).+\n)+", directive, text, flags=re.MULTILINE)


def write(pages: dict[str, str]) -> None:
    """Put the pages, and what they show, where Zensical looks."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for name, text in pages.items():
        target = STAGE / "pages" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for path in sorted({path for pattern in FILES for path in DOCS.rglob(pattern)}):
        target = STAGE / "pages" / path.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_text(encoding="utf-8") if path.suffix == ".svg" else None
        if content is None:
            shutil.copyfile(path, target)
        else:
            # Rich names a font of a third party in its pictures.
            target.write_text(re.sub(r"@font-face\s*\{[^}]*\}", "", content), encoding="utf-8")


# -- the navigation


def navigation(entries: object) -> list[str]:
    """The pages that a navigation of zensical.toml names, in order."""
    if isinstance(entries, str):
        return [entries]
    values = entries.values() if isinstance(entries, dict) else entries
    return [page for value in values for page in navigation(value)]  # type: ignore[attr-defined]


def check_navigation(pages: set[str]) -> None:
    """Every page is in the navigation once, and every entry is a page.

    Raises:
        DocsError: Names those that are not.
    """
    listed = navigation(tomllib.loads(CONFIG.read_text(encoding="utf-8"))["project"]["nav"])
    if twice := sorted({page for page in listed if listed.count(page) > 1}):
        raise DocsError(f"{CONFIG.name}: nav names these twice: {', '.join(twice)}.")
    if absent := sorted(set(listed) - pages):
        raise DocsError(f"{CONFIG.name}: nav names pages that are not there: {', '.join(absent)}.")
    if lost := sorted(pages - set(listed)):
        raise DocsError(f"{CONFIG.name}: nav lacks {', '.join(lost)}.")


# -- the site

ELSEWHERE = "would be loaded from elsewhere"


class PageReader(HTMLParser):
    """What a page loads, links to, and can be linked to."""

    LOADS = frozenset({"script", "img", "iframe", "source", "audio", "video", "embed", "object", "input"})
    VOID = frozenset({"img", "br", "hr", "input", "meta", "link", "source", "path", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.leftovers: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag names."""
        given = dict(attrs)
        self.ids.update(value for key, value in attrs if key in {"id", "name"} and value)
        if tag == "link" and given.get("rel") not in {"canonical", "prev", "next", "alternate"}:
            self.loads.append(given.get("href") or "")
        if tag in self.LOADS:
            self.loads += [given[key] or "" for key in ("src", "data", "srcset") if given.get(key)]
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag not in self.VOID:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Forget what has ended."""
        if tag in self._within:
            while self._within.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Note text that looks like Markdown, and is not in a block of code."""
        if "p" not in self._within or {"pre", "code"} & set(self._within):
            return
        if found := re.search(r"```|\]\(|^\s*:::|\n *(?:[-*]|\d+\.) \S|^\|.*\|$", data, re.MULTILINE):
            self.leftovers.append(data[max(0, found.start() - 20) : found.end() + 40].strip())


def check_site(site: Path) -> None:
    """Read every page of the site.

    Raises:
        DocsError: Something leads nowhere, is loaded from elsewhere, or was not understood as Markdown.
    """
    readers = {}
    for path in sorted(site.rglob("*.html")):
        reader = PageReader()
        reader.feed(path.read_text(encoding="utf-8"))
        readers[path.resolve()] = reader
    problems = []
    for path, reader in readers.items():
        where = path.relative_to(site.resolve()).as_posix()
        problems += [f"{where}: this Markdown was not understood: {text!r}" for text in reader.leftovers]
        problems += [f"{where}: {ELSEWHERE}: {url}" for url in reader.loads if foreign(url)]
        # 404.html is served at any depth, so its addresses begin at the root.
        if path.name != "404.html":
            inside = [url for url in reader.links + reader.loads if not urlsplit(url).scheme]
            problems += [
                f"{where}: {url} leads nowhere" for url in inside if not _reached(path, url, readers)
            ]
    for path in sorted([*site.rglob("*.css"), *site.rglob("*.svg")]):
        text = path.read_text(encoding="utf-8")
        urls = re.findall(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", text)
        problems += [f"{path.relative_to(site)}: {ELSEWHERE}: {a or b}" for a, b in urls if foreign(a or b)]
    if problems:
        raise DocsError("\n".join(problems))


def foreign(url: str) -> bool:
    """Whether an address is of another host."""
    return urlsplit(url).scheme in {"http", "https"} or url.startswith("//")


def _reached(path: Path, url: str, readers: dict[Path, PageReader]) -> bool:
    parts = urlsplit(url)
    goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    goal = goal / "index.html" if goal.is_dir() else goal
    if goal in readers:
        return not parts.fragment or unquote(parts.fragment) in readers[goal].ids
    return goal.is_file()


def main() -> str | None:
    """Stage, build, check."""
    pages = stage(os.environ.get("SOURCE_URL", ""))
    check_navigation(set(pages))
    write(pages)
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-P", "-m", "zensical", "build", "--strict", "--clean", "-f", str(CONFIG)]
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode:
        return "The site was not built: see above. The pages named there are copies of those in docs/."
    check_site(SITE)
    print(f"{len(pages)} pages. Look at them: python3 -m http.server --bind 127.0.0.1 --directory site")
    return None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DocsError as error:
        sys.exit(str(error))
