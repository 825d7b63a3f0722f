from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sandbox.asking import KEY, PATH, ROWS, STORE

from gcore_invoices.sandbox import Invoices, LazyStore, SandboxServer


@pytest.fixture(scope="module")
def server():
    with SandboxServer(STORE) as running:
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, headers=KEY, timeout=10) as opened:
        yield opened


def test_it_answers_over_http(server, client):
    answer = client.get(PATH, params={"limit": 3, "ordering": "-amount_total,id"})
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["next"].startswith(
        f"{server.url}{PATH}?limit=3&offset=3&ordering=-amount_total%2Cid"
    )
    assert not {"date", "server"} & set(answer.headers)


def test_its_key_opens_it(server):
    answer = httpx.get(server.url + PATH, headers={"Authorization": f"apikey {server.api_key}"})
    assert answer.status_code == 200


def test_the_document_comes_whole(client):
    answer = client.get(f"{PATH}/{ROWS[0]['id']}/download")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.endswith(b"%%EOF\n")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PATCH"])
def test_every_method_and_path_reaches_the_rules(client, method):
    assert client.request(method, PATH, content=b"x" * 1000).status_code == 405
    assert client.request(method, "/elsewhere").status_code == 404


def test_head_has_a_length_and_no_body(client):
    answer = client.head(f"{PATH}/{ROWS[0]['id']}/download")
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 500


def test_a_header_sent_twice_is_one_value(client):
    twice = [("Authorization", KEY["Authorization"]), ("Authorization", "apikey other")]
    for headers in (twice, twice[::-1]):
        assert httpx.get(str(client.base_url.join(PATH)), headers=headers).status_code == 401


def test_a_path_is_judged_as_it_was_sent(client):
    for path in (f"{PATH}%2F{ROWS[0]['id']}", f"{PATH}/1%0A2", "/a%0Ab", "/%00"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["request_id"]


def test_many_can_ask_at_once(server):
    def fetch(offset: int) -> list[int]:
        answer = httpx.get(
            f"{server.url}{PATH}", params={"offset": offset, "limit": 50}, headers=KEY, timeout=20
        )
        return [row["id"] for row in answer.json()["results"]]

    with ThreadPoolExecutor(16) as pool:
        found = [row for rows in pool.map(fetch, range(0, len(ROWS), 50)) for row in rows]
    assert found == [row["id"] for row in ROWS]


def test_nothing_is_left_after_it():
    before = threading.active_count()
    with SandboxServer(LazyStore(Invoices(3))) as server, httpx.Client() as kept_alive:
        port = int(server.url.rpartition(":")[2])
        kept_alive.get(server.url)
        server.stop()
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)
        assert server.wait(0)
    assert threading.active_count() == before


def test_it_can_be_entered_again():
    server = SandboxServer()
    for _ in range(2):
        with server:
            assert httpx.get(server.url + PATH, headers=KEY).json()["count"] == 2500


def test_it_stops_by_itself():
    with SandboxServer(STORE, max_seconds=0.2) as server:
        assert server.wait(10)
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url)


def test_it_listens_on_ipv6_loopback_too():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with SandboxServer(STORE, host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(server.url + PATH, headers=KEY).json()["next"].startswith(server.url)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "", "::", "192.168.0.1"])  # noqa: S104  # refused, that is it
def test_it_listens_on_loopback_only(host):
    with pytest.raises(ValueError, match=r"listens on 127\.0\.0\.1 or ::1 only"):
        SandboxServer(STORE, host=host)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"port": -1}, "0 to 65535"),
        ({"port": 65_536}, "0 to 65535"),
        ({"max_seconds": 0}, "at most a day"),
        ({"max_seconds": float("nan")}, "at most a day"),
        ({"max_seconds": 1e9}, "at most a day"),
    ],
)
def test_options_are_checked_when_it_is_made(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        SandboxServer(STORE, **options)


def test_a_port_that_is_taken_is_one_sentence(server):
    port = int(server.url.rpartition(":")[2])
    with (
        pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}"),
        SandboxServer(STORE, port=port),
    ):
        pass


def test_a_server_that_cannot_start_says_so(monkeypatch):
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    with pytest.raises(RuntimeError, match="did not start"), SandboxServer(STORE):
        pass
