"""One run of the command line: its streams, its errors as one sentence each, and its exit code."""

from __future__ import annotations

import decimal
import os
import signal
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, NoReturn

import typer

from gcore_invoices.cli.app import build
from gcore_invoices.cli.command import ReaderGoneError
from gcore_invoices.cli.explain import INTERRUPTED, Explanation, explain
from gcore_invoices.cli.text import nowhere, printable, tell

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started it, as some daemons do
            setattr(sys, name, nowhere())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test has replaced it
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    decimal.getcontext().prec = 10_000  # sums are exact; the default keeps 28 digits
    # What Ctrl-C cleans up is cleaned up then, too.
    for name in ("SIGTERM", "SIGHUP"):  # the end of a terminal is a SIGHUP; nohup asks to ignore it
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), _end)
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        code = build()(list(arguments) or ["--help"], prog_name="gcore-invoices", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, ReaderGoneError):
        _leave_stdout()
        return 0  # `| head` has had what it wanted
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a fault of ours is told like the rest
        if "--debug" in arguments:
            tell(traceback.format_exc().rstrip())
        code = _tell(explain(error))
    return code if isinstance(code, int) else 0


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    tell(f"gcore-invoices: {printable(str(message))}")


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _tell(told: Explanation) -> int:
    tell(f"gcore-invoices: {printable(told.sentence)}")
    if told.remedy:
        tell(f"  {printable(told.remedy)}")
    return told.code


def _leave_stdout() -> None:
    """Let the interpreter flush into nothing at its end, instead of into the broken pipe."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
