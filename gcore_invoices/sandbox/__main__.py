"""`python -m gcore_invoices.sandbox`: serve invented invoices on this machine until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

from gcore_invoices.sandbox.data import SEED, Invoices
from gcore_invoices.sandbox.store import LazyStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcore_invoices.sandbox.server import SandboxServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox; two lines for a shell on standard output, everything else on standard error.

    Returns:
        0 after Ctrl-C, SIGTERM or the end of its life. Wrong arguments, a port that is taken and a missing
        extra end the program with 2 and one sentence.
    """
    parser = _parser()
    try:
        serve(**vars(parser.parse_args(arguments)))
    except OSError as error:
        parser.error(error.strerror or str(error))
    except (ImportError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    return 0


def serve(*, invoices: int, seed: int, host: str, port: int, max_seconds: float) -> None:
    """Serve until Ctrl-C, SIGTERM or the end of its life.

    Raises:
        ValueError, RuntimeError: A value cannot be right, or the server does not start.
        ImportError: The extra is missing.
        OSError: The port is taken.
    """
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Here, because the server is the part that needs the extra.
    from gcore_invoices.sandbox.server import SandboxServer  # noqa: PLC0415  # late, on purpose

    store = LazyStore(Invoices(invoices, seed=seed))
    with SandboxServer(store, host=host, port=port, max_seconds=max_seconds) as server:
        _announce(server)
        while not (stop.is_set() or server.wait(0.1)):
            pass


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gcore_invoices.sandbox",
        description="Serve invented invoices as Gcore's API would, on this machine only.",
    )
    parser.add_argument(
        "--invoices", type=int, default=2500, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, metavar="N", help="other invoices (default: %(default)s)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="127.0.0.1 or ::1 (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=3600.0,
        metavar="N",
        help="stop by itself after so long (default: %(default)s)",
    )
    return parser


def _announce(server: SandboxServer) -> None:
    # Quoted, because a shell would take what follows the `$` for a variable.
    sys.stdout.write(
        f"export GCORE_BASE_URL='{server.url}'\nexport GCORE_API_KEY={shlex.quote(server.api_key)}\n"
    )
    sys.stdout.flush()
    sys.stderr.write("# The sandbox is running; Ctrl-C stops it.\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
