"""`sandbox`: serve invented invoices on this machine."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from gcore_invoices import UsageError

EXAMPLES = ("sandbox", "sandbox --invoices 100000 --port 8080", "sandbox --max-seconds 600")


def serve_sandbox(
    *,
    invoices: Annotated[int, Option(help="How many.")] = 2500,
    seed: Annotated[int | None, Option(help="Other invoices for another number.")] = None,
    host: Annotated[str, Option(help="127.0.0.1 or ::1.")] = "127.0.0.1",
    port: Annotated[int, Option(help="0 takes a free one.")] = 0,
    max_seconds: Annotated[float, Option(help="Stop after so long.")] = 3600.0,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001 - run.py reads it
) -> None:
    """Serve invented invoices on this machine.

    A stand-in of the API, until Ctrl-C. It prints the two lines to set.
    """
    from gcore_invoices.sandbox.__main__ import serve
    from gcore_invoices.sandbox.data import SEED

    try:
        serve(
            invoices=invoices,
            seed=SEED if seed is None else seed,
            host=host,
            port=port,
            max_seconds=max_seconds,
        )
    except OSError as error:
        raise UsageError(f"{host} port {port}: {error.strerror or error}.") from None
    except (ImportError, RuntimeError, ValueError) as error:
        raise UsageError(str(error)) from None
