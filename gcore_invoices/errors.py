"""Everything that can go wrong, as types.

InvoicesError
├── UsageError (also a ValueError)     bad key, bad id, bad query: before anything is sent
├── APIConnectionError                 no connection, or it broke
│   ├── APITimeoutError                connect, read, pool, or the call as a whole took too long
│   └── APIProtocolError               bytes that are not HTTP, a body cut short
├── APIStatusError                     the API answered with an error status
│   ├── BadRequestError                400
│   ├── AuthenticationError            401
│   ├── PermissionDeniedError          403
│   ├── NotFoundError                  404
│   ├── RateLimitError                 429
│   ├── UnexpectedRedirectError        3xx
│   └── InternalServerError            5xx
├── APIResponseValidationError         an answer that is not what the contract says
└── PaginationError                    a walk that cannot be completed without loss
"""

from __future__ import annotations

import copyreg
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcore_invoices.events import Checkpoint, WalkReport


EXCERPT = 500
"""Most characters of an excerpt."""


class InvoicesError(Exception):
    """The root: `except InvoicesError` catches all that this library raises on its own behalf.

    Attributes:
        operation: The call that failed (`list`, `get`, `download`), if one was under way.
        attempts: How many requests that call had sent.
        elapsed: Seconds from the start of the call to its failure.
        request_id: What to quote to support, if an answer had begun that named it.
        excerpt: The beginning of the answer's body, if one had begun, as text with the key masked.
    """

    operation: str | None = None
    attempts: int = 0
    elapsed: float | None = None
    request_id: str | None = None
    excerpt: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from their arguments alone, which keyword-only details are not part of.
        rebuild = copyreg.__newobj__  # type: ignore[attr-defined] # what pickle itself uses
        return rebuild, (type(self), *self.args), dict(self.__dict__)


class UsageError(InvoicesError, ValueError):
    """The call cannot be made as asked; nothing was sent."""


class APIConnectionError(InvoicesError):
    """The API could not be reached, or the connection broke.

    Attributes:
        permanent: Whether the same request would fail again for certain, so that it is not repeated.
    """

    permanent: bool = False


class APITimeoutError(APIConnectionError):
    """Connecting, reading, waiting for a free connection, or the whole call took longer than allowed."""


class APIProtocolError(APIConnectionError):
    """What came is not HTTP, or the body ended before it was complete."""


class APIStatusError(InvoicesError):
    """The API answered with an error status.

    Attributes:
        status_code: The HTTP status.
        detail: What the API said, as one sentence; empty if it said nothing that could be understood.
        fields: What it said of single parameters: name → messages.
        body: The beginning of the body as text, with the key masked.
        retry_after: Seconds that the API asked to wait, if it did in a form that is understood.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        request_id: str | None = None,
        detail: str = "",
        fields: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        body: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code: int = status_code
        self.request_id = request_id
        self.detail: str = detail
        self.fields: Mapping[str, tuple[str, ...]] = dict(fields)
        self.body: str = body
        self.excerpt = body[:EXCERPT]
        self.retry_after: float | None = retry_after


class BadRequestError(APIStatusError):
    """400: a parameter was not understood; `.fields` says which."""


class AuthenticationError(APIStatusError):
    """401: the key or token is missing, malformed, unknown or expired."""


class PermissionDeniedError(APIStatusError):
    """403: the token is valid, but its role may not see billing."""


class NotFoundError(APIStatusError):
    """404: no such invoice in this account."""


class RateLimitError(APIStatusError):
    """429: too many requests; `.retry_after` says how long to wait, if the API said so."""


class UnexpectedRedirectError(APIStatusError):
    """3xx: redirects are not followed, because the key would have to go with them."""


class InternalServerError(APIStatusError):
    """5xx: the API, or something in front of it, failed."""


class APIResponseValidationError(InvoicesError):
    """An answer that is not what the contract says.

    Attributes:
        path: Where in the body (`$.results[3].amount_total`), if one place can be named.
        content_type: The answer's media type, as sent.
        undecodable: Whether it is no JSON, or no whole PDF, at all; a repeated request may bring one.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        content_type: str | None = None,
        excerpt: str = "",
        undecodable: bool = False,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.path: str | None = path
        self.content_type: str | None = content_type
        self.excerpt = excerpt
        self.undecodable: bool = undecodable
        self.request_id = request_id


class PaginationError(InvoicesError):
    """A walk that cannot be completed without loss.

    Attributes:
        report: What the walk had seen and delivered until then.
        checkpoint: From where to go on, if the list is ordered by `id` and something was delivered.
    """

    def __init__(self, message: str, *, report: WalkReport, checkpoint: Checkpoint | None = None) -> None:
        super().__init__(message)
        self.report: WalkReport = report
        self.checkpoint: Checkpoint | None = checkpoint


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}


def class_for_status(status_code: int) -> type[APIStatusError]:
    """The class for an HTTP error status; statuses without one of their own are `APIStatusError`."""
    if 300 <= status_code < 400:
        return UnexpectedRedirectError
    if status_code >= 500:
        return InternalServerError
    return _BY_STATUS.get(status_code, APIStatusError)


def unknown_name(kind: str, given: str, valid: Iterable[str]) -> UsageError:
    """The error for a name that is not among the valid ones: it lists them and points at the nearest."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    names = sorted(valid)
    nearest = get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return UsageError(f"Unknown {kind} {given!r}.{hint} Valid: {', '.join(names)}.")
