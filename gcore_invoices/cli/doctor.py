"""`doctor`: what stands between you and your invoices, each finding with a remedy."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import ssl
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.request import getproxies, proxy_bypass

import attrs
from attrs import frozen
from typer import Option

from gcore_invoices import InvoicesError, RetryPolicy, Timeouts, __version__, hookimpl
from gcore_invoices._config import is_loopback
from gcore_invoices.cli.explain import ACCESS, NETWORK, USAGE, explain, sentence
from gcore_invoices.cli.options import Connection, read_key
from gcore_invoices.cli.screen import wrapped
from gcore_invoices.cli.text import choice, printable
from gcore_invoices.plugins.builtin import built_in_plugins
from gcore_invoices.plugins.manager import DISABLED, Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from gcore_invoices import InvoicesClient, Response

FORMATS = ("text", "json")
EXAMPLES = ("doctor", "doctor --format json", "doctor --api-key-file ~/.config/gcore/key")
_PATIENCE = 5.0  # seconds to connect
_SKEW = 60.0  # seconds that a clock may be off
_EXPIRES = 14  # days before a certificate ends in which it is worth a word

State = Literal["ok", "note", "fail"]


@frozen
class Finding:
    """One thing looked at."""

    state: State
    what: str
    told: str
    remedy: str = ""
    code: int = 0


def diagnose(
    *,
    format_: Annotated[str, Option("--format", metavar="FORMAT", help="text or json.")] = "text",
    connection: Connection,
) -> int:
    """Find out what is wrong, and what to do.

    Looks at versions, plugins, key, network, TLS, permission and clock; never shows the key.
    Exits with 0 if nothing failed, else with the code of the first failure.
    """
    kind = choice("format", format_, FORMATS)
    findings = []
    for finding in _examine(connection):
        findings.append(finding)
        if kind == "text":
            sys.stdout.write(_text(finding))
            sys.stdout.flush()
    if kind == "json":
        told = [attrs.asdict(each, filter=lambda field, _: field.name != "code") for each in findings]
        sys.stdout.write(f"{json.dumps(told, ensure_ascii=False, indent=2)}\n")
    return next((finding.code for finding in findings if finding.state == "fail"), 0)


def _text(finding: Finding) -> str:
    lines = wrapped(f"{finding.state:<5} {finding.what:<8} ", printable(finding.told))
    return lines + (wrapped(f"{'':15}→ ", printable(finding.remedy)) if finding.remedy else "")


def _examine(connection: Connection) -> Iterator[Finding]:
    yield _versions()
    yield from _plugins()
    key = _key(connection)
    yield key
    clock = _Clock()
    try:
        # A key that is never sent, where there is none: the network is worth a look all the same.
        client = _client(connection, clock, instead="0$none" if key.state == "fail" else None)
    except InvoicesError as error:
        yield Finding(
            "fail", "settings", sentence(error), "Mend what it names; see: gcore-invoices list --help", USAGE
        )
        return
    with client:
        url = client._session.settings.base_url  # noqa: SLF001 - where the key would go
        yield Finding("ok", "address", f"{url}, {_source(connection)}")
        reached = True
        for finding in _network(url):
            yield finding
            reached = reached and finding.state != "fail"
        if reached and key.state != "fail":
            yield _permission(client)
            yield clock.finding()
        else:
            yield Finding("note", "billing", "Not asked, because of what failed above.")


def _client(connection: Connection, clock: _Clock, instead: str | None) -> InvoicesClient:
    return connection.client(
        api_key=instead,
        plugins=[clock],
        timeouts=Timeouts(connect=_PATIENCE, read=10, deadline=20),
        retry=RetryPolicy(attempts=1),
    )


def _versions() -> Finding:
    def of(name: str) -> str:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            return f"{name} missing"

    libraries = ", ".join(map(of, ("httpx", "msgspec", "attrs", "pluggy", "typer", "rich")))
    return Finding(
        "ok", "versions", f"gcore-invoices {__version__}, Python {platform.python_version()}, {libraries}"
    )


def _plugins() -> Iterator[Finding]:
    found = Plugins((), built_in_plugins())
    yield Finding("ok", "plugins", ", ".join(info.name for info in found.active) or "none")
    for info in found.inactive:
        remedy = f"Mend or remove it, or block it: {DISABLED}=NAME" if info.state == "failed" else ""
        yield Finding("note", "plugins", f"{info.name} is {info.state}: {info.reason}", remedy)
    for told in found.unknown:
        yield Finding("note", "plugins", told, f"It blocks nothing: mend {DISABLED}.")


def _key(connection: Connection) -> Finding:
    file = connection.api_key_file
    try:
        key = read_key(file) if file else os.environ.get("GCORE_API_KEY", "")
    except (InvoicesError, OSError) as error:
        told = explain(error)
        return Finding("fail", "key", told.sentence, told.remedy, USAGE)
    if not key:
        remedy = "export GCORE_API_KEY='1234$abcdef', in single quotes; or --api-key-file"
        return Finding("fail", "key", "There is none.", remedy, USAGE)
    state, shape, remedy = _shape(key)
    source = f"from {file or 'GCORE_API_KEY'}, {len(key)} characters"
    return Finding(state, "key", f"{source}, {shape}", remedy, USAGE if state == "fail" else 0)


def _shape(key: str) -> tuple[State, str, str]:
    """What can be seen of a key before it is sent: how grave it is, what, and the remedy."""
    if not re.fullmatch(r"[!-~]+", key):
        return "fail", "of which one is a space, or none that a key has.", "Copy it again, alone."
    if re.match(r"(?i)(apikey|bearer)", key):
        return (
            "note",
            "the first of which are the word of a header.",
            "Give the key alone, without that word.",
        )
    if not re.search(r"[$_]", key):
        remedy = "Set it in single quotes: GCORE_API_KEY='1234$abcdef'"
        return "note", "and no $ or _ among them, as keys have: a shell may have cut it.", remedy
    return "ok", "of the right shape", ""


def _source(connection: Connection) -> str:
    if connection.base_url:
        return "from --base-url"
    return "from GCORE_BASE_URL" if os.environ.get("GCORE_BASE_URL") else "the default"


def _network(url: httpx.URL) -> Iterator[Finding]:
    port = url.port or (443 if url.scheme == "https" else 80)
    proxy = getproxies().get(url.scheme) or getproxies().get("all")
    # As the client does: no proxy for this machine itself.
    if proxy and not is_loopback(url.host) and not proxy_bypass(url.host):
        yield Finding(
            "note", "network", "A proxy of the environment is used; what lies behind it is seen below only."
        )
        return
    try:
        with socket.create_connection((url.host, port), timeout=_PATIENCE) as link:
            yield Finding("ok", "network", f"{url.host} port {port} answers")
            if url.scheme == "https":
                yield _tls(link, url.host)
            else:
                yield Finding("note", "tls", "Not used: plain http, on this machine only.")
    except socket.gaierror:
        yield Finding(
            "fail",
            "network",
            f"The name {url.host} cannot be resolved.",
            "Is this machine offline? Else check DNS, or GCORE_BASE_URL.",
            NETWORK,
        )
    except OSError as error:
        problem = error.strerror or "it timed out"
        yield Finding(
            "fail",
            "network",
            f"{url.host} port {port} cannot be reached: {problem}.",
            "Is this machine offline, or does a firewall want a proxy (HTTPS_PROXY)?",
            NETWORK,
        )


def _tls(link: socket.socket, host: str) -> Finding:
    try:
        context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
        with context.wrap_socket(link, server_hostname=host) as secure:
            certificate = secure.getpeercert() or {}
            spoken = secure.version()
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "fail",
            "tls",
            f"The certificate of {host} is not trusted: {error.verify_message}.",
            "Behind a proxy that opens TLS, set SSL_CERT_FILE to its certificate.",
            NETWORK,
        )
    except (ssl.SSLError, OSError) as error:
        return Finding(
            "fail",
            "tls",
            f"TLS with {host} fails: {error.strerror or error}.",
            "Something in between may interfere: try another network.",
            NETWORK,
        )
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    return Finding(
        "note" if days < _EXPIRES else "ok", "tls", f"{spoken}, the certificate is valid for {days} days"
    )


def _permission(client: InvoicesClient) -> Finding:
    try:
        count = client.list().count()
    except InvoicesError as error:
        told = explain(error)
        remedy = told.remedy
        if "doctor" in remedy and told.code == ACCESS:
            remedy = "Make a new token in the portal, and set it in single quotes."
        elif "doctor" in remedy:
            remedy = "Check the address, the proxy if there is one, and try again later."
        return Finding("fail", "billing", told.sentence, remedy, told.code)
    return Finding("ok", "billing", f"The key may read invoices; there are {count:,}")


class _Clock:
    """A plugin that compares clocks."""

    name = "doctor"

    def __init__(self) -> None:
        self._off: float | None = None

    @hookimpl
    def after_response(self, response: Response) -> None:
        try:
            there = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return
        self._off = (datetime.now(UTC) - there).total_seconds()

    def finding(self) -> Finding:
        """What came of it."""
        if self._off is None:
            return Finding("note", "clock", "The API does not tell the time; nothing to compare with.")
        if abs(self._off) > _SKEW:
            way = "ahead of" if self._off > 0 else "behind"
            return Finding(
                "note",
                "clock",
                f"This machine is {abs(self._off):.0f} seconds {way} the API.",
                "Set the clock (NTP): overdue days and TLS rest on it.",
            )
        return Finding("ok", "clock", "Within a minute of the API's")
