"""What a client connects with: proxies, certificates, and a pool that survives a fork."""

from __future__ import annotations

import os
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx
import msgspec
from attrs import field, frozen

from gcore_invoices._config import check_host, is_loopback
from gcore_invoices._transport import AsyncKeyTransport, KeyTransport
from gcore_invoices.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TransportT = TypeVar("TransportT", KeyTransport, AsyncKeyTransport)
HttpTransportT = TypeVar("HttpTransportT", httpx.HTTPTransport, httpx.AsyncHTTPTransport)

ClientCert = str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]]

_WITH_POOL = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
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

    # Either may hold a password, and error trackers show the repr of every local.
    proxy: str | httpx.Proxy | None = field(repr=False)
    trust_env: bool
    ca_bundle: str | os.PathLike[str] | None
    client_cert: ClientCert | None

    def transport(self, kind: type[HttpTransportT], base_url: httpx.URL) -> HttpTransportT:
        """A transport of httpx, of either flavour."""
        proxy = self.proxy if self.proxy is not None else self._proxy_from_environment(base_url)
        with _usage_errors(_PROXY, secret=_userinfo(proxy)):
            return kind(verify=self._tls(base_url), proxy=self._checked(proxy, base_url), limits=_LIMITS)

    def give_way_to(
        self, transport: object, kind: type[httpx.BaseTransport | httpx.AsyncBaseTransport]
    ) -> None:
        """Check a transport that was given: it decides on all of this itself.

        Raises:
            UsageError: It is of the other flavour, or something here was given too.
        """
        if transport is None:
            return
        if not isinstance(transport, kind):
            raise UsageError(f"transport takes an httpx.{kind.__name__}, not {type(transport).__name__}.")
        if self.proxy or self.ca_bundle or self.client_cert:
            raise UsageError(
                "transport brings its own connection: give proxy, ca_bundle and client_cert to it."
            )

    def _tls(self, base_url: httpx.URL) -> ssl.SSLContext:
        """Always verifying: no setting of the environment switches that off."""
        if base_url.scheme == "http" and self.ca_bundle is None and self.client_cert is None:
            # For loopback without TLS, no roots: reading them takes longer than all the rest.
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context = self._roots()
        if self.client_cert is not None:
            with _usage_errors(f"client_cert {self.client_cert}"):
                both = self.client_cert if isinstance(self.client_cert, tuple) else (self.client_cert, None)
                # Without a function for the password OpenSSL would ask for one at the terminal.
                context.load_cert_chain(both[0], both[1], password=_no_password)
        return context

    def _roots(self) -> ssl.SSLContext:
        if self.ca_bundle is None:
            names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
            said = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
            with _usage_errors(" or ".join(said) or "The installed package certifi"):
                return httpx.create_ssl_context(trust_env=self.trust_env)
        with _usage_errors(f"ca_bundle {self.ca_bundle}"):
            return ssl.create_default_context(cafile=os.fspath(self.ca_bundle))

    def _checked(self, given: str | httpx.Proxy | None, base_url: httpx.URL) -> httpx.Proxy | None:
        if given is None:
            return None
        proxy = given if isinstance(given, httpx.Proxy) else httpx.Proxy(given)
        if not proxy.url.host:
            raise UsageError(f"{_PROXY} cannot be used: it names no host.")
        check_host(proxy.url)
        if base_url.scheme == "http" and not is_loopback(proxy.url.host):
            raise UsageError(
                f"base_url is {base_url}, without TLS: the proxy would read the key. "
                "Leave proxy out, or use one on loopback."
            )
        if proxy.url.scheme != "https" or proxy.ssl_context is not None:
            return proxy
        from gcore_invoices._deadline import PatientSocket  # noqa: PLC0415 - its docstring says why

        roots = self._roots()
        roots.sslsocket_class = PatientSocket
        return httpx.Proxy(proxy.url, ssl_context=roots, auth=proxy.auth, headers=proxy.headers)

    def _proxy_from_environment(self, base_url: httpx.URL) -> str | None:
        # A key for this machine's own loopback is no proxy's business.
        if not self.trust_env or is_loopback(base_url.host):
            return None
        port = base_url.port or 443
        if proxy_bypass(base_url.host) or proxy_bypass(f"{base_url.host}:{port}"):
            return None
        proxies = getproxies()
        found = proxies.get(base_url.scheme) or proxies.get("all")
        return found if found is None or "://" in found else f"http://{found}"


_PROXY = "proxy (or HTTPS_PROXY, ALL_PROXY)"


@contextmanager
def _usage_errors(what: str, secret: str = "") -> Iterator[None]:
    """Turns what a wrong file or proxy raises into an error that says which argument it was."""
    try:
        yield
    except UsageError:
        raise
    except (OSError, ValueError, TypeError, ImportError, httpx.InvalidURL) as error:
        problem = str(error).replace(secret, "***") if secret else str(error)
        raise UsageError(f"{what} cannot be used: {problem}.") from None


def _userinfo(proxy: object) -> str:
    """User and password in a proxy's address, which need not be one."""
    return proxy.rpartition("@")[0].rpartition("/")[2] if isinstance(proxy, str) else ""


def _no_password() -> str:
    raise UsageError(
        "The key of client_cert is encrypted: give one that is not, or a transport that knows the password."
    )


class Connection(Generic[TransportT]):
    """The pool of a client, shared with all its views. After a fork the child gets a fresh one.

    Args:
        make: Makes a transport with a pool.
    """

    def __init__(self, make: Callable[[], TransportT]) -> None:
        self._make: Callable[[], TransportT] = make
        self.closed = False
        self._loop: object = None
        self.running: set[Any] = set()
        """What ends the calls that are under way when the client is closed."""
        self._after_fork = threading.Lock()
        self._own: _Own[TransportT] = _Own(os.getpid(), make(), threading.Lock())
        self._of_parents: list[_Own[TransportT]] = []

    @property
    def transport(self) -> TransportT:
        """The transport to send with.

        Raises:
            UsageError: The client is closed.
        """
        if self.closed:
            raise closed_error()
        return self._current().transport

    @property
    def lock(self) -> threading.Lock:
        """Held while a token is renewed."""
        return self._current().lock

    def _current(self) -> _Own[TransportT]:
        if self._own.pid != os.getpid():
            with self._after_fork:
                if self._own.pid != os.getpid():
                    # The parent's sockets are the parent's: kept from the garbage collector, which would
                    # close them, and never used.
                    self._of_parents.append(self._own)
                    self._own = _Own(os.getpid(), self._anew(), threading.Lock())
        return self._own

    def _anew(self) -> TransportT:
        made = self._make()
        if made.inner is self._own.transport.inner and isinstance(made.inner, _WITH_POOL):
            raise UsageError(
                "A transport that was given cannot be shared with a child process: make the client there."
            )
        return made

    def stay_in(self, loop: object) -> None:
        """Note the event loop of an async client: its connections live there and nowhere else.

        Raises:
            UsageError: It has been used in another one.
        """
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise UsageError(
                "This client was used in another event loop: make a client in each asyncio.run()."
            )

    def end(self) -> TransportT | None:
        """Let nobody use the pool from now on; returns what is to be closed, if it is this process's own."""
        self.closed = True
        return self._own.transport if self._own.pid == os.getpid() else None


class _Own(msgspec.Struct, Generic[TransportT], frozen=True):
    """What belongs to one process."""

    pid: int
    transport: TransportT
    lock: threading.Lock


def closed_error() -> UsageError:
    """The error for a client that is used after it was closed."""
    return UsageError("This client is closed: make a new one, or keep the work inside its `with` block.")
