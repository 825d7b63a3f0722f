"""Proxies, certificates, the environment: what reaches whom, and what is refused."""

from __future__ import annotations

import ssl

import httpx
import pytest
from faults.server import hangs_up_after, says, sends_its_end, whole
from faults.test_scenarios import GOOD
from support import KEY, Wire, answer, wire_invoice

import gcore_invoices as gi

PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
TRUST_NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
API = "https://api.test"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in (*PROXY_NAMES, *TRUST_NAMES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def api(serve, certificates):
    """A server that is `https://api.test` to whoever asks through a proxy."""
    return serve(says(GOOD), tls=certificates.server)


# -- proxies


@pytest.mark.parametrize("tls", [False, True], ids=["http proxy", "https proxy"])
def test_a_proxy_connects_and_never_sees_the_key(serve, api, make_client, certificates, tls):
    proxy = serve(sends_its_end(api), tls=certificates.server if tls else None)
    client = make_client(base_url=API, proxy=proxy.url, ca_bundle=certificates.ca)
    assert client.get(42).id == 42
    assert client.get(42).id == 42
    assert [request.line for request in proxy.requests] == ["CONNECT api.test:443 HTTP/1.1"]
    assert proxy.requests[0].headers.keys() <= {"host", "accept", "user-agent"}
    assert KEY.encode() not in proxy.requests[0].raw
    assert [request.headers["authorization"] for request in api.requests] == [f"apikey {KEY}"] * 2
    assert api.connections == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "{url}"), ("https_proxy", "{url}"), ("ALL_PROXY", "{url}"), ("HTTPS_PROXY", "{host}")],
)
def test_the_environments_proxy_is_used(serve, api, make_client, certificates, monkeypatch, name, value):
    proxy = serve(sends_its_end(api))
    monkeypatch.setenv(name, value.format(url=proxy.url, host=proxy.url.removeprefix("http://")))
    client = make_client(base_url=API, ca_bundle=certificates.ca)
    assert client.get(42).id == 42
    assert [request.line for request in proxy.requests] == ["CONNECT api.test:443 HTTP/1.1"]
    assert KEY.encode() not in proxy.requests[0].raw


LEFT_OUT = {
    "trust_env=False": ({}, {"trust_env": False}, "https://api.invalid"),
    "NO_PROXY": ({"NO_PROXY": "api.invalid"}, {}, "https://api.invalid"),
    "NO_PROXY with a port": ({"NO_PROXY": "api.invalid:443"}, {}, "https://api.invalid"),
    "NO_PROXY of the domain": ({"no_proxy": "x.example,.invalid"}, {}, "https://api.invalid"),
    "NO_PROXY of all": ({"NO_PROXY": "*"}, {}, "https://api.invalid"),
    "loopback": ({}, {}, "http://127.0.0.1:9"),
}


@pytest.mark.parametrize(("environment", "options", "url"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_the_environments_proxy_is_left_out(serve, make_client, monkeypatch, environment, options, url):
    proxy = serve(hangs_up_after())
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(gi.APIConnectionError, match="No connection to"):
        make_client(base_url=url, **options).get(42)
    assert proxy.connections == 0


def test_an_explicit_proxy_comes_before_the_environments(serve, api, make_client, certificates, monkeypatch):
    named, other = serve(sends_its_end(api)), serve(hangs_up_after())
    monkeypatch.setenv("HTTPS_PROXY", other.url)
    monkeypatch.setenv("NO_PROXY", "*")
    client = make_client(base_url=API, proxy=named.url, ca_bundle=certificates.ca)
    assert client.get(42).id == 42
    assert (named.connections, other.connections) == (1, 0)


def test_a_proxy_that_wants_a_password_gets_it_and_says_what_it_lacks(serve, api, make_client, certificates):
    def behave(exchange):
        if exchange.request.headers.get("proxy-authorization") == "Basic bWU6c2VzYW1l":
            return sends_its_end(api)(exchange)
        return says(whole(b"", "407 Proxy Authentication Required"))(exchange)

    proxy = serve(behave)
    client = make_client(base_url=API, proxy=proxy.url, ca_bundle=certificates.ca)
    with pytest.raises(
        gi.APIConnectionError, match=r"The proxy refused to connect to https://api\.test: 407 Proxy"
    ):
        client.get(42)
    login = proxy.url.replace("//", "//me:sesame@")
    client = make_client(base_url=API, proxy=login, ca_bundle=certificates.ca)
    assert client.get(42).id == 42
    assert "sesame" not in repr(vars(client.real))


def test_a_server_that_a_proxy_cannot_agree_on_tls_with_leaves_its_pool_free(
    serve, make_client, certificates, monkeypatch
):
    """A tunnel that came to nothing must not stay in the pool, or the pool is full some day."""
    monkeypatch.setattr("gcore_invoices._connect._LIMITS", httpx.Limits(max_connections=2))
    refused, fine = (
        serve(says(GOOD), tls=certificates.self_signed),
        serve(says(GOOD), tls=certificates.server),
    )
    ends = iter([refused] * 4 + [fine])

    def behave(exchange):
        sends_its_end(next(ends))(exchange)

    proxy = serve(behave)
    client = make_client(
        base_url=API, proxy=proxy.url, ca_bundle=certificates.ca, timeouts=gi.Timeouts(pool=1, deadline=5)
    )
    for _ in range(4):
        with pytest.raises(gi.APIConnectionError, match="is not trusted"):
            client.get(42)
    assert client.get(42).id == 42
    proxy.wait_for(lambda server: server.open == 1)


BAD_PROXIES = {
    "scheme": (
        "gopher://127.0.0.1:1",
        r"^proxy \(or HTTPS_PROXY, ALL_PROXY\) cannot be used: Unknown scheme",
    ),
    "no host": ("http://", "it names no host"),
    "bad host": ("http://a..b:1", "cannot be used: .*label empty"),
    "no URL": ("http://[::1", "cannot be used"),
    "socks without its package": ("socks5://127.0.0.1:1", "socksio"),
    "no text": (7, "cannot be used"),
}


@pytest.mark.parametrize(("proxy", "words"), BAD_PROXIES.values(), ids=BAD_PROXIES)
def test_a_proxy_that_cannot_be_used_is_refused(make_client, monkeypatch, proxy, words):
    with pytest.raises(gi.UsageError, match=words):
        make_client(proxy=proxy)
    if isinstance(proxy, str):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(gi.UsageError, match=words):
            make_client()
        make_client(trust_env=False)


@pytest.mark.parametrize(
    "proxy", ["user:s3cret@127.0.0.1:1", "foo://user:s3cret@127.0.0.1:1", "http://user:s3cret@"]
)
def test_the_password_of_a_proxy_that_cannot_be_used_is_not_shown(make_client, monkeypatch, proxy):
    def refused():
        with pytest.raises(gi.UsageError) as caught:
            make_client(**options)
        error = caught.value
        assert "proxy (or HTTPS_PROXY, ALL_PROXY) cannot be used" in str(error)
        assert "s3cret" not in str(error)
        assert error.__context__ is None

    options = {"proxy": proxy}
    refused()
    if "://" in proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        options = {}
        refused()


def test_a_key_goes_through_no_foreign_proxy_without_tls(serve, make_client):
    server = serve(says(GOOD))
    with pytest.raises(gi.UsageError, match="without TLS: the proxy would read the key"):
        make_client(base_url=server.url, proxy="http://192.0.2.1:3128")
    proxy = serve(sends_its_end(server))
    assert make_client(base_url=server.url, proxy=proxy.url).get(42).id == 42
    assert proxy.requests[0].target == f"{server.url}/billing/org/v1/erp-invoices/42"


# -- certificates


def test_a_server_that_nobody_vouches_for_is_refused_in_a_sentence(connect, certificates):
    client, server = connect(says(GOOD), tls=certificates.self_signed, ca_bundle=certificates.ca)
    with pytest.raises(
        gi.APIConnectionError,
        match=rf"^The certificate of {server.url}, or of a proxy before it, is not trusted: ",
    ) as caught:
        client.get(42)
    assert "ca_bundle=" in str(caught.value)
    assert server.requests == []
    assert (caught.value.permanent, caught.value.attempts) == (True, 1), "it would not get better"
    assert server.connections == 1


def test_a_certificate_for_another_name_is_refused(serve, make_client, certificates):
    server = serve(says(GOOD), tls=certificates.server)
    client = make_client(base_url=server.url.replace("127.0.0.1", "127.0.0.2"), ca_bundle=certificates.ca)
    server_on_two = client  # 127.0.0.2 is loopback too, and in nobody's certificate
    with pytest.raises(gi.APIConnectionError):
        server_on_two.get(42)
    assert server.requests == []


SWITCHES = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "GIT_SSL_NO_VERIFY": "1",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "SSL_CERT_FILE": "",
    "SSL_CERT_DIR": "",
    "HTTPX_VERIFY": "false",
}


def test_nothing_in_the_environment_switches_verification_off(connect, certificates, monkeypatch):
    for name, value in SWITCHES.items():
        monkeypatch.setenv(name, value)
    client, server = connect(says(GOOD), tls=certificates.self_signed)
    with pytest.raises(gi.APIConnectionError, match="is not trusted"):
        client.get(42)
    assert server.requests == []
    # Bundles of other tools are not this library's.
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificates.ca))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca))
    client, _ = connect(says(GOOD), tls=certificates.server)
    with pytest.raises(gi.APIConnectionError, match="is not trusted"):
        client.get(42)


def test_the_environment_may_name_other_roots(connect, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    client, _ = connect(says(GOOD), tls=certificates.server)
    assert client.get(42).id == 42
    client, _ = connect(says(GOOD), tls=certificates.self_signed)
    with pytest.raises(gi.APIConnectionError, match="is not trusted"):
        client.get(42)
    client, _ = connect(says(GOOD), tls=certificates.server, trust_env=False)
    with pytest.raises(gi.APIConnectionError, match="is not trusted"):
        client.get(42)


def test_a_client_certificate_is_shown_to_a_server_that_asks(connect, certificates):
    client, server = connect(
        says(GOOD), tls=certificates.strict_server, ca_bundle=certificates.ca, client_cert=certificates.client
    )
    assert client.get(42).id == 42
    assert server.requests
    both = (certificates.client, certificates.client)
    client, _ = connect(
        says(GOOD), tls=certificates.strict_server, ca_bundle=str(certificates.ca), client_cert=both
    )
    assert client.get(42).id == 42


def test_a_server_that_asks_in_vain_is_a_connection_error(connect, certificates):
    client, server = connect(says(GOOD), tls=certificates.strict_server, ca_bundle=certificates.ca)
    with pytest.raises(gi.APIConnectionError) as caught:
        client.get(42)
    assert type(caught.value) in {gi.APIConnectionError, gi.APIProtocolError}
    assert server.requests == []


def test_files_that_are_none_are_named(make_client, certificates, tmp_path, monkeypatch):
    missing, junk = tmp_path / "missing.pem", tmp_path / "junk.pem"
    junk.write_text("junk")
    for file in (missing, junk):
        with pytest.raises(gi.UsageError, match=rf"^ca_bundle {file} cannot be used: "):
            make_client(ca_bundle=file)
        with pytest.raises(gi.UsageError, match=rf"^client_cert {file} cannot be used: "):
            make_client(client_cert=file)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with pytest.raises(gi.UsageError, match=rf"^SSL_CERT_FILE={file} cannot be used: "):
            make_client()
        make_client(ca_bundle=certificates.ca)
        monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(gi.UsageError, match=r"^ca_bundle 7 cannot be used: "):
        make_client(ca_bundle=7)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(make_client, certificates, tmp_path):
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    text = certificates.client.read_bytes()
    key = serialization.load_pem_private_key(text, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"sesame"),
    )
    (tmp_path / "locked.pem").write_bytes(locked + text[text.index(b"-----BEGIN CERTIFICATE") :])
    with pytest.raises(gi.UsageError, match="The key of client_cert is encrypted"):
        make_client(client_cert=tmp_path / "locked.pem")


# -- an own transport


def test_a_transport_of_the_callers_is_used_with_its_own_settings(serve, make_client, certificates, flavour):
    server = serve(says(GOOD), tls=certificates.server)
    kind = httpx.AsyncHTTPTransport if flavour == "async" else httpx.HTTPTransport
    trusting = kind(verify=ssl.create_default_context(cafile=str(certificates.ca)))
    assert make_client(trusting, base_url=server.url).get(42).id == 42
    assert server.requests[0].headers["authorization"] == f"apikey {KEY}"


def test_a_transport_of_httpx_that_is_given_keeps_the_deadline(serve, make_client, flavour):
    server = serve(lambda exchange: exchange.trickle(iter(lambda: b"x", None)))
    given = httpx.AsyncHTTPTransport() if flavour == "async" else httpx.HTTPTransport()
    client = make_client(given, base_url=server.url, timeouts=gi.Timeouts(deadline=0.5))
    with pytest.raises(gi.APIConnectionError) as caught:
        client.get(42)
    assert caught.value.elapsed < 1


@pytest.mark.parametrize(
    "option", [{"proxy": "http://127.0.0.1:1"}, {"ca_bundle": "x.pem"}, {"client_cert": "x.pem"}]
)
def test_a_transport_stands_alone(make_client, option):
    with pytest.raises(gi.UsageError, match="transport brings its own connection"):
        make_client(Wire.of(), **option)


def test_an_answer_that_a_mock_has_read_already_is_fine(make_client):
    mock = httpx.MockTransport(lambda _: httpx.Response(200, json=wire_invoice()))
    assert make_client(mock).get(42).id == 42
    assert make_client(Wire.of(answer(wire_invoice()))).get(42).id == 42


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".com", "." + "x"])
def test_an_address_that_no_look_up_takes_is_refused(make_client, host):
    with pytest.raises(gi.UsageError, match="base_url is no URL"):
        make_client(base_url=f"https://{host}")
