"""The façade and the generated client say the same, in both directions; if not, what to write and where.

The generated client is whichever `gcore_erp_api` Python finds: test_spec_change.py runs this file on others.
"""

from __future__ import annotations

import datetime as dt
import json
import pkgutil
import types
import typing
from enum import Enum
from typing import TYPE_CHECKING, Any

import gcore_erp_api.api.erp_invoices
import gcore_erp_api.models as generated
import pytest
from attrs import fields
from gcore_erp_api.api.erp_invoices import list_erp_invoices
from gcore_erp_api.types import Unset
from support_contract import contract

from gcore_invoices import Invoice, InvoiceQuery, InvoicesClient, MoveType, PaymentState, SortKey, query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support_contract import Recorder

QUERY = "gcore_invoices/query.py"
ORDERING = "gcore_invoices/ordering.py"
MODELS = "gcore_invoices/models.py"
OPERATIONS = "gcore_invoices/_operations.py"
CONTRACT = "openapi/erp-invoices.yaml"

# Where the generator's name for an argument is not the façade's for the field.
RENAMED = {"billing_period_from_from": "billing_period_from", "billing_period_to_to": "billing_period_to"}
# What paging and `Order` fill in; no filter.
PRODUCED = {"limit", "offset", "ordering", "order_by"}
PAGING = {"page_size", "offset", "order_by"}

ARGUMENTS = {
    RENAMED.get(name, name): annotation
    for name, annotation in typing.get_type_hints(list_erp_invoices._get_kwargs).items()
    if name != "return"
}
FILTERS = {
    name: annotation for name, annotation in typing.get_type_hints(InvoiceQuery).items() if name not in PAGING
}
GENERATED_FIELDS = {
    name: annotation
    for name, annotation in typing.get_type_hints(generated.ErpInvoice).items()
    if name != "additional_properties"
}
INVOICE_FIELDS = {
    name: annotation for name, annotation in typing.get_type_hints(Invoice).items() if name != "extra"
}


def tell(problems: Iterable[str]) -> None:
    """Fail with all problems, one a line."""
    if text := "\n".join(problems):
        pytest.fail(text, pytrace=False)


def spelled(annotation: Any, name: str) -> str:
    """A type as the façade spells it: amounts are decimals, the absent is None, enums go by name."""
    if isinstance(annotation, types.UnionType):
        parts = [spelled(part, name) for part in typing.get_args(annotation)]
        return " | ".join(sorted(dict.fromkeys(parts), key=lambda part: (part == "None", part)))
    if annotation in (type(None), Unset):
        return "None"
    if annotation is str and name.startswith("amount_"):
        return "Decimal"
    if annotation in (dt.date, dt.datetime):
        return f"dt.{annotation.__name__}"
    return str(annotation.__name__)


# -- operations


def test_the_facade_calls_every_operation():
    known = {"list_erp_invoices", "get_erp_invoice", "download_erp_invoice"}
    there = {module.name for module in pkgutil.iter_modules(gcore_erp_api.api.erp_invoices.__path__)}
    tell(
        [
            f"the contract has an operation `{name}` that the façade lacks: add it to {OPERATIONS}, "
            "and a method to both clients in gcore_invoices/client.py"
            for name in sorted(there - known)
        ]
        + [
            f"the façade calls `{name}`, which the contract lacks: remove it from {OPERATIONS}, "
            f"or add it to {CONTRACT}"
            for name in sorted(known - there)
        ]
    )


# -- filters


def test_the_query_has_every_filter_of_the_contract():
    tell(
        f"the contract has a filter `{name}` that InvoiceQuery lacks: add a field "
        f"`{name}: {spelled(ARGUMENTS[name], name)}` to InvoiceQuery and to QueryFields in {QUERY}"
        for name in ARGUMENTS.keys() - FILTERS.keys() - PRODUCED
    )


def test_the_query_has_no_filter_that_the_contract_lacks():
    tell(
        f"InvoiceQuery has a filter `{name}` that the contract lacks: remove it from InvoiceQuery "
        f"and QueryFields in {QUERY}, or add the parameter to {CONTRACT}"
        for name in FILTERS.keys() - ARGUMENTS.keys()
    )


def test_filters_take_the_types_of_the_contract():
    tell(
        f"the filter `{name}` is `{spelled(ARGUMENTS[name], name)}` in the contract: change "
        f"InvoiceQuery.{name}, which is `{spelled(FILTERS[name], name)}`, in {QUERY}"
        for name in FILTERS.keys() & ARGUMENTS.keys()
        if spelled(FILTERS[name], name) != spelled(ARGUMENTS[name], name)
    )


def test_the_contract_has_what_paging_and_sorting_need():
    tell(
        f"the contract lacks the parameter `{name}`, which {OPERATIONS} sends: put it back into {CONTRACT}"
        for name in PRODUCED - ARGUMENTS.keys()
    )


def test_the_keywords_of_list_are_the_fields_of_the_query():
    assert list(query.QueryFields.__annotations__) == [
        attribute.name for attribute in fields(InvoiceQuery)
    ], f"QueryFields and InvoiceQuery differ: give both the same fields in {QUERY}"


def sample(annotation: Any) -> Any:
    """Some value of a filter's type."""
    kind = next(part for part in typing.get_args(annotation) if part is not type(None))
    if issubclass(kind, Enum):
        return next(iter(kind))
    return {dt.date: dt.date(2026, 3, 1), int: 7, str: "EUR"}[kind]


@pytest.mark.parametrize("sort_parameter", ["ordering", "order_by"])
def test_every_filter_reaches_the_wire_under_the_contracts_name(recorder: Recorder, sort_parameter: Any):
    values = {name: sample(annotation) for name, annotation in FILTERS.items()}
    asked = InvoiceQuery(**values, order_by=SortKey.ID.asc(), page_size=50)
    with InvoicesClient(
        api_key="1234$abcdef", base_url=recorder.url, sort_parameter=sort_parameter
    ) as client:
        assert client.list(asked).first() is None
    sent = dict(recorder.query)
    assert len(sent) == len(recorder.query)
    names = {facade: argument for argument, facade in RENAMED.items()}
    arguments = {names.get(name, name): value for name, value in values.items()}
    wire = list_erp_invoices._get_kwargs(**arguments)["params"]
    assert {name: sent.get(name) for name in wire} == {name: str(value) for name, value in wire.items()}
    assert sent.keys() - wire.keys() - {"limit", "offset"} == {sort_parameter}


# -- fields


def test_the_invoice_has_every_field_of_the_contract():
    tell(
        f"the contract has a field `{name}` that Invoice lacks: add `{name}: "
        f"{spelled(GENERATED_FIELDS[name], name)}` to Invoice in {MODELS} (until then it arrives in `extra`)"
        for name in GENERATED_FIELDS.keys() - INVOICE_FIELDS.keys()
    )


def test_the_invoice_has_no_field_that_the_contract_lacks():
    tell(
        f"Invoice has a field `{name}` that the contract lacks: remove it from Invoice in {MODELS}, "
        f"or add it to ErpInvoice in {CONTRACT}"
        for name in INVOICE_FIELDS.keys() - GENERATED_FIELDS.keys()
    )


def test_fields_have_the_types_of_the_contract():
    tell(
        f"the field `{name}` is `{spelled(GENERATED_FIELDS[name], name)}` in the contract: change "
        f"Invoice.{name}, which is `{spelled(INVOICE_FIELDS[name], name)}`, in {MODELS}"
        for name in INVOICE_FIELDS.keys() & GENERATED_FIELDS.keys()
        if spelled(INVOICE_FIELDS[name], name) != spelled(GENERATED_FIELDS[name], name)
    )


# -- enums


@pytest.mark.parametrize("enum", [MoveType, PaymentState], ids=lambda enum: enum.__name__)
def test_an_enum_has_the_members_of_the_contract(enum: type[Enum]):
    have = {name: member.value for name, member in enum.__members__.items()}
    want = {name: member.value for name, member in getattr(generated, enum.__name__).__members__.items()}
    tell(
        [
            f'the contract has {enum.__name__} `{value}`: add `{name} = "{value}"` to {enum.__name__} '
            f"in {MODELS} (until then it decodes, with is_known false)"
            for name, value in (want.items() - have.items())
        ]
        + [
            f"{enum.__name__}.{name} (`{value}`) is not in the contract: remove it from {enum.__name__} "
            f"in {MODELS}, or add it to {CONTRACT}"
            for name, value in (have.items() - want.items())
        ]
    )


def test_the_sort_keys_are_those_of_the_contract():
    have = {key.value for key in SortKey}
    ordering = {member.value.removeprefix("-") for member in generated.Ordering}
    order_by = {member.value.rpartition(".")[0] for member in generated.OrderBy}
    tell(
        [
            f'the contract sorts by `{name}`: add `{name.upper()} = "{name}"` to SortKey in {ORDERING}'
            for name in sorted((ordering | order_by) - have)
        ]
        + [
            f"SortKey.{SortKey(name).name} is no sort key of the contract: remove it from SortKey "
            f"in {ORDERING}, or add `{name}` to Ordering and OrderBy in {CONTRACT}"
            for name in sorted(have - (ordering & order_by))
        ]
    )


def test_every_sort_key_has_both_directions_in_both_spellings():
    keys = {member.value.removeprefix("-") for member in generated.Ordering}
    assert {member.value for member in generated.Ordering} == keys | {f"-{key}" for key in keys}
    assert {member.value for member in generated.OrderBy} == {
        f"{key}.{way}" for key in keys for way in ("asc", "desc")
    }


# -- what the façade does not know yet


@pytest.mark.parametrize(
    "change",
    [{"payment_state": "unheard_of"}, {"move_type": "unheard_of"}],
    ids=lambda change: next(iter(change)),
)
def test_an_unknown_value_of_an_enum_stays_usable(recorder: Recorder, change: dict[str, str]):
    invoice = read(recorder, change)
    ((name, text),) = change.items()
    value = getattr(invoice, name)
    assert value == text
    assert hash(value) == hash(text)
    assert value.is_known is False
    assert invoice.to_dict()[name] == text


def test_an_unknown_field_is_kept(recorder: Recorder):
    invoice = read(recorder, {"paid_at": "2026-05-04"})
    assert dict(invoice.extra) == {"paid_at": "2026-05-04"}
    assert invoice.to_dict()["paid_at"] == "2026-05-04"


def read(recorder: Recorder, change: dict[str, Any]) -> Invoice:
    example = contract()["components"]["schemas"]["ErpInvoicePage"]["examples"][0]["results"][0]
    recorder.body = json.dumps(example | change).encode()
    with InvoicesClient(api_key="1234$abcdef", base_url=recorder.url) as client:
        return client.get(example["id"])
