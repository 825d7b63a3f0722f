from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from support import interrupt, wire_invoice

from gcore_invoices import (
    APIConnectionError,
    APIResponseValidationError,
    AuthenticationError,
    InvoicesError,
    PaginationError,
    PermissionDeniedError,
    UsageError,
    WalkReport,
)
from gcore_invoices.cli.app import COMMANDS
from gcore_invoices.cli.explain import CannotTellError, explain
from gcore_invoices.sandbox import Response

NAMES = [name for name, _, _ in COMMANDS]
KEY = "1234$sandbox"
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")


# -- help


def test_help_names_every_command_the_key_and_the_exit_codes(program):
    done = program("--help")
    assert (done.code, done.err) == (0, "")
    assert set(NAMES) <= set(done.out.split())
    assert "GCORE_API_KEY" in done.out
    assert "5 an incomplete walk" in done.out
    assert "..." not in done.out.partition("Commands:")[2]
    alone = program.inside()
    assert (alone.code, alone.out) == (0, program.inside("--help").out)


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_command_has_a_sentence_and_examples(program, name):
    done = program.inside(name, "--help")
    assert done.code == 0
    examples = done.out.partition("Examples:")[2]
    assert len(re.findall(rf"^ +gcore-invoices {name}", examples, re.MULTILINE)) >= 2
    assert re.search(r"\n  [A-Z][^\n]+", done.out)


@pytest.mark.parametrize(
    ("name", "example"), [(name, each) for name, _, examples in COMMANDS for each in examples]
)
def test_every_option_of_an_example_is_one(program, name, example):
    text = program.inside(name, "--help").out
    for option in re.findall(r"(?<= )--[a-z-]+", example.partition("|")[0]):
        assert option in text


@pytest.mark.slow
def test_the_examples_run(program):
    """In their order, with what they take from one another; what stands behind | or || is not ours."""
    keys = program.folder / "key"
    keys.touch(mode=0o600)
    keys.write_text(KEY)
    for name in ("february.csv", "a.csv", "old.parquet", "new.csv", "b.xlsx"):
        assert program("export", name).code == 0
    for name, _, examples in COMMANDS:
        for example in examples if name != "sandbox" else ():
            words = shlex.split(re.split(r" [|>] | > ", example)[0].replace("~/.config/gcore/key", "key"))
            if "march.csv" in words and name == "export":
                (program.folder / "march.csv").unlink(missing_ok=True)
            done = program.inside(*words)
            # A check may fail, and exports differ: 1 is what these examples are for.
            assert done.code in ({0, 1} if name in {"check", "diff"} else {0}), (example, done.err)


def test_version(program):
    assert re.fullmatch(r"gcore-invoices \d+\.\d+\.\d+\S*\n", program("--version").out)


def test_the_start_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from gcore_invoices.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    print([m for m in ('pyarrow', 'xlsxwriter', 'starlette', 'asyncio',"
        " 'gcore_invoices.export', 'gcore_invoices.sandbox.server') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_the_start_is_quick(program):
    """Processor time, the best of five: what else the machine does has no part in it."""
    times = []
    for _ in range(5):
        with program.start("--help") as process:
            process.stdout.read()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
        times.append(usage.ru_utime + usage.ru_stime)
    assert min(times) < 0.4, times


def test_python_m_is_the_same(program):
    done = subprocess.run(
        [sys.executable, "-m", "gcore_invoices", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, program("--version").out)


def test_without_its_extra_it_says_what_to_install():
    for missing in ("typer", "rich"):
        code = f"import sys; sys.modules[{missing!r}] = None\nfrom gcore_invoices.cli import main\nsys.exit(main())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr == "The command line needs Typer and Rich: pip install 'gcore-invoices[cli]'\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(program, shell):
    done = program("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.code == 0
    assert "gcore-invoices" in done.out


# -- errors and exit codes


def test_a_command_that_is_none(program):
    done = program.inside("lst")
    assert done.code == 2
    assert "lst" in done.err
    assert len(done.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("0$wrong", 3, "gcore-invoices doctor"),
        ("5678$sandbox-engineer", 3, "Administrators"),
        ("", 2, "GCORE_API_KEY"),
    ],
)
def test_a_key_that_does_not_do(program, key, code, words):
    done = program("list", GCORE_API_KEY=key)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert len(done.err.splitlines()) <= 2
    assert not key or key not in done.err


@pytest.mark.slow
def test_no_network(program):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = program.inside("get", 1, "--base-url", f"http://127.0.0.1:{free.getsockname()[1]}")
    assert done.code == 4
    assert "gcore-invoices doctor" in done.err


def test_an_address_without_the_api(program):
    done = program.inside("list", "--base-url", f"{program.url}/elsewhere")
    assert done.code == 4
    assert done.err.splitlines() == [
        "gcore-invoices: The API answered 404 Not Found: There is nothing at this address.",
        "  Is the address right? See: gcore-invoices doctor",
    ]
    done = program.inside("doctor", "--base-url", f"{program.url}/elsewhere")
    assert done.code == 4
    assert "→ Check the address, the proxy if there is one, and try again later.\n" in done.out


def test_an_incomplete_walk(faulty):
    rows = [wire_invoice(2), wire_invoice(1)]  # not in the order asked for
    lie = json.dumps({"count": 2, "next": None, "previous": None, "results": rows}).encode()
    program = faulty(lambda request: Response(200, {"Content-Type": "application/json"}, lie))
    done = program("list")
    assert done.code == 5
    assert "what was written so far is not the whole list" in done.err


def test_debug_shows_the_traceback_and_never_the_key(program):
    done = program("list", "--debug", GCORE_API_KEY="0$wrong")
    assert done.code == 3
    assert "Traceback" in done.err
    assert "0$wrong" not in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("a"), 2),
        (AuthenticationError("a", status_code=401), 3),
        (PermissionDeniedError("a", status_code=403), 3),
        (APIConnectionError("a"), 4),
        (APIResponseValidationError("a"), 4),
        (InvoicesError("a"), 4),
        (PaginationError("a", report=WalkReport()), 5),
        (OSError(28, "No space left on device", "x.csv"), 2),
    ],
)
def test_every_error_has_a_code_a_sentence_and_check_makes_it_2(error, code):
    told = explain(error)
    assert told.code == code
    assert told.sentence
    wrapped = CannotTellError()
    wrapped.__cause__ = error
    assert explain(wrapped).code == 2


@pytest.mark.parametrize(("options", "code"), [([], 4), (["--debug"], 4)], ids=["plain", "debug"])
def test_a_fault_of_the_program_is_a_sentence_and_never_the_code_of_a_check(
    program, monkeypatch, options, code
):
    monkeypatch.setattr("gcore_invoices.client.InvoicesClient.list", lambda *_, **__: 1 / 0)
    done = program.inside("summary", *options)
    assert (done.code, done.out) == (code, "")
    assert done.err.endswith(
        "gcore-invoices: This is a fault of gcore-invoices: ZeroDivisionError: division by zero\n"
        "  Run it again with --debug to see more, and report it.\n"
    )
    assert ("Traceback" in done.err) == bool(options)
    assert program.inside("check", "--overdue-days", 1, *options).code == 2


def test_a_broken_pipe_is_silent(program, sandbox):
    with program.start("list") as process:
        line = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        code = process.wait(20)
    assert json.loads(line)["id"] == 90002
    assert (code, errors) == (0, b"")


@pytest.mark.parametrize("arguments", [["list", "--format", "table"], ["summary"]], ids=" ".join)
def test_a_broken_pipe_of_a_table_is_silent(program, arguments):
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as pipe:
        done = program.with_streams(*arguments, stdout=pipe, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "number", "code"),
    [(["get", "90002"], 1, 0), (["get", "5"], 2, 4), (["--help"], 1, 0), (["plugins"], 2, 0)],
    ids=str,
)
def test_a_stream_that_is_closed_changes_no_exit_code(program, arguments, number, code):
    done = program.with_streams(*arguments, capture_output=True, preexec_fn=partial(os.close, number))
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


@needs_full
@pytest.mark.parametrize(("arguments", "code"), [(["get", "5"], 4), (["export", "a.csv"], 0)], ids=str)
def test_what_cannot_be_told_on_standard_error_changes_no_exit_code(program, arguments, code):
    with FULL.open("wb") as full:
        assert program.with_streams(*arguments, stdout=subprocess.PIPE, stderr=full).returncode == code


@needs_full
def test_output_that_has_no_room_is_an_error(program):
    with FULL.open("wb") as full:
        done = program.with_streams("list", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.startswith(b"gcore-invoices: No space left on device.")


def test_ctrl_c_is_130(faulty):
    asked, held = Event(), Event()

    def before(request):
        asked.set()
        held.wait(30)

    program = faulty(before)
    with program.start("list") as process:
        assert asked.wait(30)
        interrupt(process)
        out, errors = process.communicate(timeout=20)
    held.set()
    assert (process.returncode, out, errors) == (130, b"", b"")


def test_ctrl_c_while_it_loads_is_130_too(program, monkeypatch):
    class Interrupting:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "gcore_invoices.cli.run":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "gcore_invoices.cli.run", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    done = program.inside("list")
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_end_by_another_signal(faulty, name):
    """`kill`, and the end of a terminal: like Ctrl-C, with the code of the signal."""
    asked, held = Event(), Event()

    def before(request):
        asked.set()
        held.wait(30)

    with faulty(before).start("list") as process:
        assert asked.wait(30)
        process.send_signal(getattr(signal, name))
        out, errors = process.communicate(timeout=20)
    held.set()
    assert (process.returncode, out, errors) == (128 + getattr(signal, name), b"", b"")


def test_nohup_is_honoured(faulty):
    asked, held = Event(), Event()

    def before(request):
        asked.set()
        held.wait(30)

    with faulty(before, count=3).start("list", ignored=[signal.SIGHUP]) as process:
        assert asked.wait(30)
        process.send_signal(signal.SIGHUP)
        held.set()
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, len(out.splitlines())) == (0, 3)


def test_output_is_utf8_whatever_the_locale(faulty):
    body = json.dumps(
        {"count": 1, "next": None, "previous": None, "results": [wire_invoice(1, name="Rechnung №1")]}
    )
    answer = Response(200, {"Content-Type": "application/json"}, body.encode())
    done = faulty(lambda request: answer)(
        "list", "--format", "json", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    )
    assert done.code == 0, done.err
    assert "Rechnung №1" in done.out


# -- the key in a file


def test_a_key_file_that_nobody_else_reads(program):
    path = program.folder / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    done = program("get", 90002, "--api-key-file", path, GCORE_API_KEY="0$wrong")
    assert done.code == 0, done.err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_touch_is_refused(program, mode):
    path = program.folder / "key"
    path.write_text(KEY)
    path.chmod(mode)
    done = program.inside("get", 90002, "--api-key-file", path)
    assert done.code == 2
    assert f"chmod 600 {path}" in done.err
    assert KEY not in done.err


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff\xfe"])
def test_a_key_file_without_a_key(program, data):
    path = program.folder / "key"
    path.write_bytes(data)
    path.chmod(0o600)
    assert program.inside("get", 90002, "--api-key-file", path).code == 2


def test_there_is_no_option_for_the_key_itself(program):
    for name in NAMES:
        assert not re.search(r"--(api-)?key(?!-file)", program.inside(name, "--help").out)


# -- plugins


PLUGIN = """
import typer
from gcore_invoices import hookimpl

@hookimpl
def register_commands(app):
    {body}
"""


@pytest.fixture
def plugin(program):
    """Installs a plugin for one run: a distribution on PYTHONPATH."""

    def install(body):
        (program.folder / "hello_plugin.py").write_text(PLUGIN.format(body=body))
        info = program.folder / "hello-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[gcore_invoices]\nhello = hello_plugin\n")
        return {"PYTHONPATH": str(program.folder)}

    return install


def test_a_plugin_adds_a_command(program, plugin):
    variables = plugin("@app.command()\n    def hello(name: str):\n        typer.echo(f'Hello {name}')")
    assert program("hello", "you", **variables).out == "Hello you\n"
    assert (
        "active    hello    entry point, hello 1.0: register_commands" in program("plugins", **variables).out
    )
    blocked = program("plugins", **variables, GCORE_INVOICES_DISABLED_PLUGINS="hello").out
    assert "blocked   hello" in blocked


def test_a_plugin_that_fails_costs_its_commands_and_not_ours(program, plugin):
    variables = plugin("raise RuntimeError('no')")
    done = program("get", 90002, **variables)
    assert done.code == 0
    assert "a plugin could not add its commands: RuntimeError: no" in done.err


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_misspelt_name_of_a_plugin_is_told(format_, program):
    done = program("plugins", "--format", format_, GCORE_INVOICES_DISABLED_PLUGINS="retrys,logging")
    assert done.code == 0
    assert done.err.splitlines()[0] == (
        "GCORE_INVOICES_DISABLED_PLUGINS blocks nothing by this: "
        "Unknown plugin 'retrys'. Did you mean 'retries'? Valid: logging, metrics, retries."
    )
    assert "retrys" not in done.out
    assert "blocks nothing" not in program("plugins", "--format", format_).err


def test_plugins_as_json(program):
    told = json.loads(program.inside("plugins", "--format", "json").out)
    assert {"logging", "metrics", "retries"} <= {info["name"] for info in told if info["state"] == "active"}


# -- sandbox


@pytest.mark.slow
def test_the_sandbox_serves_and_stops(program):
    with program.start("sandbox", "--invoices", 3, "--max-seconds", 60) as process:
        lines = [process.stdout.readline().decode() for _ in range(2)]
        url = re.search(r"GCORE_BASE_URL='(.+)'", lines[0])[1]
        assert len(program("list", GCORE_BASE_URL=url).out.splitlines()) == 3
        interrupt(process)
        process.communicate(timeout=20)
    assert process.returncode == 0
