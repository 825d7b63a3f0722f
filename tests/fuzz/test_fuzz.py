"""Whatever a server answers, a value comes out that is what was sent, or an `InvoicesError`.

Both decoders and the reader of errors, through the whole path of both clients. The number of examples is the
profile's: a thousand in `make test`, a hundred thousand and more in `make fuzz`, which prints how many it were.
"""

from __future__ import annotations

import json
import pickle
import sys
from decimal import Decimal

import httpx
import pytest
from fuzz import responses
from hypothesis import given, settings
from hypothesis import strategies as st
from support import KEY, PDF, Wire

import gcore_invoices as gi
from gcore_invoices import _flow, _operations
from gcore_invoices._mask import Mask
from gcore_invoices._problem import read_problem

QUERY = gi.InvoiceQuery()
ORDER = gi.Order((gi.SortKey.ID.asc(),))


@pytest.fixture
def asked(make_client):
    """Gives the client one answer and returns what it made of it."""
    answers = []
    client = make_client(Wire(lambda _: answers.pop()), plugins=[])

    def ask(call, response):
        answers.append(response)
        try:
            return call(client)
        except gi.InvoicesError as error:
            check_error(error)
            return None

    return ask


@pytest.fixture
def count(record_property):
    """Counts examples; conftest.py adds them up."""
    ran = [0]
    yield lambda: ran.__setitem__(0, ran[0] + 1)
    record_property("examples", ran[0])


def check_error(error):
    assert type(error) in {
        *gi.InvoicesError.__subclasses__(),
        *gi.APIConnectionError.__subclasses__(),
        *gi.APIStatusError.__subclasses__(),
    }
    assert error.operation in {"list", "get", "download"}
    assert error.attempts == 1
    assert len(str(error)) < 3000
    assert error.request_id is None or len(error.request_id) <= 200
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301 - our own bytes
    if isinstance(error, gi.APIStatusError):
        assert error.retry_after is None or 0 <= error.retry_after < 10**12
        assert len(error.detail) <= 500
    if isinstance(error, gi.APIResponseValidationError):
        assert len(error.excerpt) <= 500


def list_page(client):
    session = client.real._session
    operation = _operations.list_page(QUERY, ORDER, offset=0, limit=100, settings=session.settings)
    return client.run(client.real._run(_flow.call(operation, session)))


def check_invoice(invoice, row):
    """Against json.loads, which keeps the last of two members with one name, as we do."""
    assert type(row) is dict
    for name in (
        "id",
        "name",
        "currency",
        "move_type",
        "payment_state",
        "client_id",
        "payer_id",
        "invoice_id",
    ):
        assert getattr(invoice, name) == row[name]
    for name in responses.AMOUNTS:
        amount = getattr(invoice, name)
        assert amount.is_finite()
        assert amount.as_tuple() == Decimal(row[name]).as_tuple()
    assert dict(invoice.extra) == {name: value for name, value in row.items() if name not in responses.FIELDS}
    json.dumps(invoice.to_dict())
    assert pickle.loads(pickle.dumps(invoice)) == invoice  # noqa: S301 - our own bytes


def loads(body):
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # json.loads would refuse what is sane, if long
    try:
        return json.loads(body.decode(), parse_float=Decimal)
    finally:
        sys.set_int_max_str_digits(limit)


def test_a_page_is_what_was_sent_or_an_error(asked, count):
    @given(responses.pages)
    def check(answer):
        count()
        response, body = answer
        page = asked(list_page, response)
        if page is not None:
            said = loads(body)
            assert page.count == said["count"]
            assert page.has_next is (said.get("next") is not None)
            assert len(page.invoices) == len(said["results"])
            for invoice, row in zip(page.invoices, said["results"], strict=True):
                check_invoice(invoice, row)

    check()


def test_an_invoice_is_what_was_sent_or_an_error(asked, count):
    @given(responses.invoices)
    def check(answer):
        count()
        response, body = answer
        invoice = asked(lambda client: client.get(42), response)
        if invoice is not None:
            check_invoice(invoice, loads(body))

    check()


def test_an_error_is_an_error(asked, count):
    @given(responses.problems)
    def check(answer):
        count()
        assert asked(lambda client: client.get(42), answer[0]) is None

    check()


def test_a_document_is_what_was_sent_or_an_error(asked, count):
    @given(responses.documents)
    def check(answer):
        count()
        response, body = answer
        document = asked(lambda client: client.download_bytes(42), response)
        assert document in {None, body}

    check()


def test_the_sane_answers_among_them_are_read(asked):
    """Or the tests above would test nothing."""
    assert (
        asked(
            lambda client: client.download_bytes(42),
            httpx.Response(200, headers={"content-type": "application/pdf"}, content=PDF),
        )
        == PDF
    )
    read = []

    @settings(derandomize=True, max_examples=200)
    @given(responses.pages)
    def check(answer):
        read.append(asked(list_page, answer[0]) is not None)

    check()
    assert sum(read) > len(read) / 30


def test_any_text_of_an_error_is_understood_as_far_as_it_goes(count):
    @given(responses.problem_texts)
    def check(text):
        count()
        problem = read_problem(text.encode("utf-8", "replace").decode("utf-8", "replace"))
        assert len(problem.detail) <= 500
        assert all(isinstance(word, str) for words in problem.fields.values() for word in words)

    check()


WAYS = [
    lambda char: char,
    lambda char: char.upper(),
    lambda char: f"\\u{ord(char):04x}",
    lambda char: f"\\x{ord(char):02X}",
    lambda char: f"\\\\u{ord(char):04X}",
    lambda char: f"%{ord(char):02x}",
    lambda char: f"%25{ord(char):02X}",
    lambda char: f"&#{ord(char)};",
    lambda char: f"&#x{ord(char):x};",
    lambda char: f"&amp;#0{ord(char)};",
]
# Printable, and none that begins an escape: as a letter of the key it could be read in two ways.
secrets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\%&"), min_size=4, max_size=40
)


def test_a_secret_is_found_however_it_is_spelled(count):
    @given(secrets, st.data(), st.text(max_size=20), st.text(max_size=20))
    def check(secret, data, before, after):
        count()
        # A digit after an entity without end, or a letter after a cut escape, would be another text.
        before, after = before.rstrip("\\%&#;" + "0123456789abcdefABCDEFuxU") + " ", " " + after
        pieces = [data.draw(st.sampled_from(WAYS))(char) for char in secret]
        mask = Mask(secret)
        assert mask(before + "".join(pieces) + after) == mask(before) + "***" + mask(after)
        shown = mask(before)[:-1]
        for end in range(1, len(secret)):
            cut = "".join(pieces[:end])
            assert mask(before + cut, cut=True) in {f"{shown} ***", f"{shown}***"}, cut

    check()


def test_a_text_without_the_secret_stays_as_it_is(count):
    mask = Mask(KEY)

    @given(st.text() | responses.problem_texts)
    def check(text):
        count()
        assert mask(text) == text
        assert text.startswith(mask(text, cut=True).removesuffix("***"))

    check()
