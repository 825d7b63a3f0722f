"""One client's plugins: found, checked, ordered, and called."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterable
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import pluggy
from attrs import evolve, field, frozen

from gcore_invoices import hookspecs
from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.hookspecs import KINDS, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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
        state: `blocked` was left out by name, `replaced` by another plugin of its name that is called sooner,
            `failed` could not be loaded or was refused.
        reason: Why it is not active.
    """

    name: str
    source: Literal["explicit", "entry point", "built-in"]
    distribution: str | None = None
    hooks: tuple[str, ...] = ()
    state: Literal["active", "blocked", "replaced", "failed"] = "active"
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
        self.unknown = _unknown(blocked, candidates)
        """What is wrong with names to leave out that no plugin has, a sentence each."""
        usable: list[tuple[PluginInfo, object]] = []
        inactive = []
        for candidate in candidates:
            info = candidate.info
            if info.name in blocked:
                inactive.append(evolve(info, state="blocked", reason="It was disabled by its name."))
                continue
            first = next((other for other, _ in usable if other.name == info.name), None)
            if first is not None:
                inactive.append(_replaced(info, first, "has its name"))
                continue
            try:
                plugin = _load(candidate)
                with _reading(info):
                    hooks = self._check(plugin, info)
                    first = next((other for other, known in usable if known == plugin), None)
            except UsageError as error:
                if strict or not candidate.may_fail:
                    raise
                inactive.append(evolve(info, state="failed", reason=str(error)))
                _log.error("%s The client goes on without it.", error)
                continue
            if first is not None:
                inactive.append(_replaced(info, first, "is equal to it"))
                continue
            usable.append((evolve(info, hooks=hooks), plugin))
        # pluggy calls the plugin that was registered last first.
        for info, plugin in reversed(usable):
            self._manager.register(plugin, info.name)
        self._plugins = tuple(plugin for _, plugin in usable)
        self.active = tuple(info for info, _ in usable)
        """In the order they are called."""
        self.inactive = tuple(inactive)
        """Blocked, or failed to load."""
        self.hooks = Hooks(self._manager)

    def find(self, kind: type[Any]) -> Any:
        """The active plugin of a class that is called first, or None."""
        return next((plugin for plugin in self._plugins if isinstance(plugin, kind)), None)

    def _check(self, plugin: object, info: PluginInfo) -> tuple[str, ...]:
        """Refuse what pluggy would take without a word or explain in its own terms."""
        if inspect.isclass(plugin):
            raise UsageError(f"Plugin {info} is a class: pass an instance, {plugin.__name__}(…).")
        found = set()
        for attribute in dir(plugin):
            options: Any = self._manager.parse_hookimpl_opts(plugin, attribute)
            if options is None:
                if attribute in KINDS:
                    _check_unused(getattr(plugin, attribute), attribute, info)
                continue
            name = options.get("specname") or attribute
            function = getattr(plugin, attribute)
            where = f"Plugin {info}, {function.__module__}.{function.__qualname__}"
            if name not in KINDS:
                if options.get("optionalhook"):
                    continue
                raise UsageError(f"{where}: {unknown_name('hook', name, KINDS)}")
            _check_implementation(function, options, name, where)
            found.add(name)
        if not found:
            raise UsageError(
                f"Plugin {info} implements no hook: mark its functions with @hookimpl. "
                f"Hooks: {', '.join(KINDS)}."
            )
        return tuple(name for name in KINDS if name in found)


def _check_unused(value: object, hook: str, info: PluginInfo) -> None:
    """Tell of what has a hook's name and is no implementation to pluggy."""
    if not callable(value):
        return
    # Whatever has a __getattr__ may answer to this name too; the mark itself is a dictionary.
    if isinstance(getattr(value, f"{PROJECT}_impl", None), dict):
        raise UsageError(
            f"Plugin {info}: {hook} is marked with @hookimpl, but is no function, and would never be called: "
            "write a `def` around it, and mark that."
        )
    _log.warning("Plugin %s: %s is not marked with @hookimpl and is never called.", info, hook)


def _check_implementation(function: Any, options: Mapping[str, Any], hook: str, where: str) -> None:
    # Unwrapped, for @asynccontextmanager; a decorator may well make a plain function of a coroutine's.
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(inspect.unwrap(function)):
        raise UsageError(
            f"{where}: {hook} is an async function. Hooks are plain functions that both clients call; "
            "hand longer work to a task or a thread."
        )
    wraps = bool(options.get("wrapper")) + bool(options.get("hookwrapper"))
    if wraps and KINDS[hook] == "observer":
        wrappable = ", ".join(name for name, kind in KINDS.items() if kind != "observer")
        raise UsageError(f"{where}: {hook} only observes and cannot be wrapped. Wrappable: {wrappable}.")
    if wraps > 1:
        raise UsageError(f"{where}: {hook} takes wrapper=True or hookwrapper=True, not both.")
    if wraps and not inspect.isgeneratorfunction(function):
        raise UsageError(
            f"{where}: {hook} is marked as a wrapper and is no generator: it needs one `yield`, where the "
            "others are called."
        )
    if inspect.isgeneratorfunction(function) and not wraps:
        hint = "@contextmanager below @hookimpl" if hook == "call_context" else "@hookimpl(wrapper=True)"
        raise UsageError(f"{where}: {hook} holds a `yield`, so that it would never run. Is {hint} missing?")
    valid = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    for parameter in inspect.signature(function).parameters.values():
        optional = parameter.default is not parameter.empty
        if parameter.name in valid and (optional or parameter.kind is parameter.KEYWORD_ONLY):
            raise UsageError(
                f"{where}: the argument {parameter.name!r} of {hook} would never be filled: write it without "
                "a default, and not behind a *."
            )
        if parameter.name not in valid and not optional:
            takes = ", ".join(valid) or "no arguments"
            raise UsageError(f"{where}: {hook} has no argument {parameter.name!r}; it takes {takes}.")


@contextmanager
def _reading(plugin: object) -> Iterator[None]:
    """Look into a plugin: its `__getattr__`, `__eq__` and properties are a stranger's code."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"Plugin {plugin} cannot be read: {type(error).__name__}: {error}.") from error


def _load(candidate: _Candidate) -> object:
    try:
        return candidate.load()
    except (Exception, SystemExit) as error:  # importing a plugin may do anything
        raise UsageError(
            f"Plugin {candidate.info} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _replaced(info: PluginInfo, first: PluginInfo, why: str) -> PluginInfo:
    reason = f"The {first.source} plugin {first} {why} and is called sooner."
    # Whoever passes a plugin knows that it takes the place of an installed one.
    level = logging.DEBUG if first.source == "explicit" else logging.WARNING
    _log.log(level, "The %s plugin %s is left out. %s", info.source, info, reason)
    return evolve(info, state="replaced", reason=reason)


def _names(disabled: Iterable[str]) -> frozenset[str]:
    if isinstance(disabled, str):
        raise UsageError(f"disabled_plugins takes names, such as [{disabled!r}], not one text.")
    if not isinstance(disabled, Iterable):
        raise UsageError(f"disabled_plugins takes names, such as ['logging'], not {disabled!r}.")
    given = tuple(disabled)
    for name in given:
        if not isinstance(name, str):
            raise UsageError(
                f"disabled_plugins takes names, not {name!r}: a plugin's name stands in client.plugins."
            )
    from_environment = os.environ.get(DISABLED, "").split(",")
    return frozenset(name.strip() for name in (*given, *from_environment) if name.strip())


def _unknown(blocked: frozenset[str], candidates: list[_Candidate]) -> tuple[str, ...]:
    names = {candidate.info.name for candidate in candidates}
    unknown = tuple(str(unknown_name("plugin", name, names)) for name in sorted(blocked - names))
    for told in unknown:
        _log.warning("No plugin to disable: %s", told)
    return unknown


def _explicit(plugins: Sequence[object]) -> Iterable[_Candidate]:
    if isinstance(plugins, str) or not isinstance(plugins, Iterable):
        raise UsageError(f"plugins takes a list of plugins, such as [{plugins!r}], not one.")
    seen: list[object] = []
    names: set[str] = set()
    for plugin in plugins:
        with _reading(repr(type(plugin).__name__)):
            if plugin in seen:
                raise UsageError(f"The plugin {plugin!r} is listed twice.")
            name = unique = _name(plugin)
        seen.append(plugin)
        number = 1
        while unique in names:
            number += 1
            unique = f"{name}-{number}"
        names.add(unique)
        yield _Candidate(PluginInfo(unique, "explicit"), partial(_itself, plugin))


def _name(plugin: object) -> str:
    for attribute in ("name", "__name__"):
        given = getattr(plugin, attribute, None)
        if isinstance(given, str) and given:
            return given
    return type(plugin).__name__


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

    return tuple(sorted(entry_points(group=PROJECT), key=lambda entry: (entry.name, entry.value)))


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


@frozen
class _Around:
    """Enters what plugins return from `call_context`, and leaves it in reverse. Nothing of it can break."""

    _observers: Any
    _call: Call
    _entered: list[tuple[str, Any]] = field(factory=list)

    def __enter__(self) -> None:
        if self._observers is None:
            return
        try:
            for plugin, manager in self._observers(call=self._call):
                if manager is not None:
                    self._enter(plugin, manager)
        except BaseException as error:  # an interrupt: `with` would not leave what is entered already
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def _enter(self, plugin: str, manager: Any) -> None:
        try:
            manager.__enter__()
        except Exception:  # noqa: BLE001 - as above
            self._observers.failed(plugin)
        else:
            self._entered.append((plugin, manager))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._entered:
            plugin, manager = self._entered.pop()
            try:
                manager.__exit__(kind, error, trace)
            except Exception as failure:  # noqa: BLE001 - as above
                if failure is not error:  # raising what one was given is a way to pass it on
                    self._observers.failed(plugin)
            except BaseException:  # an interrupt, or the cancellation that was given: leave the others first
                self.__exit__(kind, error, trace)
                raise
