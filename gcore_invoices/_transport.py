"""The key, bound to its origin.

The key is added to a copy of the request at the last moment, and only for the origin of the base URL. So
the request that errors, logs and tracebacks see has never held it, and no redirect or link can carry it away.
"""

from __future__ import annotations

import re
from typing import NoReturn

import httpx

from gcore_invoices.errors import UsageError

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Credential:
    """The secret that signs requests. Masked wherever it could be shown; refuses to be pickled or copied.

    Args:
        scheme: `apikey` or `Bearer`, the first word of the header (API reference).
        secret: The token; empty if it has yet to be asked for.
        renewable: Whether a new one can be asked for when the API refuses this one.
    """

    __slots__ = ("_secret", "_shown", "generation", "renewable", "scheme")

    def __init__(self, scheme: str, secret: str = "", *, renewable: bool = False) -> None:
        self.scheme = scheme
        self.renewable = renewable
        self.generation = 0
        """Counts renewals, so that of many calls that were refused only one asks anew."""
        self._secret = secret
        self._shown = _any_spelling(secret) if secret else None

    def renew(self, secret: str) -> None:
        """Sign with another secret from now on."""
        self._secret, self._shown = secret, _any_spelling(secret)
        self.generation += 1

    def sign(self, request: httpx.Request) -> httpx.Request:
        """A copy of the request that carries the secret."""
        headers = request.headers.copy()
        headers["Authorization"] = f"{self.scheme} {self._secret}"
        return httpx.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )

    def mask(self, text: str) -> str:
        """The text without the secret, however it is spelled there."""
        return self._shown.sub("***", text) if self._shown else text

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


def _any_spelling(secret: str) -> re.Pattern[str]:
    """Finds the secret as it is, and escaped as in JSON, URLs and HTML."""
    return re.compile(
        "".join(
            rf"(?:{re.escape(char)}|\\u00{ord(char):02x}|%{ord(char):02x}|&#{ord(char)};|&#x{ord(char):x};)"
            for char in secret
        ),
        re.IGNORECASE,
    )


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


class KeyTransport(httpx.BaseTransport):
    """Signs requests to one origin on their way to another transport."""

    def __init__(self, inner: httpx.BaseTransport, credential: Credential, base_url: httpx.URL) -> None:
        self._inner = inner
        self._credential = credential
        self._origin = origin(base_url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, signed if it goes to the key's origin."""
        if origin(request.url) == self._origin:
            request = self._credential.sign(request)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()


class AsyncKeyTransport(httpx.AsyncBaseTransport):
    """The same for the async client."""

    def __init__(self, inner: httpx.AsyncBaseTransport, credential: Credential, base_url: httpx.URL) -> None:
        self._inner = inner
        self._credential = credential
        self._origin = origin(base_url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, signed if it goes to the key's origin."""
        if origin(request.url) == self._origin:
            request = self._credential.sign(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()
