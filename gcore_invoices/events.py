"""What hooks are told, as frozen values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import httpx
from attrs import Factory, field, frozen

from gcore_invoices._checks import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcore_invoices.plugins.retries import RetryPolicy
    from gcore_invoices.query import InvoiceQuery


def _read_only(given: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(given))


def _headers(given: Any) -> httpx.Headers:
    return httpx.Headers(given)


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
        headers: Any mapping or list of pairs; read back without regard to case.
        body: The decoded body; of an error its beginning, with the key masked. None for a document that
            went to its file.
        size: Decoded bytes of the body.
        intercepted: Whether a plugin answered in the network's place.
    """

    status_code: int
    # An answer may echo a secret, and error trackers show the repr of every local.
    headers: httpx.Headers = field(factory=httpx.Headers, converter=_headers, repr=False)
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
    """What one walk over the list saw and delivered.

    Attributes:
        pages: Pages that brought rows not delivered before.
        requests: Requests for pages, whether or not they brought something new.
        delivered: Invoices handed out, each once.
        first_count: How many invoices matched when the walk began, by the API's own count.
        last_count: The same on the page read last.
        complete: Whether the walk reached the end; false while it runs and when it was left early.
        unknown_values: Enum values this version does not know, as `field=value`.
    """

    pages: int = 0
    requests: int = 0
    delivered: int = 0
    first_count: int | None = None
    last_count: int | None = None
    complete: bool = False
    unknown_values: frozenset[str] = frozenset()
