"""What a client connects with: proxies, certificates, and a pool that survives a fork."""

from __future__ import annotations

import os
import ssl
import threading
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from gcore_invoices._config import is_loopback
from gcore_invoices.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)

ClientCert = str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]]

# One connection for each page of the widest window, and some to spare for single calls.
_LIMITS = httpx.Limits(max_connections=40, max_keepalive_connections=40)


@frozen(kw_only=True)
class Network:
    """How to reach the API.

    Attributes:
        proxy: The proxy for every request; if none, the environment's, as far as that is trusted.
        trust_env: Whether `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` count.
        ca_bundle: A file of CA certificates to trust instead of the usual ones.
        client_cert: A file with certificate and key, or two files.
    """

    proxy: str | httpx.Proxy | None
    trust_env: bool
    ca_bundle: str | os.PathLike[str] | None
    client_cert: ClientCert | None

    def sync_transport(self, base_url: httpx.URL) -> httpx.HTTPTransport:
        """A transport for the sync client."""
        with _UsageErrors():
            return httpx.HTTPTransport(verify=self._tls(), proxy=self._proxy_for(base_url), limits=_LIMITS)

    def async_transport(self, base_url: httpx.URL) -> httpx.AsyncHTTPTransport:
        """A transport for the async client."""
        with _UsageErrors():
            return httpx.AsyncHTTPTransport(
                verify=self._tls(), proxy=self._proxy_for(base_url), limits=_LIMITS
            )

    def refuse_beside_transport(self) -> None:
        """A transport that is given decides on all of this itself.

        Raises:
            UsageError: Something here was given too.
        """
        if self.proxy or self.ca_bundle or self.client_cert:
            raise UsageError(
                "transport brings its own connection: give proxy, ca_bundle and client_cert to it."
            )

    def _tls(self) -> ssl.SSLContext:
        """Always verifying: no setting of the environment switches that off."""
        if self.ca_bundle is None:
            context = httpx.create_ssl_context(trust_env=self.trust_env)
        else:
            context = ssl.create_default_context(cafile=os.fspath(self.ca_bundle))
        if self.client_cert is not None:
            parts = self.client_cert if isinstance(self.client_cert, tuple) else (self.client_cert,)
            context.load_cert_chain(*parts)
        return context

    def _proxy_for(self, base_url: httpx.URL) -> str | httpx.Proxy | None:
        # A key for this machine's own loopback is no proxy's business.
        if self.proxy is not None or not self.trust_env or is_loopback(base_url.host):
            return self.proxy
        if proxy_bypass(base_url.host):
            return None
        proxies = getproxies()
        found = proxies.get(base_url.scheme) or proxies.get("all")
        return found if found is None or "://" in found else f"http://{found}"


class _UsageErrors:
    """Turns what a wrong file or proxy raises into an error that says which argument it was."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):  # ssl.SSLError is one
            raise UsageError(f"ca_bundle or client_cert cannot be read: {error}.") from None
        if isinstance(error, ValueError | ImportError | httpx.InvalidURL):
            raise UsageError(f"proxy (or HTTPS_PROXY, ALL_PROXY) cannot be used: {error}.") from None


class Connection(Generic[HttpT]):
    """The pool of a client, shared with all its views. After a fork the child gets a fresh one.

    Args:
        make: Makes the httpx client.
    """

    def __init__(self, make: Callable[[], HttpT]) -> None:
        self._make: Callable[[], HttpT] = make
        self.closed = threading.Event()
        """Set when the client is closed; what waits on it wakes up."""
        self._of_parents: list[HttpT] = []
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self.lock = threading.Lock()
        """Held while a token is renewed."""
        self._http: HttpT = self._make()

    @property
    def http(self) -> HttpT:
        """The open httpx client.

        Raises:
            UsageError: The client is closed.
        """
        if self.closed.is_set():
            raise closed_error()
        if self._pid != os.getpid():
            # The parent's sockets are the parent's: kept from the garbage collector, which would close them,
            # and never used.
            self._of_parents.append(self._http)
            self._start()
        return self._http

    def end(self) -> HttpT | None:
        """Let nobody use the pool from now on; returns what is to be closed, if it is this process's own."""
        self.closed.set()
        return self._http if self._pid == os.getpid() else None


def closed_error() -> UsageError:
    """The error for a client that is used after it was closed."""
    return UsageError("This client is closed: make a new one, or keep the work inside its `with` block.")
