"""Asks the sandbox in-process, and holds every answer to the contract on the way."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gcore_invoices.sandbox import API_KEY, Invoices, LazyStore, Request, Response, Store, handle

CONTRACT = Path(__file__).parents[2] / "openapi" / "erp-invoices.yaml"
PATH = "/billing/org/v1/erp-invoices"
ORIGIN = "http://sandbox.test:8080"
KEY = {"Authorization": f"apikey {API_KEY}"}

INVOICES = Invoices(800)
ROWS = INVOICES[:]
STORE = LazyStore(INVOICES)


def ask(
    path: str = PATH,
    query: dict[str, Any] | str = "",
    *,
    headers: dict[str, str] = KEY,
    method: str = "GET",
    store: Store = STORE,
) -> Response:
    text = query if isinstance(query, str) else urlencode(query)
    answer = handle(Request(method, f"{ORIGIN}{path}{'?' if text else ''}{text}", headers), store)
    if method != "HEAD":
        assert answer.headers["Content-Length"] == str(len(answer.body))
        hold_to_contract(path, answer)
    return answer


def follow(url: str, store: Store = STORE) -> Any:
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" == ORIGIN
    return page(parts.query, store=store)


def page(query: dict[str, Any] | str = "", *, store: Store = STORE) -> Any:
    answer = ask(PATH, query, store=store)
    assert answer.status == 200, answer.body
    return read(answer)


def read(answer: Response) -> Any:
    zipped = answer.headers.get("Content-Encoding") == "gzip"
    return json.loads(gzip.decompress(answer.body) if zipped else answer.body)


def hold_to_contract(path: str, answer: Response) -> None:
    """Validate a JSON body against what the contract declares for this operation and status."""
    assert len(answer.headers["X-Request-Id"]) == 16
    if answer.status != 200:
        assert read(answer)["request_id"] == answer.headers["X-Request-Id"]
    if answer.headers["Content-Type"] == "application/json":
        validator(_pattern(path), str(answer.status)).validate(read(answer))


def _pattern(path: str) -> str:
    rest = path.removeprefix(PATH)
    return PATH + ("" if not rest else "/{id}/download" if rest.endswith("/download") else "/{id}")


@cache
def contract() -> Any:
    return yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))


@cache
def validator(path: str, status: str) -> Draft202012Validator:
    document = contract()
    registry = Registry().with_resource("urn:contract", Resource(document, DRAFT202012))
    pointer = "urn:contract#/components/schemas/ErrorBody"  # 405, and addresses outside the contract
    responses = document["paths"].get(path, {"get": {"responses": {}}})["get"]["responses"]
    if status in responses:
        declared = responses[status]
        if "$ref" in declared:
            declared = document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
        pointer = "urn:contract" + declared["content"]["application/json"]["schema"]["$ref"]
    return Draft202012Validator({"$ref": pointer}, registry=registry, format_checker=FormatChecker())
