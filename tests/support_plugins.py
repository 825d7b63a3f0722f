"""What tests of plugins share: plugins made of functions, a served list, and throw-away environments."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import answer, page, wire_invoice

from gcore_invoices import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

ROOT = Path(__file__).resolve().parent.parent


def plugin(name: str = "plugin", /, **hooks: Callable[..., Any]) -> Any:
    """A plugin of these functions; one that is marked already keeps its options."""

    def marked(function: Callable[..., Any]) -> Any:
        return staticmethod(function if hasattr(function, "gcore_invoices_impl") else hookimpl(function))

    return type(name, (), {hook: marked(function) for hook, function in hooks.items()})()


def serve(count: int, *, also: Callable[[int], httpx.Response | None] = lambda _: None) -> Any:
    """Answers a list of so many rows as the API would, unless `also` has an answer for that offset."""

    def respond(request: httpx.Request) -> httpx.Response:
        limit, offset = int(request.url.params["limit"]), int(request.url.params["offset"])
        given = also(offset)
        if given is not None:
            return given
        rows = [wire_invoice(n + 1) for n in range(offset, min(offset + limit, count))]
        more = f"{request.url}" if offset + limit < count else None
        return page(rows, count=count, next=more)

    return respond


def ok(request: httpx.Request) -> httpx.Response:
    """Answers any `get`."""
    return answer(wire_invoice(int(request.url.path.rpartition("/")[2])))


class Environment:
    """A virtual environment that sees what this one holds, so that nothing is downloaded.

    Installing into it touches it alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        here = sysconfig.get_path("purelib")
        site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        # addsitedir reads the .pth files there too: that is how this project, installed editable, is found.
        Path(site, "parent.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        pip = folder / "bin" / "pip"
        pip.write_text(f'#!/bin/sh\nexec "{self.python}" -P -m pip "$@"\n')
        pip.chmod(0o755)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PYTEST", "GCORE_", "PIP_", "COV_"))
        }
        self.variables = inherited | {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(folder),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's own spelling: no isolation
            "PIP_NO_INDEX": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a reader has pytest alone
        }

    def run(self, *command: str | Path, cwd: Path, timeout: float = 60, **variables: str) -> str:
        """What a command prints; it must succeed."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.variables | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self, project: Path) -> None:
        """Build a project and install it, with what is here already."""
        self.run(self.python, "-P", "-m", "pip", "install", "--quiet", "--no-deps", project, cwd=self.folder)

    def ask(self, code: str, **variables: str) -> str:
        """What a piece of Python prints."""
        return self.run(self.python, "-P", "-W", "error", "-c", code, cwd=self.folder, **variables)
