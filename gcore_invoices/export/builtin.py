"""The built-in formats, as a plugin; and the formats of all plugins together."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.export._csv import Csv
from gcore_invoices.export._jsonl import Jsonl
from gcore_invoices.export._parquet import Parquet
from gcore_invoices.export._protocol import Exporter
from gcore_invoices.export._xlsx import Xlsx
from gcore_invoices.hookspecs import hookimpl

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from gcore_invoices.client import AsyncInvoicesClient, InvoicesClient
    from gcore_invoices.plugins.manager import Hooks


class BuiltInExporters:
    """The plugin that brings the built-in formats, through the hook that everybody's come through."""

    name = "exporters"

    @hookimpl
    def register_exporters(self) -> Mapping[str, Exporter]:
        """The formats by file ending."""
        return {"csv": Csv(), "jsonl": Jsonl(), "parquet": Parquet(), "xlsx": Xlsx()}


def exporters(source: InvoicesClient | AsyncInvoicesClient | Hooks | None = None) -> dict[str, Exporter]:
    """Every format by file ending (lower case, without a dot): the built-in ones, and those of plugins.

    Args:
        source: The client whose plugins are asked, or its hooks; without one, the built-in formats alone.

    Raises:
        UsageError: Two exporters claim one ending, a plugin's and a built-in one included: which of them
            writes a file must not hang on what else is installed. Or what a plugin gave is no exporter.
    """
    plugins: Any = getattr(source, "_plugins", None)
    hooks: Any = plugins.hooks if plugins else source
    ask = hooks.register_exporters if hooks else None
    found: dict[str, Exporter] = {}
    for given in [BuiltInExporters().register_exporters(), *(ask() if ask else [])]:
        for ending, exporter in _checked(given):
            other = found.setdefault(ending, exporter)
            if other != exporter:
                raise UsageError(
                    f"Both {_name(other)} and {_name(exporter)} write files that end in .{ending}: "
                    "disable a plugin, or let it take another ending."
                )
    return found


def exporter_for(target: str | os.PathLike[str], formats: Mapping[str, Exporter]) -> Exporter:
    """The exporter for a file, by its ending: the longest that fits, whatever its case.

    Raises:
        UsageError: No format has the ending.
    """
    name = PurePath(target).name.lower()
    fitting = [ending for ending in formats if name.endswith(f".{ending}")]
    if not fitting:
        ending = PurePath(target).suffix.removeprefix(".")
        if not ending:
            raise UsageError(
                f"{name or '.'} has no ending to say its format. Valid: {', '.join(sorted(formats))}."
            )
        raise unknown_name("file ending", ending, formats)
    return formats[max(fitting, key=len)]


def _checked(given: Any) -> list[tuple[str, Exporter]]:
    if not hasattr(given, "items"):
        raise UsageError(f"register_exporters returns a mapping from file ending to exporter, not {given!r}.")
    checked = []
    for ending, exporter in given.items():
        if not isinstance(ending, str) or not ending.strip(".") or ending.startswith("."):
            raise UsageError(
                f"A file ending is a text without a dot in front, such as 'csv', not {ending!r}."
            )
        if isinstance(exporter, type) or not isinstance(exporter, Exporter):
            raise UsageError(
                f"The exporter for .{ending}, {exporter!r}, is none: see gcore_invoices.export.Exporter."
            )
        checked.append((ending.lower(), exporter))
    return checked


def _name(exporter: Exporter) -> str:
    return f"{type(exporter).__module__}.{type(exporter).__qualname__}"
