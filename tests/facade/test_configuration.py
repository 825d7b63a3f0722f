"""Keys, tokens and addresses: from arguments, then from the environment, refused when they cannot be right."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading

import httpx
import pytest
from support import BASE_URL, KEY, Client, Wire, answer, wire_invoice

import gcore_invoices as gi
from gcore_invoices._transport import Credential


def sent(client, wire):
    client.get(42)
    return wire.requests[-1]


def authorization(wire):
    return wire.requests[-1].headers.get("authorization")


def test_the_key_comes_from_the_argument_then_from_the_environment(make_client, flavour, monkeypatch):
    monkeypatch.setenv("GCORE_API_KEY", "5678$env")
    wire = Wire(lambda _: answer(wire_invoice()))
    make_client(wire, api_key="1234$arg").get(42)
    assert authorization(wire) == "apikey 1234$arg"
    client = Client(flavour, transport=wire)
    client.get(42)
    client.close()
    assert authorization(wire) == "apikey 5678$env"


def test_the_address_comes_from_the_argument_then_from_the_environment(make_client, monkeypatch):
    wire = Wire(lambda _: answer(wire_invoice()))
    path = "/billing/org/v1/erp-invoices/42"
    assert str(sent(make_client(wire), wire).url) == f"{BASE_URL}{path}"
    monkeypatch.setenv("GCORE_BASE_URL", "https://proxy.example/gcore/")
    assert str(sent(make_client(wire), wire).url) == f"https://proxy.example/gcore{path}"
    assert (
        str(sent(make_client(wire, base_url="http://127.0.0.1:8000"), wire).url)
        == f"http://127.0.0.1:8000{path}"
    )
    monkeypatch.setenv("GCORE_BASE_URL", "")
    assert str(sent(make_client(wire), wire).url) == f"{BASE_URL}{path}"


def test_a_request_says_who_asks_and_for_what(make_client):
    wire = Wire(lambda _: answer(wire_invoice()))
    request = sent(make_client(wire), wire)
    assert request.method == "GET"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["user-agent"].startswith(f"gcore-invoices/{gi.__version__} Python/3.")
    assert request.headers["host"] == "api.gcore.com"


SECRET = "5\u00e9cret"
BAD_KEYS = {
    "empty": ("", "api_key is empty."),
    "with a space": ("1234 $abc", "api_key holds a space, a line break"),
    "with a line break": ("1234$abc\n", "Was a line break read from a file with it?"),
    "with a control": ("1234$a\x00bc", "api_key holds a space, a line break"),
    "not ascii": (SECRET, "not printable ASCII"),
    "with its word": ("apikey 1234$abc", "api_key takes the token alone, without the word before it."),
    "with another word": ("Bearer 1234$abc", "api_key takes the token alone, without the word before it."),
    "no text": (b"1234$abc", "api_key takes text, not bytes."),
}


@pytest.mark.parametrize(("key", "sentence"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_key_that_cannot_be_right_is_refused_and_never_shown(make_client, key, sentence):
    with pytest.raises(gi.UsageError) as caught:
        make_client(api_key=key)
    assert sentence in str(caught.value)
    if key:
        assert repr(key)[1:-1] not in str(caught.value)


def test_a_key_in_the_environment_is_called_by_its_name(flavour, monkeypatch):
    monkeypatch.setenv("GCORE_API_KEY", "")
    with pytest.raises(gi.UsageError, match=r"GCORE_API_KEY is empty\."):
        Client(flavour)


def test_no_key_at_all_says_where_one_is_looked_for(flavour):
    with pytest.raises(gi.UsageError, match=r"set the environment variable GCORE_API_KEY \(in single quotes"):
        Client(flavour)


BAD_URLS = [
    ("http://api.gcore.com", "must be an https:// address"),
    ("http://10.0.0.1", "must be an https:// address"),
    ("http://localhost.example", "must be an https:// address"),
    ("http://127.0.0.1.example", "must be an https:// address"),
    ("ftp://api.gcore.com", "must be an https:// address"),
    ("api.gcore.com", "must be an https:// address"),
    ("https://", "must be an https:// address"),
    ("https://user:pw@api.gcore.com", "without user, query or fragment"),
    ("https://api.gcore.com/?a=1", "without user, query or fragment"),
    ("https://api.gcore.com/#a", "without user, query or fragment"),
    ("https://[::1", "is no URL"),
    (7, "is no URL"),
]


@pytest.mark.parametrize(("url", "sentence"), BAD_URLS)
def test_an_address_that_is_not_safe_for_a_key_is_refused(make_client, monkeypatch, url, sentence):
    with pytest.raises(gi.UsageError) as caught:
        make_client(base_url=url)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("base_url")
    if isinstance(url, str):
        monkeypatch.setenv("GCORE_BASE_URL", url)
        with pytest.raises(gi.UsageError, match=r"^GCORE_BASE_URL"):
            make_client()


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1", "http://127.1.2.3", "http://[::1]:8000", "https://x.example", "HTTPS://X.example"],
)
def test_https_and_loopback_are_fine(make_client, url):
    make_client(base_url=url)


def test_the_sort_parameter_is_checked(make_client):
    with pytest.raises(gi.UsageError, match=r"Unknown sort parameter 'order'\. Did you mean 'ordering'\?"):
        make_client(sort_parameter="order")


@pytest.mark.parametrize("invoice_id", [0, -1, True, "42", 42.0, None])
def test_an_id_that_is_no_positive_integer_is_refused_before_anything_is_sent(
    make_client, invoice_id, tmp_path
):
    wire = Wire.of()
    client = make_client(wire)
    calls = (client.get, client.download_bytes, lambda bad: client.download(bad, tmp_path / "x.pdf"))
    for call in calls:
        with pytest.raises(gi.UsageError, match="An invoice id is a positive integer, not "):
            call(invoice_id)
    assert wire.requests == []
    assert list(tmp_path.iterdir()) == []


# -- bearer tokens


def test_a_bearer_token_goes_out_as_one_and_is_not_renewed(make_client):
    wire = Wire.of(answer(wire_invoice()), answer({}, 401))
    client = make_client(wire, bearer_token="jwt.one")
    client.get(42)
    assert authorization(wire) == "Bearer jwt.one"
    with pytest.raises(gi.AuthenticationError, match="lives one hour: log in again, or pass bearer_token= a"):
        client.get(42)
    assert len(wire.requests) == 2


def test_key_and_token_exclude_each_other(make_client):
    with pytest.raises(gi.UsageError, match=r"Give api_key or bearer_token, not both\."):
        make_client(api_key=KEY, bearer_token="jwt.one")


def tokens(*values):
    left = iter(values)
    asked = []

    def token():
        asked.append(threading.current_thread().name)
        return next(left)

    return token, asked


def test_a_function_is_asked_once_and_again_after_a_401_once(make_client):
    token, asked = tokens("jwt.one", "jwt.two", "jwt.three")
    wire = Wire.of(
        answer(wire_invoice()), answer({}, 401), answer(wire_invoice()), answer({}, 401), answer({}, 401)
    )
    client = make_client(wire, bearer_token=token)
    assert asked == []
    client.get(42)
    client.get(42)
    sent_tokens = [request.headers["authorization"] for request in wire.requests]
    assert sent_tokens == ["Bearer jwt.one", "Bearer jwt.one", "Bearer jwt.two"]
    with pytest.raises(gi.AuthenticationError) as caught:
        client.get(42)
    assert wire.requests[-1].headers["authorization"] == "Bearer jwt.three"
    assert len(asked) == 3
    assert caught.value.attempts == 2


def test_what_is_no_token_is_a_usage_error(make_client):
    client = make_client(Wire.of(), bearer_token=lambda: "two words")
    with pytest.raises(gi.UsageError, match=r"What bearer_token\(\) returned holds a space"):
        client.get(42)


def test_an_error_of_the_callers_function_is_the_callers(make_client):
    def token():
        raise LookupError("no vault")

    with pytest.raises(LookupError, match="no vault"):
        make_client(Wire.of(), bearer_token=token).get(42)


def test_an_async_function_renews_for_the_async_client():
    given = iter(["jwt.one", "jwt.two"])

    async def token():
        await asyncio.sleep(0)
        return next(given)

    wire = Wire.of(answer({}, 401), answer(wire_invoice()))

    async def main():
        async with gi.AsyncInvoicesClient(bearer_token=token, transport=wire) as client:
            await client.get(42)

    asyncio.run(main())
    assert [request.headers["authorization"] for request in wire.requests] == [
        "Bearer jwt.one",
        "Bearer jwt.two",
    ]


def test_the_sync_client_refuses_an_async_function():
    async def token():
        return "jwt"

    with pytest.raises(gi.UsageError, match="bearer_token is an async function: use AsyncInvoicesClient"):
        gi.InvoicesClient(bearer_token=token)


def test_the_sync_client_refuses_an_object_whose_call_is_async():
    class Login:
        async def __call__(self):
            return "jwt"

    with pytest.raises(gi.UsageError, match="bearer_token is an async function: use AsyncInvoicesClient"):
        gi.InvoicesClient(bearer_token=Login())


def test_a_plain_function_of_the_async_client_runs_in_a_thread():
    token, asked = tokens("jwt.one")

    async def main():
        wire = Wire.of(answer(wire_invoice()))
        async with gi.AsyncInvoicesClient(bearer_token=token, transport=wire) as client:
            await client.get(42)

    asyncio.run(main())
    assert asked != [threading.main_thread().name]


def test_one_renewal_serves_all_threads_that_wait():
    together = threading.Barrier(8)
    token, asked = tokens("jwt.one", "jwt.two")

    def respond(request):
        if request.headers["authorization"] == "Bearer jwt.one":
            together.wait(timeout=10)  # all eight are refused before one may renew
            return answer({}, 401)
        return answer(wire_invoice())

    with gi.InvoicesClient(bearer_token=token, transport=Wire(respond)) as client:
        threads = [threading.Thread(target=client.get, args=(42,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert len(asked) == 2


def test_one_renewal_serves_all_tasks_that_wait():
    asked = []

    async def token():
        asked.append(1)
        await asyncio.sleep(0)
        return f"jwt.{len(asked)}"

    def respond(request):
        old = request.headers["authorization"] == "Bearer jwt.1"
        return answer({}, 401) if old else answer(wire_invoice())

    async def main():
        async with gi.AsyncInvoicesClient(bearer_token=token, transport=Wire(respond)) as client:
            await asyncio.gather(*(client.get(42) for _ in range(8)))

    asyncio.run(main())
    assert len(asked) == 2


# -- the key stays where it belongs


def test_the_key_is_signed_for_its_own_origin_only():
    credential = Credential("apikey", KEY)
    wire = Wire(lambda _: httpx.Response(200))
    transport = gi._transport.KeyTransport(wire, credential, httpx.URL("https://api.gcore.com/base"))
    elsewhere = [
        "http://api.gcore.com/",
        "https://api.gcore.com:8443/",
        "https://api.gcore.com.evil.example/",
        "https://gcore.com/",
    ]
    for url in elsewhere:
        transport.handle_request(httpx.Request("GET", url))
        assert authorization(wire) is None, url
    for url in ("https://api.gcore.com/x", "https://api.gcore.com:443/x", "https://API.gcore.com/x"):
        request = httpx.Request("GET", url)
        transport.handle_request(request)
        assert authorization(wire) == f"apikey {KEY}", url
        assert "authorization" not in request.headers


def test_the_key_is_nowhere_to_be_seen(make_client, caplog):
    caplog.set_level("DEBUG")
    wire = Wire(lambda _: answer({"detail": f"bad {KEY}"}, 401))
    client = make_client(wire)
    with pytest.raises(gi.AuthenticationError) as caught:
        client.get(42)
    assert authorization(wire) == f"apikey {KEY}"
    seen = [repr(client.real), str(client.real), repr(vars(client.real)), caplog.text]
    trace = caught.tb
    while trace:
        if (
            "support.py" not in trace.tb_frame.f_code.co_filename
            and "test_" not in trace.tb_frame.f_code.co_filename
        ):
            seen.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    assert not [text for text in seen if "abcdef" in text]


def test_a_client_and_its_key_refuse_to_be_pickled_or_copied(make_client):
    credential = make_client(Wire.of()).real._session.settings.credential
    assert repr(credential) == "<Credential apikey ***>"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="The key cannot be pickled or copied"):
            take(credential)
        with pytest.raises(TypeError, match="A client cannot be pickled or copied, because it holds the key"):
            take(make_client(Wire.of()).real)


def test_a_closed_client_says_so(make_client):
    client = make_client(Wire.of())
    client.run(client.real.close())
    with pytest.raises(gi.UsageError, match="This client is closed: make a new one"):
        client.get(42)


def test_leaving_the_block_closes_the_client():
    with gi.InvoicesClient(api_key=KEY, transport=Wire.of()) as client:
        pass
    with pytest.raises(gi.UsageError, match="closed"):
        client.get(42)


def test_clients_name_their_address_when_shown(make_client, flavour):
    name = "AsyncInvoicesClient" if flavour == "async" else "InvoicesClient"
    client = make_client(Wire.of())
    assert repr(client.real) == f"<{name} of https://api.gcore.com>"
    assert repr(client.real.list(currency="EUR")).startswith(
        f"<{name.replace('sClient', 'Pager')} of InvoiceQuery("
    )
