"""The commands, ours and those of plugins, as one application."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gcore_invoices import __version__
from gcore_invoices.cli import check, diff, doctor, export, get, listing, pdf, plugins, sandbox, summary
from gcore_invoices.cli.command import PROGRAM, add
from gcore_invoices.cli.text import printable, tell
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.manager import Plugins

COMMANDS = (
    ("list", listing.list_invoices, listing.EXAMPLES),
    ("get", get.get_invoice, get.EXAMPLES),
    ("summary", summary.summarize, summary.EXAMPLES),
    ("check", check.check_invoices, check.EXAMPLES),
    ("pdf", pdf.download_pdfs, pdf.EXAMPLES),
    ("export", export.export_invoices, export.EXAMPLES),
    ("diff", diff.diff_exports, diff.EXAMPLES),
    ("doctor", doctor.diagnose, doctor.EXAMPLES),
    ("plugins", plugins.list_plugins, plugins.EXAMPLES),
    ("sandbox", sandbox.serve_sandbox, sandbox.EXAMPLES),
)
EPILOG = """\b
Examples:
  gcore-invoices list --unpaid --since 2026-01
  gcore-invoices export march.csv --period 2026-03
  gcore-invoices COMMAND --help

\b
The key comes from the variable GCORE_API_KEY, or from --api-key-file.
Exit codes: 0 done, 1 a check failed, 2 usage, 3 authentication or permission,
4 the network or the API, 5 an incomplete walk, 130 Ctrl-C."""


def build() -> typer.Typer:
    """The application. Plain help: Rich's would cost a third of the start."""
    app = typer.Typer(
        name=PROGRAM,
        help="Gcore's ERP invoices: list, download, export, sum up, check.",
        epilog=EPILOG,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name, function, examples in COMMANDS:
        add(app, name, function, examples)
    _add_commands_of_plugins(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """What stands before a command."""


def _add_commands_of_plugins(app: typer.Typer) -> None:
    register = Plugins((), built_in_plugins()).hooks.register_commands
    if register is None:
        return
    try:
        register(app=app)
    except Exception as error:  # noqa: BLE001 - a stranger's fault; our commands still work
        problem = printable(f"{type(error).__name__}: {error}")
        tell(
            f"{PROGRAM}: a plugin could not add its commands: {problem}\n"
            "  See which: gcore-invoices plugins. Block it: GCORE_INVOICES_DISABLED_PLUGINS=NAME"
        )
