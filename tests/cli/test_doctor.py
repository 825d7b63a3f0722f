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
        ("apikey 1234$a", 2, "key", "of which one is a space"),
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


@pytest.fixture
def proxy():
    """A proxy that refuses, and what it was asked."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):  # the end of the test closes it
                while True:
                    link, _ = server.accept()
                    with link:
                        asked.append(link.recv(1000).split(b"\r\n")[0].decode())
                        link.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_said_and_what_lies_behind_it_is_asked_through_it(program, proxy, name):
    address, asked = proxy
    done = program("doctor", "--format", "json", **{"GCORE_BASE_URL": "https://api.invalid", name: address})
    found = findings(done)
    assert found["network"]["state"] == "note"
    assert "A proxy of the environment is used" in found["network"]["told"]
    assert "tls" not in found
    assert (done.code, found["billing"]["state"]) == (4, "fail")
    assert asked == ["CONNECT api.invalid:443 HTTP/1.1"]


def test_a_proxy_that_is_not_for_this_address_is_passed_by(program, proxy):
    address, asked = proxy
    done = program(
        "doctor", "--format", "json",
        GCORE_BASE_URL="https://api.invalid", HTTPS_PROXY=address, NO_PROXY="api.invalid",
    )  # fmt: skip
    assert "cannot be resolved" in findings(done)["network"]["told"]
    assert asked == []


def test_a_proxy_is_not_for_this_machine(program, proxy):
    address, asked = proxy
    done = program("doctor", "--format", "json", HTTP_PROXY=address, ALL_PROXY=address)
    assert (done.code, asked) == (0, [])
    assert "answers" in findings(done)["network"]["told"]


def test_a_misspelt_name_of_a_plugin_is_a_note(program):
    done = program("doctor", "--format", "json", GCORE_INVOICES_DISABLED_PLUGINS="retrys,logging")
    assert done.code == 0
    notes = [each for each in json.loads(done.out) if each["what"] == "plugins" and each["state"] == "note"]
    assert [each["told"] for each in notes] == [
        "logging is blocked: It was disabled by its name.",
        "Unknown plugin 'retrys'. Did you mean 'retries'? Valid: logging, metrics, retries.",
    ]
    assert notes[1]["remedy"] == "It blocks nothing: mend GCORE_INVOICES_DISABLED_PLUGINS."


@pytest.mark.parametrize("command", ["doctor", "plugins"])
def test_on_a_narrow_terminal_its_lines_wrap_between_words(program, command):
    _, screen = program.on_terminal(command, COLUMNS="70")
    lines = screen.splitlines()
    assert max(map(len, lines)) <= 70
    whole = program(command)
    assert max(map(len, whole.out.splitlines())) > 100
    assert screen.split() == (whole.out + whole.err).split()
