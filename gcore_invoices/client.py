"""The two clients: drivers that do what a flow asks for, one with threads and one with asyncio."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from gcore_invoices import _flow, _operations
from gcore_invoices._config import SortParameter, resolve
from gcore_invoices._transport import AsyncKeyTransport, KeyTransport, check_token
from gcore_invoices.errors import UsageError
from gcore_invoices.pagination import AsyncInvoicePager, InvoicePager
from gcore_invoices.query import InvoiceQuery, QueryFields

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from types import TracebackType

    from gcore_invoices._flow import Block, Flow, RenewToken, Send
    from gcore_invoices.models import Invoice

T = TypeVar("T")

_CLOSED = "This client is closed: make a new one, or keep the work inside its `with` block."


class InvoicesClient:
    """Lists, reads and downloads ERP invoices.

    Args:
        api_key: A permanent token; the environment variable `GCORE_API_KEY` if none is given.
        bearer_token: Instead of a key, a login token, or a function that returns one. The function is
            called before the first request and again when the API refuses the token, once a call.
        base_url: Where the API is; `GCORE_BASE_URL`, or else `https://api.gcore.com`.
        sort_parameter: How the API wants a sort order spelled, `ordering` or `order_by`.
        transport: An httpx transport in place of the network, for tests and special set-ups.

    Raises:
        UsageError: The key, the token or the base URL cannot be right.

    Methods raise `APIStatusError` for an error status, `APIConnectionError` if the API cannot be reached,
    and `APIResponseValidationError` for an answer that is not what the contract says.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        bearer_token: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        sort_parameter: SortParameter = "ordering",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if inspect.iscoroutinefunction(bearer_token):
            raise UsageError(
                "bearer_token is an async function: use AsyncInvoicesClient, or a plain function."
            )
        self._settings = resolve(
            api_key=api_key, bearer_token=bearer_token, base_url=base_url, sort_parameter=sort_parameter
        )
        self._bearer_token = bearer_token
        self._token_lock = threading.Lock()
        inner = transport or httpx.HTTPTransport()
        self._http = httpx.Client(
            transport=KeyTransport(inner, self._settings.credential, self._settings.base_url)
        )

    def list(self, query: InvoiceQuery | None = None, /, **fields: Unpack[QueryFields]) -> InvoicePager:
        """Invoices that match, as a lazy, re-iterable list.

        Args:
            query: A prebuilt query,
            **fields: or the fields of `InvoiceQuery`.

        Raises:
            UsageError: A field is unknown or its value is not what it takes.
        """
        return InvoicePager(InvoiceQuery.of(query, fields), self._settings, self._run)

    def get(self, invoice_id: int) -> Invoice:
        """One invoice by its id.

        Raises:
            UsageError: The id is not a positive integer.
            NotFoundError: There is no such invoice in this account.
        """
        return self._run(_flow.call(_operations.get(invoice_id), self._settings))

    def download(self, invoice_id: int, target: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Download one invoice's PDF to a file, whole or not at all.

        Args:
            invoice_id: The invoice.
            target: A file, or a folder (one that is there, or a name that ends in `/`), in which the file
                is named after the invoice number.
            overwrite: Replace a file that is there.

        Returns:
            The file.

        Raises:
            UsageError: The id is not a positive integer, or the file is there already.
            NotFoundError: There is no such invoice in this account.
            OSError: The file cannot be written.
        """
        return self._run(_flow.download(invoice_id, target, self._settings, overwrite=overwrite))

    def download_bytes(self, invoice_id: int) -> bytes:
        """Download one invoice's PDF into memory.

        Raises:
            UsageError: The id is not a positive integer.
            NotFoundError: There is no such invoice in this account.
        """
        return self._run(_flow.download_bytes(invoice_id, self._settings))

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<InvoicesClient of {self._settings.base_url}>"

    def _run(self, flow: Flow[T]) -> T:
        """Do what the flow asks for until it has a result."""
        try:
            step = next(flow)
            while True:
                try:
                    done = self._do(step)
                except Exception as error:  # noqa: BLE001 - the flow knows which are its own
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    def _do(self, step: Send | RenewToken | Block) -> Any:
        if isinstance(step, _flow.Send):
            return self._send(step)
        if isinstance(step, _flow.RenewToken):
            return self._renew_token(step)
        return step.work()

    def _send(self, step: Send) -> _operations.Answer:
        if self._http.is_closed:
            raise UsageError(_CLOSED)
        response = self._http.send(step.request, stream=True)
        try:
            reader = step.open(response)
            for raw in response.iter_raw():
                reader.body.feed(raw)
                if reader.body.full:
                    break
            return reader.answer()
        finally:
            response.close()

    def _renew_token(self, step: RenewToken) -> None:
        credential = self._settings.credential
        with self._token_lock:
            # Of several calls that were refused the first asks; the others find it done.
            if credential.generation == step.generation and callable(self._bearer_token):
                credential.renew(check_token(self._bearer_token(), "What bearer_token() returned"))


class AsyncInvoicesClient:
    """`InvoicesClient` for asyncio; the same arguments and methods.

    `bearer_token` may also be an async function; a plain one is called in a thread.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        bearer_token: str | Callable[[], str | Awaitable[str]] | None = None,
        base_url: str | None = None,
        sort_parameter: SortParameter = "ordering",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        import asyncio  # noqa: PLC0415 - half of the import time of this library

        self._settings = resolve(
            api_key=api_key, bearer_token=bearer_token, base_url=base_url, sort_parameter=sort_parameter
        )
        self._bearer_token = bearer_token
        self._token_lock = asyncio.Lock()
        self._to_thread = asyncio.to_thread
        inner = transport or httpx.AsyncHTTPTransport()
        self._http = httpx.AsyncClient(
            transport=AsyncKeyTransport(inner, self._settings.credential, self._settings.base_url)
        )

    def list(self, query: InvoiceQuery | None = None, /, **fields: Unpack[QueryFields]) -> AsyncInvoicePager:
        """As `InvoicesClient.list`, for `async for`."""
        return AsyncInvoicePager(InvoiceQuery.of(query, fields), self._settings, self._run)

    async def get(self, invoice_id: int) -> Invoice:
        """As `InvoicesClient.get`."""
        return await self._run(_flow.call(_operations.get(invoice_id), self._settings))

    async def download(
        self, invoice_id: int, target: str | os.PathLike[str], *, overwrite: bool = False
    ) -> Path:
        """As `InvoicesClient.download`."""
        return await self._run(_flow.download(invoice_id, target, self._settings, overwrite=overwrite))

    async def download_bytes(self, invoice_id: int) -> bytes:
        """As `InvoicesClient.download_bytes`."""
        return await self._run(_flow.download_bytes(invoice_id, self._settings))

    async def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncInvoicesClient of {self._settings.base_url}>"

    async def _run(self, flow: Flow[T]) -> T:
        """Do what the flow asks for until it has a result."""
        try:
            step = next(flow)
            while True:
                try:
                    done = await self._do(step)
                except Exception as error:  # noqa: BLE001 - the flow knows which are its own
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    async def _do(self, step: Send | RenewToken | Block) -> Any:
        if isinstance(step, _flow.Send):
            return await self._send(step)
        if isinstance(step, _flow.RenewToken):
            return await self._renew_token(step)
        return await self._to_thread(step.work)

    async def _send(self, step: Send) -> _operations.Answer:
        if self._http.is_closed:
            raise UsageError(_CLOSED)
        response = await self._http.send(step.request, stream=True)
        try:
            reader = step.open(response)
            async for raw in response.aiter_raw():
                reader.body.feed(raw)
                if reader.body.full:
                    break
            return reader.answer()
        finally:
            await response.aclose()

    async def _renew_token(self, step: RenewToken) -> None:
        credential = self._settings.credential
        async with self._token_lock:
            # Of several calls that were refused the first asks; the others find it done.
            if credential.generation == step.generation and callable(self._bearer_token):
                ask = self._bearer_token
                token = ask() if inspect.iscoroutinefunction(ask) else await self._to_thread(ask)
                if inspect.isawaitable(token):
                    token = await token
                credential.renew(check_token(token, "What bearer_token() returned"))
