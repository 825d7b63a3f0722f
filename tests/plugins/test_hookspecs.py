"""Every hook is typed, documented where it is declared and in docs/hooks.md, and tested."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import MappingProxyType
from typing import get_type_hints

import attrs
import httpx
import msgspec
import pytest
from support import wire_invoice
from support_plugins import ROOT

import gcore_invoices as gi
from gcore_invoices import hookspecs
from gcore_invoices.models import decode_invoice
from gcore_invoices.plugins.manager import Plugins

HOOKS = list(hookspecs.KINDS)

# A second time, since these are promises: arguments, kind, whether the first result counts.
TABLE = {
    "call_context": ("call", "observer", False),
    "before_send": ("call, attempt, request", "decider", False),
    "intercept": ("call, request", "decider", True),
    "throttle": ("call, attempt", "collected", False),
    "after_response": ("call, attempt, response, elapsed", "observer", False),
    "after_error": ("call, attempt, error, elapsed", "observer", False),
    "decide_retry": ("call, attempt, error", "decider", True),
    "retry_scheduled": ("call, attempt, error, delay", "observer", False),
    "page_received": ("walk, page", "observer", False),
    "walk_finished": ("walk, report", "observer", False),
    "register_exporters": ("", "collected", False),
    "register_commands": ("app", "collected", False),
}


def spec(hook):
    return getattr(hookspecs, hook)


def test_the_hooks_are_the_designs():
    found = {
        hook: (
            ", ".join(inspect.signature(spec(hook)).parameters),
            kind,
            spec(hook).gcore_invoices_spec["firstresult"],
        )
        for hook, kind in hookspecs.KINDS.items()
    }
    assert found == TABLE, "if it is meant, change TABLE in this file"
    assert list(found) == list(TABLE)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_can_be_called_by_the_core(hook):
    hooks = Plugins([], {}).hooks
    assert hasattr(hooks, hook), f'add `self.{hook} = caller("{hook}")` to Hooks in plugins/manager.py'


def test_every_public_function_of_the_module_is_a_hook():
    functions = {
        name
        for name, value in vars(hookspecs).items()
        if inspect.isfunction(value) and value.__module__ == hookspecs.__name__ and not name.startswith("_")
    }
    assert functions == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_typed(hook):
    signature = inspect.signature(spec(hook))
    untyped = [name for name, p in signature.parameters.items() if p.annotation is p.empty]
    assert untyped == []
    assert signature.return_annotation is not signature.empty
    # The names exist: a type that cannot be looked up is a comment.
    import contextlib  # noqa: PLC0415
    from collections.abc import Mapping  # noqa: PLC0415

    names = vars(gi) | {"httpx": httpx, "Mapping": Mapping} | vars(contextlib)
    hints = get_type_hints(spec(hook), globalns=vars(hookspecs) | names)
    assert set(hints) == {*signature.parameters, "return"}


LINES = ("When: ", "May: ", "Exceptions: ", "Sync and async: ")


def documented(text):
    """The lines a hook's description must have, in order, each with something in it."""
    found = [line for line in LINES if re.search(rf"^ *{line}\S", text, re.MULTILINE)]
    positions = [text.index(line) for line in found]
    return found == list(LINES) and positions == sorted(positions)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented_where_it_is_declared(hook):
    text = inspect.getdoc(spec(hook))
    assert re.match(r"[A-Z].+\.$", text.splitlines()[0]), "the first line is a sentence"
    assert documented(text)
    assert re.search(r"^New in \d+\.\d+\.$", text, re.MULTILINE)


def sections(text):
    """The text below each heading that is a hook's name."""
    parts = re.split(r"^### `(\w+)`$", text, flags=re.MULTILINE)
    return dict(
        zip(
            parts[1::2],
            (re.split(r"^#{1,3} ", part, flags=re.MULTILINE)[0] for part in parts[2::2]),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def reference():
    return sections((ROOT / "docs" / "hooks.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_its_section_in_the_docs(hook, reference):
    assert hook in reference, f"docs/hooks.md has no heading ### `{hook}`"
    text = reference[hook]
    arguments, kind, first = TABLE[hook]
    listed = ", ".join(f"`{name}`" for name in arguments.split(", ")) if arguments else "none"
    assert f"Arguments: {listed}." in text
    assert f"Kind: {kind}{', the first result counts' if first else ''}." in text
    for word in ("When: ", "May: ", "Exceptions: "):
        assert re.search(rf"^- {word}\S", text, re.MULTILINE), word
    assert re.search(r"New in \d+\.\d+\.", text)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_docs_say_what_the_docstring_says(hook, reference):
    """The same sentences: what is written twice would drift apart."""
    said = " ".join(inspect.getdoc(spec(hook)).split())
    written = " ".join(reference[hook].replace("\n- ", "\n").split())
    for begin, end in zip(LINES, (*LINES[1:], "New in"), strict=True):
        sentence = said.partition(begin)[2].partition(f" {end}")[0]
        sentence = sentence[0].upper() + sentence[1:]
        found = written.partition(begin)[2]
        assert found[:1].upper() + found[1 : len(sentence)] == sentence, begin


def test_the_docs_describe_no_hook_that_is_none(reference):
    assert list(reference) == HOOKS


def marks(source):
    """Hooks that tests carry a mark for: @pytest.mark.hook("name") on a function test_*."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hook":
                    found.update(argument.value for argument in mark.args)
    return found


@pytest.fixture(scope="module")
def tested():
    return marks(Path(__file__).with_name("test_hooks.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_test(hook, tested):
    """A test that is marked fails unless it fires the hook: conftest.py sees to that."""
    assert hook in tested, f"no test in test_hooks.py is marked @pytest.mark.hook({hook!r})"


def test_marks_are_for_hooks_that_are_there(tested):
    assert tested <= set(HOOKS)


def test_the_checks_notice_what_is_missing():
    assert not documented("When: always.\nMay: look.\nExceptions: none.")
    assert not documented("May: look.\nWhen: always.\nExceptions: none.\nSync and async: the same.")
    assert not documented("When: \nMay: look.\nExceptions: none.\nSync and async: the same.")
    assert documented("When: always.\nMay: look.\nExceptions: none.\nSync and async: the same.")
    assert sections("### `a`\none\n## b\ntwo\n### `c`\nthree") == {"a": "\none\n", "c": "\nthree"}
    assert marks('@pytest.mark.hook("a")\ndef test_it(): ...\n@pytest.mark.hook("b")\ndef helper(): ...') == {
        "a"
    }
    assert marks('# @pytest.mark.hook("a")\ndef test_it(): ...') == set()


def test_a_marked_test_must_fire_its_hook(pytester_like_run):
    failed = pytester_like_run('import pytest\n@pytest.mark.hook("intercept")\ndef test_nothing(): ...\n')
    assert "the test never fires intercept" in failed


@pytest.fixture
def pytester_like_run(tmp_path):
    """Runs a test file below this folder's conftest, in a process of its own."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    def run(source):
        (tmp_path / "test_it.py").write_text(source)
        for name in ("conftest.py",):
            (tmp_path / name).write_bytes(Path(__file__).with_name(name).read_bytes())
        done = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--strict-markers",
                tmp_path,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1, done.stdout
        return done.stdout

    return run


QUERY = gi.InvoiceQuery()
INVOICE = decode_invoice(msgspec.json.encode(wire_invoice()))
VALUES = [
    gi.Call(
        id="0" * 16,
        operation="get",
        method="GET",
        url="https://api.gcore.com/x",
        template="/x",
        params={"a": "b"},
        retry=gi.RetryPolicy(),
    ),
    gi.Attempt(number=1, elapsed=0.0, left=None),
    gi.Response(200),
    gi.RetryDecision(1.0),
    gi.Walk("0" * 16, QUERY),
    gi.WalkReport(),
    gi.PluginInfo("a", "explicit"),
    gi.RetryPolicy(),
    QUERY,
    gi.Page(invoices=(INVOICE,), count=1, offset=0),
    INVOICE,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_hooks_see_is_frozen(value):
    fields = attrs.fields_dict(type(value)) if attrs.has(type(value)) else value.__struct_fields__
    for name in fields:
        with pytest.raises(AttributeError):
            setattr(value, name, None)
    with pytest.raises(AttributeError):
        value.brand_new = None


def test_a_calls_params_are_read_only():
    given = {"a": "b"}
    call = gi.Call(
        id="1", operation="list", method="GET", url="u", template="/t", params=given, retry=gi.RetryPolicy()
    )
    given["a"] = "changed"
    assert call.params == {"a": "b"}
    assert isinstance(call.params, MappingProxyType)
    with pytest.raises(TypeError):
        call.params["a"] = "c"


@pytest.mark.parametrize("delay", [-1, -0.001, float("nan"), float("inf"), "1", True])
def test_a_retry_decision_takes_seconds_or_none(delay):
    with pytest.raises(gi.UsageError, match=r"^delay takes a number of 0 or more, not "):
        gi.RetryDecision(delay)


@pytest.mark.parametrize("delay", [0, 0.5, 3600, None])
def test_a_retry_decision_is_a_value(delay):
    assert gi.RetryDecision(delay) == gi.RetryDecision(delay=delay)
    assert gi.RetryDecision(delay).delay == delay
