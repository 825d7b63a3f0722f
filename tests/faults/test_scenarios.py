"""One table: what a server does, and what the caller gets for it. Sync and async."""

from __future__ import annotations

import gzip
import json
import re
import time
from typing import Any

import pytest
from attrs import field, frozen
from faults.conftest import NO_WAITS
from faults.server import (
    hangs_up_after,
    head,
    resets_after,
    says,
    silent_after,
    trickles,
    whole,
)
from support import KEY, PDF, wire_invoice

import gcore_invoices as gi

BODY = json.dumps(wire_invoice()).encode()
JSON = "application/json"
GOOD = whole(BODY, content_type=JSON)
GOOD_PDF = whole(PDF, content_type="application/pdf")
GZIPPED = gzip.compress(BODY)
BOMB = gzip.compress(b'{"id": "' + b"0" * (65 * 2**20))

BRIEF = gi.Timeouts(connect=0.2, read=0.2, write=0.2, pool=0.2, deadline=5)
LONG = gi.Timeouts(deadline=5)
ONCE = gi.RetryPolicy(attempts=1)
SHORT = gi.Timeouts(deadline=0.5)


@frozen
class Case:
    """What a server does, and what comes of it."""

    does: Any
    gives: type[gi.InvoicesError] | None = None
    """The class of the error; without one, the answer is whole."""
    words: str = ""
    attempts: int = 1
    request_id: str | None = None
    retry: gi.RetryPolicy = ONCE
    timeouts: gi.Timeouts = LONG
    call: str = "get"
    has: dict[str, Any] = field(factory=dict)
    """Attributes of the error, or of the server."""


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", **headers: object) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head(transfer_encoding="chunked", content_type=JSON, **headers) + body + end


PROTOCOL, CONNECTION, TIMEOUT = gi.APIProtocolError, gi.APIConnectionError, gi.APITimeoutError
INVALID = gi.APIResponseValidationError
SOME = "(sent an answer that is cut short|did not finish)"
CUT = "sent an answer that is cut short or no HTTP"

CASES = {
    # -- answers that are fine
    "plain": Case(says(GOOD)),
    "chunked": Case(says(chunked(BODY[:7], BODY[7:]))),
    "until the end of the connection": Case(hangs_up_after(head(content_type=JSON) + BODY)),
    "gzip": Case(says(whole(GZIPPED, content_encoding="gzip", content_type=JSON))),
    "gzip in two members": Case(
        says(whole(gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), content_encoding="gzip"))
    ),
    "gzip, chunked by the byte": Case(
        says(chunked(*[GZIPPED[at : at + 1] for at in range(len(GZIPPED))], content_encoding="gzip"))
    ),
    "100 Continue and 103 Early Hints before": Case(
        says(b"HTTP/1.1 100 Continue\r\n\r\n", head("103 Early Hints", link="</x>"), GOOD)
    ),
    "HTTP/1.0": Case(hangs_up_after(GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"))),
    "trickled, and in time": Case(
        lambda exchange: exchange.trickle([GOOD[at : at + 40] for at in range(0, len(GOOD), 40)])
    ),
    # -- nothing, or not all of it
    "stall before the head": Case(
        silent_after(), TIMEOUT, "did not finish within its deadline of 0.5 seconds", timeouts=SHORT
    ),
    "a head without end": Case(
        trickles(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), TIMEOUT, "deadline of 0.5", timeouts=SHORT
    ),
    "a head line without end": Case(
        trickles(b"HTTP/1.1 200 OK\r\nx: ", b"x"), TIMEOUT, "deadline of 0.5", timeouts=SHORT
    ),
    "1xx without end": Case(
        trickles(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), TIMEOUT, "deadline of 0.5", timeouts=SHORT
    ),
    "body byte by byte": Case(
        trickles(head(content_length=100_000), b"x"), TIMEOUT, "deadline of 0.5", timeouts=SHORT
    ),
    "chunks without end": Case(
        trickles(chunked(end=b""), b"1\r\nx\r\n"), TIMEOUT, "deadline of 0.5", timeouts=SHORT
    ),
    "empty gzip members without end": Case(
        trickles(head(content_encoding="gzip"), gzip.compress(b"")),
        TIMEOUT,
        "deadline of 0.5",
        timeouts=SHORT,
    ),
    "a few bytes, then silence": Case(
        silent_after(head(content_length=1000, x_request_id="r-9") + b'{"id"'),
        TIMEOUT,
        "deadline of 0.5",
        request_id="r-9",
        has={"excerpt": '{"id"'},
        timeouts=SHORT,
    ),
    "trickle, then stall": Case(
        trickles(head(content_length=1000), b"x", then_silent=20), TIMEOUT, "deadline of 0.5", timeouts=SHORT
    ),
    "an error body byte by byte": Case(
        trickles(head("500 Oops", content_length=1000, x_request_id="r-9"), b"x"),
        TIMEOUT,
        "deadline of 0.5",
        request_id="r-9",
        timeouts=SHORT,
    ),
    "silence beyond the read timeout": Case(
        silent_after(), TIMEOUT, r"did not answer in time \(", timeouts=BRIEF
    ),
    "silence, each time": Case(
        silent_after(), TIMEOUT, "did not answer in time", 3, retry=NO_WAITS, timeouts=BRIEF
    ),
    "a stall in the body": Case(
        silent_after(head(content_length=9) + b"{"), TIMEOUT, "did not answer in time", timeouts=BRIEF
    ),
    "hangs up at once": Case(
        hangs_up_after(), PROTOCOL, f"{CUT}: Server disconnected without sending a response"
    ),
    "hangs up in the head": Case(hangs_up_after(b"HTTP/1.1 200 OK\r\ncontent-"), PROTOCOL, CUT),
    "shorter than its length": Case(
        hangs_up_after(head(content_length=999, x_request_id="r-9") + BODY), PROTOCOL, CUT, request_id="r-9"
    ),
    "a cut chunk": Case(hangs_up_after(chunked(BODY, end=b"ff\r\nxyz")), PROTOCOL, CUT),
    "no last chunk": Case(hangs_up_after(chunked(BODY, end=b"")), PROTOCOL, CUT),
    "a cut gzip stream": Case(
        says(whole(GZIPPED[:-9], content_encoding="gzip", x_request_id="r-9")),
        PROTOCOL,
        "gzip stream ends in the middle",
        request_id="r-9",
    ),
    "a reset before the answer": Case(resets_after(), CONNECTION, "The connection to .* broke: .*reset"),
    "a reset in the body": Case(
        resets_after(head(content_length=999, x_request_id="r-9") + b"{"),
        CONNECTION,
        "The connection to .* broke: .*reset",
        request_id="r-9",
    ),
    # -- not what was asked for
    "garbage": Case(hangs_up_after(b"\x00\xff\x16 nonsense\r\n\r\n" * 3), PROTOCOL, CUT),
    "garbage without end": Case(trickles(b"", b"\xff" * 9999), PROTOCOL, CUT),
    "HTTP/0.9": Case(hangs_up_after(b"<html>hello</html>\r\n\r\n"), PROTOCOL, CUT),
    "TLS to a plain client": Case(hangs_up_after(b"\x15\x03\x03\x00\x02\x02\x0a\r\n\r\n"), PROTOCOL, CUT),
    "an FTP server": Case(hangs_up_after(b"220 ready\r\n\r\n"), PROTOCOL, CUT),
    "a head of 200 KB": Case(hangs_up_after(head(x="x" * 200_000)), PROTOCOL, CUT),
    "two lengths": Case(
        hangs_up_after(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), PROTOCOL, CUT
    ),
    "a length that is none": Case(hangs_up_after(head(content_length="many")), PROTOCOL, CUT),
    "a chunk that is none": Case(
        hangs_up_after(head(transfer_encoding="chunked") + b"zz\r\n"), PROTOCOL, CUT
    ),
    "status 099": Case(hangs_up_after(head("099 Odd")), PROTOCOL, CUT),
    "status 101": Case(
        hangs_up_after(head("101 Switching Protocols", upgrade="x", connection="upgrade")),
        PROTOCOL,
        CUT,
    ),
    "status 204": Case(
        says(head("204 No Content", x_request_id="r-9")),
        INVALID,
        "Expected status 200, got 204",
        request_id="r-9",
    ),
    "status 206": Case(says(whole(BODY, "206 Partial Content", content_type=JSON)), INVALID, "got 206"),
    "status 304": Case(says(head("304 Not Modified")), gi.UnexpectedRedirectError, "answered 304"),
    "status 520": Case(
        says(whole(b"", "520 Web Server Returned an Unknown Error")), gi.InternalServerError, "answered 520"
    ),
    "status 999": Case(says(whole(b"", "999 Denied")), gi.InternalServerError, "answered 999"),
    "a redirect nowhere": Case(
        says(whole(b"", "302 Found", location="http://[::1")),
        gi.UnexpectedRedirectError,
        r"points to 'http://\[::1'",
    ),
    "brotli": Case(
        says(whole(b"x", content_encoding="br")), PROTOCOL, "compressed with 'br', which was not asked for"
    ),
    "gzip that is none": Case(
        says(whole(BODY, content_encoding="gzip", x_request_id="r-9")),
        PROTOCOL,
        "says it is gzip and is not",
        request_id="r-9",
    ),
    "gzip and then something": Case(
        says(whole(GZIPPED + b"!" * 20, content_encoding="gzip")), PROTOCOL, "says it is gzip and is not"
    ),
    "a bomb": Case(
        says(whole(BOMB, content_encoding="gzip", content_type=JSON, x_request_id="r-9")),
        INVALID,
        "larger than 64 MiB",
        request_id="r-9",
        has={"content_type": JSON, "excerpt": '{"id": "' + "0" * 492},
    ),
    "a bomb as an error": Case(
        says(whole(BOMB, "500 Oops", content_encoding="gzip")),
        gi.InternalServerError,
        "answered 500",
        has={"body": '{"id": "' + "0" * (2**16 - 8)},
    ),
    "a bomb for a document": Case(
        says(whole(BOMB, content_encoding="gzip", content_type="application/pdf")),
        INVALID,
        "larger than 64 MiB",
        call="download_bytes",
    ),
    "HTML": Case(
        says(whole(b"<html>log in", content_type="text/html")), INVALID, "something else may have answered"
    ),
    "HTML for a document": Case(
        says(whole(b"<html>", content_type="text/html")),
        INVALID,
        "Expected application/pdf, got text/html",
        call="download_bytes",
    ),
    "half a document": Case(
        says(whole(PDF[:99], content_type="application/pdf")),
        INVALID,
        "Expected a whole PDF",
        call="download_bytes",
    ),
    # -- repeated
    "cut, then whole": Case(hangs_up_after(head(content_length=999) + BODY), retry=NO_WAITS, attempts=2),
    "reset, then whole": Case(resets_after(), retry=NO_WAITS, attempts=2),
    "stall, then whole": Case(
        silent_after(head(content_length=9)), retry=NO_WAITS, timeouts=BRIEF, attempts=2
    ),
    "garbage, then whole": Case(hangs_up_after(b"?\r\n\r\n"), retry=NO_WAITS, attempts=2),
    "503, then whole": Case(says(whole(b"", "503 Wait", retry_after=0)), retry=NO_WAITS, attempts=2),
    "429 with a date beyond the calendar": Case(
        says(whole(b"", "429 Slow", retry_after="Mon, 01 Jan 99999999999999999999 00:00:00 GMT")),
        retry=NO_WAITS,
        attempts=2,
    ),
    "a 429 that is cut short": Case(
        hangs_up_after(head("429 Slow", content_length=99, retry_after=90) + b'{"detail": "no'),
        gi.RateLimitError,
        "answered 429",
        retry=NO_WAITS,
        has={"retry_after": 90.0},
    ),
    "a 503 that then stalls": Case(
        silent_after(head("503 Wait", content_length=99, retry_after=90)),
        gi.InternalServerError,
        "answered 503",
        retry=NO_WAITS,
        timeouts=BRIEF,
        has={"retry_after": 90.0},
    ),
    "a 403 in another encoding": Case(
        says(whole(b"?", "403 No", content_encoding="br", x_request_id="r-9")),
        gi.PermissionDeniedError,
        "answered 403",
        request_id="r-9",
    ),
    "always 503": Case(
        says(whole(b"", "503 Wait")), gi.InternalServerError, "answered 503", 3, retry=NO_WAITS
    ),
    "always cut": Case(hangs_up_after(head(content_length=9)), PROTOCOL, CUT, 3, retry=NO_WAITS),
    "retries until the deadline": Case(
        hangs_up_after(),
        CONNECTION,
        SOME,
        retry=gi.RetryPolicy(attempts=1000, backoff=0.1, max_backoff=0.1),
        timeouts=SHORT,
        attempts=0,
    ),
    "half a document, then all of it": Case(
        hangs_up_after(head(content_length=len(PDF), content_type="application/pdf") + PDF[:99]),
        retry=NO_WAITS,
        attempts=2,
        call="download_bytes",
    ),
    "502, then the document": Case(
        says(whole(b'{"detail": "PDF temporarily unavailable"}', "502 Bad Gateway")),
        retry=NO_WAITS,
        attempts=2,
        call="download_bytes",
    ),
}


# Of those that take their time, three stand for all.
SLOW_OVER_TLS = {
    "stall before the head",
    "body byte by byte",
    "trickle, then stall",
}
OVER_TLS = {name for name, case in CASES.items() if case.timeouts is LONG} | SLOW_OVER_TLS
# What differs little from others that take as long.
SLOW = {
    "a head line without end",
    "1xx without end",
    "chunks without end",
    "empty gzip members without end",
    "an error body byte by byte",
}
RUNS = [
    pytest.param(name, tls, id=f"{name}{', TLS' * tls}", marks=[pytest.mark.slow] * (name in SLOW))
    for name in CASES
    for tls in (False, True)
    if not tls or name in OVER_TLS
]


class Begun:
    """A plugin that counts the attempts that were begun."""

    attempts = 0

    @gi.hookimpl
    def before_send(self):
        self.attempts += 1


@pytest.mark.parametrize(("name", "tls"), RUNS)
def test_what_a_server_does_has_one_answer(connect, certificates, name, tls):
    case = CASES[name]
    good = GOOD if case.call == "get" else GOOD_PDF
    behaviours = [case.does, says(good)] if case.gives is None and case.attempts > 1 else [case.does]
    begun = Begun()
    client, server = connect(
        *behaviours,
        plugins=[begun],
        tls=certificates.server if tls else None,
        ca_bundle=certificates.ca if tls else None,
        retry=case.retry,
        timeouts=case.timeouts,
    )
    started = time.monotonic()
    if case.gives is None:
        result = getattr(client, case.call)(42)
        assert result == PDF if case.call == "download_bytes" else result.id == 42
        assert len(server.requests) == case.attempts
    else:
        with pytest.raises(gi.InvoicesError) as caught:
            getattr(client, case.call)(42)
        check(caught.value, case, server, begun)
    elapsed = time.monotonic() - started
    assert elapsed < case.timeouts.deadline + 0.5
    if case.timeouts is SHORT:
        assert elapsed > 0.3
    client.run(client.real.close())
    server.all_hung_up()


def check(error, case, server, begun):
    if not ("reset" in case.words and server.url.startswith("https")):  # TLS may take a reset for an end
        assert re.search(case.words, str(error)), str(error)
        assert type(error) is case.gives or case.words is SOME, repr(error)
    assert isinstance(error, case.gives), repr(error)
    assert len(str(error)) < 1200
    assert error.operation == ("get" if case.call == "get" else "download")
    if case.attempts:
        assert error.attempts == len(server.requests) == case.attempts
    else:  # the deadline may end the last of them before the server has read it
        assert error.attempts > 1
        assert len(server.requests) in {error.attempts, error.attempts - 1}
    assert error.attempts == begun.attempts
    assert 0 <= error.elapsed < case.timeouts.deadline + 0.5
    assert error.request_id == case.request_id
    for name, value in case.has.items():
        assert getattr(error, name) == value


def test_only_gzip_is_asked_for(connect):
    client, server = connect(says(GOOD))
    client.get(42)
    assert server.requests[0].headers["accept-encoding"] == "gzip"
    assert server.requests[0].headers["authorization"] == f"apikey {KEY}"


def test_a_refused_connection_names_the_address(connect):
    client, server = connect(says(GOOD), retry=NO_WAITS)
    server.stop_listening()
    with pytest.raises(
        gi.APIConnectionError,
        match=f"No connection to http://127.0.0.1:{server.port}: .*[Rr]efused|All connection attempts failed",
    ) as caught:
        client.get(42)
    assert caught.value.attempts == 3
    assert "base_url" in str(caught.value)


def test_a_name_without_an_address_is_a_connection_error(make_client):
    client = make_client(base_url="https://nowhere.invalid", trust_env=False)
    with pytest.raises(gi.APIConnectionError, match=r"No connection to https://nowhere\.invalid"):
        client.get(42)


@pytest.mark.parametrize("requests", [1, 3])
def test_a_kept_connection_that_is_closed_before_it_answers_is_an_error_that_is_repeated(connect, requests):
    behaviours = [says(GOOD)] * requests + [hangs_up_after(), says(GOOD)]
    client, server = connect(*behaviours, retry=NO_WAITS)
    for _ in range(requests + 1):
        assert client.get(42).id == 42
    assert [request.connection for request in server.requests] == [1] * (requests + 1) + [2]


def test_a_redirect_is_never_followed(connect, serve):
    elsewhere = serve(says(GOOD))
    client, _ = connect(
        says(whole(b"", "307 Temporary Redirect", location=f"{elsewhere.url}/x")), retry=NO_WAITS
    )
    with pytest.raises(
        gi.UnexpectedRedirectError, match=f"It points to '{elsewhere.url}/x'. Redirects are not followed"
    ):
        client.get(42)
    assert elsewhere.connections == 0


def test_cookies_are_not_kept(connect):
    client, server = connect(says(whole(BODY, content_type=JSON, set_cookie="a=b; Path=/")))
    client.get(42)
    client.get(42)
    assert not [request for request in server.requests if "cookie" in request.headers]
