"""`FakeApi`: the sandbox's rules over invoices that a test puts there, with faults on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict, Unpack
from urllib.parse import parse_qsl, urlsplit

from gcore_invoices import AsyncInvoicesClient, InvoicesClient, RetryPolicy
from gcore_invoices.errors import UsageError, unknown_name
from gcore_invoices.models import Invoice
from gcore_invoices.sandbox.rules import API_KEY, PATH, Request, Response, handle
from gcore_invoices.testing._doors import ORIGIN, FakeTransport, Port
from gcore_invoices.testing._faults import Fault, Faults, Operation, Refusal
from gcore_invoices.testing._store import OPEN_FIELDS, MemoryStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from decimal import Decimal
    from types import TracebackType

    from gcore_invoices.models import MoveType, PaymentState


class _NoWaits(RetryPolicy):
    """The usual policy, but for its waits: those that an answer asks for are not sat out either."""

    def wait(self, attempt: int, retry_after: float | None, share: float) -> float | None:
        return None if super().wait(attempt, retry_after, share) is None else 0.0


_RETRY: Final = _NoWaits()

_SHOWN = 10
"""Requests that an error names."""


class InvoiceFields(TypedDict, total=False):
    """Fields of an invoice, as keywords of `FakeApi.add` and `update`. Text is taken as it is on the wire.

    Text for an enum is a value that is known; `unknown_enum` sets another.
    """

    id: int
    name: str
    move_type: MoveType | str
    currency: str
    invoice_date: dt.date | str | None
    invoice_date_due: dt.date | str | None
    billing_period_from: dt.date | str | None
    billing_period_to: dt.date | str | None
    amount_untaxed: Decimal | int | str
    amount_tax: Decimal | int | str
    amount_total: Decimal | int | str
    payment_state: PaymentState | str
    client_id: int
    payer_id: int
    invoice_id: int | None
    created_at: dt.datetime | str
    updated_at: dt.datetime | str


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """One request as it came.

    Attributes:
        operation: `list`, `get` or `download`; `other` for an address outside the API.
        method: The HTTP method.
        path: The path, without the query.
        params: The query, decoded.
        headers: By lower-case name, without the key.
    """

    operation: Operation | Literal["other"]
    method: str
    path: str
    params: Mapping[str, str] = field(hash=False)
    headers: Mapping[str, str] = field(hash=False)


class FakeApi:
    """An invoices API in this process: empty at first, gone at the end of its `with` block.

    It answers by the sandbox's rules, so filters, order, pages and errors are those of the API as far as
    they are known. Threads may share it. The block ends with `assert_all_met`, unless an exception ends it.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._store = MemoryStore()
        self._faults = Faults()
        self._requests: list[AskedRequest] = []
        self._actions: list[_Action] = []
        self._port: Port | None = None
        self._client: InvoicesClient | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:  # else it may be why a request never came
            self.assert_all_met()

    def close(self) -> None:
        """Close `client` and the port, if they were made. Closing twice does no harm."""
        self._closed = True
        if self._client is not None:
            self._client.close()
        if self._port is not None:
            self._port.close()
            self._port = None

    # -- ways in

    @property
    def client(self) -> InvoicesClient:
        """A client for this API, the same each time. It retries without waiting."""
        if self._client is None:
            self._client = self.sync_client()
        return self._client

    def sync_client(self, **options: Any) -> InvoicesClient:
        """Another client for this API.

        Args:
            **options: Arguments of `InvoicesClient`, in place of its own.
        """
        return InvoicesClient(**self._options(options))

    def async_client(self, **options: Any) -> AsyncInvoicesClient:
        """An async client for this API, for `async with`.

        Args:
            **options: Arguments of `AsyncInvoicesClient`, in place of its own.
        """
        return AsyncInvoicesClient(**self._options(options))

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        own: dict[str, Any] = {"base_url": ORIGIN, "transport": self.transport, "retry": _RETRY}
        if "bearer_token" not in given:
            own["api_key"] = self.api_key
        return own | given

    @property
    def transport(self) -> FakeTransport:
        """An httpx transport to this API, sync and async, for clients that a test makes itself."""
        return FakeTransport(self._ask)

    @property
    def api_key(self) -> str:
        """The key that opens this API. It is no secret."""
        return API_KEY

    @property
    def url(self) -> str:
        """This API on a real port of 127.0.0.1, which is opened the first time it is asked for.

        Raises:
            UsageError: The `with` block has ended.
            OSError: There is no port to be had.
        """
        if self._closed:
            raise UsageError("This fake API is closed: its `with` block, or its test, has ended.")
        if self._port is None:
            self._port = Port(self._ask)
        return self._port.url

    @property
    def environ(self) -> dict[str, str]:
        """What a program finds this API by, through its port: `GCORE_BASE_URL` and `GCORE_API_KEY`."""
        return {"GCORE_BASE_URL": self.url, "GCORE_API_KEY": self.api_key}

    # -- what is there

    @property
    def invoices(self) -> list[Invoice]:
        """Every invoice that is there, in the order they were added."""
        with self._lock:
            return list(self._store.invoices.values())

    def add(self, invoice: Invoice | None = None, /, **fields: Unpack[InvoiceFields]) -> Invoice:
        """Add an invoice: unpaid, 100 and 21 tax in EUR, the next id, number and day, unless told otherwise.

        Args:
            invoice: One to add as it is,
            **fields: with these fields instead. Of the three amounts those not given follow from the others.

        Raises:
            UsageError: A field is unknown, its value is not what it takes, or the id is taken.
        """
        with self._lock:
            return self._store.add(_fields(invoice) | dict(fields))

    def update(self, invoice: Invoice | int, /, **fields: Unpack[InvoiceFields]) -> Invoice:
        """Change an invoice, given by itself or its id; `updated_at` moves on by a second.

        Raises:
            UsageError: There is no such invoice, or as for `add`.
        """
        with self._lock:
            return self._store.update(_id(invoice), fields)

    def remove(self, invoice: Invoice | int, /) -> None:
        """Remove an invoice.

        Raises:
            UsageError: There is no such invoice.
        """
        with self._lock:
            self._store.remove(_id(invoice))

    # -- what goes wrong

    def fail(
        self,
        status: int = 503,
        *,
        times: int = 1,
        operation: Operation | None = None,
        detail: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Answer the next requests with an error. Faults come one a request, in the order they were set.

        Args:
            status: The HTTP status, from 300 to 599.
            times: How many requests.
            operation: Only requests of this kind: `list`, `get` or `download`.
            detail: What the answer says; the status's own phrase by default.
            retry_after: Seconds that the answer asks to wait. Clients from here do not.

        Raises:
            UsageError: A value is not what it takes; so it is with `delay` and `cut`.
        """
        refusal = Refusal(status, detail, retry_after)
        self._fault(f"fail({status})", Fault(instead=refusal.answer()), times, operation)

    def delay(self, seconds: float, *, times: int = 1, operation: Operation | None = None) -> None:
        """Hold the next answers back.

        In this process a delay beyond the client's read timeout is a timeout at once, without the wait.
        """
        self._fault(f"delay({seconds})", Fault(delay=seconds), times, operation)

    def cut(self, *, times: int = 1, operation: Operation | None = None) -> None:
        """Break the connection in the middle of the next answers."""
        self._fault("cut()", Fault(cut=True), times, operation)

    def unknown_enum(
        self,
        invoice: Invoice | int | None = None,
        *,
        field: Literal["payment_state", "move_type"] = "payment_state",
        value: str = "blocked",
    ) -> Invoice:
        """Give an invoice, the first if none is named, a value that no version of the library knows yet.

        Raises:
            UsageError: There is no such invoice, or the value is known.
        """
        kind = OPEN_FIELDS.get(field)
        if kind is None:
            raise unknown_name("open field", field, OPEN_FIELDS)
        if kind(value).is_known:
            raise UsageError(f"{value!r} is a {field} that is known: update() sets it.")
        with self._lock:
            if invoice is None:
                invoice = next(iter(self._store.invoices), 0)
            return self._store.update(_id(invoice), {field: kind(value)})

    def _fault(self, told: str, fault: Fault, times: int, operation: Operation | None) -> None:
        with self._lock:
            self._faults.put(told, fault, times, operation)

    def before_request(self, number: int, action: Callable[[], object]) -> None:
        """Do something just before a request is answered, the first from now being number 1."""
        self._plan(f"before_request({number})", number, None, action)

    def between_pages(self, action: Callable[[], object], *, after: int = 1) -> None:
        """Do something when so many more pages of a list were asked for, before the next one is."""
        self._plan(f"between_pages(after={after})", after + 1, "list", action)

    def recover(self) -> None:
        """Forget the faults that still wait, and the actions: from now on all goes well."""
        with self._lock:
            self._faults.clear()
            self._actions.clear()

    def assert_all_met(self) -> None:
        """Make sure that what was to go wrong, or to move, did: else a test proves less than it says.

        A fault that was to come several times needs to have come once.

        Raises:
            AssertionError: A fault has met no request yet, or an action was not done. The message says which.
        """
        with self._lock:
            unmet = self._faults.unmet() + [action.told for action in self._actions]
            asked: list[str] = [request.operation for request in self._requests]
        if unmet:
            last = ", ".join(["…"] * (len(asked) > _SHOWN) + asked[-_SHOWN:])
            raise AssertionError(
                f"No request met {'; nor '.join(unmet)}. Requests so far: {len(asked)} ({last or 'none'}). "
                "Set it before the request that it is for; or call recover() if it need not come."
            )

    def _plan(
        self, told: str, number: int, operation: Operation | None, action: Callable[[], object]
    ) -> None:
        if number < 1:
            raise UsageError(f"Requests are counted from 1, not {number}.")
        if not callable(action):
            raise UsageError(f"What is to be done is a function without arguments, not {action!r}.")
        with self._lock:
            self._actions.append(_Action(told, number, operation, action))

    # -- what was asked

    @property
    def requests(self) -> tuple[AskedRequest, ...]:
        """Every request so far, in the order they came."""
        with self._lock:
            return tuple(self._requests)

    def _ask(self, request: Request) -> tuple[Response, Fault]:
        asked = _asked(request)
        with self._lock:
            self._requests.append(asked)
            for action in self._actions.copy():
                if action.is_due(asked.operation):
                    self._actions.remove(action)
                    action.do()
            fault = self._faults.take(asked.operation)
            return fault.instead or handle(request, self._store), fault


@dataclass
class _Action:
    told: str
    left: int
    operation: Operation | None
    do: Callable[[], object]

    def is_due(self, operation: str) -> bool:
        if self.operation in {None, operation}:
            self.left -= 1
            return self.left == 0
        return False


def _asked(request: Request) -> AskedRequest:
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers.pop("authorization", None)
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    return AskedRequest(
        _operation(parts.path),
        request.method,
        parts.path,
        MappingProxyType(params),
        MappingProxyType(headers),
    )


def _operation(path: str) -> Operation | Literal["other"]:
    if not path.startswith(PATH):
        return "other"
    if path == PATH:
        return "list"
    return "download" if path.endswith("/download") else "get"


def _fields(invoice: Invoice | None) -> dict[str, Any]:
    if not isinstance(invoice, Invoice | None):
        raise UsageError(f"add() takes an Invoice, or fields by their names: not {invoice!r}.")
    return {} if invoice is None else {name: getattr(invoice, name) for name in InvoiceFields.__annotations__}


def _id(invoice: Invoice | int) -> int:
    return invoice.id if isinstance(invoice, Invoice) else invoice
