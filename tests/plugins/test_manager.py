"""One manager a client: what is found, in which order it is called, what is left out, and what is refused."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import subprocess
import sys
import types
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

import pytest
from attrs import frozen
from support import Wire, answer, wire_invoice
from support_plugins import ok, plugin

import gcore_invoices as gi
from gcore_invoices import hookimpl, hookspecs
from gcore_invoices.plugins import manager
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.manager import PluginInfo, Plugins
from gcore_invoices.plugins.metrics import Metrics

LOGGER = "gcore_invoices.plugins"
VALID = "Valid: " + ", ".join(sorted(hookspecs.KINDS)) + "."


@frozen
class Distribution:
    name: str
    version: str


class Entry:
    """An entry point that says when it is loaded."""

    group = "gcore_invoices"

    def __init__(self, name: str, value: Any, distribution: Distribution | None = None) -> None:
        self.name = name
        self.value = f"module:{name}"
        self.dist = distribution or Distribution(f"gcore-{name}", "1.2")
        self._loads = value
        self.loaded = 0

    def load(self) -> Any:
        self.loaded += 1
        if isinstance(self._loads, BaseException):
            raise self._loads
        return self._loads


@pytest.fixture
def install(monkeypatch):
    """Makes these entry points the installed ones."""

    def installed(*entries):
        found = tuple(sorted(entries, key=lambda entry: entry.name))
        monkeypatch.setattr(manager, "_entry_points", lambda: found)
        return found

    installed()
    return installed


@pytest.fixture(autouse=True)
def _nothing_disabled(monkeypatch, install):
    monkeypatch.delenv(manager.DISABLED, raising=False)


def saying(name, told):
    return plugin(name, after_response=lambda: told.append(name))


def names(infos):
    return [info.name for info in infos]


# -- the order, and what a client tells of its plugins


def test_explicit_plugins_come_first_then_entry_points_then_built_ins(make_client, install, monkeypatch):
    told = []
    install(Entry("zeta", saying("zeta", told)), Entry("alpha", saying("alpha", told)))
    own = {"built": saying("built", told)} | built_in_plugins()
    monkeypatch.setattr("gcore_invoices._base.built_in_plugins", lambda: own)
    client = make_client(Wire(ok), plugins=[saying("second", told), saying("first", told)])
    client.get(1)
    assert told == ["second", "first", "alpha", "zeta", "built"]
    assert names(client.real.plugins)[:5] == told
    assert names(client.real.plugins)[5:] == list(built_in_plugins())


def test_the_ends_of_the_row_cross_the_three_sources(make_client, install):
    told = []
    installed = plugin("late", after_response=hookimpl(tryfirst=True)(lambda: told.append("installed")))
    install(Entry("late", installed))
    last = plugin("early", after_response=hookimpl(trylast=True)(lambda: told.append("explicit, last")))
    client = make_client(Wire(ok), plugins=[last, saying("explicit", told)])
    client.get(1)
    assert told == ["installed", "explicit", "explicit, last"]
    assert names(client.real.plugins)[:3] == ["early", "explicit", "late"]


def test_plugins_are_listed_with_where_they_came_from_and_what_they_implement(make_client, install):
    mine = plugin("mine", walk_finished=lambda: None, before_send=lambda: None)
    install(Entry("theirs", plugin("other", intercept=lambda: None)))
    client = make_client(plugins=[mine])
    first, second, *built_in = client.real.plugins
    assert first == PluginInfo("mine", "explicit", None, ("before_send", "walk_finished"))
    assert second == PluginInfo("theirs", "entry point", "gcore-theirs 1.2", ("intercept",))
    assert str(first) == "'mine'"
    assert str(second) == "'theirs' (gcore-theirs 1.2)"
    assert {info.source for info in built_in} == {"built-in"}
    assert {info.distribution for info in built_in} == {None}
    retries = next(info for info in built_in if info.name == "retries")
    assert "decide_retry" in retries.hooks
    assert {info.state for info in client.real.plugins} == {"active"}
    assert client.real.inactive_plugins == ()


def test_a_view_has_the_plugins_of_its_client(make_client):
    told = []
    client = make_client(Wire(ok), plugins=[saying("mine", told)])
    view = client.real.with_options(retry=gi.RetryPolicy(attempts=2))
    client.run(view.get(1))
    assert told == ["mine"]
    assert view.plugins == client.real.plugins


def test_two_clients_do_not_see_each_others_plugins(make_client):
    told = []
    one = make_client(Wire(ok), plugins=[saying("one", told)])
    two = make_client(Wire(ok), plugins=[saying("two", told)])
    bare = make_client(Wire(ok))
    for client in (one, two, bare):
        client.get(1)
    assert told == ["one", "two"]
    assert "one" not in names(two.real.plugins) + names(bare.real.plugins)


def test_one_plugin_may_serve_two_clients(make_client):
    told = []
    shared = saying("shared", told)
    for _ in range(2):
        make_client(Wire(ok), plugins=[shared]).get(1)
    assert told == ["shared", "shared"]


def test_each_client_has_built_ins_of_its_own(make_client):
    first, second = (make_client().real._plugins for _ in range(2))
    retries = type(built_in_plugins()["retries"])
    assert first.find(retries) is not second.find(retries)
    assert first.find(retries) is not None
    assert first.find(Wire) is None


def test_a_class_as_an_entry_point_is_made_anew_for_each_client(make_client, install):
    class Counts:
        made = 0

        def __init__(self):
            Counts.made += 1

        @hookimpl
        def after_response(self):
            """Count nothing."""

    install(Entry("counts", Counts))
    for expected in (1, 2):
        assert "counts" in names(make_client().real.plugins)
        assert Counts.made == expected


def test_a_hook_without_implementation_costs_one_if():
    hooks = Plugins([plugin(page_received=lambda: None)], {}).hooks
    assert hooks.page_received is not None
    others = {name: getattr(hooks, name) for name in hookspecs.KINDS if name != "page_received"}
    assert set(others.values()) == {None}
    assert set(vars(hooks)) >= set(hookspecs.KINDS)


# -- names


def test_a_plugin_is_called_by_its_name_or_its_class_or_its_module(make_client):
    module = types.ModuleType("shop.spans")
    module.after_response = hookimpl(lambda: None)
    named = plugin("Class", after_response=lambda: None)
    named.name = "named"
    odd = plugin("Odd", after_response=lambda: None)
    odd.name = 7
    empty = plugin("Empty", after_response=lambda: None)
    empty.name = ""
    client = make_client(plugins=[module, named, plugin("Class", after_response=lambda: None), odd, empty])
    assert names(client.real.plugins)[:5] == ["shop.spans", "named", "Class", "Odd", "Empty"]


def test_a_module_is_a_plugin(make_client):
    told = []
    module = types.ModuleType("spans")
    module.after_response = hookimpl(lambda call: told.append(call.operation))
    make_client(Wire(ok), plugins=[module]).get(1)
    assert told == ["get"]


def test_two_plugins_of_one_name_are_numbered(make_client):
    told = []
    plugins = [saying("a", told), saying("a", told), saying("a-2", told), saying("a", told)]
    client = make_client(Wire(ok), plugins=plugins, disabled_plugins=["a-2"])
    client.get(1)
    assert names(client.real.plugins)[:3] == ["a", "a-2-2", "a-3"]
    assert names(client.real.inactive_plugins) == ["a-2"]
    assert told == ["a", "a-2", "a"]


def test_the_same_plugin_twice_is_refused(make_client):
    class Watch:
        @hookimpl
        def after_response(self):
            """Look."""

        def __repr__(self):
            return "<Watch>"

    watch = Watch()
    with pytest.raises(gi.UsageError, match=r"^The plugin <Watch> is listed twice\.$"):
        make_client(plugins=[watch, Watch(), watch])


def test_equal_plugins_are_one_plugin(make_client, install, caplog):
    """A plugin that is a value, by attrs or dataclasses, is equal to another of the same settings."""

    @frozen
    class Value:
        limit: int = 1

        @hookimpl
        def after_response(self):
            """Look."""

    with pytest.raises(gi.UsageError, match=r"listed twice"):
        make_client(plugins=[Value(), Value()])
    install(Entry("value", Value))
    client = make_client(plugins=[Value()])
    assert names(client.real.plugins)[0] == "Value"
    (info,) = client.real.inactive_plugins
    assert (info.name, info.state) == ("value", "replaced")
    assert info.reason == "The explicit plugin 'Value' is equal to it and is called sooner."
    assert "value" in names(make_client(plugins=[Value(2)]).real.plugins)


def test_a_plugin_that_is_passed_takes_the_place_of_an_installed_one_of_its_name(
    make_client, install, caplog
):
    told = []
    installed = Entry("alert", saying("installed", told))
    install(installed)
    client = make_client(Wire(ok), plugins=[saying("alert", told)])
    client.get(1)
    assert told == ["alert"]
    assert installed.loaded == 0
    (info,) = client.real.inactive_plugins
    assert (info.name, info.source, info.state) == ("alert", "entry point", "replaced")
    assert info.reason == "The explicit plugin 'alert' has its name and is called sooner."
    assert [record for record in caplog.records if record.name == LOGGER] == []


def test_ones_own_retries_take_the_place_of_the_built_in_ones(make_client):
    mine = plugin("retries", decide_retry=lambda: None)
    client = make_client(plugins=[mine])
    assert [info.source for info in client.real.plugins if info.name == "retries"] == ["explicit"]
    assert [info.state for info in client.real.inactive_plugins] == ["replaced"]


def test_of_two_installed_plugins_of_one_name_one_is_used_and_a_line_is_logged(make_client, install, caplog):
    told = []
    one = Entry("same", saying("one", told), Distribution("aaa", "1"))
    two = Entry("same", saying("two", told), Distribution("bbb", "2"))
    install(one, two)
    client = make_client(Wire(ok))
    client.get(1)
    assert told == ["one"]
    assert [record.getMessage() for record in caplog.records if record.name == LOGGER] == [
        "The entry point plugin 'same' (bbb 2) is left out. "
        "The entry point plugin 'same' (aaa 1) has its name and is called sooner."
    ]


# -- left out by name


@pytest.mark.parametrize("by", ["argument", "environment", "both"])
def test_plugins_are_left_out_by_name(make_client, install, monkeypatch, by):
    told = []
    entry = Entry("theirs", ZeroDivisionError("never imported"))
    install(entry)
    wanted = ["theirs", "mine", "retries"]
    argument, environment = {
        "argument": (wanted, ""),
        "environment": ([], " theirs , mine,retries,, "),
        "both": (["mine"], "theirs,retries"),
    }[by]
    monkeypatch.setenv(manager.DISABLED, environment)
    client = make_client(
        Wire.of(answer({}, 503), answer(wire_invoice(1))),
        plugins=[saying("mine", told), saying("other", told)],
        disabled_plugins=argument,
        strict_plugins=True,
        retry=gi.RetryPolicy(backoff=0),
    )
    with pytest.raises(gi.InternalServerError):
        client.get(1)
    assert told == ["other"]
    assert entry.loaded == 0, "a plugin that is left out is not even imported"
    assert not {"theirs", "mine", "retries"} & set(names(client.real.plugins))
    assert client.real.inactive_plugins == (
        PluginInfo("mine", "explicit", state="blocked", reason="It was disabled by its name."),
        PluginInfo(
            "theirs",
            "entry point",
            "gcore-theirs 1.2",
            state="blocked",
            reason="It was disabled by its name.",
        ),
        PluginInfo("retries", "built-in", state="blocked", reason="It was disabled by its name."),
    )


@pytest.mark.parametrize("name", list(built_in_plugins()))
def test_every_built_in_can_be_left_out(make_client, name):
    client = make_client(Wire(ok), disabled_plugins={name})
    assert client.get(1).id == 1
    assert name not in names(client.real.plugins)
    assert name in names(client.real.inactive_plugins)


def test_a_name_that_no_plugin_has_is_a_warning_with_the_nearest(make_client, install, caplog, monkeypatch):
    monkeypatch.setattr(
        "gcore_invoices._base.built_in_plugins", lambda: {"retries": built_in_plugins()["retries"]}
    )
    make_client(disabled_plugins=["retry"])
    assert [record.getMessage() for record in caplog.records if record.name == LOGGER] == [
        "No plugin to disable: Unknown plugin 'retry'. Did you mean 'retries'? Valid: retries."
    ]


def test_disabled_plugins_takes_names(make_client):
    with pytest.raises(
        gi.UsageError, match=r"^disabled_plugins takes names, such as \['retries'\], not one text\.$"
    ):
        make_client(disabled_plugins="retries")
    with pytest.raises(
        gi.UsageError, match=r"^disabled_plugins takes names, not <object .*>: a plugin's name stands"
    ):
        make_client(disabled_plugins=[object()])


# -- what fails to load


BROKEN = {
    "import": (
        ModuleNotFoundError("No module named 'slack'"),
        "ModuleNotFoundError: No module named 'slack'",
    ),
    "exit": (SystemExit("bye"), "SystemExit: bye"),
    "its own refusal": (gi.UsageError("Set WEBHOOK."), "UsageError: Set WEBHOOK."),
}


@pytest.mark.parametrize(("error", "words"), BROKEN.values(), ids=BROKEN)
def test_a_plugin_that_fails_to_load_is_reported_and_the_client_works(
    make_client, install, caplog, error, words
):
    told = []
    install(Entry("alert", error), Entry("fine", saying("fine", told)))
    client = make_client(Wire(ok))
    client.get(1)
    assert told == ["fine"]
    sentence = f"Plugin 'alert' (gcore-alert 1.2) cannot be loaded: {words}"
    (record,) = [record for record in caplog.records if record.name == LOGGER]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"{sentence} The client goes on without it."
    assert client.real.inactive_plugins == (
        PluginInfo("alert", "entry point", "gcore-alert 1.2", state="failed", reason=sentence),
    )


@pytest.mark.parametrize(("error", "words"), BROKEN.values(), ids=BROKEN)
def test_with_strict_plugins_it_is_an_error_that_keeps_its_cause(make_client, install, error, words):
    install(Entry("alert", error))
    with pytest.raises(gi.UsageError) as caught:
        make_client(strict_plugins=True)
    assert str(caught.value) == f"Plugin 'alert' (gcore-alert 1.2) cannot be loaded: {words}"
    assert caught.value.__cause__ is error


def test_an_interrupt_while_a_plugin_loads_is_not_swallowed(make_client, install):
    install(Entry("alert", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        make_client()


def test_a_class_that_cannot_be_made_is_a_plugin_that_fails_to_load(make_client, install, caplog):
    class Needs:
        def __init__(self, url):
            self.url = url

    install(Entry("needs", Needs))
    (info,) = make_client().real.inactive_plugins
    assert info.reason.startswith("Plugin 'needs' (gcore-needs 1.2) cannot be loaded: TypeError: ")


def test_an_installed_plugin_that_is_refused_is_reported_like_one_that_fails(make_client, install, caplog):
    install(Entry("odd", plugin("odd", after_respons=lambda: None)), Entry("empty", object()))
    client = make_client(Wire(ok))
    assert client.get(1).id == 1
    empty, odd = client.real.inactive_plugins
    assert (empty.state, odd.state) == ("failed", "failed")
    assert odd.reason.startswith("Plugin 'odd' (gcore-odd 1.2), ")
    assert "Unknown hook 'after_respons'. Did you mean 'after_response'?" in odd.reason
    assert empty.reason.startswith("Plugin 'empty' (gcore-empty 1.2) implements no hook: ")
    assert f"{odd.reason} The client goes on without it." in caplog.messages
    with pytest.raises(gi.UsageError, match="implements no hook"):
        make_client(strict_plugins=True)


def test_an_entry_point_without_a_distribution_is_called_by_its_name_alone(make_client, install, caplog):
    entry = Entry("alert", ImportError("gone"))
    entry.dist = None
    install(entry)
    (info,) = make_client().real.inactive_plugins
    assert info.reason == "Plugin 'alert' cannot be loaded: ImportError: gone"


# -- what is refused


def refusal(make_client, *plugins, **options):
    with pytest.raises(gi.UsageError) as caught:
        make_client(plugins=list(plugins), **options)
    return str(caught.value)


def where(name="plugin", function="<lambda>"):
    """How the sentences below begin."""
    return f"Plugin '{name}', {__name__}.{function}: "


def test_a_misspelt_hook_is_refused_with_the_nearest(make_client):
    class Watch:
        @hookimpl
        def after_respons(self, call):
            """Look."""

    assert refusal(make_client, Watch()) == (
        f"Plugin 'Watch', {__name__}.test_a_misspelt_hook_is_refused_with_the_nearest.<locals>.Watch.after_respons: "
        f"Unknown hook 'after_respons'. Did you mean 'after_response'? {VALID}"
    )


def test_a_hook_that_is_like_none_is_refused_with_all_of_them(make_client):
    sentence = refusal(make_client, plugin(zzz=lambda: None))
    assert sentence.endswith(f": Unknown hook 'zzz'. {VALID}")


def test_a_hook_of_another_version_may_be_optional(make_client):
    later = hookimpl(optionalhook=True)(lambda: None)
    client = make_client(plugins=[plugin("both", of_the_future=later, after_response=lambda: None)])
    assert client.real.plugins[0].hooks == ("after_response",)
    assert "implements no hook" in refusal(make_client, plugin(of_the_future=later))


def test_a_function_may_have_a_name_of_its_own(make_client):
    told = []
    named = hookimpl(specname="after_response")(lambda call: told.append(call.operation))
    client = make_client(Wire(ok), plugins=[plugin(remember=named)])
    client.get(1)
    assert told == ["get"]
    assert client.real.plugins[0].hooks == ("after_response",)
    assert "Unknown hook 'nothing'." in refusal(
        make_client, plugin(a=hookimpl(specname="nothing")(lambda: None))
    )


def this(test):
    return f"{test.__name__}.<locals>.<lambda>"


def test_a_function_with_a_hooks_name_and_no_mark_is_told_of(make_client, caplog):
    class Half:
        name = "half"
        after_error = "no function"

        @hookimpl
        def after_response(self):
            pass

        def decide_retry(self):
            raise AssertionError

    make_client(Wire(ok), plugins=[Half()]).get(1)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["Plugin 'half': decide_retry is not marked with @hookimpl and is never called."]


def test_an_argument_that_the_hook_does_not_have_is_refused(make_client):
    begins = where(function=this(test_an_argument_that_the_hook_does_not_have_is_refused))
    assert refusal(make_client, plugin(after_response=lambda call, responce: None)) == (
        f"{begins}after_response has no argument 'responce'; it takes call, attempt, response, elapsed."
    )
    assert refusal(make_client, plugin(register_exporters=lambda app: None)) == (
        f"{begins}register_exporters has no argument 'app'; it takes no arguments."
    )
    assert "has no argument 'kwargs'" in refusal(make_client, plugin(after_response=lambda **kwargs: None))
    assert "has no argument 'args'" in refusal(make_client, plugin(after_response=lambda *args: None))


@pytest.mark.parametrize(
    "function", [lambda call, attempt=None: None, lambda call, *, attempt: None], ids=["default", "keyword"]
)
def test_an_argument_that_would_never_be_filled_is_refused(make_client, function):
    assert refusal(make_client, plugin(after_response=function)).endswith(
        "<lambda>: the argument 'attempt' of after_response would never be filled: write it without a default, "
        "and not behind a *."
    )


def test_a_default_that_only_binds_a_value_is_fine(make_client):
    told = []
    make_client(
        Wire(ok), plugins=[plugin(after_response=lambda call, said=told: said.append(call.operation))]
    ).get(1)
    assert told == ["get"]


def test_an_async_function_is_refused(make_client):
    async def after_response():
        """Look."""

    async def intercept():
        yield

    ends = " is an async function. Hooks are plain functions that both clients call; hand longer work to a task or a thread."
    sentence = refusal(make_client, plugin(after_response=after_response))
    assert (
        sentence
        == where(function=f"{this(test_an_async_function_is_refused)[:-8]}after_response")
        + f"after_response{ends}"
    )
    assert refusal(make_client, plugin(intercept=intercept)).endswith(f": intercept{ends}")
    context = plugin(call_context=asynccontextmanager(intercept))
    assert refusal(make_client, context).endswith(f": call_context{ends}")


WRAPPABLE = "before_send, intercept, throttle, decide_retry, register_exporters, register_commands"
OBSERVERS = [name for name, kind in hookspecs.KINDS.items() if kind == "observer"]


def yields():
    yield


@pytest.mark.parametrize("hook", OBSERVERS)
@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_a_wrapper_of_an_observer_is_refused(make_client, hook, style):
    def wrapper():
        yield

    wrapping = plugin(**{hook: hookimpl(**{style: True})(wrapper)})
    assert refusal(make_client, wrapping) == (
        where(function="test_a_wrapper_of_an_observer_is_refused.<locals>.wrapper")
        + f"{hook} only observes and cannot be wrapped. Wrappable: {WRAPPABLE}."
    )


@pytest.mark.parametrize("hook", [name for name in hookspecs.KINDS if name not in OBSERVERS])
@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_a_wrapper_of_anything_else_is_taken(hook, style):
    def wrapper():
        yield

    assert Plugins([plugin(**{hook: hookimpl(**{style: True})(wrapper)})], {}).active[0].hooks == (hook,)


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_a_wrapper_that_does_not_yield_is_refused(make_client, style):
    assert refusal(make_client, plugin(intercept=hookimpl(**{style: True})(lambda: None))).endswith(
        "<lambda>: intercept is marked as a wrapper and is no generator: it needs one `yield`, where the others "
        "are called."
    )


def test_a_yield_without_a_wrapper_is_refused(make_client):
    """It would return a generator that nobody runs."""
    assert refusal(make_client, plugin(call_context=yields)) == (
        f"{where(function='yields')}call_context holds a `yield`, so that it would never run. "
        "Is @contextmanager below @hookimpl missing?"
    )
    assert refusal(make_client, plugin(before_send=yields)).endswith("Is @hookimpl(wrapper=True) missing?")


def test_a_plugin_that_a_refused_wrapper_came_with_does_not_take_the_client_down(
    make_client, install, caplog
):
    """pluggy's own checks come too late to be told of by name: each of them is made before."""
    bad = hookimpl(wrapper=True)(lambda: None)
    install(Entry("bad", plugin("bad", intercept=bad)))
    assert make_client(Wire(ok)).get(1).id == 1


def test_a_class_is_refused_and_an_instance_asked_for(make_client):
    class Watch:
        @hookimpl
        def after_response(self):
            """Look."""

    assert refusal(make_client, Watch) == "Plugin 'Watch' is a class: pass an instance, Watch(…)."


@pytest.mark.parametrize("thing", [object(), None, len, "spans", plugin("empty")])
def test_an_object_without_a_hook_is_refused(make_client, thing):
    sentence = refusal(make_client, thing)
    assert sentence == (
        f"Plugin {sentence.split(' ')[1]} implements no hook: mark its functions with @hookimpl. "
        f"Hooks: {', '.join(hookspecs.KINDS)}."
    )


def test_one_plugin_without_its_list_is_refused(make_client):
    single = plugin("single", after_response=lambda: None)
    with pytest.raises(
        gi.UsageError,
        match=r"^plugins takes a list of plugins, such as \[<.*single object at .*>\], not one\.$",
    ):
        make_client(plugins=single)
    with pytest.raises(gi.UsageError, match=r"^plugins takes a list of plugins"):
        make_client(plugins="single")


def test_a_refused_plugin_is_refused_before_anything_is_sent(make_client):
    wire = Wire.of()
    refusal(make_client, plugin(zzz=lambda: None), transport=wire)
    assert wire.requests == []


def test_a_property_of_a_plugin_is_not_run(make_client):
    class Watch:
        @property
        def connection(self):
            raise AssertionError("looked at")

        @hookimpl
        def after_response(self):
            """Look."""

    assert make_client(plugins=[Watch()]).real.plugins[0].name == "Watch"


class BrokenName:
    @property
    def name(self):
        raise RuntimeError("not ready")


class BrokenAnswer:
    def __getattr__(self, attribute):
        raise LookupError(attribute)


class BrokenEquality:
    def __eq__(self, other):
        raise ValueError("ambiguous")

    __hash__ = None


BROKEN_PLUGINS = {
    "name": (BrokenName, "RuntimeError: not ready"),
    "__getattr__": (BrokenAnswer, "LookupError: name"),
    "__eq__": (BrokenEquality, "ValueError: ambiguous"),
}


@pytest.mark.parametrize(("broken", "words"), BROKEN_PLUGINS.values(), ids=BROKEN_PLUGINS)
def test_a_plugin_that_cannot_be_read_is_refused_by_its_class(make_client, broken, words):
    broken = type(broken.__name__, (broken,), {"after_response": hookimpl(lambda self: None)})
    said = refusal(make_client, broken(), broken())
    assert said == f"Plugin '{broken.__name__}' cannot be read: {words}."


def test_an_installed_plugin_that_cannot_be_compared_does_not_take_the_client_down(
    make_client, install, caplog
):
    odd = type("Odd", (BrokenEquality,), {"after_response": hookimpl(lambda self: None)})
    install(Entry("odd", odd))
    client = make_client(Wire(ok), plugins=[plugin(after_error=lambda: None)])
    assert client.get(1).id == 1
    (info,) = client.real.inactive_plugins
    assert info.reason == "Plugin 'odd' (gcore-odd 1.2) cannot be read: ValueError: ambiguous."


def test_a_plugin_need_not_be_hashable(make_client):
    """A dataclass is not, unless it is frozen."""
    told = []

    @dataclass
    class Watch:
        limit: int = 1

        @hookimpl
        def after_response(self):
            told.append(self.limit)

    client = make_client(Wire(ok), plugins=[Watch()])
    client.get(1)
    assert told == [1]
    assert client.real.metrics.snapshot()["calls"] == {"get": {"ok": 1}}


def test_of_several_of_a_class_the_one_that_is_called_first_is_found(make_client):
    mine = [Metrics() for _ in range(9)]
    for number, each in enumerate(mine):
        each.name = f"mine {number}"
    assert make_client(plugins=mine).real.metrics is mine[0]


MARKED = {
    "partial": hookimpl(functools.partial(lambda told, call: told.append(call), [])),
    "cached": hookimpl(functools.lru_cache(lambda self, call: None)),
}


@pytest.mark.parametrize("marked", MARKED.values(), ids=MARKED)
def test_what_is_marked_and_no_function_is_refused(make_client, marked):
    """pluggy passes it over without a word."""
    watch = type("Watch", (), {"after_response": marked, "after_error": hookimpl(lambda self: None)})()
    assert refusal(make_client, watch) == (
        "Plugin 'Watch': after_response is marked with @hookimpl, but is no function, and would never be "
        "called: write a `def` around it, and mark that."
    )


def test_what_answers_to_every_name_is_not_marked(make_client, caplog):
    mock = plugin(after_response=lambda: None)
    mock.after_error = MagicMock()
    assert make_client(plugins=[mock]).real.plugins[0].hooks == ("after_response",)
    assert "Plugin 'plugin': after_error is not marked with @hookimpl and is never called." in caplog.messages


def test_static_and_class_methods_are_hooks_too(make_client):
    told = []

    class Watch:
        @staticmethod
        @hookimpl
        def after_response(response):
            told.append(response.status_code)

        @classmethod
        @hookimpl
        def before_send(cls, call):
            told.append((cls.__name__, call.operation))

    make_client(Wire(ok), plugins=[Watch()]).get(1)
    assert told == [("Watch", "get"), 200]


# -- entry points are looked up once


def test_entry_points_are_looked_up_once_a_process_in_the_group_of_the_project(monkeypatch, request):
    lookup = request.getfixturevalue("real_lookup")
    asked = []

    def entry_points(**selection):
        asked.append(selection)
        zeta, alpha = Entry("zeta", None), Entry("alpha", None)
        zeta.value, alpha.value = "a:Zeta", "z:alpha"
        return (zeta, alpha)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert names(lookup()) == ["alpha", "zeta"]
    lookup()
    assert asked == [{"group": "gcore_invoices"}]


@pytest.fixture
def real_lookup(monkeypatch):
    import importlib.util  # noqa: PLC0415

    spec = importlib.util.spec_from_file_location("manager_again", manager.__file__)
    again = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "manager_again", again)
    spec.loader.exec_module(again)
    return again._entry_points


def test_nothing_is_looked_up_until_a_client_is_made():
    code = (
        "import importlib.metadata as metadata\n"
        "asked = []\n"
        "real = metadata.entry_points\n"
        "metadata.entry_points = lambda **selection: asked.append(selection) or real(**selection)\n"
        "from gcore_invoices import InvoicesClient\n"
        "print(asked)\n"
        "for _ in range(3):\n"
        "    InvoicesClient(api_key='1234$abcdef').close()\n"
        "print(asked)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["[]", "[{'group': 'gcore_invoices'}]"]
