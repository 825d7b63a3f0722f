"""Options that several commands share, as groups: how to reach the API, and which invoices."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

from attrs import frozen
from typer import Option

from gcore_invoices import (
    Invoice,
    InvoiceQuery,
    InvoicesClient,
    MoveType,
    Order,
    PaymentState,
    SortKey,
    UsageError,
)
from gcore_invoices._config import SortParameter
from gcore_invoices.cli.text import choice, member, span

if TYPE_CHECKING:
    from datetime import date

_STATES = [state.value for state in PaymentState]
_KINDS = [kind.value for kind in MoveType]
_SORT_KEYS = [key.value for key in SortKey]


def _completed(valid: list[str]) -> Any:
    return lambda incomplete: [name for name in valid if name.startswith(incomplete)]


@frozen(kw_only=True)
class Connection:
    """How to reach the API, and how much to say."""

    api_key_file: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Read the key from this file, which nobody else may read; instead of GCORE_API_KEY.",
        ),
    ] = None
    base_url: Annotated[
        str | None, Option(metavar="URL", help="Where the API is; instead of GCORE_BASE_URL.")
    ] = None
    sort_parameter: Annotated[
        str,
        Option(
            metavar="NAME",
            help="How this API spells a sort order: ordering or order_by.",
            autocompletion=_completed(list(get_args(SortParameter))),
        ),
    ] = "ordering"
    concurrency: Annotated[int, Option(metavar="N", help="Requests under way at once, 1 to 32.")] = 4
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress and no notes on standard error.")] = (
        False
    )
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False

    def client(self, *, api_key: str | None = None, **options: Any) -> InvoicesClient:
        """A client; close it.

        Args:
            api_key: In place of the key that is configured.
            **options: Further arguments of `InvoicesClient`.

        Raises:
            UsageError: There is no key, or others can read its file.
        """
        if api_key is None and self.api_key_file is not None:
            api_key = read_key(self.api_key_file)
        return InvoicesClient(
            api_key=api_key,
            base_url=self.base_url,
            sort_parameter=cast(
                "SortParameter", choice("sort parameter", self.sort_parameter, get_args(SortParameter))
            ),
            concurrency=self.concurrency,
            **options,
        )


def read_key(path: Path) -> str:
    """The key that stands in a file.

    Raises:
        UsageError: Others can read the file, or there is nothing in it.
        OSError: It cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"Others than you can read {path}, and it holds a key. Run: chmod 600 {path}")
        try:
            key = file.read(10_000).strip()
        except UnicodeDecodeError:
            raise UsageError(f"{path} holds no text, and so no key.") from None
    if not key:
        raise UsageError(f"{path} is empty: write the key into it.")
    return key


@frozen(kw_only=True)
class Filters:
    """Which invoices. Filters combine with AND."""

    unpaid: Annotated[bool, Option("--unpaid", help="Those not paid at all: --state not_paid.")] = False
    state: Annotated[
        str | None,
        Option(
            metavar="STATE", help=f"Payment state: {', '.join(_STATES)}.", autocompletion=_completed(_STATES)
        ),
    ] = None
    move_type: Annotated[
        str | None,
        Option(
            "--type", metavar="TYPE", help=f"Kind: {' or '.join(_KINDS)}.", autocompletion=_completed(_KINDS)
        ),
    ] = None
    since: Annotated[
        str | None, Option(metavar="DATE", help="Dated then or later: 2026, 2026-Q1, 2026-01 or 2026-01-15.")
    ] = None
    until: Annotated[
        str | None, Option(metavar="DATE", help="Dated then or earlier; a month counts to its last day.")
    ] = None
    period: Annotated[
        str | None, Option(metavar="DATE", help="Billing period within this year, quarter, month or day.")
    ] = None
    period_from: Annotated[
        str | None, Option(metavar="DATE", help="Billing period starts then or later.")
    ] = None
    period_to: Annotated[str | None, Option(metavar="DATE", help="Billing period ends then or earlier.")] = (
        None
    )
    client_id: Annotated[int | None, Option(metavar="ID", help="The client that consumed.")] = None
    payer_id: Annotated[int | None, Option(metavar="ID", help="The payer.")] = None
    currency: Annotated[str | None, Option(metavar="CODE", help="A code of three letters, such as EUR.")] = (
        None
    )

    def query(self, sort: str | None = None, **fields: Any) -> InvoiceQuery:
        """The query that these options make.

        Raises:
            UsageError: A value is not what its option takes, or two options contradict each other.
        """
        state = None if self.state is None else member("payment state", self.state, PaymentState)
        if self.unpaid and state not in {None, PaymentState.NOT_PAID}:
            raise UsageError(f"--unpaid and --state {state} exclude each other: give one.")
        if self.period is not None and (self.period_from, self.period_to) != (None, None):
            raise UsageError("--period already says from and to: leave --period-from and --period-to away.")
        # An empty text is a variable that a script forgot to set: an error, not a filter left away.
        period = _span(self.period, "--period")
        return InvoiceQuery(
            payment_state=PaymentState.NOT_PAID if self.unpaid else state,
            move_type=None if self.move_type is None else member("type", self.move_type, MoveType),
            invoice_date_from=_span(self.since, "--since")[0],
            invoice_date_to=_span(self.until, "--until")[1],
            billing_period_from=_span(self.period_from, "--period-from")[0] or period[0],
            billing_period_to=_span(self.period_to, "--period-to")[1] or period[1],
            client_id=self.client_id,
            payer_id=self.payer_id,
            currency=self.currency,
            order_by=None if sort is None else Order.parse(sort),
            **fields,
        )


def _span(text: str | None, option: str) -> tuple[date | None, date | None]:
    return (None, None) if text is None else span(text, option)


Sort = Annotated[
    str | None,
    Option(
        metavar="ORDER",
        help=f"Order, such as -amount_total,id; by {', '.join(_SORT_KEYS)}.",
        autocompletion=_completed(_SORT_KEYS),
    ),
]
"""The option `--sort`."""

Columns = Annotated[
    str | None,
    Option(
        metavar="NAMES",
        help=f"Fields of the API, divided by commas, in your order: {', '.join(Invoice.__struct_fields__)}.",
    ),
]
"""The option `--columns`."""
