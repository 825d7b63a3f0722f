"""The two clients: drivers that do what a flow asks for, one with threads and one with asyncio."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx

from gcore_invoices import _flow, _operations
from gcore_invoices._base import BaseClient
from gcore_invoices._config import SortParameter, Timeouts, resolve
from gcore_invoices._connect import Connection, Network, closed_error
from gcore_invoices._deadline import deadline, keep_deadlines
from gcore_invoices._transport import AsyncKeyTransport, KeyTransport, check_token
from gcore_invoices.errors import UsageError
from gcore_invoices.pagination import AsyncInvoicePager, InvoicePager
from gcore_invoices.plugins.retries import RetryPolicy
from gcore_invoices.query import InvoiceQuery, QueryFields

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from gcore_invoices._connect import ClientCert
    from gcore_invoices._flow import Flow, RenewToken, Send, Step
    from gcore_invoices.models import Invoice

T = TypeVar("T")

_TIMEOUTS = Timeouts()
_RETRY = RetryPolicy()


class InvoicesClient(BaseClient):
    """Lists, reads and downloads ERP invoices. Safe to use from many threads.

    Args:
        api_key: A permanent token; the environment variable `GCORE_API_KEY` if none is given.
        bearer_token: Instead of a key, a login token, or a function that returns one. The function is
            called before the first request and again when the API refuses the token, once a call.
        base_url: Where the API is; `GCORE_BASE_URL`, or else `https://api.gcore.com`.
        sort_parameter: How the API wants a sort order spelled, `ordering` or `order_by`.
        timeouts: How long a call, and each part of it, may take.
        retry: How failed attempts are repeated; `RetryPolicy(attempts=1)` never does.
        plugins: Objects that implement hooks; see `gcore_invoices.hookspecs`.
        disabled_plugins: Names of plugins to leave out, built-ins included, besides those in
            `GCORE_INVOICES_DISABLED_PLUGINS`.
        strict_plugins: Whether an installed plugin that cannot be used is an error instead of a log line.
        proxy: A proxy for every request; if none, the environment's.
        trust_env: Whether the environment's proxies and `SSL_CERT_FILE`, `SSL_CERT_DIR` count.
        ca_bundle: A file of CA certificates to trust instead of the usual ones.
        client_cert: A client certificate: one file with its key, or two files.
        transport: An httpx transport in place of the network, for tests and special set-ups.

    Raises:
        UsageError: An argument, or what stands in the environment for it, cannot be right.

    Methods raise `APIStatusError` for an error status, `APIConnectionError` if the API cannot be reached in
    time, and `APIResponseValidationError` for an answer that is not what the contract says.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        bearer_token: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        sort_parameter: SortParameter = "ordering",
        timeouts: Timeouts = _TIMEOUTS,
        retry: RetryPolicy = _RETRY,
        plugins: Sequence[object] = (),
        disabled_plugins: Iterable[str] = (),
        strict_plugins: bool = False,
        proxy: str | httpx.Proxy | None = None,
        trust_env: bool = True,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: ClientCert | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if inspect.iscoroutinefunction(bearer_token):
            raise UsageError("bearer_token is an async function: use AsyncInvoicesClient, or a plain one.")
        settings = resolve(
            api_key=api_key, bearer_token=bearer_token, base_url=base_url, sort_parameter=sort_parameter
        )
        self._configure(
            settings,
            timeouts=timeouts,
            retry=retry,
            plugins=plugins,
            disabled_plugins=disabled_plugins,
            strict_plugins=strict_plugins,
        )
        network = Network(proxy=proxy, trust_env=trust_env, ca_bundle=ca_bundle, client_cert=client_cert)
        self._bearer_token = bearer_token
        if transport is not None:
            network.refuse_beside_transport()

        def connect() -> httpx.Client:
            inner = transport or network.sync_transport(settings.base_url)
            if isinstance(inner, httpx.HTTPTransport):
                keep_deadlines(inner)
            # The environment has been heard; httpx would look at it again.
            return httpx.Client(
                transport=KeyTransport(inner, settings.credential, settings.base_url), trust_env=False
            )

        self._connection = Connection(connect)

    def list(self, query: InvoiceQuery | None = None, /, **fields: Unpack[QueryFields]) -> InvoicePager:
        """Invoices that match, as a lazy, re-iterable list.

        Args:
            query: A prebuilt query,
            **fields: or the fields of `InvoiceQuery`.

        Raises:
            UsageError: A field is unknown or its value is not what it takes.
        """
        return InvoicePager(InvoiceQuery.of(query, fields), self._session, self._run)

    def get(self, invoice_id: int) -> Invoice:
        """One invoice by its id.

        Raises:
            UsageError: The id is not a positive integer.
            NotFoundError: There is no such invoice in this account.
        """
        return self._run(_flow.call(_operations.get(invoice_id), self._session))

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
        return self._run(_flow.download(invoice_id, target, self._session, overwrite=overwrite))

    def download_bytes(self, invoice_id: int) -> bytes:
        """Download one invoice's PDF into memory.

        Raises:
            UsageError: The id is not a positive integer.
            NotFoundError: There is no such invoice in this account.
        """
        return self._run(_flow.download_bytes(invoice_id, self._session))

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards; calls that wait end with an error."""
        if not self._is_view and (http := self._connection.end()):
            http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        """Do what the flow asks for until it has a result."""
        try:
            step = next(flow)
            while True:
                try:
                    done = self._do(step)
                except BaseException as error:  # noqa: BLE001 - the flow knows which are its own
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    def _do(self, step: Step) -> Any:
        do = step.do
        if isinstance(do, _flow.Send):
            with deadline(step.deadline):
                return self._send(do, step.deadline)
        if isinstance(do, _flow.RenewToken):
            return self._renew_token(do)
        if isinstance(do, _flow.Block):
            return do.work()
        # Not time.sleep: closing the client from another thread ends the wait.
        if self._connection.closed.wait(do.seconds):
            raise closed_error()
        return None

    def _send(self, send: Send, until: float | None) -> _operations.Answer:
        response = self._connection.http.send(send.request, stream=True)
        try:
            reader = send.open(response.status_code, response.headers)
            for raw in response.iter_raw():
                reader.body.feed(raw)
                if reader.body.full:
                    break
                # A transport of the caller's keeps no deadline; this does between two pieces.
                if until is not None and time.monotonic() > until:
                    raise _flow.DeadlinePassed
            return reader.answer()
        finally:
            response.close()

    def _renew_token(self, renew: RenewToken) -> None:
        credential = self._session.settings.credential
        with self._connection.lock:
            # Of several calls that were refused the first asks; the others find it done.
            if credential.generation == renew.generation and callable(self._bearer_token):
                credential.renew(check_token(self._bearer_token(), "What bearer_token() returned"))


class AsyncInvoicesClient(BaseClient):
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
        timeouts: Timeouts = _TIMEOUTS,
        retry: RetryPolicy = _RETRY,
        plugins: Sequence[object] = (),
        disabled_plugins: Iterable[str] = (),
        strict_plugins: bool = False,
        proxy: str | httpx.Proxy | None = None,
        trust_env: bool = True,
        ca_bundle: str | os.PathLike[str] | None = None,
        client_cert: ClientCert | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        import asyncio  # noqa: PLC0415 - half of this library's import time, and only this client needs it

        settings = resolve(
            api_key=api_key, bearer_token=bearer_token, base_url=base_url, sort_parameter=sort_parameter
        )
        self._configure(
            settings,
            timeouts=timeouts,
            retry=retry,
            plugins=plugins,
            disabled_plugins=disabled_plugins,
            strict_plugins=strict_plugins,
        )
        network = Network(proxy=proxy, trust_env=trust_env, ca_bundle=ca_bundle, client_cert=client_cert)
        self._bearer_token = bearer_token
        self._asyncio = asyncio
        self._token_lock = asyncio.Lock()
        if transport is not None:
            network.refuse_beside_transport()

        def connect() -> httpx.AsyncClient:
            inner = transport or network.async_transport(settings.base_url)
            return httpx.AsyncClient(
                transport=AsyncKeyTransport(inner, settings.credential, settings.base_url), trust_env=False
            )

        self._connection = Connection(connect)

    def list(self, query: InvoiceQuery | None = None, /, **fields: Unpack[QueryFields]) -> AsyncInvoicePager:
        """As `InvoicesClient.list`, for `async for`."""
        return AsyncInvoicePager(InvoiceQuery.of(query, fields), self._session, self._run)

    async def get(self, invoice_id: int) -> Invoice:
        """As `InvoicesClient.get`."""
        return await self._run(_flow.call(_operations.get(invoice_id), self._session))

    async def download(
        self, invoice_id: int, target: str | os.PathLike[str], *, overwrite: bool = False
    ) -> Path:
        """As `InvoicesClient.download`."""
        return await self._run(_flow.download(invoice_id, target, self._session, overwrite=overwrite))

    async def download_bytes(self, invoice_id: int) -> bytes:
        """As `InvoicesClient.download_bytes`."""
        return await self._run(_flow.download_bytes(invoice_id, self._session))

    async def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        if not self._is_view and (http := self._connection.end()):
            await http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        """Do what the flow asks for until it has a result."""
        try:
            step = next(flow)
            while True:
                try:
                    done = await self._do_in_time(step)
                except BaseException as error:  # noqa: BLE001 - the flow knows which are its own
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    async def _do_in_time(self, step: Step) -> Any:
        if step.deadline is None:
            return await self._do(step)
        try:
            async with self._asyncio.timeout(step.deadline - time.monotonic()) as limit:
                return await self._do(step)
        except TimeoutError:
            if limit.expired():
                raise _flow.DeadlinePassed from None
            raise

    async def _do(self, step: Step) -> Any:
        do = step.do
        if isinstance(do, _flow.Send):
            return await self._send(do)
        if isinstance(do, _flow.RenewToken):
            return await self._renew_token(do)
        if isinstance(do, _flow.Block):
            return await self._asyncio.to_thread(do.work)
        return await self._asyncio.sleep(do.seconds)

    async def _send(self, send: Send) -> _operations.Answer:
        response = await self._connection.http.send(send.request, stream=True)
        try:
            reader = send.open(response.status_code, response.headers)
            async for raw in response.aiter_raw():
                reader.body.feed(raw)
                if reader.body.full:
                    break
            return reader.answer()
        finally:
            await response.aclose()

    async def _renew_token(self, renew: RenewToken) -> None:
        credential = self._session.settings.credential
        async with self._token_lock:
            # Of several calls that were refused the first asks; the others find it done.
            if credential.generation == renew.generation and callable(self._bearer_token):
                ask = self._bearer_token
                token = ask() if inspect.iscoroutinefunction(ask) else await self._asyncio.to_thread(ask)
                if inspect.isawaitable(token):
                    token = await token
                credential.renew(check_token(token, "What bearer_token() returned"))
