from __future__ import annotations

import contextlib
import json
import socket
import ssl
from email.utils import formatdate
from threading import Thread

import pytest
import trustme

from gcore_invoices.sandbox import API_KEY, Response


def findings(done):
    return {each["what"]: each for each in json.loads(done.out)}


def test_all_is_well(program):
    done = program("doctor")
    assert done.code == 0, done.out
    lines = done.out.splitlines()
    assert [line.split()[1] for line in lines] == [
        *("versions", "plugins", "key", "address", "network", "tls", "billing", "clock")
    ]
    assert "there are 400" in done.out
    assert API_KEY not in done.out


@pytest.mark.parametrize(
    ("key", "code", "what", "words"),
    [
        ("5678$sandbox-engineer", 3, "billing", "role"),
        ("0$wrong", 3, "billing", "401"),
        ("1234", 3, "key", "a shell may have cut it"),
        ("apikey 1234$a", 2, "key", "holds a space"),
        ("", 2, "key", "There is none"),
    ],
)
def test_a_key_that_does_not_do_has_a_remedy_and_is_never_shown(program, key, code, what, words):
    done = program("doctor", "--format", "json", GCORE_API_KEY=key)
    found = findings(done)[what]
    assert done.code == code
    assert words in found["told"]
    assert found["remedy"]
    assert not key or key not in (done.out + done.err).replace("1234$abcdef", "")


def test_offline(program):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = program("doctor", "--format", "json", GCORE_BASE_URL=url)
    found = findings(done)
    assert done.code == 4
    assert "cannot be reached" in found["network"]["told"]
    assert "offline" in found["network"]["remedy"]
    assert "Not asked" in found["billing"]["told"]


def test_a_name_that_cannot_be_resolved(program):
    done = program("doctor", "--format", "json", GCORE_BASE_URL="https://api.invalid")
    assert done.code == 4
    assert (
        "cannot be resolved" in findings(done)["network"]["told"]
        or "proxy" in findings(done)["network"]["told"]
    )


def test_an_address_that_is_none(program):
    done = program.inside("doctor", "--format", "json", "--base-url", "http://example.com")
    assert done.code == 2
    assert "https://" in findings(done)["settings"]["told"]


def test_a_clock_that_is_off(faulty):
    def before(request):
        body = b'{"count": 0, "next": null, "previous": null, "results": []}'
        return Response(200, {"Content-Type": "application/json", "date": formatdate(0, usegmt=True)}, body)

    found = findings(faulty(before)("doctor", "--format", "json"))["clock"]
    assert "ahead of the API" in found["told"]
    assert "NTP" in found["remedy"]


def test_tls_that_nobody_trusts(program):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            link, _ = server.accept()
            with link, contextlib.suppress(OSError):
                context.wrap_socket(link, server_side=True).close()

        Thread(target=serve, daemon=True).start()
        done = program(
            "doctor", "--format", "json", GCORE_BASE_URL=f"https://localhost:{server.getsockname()[1]}"
        )
    found = findings(done)["tls"]
    assert done.code == 4
    assert "not trusted" in found["told"]
    assert "SSL_CERT_FILE" in found["remedy"]
