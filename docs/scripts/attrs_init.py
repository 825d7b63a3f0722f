"""Tells mkdocstrings what it does not see in the code: how attrs classes are made, and what defaults are."""

from __future__ import annotations

from typing import Any

import griffe

MAKERS = {"attrs.frozen", "attrs.define"}


class AttrsInit(griffe.Extension):
    """Gives each attrs class the `__init__` that attrs will give it."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add the `__init__` of one class."""
        marks = [mark for mark in cls.decorators if mark.callable_path in MAKERS]
        if not marks or "__init__" in cls.members:
            return
        keywords = _keywords(marks[0].value)
        fields = [
            member
            for member in cls.members.values()
            if isinstance(member, griffe.Attribute)
            and member.annotation is not None
            and not str(member.annotation).startswith("ClassVar")
            and _keywords(member.value).get("init") != "False"
        ]
        kw_only = keywords.get("kw_only") == "True"
        init = griffe.Function(
            "__init__",
            parameters=griffe.Parameters(
                griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword),
                *(_parameter(field, kw_only=kw_only) for field in fields),
            ),
            parent=cls,
        )
        cls.set_member("__init__", init)
        self.on_function(func=init)

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Show a default that is a constant of the module as its value: `Timeouts()`, not `_TIMEOUTS`."""
        for parameter in func.parameters:
            meant = func.module.members.get(str(parameter.default))
            if isinstance(meant, griffe.Attribute):
                parameter.default = meant.value


def _parameter(field: griffe.Attribute, *, kw_only: bool) -> griffe.Parameter:
    options = _keywords(field.value)
    alone = kw_only or options.get("kw_only") == "True"
    default: Any = options.get("default")
    if default is None and "factory" in options:
        default = "..."
    if field.value is not None and not options:
        default = None if str(field.value) == "field()" else field.value
    if default is not None and str(default).startswith("Factory("):
        default = "..."
    kind = griffe.ParameterKind.keyword_only if alone else griffe.ParameterKind.positional_or_keyword
    return griffe.Parameter(field.name.lstrip("_"), annotation=field.annotation, kind=kind, default=default)


def _keywords(value: object) -> dict[str, str]:
    """The keyword arguments of a call such as `field(default=1)`."""
    if not isinstance(value, griffe.ExprCall):
        return {}
    return {
        argument.name: str(argument.value)
        for argument in value.arguments
        if isinstance(argument, griffe.ExprKeyword)
    }
