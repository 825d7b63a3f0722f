"""`sandbox`: serve invented invoices on this machine."""

from __future__ import annotations

from typing import Annotated

from typer import Option

EXAMPLES = ("sandbox", "sandbox --invoices 100000 --port 8080", "sandbox --max-seconds 600")


def serve_sandbox(
    *,
    invoices: Annotated[int, Option(help="How many.")] = 2500,
    seed: Annotated[int | None, Option(help="Other invoices for another number.")] = None,
    host: Annotated[str, Option(help="127.0.0.1 or ::1.")] = "127.0.0.1",
    port: Annotated[int, Option(help="0 takes a free one.")] = 0,
    max_seconds: Annotated[float, Option(help="Stop after so long.")] = 3600.0,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - run.py reads it
) -> int:
    """Serve invented invoices on this machine.

    A stand-in of the API, until Ctrl-C. It prints the two lines to set.
    """
    from gcore_invoices.sandbox.__main__ import main

    given = {"invoices": invoices, "seed": seed, "host": host, "port": port, "max-seconds": max_seconds}
    return main([f"--{name}={value}" for name, value in given.items() if value is not None])
