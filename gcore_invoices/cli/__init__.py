"""The command line, `gcore-invoices`. Needs the extra `gcore-invoices[cli]`; the core never imports it.

Nothing is imported here but what `--help` needs: each command imports the rest for itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING = "The command line needs Typer and Rich: pip install 'gcore-invoices[cli]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Instead of those the process was started with.

    Returns:
        The exit code: 0 done, 1 a check failed, 2 usage, 3 authentication or permission, 4 the network or
        the API, 5 an incomplete walk, 130 Ctrl-C.
    """
    try:
        import rich  # noqa: F401 - late, and only to see whether it is there
        import typer  # noqa: F401

        from gcore_invoices.cli.run import run

        return run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # while it loads
        return 130
    except ImportError as error:
        if error.name not in {"rich", "typer"}:
            raise
        sys.stderr.write(f"{MISSING}\n")
        return 2
