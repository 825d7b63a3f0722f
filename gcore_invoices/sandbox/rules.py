"""The API's rules as one pure function from request to response: no I/O, no framework, no clock.

What the reference leaves open is decided as Django REST framework decides it, which the live API seems to
be built on: paging as its LimitOffsetPagination, errors as `{"detail": ...}` and `{"field": [...]}`, the
last of a repeated key.
"""

from __future__ import annotations

import gzip
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from gcore_invoices.sandbox import pdf
from gcore_invoices.sandbox.selection import SORT_KEYS, Condition, Filters, Match, Order, Term, complete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcore_invoices.sandbox.selection import Row, Store

API_KEY: Final = "1234$sandbox"
NO_BILLING_KEY: Final = "5678$sandbox-engineer"
BEARER_TOKEN: Final = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzYW5kYm94In0.sandbox"  # noqa: S105  # opens this only

ACCESS: Final[Mapping[tuple[str, str], bool]] = MappingProxyType(
    {("apikey", API_KEY): True, ("apikey", NO_BILLING_KEY): False, ("bearer", BEARER_TOKEN): True}
)
"""Who is known, by lower-case scheme and token, and whether the role behind it may see billing."""

PATH: Final = "/billing/org/v1/erp-invoices"
DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
GZIP_FROM: Final = 200
"""Bytes from which JSON is compressed; Django's middleware draws the same line."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request: upper-case method, absolute URL as sent (still percent-encoded), headers in any case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """Value of a header, whatever the case of its name (RFC 9110, section 5.1); empty if missing."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Response:
    """A response: status, headers, and the body's bytes as they go over the wire, gzip included."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Refusal(Exception):  # noqa: N818  # an answer on its way out, not an error of the program
    """An error answer, raised where it is found out and turned into a response in one place."""

    def __init__(self, status: int, body: Mapping[str, object], **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def handle(request: Request, store: Store, *, access: Mapping[tuple[str, str], bool] = ACCESS) -> Response:
    """Answer a request as the API would.

    Order of the checks: path (404), credential (401), role (403), method (405), id (404), parameters (400).
    Every answer carries `X-Request-Id`, the same for the same method, path and query, so that recordings
    can be repeated.

    Args:
        request: What was asked.
        store: Where the invoices are.
        access: Known credentials, by lower-case scheme and token, and whether each may see billing.
    """
    parts = urlsplit(request.url)
    request_id = sha256(f"{request.method} {parts.path}?{parts.query}".encode()).hexdigest()[:16]
    try:
        response = _route(request, parts.path, store, access)
    except _Refusal as refusal:
        body = {**refusal.body, "request_id": request_id}
        response = _json(request, refusal.status, body, refusal.headers)
    headers = {**response.headers, "X-Request-Id": request_id, "Content-Length": str(len(response.body))}
    # HEAD has the headers of GET and no body (RFC 9110, section 9.3.2).
    return Response(response.status, headers, b"" if request.method == "HEAD" else response.body)


def _route(request: Request, path: str, store: Store, access: Mapping[tuple[str, str], bool]) -> Response:
    found = re.fullmatch(rf"{re.escape(PATH)}(?:/([^/]+)(/download)?)?", path)
    if found is None:
        raise _Refusal(404, {"detail": "There is nothing at this address."})
    _authorize(request.header("Authorization"), access)
    if request.method not in {"GET", "HEAD"}:
        raise _Refusal(405, {"detail": f"{request.method} is not possible here."}, Allow="GET, HEAD")
    identity, download = found.groups()
    if identity is None:
        return _list(request, store)
    row = _find(identity, store)
    return _document(row) if download else _json(request, 200, row)


def _authorize(value: str, access: Mapping[tuple[str, str], bool]) -> None:
    """Accept `apikey TOKEN` and `Bearer JWT`: a scheme in any case, one space, the token (API reference)."""
    scheme, _, token = value.partition(" ")
    if not token or scheme.lower() not in {"apikey", "bearer"}:
        raise _unauthorized(
            "Send a credential: 'Authorization: apikey TOKEN' or 'Authorization: Bearer JWT'."
        )
    allowed = access.get((scheme.lower(), token))
    if allowed is None:
        # As the live API does, name the part before `$` or `_`: all that an unquoted shell variable leaves.
        partial = re.split(r"[$_]", token, maxsplit=1)[0][:12]
        raise _unauthorized(f"The token '{partial}' was not accepted.")
    if not allowed:
        raise _Refusal(403, {"detail": "The role of this token has no access to billing."})


def _unauthorized(detail: str) -> _Refusal:
    # A 401 names the schemes that would do (RFC 9110, section 15.5.2).
    return _Refusal(401, {"detail": detail}, WWW_Authenticate="apikey, Bearer")


def _find(identity: str, store: Store) -> Row:
    # Beyond 19 digits there is no id, and int() would take its time.
    row = store.get(int(identity)) if re.fullmatch(r"[0-9]{1,19}", identity) else None
    if row is None:
        raise _Refusal(404, {"detail": "No such invoice."})
    return row


def _list(request: Request, store: Store) -> Response:
    raw = urlsplit(request.url).query
    query = {name: values[-1] for name, values in parse_qs(raw, keep_blank_values=True).items()}
    rows = store.select(*_selection(query))
    limit = min(_number(query.get("limit"), at_least=1) or DEFAULT_LIMIT, MAX_LIMIT)
    offset = _number(query.get("offset"), at_least=0) or 0
    count = len(rows)
    following = offset + limit if offset + limit < count else None
    page = {
        "count": count,
        "next": None if following is None else _link(request.url, limit, following),
        "previous": _link(request.url, limit, max(offset - limit, 0)) if offset else None,
        "results": rows[offset : offset + limit],
    }
    return _json(request, 200, page)


def _number(text: str | None, *, at_least: int) -> int | None:
    """Read `limit` or `offset`; what is no such number counts as not given (LimitOffsetPagination)."""
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if number >= at_least else None


def _link(url: str, limit: int, offset: int) -> str:
    """Address of another page: same filters, keys sorted, no offset on the first (LimitOffsetPagination)."""
    parts = urlsplit(url)
    query: dict[str, list[str]] = parse_qs(parts.query, keep_blank_values=True)
    query["limit"] = [str(limit)]
    query.pop("offset", None)
    if offset:
        query["offset"] = [str(offset)]
    return parts._replace(query=urlencode(sorted(query.items()), doseq=True), fragment="").geturl()


def _selection(query: Mapping[str, str]) -> tuple[Filters, Order]:
    """Read filters and sort parameters; all that is wrong is told at once. A blank value asks for nothing."""
    given = {name: value for name, value in query.items() if value}
    wrong: dict[str, list[str]] = {}
    conditions: list[Condition] = []
    orders: dict[str, list[Term]] = {}
    for name in given.keys() & FILTERS.keys():
        filter_ = FILTERS[name]
        try:
            conditions.append(Condition(filter_.field, filter_.match, filter_.parse(given[name])))
        except ValueError as error:
            wrong[name] = [str(error)]
    for name in given.keys() & SORT_PARAMETERS.keys():
        try:
            orders[name] = [
                SORT_PARAMETERS[name](key.strip()) for key in given[name].split(",") if key.strip()
            ]
        except ValueError as error:
            wrong[name] = [str(error)]
    if wrong:
        raise _Refusal(400, dict(sorted(wrong.items())))
    order = orders.get("order_by") or orders.get("ordering") or []
    # Sorted, so that a store sees one selection whatever the order of the query.
    return tuple(sorted(conditions, key=repr)), complete(order)


def _date(text: str) -> str:
    # date.fromisoformat() alone would take 20260630 and 2026-W27-2 as well.
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        with suppress(ValueError):
            return date.fromisoformat(text).isoformat()
    raise ValueError("Expected a date as YYYY-MM-DD.")


def _integer(text: str) -> int:
    # No row has so large a number, but it is one: django-filter takes fifty digits too.
    if not re.fullmatch(r"-?[0-9]{1,50}", text):
        raise ValueError("Expected a whole number.")
    return int(text)


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"Unknown value '{text[:40]}'; known are {', '.join(values)}.")
        return text

    return parse


def _term(name: str, *, descending: bool, text: str) -> Term:
    if name not in SORT_KEYS:
        raise ValueError(f"Unknown sort key '{text[:40]}'.")
    return Term(name, descending)


def _ordering(text: str) -> Term:
    return _term(text.removeprefix("-"), descending=text.startswith("-"), text=text)


def _order_by(text: str) -> Term:
    name, _, direction = text.rpartition(".")
    if direction not in {"asc", "desc"}:
        name = ""  # no key has this name: the direction is not optional
    return _term(name, descending=direction == "desc", text=text)


class _Filter(NamedTuple):
    field: str
    match: Match
    parse: Callable[[str], str | int]


FILTERS: Final[Mapping[str, _Filter]] = MappingProxyType(
    {
        "billing_period_from__from": _Filter("billing_period_from", Match.AT_LEAST, _date),
        "billing_period_to__to": _Filter("billing_period_to", Match.AT_MOST, _date),
        "invoice_date__from": _Filter("invoice_date", Match.AT_LEAST, _date),
        "invoice_date__to": _Filter("invoice_date", Match.AT_MOST, _date),
        "client_id": _Filter("client_id", Match.IS, _integer),
        "payer_id": _Filter("payer_id", Match.IS, _integer),
        "currency": _Filter("currency", Match.IS, str),
        "move_type": _Filter("move_type", Match.IS, _one_of("out_invoice", "out_refund")),
        "payment_state": _Filter(
            "payment_state", Match.IS, _one_of("not_paid", "paid", "partial", "reversed", "in_payment")
        ),
    }
)
"""Every filter of the API reference: the field it looks at, how, and how its text is read."""

SORT_PARAMETERS: Final[Mapping[str, Callable[[str], Term]]] = MappingProxyType(
    {"ordering": _ordering, "order_by": _order_by}
)
"""Both spellings of the order. Both are checked; of two, `order_by` wins: the newer edition prefers it."""


def _json(request: Request, status: int, content: object, extra: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", **(extra or {})}
    if len(body) >= GZIP_FROM:
        headers["Vary"] = "Accept-Encoding"
        if _accepts_gzip(request.header("Accept-Encoding")):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, mtime=0)  # no time in it: the same answer is the same bytes
    return Response(status, headers, body)


def _accepts_gzip(value: str) -> bool:
    """Whether gzip is named with a weight above nought (RFC 9110, section 12.5.3)."""
    for item in value.lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False


def _document(row: Row) -> Response:
    name = f"draft-{row['id']}" if row["name"] == "/" else re.sub(r"[^A-Za-z0-9._-]", "-", row["name"])
    headers = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'attachment; filename="{name}.pdf"',
    }
    return Response(200, headers, pdf.render(row))
