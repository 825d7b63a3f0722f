from __future__ import annotations

import ast
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sandbox.asking import PATH

import gcore_invoices.sandbox
from gcore_invoices.sandbox import __main__ as command

SANDBOX = Path(gcore_invoices.sandbox.__file__).parent


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "gcore_invoices.sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_answers_and_stops_cleanly(number):
    with start("--invoices", "7", "--seed", "3", "--max-seconds", "60") as process:
        try:
            lines = [process.stdout.readline() for _ in range(2)]
            told = dict(shlex.split(line)[1].split("=", 1) for line in lines)
            key = {"Authorization": f"apikey {told['GCORE_API_KEY']}"}
            assert httpx.get(told["GCORE_BASE_URL"] + PATH, headers=key).json()["count"] == 7
            process.send_signal(number)
            rest, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert lines[0].startswith("export GCORE_BASE_URL='http://127.0.0.1:")
    assert lines[1] == "export GCORE_API_KEY='1234$sandbox'\n"
    assert rest == ""
    assert errors == "# The sandbox is running; Ctrl-C stops it.\n"


def test_it_ends_by_itself():
    finished = run("-m", "gcore_invoices.sandbox", "--max-seconds", "0.1")
    assert finished.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--invoices", "-1"], "cannot be negative"),
        (["--invoices", "many"], "invalid int value"),
        (["--host", "0.0.0.0"], "listens on 127.0.0.1 or ::1 only"),  # noqa: S104  # refused
        (["--port", "70000"], "0 to 65535"),
        (["--max-seconds", "-1"], "at most a day"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, sentence, capsys, handlers):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert sentence in errors.splitlines()[-1]


def test_a_port_that_is_taken_is_one_sentence(capsys, handlers):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        command.main(["--port", str(taken.getsockname()[1])])
    assert ended.value.code == 2
    assert "cannot listen on 127.0.0.1 port" in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def handlers():
    """Put the signal handlers of the test run back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# -- what it is made of


def test_only_the_server_needs_the_extra():
    code = """
import sys
sys.modules["starlette"] = sys.modules["uvicorn"] = None
from gcore_invoices.sandbox import Invoices, handle
try:
    from gcore_invoices.sandbox import SandboxServer
except ImportError as error:
    print(error)
import gcore_invoices.sandbox.__main__ as command
command.main([])
"""
    finished = run("-c", code)
    sentence = "The sandbox's server needs Starlette and uvicorn: pip install 'gcore-invoices[sandbox]'"
    assert finished.stdout == sentence + "\n"
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].endswith(sentence)


def test_importing_it_loads_no_server():
    code = "import sys, gcore_invoices.sandbox; print(sorted({'starlette', 'uvicorn'} & set(sys.modules)))"
    assert run("-c", code).stdout == "[]\n"


def test_it_shares_no_code_with_the_client():
    allowed = set(sys.stdlib_module_names) | {"starlette", "uvicorn"}
    for path in SANDBOX.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.partition(".")[0] in allowed or re.match(r"gcore_invoices\.sandbox\b", name), path
                assert name.partition(".")[0] not in {"starlette", "uvicorn"} or path.name == "server.py"


def test_its_public_names_are_all_there():
    for name in gcore_invoices.sandbox.__all__:
        assert getattr(gcore_invoices.sandbox, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Client'"):
        gcore_invoices.sandbox.Client  # noqa: B018  # looking is the test
