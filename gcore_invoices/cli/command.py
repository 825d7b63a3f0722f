"""How a function becomes a command: groups of options as one parameter, and examples in its help."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import typer

PROGRAM = "gcore-invoices"


class ReaderGoneError(Exception):
    """Nobody reads the output any more. Typer would make a failure of the pipe's own error."""


def add(app: typer.Typer, name: str, function: Callable[..., Any], examples: Sequence[str]) -> None:
    """Add a command with its examples, each what follows the program's name."""
    # The \b keeps the lines as they are.
    epilog = "\b\nExamples:\n" + "\n".join(f"  {PROGRAM} {example}" for example in examples)
    app.command(name, epilog=epilog)(expand(function))


def expand(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take a group of options, an attrs class with `Annotated` fields, as one parameter."""
    own = inspect.signature(function).parameters
    hints = get_type_hints(function, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for name, parameter in own.items():
        kind = hints[name]
        if inspect.isclass(kind) and attrs.has(kind):
            groups[name] = kind
            parameters += _parameters_of(kind)
        else:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    def command(**given: Any) -> Any:
        try:
            return function(**_grouped(groups, given))
        except BrokenPipeError:
            raise ReaderGoneError from None

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what Typer reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _parameters_of(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in attrs.fields(group)
    ]


def _grouped(groups: Mapping[str, type[Any]], given: dict[str, Any]) -> dict[str, Any]:
    for name, group in groups.items():
        given[name] = group(**{field.name: given.pop(field.name) for field in attrs.fields(group)})
    return given
