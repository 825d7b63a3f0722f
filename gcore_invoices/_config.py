"""What a client is configured with: from arguments, then from the environment, checked before use."""

from __future__ import annotations

import os
import sys
from ipaddress import ip_address
from typing import Literal, get_args

import httpx
from attrs import field, frozen

from gcore_invoices._checks import number
from gcore_invoices._transport import Credential, check_token
from gcore_invoices._version import __version__
from gcore_invoices.errors import UsageError, unknown_name

DEFAULT_BASE_URL = "https://api.gcore.com"

SortParameter = Literal["ordering", "order_by"]
"""How a sort order is spelled on the wire. Both editions of the API reference document `ordering`; the later
one prefers `order_by`."""


# At most what poll() can count, milliseconds in 31 bits.
_seconds = number(above=0, maximum=2_000_000, optional=True)


@frozen(kw_only=True)
class Timeouts:
    """How long a call may take, in seconds. None is no limit.

    Attributes:
        connect: To connect, TLS included.
        read: Between two pieces of an answer.
        write: To send a piece of the request.
        pool: For a free connection.
        deadline: The call as a whole: every attempt, its body, and the waits in between.

    Raises:
        UsageError: A value is no number above 0, or more than two million.
    """

    connect: float | None = field(default=5.0, validator=_seconds)
    read: float | None = field(default=30.0, validator=_seconds)
    write: float | None = field(default=30.0, validator=_seconds)
    pool: float | None = field(default=30.0, validator=_seconds)
    deadline: float | None = field(default=120.0, validator=_seconds)

    def within(self, left: float | None) -> dict[str, float | None]:
        """The limits by phase as httpx keeps them, none longer than the seconds that are left."""
        phases = {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.pool}
        if left is None:
            return phases
        return {name: left if limit is None else min(limit, left) for name, limit in phases.items()}


@frozen
class Settings:
    """What every call of one client shares."""

    base_url: httpx.URL
    credential: Credential
    sort_parameter: SortParameter
    headers: dict[str, str]


def resolve(
    *,
    api_key: str | None,
    bearer_token: object,
    base_url: str | None,
    sort_parameter: SortParameter,
) -> Settings:
    """Settings from arguments, then from `GCORE_API_KEY` and `GCORE_BASE_URL`.

    Raises:
        UsageError: Something is missing or cannot be right; the message says what to do.
    """
    if sort_parameter not in get_args(SortParameter):
        raise unknown_name("sort parameter", str(sort_parameter), get_args(SortParameter))
    return Settings(
        base_url=_base_url(base_url),
        credential=_credential(api_key, bearer_token),
        sort_parameter=sort_parameter,
        headers={
            "Accept-Encoding": "gzip",
            "User-Agent": f"gcore-invoices/{__version__} Python/{sys.version.split()[0]}",
        },
    )


def _credential(api_key: str | None, bearer_token: object) -> Credential:
    if bearer_token is not None:
        if api_key is not None:
            raise UsageError("Give api_key or bearer_token, not both.")
        if callable(bearer_token):
            return Credential("Bearer", renewable=True)
        return Credential("Bearer", check_token(bearer_token, "bearer_token"))
    if api_key is not None:
        return Credential("apikey", check_token(api_key, "api_key"))
    from_environment = os.environ.get("GCORE_API_KEY")
    if from_environment is None:
        raise UsageError(
            "No API key: set the environment variable GCORE_API_KEY (in single quotes, because keys hold "
            "a $), or pass api_key= or bearer_token=."
        )
    return Credential("apikey", check_token(from_environment, "GCORE_API_KEY"))


def _base_url(given: str | None) -> httpx.URL:
    name = "base_url" if given is not None else "GCORE_BASE_URL"
    text = given if given is not None else os.environ.get("GCORE_BASE_URL") or DEFAULT_BASE_URL
    try:
        url = httpx.URL(text)
        check_host(url)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise UsageError(f"{name} is no URL: {text!r} ({error}).") from None
    if url.userinfo or url.query or url.fragment:
        raise UsageError(f"{name} takes scheme, host, port and path alone, without user, query or fragment.")
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))):
        raise UsageError(
            f"{name} must be an https:// address, because the key is sent there; http:// is for "
            f"loopback (127.0.0.1, localhost) alone. Given: {text!r}."
        )
    return url.copy_with(path=url.path.rstrip("/"))


def check_host(url: httpx.URL) -> None:
    """Refuse a host that the system's look-up would choke on.

    Raises:
        ValueError: A part of the name is empty or longer than 63 characters.
    """
    url.raw_host.decode("ascii").encode("idna")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
