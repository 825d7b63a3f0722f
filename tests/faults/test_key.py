"""The key is shown to its own origin, and to nobody else: in no error, frame, log, pickle or file."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import pickle
import traceback
from types import FunctionType, ModuleType

import httpx
import pytest
from faults.conftest import NO_WAITS
from faults.server import hangs_up_after, head, resets_after, says, silent_after, whole
from faults.test_scenarios import GOOD, SHORT
from httpcore._backends import anyio as later
from httpcore._backends import sync
from support import KEY, PDF, Client, wire_invoice

import gcore_invoices as gi

SECRETS = (KEY, "jwt.first$qqzzqqzz", "jwt.second$zzqqzzqq")


def secret_in(text):
    return [
        secret
        for secret in SECRETS
        if secret.lower() in text.lower() or secret.partition("$")[2] in text.lower()
    ]


def chain(error):
    """An error and all it came of, contexts and groups included."""
    left, found = [error], []
    while left:
        each = left.pop()
        if each is not None and not any(each is other for other in found):
            found.append(each)
            left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return found


def reachable(value, depth=5, seen=None):
    """What can be reached from a local variable through containers and attributes, as `vars` shows them."""
    seen = set() if seen is None else seen
    if depth < 0 or id(value) in seen:
        return
    seen.add(id(value))
    yield value
    if isinstance(value, dict):
        inside = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inside = list(value)
    elif isinstance(value, type | ModuleType | FunctionType):
        return
    else:
        inside = list(getattr(value, "__dict__", {}).values())
    for each in inside:
        yield from reachable(each, depth - 1, seen)


def shown(value):
    with contextlib.suppress(Exception):  # half-made objects of other libraries
        return repr(value)
    return ""


def assert_nothing_shown(error):
    """No text of the error, its causes, or the locals of their frames holds a secret."""
    for each in chain(error):
        texts = [str(each), repr(each), repr(vars(each)), repr(each.args)]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            file = frame.f_code.co_filename
            assert "httpcore" not in file, f"a frame of {file} is left in {each!r}"
            if "gcore_invoices" in file or "site-packages" in file:
                texts += [shown(value) for local in frame.f_locals.values() for value in reachable(local)]
        assert not [text for text in texts if secret_in(text)]
    assert not secret_in("".join(traceback.format_exception(error)))
    assert not secret_in(pickle.dumps(error).decode("latin-1") if isinstance(error, gi.InvoicesError) else "")


def echo(exchange):
    """Throw the request back as it came."""
    exchange.send(exchange.request.raw)
    exchange.silence()


def echo_as_a_status_line(exchange):
    exchange.send(exchange.request.headers["authorization"].encode() + b"\r\n\r\n")
    exchange.silence()


def echo_in_the_head(exchange):
    said = exchange.request.headers["authorization"]
    exchange.send(whole(b"<html>", "401 No", x_request_id=said, x_echo=said, content_type=said))


def echo_in_a_good_head(exchange):
    said = exchange.request.headers["authorization"]
    exchange.send(whole(b"<html>" + said.encode(), x_request_id=said, x_echo=said, content_type=said))


def echo_as_an_encoding(exchange):
    exchange.send(whole(b"x", content_encoding=exchange.request.headers["authorization"]))


def echo_as_no_utf8(exchange):
    said = exchange.request.headers["authorization"].encode()
    exchange.send(whole(b'{"id": "' + said + b'\xff"}', content_type="application/json"))


def echo_as_a_place(exchange):
    exchange.send(
        whole(b"", "302 Found", location=f"https://x.example/{exchange.request.headers['authorization']}")
    )


FAILURES = {
    "stall": silent_after(),
    "silence in the body": silent_after(head(content_length=9) + b"{"),
    "hangs up": hangs_up_after(),
    "cut": hangs_up_after(head(content_length=99) + b"{"),
    "reset": resets_after(),
    "reset in the body": resets_after(head(content_length=99) + b"{"),
    "garbage": hangs_up_after(b"\x00\xff\r\n\r\n"),
    "no gzip": says(whole(b"x" * 99, content_encoding="gzip")),
    "HTML": says(whole(b"<html>", content_type="text/html")),
    "500": says(whole(b"", "500 Oops")),
    "echo": echo,
    "echo as a status line": echo_as_a_status_line,
    "echo in the head": echo_in_the_head,
    "echo in a good head": echo_in_a_good_head,
    "echo as an encoding": echo_as_an_encoding,
    "echo as no UTF-8": echo_as_no_utf8,
    "echo as a place": echo_as_a_place,
}


@pytest.mark.parametrize("does", FAILURES.values(), ids=FAILURES)
def test_no_failure_shows_it(connect, caplog, does):
    caplog.set_level(logging.DEBUG)
    client, server = connect(does, timeouts=gi.Timeouts(read=0.2, deadline=1))
    with pytest.raises(gi.InvoicesError) as caught:
        client.get(42)
    assert server.requests[0].headers["authorization"] == f"apikey {KEY}"
    assert_nothing_shown(caught.value)
    assert_nothing_logged(caplog)


def assert_nothing_logged(caplog):
    assert [record for record in caplog.records if record.name.startswith("httpcore")]
    assert not secret_in(caplog.text)
    assert not [record for record in caplog.records if secret_in(repr(vars(record)))]


def test_no_success_shows_it(connect, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)

    def document(exchange):
        for path in tmp_path.rglob("*"):
            assert not secret_in(path.name)
        said = exchange.request.headers["authorization"]
        exchange.send(whole(PDF, content_type="application/pdf", x_echo=said))

    client, _ = connect(says(GOOD), document)
    client.get(42)
    assert not secret_in(client.download(42, tmp_path / "a.pdf").read_bytes().decode("latin-1"))
    view = client.real.with_options(timeouts=SHORT)
    for real in (client.real, view):
        for value in reachable(real, depth=6):
            assert not secret_in(shown(value))
    assert_nothing_logged(caplog)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_cancelled_call_shows_nothing(serve, certificates, tls):
    """Cancellation comes up from deep inside httpcore, where the headers are."""
    server = serve(silent_after(), tls=certificates.server if tls else None)

    async def main():
        options = {"ca_bundle": certificates.ca} if tls else {}
        async with gi.AsyncInvoicesClient(api_key=KEY, base_url=server.url, **options) as client:
            task = asyncio.create_task(client.get(42))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    assert_nothing_shown(asyncio.run(main()))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_call_shows_nothing(connect, monkeypatch, flavour, kind):
    """As a signal does it: in the middle of a read, with the frames of httpcore above."""

    def interrupt(*_, **__):
        raise kind

    async def interrupt_later(*_, **__):
        raise kind

    monkeypatch.setattr(sync.SyncStream, "read", interrupt)
    monkeypatch.setattr(later.AnyIOStream, "read", interrupt_later)
    client, server = connect(says(GOOD))
    with pytest.raises(kind) as caught:
        client.get(42)
    server.wait_for(lambda server: server.connections)
    assert_nothing_shown(caught.value)
    server.all_hung_up()


def test_a_client_that_is_closed_in_the_middle_shows_nothing(serve, flavour):
    server = serve(silent_after())

    def close(seen, client):
        server.wait_for(lambda server: server.requests)
        client.close()

    if flavour == "sync":
        import threading  # noqa: PLC0415

        client = gi.InvoicesClient(api_key=KEY, base_url=server.url)
        closer = threading.Thread(target=close, args=(server, client))
        closer.start()
        with pytest.raises(gi.UsageError, match="closed") as caught:
            client.get(42)
        closer.join(5)
        assert_nothing_shown(caught.value)
        return

    async def main():
        client = gi.AsyncInvoicesClient(api_key=KEY, base_url=server.url)
        task = asyncio.create_task(client.get(42))
        while not server.requests:
            await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(gi.UsageError, match="closed") as caught:
            await task
        return caught.value

    assert_nothing_shown(asyncio.run(main()))


def test_a_server_that_is_not_trusted_is_never_told(connect, certificates, caplog):
    caplog.set_level(logging.DEBUG)
    client, server = connect(says(GOOD), tls=certificates.self_signed, ca_bundle=certificates.ca)
    with pytest.raises(gi.APIConnectionError) as caught:
        client.get(42)
    assert server.requests == []
    assert_nothing_shown(caught.value)
    assert_nothing_logged(caplog)


SPELLINGS = {
    "as it is": KEY,
    "upper case": KEY.upper(),
    "json": KEY.replace("$", "\\u0024"),
    "json, all of it": "".join(f"\\u{ord(char):04x}" for char in KEY),
    "json in json": KEY.replace("$", "\\\\u0024"),
    "javascript": KEY.replace("$", "\\x24"),
    "backslash": KEY.replace("$", "\\$"),
    "url": KEY.replace("$", "%24"),
    "url, all of it": "".join(f"%{ord(char):02X}" for char in KEY),
    "url, twice": KEY.replace("$", "%2524"),
    "html, decimal": KEY.replace("$", "&#36;"),
    "html, padded": KEY.replace("$", "&#0036;"),
    "html, hex": KEY.replace("$", "&#x24;"),
    "html, named": KEY.replace("$", "&dollar;"),
    "html, twice": KEY.replace("$", "&amp;#36;"),
    "twice": f"{KEY} and {KEY}",
}
ENVELOPES = {
    "text": "Bad token {}!",
    "json": '{{"detail": "Bad token {0}!", "f": ["{0}"], "{0}": ["no"], "request_id": "{0}"}}',
    "fields": '{{"invalid_fields": {{"{0}": "{0}"}}}}',
    "html": "<html><title>Bad token {}!</title>",
    "at the cut of the detail": '{{"detail": "' + "x" * 480 + '{}"}}',
    "at the cut of the excerpt": "x" * 492 + "{}",
}


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize("status", ["401 Unauthorized", "200 OK"])
def test_a_body_that_echoes_it_is_masked_in_every_spelling(connect, status, envelope):
    bodies = [envelope.format(spelling) for spelling in SPELLINGS.values()]
    client, _ = connect(*[says(whole(body.encode(), status)) for body in bodies])
    for body, name in zip(bodies, SPELLINGS, strict=True):
        with pytest.raises(gi.InvoicesError) as caught:
            client.get(42)
        error = caught.value
        texts = [str(error), repr(vars(error)), error.detail if isinstance(error, gi.APIStatusError) else ""]
        assert not [text for text in texts if "abcdef" in text.lower()], (name, body)
        assert "***" in repr(vars(error)), name


@pytest.mark.parametrize("kept", range(1, len(KEY)))
def test_a_body_that_is_cut_in_the_middle_of_it_is_masked_too(connect, kept):
    """The last thing that is read of an error body may be the first half of the key."""
    filler = 64 * 1024 - kept
    client, _ = connect(says(whole(b"x" * filler + KEY.encode() + b"y" * 99, "500 Oops")))
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(42)
    assert len(caught.value.body) <= 64 * 1024 + 3
    assert caught.value.body.strip("x") == "***"


def test_old_and_new_tokens_are_masked(connect):
    given = iter(SECRETS[1:])
    tokens = " ".join(SECRETS[1:])
    refused = whole(f"no {tokens}".encode(), "401 No")
    client, server = connect(says(refused), says(refused), api_key=None, bearer_token=lambda: next(given))
    with pytest.raises(gi.AuthenticationError) as caught:
        client.get(42)
    assert [request.headers["authorization"] for request in server.requests] == [
        f"Bearer {secret}" for secret in SECRETS[1:]
    ]
    assert caught.value.body == "no *** ***"
    assert_nothing_shown(caught.value)


def test_a_token_that_is_text_stands_in_the_credential_alone(connect):
    client, _ = connect(says(whole(b"", "500 Oops")), api_key=None, bearer_token=SECRETS[1])
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(42)
    assert_nothing_shown(caught.value)
    assert not [value for value in reachable(client.real, depth=6) if secret_in(shown(value))]


def test_what_a_function_returned_instead_of_a_token_is_not_shown(connect):
    client, server = connect(says(GOOD), api_key=None, bearer_token=lambda: f"two words {KEY}")
    with pytest.raises(gi.UsageError, match="holds a space") as caught:
        client.get(42)
    assert server.connections == 0
    assert_nothing_shown(caught.value)


WRONG = {
    "another argument": {"ca_bundle": "/nowhere.pem"},
    "the address": {"base_url": "http://x.example"},
    "the key itself": {"api_key": f"bad {KEY}"},
    "a token": {"api_key": None, "bearer_token": f"bad {KEY}"},
    "both": {"bearer_token": KEY},
    "a plugin": {"plugins": [object()]},
    "the time": {"timeouts": 5},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_a_client_that_cannot_be_made_shows_nothing(flavour, options):
    with pytest.raises(gi.UsageError) as caught:
        Client(flavour, **{"api_key": KEY} | options)
    assert_nothing_shown(caught.value)


def test_a_key_that_is_passed_without_its_name_is_not_shown(flavour):
    """A TypeError of Python's own, about a positional argument."""
    with pytest.raises(TypeError) as caught:
        getattr(gi, "InvoicesClient" if flavour == "sync" else "AsyncInvoicesClient")(KEY)
    assert_nothing_shown(caught.value)


def test_another_origin_is_never_told(connect, serve, tmp_path):
    """Neither by a redirect, nor by a link in a page."""
    elsewhere = serve(says(GOOD))
    page = json.dumps(
        {"count": 1, "next": f"{elsewhere.url}/next", "previous": None, "results": [wire_invoice()]}
    ).encode()
    client, _ = connect(
        says(whole(b"", "301 Moved", location=elsewhere.url)),
        says(whole(b"", "308 Moved", location=f"//127.0.0.1:{elsewhere.port}/")),
        says(
            whole(
                page,
                content_type="application/json",
                link=f'<{elsewhere.url}>; rel="next"',
                refresh=f"0; url={elsewhere.url}",
            )
        ),
        retry=NO_WAITS,
    )
    with pytest.raises(gi.UnexpectedRedirectError):
        client.get(42)
    with pytest.raises(gi.UnexpectedRedirectError):
        client.download(42, tmp_path / "a.pdf")
    with contextlib.suppress(gi.PaginationError):  # what comes of the link is the walk's business
        client.invoices()
    assert elsewhere.connections == 0


def test_a_plugin_that_sends_a_request_elsewhere_sends_it_without(connect, serve):
    elsewhere = serve(says(GOOD))

    class Astray:
        @gi.hookimpl
        def before_send(self, request):
            request.url = httpx.URL(f"{elsewhere.url}/x")

    client, server = connect(says(GOOD), plugins=[Astray()])
    assert client.get(42).id == 42
    assert server.connections == 0
    assert "authorization" not in elsewhere.requests[0].headers
    assert not secret_in(elsewhere.requests[0].raw.decode("latin-1"))


def test_base64_is_the_limit_of_masking():
    """Written down: an echo that is encoded as a whole is not recognised."""
    credential = gi._transport.Credential("apikey", KEY)
    encoded = base64.b64encode(KEY.encode()).decode()
    assert credential.mask(encoded) == encoded
