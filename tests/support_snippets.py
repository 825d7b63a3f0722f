"""Reads the fenced blocks of a Markdown page, and runs them as a reader would: in order, in one folder.

What the word after the three backticks, and what follows it, means:

    ```python                    run, all of a page in one namespace
    ```sh                        run by `bash -e`, in the page's folder
    ```sh slow                   the same, only in the slow tests: it installs something
    ```sh no-run: <reason>       not run
    ```python title="a/b.py"     a file of that name in the page's folder; not run by itself (any language)
    ```text output               what the block before prints; `…` stands for anything within a line
    ```toml, json, yaml, text …  something to look at; it is read, if it can be; so is one without a word
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import tomllib
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PYTHON = {"python", "py"}
SHELL = {"sh", "bash"}
TO_LOOK_AT = {"", "text", "toml", "json", "yaml", "ini", "csv", "html", "mermaid", "dockerfile", "sql"}
READERS = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load}


class BadPageError(ValueError):
    """A block that nobody could run, and that does not say so."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    rest: str
    code: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]+)"', self.rest)
        return found[1] if found else None

    @property
    def is_skipped(self) -> bool:
        return self.rest.startswith("no-run")

    @property
    def is_slow(self) -> bool:
        return self.rest.split(" ")[0] == "slow"

    @property
    def is_output(self) -> bool:
        return self.rest == "output"

    @property
    def runs(self) -> bool:
        return self.language in PYTHON | SHELL and not self.is_skipped and not self.title


def blocks(text: str, page: str) -> list[Block]:
    """The fenced blocks of a page.

    Raises:
        BadPageError: A fence is not closed, or its words mean nothing.
    """
    found = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        fence = re.fullmatch(r"( *)(`{3,}|~{3,})\s*(\S*)\s*(.*)", line)
        if fence is None:
            continue
        indent, ticks, language, rest = fence.groups()
        code = []
        for _, inner in lines:
            if inner.strip() == ticks:
                break
            code.append(inner.removeprefix(indent))
        else:
            raise BadPageError(f"{page}:{number}: this fence is never closed")
        block = Block(page, number, language, rest.strip(), "".join(f"{row}\n" for row in code))
        check(block)
        found.append(block)
    return found


def check(block: Block) -> None:
    """Refuse a block whose words mean nothing: it would silently not be run.

    Raises:
        BadPageError: Says what to write.
    """
    known = PYTHON | SHELL | TO_LOOK_AT
    if block.language not in known:
        raise BadPageError(f"{block.where}: {block.language!r} is none of {sorted(known)}")
    if block.is_skipped and not re.fullmatch(r"no-run: \S.{7,}", block.rest):
        raise BadPageError(f"{block.where}: say why it is not run: no-run: <reason>")
    if not (block.rest in {"", "slow", "output"} or block.is_skipped or block.title):
        raise BadPageError(f"{block.where}: nobody knows what {block.rest!r} means")
    if block.is_output and block.language != "text":
        raise BadPageError(f"{block.where}: what is printed is ```text output")
    installs = re.search(r"\bpip\b", block.code) and block.language in SHELL
    if installs and block.runs and not block.is_slow:
        raise BadPageError(f"{block.where}: it installs something; write ```sh slow")


class Page:
    """A page, its folder, and the namespace of its Python.

    Args:
        path: The page.
        folder: Where its files are written and its shell runs.
        variables: The environment of its shell.
    """

    def __init__(self, path: Path, folder: Path, variables: Mapping[str, str]) -> None:
        self._path = path
        self.blocks = blocks(path.read_text(encoding="utf-8"), path.name)
        self._folder = folder
        self._variables = dict(variables)
        self.module = types.ModuleType(f"page_{re.sub(r'[^a-z]', '_', path.stem.lower())}")

    def run(self, *, slow: bool) -> Iterator[Block]:
        """Run the blocks in order, and say which.

        Raises:
            AssertionError: A block printed something else than the page shows.
            Exception: Whatever a block raises.
        """
        printed = None
        for block in self.blocks:
            if block.title:
                self._write(block)
            elif block.is_output:
                if printed is not None:
                    assert_printed(printed, block)
            elif block.runs and (slow or not block.is_slow):
                printed = self._python(block) if block.language in PYTHON else self._shell(block)
                yield block
            elif block.runs:
                printed = None
            elif block.language in READERS:
                READERS[block.language](block.code)

    def _write(self, block: Block) -> None:
        assert block.title
        target = (self._folder / block.title).resolve()
        assert target.is_relative_to(self._folder.resolve()), f"{block.where}: outside the page's folder"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.code, encoding="utf-8")

    def _python(self, block: Block) -> str:
        # Blank lines before it, so that a traceback points at the line of the page.
        code = compile("\n" * block.line + block.code, str(self._path), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, vars(self.module))  # noqa: S102 - that is what it is for
        return printed.getvalue()

    def _shell(self, block: Block) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.code],
            cwd=self._folder,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{block.where}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def assert_printed(printed: str, block: Block) -> None:
    """Compare what was printed with what the page shows."""
    pattern = "[^\n]*".join(re.escape(part) for part in block.code.strip().split("…"))
    assert re.fullmatch(pattern, printed.strip()), (
        f"{block.where} shows\n{block.code}\nand what came is\n{printed}"
    )
