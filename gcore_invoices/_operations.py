"""The one door to generated code: a query becomes a request, a response becomes values.

Names, paths and parameters come from the generated `_get_kwargs` functions. Nothing else of the generated
client runs here; openapi/README.md says why. It is imported when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
from attrs import field, frozen

from gcore_invoices._problem import read_problem
from gcore_invoices.errors import (
    EXCERPT,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
    UnexpectedRedirectError,
    UsageError,
    class_for_status,
)
from gcore_invoices.events import Call
from gcore_invoices.models import Invoice, Page, decode_invoice, decode_page

if TYPE_CHECKING:
    from gcore_invoices._config import Settings
    from gcore_invoices._transport import Credential
    from gcore_invoices.ordering import Order, SortTerm
    from gcore_invoices.plugins.retries import RetryPolicy
    from gcore_invoices.query import InvoiceQuery

T_co = TypeVar("T_co", covariant=True)

_MAX_WORD = 200
_JSON = "application/json"
# Seconds; far beyond what anybody waits, and still a number to calculate with.
_LONGEST_WAIT = 1e9
_PDF = "application/pdf"
# The generator removes double underscores.
_ARGUMENTS = {"billing_period_from": "billing_period_from_from", "billing_period_to": "billing_period_to_to"}


@frozen
class Answer:
    """One complete answer of the API, decoded from its transfer and content encodings.

    `body` holds the bytes, or the beginning of them for an error status; of a document that was streamed
    elsewhere, only what checks need. `size` counts all bytes that were read, `cut` says that there were more.
    """

    status_code: int
    # An answer may echo the key, and error trackers show the repr of every local.
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    size: int = field(default=0, kw_only=True)
    streamed: bool = field(default=False, kw_only=True)
    cut: bool = field(default=False, kw_only=True)
    intercepted: bool = field(default=False, kw_only=True)

    def text(self, limit: int | None = None) -> str:
        """The body, or its first characters."""
        # No character has more than four bytes.
        return self.body[: limit and limit * 4].decode("utf-8", errors="replace")[:limit]


class Operation(msgspec.Struct, Generic[T_co], frozen=True):
    """One call of the API: how it is asked, and how its answer is read."""

    name: str
    accept: str
    template: str
    """The path as in the contract."""
    arguments: dict[str, Any]
    """What the generated code makes of the question: method, url, params."""
    read: Callable[[Answer], T_co]
    """Reads the answer of a 200; raises `_Unreadable` or a `msgspec` error if it cannot."""

    def request(self, settings: Settings) -> httpx.Request:
        """The request, without the key."""
        url, params = self.url(settings), self.arguments.get("params")
        return httpx.Request(
            self.arguments["method"].upper(),
            # Given apart, httpx would parse the address twice, which takes longer than reading a page.
            f"{url}?{urlencode(params)}" if params else url,
            headers=settings.headers | {"Accept": self.accept},
        )

    def url(self, settings: Settings) -> str:
        """The address, without the query."""
        return f"{settings.base_url}{self.arguments['url']}"

    def describe(self, settings: Settings, retry: RetryPolicy) -> Call:
        """The call that hooks are told of."""
        return Call(
            id=token_hex(8),
            operation=self.name,
            method=self.arguments["method"].upper(),
            url=self.url(settings),
            template=self.template,
            params={name: str(value) for name, value in self.arguments.get("params", {}).items()},
            retry=retry,
        )

    def decode(self, answer: Answer, credential: Credential) -> T_co:
        """The value in an answer.

        Raises:
            APIStatusError: The status is no 2xx; its subclass says which.
            APIResponseValidationError: The answer is not what the contract says.
        """
        if not 200 <= answer.status_code < 300:
            raise _status_error(answer, credential)
        try:
            if answer.status_code != HTTPStatus.OK:
                raise _Unreadable(f"Expected status 200, got {answer.status_code}")
            if self.accept == _JSON and not answer.body.isascii():
                str(answer.body, "utf-8")  # the decoder does not look into what it skips
            return self.read(answer)
        except _UNREADABLE as error:
            raise _validation_error(self, answer, credential, error) from error


class _Unreadable(Exception):  # noqa: N818 - it never leaves this module
    """An answer that is not what the contract says."""


# msgspec lets these pass from below: bytes that are no UTF-8, nesting without end, absurd exponents.
_UNREADABLE = (_Unreadable, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError)


def list_page(
    query: InvoiceQuery, order: Order, *, offset: int, limit: int, settings: Settings
) -> Operation[Page]:
    """Ask for up to `limit` rows from `offset` of what matches the query, in this order."""
    from gcore_erp_api.api.erp_invoices import list_erp_invoices  # noqa: PLC0415 - loaded when used

    arguments = {_ARGUMENTS.get(name, name): value for name, value in query.filters().items()}
    arguments |= {"limit": limit, "offset": offset, settings.sort_parameter: _sort_keys(order, settings)}

    def read(answer: Answer) -> Page:
        page = decode_page(answer.body)
        return Page(
            invoices=tuple(page.results), count=page.count, offset=offset, has_next=page.next is not None
        )

    asked = list_erp_invoices._get_kwargs(**arguments)  # noqa: SLF001
    return Operation("list", _JSON, asked["url"], asked, read)


def get(invoice_id: int) -> Operation[Invoice]:
    """Ask for one invoice.

    Raises:
        UsageError: The id is not a positive integer.
    """
    from gcore_erp_api.api.erp_invoices import get_erp_invoice  # noqa: PLC0415 - loaded when used

    asked = get_erp_invoice._get_kwargs(check_id(invoice_id))  # noqa: SLF001

    template = _template(asked, invoice_id)
    return Operation("get", _JSON, template, asked, lambda answer: decode_invoice(answer.body))


def download(invoice_id: int) -> Operation[None]:
    """Ask for one invoice's PDF. The bytes go to a sink; what is read here proves that they are a whole PDF.

    Raises:
        UsageError: The id is not a positive integer.
    """
    from gcore_erp_api.api.erp_invoices import download_erp_invoice  # noqa: PLC0415 - loaded when used

    asked = download_erp_invoice._get_kwargs(check_id(invoice_id))  # noqa: SLF001
    accept = f"{_PDF}, {_JSON};q=0.5"
    return Operation("download", accept, _template(asked, invoice_id), asked, _check_pdf)


def _template(asked: dict[str, Any], invoice_id: int) -> str:
    path: str = asked["url"]
    return path.replace(f"/{invoice_id}", "/{id}")


def check_id(invoice_id: object) -> int:
    """An id that can be asked for.

    Raises:
        UsageError: It is not a positive integer.
    """
    if isinstance(invoice_id, bool) or not isinstance(invoice_id, int) or invoice_id < 1:
        raise UsageError(f"An invoice id is a positive integer, not {invoice_id!r}.")
    return invoice_id


def _sort_keys(order: Order, settings: Settings) -> list[Any]:
    """The order in the spelling of the wire, as members of the generated enums."""
    from gcore_erp_api.models import OrderBy, Ordering  # noqa: PLC0415 - loaded when used

    if settings.sort_parameter == "ordering":
        return [Ordering(str(term)) for term in order]

    def dotted(term: SortTerm) -> str:
        return f"{term.key.value}.{'desc' if term.descending else 'asc'}"

    return [OrderBy(dotted(term)) for term in order]


def _check_pdf(answer: Answer) -> None:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {_PDF, "application/octet-stream"}:
        raise _Unreadable(f"Expected {_PDF}, got {media_type or 'no content type'}")
    # ISO 32000-1, 7.5: readers find the header in the first and the end marker in the last 1024 bytes.
    if not answer.body.startswith(b"%PDF-"):
        raise _Unreadable("Expected a PDF, which begins with %PDF-")
    if b"%%EOF" not in answer.body[-1024:]:
        raise _Unreadable("Expected a whole PDF, which ends in %%EOF")


def request_id(headers: httpx.Headers, credential: Credential, named: str | None = None) -> str | None:
    """What to quote to support: as the body named it, or the head."""
    found = named or headers.get("x-request-id")
    return credential.mask(found, limit=_MAX_WORD) if found else None


def _status_error(answer: Answer, credential: Credential) -> APIStatusError:
    text = credential.mask(answer.text(), cut=answer.cut)
    # Masked once more: what was understood is unescaped.
    problem = read_problem(text)
    detail = credential.mask(problem.detail)
    cls = class_for_status(answer.status_code)
    try:
        phrase = HTTPStatus(answer.status_code).phrase
    except ValueError:
        phrase = "a status HTTP does not define"
    message = f"The API answered {answer.status_code} {phrase}"
    message += f": {detail.rstrip('.')}." if detail else "."
    if advice := _advice(cls, answer, credential):
        message += f" {advice}"
    return cls(
        message,
        status_code=answer.status_code,
        request_id=request_id(answer.headers, credential, problem.request_id),
        detail=detail,
        fields={
            credential.mask(name): tuple(map(credential.mask, messages))
            for name, messages in problem.fields.items()
        },
        body=text,
        retry_after=_retry_after(answer.headers),
    )


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds the API asks to wait: `retry-after-ms`, or `Retry-After` (RFC 9110, 10.2.3) in either form.

    None if it does not ask, or in no form that is understood.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is not None:
        return seconds
    until = _date(asked)
    if until is None:
        return None
    # By the server's own clock, where it tells: ours may be off.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def _number(text: str) -> float | None:
    """Digits with an optional fraction; float() alone would take `nan`, `1e9` and `-3` too."""
    digits = re.fullmatch(r"\s*\d+(\.\d+)?\s*", text, re.ASCII)
    return min(float(text), _LONGEST_WAIT) if digits else None


def _date(text: str) -> datetime | None:
    """An HTTP date in any of its three forms (RFC 9110, 5.6.7); the oldest names no zone and means UTC."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, ArithmeticError, LookupError):  # whatever the parser trips over
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


_ADVICE: dict[type[APIStatusError], str] = {
    AuthenticationError: "Check the key, and that it has not expired or been deleted.",
    PermissionDeniedError: "The token is valid, but its role may lack access to billing.",
    RateLimitError: "Wait before asking again, and ask less often.",
    InternalServerError: "This is the API's side; try again later.",
}


def _advice(cls: type[APIStatusError], answer: Answer, credential: Credential) -> str:
    """What to do about it, where that can be said."""
    if cls is AuthenticationError and credential.looks_cut:
        return (
            "The key in use holds no $ and no _, as keys do: if it was set in a shell without single "
            "quotes, everything from the $ on was lost. Put the value of GCORE_API_KEY in single quotes."
        )
    if cls is AuthenticationError and credential.scheme == "Bearer" and not credential.renewable:
        return "A login token lives one hour: log in again, or pass bearer_token= a function."
    if cls is UnexpectedRedirectError:
        location = credential.mask(answer.headers.get("location", "nowhere"), limit=EXCERPT)
        return f"It points to {location!r}. Redirects are not followed; check base_url."
    return _ADVICE.get(cls, "")


def excerpt(answer: Answer, credential: Credential) -> str:
    """The beginning of a body, without the key."""
    return credential.mask(answer.text(EXCERPT + 1), limit=EXCERPT)


def content_type(answer: Answer, credential: Credential) -> str | None:
    """The answer's media type as sent, without the key."""
    said = answer.headers.get("content-type")
    return None if said is None else credential.mask(said, limit=_MAX_WORD)


def _validation_error(
    operation: Operation[Any], answer: Answer, credential: Credential, error: Exception
) -> APIResponseValidationError:
    media_type = content_type(answer, credential)
    problem = str(error) or type(error).__name__
    if isinstance(error, UnicodeDecodeError | ArithmeticError | RecursionError):
        problem = {UnicodeDecodeError: "It is not UTF-8", RecursionError: "It is nested without end"}.get(
            type(error), "It holds a number beyond reason"
        )
    place = re.search(r" - at `(.+)`$", problem)
    problem = credential.mask(problem, limit=EXCERPT)
    message = f"The answer to {operation.name} is not what the contract says: {problem}."
    if operation.accept == _JSON and _JSON not in (media_type or ""):
        message += f" Its content type is {media_type or 'missing'}; something else may have answered."
    return APIResponseValidationError(
        message,
        path=place[1] if place else None,
        content_type=media_type,
        excerpt=excerpt(answer, credential),
        undecodable=not isinstance(error, msgspec.ValidationError),
        request_id=request_id(answer.headers, credential),
    )
