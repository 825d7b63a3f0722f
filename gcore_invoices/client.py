"""The two clients: drivers that do what a flow asks for, one with threads and one with asyncio."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import httpx

from gcore_invoices import _flow, _operations
from gcore_invoices._base import BaseClient
from gcore_invoices._connect import Connection, closed_error
from gcore_invoices._stop import Stop, Stopped, current, leave_to_itself
from gcore_invoices._transport import AsyncKeyTransport, KeyTransport, check_token
from gcore_invoices.pagination import AsyncInvoicePager, InvoicePager

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from gcore_invoices._flow import Flow, RenewToken, Send, Step
    from gcore_invoices.models import Invoice

T = TypeVar("T")


class InvoicesClient(BaseClient[httpx.BaseTransport, str, InvoicePager]):
    """Lists, reads and downloads ERP invoices. Safe to use from many threads.

    Args:
        api_key: A permanent token; the environment variable `GCORE_API_KEY` if none is given.
        bearer_token: Instead of a key, a login token, or a function that returns one. The function is
            called before the first request and again when the API refuses the token, once a call; in a thread
            of its own, which is left to itself at the call's deadline.
        base_url: Where the API is; `GCORE_BASE_URL`, or else `https://api.gcore.com`.
        sort_parameter: How the API wants a sort order spelled, `ordering` or `order_by`.
        timeouts: How long a call, and each part of it, may take.
        retry: How failed attempts are repeated; `RetryPolicy(attempts=1)` never does.
        concurrency: How many pages of a list may be on their way or held at once, 1 to 32.
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

    _connection: Connection[KeyTransport]
    _kinds = (httpx.BaseTransport, httpx.HTTPTransport, KeyTransport)
    _pager = InvoicePager
    _awaits = False

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
        if not self._is_view and (transport := self._connection.end()):
            for stop in self._connection.running.copy():
                stop.set()
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T], stop: Stop | None = None) -> T:
        """Do what the flow asks for until it has a result, or until another thread ends it."""
        stop = stop or Stop()
        running = self._connection.running
        running.add(stop)
        token = current.set(stop)
        try:
            step = next(flow)
            while True:
                try:
                    done = self._do(step, stop)
                except BaseException as error:  # noqa: BLE001 - the flow knows which are its own
                    step = flow.throw(error)
                else:
                    step = flow.send(done)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            running.discard(stop)
            flow.close()
            current.reset(token)

    def _do(self, step: Step, stop: Stop) -> Any:
        do, stop.deadline = step.do, step.deadline
        if isinstance(do, _flow.Block):
            return do.work()
        try:
            if isinstance(do, _flow.Send):
                return self._send(do, stop)
            if isinstance(do, _flow.RenewToken):
                return self._renew_token(do, stop)
            return stop.wait(do.seconds)
        except Exception as error:
            if not stop.is_set():
                raise
            raise (closed_error() if self._connection.closed else Stopped()) from error

    def _send(self, send: Send, stop: Stop) -> _operations.Answer:
        response = self._connection.transport.handle_request(send.request)
        try:
            reader = send.open(response.status_code, response.headers)
            for raw in cast("Iterable[bytes]", response.stream):
                reader.body.feed(raw)
                if reader.body.full:
                    break
                # A transport of the caller's keeps no deadline; this does between two pieces.
                stop.left(None, _flow.DeadlinePassed)
            return reader.answer()
        finally:
            response.close()

    def _renew_token(self, renew: RenewToken, stop: Stop) -> None:
        credential = self._session.settings.credential
        lock = self._connection.lock
        if not lock.acquire(timeout=stop.left(None, _flow.DeadlinePassed) or -1):
            raise _flow.DeadlinePassed
        try:
            # Of several calls that were refused the first asks; the others find it done.
            if credential.generation == renew.generation and self._ask_for_token:
                left = stop.left(None, _flow.DeadlinePassed)
                token = stop.aside(self._ask_for_token, "bearer_token", left, _flow.DeadlinePassed())
                credential.renew(check_token(token, "What bearer_token() returned"))
        finally:
            lock.release()


class AsyncInvoicesClient(BaseClient[httpx.AsyncBaseTransport, str | Awaitable[str], AsyncInvoicePager]):
    """`InvoicesClient` for asyncio; the same arguments and methods.

    `bearer_token` may also be an async function.
    """

    _connection: Connection[AsyncKeyTransport]
    _kinds = (httpx.AsyncBaseTransport, httpx.AsyncHTTPTransport, AsyncKeyTransport)
    _pager = AsyncInvoicePager
    _awaits = True

    def _begin(self) -> None:
        import asyncio  # noqa: PLC0415 - half of this library's import time, and only this client needs it

        self._asyncio = asyncio
        self._token_lock = asyncio.Lock()

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
        """Close the connections. The client cannot be used afterwards; calls under way end with an error."""
        if not self._is_view and (transport := self._connection.end()):
            for limit in self._connection.running.copy():
                with suppress(RuntimeError):  # it ends anyway
                    limit.reschedule(0)
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        """Do what the flow asks for until it has a result."""
        try:
            self._connection.stay_in(self._asyncio.get_running_loop())
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
        left = None if step.deadline is None else step.deadline - time.monotonic()
        running = self._connection.running
        try:
            async with self._asyncio.timeout(left) as limit:
                running.add(limit)
                try:
                    return await self._do(step)
                finally:
                    running.discard(limit)
        except TimeoutError:
            if not limit.expired():
                raise
            raise closed_error() if self._connection.closed else _flow.DeadlinePassed from None

    async def _do(self, step: Step) -> Any:
        do = step.do
        if isinstance(do, _flow.Send):
            return await self._send(do)
        if isinstance(do, _flow.RenewToken):
            return await self._renew_token(do)
        if isinstance(do, _flow.Block):
            return await self._block(do.work)
        return await self._asyncio.sleep(do.seconds)

    async def _block(self, work: Callable[[], Any]) -> Any:
        """Run it in a thread. A call that is cancelled waits for it: nothing is done behind its back."""
        running = self._asyncio.ensure_future(self._asyncio.to_thread(work))
        try:
            return await self._asyncio.shield(running)
        except self._asyncio.CancelledError:
            while not running.done():
                with suppress(self._asyncio.CancelledError):
                    await self._asyncio.wait([running])
            running.exception()  # seen, and of no interest any more
            raise

    async def _aside(self, do: Callable[[], T]) -> T:
        """Do what nothing can end; asyncio's own threads would be waited for at the end of the loop."""
        loop = self._asyncio.get_running_loop()
        came = loop.create_future()

        def settle(*done: Any) -> None:
            if not came.cancelled():
                came.set_result(done)

        def tell(*done: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, *done)

        leave_to_itself(do, "bearer_token", tell)
        done, error = await came
        if error is not None:
            raise error
        return done  # type: ignore[no-any-return]

    async def _send(self, send: Send) -> _operations.Answer:
        try:
            response = await self._connection.transport.handle_async_request(send.request)
            try:
                reader = send.open(response.status_code, response.headers)
                async for raw in cast("AsyncIterable[bytes]", response.stream):
                    reader.body.feed(raw)
                    if reader.body.full:
                        break
                return reader.answer()
            finally:
                await response.aclose()
        except Exception as error:
            if self._connection.closed:
                raise closed_error() from error
            raise

    async def _renew_token(self, renew: RenewToken) -> None:
        credential = self._session.settings.credential
        async with self._token_lock:
            # Of several calls that were refused the first asks; the others find it done.
            ask = self._ask_for_token
            if credential.generation == renew.generation and ask:
                token = ask() if inspect.iscoroutinefunction(ask) else await self._aside(ask)
                if inspect.isawaitable(token):
                    token = await token
                credential.renew(check_token(token, "What bearer_token() returned"))
