"""The key, bound to its origin.

The key is added to a copy of the request at the last moment, and only for the origin of the base URL. So
the request that errors, logs and tracebacks see has never held it, and no redirect or link can carry it away.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import Any, NoReturn
from weakref import WeakSet

import httpx

from gcore_invoices._mask import Mask
from gcore_invoices.errors import UsageError

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_OLDER_SECRETS = 3


class Credential:
    """The secret that signs requests. Masked wherever it could be shown; refuses to be pickled or copied.

    Args:
        scheme: `apikey` or `Bearer`, the first word of the header (API reference).
        secret: The token; empty if it has yet to be asked for.
        renewable: Whether a new one can be asked for when the API refuses this one.
    """

    __slots__ = ("__weakref__", "_masks", "_secret", "generation", "renewable", "scheme")

    def __init__(self, scheme: str, secret: str = "", *, renewable: bool = False) -> None:
        self.scheme = scheme
        self.renewable = renewable
        self.generation = 0
        """Counts renewals, so that of many calls that were refused only one asks anew."""
        self._secret = secret
        self._masks: tuple[Mask, ...] = (Mask(secret),) if secret else ()

    def renew(self, secret: str) -> None:
        """Sign with another secret from now on."""
        # An answer to what was signed with an older one may still come.
        self._masks = (Mask(secret), *self._masks[:_OLDER_SECRETS])
        self._secret = secret
        self.generation += 1

    def sign(self, request: httpx.Request) -> httpx.Request:
        """A copy of the request that carries the secret."""
        rest: dict[str, Any] = {"stream": request.stream, "extensions": request.extensions}
        signed = httpx.Request(request.method, request.url, headers=request.headers, **rest)
        signed.headers["Authorization"] = f"{self.scheme} {self._secret}"
        return signed

    def mask(self, text: str, *, limit: int | None = None, cut: bool = False) -> str:
        """The text without the secret, however it is spelled there.

        Args:
            text: What may hold it.
            limit: Only the first so many characters.
            cut: Whether the text ends in the middle, so that its end may be the beginning of the secret.
        """
        if limit is not None and len(text) > limit:
            text, cut = text[:limit], True
        for mask in self._masks:
            text = mask(text, cut=cut)
        return text[:limit]

    @property
    def looks_cut(self) -> bool:
        """Whether this looks like an API key that lost its end to a shell.

        A key holds a `$` or a `_` (API documentation). In a shell, without quotes, `1234$abcdef` is `1234`.
        """
        return self.scheme == "apikey" and not re.search(r"\$.|_", self._secret)

    def __repr__(self) -> str:
        return f"<Credential {self.scheme} ***>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("The key cannot be pickled or copied: make a new client where it is needed.")


class _LogFilter(logging.Filter):
    """Masks what httpcore logs of answers: they may echo the key, in their head or where no HTTP is."""

    def __init__(self) -> None:
        super().__init__()
        self._credentials: WeakSet[Credential] = WeakSet()
        self._guard = threading.Lock()  # a set that grows while it is copied is an error

    def add(self, credential: Credential) -> None:
        with self._guard:
            self._credentials.add(credential)
        for name in ("connection", "http11", "http2", "proxy", "socks"):
            logging.getLogger(f"httpcore.{name}").addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        with self._guard:
            credentials = list(self._credentials)
        for credential in credentials:
            text = credential.mask(text)
        record.msg, record.args = text, ()
        return True


_log_filter = _LogFilter()


def check_token(token: object, name: str) -> str:
    """A token that a header can carry.

    Args:
        token: What was given.
        name: What to call it in the message, e.g. `api_key`.

    Raises:
        UsageError: It is empty, no text, or holds a space, a control or a non-ASCII character.
            The message never shows it.
    """
    if not isinstance(token, str):
        raise UsageError(f"{name} takes text, not {type(token).__name__}.")
    if not token:
        raise UsageError(f"{name} is empty.")
    if token.lower().startswith(("apikey ", "bearer ")):
        raise UsageError(f"{name} takes the token alone, without the word before it.")
    if not _PRINTABLE.fullmatch(token):
        raise UsageError(
            f"{name} holds a space, a line break, or a character that is not printable ASCII; "
            "a token has none of these. Was a line break read from a file with it?"
        )
    return token


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a key belongs to (RFC 6454, section 4)."""
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)


class _Signing:
    """Signs requests to one origin on their way to another transport."""

    def __init__(self, inner: Any, credential: Credential, base_url: httpx.URL) -> None:
        self.inner = inner
        self._credential = credential
        self._origin = origin(base_url)
        _log_filter.add(credential)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        return self._credential.sign(request) if origin(request.url) == self._origin else request


class KeyTransport(_Signing, httpx.BaseTransport):
    """Signs requests to one origin on their way to another transport."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, signed if it goes to the key's origin."""
        return self.inner.handle_request(self._signed(request))  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the transport below."""
        self.inner.close()


class AsyncKeyTransport(_Signing, httpx.AsyncBaseTransport):
    """The same for the async client."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, signed if it goes to the key's origin."""
        return await self.inner.handle_async_request(self._signed(request))  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the transport below."""
        await self.inner.aclose()
