"""The public API is what api.txt says, and a release breaks nothing that its version does not allow."""

from __future__ import annotations

import subprocess
import warnings

import pytest
from support_contract import ROOT, python
from support_scripts import script

import gcore_invoices
from gcore_invoices.cli.app import COMMANDS

api = script("tools/api.py")

OLD = """
from __future__ import annotations
from enum import Enum
from attrs import field, frozen

__all__ = ["Client", "Color", "Query", "Sub", "connect", "__version__"]
from gcore_invoices._version import __version__

class Color(Enum):
    RED = "red"
    BLUE = "blue"

@frozen(kw_only=True)
class Query:
    name: str
    limit: int | None = field(default=100, validator=print)

class _Base:
    def close(self) -> None: ...

class Client(_Base):
    timeout: float
    def get(self, id: int, *, strict: bool = False) -> str | None: ...
    def list(self, query: Query | None = None) -> list[str]: ...
    def _private(self, a): ...
    @property
    def name(self) -> str: ...

class Sub(Client): ...

def connect(url: str, retries: int = 3) -> Client: ...
def _helper(a, b): ...
"""
HOOKS = """
from __future__ import annotations

def _hook(kind): return lambda function: function

@_hook("observer")
def after(call: int, error: str) -> None: ...

@_hook("decider")
def decide(call: int) -> bool | None: ...
"""

# What a caller cannot look up stands in other modules, and behind type variables.
NAMES = """
from typing import Literal, TypeVar
Way = Literal["up", "down"]
Ways = Way | tuple[str, ...]
DELAY = 0.5
T = TypeVar("T")
"""
SPELLED = """
from __future__ import annotations
from typing import ClassVar, Generic, TypedDict
from attrs import field, frozen
import msgspec
from gcore_invoices._names import DELAY, T, Ways

__all__ = ["PUBLIC", "Child", "Client", "Error", "Fields", "Point", "Row", "go"]
PUBLIC = 7
_WAIT = dict(seconds=DELAY)

class _Base(Generic[T]):
    def take(self, what: list[T], *, safe: bool = False, **more: int) -> T: ...
    @classmethod
    def make(cls) -> str: ...
class Client(_Base[int]): ...
class Error(Exception): ...
class Child(Error, ValueError): ...
class Fields(TypedDict, total=False):
    a: int
class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    id: int
    name: str = ""
@frozen
class Point:
    kind: ClassVar[str] = "point"
    x: float
    y: float = field(default=DELAY)
    z: float = field(default=0, kw_only=True)
def go(way: Ways | None, wait: dict = _WAIT, limit: int = PUBLIC) -> None: ...
"""


def git(root, *arguments):
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def write(root, source=OLD, hooks=HOOKS, version="0.1.0"):
    folder = root / "gcore_invoices"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text(source, encoding="utf-8")
    (folder / "hookspecs.py").write_text(hooks, encoding="utf-8")
    (folder / "_version.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")


@pytest.fixture
def repository(tmp_path):
    """A repository with one release, v0.1.0."""
    write(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    git(tmp_path, "tag", "v0.1.0")
    return tmp_path


def check(root):
    """The command, in a repository whose api.txt is right."""
    python(ROOT / "tools" / "api.py", "--root", root)
    done = python(ROOT / "tools" / "api.py", "--root", root, "--check")
    assert done.stderr == ""
    return done.returncode, done.stdout


# -- the snapshot


def test_the_public_api_is_what_api_txt_says():
    text = (ROOT / "api.txt").read_text(encoding="utf-8")
    assert text == api.whole(ROOT), "The public API is not what api.txt says. If it is meant: make api"


def test_api_txt_has_every_public_name_hook_and_member():
    paths = set(api.surface(api.load(ROOT)))
    assert {f"gcore_invoices.{name}" for name in gcore_invoices.__all__} - paths == {
        "gcore_invoices.__version__"
    }
    assert {
        "gcore_invoices.SortKey.NAME",
        "gcore_invoices.hookspecs.decide_retry",
        "gcore_invoices.money.ageing",
        "gcore_invoices.export.Csv.excel",
        "gcore_invoices.testing.FakeApi.add",
        "gcore_invoices.testing.strategies.invoices",
        "gcore_invoices.plugins.otel.OpenTelemetry.__init__",
        "gcore_invoices.InvoicesClient.with_options",
    } <= paths
    assert not [path for path in paths if "._" in path.replace("__", "")]


def test_a_line_tells_all_that_a_caller_sees(tmp_path):
    write(tmp_path)
    lines = api.snapshot(api.surface(api.load(tmp_path))).splitlines()[1:]
    assert lines == [
        "gcore_invoices.Client class(_Base)",
        "gcore_invoices.Client.close() -> None",
        "gcore_invoices.Client.get(id: int, *, strict: bool = False) -> str | None",
        "gcore_invoices.Client.list(query: Query | None = None) -> list[str]",
        "gcore_invoices.Client.name property: str",
        "gcore_invoices.Client.timeout: float",
        "gcore_invoices.Color class(Enum)",
        "gcore_invoices.Color.BLUE = 'blue'",
        "gcore_invoices.Color.RED = 'red'",
        "gcore_invoices.Query class() @frozen(kw_only=True)",
        "gcore_invoices.Query.limit: int | None = 100",
        "gcore_invoices.Query.name: str",
        "gcore_invoices.Sub class(Client)",
        "gcore_invoices.Sub.close() -> None",
        "gcore_invoices.connect(url: str, retries: int = 3) -> Client",
        "gcore_invoices.hookspecs.after(call: int, error: str) -> None @_hook('observer')",
        "gcore_invoices.hookspecs.decide(call: int) -> bool | None @_hook('decider')",
    ]


def spelled(root, source=SPELLED, names=NAMES):
    """The package with names that stand for something, read."""
    root.mkdir(exist_ok=True)
    write(root, source, "")
    (root / "gcore_invoices" / "_names.py").write_text(names, encoding="utf-8")
    return api.load(root)


def test_names_that_a_caller_cannot_look_up_are_spelled_out(tmp_path):
    lines = api.snapshot(api.surface(spelled(tmp_path))).splitlines()[1:]
    assert lines == [
        "gcore_invoices.Child class(Error, ValueError)",
        "gcore_invoices.Client class(_Base[int])",
        "gcore_invoices.Client.make() -> str @classmethod",
        "gcore_invoices.Client.take(what: list[int], *, safe: bool = False, **more: int) -> int",
        "gcore_invoices.Error class(Exception)",
        "gcore_invoices.Fields class(TypedDict, total=False)",
        "gcore_invoices.Fields.a: int",
        "gcore_invoices.PUBLIC = 7",
        "gcore_invoices.Point class() @frozen with x, y",
        "gcore_invoices.Point.kind: str = 'point'",
        "gcore_invoices.Point.x: float",
        "gcore_invoices.Point.y: float = 0.5",
        "gcore_invoices.Point.z: float = 0",
        "gcore_invoices.Row class(msgspec.Struct, frozen=True, kw_only=True) with id, name",
        "gcore_invoices.Row.id: int",
        "gcore_invoices.Row.name: str = ''",
        "gcore_invoices.go(way: Literal['up', 'down'] | tuple[str, ...] | None, "
        "wait: dict = dict(seconds=0.5), limit: int = PUBLIC) -> None",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"up", "down"', '"up"', "go took way: Literal['up', 'down'] | tuple[str, ...] | None and takes Literal['up'] | tuple[str, ...] | None"),
        ('Way = Literal["up", "down"]', "Way = int", "go took way: "),
        ("DELAY = 0.5", "DELAY = 1.5", "Point.y was 0.5 and is 1.5"),
        ("DELAY = 0.5", "DELAY = 1.5", "go(wait): parameter default was changed"),
        ("Client(_Base[int])", "Client(_Base[str])", "Client.take returned int and returns str"),
        ("Client(_Base[int])", "Client(_Base[str])", "Client.take took what: list[int] and takes list[str]"),
        ("*, safe: bool = False, ", "", "Client.take(safe): parameter was removed"),
        ("    @classmethod\n", "", "Client.make was marked classmethod and is marked by nothing"),
        (", total=False", "", "Fields was made with total=False and is made with no keyword"),
        ("frozen=True, ", "", "Row was made with frozen=True, kw_only=True and is made with kw_only=True"),
        ("Child(Error, ValueError)", "Child(Exception, ValueError)", "Child no longer has the base Error"),
        ("    x: float\n", "", "Point.x is gone"),
        ("    x: float\n    y: float = field(default=DELAY)\n", "    y: float = field(default=DELAY)\n    x: float\n", "Point had x, y in this order and has y, x"),
        ("    x: float\n", "    w: int = 0\n    x: float\n", "Point had x, y in this order and has w, x, y"),
        ('    id: int\n    name: str = ""\n', '    name: str = ""\n    id: int\n', "Row had id, name in this order and has name, id"),
    ],
)  # fmt: skip
def test_what_changes_behind_a_name_is_said(old, new, said, tmp_path):
    assert (NAMES + SPELLED).count(old) == 1
    after = spelled(tmp_path / "new", SPELLED.replace(old, new), NAMES.replace(old, new))
    found = api.breaks(spelled(tmp_path / "old"), after)
    assert [one for one in found if one.startswith(f"gcore_invoices.{said}")], found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"up", "down"]', '"up", "down", "on"]\nOther = Way'),
        ("Ways = Way |", "Ways = int | Way |"),
        ("DELAY = 0.5", "DELAY = 0.5\nMORE = 1"),
        ("**more: int", "**others: int"),
        ("    z: float", "    v: float = 0\n    z: float"),
        ("    z: float = field(default=0", "    other: float = field(default=0, kw_only=True)\n    z: float = field(default=0"),
        ('    name: str = ""', '    new: int = 1\n    name: str = ""'),
        (", gc=False", ""),
        ("class Child(Error, ValueError)", "class Closer(Error): ...\nclass Child(Closer, ValueError)"),
    ],
)  # fmt: skip
def test_what_grows_behind_a_name_is_not_said(old, new, tmp_path):
    assert (NAMES + SPELLED).count(old) == 1
    after = spelled(tmp_path / "new", SPELLED.replace(old, new), NAMES.replace(old, new))
    assert api.breaks(spelled(tmp_path / "old"), after) == []


def test_a_snapshot_that_is_not_renewed_fails_and_says_how_to(repository):
    python(ROOT / "tools" / "api.py", "--root", repository)
    write(repository, OLD.replace("retries: int = 3", "retries: int = 3, *, proxy: str = ''"))
    done = python(ROOT / "tools" / "api.py", "--root", repository, "--check")
    assert done.returncode == 1
    assert "-gcore_invoices.connect(url: str, retries: int = 3) -> Client\n" in done.stdout
    assert (
        "+gcore_invoices.connect(url: str, retries: int = 3, *, proxy: str = '') -> Client\n" in done.stdout
    )
    assert done.stdout.endswith("The public API is not what api.txt says. If it is meant: make api\n")


def test_every_command_stands_there_with_what_it_takes():
    lines = {line.split()[1]: line.split()[2:] for line in api.commands(ROOT)}
    assert sorted(name for name, _, _ in COMMANDS) == list(lines)
    assert lines["diff"] == ["OLD", "NEW", "--debug", "--exit-code", "--format", "--quiet", "-q"]
    assert {"--sort", "--unpaid"} <= set(lines["list"])


# -- the last release


def test_without_a_release_there_is_nothing_to_compare_with(tmp_path):
    write(tmp_path)
    git(tmp_path, "init", "--quiet")
    assert check(tmp_path) == (0, "No version is released: there is no tag v… to compare with.\n")


def test_an_unchanged_api_is_compatible(repository):
    assert check(repository) == (0, "Whoever uses v0.1.0 can use this.\n")


def test_a_break_without_a_new_version_fails_in_one_sentence_each(repository):
    write(repository, OLD.replace("def connect(url", "def connect(address"), version="0.1.1")
    code, said = check(repository)
    assert code == 1
    assert said == (
        "0.1.1 breaks what v0.1.0 had:\n"
        "  gcore_invoices.connect(address): parameter was added as required\n"
        "  gcore_invoices.connect(url): parameter was removed\n"
        "Keep the old beside the new for one minor version, with a DeprecationWarning, or make it a new minor "
        "version (before 1.0).\n"
    )


def test_a_version_that_may_break_lists_what_it_breaks(repository):
    write(repository, OLD.replace("    BLUE", "    GREEN"), version="0.2.0")
    assert check(repository) == (
        0,
        "0.2.0 may break what v0.1.0 had, and CHANGELOG.md should say so:\n  gcore_invoices.Color.BLUE is gone\n",
    )


@pytest.mark.parametrize(
    ("released", "version", "allowed"),
    [
        ("v0.1.0", "0.1.0", False),
        ("v0.1.0", "0.1.9", False),
        ("v0.1.0", "0.2.0", True),
        ("v0.9.0", "1.0.0", True),
        ("v1.0.0", "1.1.0", False),
        ("v1.9.9", "2.0.0", True),
        ("v1.0.0", "0.9.0", False),
        ("v0.2.0", "0.1.0", False),
    ],
)
def test_what_a_version_may_break_is_what_semantic_versioning_says(released, version, allowed):
    assert api.is_allowed(released, version) is allowed


def broken(tmp_path, source=OLD, hooks=HOOKS):
    """What breaks when the fixture becomes this."""
    roots = []
    for name, texts in (("old", (OLD, HOOKS)), ("new", (source, hooks))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, *texts)
        roots.append(api.load(tmp_path / name))
    return api.breaks(*roots)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"connect", ', "", ["gcore_invoices.connect is gone"]),
        ("    timeout: float\n", "", ["gcore_invoices.Client.timeout is gone"]),
        ("timeout: float", "timeout: float | None", ["gcore_invoices.Client.timeout was float and is float | None"]),
        ('"red"', '"rot"', ["gcore_invoices.Color.RED was 'red' and is 'rot'"]),
        ("default=100", "default=20", ["gcore_invoices.Query.limit was 100 and is 20"]),
        ("    name: str\n", "    name: str\n    new: int\n", ["gcore_invoices.Query.new must now be given"]),
        ("(kw_only=True)", "", ["gcore_invoices.Query is no longer made by frozen(kw_only=True)"]),
        ("-> str | None", "-> str | int | None", ["gcore_invoices.Client.get returned str | None and returns str | int | None"]),
        ("query: Query | None", "query: Query", ["gcore_invoices.Client.list took query: Query | None and takes Query"]),
        ("    def list", "    async def list", ["gcore_invoices.Client.list is now async"]),
        ("    @property\n", "", ["gcore_invoices.Client.name was a attribute and is a function"]),
        ("class Sub(Client)", "class Sub", ["gcore_invoices.Sub no longer has the base Client"]),
        ("strict: bool = False", "strict: bool = True", ["gcore_invoices.Client.get(strict): parameter default was changed"]),
        ("strict: bool = False", "strict: bool", ["gcore_invoices.Client.get(strict): parameter is now required"]),
        ("url: str, ", "url: str, port: int, ", ["gcore_invoices.connect(port): parameter was added as required", "gcore_invoices.connect(retries): positional parameter was moved"]),
        ("    def close", "    def shut", ["gcore_invoices.Client.close is gone"]),
    ],
)  # fmt: skip
def test_what_breaks_a_caller_is_said(old, new, said, tmp_path):
    assert OLD.count(old) == 1
    found = broken(tmp_path, OLD.replace(old, new))
    assert len(found) >= len(said)
    assert [any(words in one for one in found) for words in said] == [True] * len(said), found


def test_what_goes_with_its_class_is_not_said_again(tmp_path):
    assert broken(tmp_path, OLD.replace('"Color", ', "")) == ["gcore_invoices.Color is gone"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def _helper(a, b)", "def _aid(c)"),
        ("def _private(self, a)", "def _private(self)"),
        ("retries: int = 3", "retries: int = 3, *, proxy: str = ''"),
        ("url: str", "url: str | bytes"),
        ("-> str | None", "-> str"),
        ("timeout: float", "timeout: float\n    retries: int"),
        ("    name: str\n", "    name: str\n    new: int = 1\n"),
        ('"blue"', '"blue"\n    GREEN = "green"'),
        ("__all__ = [", "__all__ = ['_helper', "),
        ("Client(_Base)", "Client(_Other)"),
    ],
)
def test_what_breaks_nobody_is_not_said(old, new, tmp_path):
    assert OLD.count(old) == 1
    source = OLD.replace(old, new).replace("class _Base", "class _Other: close = _helper\nclass _Base")
    if new == "Client(_Other)":
        source = source.replace("class _Other: close = _helper\nclass _Base", "class _Other")
    assert broken(tmp_path, source) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # A plugin takes what it wants by name, and gives what the hook may return.
        ("call: int, error: str", "error: str, call: int, more: int", None),
        ("call: int, error: str", "call: int", "gcore_invoices.hookspecs.after(error): parameter was removed"),
        ("error: str", "error: str | None", "gcore_invoices.hookspecs.after took error: str and takes str | None"),
        ("-> bool | None", "-> bool | str | None", None),
        ("-> bool | None", "-> bool", "gcore_invoices.hookspecs.decide returned bool | None and returns bool"),
        ('"observer"', '"decider"', "gcore_invoices.hookspecs.after was marked _hook('observer') and is marked _hook('decider')"),
        ('"decider"', '"decider", firstresult=True', "gcore_invoices.hookspecs.decide was marked _hook('decider') and is marked _hook('decider', firstresult=True)"),
        ("def decide", "def choose", "gcore_invoices.hookspecs.decide is gone"),
    ],
)  # fmt: skip
def test_for_plugins_hooks_break_the_other_way_round(old, new, said, tmp_path):
    assert HOOKS.count(old) == 1
    found = broken(tmp_path, hooks=HOOKS.replace(old, new))
    assert len(found) == (said is not None), found
    assert (said or "") in "".join(found)


CLI = "gcore-invoices diff OLD NEW --format -q\ngcore-invoices list --since\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" --since", " --from", ["gcore-invoices list --since is gone"]),
        (" -q", "", ["gcore-invoices diff -q is gone"]),
        ("OLD NEW", "NEW OLD", ["gcore-invoices diff took OLD NEW and takes NEW OLD"]),
        ("gcore-invoices list --since\n", "", ["gcore-invoices list is gone"]),
        (" --since", " --from --since", []),
        ("gcore-invoices list", "gcore-invoices get INVOICE_ID\ngcore-invoices list", []),
    ],
)
def test_a_command_or_option_that_is_gone_breaks_scripts(old, new, said):
    assert CLI.count(old) == 1
    assert api.options_gone(CLI, CLI.replace(old, new)) == said


def test_the_options_are_compared_with_those_of_the_last_release(repository):
    (repository / "api.txt").write_text(CLI, encoding="utf-8")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "two")
    git(repository, "tag", "v0.1.1")
    code, said = check(repository)
    assert code == 1
    assert (
        "0.1.0 breaks what v0.1.1 had:\n  gcore-invoices diff is gone\n  gcore-invoices list is gone\n"
        in said
    )


def test_what_is_deprecated_is_an_error_in_these_tests():
    """So that no code of ours goes on using it, unless a test expects the warning."""
    with pytest.raises(DeprecationWarning, match="use new_name"):
        warnings.warn(
            "old_name is deprecated: use new_name. It goes in 0.3.", DeprecationWarning, stacklevel=2
        )
