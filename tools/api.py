"""The public API: written down in api.txt, and compared with the last release.

    make api         python tools/api.py             # write api.txt from the source
    make api-check   python tools/api.py --check     # api.txt is right, and nothing broke since the last tag

The source is read by griffe, not run; only the options of the command line are asked of Typer. What breaks a
caller needs a new major version; before 1.0, a new minor version, as Semantic Versioning has it for a library
that is still finding its form.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "gcore_invoices"
# Modules that people may import from, with the names that are promised: all of `__all__`, or, in a module
# that has none, all classes and functions without an underscore; of the sandbox, only what the docs show.
PUBLIC: dict[str, tuple[str, ...] | None] = {
    "": None,
    "export": None,
    "hookspecs": None,
    "money": None,
    "plugins.metrics": None,
    "plugins.otel": None,
    "plugins.prometheus": None,
    "sandbox": ("SandboxServer",),
    "testing": None,
    "testing.strategies": None,
}
# Every class has them, and nobody calls them by name.
UNTOLD = {"__version__", "__repr__", "__hash__", "__eq__", "__reduce__", "__getstate__", "__setstate__"}
UNTOLD |= {"__attrs_post_init__", "__slots__", "__getattr__", "__dir__"}
# What a caller notices of a function's decorators; of a hook's, all.
KEPT = {"abstractmethod", "classmethod", "contextmanager", "staticmethod"}

Surface: TypeAlias = dict[str, griffe.Object]
Said: TypeAlias = griffe.Expr | str | None


# -- what is public


def surface(package: griffe.Object) -> Surface:
    """Every public thing by its path, as people import it."""
    found: Surface = {}
    for module, names in PUBLIC.items():
        path = f"{PACKAGE}.{module}".rstrip(".")
        if module and not _has(package, module):
            continue
        holder = package[module] if module else package
        for name in names or _names(holder):
            found |= _below(f"{path}.{name}", _itself(holder[name]))
    public = {one.canonical_path for one in found.values()}
    return {path: _spelled_out(found[path], _arguments(found, path), public) for path in sorted(found)}


def _has(package: griffe.Object, module: str) -> bool:
    try:
        return bool(package[module])
    except KeyError:
        return False


def _names(module: griffe.Object) -> list[str]:
    if module.exports is not None:
        return [str(name) for name in module.exports if name not in UNTOLD]
    own = (one for one in module.members.values() if not one.is_alias and (one.is_class or one.is_function))
    return [one.name for one in own if not one.name.startswith("_")]


def _itself(one: griffe.Object | griffe.Alias) -> griffe.Object:
    return one.final_target if isinstance(one, griffe.Alias) else one


def _below(path: str, one: griffe.Object) -> Iterator[tuple[str, griffe.Object]]:
    yield path, one
    if not one.is_class:
        return
    for name, member in one.all_members.items():
        # A base with a public name has its own lines.
        inherited = name not in one.members and not _itself(member).parent.name.startswith(("_", "Base"))  # type: ignore[union-attr]
        dunder = name.startswith("__") and name.endswith("__")
        if not inherited and name not in UNTOLD and (dunder or not name.startswith("_")):
            own = _itself(member)
            # What a plugin hooks into is its own affair.
            if not (
                isinstance(own, griffe.Function)
                and any(str(one.value) == "hookimpl" for one in own.decorators)
            ):
                yield f"{path}.{name}", own


# -- what a name stands for


def _arguments(found: Surface, path: str) -> dict[str, str]:
    """What a class gives for the type variables of its bases: its members are inherited with it."""
    owner = found.get(path.rpartition(".")[0])
    given: dict[str, str] = {}
    for base in owner.bases if isinstance(owner, griffe.Class) else ():
        if isinstance(base, griffe.ExprSubscript) and isinstance(cls := _meant(base.left), griffe.Class):
            generic = next((one for one in cls.bases if str(one).startswith("Generic[")), None)
            names = [str(one) for one in _items(generic)]
            given |= dict(zip(names, map(str, _items(base)), strict=False))
    return given


def _items(subscript: Said) -> list[Said]:
    if not isinstance(subscript, griffe.ExprSubscript):
        return []
    inner = subscript.slice
    return list(inner.elements) if isinstance(inner, griffe.ExprTuple) else [inner]


def _meant(name: Said) -> griffe.Object | None:
    """What a name leads to, if it is something of the package."""
    if not isinstance(name, griffe.ExprName) or not isinstance(name.parent, griffe.Object):
        return None
    try:
        return _itself(name.parent.modules_collection[name.canonical_path])
    except (KeyError, griffe.AliasResolutionError):
        return None


def _spelled_out(one: griffe.Object, arguments: dict[str, str], public: set[str]) -> griffe.Object:
    """The same, with what callers cannot look up in its place: type aliases, constants, type variables."""

    def told(said: Said) -> Said:
        if not isinstance(said, griffe.Expr):
            return said
        stands = dict(arguments)
        for name in said.iterate(flat=True):
            meant = _meant(name)
            if isinstance(meant, griffe.Attribute) and _stands_for_its_value(meant, public):
                stands[str(name)] = str(told(meant.value))
        return _replaced(str(said), stands)

    spelled = copy.copy(one)
    if isinstance(spelled, griffe.Function):
        spelled.returns = told(spelled.returns)
        spelled.parameters = griffe.Parameters(
            *(
                griffe.Parameter(
                    each.name, annotation=told(each.annotation), kind=each.kind, default=told(each.default)
                )
                for each in spelled.parameters
            )
        )
    elif isinstance(spelled, griffe.Attribute):
        spelled.annotation, spelled.value = told(spelled.annotation), told(spelled.value)
    return spelled


def _stands_for_its_value(one: griffe.Attribute, public: set[str]) -> bool:
    made = str(one.value).partition("(")[0]
    return (
        "module-attribute" in one.labels
        and one.value is not None
        and one.canonical_path not in public  # else it has a line of its own
        and made not in {"TypeVar", "ParamSpec"}
    )


def _replaced(text: str, stands: dict[str, str]) -> str:
    class Names(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.parse(stands[node.id], mode="eval").body if node.id in stands else node

    return ast.unparse(Names().visit(ast.parse(text, mode="eval")))


# -- the snapshot


def line(path: str, one: griffe.Object) -> str:
    """One thing as a line of api.txt."""
    if isinstance(one, griffe.Function):
        marks = "".join(f" @{mark.value}" for mark in one.decorators)
        waits = "async " if "async" in one.labels else ""
        return f"{waits}{path}{one.signature().removeprefix(one.name)}{marks}"
    if isinstance(one, griffe.Class):
        marks = "".join(f" @{mark.value}" for mark in one.decorators)
        fields = f" with {', '.join(_in_order(one))}" if _in_order(one) else ""
        return f"{path} class({', '.join([*map(str, one.bases), *_keywords(one)])}){marks}{fields}"
    if not isinstance(one, griffe.Attribute):
        raise TypeError(f"{path} is a {one.kind.value}: api.txt has no form for it")
    kind = " property" if "property" in one.labels else ""
    said = f": {one.annotation}" if one.annotation is not None else ""
    return f"{path}{kind}{said}{_value(one)}"


def _keywords(one: griffe.Class) -> list[str]:
    return [f"{name}={value}" for name, value in one.keywords.items() if name != "gc"]  # nobody sees it


def _in_order(one: griffe.Class) -> list[str]:
    """The fields that are given or listed in an order: of attrs, unless by name alone, and of msgspec."""
    made = [str(mark.value) for mark in one.decorators if str(mark.value).startswith(("frozen", "define"))]
    if not _is_struct(one) and (not made or "kw_only=True" in made[0]):
        return []
    fields = [one for one in one.members.values() if _is_field(one) and "kw_only=True" not in str(one.value)]
    return [field.name for field in fields if not field.name.startswith("_")]


def _is_struct(one: griffe.Class) -> bool:
    return "msgspec.Struct" in map(str, one.bases)


def _is_field(one: griffe.Object | griffe.Alias) -> TypeGuard[griffe.Attribute]:
    return (
        isinstance(one, griffe.Attribute)
        and one.annotation is not None
        and "property" not in one.labels
        and "instance-attribute" in one.labels  # no ClassVar
        and "init=False" not in str(one.value)
    )


def _value(one: griffe.Attribute) -> str:
    """The value of a constant, a member of an enum, or the default of a field; nothing if there is none."""
    if not {"class-attribute", "module-attribute"} & one.labels or one.value is None:
        return ""
    call = ast.parse(str(one.value), mode="eval").body
    if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "field":
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        default = given.get("default") or (f"{given['factory']}()" if "factory" in given else None)
        return f" = {default}" if default else ""
    return f" = {one.value}"


def snapshot(found: Surface) -> str:
    """The text of api.txt."""
    head = "# The public API. Written by `make api`; a change of it belongs into CHANGELOG.md.\n"
    return head + "".join(f"{line(path, one)}\n" for path, one in found.items())


def whole(root: Path) -> str:
    """api.txt as it should be."""
    return snapshot(surface(load(root))) + "".join(f"{line}\n" for line in commands(root))


def commands(root: Path) -> list[str]:
    """Each command with its arguments and options, as Typer has them; those of plugins are not ours."""
    if not (root / PACKAGE / "cli").is_dir():
        return []
    sys.path.insert(0, str(root))
    import typer  # noqa: PLC0415 - not needed to read a package without a command line

    from gcore_invoices.cli.app import COMMANDS, build  # noqa: PLC0415 - the same

    known = typer.main.get_command(build()).commands  # type: ignore[attr-defined]
    said = []
    for name in sorted(name for name, _, _ in COMMANDS):
        given = [one for one in known[name].params if one.param_type_name == "argument"]
        options = [text for one in known[name].params for text in (*one.opts, *one.secondary_opts)]
        words = [str(one.name).upper() for one in given]
        words += sorted(text for text in options if text.startswith("-"))
        said.append(" ".join(["gcore-invoices", name, *words]))
    return said


# -- what breaks a caller


def breaks(old: griffe.Object, new: griffe.Object) -> list[str]:
    """What no longer works for who used the old, a sentence each."""
    before, after = surface(old), surface(new)
    said = []
    for path in before.keys() - after.keys():
        owner = path.rpartition(".")[0]
        if owner in after or owner not in before:  # else it went with its class
            said.append(f"{path} is gone")
    for path, one in before.items():
        if path in after:
            said += [f"{path}{what}" for what in _changes(one, after[path], is_hook="hookspecs" in path)]
    said += [f"{path} must now be given" for path, one in after.items() if _newly_needed(path, one, before)]
    return sorted(set(said))


def _other_parameters(old: griffe.Function, new: griffe.Function, *, is_hook: bool) -> Iterator[str]:
    """What breaks by the parameters of a function: gone, moved, newly needed, another default."""
    # For griffe, `**more` would take what is gone; here it takes the names of a TypedDict.
    given = [one.name for one in old.parameters if not str(one.kind.value).startswith("variadic")]
    yield from (f"({name}): parameter was removed" for name in given if name not in new.parameters)
    if is_hook:  # a plugin takes by name what it wants: nothing else matters to it
        return
    kinds = griffe.BreakageKind
    told = {kinds.PARAMETER_MOVED, kinds.PARAMETER_CHANGED_KIND, kinds.PARAMETER_CHANGED_DEFAULT}
    told |= {kinds.PARAMETER_CHANGED_REQUIRED, kinds.PARAMETER_ADDED_REQUIRED}
    holders = [griffe.Module("api"), griffe.Module("api")]
    for holder, one in zip(holders, (old, new), strict=True):
        holder.members["function"] = one  # each by itself: what it is spelled out to stands in no module
    for breakage in griffe.find_breaking_changes(*holders):
        if breakage.kind in told:
            one = breakage.new_value if breakage.old_value is None else breakage.old_value
            yield f"({one.name}): {breakage.kind.value.lower()}"


def _changes(old: griffe.Object, new: griffe.Object, *, is_hook: bool) -> Iterator[str]:
    """What is to be said behind the name of what changed."""
    if isinstance(old, griffe.Class) and isinstance(new, griffe.Class):
        yield from _made_otherwise(old, new)
    elif isinstance(old, griffe.Attribute) and isinstance(new, griffe.Attribute):
        if not _fits(new.annotation, old.annotation):
            yield f" was {old.annotation} and is {new.annotation}"
        if _value(old) and _value(old) != _value(new):
            yield f" was{_value(old)} and is{_value(new) or ' without a value'}".replace(" = ", " ")
    elif isinstance(old, griffe.Function) and isinstance(new, griffe.Function):
        yield from _other_parameters(old, new, is_hook=is_hook)
        yield from _other_types(old, new, is_hook=is_hook)
    else:
        yield f" was a {old.kind.value} and is a {new.kind.value}"


def _made_otherwise(old: griffe.Class, new: griffe.Class) -> Iterator[str]:
    """Decorators, keywords, bases, and the order in which fields are taken."""
    marks, now = ([str(mark.value) for mark in one.decorators] for one in (old, new))
    if marks != now:
        yield f" is no longer made by {', '.join(marks) or 'itself alone'}"
    if _keywords(old) != _keywords(new):
        said = (", ".join(_keywords(one)) or "no keyword" for one in (old, new))
        yield f" was made with {next(said)} and is made with {next(said)}"
    yield from (f" no longer has the base {base}" for base in sorted(_bases(old) - _bases(new)))
    fields, now = _in_order(old), _in_order(new)
    stayed = [name for name in fields if name in now]
    if _is_struct(
        new
    ):  # its fields are the columns of exports, whose order is kept; a new one is another column
        now = [name for name in now if name in fields]
    if stayed != now[: len(stayed)]:
        yield f" had {', '.join(fields)} in this order and has {', '.join(now)}"


def _bases(one: griffe.Class) -> set[str]:
    """Every base that is public, with what it is a base of: what `isinstance` and type checkers see."""
    found = {str(base) for base in one.bases if not str(base).startswith(("_", "Base", "Generic["))}
    return found.union(*(_bases(base) for base in one.resolved_bases if isinstance(base, griffe.Class)))


def _other_types(old: griffe.Function, new: griffe.Function, *, is_hook: bool) -> Iterator[str]:
    """A caller gives parameters and gets the result; a plugin gets the parameters of a hook and gives it."""
    marks, now = (
        [str(mark.value) for mark in one.decorators if is_hook or str(mark.value) in KEPT]
        for one in (old, new)
    )
    if marks != now:
        yield f" was marked {', '.join(marks) or 'by nothing'} and is marked {', '.join(now) or 'by nothing'}"
    if ("async" in old.labels) != ("async" in new.labels):
        yield f" is {'no longer' if 'async' in old.labels else 'now'} async"
    results = (new.returns, old.returns)
    if not _fits(*(reversed(results) if is_hook else results)):
        yield f" returned {old.returns} and returns {new.returns}"
    for parameter in old.parameters:
        if parameter.name in new.parameters:
            taken = (parameter.annotation, new.parameters[parameter.name].annotation)
            if not _fits(*(reversed(taken) if is_hook else taken)):
                yield f" took {parameter.name}: {taken[0]} and takes {taken[1]}"


def _fits(value: object, place: object) -> bool:
    """Whether all that one type allows, the other does: by the parts of a union, no deeper."""
    return place is None or _parts(value) <= _parts(place)


def _parts(annotation: object) -> set[str]:
    return set(_each(ast.parse(str(annotation), mode="eval").body))


def _each(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.BinOp):
        yield from (*_each(node.left), *_each(node.right))
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
        values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        yield from (f"Literal[{ast.unparse(value)}]" for value in values)
    else:
        yield ast.unparse(node)


def _newly_needed(path: str, one: griffe.Object, before: Surface) -> bool:
    """Whether it is a new field, without a default, of a class that people could make before."""
    owner = before.get(path.rpartition(".")[0])
    return (
        isinstance(owner, griffe.Class)
        and path not in before
        and any(str(mark.value).startswith(("frozen", "define")) for mark in owner.decorators)
        and _is_field(one)
        and not _value(one)
    )


def options_gone(old: str, new: str) -> list[str]:
    """What a command line of the old api.txt could say, and one of the new cannot."""
    before, after = (
        {
            tuple(line.split()[:2]): line.split()[2:]
            for line in text.splitlines()
            if line.startswith("gcore-inv")
        }
        for text in (old, new)
    )
    said = []
    for command, words in before.items():
        path = " ".join(command)
        if command not in after:
            said.append(f"{path} is gone")
            continue
        said += [
            f"{path} {word} is gone" for word in words if word.startswith("-") and word not in after[command]
        ]
        took, takes = ([word for word in each if word[0] != "-"] for each in (words, after[command]))
        if took != takes:
            said.append(f"{path} took {' '.join(took) or 'nothing'} and takes {' '.join(takes) or 'nothing'}")
    return said


def is_allowed(released: str, version: str) -> bool:
    """Whether a version may break what a released one had."""
    old, new = (tuple(int(part) for part in re.findall(r"\d+", one)[:3]) for one in (released, version))
    return new[0] > old[0] or (old[0] == 0 and new[:2] > old[:2])


# -- the commands


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What git says."""
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)


def load(root: Path) -> griffe.Object:
    """The package, read and not run."""
    return _itself(
        griffe.load(
            PACKAGE,
            search_paths=[root],
            try_relative_path=False,
            allow_inspection=False,
            resolve_aliases=True,
        )
    )


def compare(root: Path, text: str) -> tuple[int, str]:
    """Compare with the last released tag: an exit code, and what to say."""
    version = ast.literal_eval(str(_itself(load(root)["_version.__version__"]).value))  # type: ignore[attr-defined]
    described = git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    if described.returncode:
        return 0, "No version is released: there is no tag v… to compare with."
    tag = described.stdout.strip()
    old = griffe.load_git(
        PACKAGE, ref=tag, repo=root, search_paths=["."], allow_inspection=False, resolve_aliases=True
    )
    broken = [
        *breaks(_itself(old), load(root)),
        *options_gone(git(root, "show", f"{tag}:api.txt").stdout, text),
    ]
    told = "".join(f"\n  {one}" for one in broken)
    if not broken:
        return 0, f"Whoever uses {tag} can use this."
    if is_allowed(tag, version):
        return 0, f"{version} may break what {tag} had, and CHANGELOG.md should say so:{told}"
    step = "minor version (before 1.0)" if tag.startswith("v0.") else "major version"
    return 1, (
        f"{version} breaks what {tag} had:{told}\n"
        "Keep the old beside the new for one minor version, with a DeprecationWarning, "
        f"or make it a new {step}."
    )


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description="Write down the public API, or check it.")
    parser.add_argument("--check", action="store_true", help="compare with api.txt and with the last release")
    parser.add_argument("--root", type=Path, default=ROOT, help="default: this repository")
    options = parser.parse_args()
    path, text = options.root / "api.txt", whole(options.root)
    if not options.check:
        path.write_text(text, encoding="utf-8")
        print(f"Wrote {path.name}.")
        return 0
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != kept:
        rows = difflib.unified_diff(kept.splitlines(), text.splitlines(), "api.txt", "source", "", "", 0, "")
        print("\n".join(rows))
        print("The public API is not what api.txt says. If it is meant: make api")
        return 1
    code, said = compare(options.root, text)
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
