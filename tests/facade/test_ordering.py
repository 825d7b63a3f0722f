"""The ordering builder: enums in, and a sentence that helps when something else comes."""

from __future__ import annotations

import pytest

from gcore_invoices import Order, SortKey, SortTerm, UsageError

AMOUNT_THEN_ID = [SortKey.AMOUNT_TOTAL.desc(), SortKey.ID.asc()]


def test_terms_lists_and_text_build_the_same_order():
    assert Order.parse("-amount_total,id") == Order(AMOUNT_THEN_ID) == Order.of(AMOUNT_THEN_ID)
    assert Order.of(SortKey.NAME.asc()) == Order([SortKey.NAME.asc()]) == Order.parse("name")
    order = Order(AMOUNT_THEN_ID)
    assert Order.of(order) is order
    assert Order.parse(" -amount_total , id ") == Order(AMOUNT_THEN_ID)


@pytest.mark.parametrize("key", SortKey)
def test_every_key_reads_back_from_its_text(key):
    assert list(Order.parse(key.value)) == [key.asc()]
    assert list(Order.parse(f"-{key.value}")) == [key.desc()]
    assert str(Order([key.desc()])) == f"-{key.value}"


def test_an_order_is_a_frozen_value():
    order = Order(AMOUNT_THEN_ID)
    assert (str(order), bool(order), bool(Order())) == ("-amount_total,id", True, False)
    assert len({order, Order.parse("-amount_total,id")}) == 1
    with pytest.raises(AttributeError):
        order.terms = ()
    with pytest.raises(AttributeError):
        order.terms[0].descending = False


VALID = "Valid: amount_total, created_at, id, invoice_date, name."

WRONG = {
    "an unknown name": (
        lambda: Order.parse("-amount,id"),
        f"Unknown sort key 'amount'. Did you mean 'amount_total'? {VALID}",
    ),
    "nothing near": (lambda: Order.parse("zzz"), f"Unknown sort key 'zzz'. {VALID}"),
    "updated_at": (
        lambda: Order.parse("updated_at"),
        f"Unknown sort key 'updated_at'. Did you mean 'created_at'? {VALID}",
    ),
    "a missing name": (lambda: Order.parse("id,,name"), "A sort key is missing in 'id,,name'"),
    "a lone dash": (lambda: Order.parse("-"), "A sort key is missing in '-'"),
    "no text": (lambda: Order.parse(None), "Order.parse reads text such as '-amount_total,id', not None."),
    "a double dash": (lambda: Order.parse("--id"), "Unknown sort key '-id'. Did you mean 'id'?"),
    "a repeated key": (
        lambda: Order([SortKey.ID.asc(), SortKey.ID.desc()]),
        "The sort key 'id' is given twice; give each key once.",
    ),
    "a repeated key in text": (lambda: Order.parse("id,-id"), "The sort key 'id' is given twice"),
    "a bare string": (
        lambda: Order.of("-id"),
        "'-id' is text where a sort term belongs: write SortKey.ID.desc(), or Order.parse('-id')",
    ),
    "a bare string in a list": (
        lambda: Order.of(["name"]),
        "write SortKey.NAME.asc(), or Order.parse('name')",
    ),
    "a bare unknown string": (
        lambda: Order.of("amont_total"),
        f"Unknown sort key 'amont_total'. Did you mean 'amount_total'? {VALID}",
    ),
    "a term of text": (
        lambda: SortTerm("id"),
        "A sort term takes a SortKey, not 'id': write SortKey.ID.asc().",
    ),
    "a key without direction": (
        lambda: Order.of(SortKey.ID),
        "SortKey.ID has no direction yet: write SortKey.ID.asc() or SortKey.ID.desc().",
    ),
    "a key in a list": (lambda: Order.of([SortKey.ID]), "SortKey.ID has no direction yet"),
    "a number": (lambda: Order.of(3), "3 is no sort term: write for example SortKey.AMOUNT_TOTAL.desc()."),
    "a number in a list": (lambda: Order.of([3]), "3 is no sort term"),
}


@pytest.mark.parametrize(("make", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_no_order_is_a_usage_error_that_helps(make, sentence):
    with pytest.raises(UsageError) as caught:
        make()
    assert sentence in str(caught.value)
