"""Servers that misbehave, certificates, and what a test must not leave behind."""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from attrs import frozen
from faults.server import Server

from gcore_invoices import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_WAITS = RetryPolicy(attempts=3, backoff=0)


@frozen
class Certificates:
    """What a test's own authority has signed, as files and as contexts for servers."""

    ca: Path
    client: Path
    server: ssl.SSLContext
    strict_server: ssl.SSLContext
    self_signed: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "client.pem")
    )

    def context(signer: trustme.CA) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        signer.issue_cert("127.0.0.1", "localhost", "api.test").configure_cert(made)
        return made

    strict = context(authority)
    strict.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(strict)
    return Certificates(
        folder / "ca.pem", folder / "client.pem", context(authority), strict, context(stranger)
    )


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers and ends them. By then the clients are closed, so that no connection may be left."""
    started: list[Server] = []

    def start(*behaviours: Any, **options: Any) -> Server:
        started.append(Server(*behaviours, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def connect(
    serve: Callable[..., Server], make_client: Callable[..., Any]
) -> Callable[..., tuple[Any, Server]]:
    """A client and the server that it is told of."""

    def both(*behaviours: Any, tls: Any = None, greet: Any = None, **options: Any) -> tuple[Any, Server]:
        server = serve(*behaviours, tls=tls, greet=greet)
        return make_client(base_url=server.url, **options), server

    return both


def open_sockets() -> set[str]:
    """This process's sockets, by their number in the kernel."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before, sockets = set(threading.enumerate()), open_sockets()
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]
    assert open_sockets() <= sockets
