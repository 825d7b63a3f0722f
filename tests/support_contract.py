"""What the tests of the contract, of the generated client and of the packaging share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
OPENAPI = ROOT / "openapi"
SPEC = OPENAPI / "erp-invoices.yaml"
GENERATED = ROOT / "generated_client"
GENERATOR_PYTHON = ROOT / ".venv-generate" / "bin" / "python"


def contract() -> dict[str, Any]:
    """The contract as its author wrote it, `$ref`s and all."""
    return yaml.safe_load(SPEC.read_text(encoding="utf-8"))


def generator_python() -> Path:
    """The interpreter of the generator's own environment."""
    if not GENERATOR_PYTHON.exists():
        pytest.fail("the generator's environment is missing: make .venv-generate/installed")
    return GENERATOR_PYTHON


def in_generator(code: str) -> str:
    """What a piece of Python prints in the generator's environment."""
    return subprocess.run(
        [generator_python(), "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def generate(
    *arguments: str | Path, openapi: Path = OPENAPI, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a copy of openapi/generate.py, or the real one, as `make generate` does."""
    return subprocess.run(
        [generator_python(), openapi / "generate.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | environment,
        timeout=15,  # the time a person is promised
    )


def python(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run this environment's Python, without the current folder on its path."""
    options = {"capture_output": True, "text": True, "timeout": 100} | options
    return subprocess.run([sys.executable, "-P", *arguments], check=False, **options)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for the caches of the interpreter."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def repository_files() -> list[Path]:
    """What a clone would hold: tracked files, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@dataclass
class Recorder:
    """Gives one canned answer to every request, and keeps what was asked."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b'{"count": 0, "results": []}'
    url: str = ""
    lines: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The path and query of the only request, as they stood in its first line."""
        (line,) = self.lines
        method, target, version = line.split(" ")
        assert (method, version) == ("GET", "HTTP/1.1")
        return target

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the only request, not decoded, a repeated one as often as it came."""
        parts = self.target.partition("?")[2]
        return [
            (name, value) for name, _, value in (part.partition("=") for part in parts.split("&") if part)
        ]


@contextmanager
def recording() -> Iterator[Recorder]:
    """Serve a recorder on a free port of the loopback."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a client that stalls must not keep the thread

        def do_GET(self) -> None:
            recorder.lines.append(self.requestline)
            recorder.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(recorder.status)
            self.send_header("Content-Type", recorder.content_type)
            self.send_header("Content-Length", str(len(recorder.body)))
            self.end_headers()
            self.wfile.write(recorder.body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorder.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()


# Each is written so that it does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.$~{}<>-])/(?:work|root|tmp|opt|home/\w+|Users/\w+)/")
REGISTRY = re.compile(
    r"index[-_]url|find[-_]links|pypi\.org/+simple|files\.pythonhosted\.or[g]|INDEX_UR[L]", re.IGNORECASE
)
SECRET = re.compile(r"BEGIN [A-Z ]*PRIVATE KEY|(?<!\w)\d+\$[0-9a-f]{32,}")
LEAKS = {"a machine's path": MACHINE_PATH, "a registry's address": REGISTRY, "a secret": SECRET}


def leaks(name: str, data: bytes) -> list[str]:
    """What a file says that belongs to one machine, or to nobody but its owner."""
    text = data.decode("utf-8", errors="replace")
    return [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {what}: {found[0]}"
        for what, pattern in LEAKS.items()
        for found in pattern.finditer(text)
    ]
