"""The error tree: each status its class, each error its sentence, nothing of the key in any."""

from __future__ import annotations

import pickle

import httpx
import pytest
from support import KEY, RawBody, Wire, answer, raw, wire_invoice

import gcore_invoices as gi

STATUSES = {
    301: gi.UnexpectedRedirectError,
    304: gi.UnexpectedRedirectError,
    400: gi.BadRequestError,
    401: gi.AuthenticationError,
    403: gi.PermissionDeniedError,
    404: gi.NotFoundError,
    409: gi.APIStatusError,
    429: gi.RateLimitError,
    500: gi.InternalServerError,
    502: gi.InternalServerError,
    520: gi.InternalServerError,
    599: gi.InternalServerError,
}


@pytest.mark.parametrize(("status", "cls"), STATUSES.items())
def test_each_status_has_its_class(make_client, status, cls):
    client = make_client(Wire.of(answer({"detail": "It broke.", "request_id": "r-1"}, status)))
    with pytest.raises(gi.APIStatusError) as caught:
        client.get(42)
    error = caught.value
    assert type(error) is cls
    assert error.status_code == status
    assert error.request_id == "r-1"
    assert error.detail == "It broke."
    assert (error.operation, error.attempts) == ("get", 1)
    assert error.elapsed >= 0
    assert f"The API answered {status} " in str(error)
    assert "It broke" in str(error)


def test_the_tree_is_what_the_module_draws():
    drawn = gi.errors.__doc__
    classes = [
        value
        for value in vars(gi).values()
        if isinstance(value, type) and issubclass(value, gi.InvoicesError)
    ]
    assert len(classes) == 15
    for cls in classes:
        line = next(row for row in drawn.splitlines() if row.lstrip("│├└─ ").split(" ")[0] == cls.__name__)
        depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
        assert depth == len([base for base in cls.__mro__[1:] if issubclass(base, gi.InvoicesError)]), line
    assert issubclass(gi.UsageError, ValueError)


DIALECTS = {
    "gateway": (
        {
            "exception_class": "Unauthorized",
            "message": "Token is bad",
            "request_id": "r-2",
            "info": {"a": 1},
            "invalid_fields": {"limit": "too large", "filter": {"currency": ["unknown"]}},
        },
        "Token is bad",
        {"limit": ("too large",), "filter": ("unknown",)},
    ),
    "rest framework": ({"detail": "Not here."}, "Not here.", {}),
    "rest framework fields": (
        {"ordering": ["Unknown key.", "Try id."], "limit": ["A number, please."]},
        "ordering: Unknown key., Try id.; limit: A number, please.",
        {"ordering": ("Unknown key.", "Try id."), "limit": ("A number, please.",)},
    ),
    "errors as a list": ({"errors": [{"message": "one"}, "two"]}, "one; two", {}),
    "errors by field": ({"errors": {"limit": ["bad"]}}, "limit: bad", {"limit": ("bad",)}),
    "error as an object": ({"error": {"message": "deep"}}, "deep", {}),
    "a list": (["a", "b"], "a; b", {}),
    "a number": (7, "", {}),
    "unknown words": ({"reason": "because"}, "", {}),
}


@pytest.mark.parametrize(("body", "detail", "fields"), DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_of_errors_is_understood_and_the_rest_is_kept(make_client, body, detail, fields):
    client = make_client(Wire.of(answer(body, 400)))
    with pytest.raises(gi.BadRequestError) as caught:
        client.get(42)
    assert caught.value.detail == detail
    assert caught.value.fields == fields
    if isinstance(body, dict):
        assert next(iter(body)) in caught.value.body


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<body><h1>Denied</h1>why</body>", "Denied"),
        (b"upstream  said\nno", "upstream said no"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
        (b"", ""),
        (b"[" * 60_000, "[" * 499 + "…"),
    ],
)
def test_a_proxys_words_are_understood(make_client, body, detail):
    client = make_client(Wire.of(raw(body, 502, content_type="text/html", x_request_id="edge-7")))
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(42)
    assert caught.value.detail == detail
    assert caught.value.request_id == "edge-7"


def test_an_endless_error_body_is_read_up_to_64_kib(make_client):
    body = RawBody(*[b"e" * 1024] * 1000)
    client = make_client(Wire.of(raw(body, 500)))
    with pytest.raises(gi.InternalServerError) as caught:
        client.get(42)
    assert len(caught.value.body) == 64 * 1024
    assert body.read <= 66 * 1024
    assert body.closed


@pytest.mark.parametrize(
    ("key", "hinted"),
    [("1234", True), ("1234$", True), ("1234$abcdef", False), ("7711_eyJ0", False)],
)
def test_a_key_cut_by_a_shell_earns_a_hint_on_401(make_client, key, hinted):
    client = make_client(Wire.of(answer({"detail": f"Bad token {key}"}, 401)), api_key=key)
    with pytest.raises(gi.AuthenticationError) as caught:
        client.get(42)
    assert (
        "everything from the $ on was lost. Put the value of GCORE_API_KEY in single" in str(caught.value)
    ) is hinted
    assert f"Bad token {key}" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "role may lack access to billing"),
        (429, "ask less often"),
        (503, "try again later"),
        (302, "It points to 'https://elsewhere.example/'. Redirects are not followed; check base_url."),
    ],
)
def test_errors_say_what_to_do(make_client, status, words):
    client = make_client(Wire.of(answer({}, status, location="https://elsewhere.example/")))
    with pytest.raises(gi.APIStatusError, match=None) as caught:
        client.get(42)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        KEY.replace("$", "\\u0024"),
        KEY.replace("$", "%24"),
        KEY.replace("$", "&#36;"),
        "\\u0031\\u0032\\u0033\\u0034\\u0024\\u0061\\u0062\\u0063\\u0064\\u0065\\u0066",
    ],
)
def test_an_error_body_that_echoes_the_key_is_masked(make_client, echo):
    body = f'{{"detail": "no {echo}!", "f": ["{echo}"], "request_id": "r"}}'.encode()
    client = make_client(Wire.of(raw(body, 401)))
    with pytest.raises(gi.AuthenticationError) as caught:
        client.get(42)
    shown = repr(caught.value.__dict__) + str(caught.value)
    assert "abcdef" not in shown
    assert echo not in shown
    assert "no ***" in caught.value.detail
    assert "no ***" in caught.value.body


CONNECTION = [
    (httpx.ConnectTimeout("slow"), gi.APITimeoutError, "No connection to https://api.gcore.com in time"),
    (httpx.ReadTimeout("slow"), gi.APITimeoutError, "did not answer in time"),
    (httpx.WriteTimeout(""), gi.APITimeoutError, "did not answer in time (WriteTimeout)"),
    (httpx.PoolTimeout("busy"), gi.APITimeoutError, "came free in time"),
    (httpx.RemoteProtocolError("cut"), gi.APIProtocolError, "cut short or no HTTP: cut"),
    (httpx.ConnectError("refused"), gi.APIConnectionError, "No connection to https://api.gcore.com: refused"),
    (
        httpx.ReadError("reset"),
        gi.APIConnectionError,
        "The connection to https://api.gcore.com broke: reset.",
    ),
    (httpx.ProxyError("407"), gi.APIConnectionError, "The proxy refused"),
]


@pytest.mark.parametrize(("cause", "cls", "words"), CONNECTION, ids=[type(c[0]).__name__ for c in CONNECTION])
def test_no_httpx_error_reaches_the_caller(make_client, cause, cls, words):
    client = make_client(Wire.of(cause))
    with pytest.raises(gi.InvoicesError) as caught:
        client.get(42)
    assert type(caught.value) is cls
    assert words in str(caught.value)
    assert caught.value.__cause__ is cause
    assert cause.__traceback__ is None
    assert (caught.value.operation, caught.value.attempts) == ("get", 1)


def test_a_body_that_breaks_in_the_middle_is_an_error_and_closes_the_response(make_client):
    body = RawBody(b'{"id": 4', error=httpx.RemoteProtocolError("peer closed connection"))
    client = make_client(Wire.of(raw(body)))
    with pytest.raises(gi.APIProtocolError, match="cut short"):
        client.get(42)
    assert body.closed


ERRORS = [
    gi.UsageError("no"),
    gi.APITimeoutError("no"),
    gi.NotFoundError("no", status_code=404, request_id="r", detail="d", fields={"a": ("b",)}, body="x"),
    gi.APIResponseValidationError("no", path="$.id", content_type="text/html", excerpt="<"),
    gi.PaginationError("no", report=gi.WalkReport(pages=3)),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_with_all_they_know(error):
    error.operation, error.attempts, error.elapsed = "list", 3, 1.5
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert str(copy) == "no"
    assert copy.__dict__ == error.__dict__


BROKEN = {
    "html": (b"<html>", "not what the contract says", None),
    "empty": (b"", "not what the contract says", None),
    "no utf-8": (b'{"id": 1, "name": "\xff"}', "It is not UTF-8", None),
    "nested": (b'{"x":' * 100_000, "It is nested without end", None),
    "a missing field": (b'{"id": 1}', "missing required field `name`", None),
    "a wrong type": (b'{"id": "1"}', "Expected `int`, got `str`", "$.id"),
    "beyond reason": (b'{"new": 1e99999999999999999999}', "a number beyond reason", None),
}


@pytest.mark.parametrize(("body", "words", "path"), BROKEN.values(), ids=BROKEN)
def test_an_answer_outside_the_contract_is_a_typed_error(make_client, body, words, path):
    client = make_client(Wire.of(raw(body, content_type="text/html")))
    with pytest.raises(gi.APIResponseValidationError) as caught:
        client.get(42)
    assert words in str(caught.value)
    assert caught.value.path == path
    assert caught.value.content_type == "text/html"
    assert "something else may have answered" in str(caught.value)
    assert caught.value.excerpt == body[:500].decode(errors="replace")


def test_a_2xx_that_is_not_200_is_outside_the_contract(make_client):
    client = make_client(Wire.of(answer(wire_invoice(), 206)))
    with pytest.raises(gi.APIResponseValidationError, match="Expected status 200, got 206"):
        client.get(42)
