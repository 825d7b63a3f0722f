"""What hooks are told, as frozen values."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import httpx
from attrs import Factory, field, frozen

from gcore_invoices._checks import number
from gcore_invoices.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcore_invoices.plugins.retries import RetryPolicy
    from gcore_invoices.query import InvoiceQuery


def _read_only(given: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(given))


class _Headers(httpx.Headers):
    def __setitem__(self, *_: object) -> NoReturn:
        raise TypeError("An answer's headers cannot be changed: make a Response with other ones.")

    __delitem__ = update = __setitem__  # type: ignore[assignment]


@frozen(eq=False, kw_only=True)
class Call:
    """One call of a client's method: all attempts at one request. Equal only to itself, so it can be a key.

    Attributes:
        id: Sixteen hex digits, to tell calls apart in logs.
        operation: `list`, `get` or `download`.
        method: The HTTP method.
        url: The address, without query and without key.
        template: The path as the contract has it, `/billing/org/v1/erp-invoices/{id}`: fit for a label.
        params: The query parameters as they are sent.
        retry: How the built-in retries treat this call.
    """

    id: str
    operation: str
    method: str
    url: str
    template: str
    params: Mapping[str, str] = field(converter=_read_only)
    retry: RetryPolicy


@frozen(kw_only=True)
class Attempt:
    """One attempt at a call.

    Attributes:
        number: 1 for the first.
        elapsed: Seconds from the start of the call to the start of this attempt.
        left: Seconds from then to the call's deadline, or none if it has no deadline.
    """

    number: int
    elapsed: float
    left: float | None


@frozen
class Response:
    """An answer as hooks see it, and as `intercept` makes one.

    Attributes:
        status_code: The HTTP status.
        headers: Any mapping or list of pairs; read back without regard to case, and never changed.
        body: The decoded body; of an error its beginning, with the key masked. None for a document that
            went to its file.
        size: Decoded bytes of the body.
        intercepted: Whether a plugin answered in the network's place.
    """

    status_code: int
    # An answer may echo a secret, and error trackers show the repr of every local.
    headers: httpx.Headers = field(factory=httpx.Headers, converter=_Headers, repr=False)
    body: bytes | None = field(default=b"", repr=False)
    size: int = field(default=Factory(lambda self: len(self.body or b""), takes_self=True), kw_only=True)
    intercepted: bool = field(default=False, kw_only=True)


@frozen
class RetryDecision:
    """What `decide_retry` answers.

    Attributes:
        delay: Try again after so many seconds; or, if none, do not try again.

    Raises:
        UsageError: The delay is no number, negative, or without end.
    """

    delay: float | None = field(validator=number(0, optional=True))


@frozen(eq=False)
class Walk:
    """One walk over a list. Equal only to itself.

    Attributes:
        id: Sixteen hex digits, to tell walks apart in logs.
        query: What is listed.
    """

    id: str
    query: InvoiceQuery


@frozen
class WalkReport:
    """What one walk over a list saw and delivered.

    Attributes:
        pages: Pages that brought rows not delivered before.
        requests: Requests for pages, those included that brought nothing new or were thrown away.
        delivered: Invoices handed out, each once.
        first_count: How many invoices matched when the walk began, by the API's own count.
        last_count: The same on the page read last.
        complete: Whether the walk reached its end (of the list, or `max_items`); false while it runs, when
            it failed, and when it was left early.
        seams_reread: Times that a page did not join on to the one before, so that the walk stepped back.
        inserted: Rows that came in before the walk's place, as far as its seams show.
        removed: Rows that vanished before the walk's place, as far as its seams show.
        reconciled: Invoices that only the reconciling pass by `id` brought.
        unknown_values: Enum values this version does not know, as `field=value`.
    """

    pages: int = 0
    requests: int = 0
    delivered: int = 0
    first_count: int | None = None
    last_count: int | None = None
    complete: bool = False
    seams_reread: int = 0
    inserted: int = 0
    removed: int = 0
    reconciled: int = 0
    unknown_values: frozenset[str] = frozenset()


_CHECKPOINT = re.compile(r"gcore-invoices:1:([0-9a-f]{16}):(-?\d{1,20}):(\d{1,20})", re.ASCII)


@frozen
class Checkpoint:
    """The place a walk has reached, to go on from there later, in another process if need be.

    `str(checkpoint)` is one line of text and `Checkpoint.parse` reads it back. It holds no key.

    Attributes:
        query: Fingerprint of the filters and the order of the list; of no other list.
        last_id: The id of the invoice handed out last.
        offset: Where in the list that invoice was.
    """

    query: str
    last_id: int
    offset: int

    def __str__(self) -> str:
        return f"gcore-invoices:1:{self.query}:{self.last_id}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a checkpoint back from its text.

        Raises:
            UsageError: It is not the text of a checkpoint.
        """
        found = _CHECKPOINT.fullmatch(str(text).strip())
        if found is None:
            raise UsageError(f"This is no checkpoint: {text!r}. It is the text of `pager.checkpoint`, whole.")
        return cls(found[1], int(found[2]), int(found[3]))
