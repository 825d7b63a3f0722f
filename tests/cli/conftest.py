"""The command line as a person or a script runs it: the installed entry point, in a process of its own."""

from __future__ import annotations

import contextlib
import decimal
import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gcore_invoices.cli import main
from gcore_invoices.sandbox import API_KEY, Invoices, LazyStore, Request, SandboxServer, handle

ENTRY = Path(sys.executable).parent / "gcore-invoices"
SIZE = (40, 150)


@pytest.fixture(scope="module")
def sandbox():
    """One sandbox for all tests of a module."""
    with SandboxServer(LazyStore(Invoices(400))) as server:
        yield server


@dataclass
class Done:
    code: int
    out: str
    err: str


def environment(url, **more):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GCORE", "PYTEST", "COV"))
    }
    for name in ("NO_COLOR", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        kept.pop(name, None)
        kept.pop(name.lower(), None)
    made = (
        kept
        | {"GCORE_BASE_URL": url, "GCORE_API_KEY": API_KEY, "COLUMNS": "", "TERM": "xterm-256color"}
        | more
    )
    return {name: value for name, value in made.items() if value is not None}


class Program:
    """Runs the entry point in one folder against one address."""

    def __init__(self, url, folder):
        self.url = url
        self.folder = folder

    def __call__(self, *arguments, stdin=None, **variables):
        done = subprocess.run(
            [ENTRY, *map(str, arguments)],
            cwd=self.folder,
            env=environment(self.url, **variables),
            capture_output=True,
            check=False,
            timeout=60,
            input=stdin,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def with_streams(self, *arguments, **streams):
        """Run it with streams of one's own; what `subprocess.run` gives."""
        return subprocess.run(
            [ENTRY, *arguments],
            cwd=self.folder,
            env=environment(self.url),
            check=False,
            timeout=60,
            **streams,
        )

    def inside(self, *arguments):
        """The same in this process: quicker, for what does not hang on a process."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        handler = signal.getsignal(signal.SIGTERM)
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            decimal.localcontext(),
        ):
            for name, value in environment(self.url).items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            try:
                code = main([str(each) for each in arguments])
            finally:
                signal.signal(signal.SIGTERM, handler)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return Done(code, *texts)

    @contextmanager
    def start(self, *arguments, ignored=(), **variables):
        with subprocess.Popen(
            [ENTRY, *map(str, arguments)],
            cwd=self.folder,
            env=environment(self.url, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # The workers of a test run ignore Ctrl-C, and what they start would inherit that.
            preexec_fn=partial(_hear, ignored),  # noqa: PLW1509 - system calls alone
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def on_terminal(self, *arguments, until=None, then=None, stdout=None, **variables):
        """Run on a pseudo-terminal; when `until` has shown, call `then` with the process. Exit code and screen."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        try:
            process = subprocess.Popen(
                [ENTRY, *map(str, arguments)],
                cwd=self.folder,
                env=environment(self.url, **variables),
                stdin=theirs,
                stdout=stdout or theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        try:
            screen = _read(ours, until, lambda: then(process))
            return process.wait(30), screen
        finally:
            process.kill()
            os.close(ours)


def _hear(ignored):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _read(terminal, until, then):
    seen = b""
    limit = time.monotonic() + 40
    while time.monotonic() < limit:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            more = b""
        if not more:
            break
        seen += more
        if until is not None and until.encode() in seen:
            until = None
            then()
    assert until is None, f"{until!r} never showed in {seen!r}"
    return seen.decode()


@pytest.fixture(scope="session")
def program_in():
    """Makes what runs the program: of an address and a folder."""
    return Program


@pytest.fixture
def program(sandbox, tmp_path):
    """Runs the program against the sandbox, in an empty folder."""
    return Program(sandbox.url, tmp_path)


@pytest.fixture
def faulty(tmp_path):
    """Starts a sandbox that does something before it answers: `before(request)` may wait, or return an answer."""
    servers = []

    def start(before, count=250):
        store = LazyStore(Invoices(count))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = f"http://{self.headers['Host']}{self.path}"
                request = Request("GET", url, dict(self.headers.items()))
                answer = before(request) or handle(request, store)
                self.send_response_only(answer.status)  # no Date of its own
                for name, value in dict(answer.headers).items():
                    self.send_header(name, value)
                if "content-length" not in {name.lower() for name in dict(answer.headers)}:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *args: None  # the client goes away on purpose
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return Program(f"http://127.0.0.1:{server.server_address[1]}", tmp_path)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
