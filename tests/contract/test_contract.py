"""The contract holds what is known of the API, says nothing it should not, and its examples are true."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from support_contract import OPENAPI, contract

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = "/billing/org/v1/erp-invoices"
GET = "/billing/org/v1/erp-invoices/{id}"
DOWNLOAD = "/billing/org/v1/erp-invoices/{id}/download"

DOCUMENT = contract()
REGISTRY = Registry().with_resource("urn:contract", DRAFT202012.create_resource(DOCUMENT))

# A format that no checker knows is a format that nobody checks.
FORMATS = FormatChecker()


@FORMATS.checks("decimal", raises=InvalidOperation)
def is_decimal(value: object) -> bool:
    """Plain notation only: no exponent, no sign but a minus, no NaN."""
    return not isinstance(value, str) or (
        Decimal(value).is_finite() and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    )


@FORMATS.checks("int32")
def is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a chain of `$ref`s into the document."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def walk(node: Any, *path: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every mapping of the document with its path; what examples and enums hold is data, not contract."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key not in {"example", "examples", "enum", "const", "default"}:
                yield from walk(value, *path, key)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, *path, str(index))


def is_schema(path: tuple[str, ...]) -> bool:
    """Is this mapping a schema, by where it stands?"""
    return path[-1:] in {("schema",), ("items",), ("additionalProperties",)} or path[-2:-1] in {
        ("schemas",),
        ("properties",),
        ("oneOf",),
        ("anyOf",),
        ("allOf",),
    }


def pointer(path: tuple[str, ...]) -> str:
    return "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in path)


SCHEMAS = {pointer(path): node for path, node in walk(DOCUMENT) if is_schema(path)}
# Parameters, headers and media types: what has a schema and may have an example beside it.
HOLDERS = {pointer(path): node for path, node in walk(DOCUMENT) if "schema" in node}
OPERATIONS = {
    operation["operationId"]: operation
    for item in DOCUMENT["paths"].values()
    for method, operation in item.items()
    if method in {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
}


def parameters(operation: str) -> dict[str, dict[str, Any]]:
    return {parameter["name"]: parameter for parameter in map(resolve, OPERATIONS[operation]["parameters"])}


def examples() -> Iterator[tuple[str, str, Any]]:
    """Every example of the document: where it stands, the schema it must meet, and its value."""
    for place, schema in SCHEMAS.items():
        for index, value in enumerate(schema.get("examples", ())):
            yield f"{place}/examples/{index}", place, value
        if "example" in schema:
            yield f"{place}/example", place, schema["example"]
    for place, holder in HOLDERS.items():
        if "example" in holder:
            yield f"{place}/example", f"{place}/schema", holder["example"]
        for name, example in holder.get("examples", {}).items():
            yield f"{place}/examples/{name}", f"{place}/schema", resolve(example)["value"]


EXAMPLES = {place: (schema, value) for place, schema, value in examples()}


def has_example(schema: dict[str, Any]) -> bool:
    """Does a reader find a value here, or where the schema points to?"""
    if schema.get("format") == "binary":
        return True  # the bytes of a PDF do not fit into YAML
    if "$ref" in schema:
        return has_example(resolve(schema))
    return "examples" in schema or ("items" in schema and has_example(schema["items"]))


def errors(schema: str, value: Any) -> list[str]:
    validator = Draft202012Validator(
        {"$ref": f"urn:contract#{quote(schema)}"}, registry=REGISTRY, format_checker=FORMATS
    )
    return [error.message for error in validator.iter_errors(value)]


def test_the_contract_is_valid_openapi_3_1():
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


@pytest.mark.parametrize("place", EXAMPLES)
def test_an_example_meets_its_schema(place: str):
    assert errors(*EXAMPLES[place]) == []


def test_the_walk_finds_examples_of_every_kind():
    found = "\n".join(EXAMPLES)
    for place in (
        "/components/schemas/ErpInvoice/examples/0",
        "/components/schemas/ErpInvoice/properties/created_at/examples/0",
        "/components/schemas/ErpInvoicePage/examples/0",
        "/components/parameters/Ordering/example",
        "/components/responses/TooManyRequests/headers/Retry-After/example",
        "/components/responses/NotFound/content/application~1json/example",
        "/paths/~1billing~1org~1v1~1erp-invoices~1{id}~1download/get/responses/502/content/application~1json/example",
    ):
        assert place in found


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("/components/schemas/Amount", "12,50"),
        ("/components/schemas/Amount", "1E+3"),
        ("/components/schemas/Amount", "NaN"),
        ("/components/schemas/Amount", 12.5),
        ("/components/schemas/ErpInvoice/properties/invoice_date", "2026-02-30"),
        ("/components/schemas/ErpInvoice/properties/created_at", "2026-04-02"),
        ("/components/schemas/ErpInvoice/properties/client_id", 2**31),
        ("/components/schemas/ErpInvoicePage/properties/next", "not an address"),
        ("/components/parameters/Ordering/schema", ["amount"]),
    ],
)
def test_the_check_of_examples_can_fail(place: str, wrong: Any):
    assert errors(place, wrong)


def test_every_format_of_the_contract_is_checked():
    stated = {schema["format"] for schema in SCHEMAS.values() if "format" in schema}
    assert stated == {"date", "date-time", "decimal", "int32", "uri", "binary"}
    assert stated - {"binary"} <= FORMATS.checkers.keys()


def test_every_schema_has_an_example():
    # The schema beside a parameter's or a response's own example needs no second one.
    beside = {
        f"{place}/schema" for place, holder in HOLDERS.items() if {"example", "examples"} & holder.keys()
    }
    inside = {f"{place}/items" for place in beside}
    bare = [
        place
        for place, schema in SCHEMAS.items()
        if place not in beside | inside and not has_example(schema) and schema is not True
    ]
    assert bare == []


def test_every_parameter_and_header_has_an_example_of_its_own():
    holders = {
        place: holder
        for place, holder in HOLDERS.items()
        if "/content/" not in place  # a media type may leave it to its schema
    }
    assert len(holders) == 15, "that all were found: if the contract has a new one, count it here"
    assert [place for place, holder in holders.items() if "example" not in holder] == []


def test_every_error_answer_has_an_example_of_its_own():
    bare = [
        f"{name} {status}"
        for name, operation in OPERATIONS.items()
        for status, response in operation["responses"].items()
        if status != "200" and "example" not in resolve(response)["content"]["application/json"]
    ]
    assert bare == []


def test_everything_is_described():
    bare = [
        place
        for place, schema in SCHEMAS.items()
        if "/components/schemas/" in place and not described(schema)
    ]
    bare += [name for name in DOCUMENT["components"]["parameters"] if not described(resolved_parameter(name))]
    assert bare == []


def described(node: dict[str, Any]) -> bool:
    return "description" in resolve(node)


def resolved_parameter(name: str) -> dict[str, Any]:
    return resolve(DOCUMENT["components"]["parameters"][name])


def test_the_three_operations_and_their_answers():
    answers = {
        f"{method} {path}": (operation["operationId"], sorted(operation["responses"]))
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }
    assert answers == {
        f"get {LIST}": ("list_erp_invoices", ["200", "400", "401", "403", "429"]),
        f"get {GET}": ("get_erp_invoice", ["200", "401", "403", "404", "429"]),
        f"get {DOWNLOAD}": ("download_erp_invoice", ["200", "401", "403", "404", "429", "502"]),
    }
    assert [server["url"] for server in DOCUMENT["servers"]] == ["https://api.gcore.com"]
    assert list(OPERATIONS["download_erp_invoice"]["responses"]["200"]["content"]) == ["application/pdf"]


def test_security_is_stated_on_each_operation_and_nowhere_else():
    # The generator ignores a root-level `security`, and would write clients that need no token.
    assert "security" not in DOCUMENT
    for operation in OPERATIONS.values():
        assert operation["security"] == [{"apiKey": []}, {"bearer": []}]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert {key: schemes["apiKey"][key] for key in ("type", "in", "name")} == {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
    }
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")


def shape(schema: dict[str, Any]) -> str:
    """A schema in one word or two, as the tables below spell it."""
    schema = resolve(schema)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "enum" in schema:
        return "enum " + " ".join(sorted(schema["enum"]))
    if types == ["array"]:
        return "list of " + shape(schema["items"])
    return " or ".join([schema.get("format", types[0]), *types[1:]])


SORT_FIELDS = ("amount_total", "created_at", "id", "invoice_date", "name")
ORDERING = "list of enum " + " ".join(sorted([*SORT_FIELDS, *(f"-{name}" for name in SORT_FIELDS)]))
ORDER_BY = "list of enum " + " ".join(
    sorted(f"{name}.{direction}" for name in SORT_FIELDS for direction in ("asc", "desc"))
)
MOVE_TYPE = "enum out_invoice out_refund"
PAYMENT_STATE = "enum in_payment not_paid paid partial reversed"


def test_list_takes_the_parameters_that_are_known():
    listed = parameters("list_erp_invoices")
    assert {name: shape(parameter["schema"]) for name, parameter in listed.items()} == {
        "billing_period_from__from": "date",
        "billing_period_to__to": "date",
        "invoice_date__from": "date",
        "invoice_date__to": "date",
        "client_id": "int32",
        "payer_id": "integer",
        "currency": "string",
        "move_type": MOVE_TYPE,
        "payment_state": PAYMENT_STATE,
        "limit": "integer",
        "offset": "integer",
        "ordering": ORDERING,
        "order_by": ORDER_BY,
    }
    assert {parameter["in"] for parameter in listed.values()} == {"query"}
    assert not any(parameter.get("required") for parameter in listed.values())


@pytest.mark.parametrize("operation", ["get_erp_invoice", "download_erp_invoice"])
def test_one_invoice_is_named_by_its_id(operation: str):
    (parameter,) = parameters(operation).values()
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("id", "path", True)
    assert shape(parameter["schema"]) == "integer"


def test_an_invoice_has_seventeen_fields_and_needs_them_all():
    invoice = DOCUMENT["components"]["schemas"]["ErpInvoice"]
    fields = {
        "id": "integer",
        "name": "string",
        "move_type": MOVE_TYPE,
        "currency": "string",
        "invoice_date": "date or null",
        "invoice_date_due": "date or null",
        "billing_period_from": "date or null",
        "billing_period_to": "date or null",
        "amount_untaxed": "decimal",
        "amount_tax": "decimal",
        "amount_total": "decimal",
        "payment_state": PAYMENT_STATE,
        "client_id": "int32",
        "payer_id": "integer",
        "invoice_id": "integer or null",
        "created_at": "date-time",
        "updated_at": "date-time",
    }
    assert len(fields) == 17
    assert {name: shape(schema) for name, schema in invoice["properties"].items()} == fields
    assert invoice["required"] == list(fields)
    # New fields may come: an answer that has one is no fault.
    assert "additionalProperties" not in invoice


def test_a_page_needs_its_count_and_its_rows_only():
    page = DOCUMENT["components"]["schemas"]["ErpInvoicePage"]
    assert {name: shape(schema) for name, schema in page["properties"].items() if name != "results"} == {
        "count": "integer",
        "next": "uri or null",
        "previous": "uri or null",
    }
    assert page["properties"]["results"]["items"] == {"$ref": "#/components/schemas/ErpInvoice"}
    assert sorted(page["required"]) == ["count", "results"]


def test_the_body_of_an_error_is_open():
    body = DOCUMENT["components"]["schemas"]["ErrorBody"]
    assert body["additionalProperties"] is True
    assert "required" not in body


def test_no_amount_has_a_pattern():
    # The published one, ^\d{1,3}\.\d{12}$, holds neither 1000 nor a credit.
    assert "pattern" not in "".join(key for _, node in walk(DOCUMENT) for key in node)
    for amount in ("1000.000000000000", "-0.010000000000", "123456789.123456789012"):
        assert errors("/components/schemas/Amount", amount) == []


def test_limit_and_offset_have_no_bounds_and_no_default():
    # A default would be sent with every request; a larger limit is cut by the server, not refused.
    listed = parameters("list_erp_invoices")
    assert listed["limit"]["schema"] == listed["offset"]["schema"] == {"type": "integer"}


def test_a_list_goes_out_as_one_comma_separated_value():
    lists = {
        name: parameter
        for name, parameter in parameters("list_erp_invoices").items()
        if resolve(parameter["schema"])["type"] == "array"
    }
    assert lists.keys() == {"ordering", "order_by"}
    for parameter in lists.values():
        # Stated in words, and of enums without a comma: the template joins every list, and cannot see either.
        assert (parameter["style"], parameter["explode"]) == ("form", False)
        assert not any("," in value for value in resolve(parameter["schema"]["items"])["enum"])


@pytest.mark.parametrize("place", [place for place, schema in SCHEMAS.items() if "enum" in schema])
def test_every_value_of_an_enum_has_a_readable_name(place: str):
    schema = SCHEMAS[place]
    names = schema["x-enum-varnames"]
    assert len(names) == len(schema["enum"]) == len(set(schema["enum"])) == len(set(names))
    for value, name in zip(schema["enum"], names, strict=True):
        descending = value.startswith("-")
        expected = value.removeprefix("-").replace(".", "_").upper() + ("_DESC" if descending else "")
        assert (value, name) == (value, expected)


README = (OPENAPI / "README.md").read_text(encoding="utf-8")


def test_the_readme_says_where_each_part_comes_from():
    named = {
        *OPERATIONS,
        *(name for operation in OPERATIONS for name in parameters(operation)),
        *DOCUMENT["components"]["schemas"]["ErpInvoice"]["properties"],
        *DOCUMENT["components"]["schemas"]["ErpInvoicePage"]["properties"],
    }
    section = README.partition("## Where each part comes from")[2].partition("\n## Deviations")[0]
    sources = {
        name: row
        for row in section.splitlines()
        if row.startswith("|")
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    assert named - sources.keys() == set()
    assert [row for row in sources.values() if not re.search(r"\| (doc-1|doc-2|assumed)", row)] == []


def test_the_readme_gives_a_reason_for_each_deviation():
    section = README.partition("\n## Deviations")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split(" | ")]
        for row in section.splitlines()
        if row[:3] == "| `"
    ]
    keys = [row[0].strip("` ") for row in rows]
    assert len(keys) == len(set(keys))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) for key in keys)
    assert all(len(row) == 4 and all(row) for row in rows), "key, published, here, reason"
    assert {
        "client-id-integer",
        "payer-id-integer",
        "amount-pattern",
        "order-by-added",
        "list-400",
        "all-429",
        "download-404",
        "bearer-security",
        "enum-varnames",
        "limit-bounds",
        "error-body",
    } <= set(keys)
