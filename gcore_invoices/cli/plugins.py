"""`plugins`: what is active, and what is not and why."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import attrs
from typer import Option

from gcore_invoices.cli.screen import wrapped
from gcore_invoices.cli.text import choice, printable, tell
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.manager import DISABLED, Plugins

if TYPE_CHECKING:
    from gcore_invoices import PluginInfo

FORMATS = ("text", "json")
EXAMPLES = ("plugins", "plugins --format json", "plugins | grep failed")


def list_plugins(
    *,
    format_: Annotated[str, Option("--format", metavar="FORMAT", help="text or json.")] = "text",
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - run.py reads it
) -> None:
    """Show what plugins there are.

    First the active ones in the order they are called, then those that were blocked or failed, and why.
    """
    kind = choice("format", format_, FORMATS)
    found = Plugins((), built_in_plugins())
    infos = (*found.active, *found.inactive)
    for told in found.unknown:
        tell(f"{DISABLED} blocks nothing by this: {printable(told)}")
    if kind == "json":
        sys.stdout.write(
            f"{json.dumps([attrs.asdict(info) for info in infos], ensure_ascii=False, indent=2)}\n"
        )
        return
    width = max((len(info.name) for info in infos), default=0)
    for info in infos:
        told = info.reason or ", ".join(info.hooks)
        sys.stdout.write(wrapped(_line(info, width), printable(told)))
    tell(f"To block one by its name: {DISABLED}=NAME")


def _line(info: PluginInfo, width: int) -> str:
    source = f"{info.source}, {info.distribution}" if info.distribution else info.source
    return printable(f"{info.state:<8}  {info.name:<{width}}  {source}: ")
