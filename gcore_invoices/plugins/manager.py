"""One client's plugins: found, checked, ordered, and called."""

from __future__ import annotations

import inspect
import logging
import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import pluggy
from attrs import field, frozen

from gcore_invoices import hookspecs
from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.hookspecs import KINDS, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from importlib.metadata import EntryPoint
    from types import TracebackType

    from gcore_invoices.events import Call

DISABLED = "GCORE_INVOICES_DISABLED_PLUGINS"

_log = logging.getLogger("gcore_invoices.plugins")


@frozen
class PluginInfo:
    """One plugin of a client.

    Attributes:
        name: What it is blocked by: its attribute `name`, or the name of its class, module or entry point.
        source: Where it came from.
        distribution: Name and version of the package that brought it, if it came as an entry point.
        hooks: What it implements, in the order of hookspecs.py.
        state: `blocked` was left out by name, `failed` could not be loaded or was refused.
        reason: Why it failed.
    """

    name: str
    source: Literal["explicit", "entry point", "built-in"]
    distribution: str | None = None
    hooks: tuple[str, ...] = ()
    state: Literal["active", "blocked", "failed"] = "active"
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name!r} ({self.distribution})" if self.distribution else repr(self.name)


@frozen
class _Candidate:
    info: PluginInfo
    load: Callable[[], object]
    may_fail: bool = False


class Plugins:
    """The plugins of one client.

    Args:
        explicit: Plugins handed to the client, in their order.
        built_in: The plugins every client starts with, by name, in their order.
        disabled: Names to leave out, besides those in `GCORE_INVOICES_DISABLED_PLUGINS`.
        strict: Whether an installed plugin that cannot be used is an error instead of a log line.

    Raises:
        UsageError: A plugin is no plugin: it implements no hook, or a hook that is none, or with other
            arguments, or as an async function, or it wraps an observer. The message says which and where.
    """

    def __init__(
        self,
        explicit: Sequence[object],
        built_in: Mapping[str, object],
        *,
        disabled: Iterable[str] = (),
        strict: bool = False,
    ) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        blocked = _names(disabled)
        candidates = [*_explicit(explicit), *_installed(), *_built_in(built_in)]
        _warn_of_unknown(blocked, candidates)
        usable: list[tuple[PluginInfo, object]] = []
        inactive = []
        for candidate in candidates:
            info = candidate.info
            if info.name in blocked:
                inactive.append(_with(info, state="blocked"))
                continue
            try:
                plugin = candidate.load()
                usable.append((_with(info, hooks=self._check(plugin, info)), plugin))
            except Exception as error:
                if strict or not candidate.may_fail:
                    raise
                reason = f"{type(error).__name__}: {error}"
                inactive.append(_with(info, state="failed", reason=reason))
                _log.error("Plugin %s cannot be used and is left out. %s", info, reason)
        # pluggy calls the plugin that was registered last first.
        for info, plugin in reversed(usable):
            self._manager.register(plugin, info.name)
        self.active = tuple(info for info, _ in usable)
        """In the order they are called."""
        self.inactive = tuple(inactive)
        """Blocked, or failed to load."""
        self.hooks = Hooks(self._manager)

    def find(self, kind: type[Any]) -> Any:
        """The active plugin of a class, or None."""
        return next((plugin for plugin in self._manager.get_plugins() if isinstance(plugin, kind)), None)

    def _check(self, plugin: object, info: PluginInfo) -> tuple[str, ...]:
        """Refuse what pluggy would take without a word or explain in its own terms."""
        if inspect.isclass(plugin):
            raise UsageError(f"Plugin {info} is a class: pass an instance, {plugin.__name__}(…).")
        found = set()
        for attribute in dir(plugin):
            options: Any = self._manager.parse_hookimpl_opts(plugin, attribute)
            if options is None:
                continue
            name = options.get("specname") or attribute
            if name not in KINDS:
                if options.get("optionalhook"):
                    continue
                raise UsageError(f"Plugin {info}: {unknown_name('hook', name, KINDS)}")
            _check_implementation(getattr(plugin, attribute), options, name, info)
            found.add(name)
        if not found:
            raise UsageError(
                f"Plugin {info} implements no hook: mark its functions with @hookimpl. "
                f"Hooks: {', '.join(KINDS)}."
            )
        return tuple(name for name in KINDS if name in found)


def _check_implementation(function: Any, options: Mapping[str, Any], hook: str, info: PluginInfo) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"Plugin {info}: {hook} is an async function. Hooks are plain functions that both clients call; "
            "hand longer work to a task or a thread."
        )
    if KINDS[hook] == "observer" and (options.get("wrapper") or options.get("hookwrapper")):
        deciders = ", ".join(name for name, kind in KINDS.items() if kind != "observer")
        raise UsageError(f"Plugin {info}: {hook} only observes and cannot be wrapped. Wrappable: {deciders}.")
    valid = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is parameter.empty and parameter.name not in valid:
            takes = ", ".join(valid) or "no arguments"
            raise UsageError(f"Plugin {info}: {hook} has no argument {parameter.name!r}; it takes {takes}.")


def _with(info: PluginInfo, **changes: Any) -> PluginInfo:
    from attrs import evolve  # noqa: PLC0415

    return evolve(info, **changes)


def _names(disabled: Iterable[str]) -> frozenset[str]:
    if isinstance(disabled, str):
        raise UsageError(f"disabled_plugins takes names, such as [{disabled!r}], not one text.")
    from_environment = os.environ.get(DISABLED, "").split(",")
    return frozenset(name.strip() for name in (*disabled, *from_environment) if name.strip())


def _warn_of_unknown(blocked: frozenset[str], candidates: list[_Candidate]) -> None:
    names = {candidate.info.name for candidate in candidates}
    for name in sorted(blocked - names):
        _log.warning("No plugin to disable: %s", unknown_name("plugin", name, names))


def _explicit(plugins: Sequence[object]) -> Iterable[_Candidate]:
    taken: dict[str, int] = {}
    seen: list[object] = []
    for plugin in plugins:
        if any(plugin is other for other in seen):
            raise UsageError(f"The plugin {plugin!r} is listed twice.")
        seen.append(plugin)
        given = getattr(plugin, "name", None) or getattr(plugin, "__name__", None)
        name = given if isinstance(given, str) else type(plugin).__name__
        taken[name] = taken.get(name, 0) + 1
        unique = name if taken[name] == 1 else f"{name}-{taken[name]}"
        yield _Candidate(PluginInfo(unique, "explicit"), partial(_itself, plugin))


def _itself(plugin: object) -> object:
    return plugin


def _installed() -> Iterable[_Candidate]:
    for entry in _entry_points():
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else None
        info = PluginInfo(entry.name, "entry point", distribution)

        def load(entry: EntryPoint = entry) -> object:
            loaded = entry.load()
            return loaded() if inspect.isclass(loaded) else loaded

        yield _Candidate(info, load, may_fail=True)


@cache
def _entry_points() -> tuple[EntryPoint, ...]:
    """The installed plugins, looked up once a process, by name: the disk's order is no order."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and needed only by a client

    return tuple(sorted(entry_points(group=PROJECT), key=lambda entry: entry.name))


def _built_in(plugins: Mapping[str, object]) -> Iterable[_Candidate]:
    for name, plugin in plugins.items():
        yield _Candidate(PluginInfo(name, "built-in"), partial(_itself, plugin))


class Hooks:
    """Calls hooks. A hook that nobody implements is None here, so that it costs its caller one `if`."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._told_of: set[tuple[str, str]] = set()

        def caller(name: str) -> Callable[..., Any] | None:
            hook: pluggy.HookCaller = getattr(manager.hook, name)
            implementations = hook.get_hookimpls()
            if not implementations:
                return None
            if KINDS[name] == "observer":
                return _Observers(name, list(reversed(implementations)), self._told_of)
            return hook

        self.call_context = caller("call_context")
        self.before_send = caller("before_send")
        self.intercept = caller("intercept")
        self.throttle = caller("throttle")
        self.after_response = caller("after_response")
        self.after_error = caller("after_error")
        self.decide_retry = caller("decide_retry")
        self.retry_scheduled = caller("retry_scheduled")
        self.page_received = caller("page_received")
        self.walk_finished = caller("walk_finished")
        self.register_exporters = caller("register_exporters")
        self.register_commands = caller("register_commands")

    def around(self, call: Call) -> AbstractContextManager[object]:
        """The context managers that plugins put around a call, as one."""
        return _Around(self.call_context, call)


class _Observers:
    """The implementations of one observing hook. pluggy's own call would stop at the first exception."""

    def __init__(self, hook: str, implementations: list[Any], told_of: set[tuple[str, str]]) -> None:
        self._hook = hook
        self._calls = [(each.plugin_name, each.function, each.argnames) for each in implementations]
        self._told_of = told_of

    def __call__(self, **arguments: object) -> list[tuple[str, Any]]:
        """Call each; returns what came, by plugin."""
        results = []
        for plugin, function, names in self._calls:
            try:
                result = function(*[arguments[name] for name in names])
            except Exception:  # noqa: BLE001 - whatever it is, it must not break the call
                self.failed(plugin)
            else:
                results.append((plugin, result))
        return results

    def failed(self, plugin: str) -> None:
        """Log the exception at hand, once per plugin and hook."""
        if (plugin, self._hook) not in self._told_of:
            self._told_of.add((plugin, self._hook))
            _log.exception(
                "Plugin %r failed in %s. The call goes on; this is logged once.", plugin, self._hook
            )


@frozen(slots=False)
class _Around:
    """Enters what plugins return from `call_context`, and leaves it in reverse. Nothing of it can break."""

    _observers: Any
    _call: Call
    _entered: list[tuple[str, Any]] = field(factory=list)

    def __enter__(self) -> None:
        if self._observers is None:
            return
        for plugin, manager in self._observers(call=self._call):
            if manager is None:
                continue
            try:
                manager.__enter__()
            except Exception:  # noqa: BLE001 - as above
                self._observers.failed(plugin)
            else:
                self._entered.append((plugin, manager))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for plugin, manager in reversed(self._entered):
            try:
                manager.__exit__(kind, error, trace)
            except Exception as failure:  # noqa: BLE001 - as above
                if failure is not error:  # a generator's context manager raises what it was given
                    self._observers.failed(plugin)
