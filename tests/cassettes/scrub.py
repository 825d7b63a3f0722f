"""Takes out of recordings what belongs to a person or an account: names, ids, amounts.

The same value becomes the same stand-in wherever it stands, in bodies, addresses and documents, and stand-ins
sort as the values did: pages that were in order stay in order. It has never seen the live API.
"""

from __future__ import annotations

import copy
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gcore_invoices.sandbox import Row
from gcore_invoices.sandbox.pdf import render

if TYPE_CHECKING:
    from collections.abc import Iterable

# Which field an identity is of, where its stand-ins begin, and how far apart they are.
IDS = {"id": (90_001, 3), "client_id": (20_001, 7), "payer_id": (5_001, 11), "invoice_id": (300_000, 2)}
AMOUNTS = ("amount_untaxed", "amount_tax", "amount_total")
_KNOWN_FIELDS = set(Row.__annotations__)
_ID_IN_PATH = re.compile(r"(/erp-invoices/)(\d+)")
_TOO_SHORT = 4  # a value of fewer characters stands in every text by chance


class NotCleanError(Exception):
    """Something that was to be replaced still stands there. Nothing may be written."""


class Scrubber:
    """Replaces personal data, the same way in every cassette.

    Args:
        tapes: Every cassette that was recorded.
        secrets: What must not stand anywhere, whatever it is.
    """

    def __init__(self, tapes: Iterable[dict[str, Any]], *, secrets: Iterable[str] = ()) -> None:
        rows = [row for tape in tapes for row in _rows(tape)]
        self._secrets = [secret for secret in secrets if secret]
        self._rows = {row["id"]: row for row in rows}
        self._ids = {
            field: _ranked({row[field] for row in rows if row[field] is not None}, first, step)
            for field, (first, step) in IDS.items()
        }
        names = sorted({row["name"] for row in rows} - {"/"})
        self._names = {name: f"DOC/{rank:05}" for rank, name in enumerate(names, start=1)} | {"/": "/"}
        totals = sorted({abs(Decimal(row["amount_total"])) for row in rows} - {Decimal(0)})
        self._totals = {total: 12 * rank for rank, total in enumerate(totals, start=1)} | {Decimal(0): 0}
        requests = {
            value
            for tape in tapes
            for one in tape["interactions"]
            for value in one["response"]["headers"].get("x-request-id", [])
        }
        self._requests = {value: f"request-{rank:04}" for rank, value in enumerate(sorted(requests), start=1)}

    def scrub(self, tape: dict[str, Any]) -> dict[str, Any]:
        """A cassette that can be shown to anybody.

        Raises:
            NotCleanError: Something personal is still in it.
        """
        tape = copy.deepcopy(tape)
        for one in tape["interactions"]:
            asked, answer = one["request"], one["response"]
            document = _ID_IN_PATH.search(asked["uri"])
            asked["uri"] = self._address(asked["uri"])
            body = answer["body"]["string"]
            kind = "".join(answer["headers"].get("content-type", []))
            if "application/pdf" in kind and document:
                answer["body"]["string"] = self._document(int(document[2]))
                answer["headers"].pop("content-disposition", None)
            elif "application/json" in kind:
                answer["body"]["string"] = json.dumps(
                    self._value(json.loads(body)), ensure_ascii=False, indent=1
                )
            elif body:
                answer["body"]["string"] = "<html><body><h1>Scrubbed</h1></body></html>"
            answer["headers"] = {
                name: [self._header(name, value) for value in values]
                for name, values in answer["headers"].items()
            }
        self._check(tape)
        return tape

    def fields(self, values: dict[str, Any]) -> dict[str, Any]:
        """Stand-ins for `known.json`, whose `invoice_id` is the id of an invoice."""
        return {
            name: self._ids["id" if name == "invoice_id" else name].get(value, 0) if name in IDS else value
            for name, value in values.items()
        }

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() >= _KNOWN_FIELDS:
            return self._row(value)
        return {name: self._member(name, item) for name, item in value.items()}

    def _member(self, name: str, value: Any) -> Any:
        if name in {"next", "previous"} and isinstance(value, str):
            return self._address(value)
        if name == "request_id":
            return self._requests.get(value, "request-0000")
        if name in {"count", "results"}:
            return self._value(value)
        # A sentence of an error may name what was asked for: its words stay, its numbers and quotes go.
        return _anonymous(value)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        total = Decimal(row["amount_total"])
        units = self._totals[abs(total)] * (-1 if total < 0 else 1)
        tax = units // 6 if Decimal(row["amount_tax"]) else 0
        amounts = zip(AMOUNTS, (units - tax, tax, units), strict=True)
        clean = {
            name: self._ids[name][value] if name in IDS and value is not None else value
            for name, value in row.items()
            if name in _KNOWN_FIELDS  # what a field means that nobody knows, nobody knows
        }
        return (
            clean | {"name": self._names[row["name"]]} | {name: f"{unit}.{0:012}" for name, unit in amounts}
        )

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        path = _ID_IN_PATH.sub(
            lambda found: f"{found[1]}{self._ids['id'].get(int(found[2]), int(found[2]))}", parts.path
        )
        query = [
            (name, str(self._ids[name].get(int(value), 0)) if name in IDS else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        return urlunsplit(parts._replace(path=path, query=urlencode(query)))

    def _header(self, name: str, value: str) -> str:
        if name == "x-request-id":
            return self._requests[value]
        return self._address(value) if name == "location" else value

    def _document(self, invoice_id: int) -> bytes:
        """The sandbox's document: what stands in a real one, no expression finds."""
        row = self._rows.get(invoice_id)
        if row is None:
            raise NotCleanError(f"The document of {invoice_id} was recorded, and the invoice was not.")
        return render(self._row(row))  # type: ignore[arg-type]

    def _check(self, tape: dict[str, Any]) -> None:
        text = json.dumps(tape, default=lambda body: body.decode("latin-1"))
        stand_ins = {str(stand_in) for ids in self._ids.values() for stand_in in ids.values()}
        stand_ins |= {*self._names.values(), *self._requests.values()}
        values = {*self._names, *self._requests} | {
            row[name] for row in self._rows.values() for name in AMOUNTS
        }
        values = {value for value in values if not re.fullmatch(r"\d+\.0+", value)}
        values |= {str(value) for ids in self._ids.values() for value in ids}
        values -= stand_ins
        for value in [*self._secrets, *(value for value in values if len(value) > _TOO_SHORT)]:
            if re.search(rf"(?<![\w.]){re.escape(value)}(?![\w.])", text):
                raise NotCleanError("A value that was to be replaced is still there.")


def _rows(tape: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for one in tape["interactions"]:
        kind = "".join(one["response"]["headers"].get("content-type", []))
        if one["response"]["status"]["code"] == 200 and "application/json" in kind:
            body = json.loads(one["response"]["body"]["string"])
            yield from body.get("results", [body])


def _ranked(values: set[int], first: int, step: int) -> dict[int, int]:
    return {value: first + step * rank for rank, value in enumerate(sorted(values))}


def _anonymous(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", value)
    if isinstance(value, list):
        return [_anonymous(item) for item in value]
    if isinstance(value, dict):
        return {name: _anonymous(item) for name, item in value.items()}
    return value if value is None or isinstance(value, bool) else 0
