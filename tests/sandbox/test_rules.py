from __future__ import annotations

import gzip
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from sandbox.asking import KEY, ORIGIN, PATH, ROWS, STORE, ask, contract, follow, page, read

from gcore_invoices.sandbox import ACCESS, API_KEY, BEARER_TOKEN, NO_BILLING_KEY, Request, handle
from gcore_invoices.sandbox.pdf import render

ONE = f"{PATH}/{ROWS[5]['id']}"

# -- pages


@pytest.mark.parametrize(
    "limit", ["", "limit=", "limit=0", "limit=-3", "limit=ten", "limit=2.5", "limit=" + "9" * 5000]
)
def test_a_limit_that_is_none_is_the_default(limit):
    assert len(page(limit)["results"]) == 20


@pytest.mark.parametrize(("limit", "size"), [(1, 1), (99, 99), (100, 100), (101, 100), (10**30, 100)])
def test_a_limit_is_cut_at_a_hundred(limit, size):
    answer = page({"limit": limit})
    assert len(answer["results"]) == size
    assert dict(parse_qsl(urlsplit(answer["next"]).query)) == {"limit": str(size), "offset": str(size)}


@pytest.mark.parametrize("offset", ["offset=", "offset=-5", "offset=x", "offset=0"])
def test_an_offset_that_is_none_is_nought(offset):
    answer = page(offset)
    assert answer["results"] == ROWS[:20]
    assert answer["previous"] is None


@pytest.mark.parametrize("offset", [len(ROWS), len(ROWS) + 1, 10**25])
@pytest.mark.parametrize("ordering", ["id", "-id", "name"])
def test_beyond_the_end_there_is_an_empty_page(offset, ordering):
    answer = page({"offset": offset, "ordering": ordering})
    assert answer["results"] == []
    assert answer["count"] == len(ROWS)
    assert answer["next"] is None
    assert f"offset={offset - 20}" in answer["previous"]


@pytest.mark.parametrize(
    "query",
    ["limit=97", "limit=100&ordering=-amount_total", "currency=EUR&order_by=name.desc&limit=50&x=%26%20%2C"],
)
def test_links_lead_over_every_row_once_and_back(query):
    answer, found, first = page(query), [], page(query)
    while True:
        found += [row["id"] for row in answer["results"]]
        assert len(found) <= answer["count"], "the links lead in a circle"
        if answer["next"] is None:
            break
        answer = follow(answer["next"])
    assert len(found) == len(set(found)) == answer["count"]
    for _ in range(answer["count"]):
        if answer["previous"] is not None:
            answer = follow(answer["previous"])
    assert answer == first


def test_links_keep_the_filters_and_the_origin_asked():
    query = "payment_state=paid&ordering=-amount_total,id&unknown=a%20b&limit=10&offset=30"
    answer = page(query)
    assert answer["next"] == (
        f"{ORIGIN}{PATH}?limit=10&offset=40&ordering=-amount_total%2Cid&payment_state=paid&unknown=a+b"
    )
    assert answer["previous"] == answer["next"].replace("offset=40", "offset=20")
    assert "offset" not in page("limit=10&offset=7")["previous"]


def test_an_exact_last_page_has_no_next():
    assert page({"limit": 100, "offset": len(ROWS) - 100})["next"] is None
    assert page({"limit": 100, "offset": len(ROWS) - 101})["next"] is not None


def test_unknown_parameters_and_blank_values_ask_for_nothing():
    blank = "&".join(
        f"{name}=" for name in ("currency", "client_id", "ordering", "payment_state", "invoice_date__to")
    )
    assert page(f"colour=blue&page=7&{blank}")["count"] == len(ROWS)


# -- what is refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("invoice_date__from", "2026-02-30"),
        ("invoice_date__to", "20260201"),
        ("billing_period_from__from", "yesterday"),
        ("billing_period_to__to", "2026-W01-1"),
        ("client_id", "1.5"),
        ("client_id", "abc"),
        ("payer_id", "٣"),
        ("payer_id", "9" * 60),
        ("move_type", "in_invoice"),
        ("payment_state", "blocked"),
        ("ordering", "amount"),
        ("ordering", "id,-updated_at"),
        ("ordering", "--id"),
        ("ordering", "id.asc"),
        ("order_by", "id"),
        ("order_by", "-id.asc"),
        ("order_by", "id.up"),
        ("order_by", "updated_at.desc"),
    ],
)
def test_a_value_that_means_nothing_is_a_400_that_names_its_field(name, value):
    answer = ask(query={name: value, "limit": 1})
    assert answer.status == 400
    body = read(answer)
    assert set(body) == {name, "request_id"}
    (message,) = body[name]
    assert message.endswith(".")


@pytest.mark.parametrize("value", ["9" * 50, "-1", "0", "2147483648"])
def test_a_number_that_nobody_has_finds_nothing(value):
    assert page({"payer_id": value})["count"] == page({"client_id": value})["count"] == 0


def test_everything_wrong_is_told_at_once_and_both_sort_parameters_are_checked():
    body = read(ask(query="client_id=x&move_type=y&ordering=z&order_by=id.asc&currency=EUR"))
    assert set(body) == {"client_id", "move_type", "ordering", "request_id"}
    assert body["ordering"] == ["Unknown sort key 'z'."]


@pytest.mark.parametrize(
    "path", ["/", "", "/billing", f"{PATH}/", PATH + "s", f"{ONE}/", f"{ONE}/upload", f"/v2{PATH}"]
)
def test_another_address_is_a_404_even_without_a_key(path):
    answer = ask(path, headers={})
    assert answer.status == 404
    assert "address" in read(answer)["detail"]


@pytest.mark.parametrize("identity", ["0", "1", "-5", "abc", "9" * 25, "9" * 19, "90002.0", "%39", "٣"])
@pytest.mark.parametrize("suffix", ["", "/download"])
def test_an_unknown_invoice_is_a_404(identity, suffix):
    answer = ask(f"{PATH}/{identity}{suffix}")
    assert answer.status == 404
    assert read(answer)["detail"] == "No such invoice."


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", [PATH, ONE, f"{ONE}/download"])
def test_only_reading_is_possible(method, path):
    answer = ask(path, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert ask(path, method=method, headers={}).status == 401


@pytest.mark.parametrize("path", [PATH, ONE, f"{ONE}/download"])
def test_head_is_get_without_the_body(path):
    get, head = ask(path), ask(path, method="HEAD")
    assert head.body == b""
    assert head.status == 200
    assert {**head.headers, "X-Request-Id": ""} == {**get.headers, "X-Request-Id": ""}


# -- who may ask


@pytest.mark.parametrize("path", [PATH, ONE, f"{ONE}/download", f"{PATH}/1"])
@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "Send a credential"),
        ("", "Send a credential"),
        ("apikey", "Send a credential"),
        ("apikey ", "Send a credential"),
        (API_KEY, "Send a credential"),
        (f"Basic {API_KEY}", "Send a credential"),
        (f"apikey{API_KEY}", "Send a credential"),
        ("apikey 1234", "The token '1234' was not accepted."),
        ("apikey 1234$other", "The token '1234' was not accepted."),
        ("apikey 7711_eyJ0", "The token '7711' was not accepted."),
        ("apikey abcdefghijklmnopq", "The token 'abcdefghijkl' was not accepted."),
        (f"apikey  {API_KEY}", "The token ' 1234' was not accepted."),
        (f"apikey {API_KEY} ", "The token '1234' was not accepted."),
        (f"apikey {BEARER_TOKEN}", "The token 'eyJhbGciOiJu' was not accepted."),
        (f"Bearer {API_KEY}", "The token '1234' was not accepted."),
    ],
)
def test_without_a_good_credential_there_is_a_401(path, value, detail):
    answer = ask(path, headers={} if value is None else {"Authorization": value})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"]
    assert read(answer)["detail"].startswith(detail)


@pytest.mark.parametrize("scheme", ["apikey", "APIKey", "APIKEY"])
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_scheme_and_header_name_are_read_in_any_case(scheme, name):
    assert ask(headers={name: f"{scheme} {API_KEY}"}).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_login_token_opens_too(scheme):
    assert ask(headers={"Authorization": f"{scheme} {BEARER_TOKEN}"}).status == 200


@pytest.mark.parametrize("path", [PATH, ONE, f"{ONE}/download"])
def test_a_role_without_billing_is_a_403(path):
    answer = ask(path, headers={"Authorization": f"apikey {NO_BILLING_KEY}"})
    assert answer.status == 403
    assert "billing" in read(answer)["detail"]


def test_who_is_known_can_be_said():
    request = Request("GET", ORIGIN + PATH, {"Authorization": "Bearer fresh"})
    assert handle(request, STORE).status == 401
    assert handle(request, STORE, access={**ACCESS, ("bearer", "fresh"): True}).status == 200


# -- one invoice, and its document


def test_one_invoice_is_its_row():
    assert read(ask(ONE)) == ROWS[5]


@pytest.mark.parametrize("position", [0, 16, len(ROWS) - 1])
def test_the_document_is_a_whole_pdf(position):
    row = ROWS[position]
    answer = ask(f"{PATH}/{row['id']}/download")
    name = f"draft-{row['id']}" if row["name"] == "/" else row["name"].replace("/", "-")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.pdf"'
    check_pdf(answer.body)
    assert f" {row['name']}) Tj".encode() in answer.body
    assert row["amount_total"].encode() in answer.body
    assert answer.body == ask(f"{PATH}/{row['id']}/download").body


def test_a_name_cannot_break_the_document():
    body = render({**ROWS[0], "name": "a) Tj (b\\ ł"})
    check_pdf(body)
    assert rb"a\) Tj \(b\\ ?) Tj" in body


def check_pdf(body: bytes) -> None:
    """ISO 32000-1, section 7.5: header, table of 20-byte lines that lead to their objects, trailer."""
    assert body.startswith(b"%PDF-1.4\n")
    assert body.endswith(b"%%EOF\n")
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", body).group(1))
    assert body[start:].startswith(b"xref\n0 6\n")
    table = body[start + len(b"xref\n0 6\n") : body.index(b"trailer")]
    entries = [table[at : at + 20] for at in range(0, len(table), 20)]
    assert entries[0] == b"0000000000 65535 f \n"
    for number, entry in enumerate(entries[1:], start=1):
        assert re.fullmatch(rb"\d{10} 00000 n \n", entry)
        assert body[int(entry[:10]) :].startswith(b"%d 0 obj\n" % number)
    assert len(entries) == 6
    assert b"/Size 6 /Root 1 0 R" in body
    length, stream = re.search(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", body, re.DOTALL).groups()
    assert int(length) == len(stream)


# -- the envelope


def test_json_is_compressed_when_that_is_asked_for():
    plain, zipped = ask(), ask(headers={**KEY, "Accept-Encoding": "br, gzip;q=0.5"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.body[4:8] == bytes(4), "no time in it"
    assert zipped.body == ask(headers={**KEY, "accept-encoding": "GZIP"}).body
    assert len(zipped.body) < len(plain.body) / 3
    assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("accepts", ["", "identity", "gzip;q=0", "gzip; q=0.0, br", "xgzip"])
def test_json_is_plain_when_gzip_is_not_wanted(accepts):
    assert "Content-Encoding" not in ask(headers={**KEY, "Accept-Encoding": accepts}).headers


def test_short_answers_and_documents_are_left_alone():
    headers = {**KEY, "Accept-Encoding": "gzip"}
    assert "Content-Encoding" not in ask(f"{PATH}/1", headers=headers).headers
    assert ask(f"{ONE}/download", headers=headers).body.startswith(b"%PDF")


def test_request_ids_repeat_with_the_request_and_not_with_the_port_or_key():
    def request_id(url: str, headers: dict[str, str] = KEY) -> str:
        return handle(Request("GET", url, headers), STORE).headers["X-Request-Id"]

    assert request_id(ORIGIN + PATH) == request_id("http://127.0.0.1:9" + PATH, {})
    assert request_id(ORIGIN + PATH) != request_id(f"{ORIGIN}{PATH}?limit=5")


def test_the_same_request_is_the_same_answer():
    assert ask(query="ordering=-name") == ask(query="ordering=-name")


def test_the_contract_declares_every_filter_the_sandbox_knows_and_no_other():
    from gcore_invoices.sandbox.rules import FILTERS, SORT_PARAMETERS  # noqa: PLC0415  # only this test looks inside

    declared = {parameter["name"] for parameter in contract()["components"]["parameters"].values()}
    known = {*FILTERS, *SORT_PARAMETERS, "limit", "offset", "id"}
    assert declared == known, f"in openapi/ or in FILTERS of sandbox/rules.py alone: {declared ^ known}"
