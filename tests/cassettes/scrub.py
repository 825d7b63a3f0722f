"""Takes out of recordings what belongs to a person or an account: names, ids, amounts.

The same value becomes the same stand-in wherever it stands, in bodies, addresses and documents, and stand-ins
sort as the values did: pages that were in order stay in order. It has never seen the live API.
"""

from __future__ import annotations

import copy
import json
import re
from decimal import Decimal
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cassettes.recording import PUBLIC

from gcore_invoices.sandbox import Row
from gcore_invoices.sandbox.pdf import render
from gcore_invoices.sandbox.rules import FILTERS, PATH, SORT_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Which field an identity is of, where its stand-ins begin, and how far apart they are.
IDS = {"id": (90_001, 3), "client_id": (20_001, 7), "payer_id": (5_001, 11), "invoice_id": (300_000, 2)}
AMOUNTS = ("amount_untaxed", "amount_tax", "amount_total")
NOBODY = 1
"""An id that no invoice has; scenarios ask for it, and it stays."""
_KNOWN_FIELDS = set(Row.__annotations__)
_PARAMETERS = {*FILTERS, *SORT_PARAMETERS, "limit", "offset"}
_OUR_PATH = re.compile(rf"{PATH}(?:/(?P<id>\d+))?(?:/download)?")
_ELSEWHERE = f"{PUBLIC}/elsewhere"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|“[^”]*”|«[^»]*»")
_SCHEMES = re.compile(r"(?i)\b(?:apikey|basic|bearer|jwt|token)\b(?!=)")
_TOO_SHORT = 4  # a value of fewer characters stands in every text by chance

# What the sentence of an error may say: the words of the contract, and those of Django REST framework.
_CONTRACT = Path(__file__).parents[2] / "openapi" / "erp-invoices.yaml"
_DJANGO = """
    action allowed authentication available choice choices credentials denied do does error errors exceeded
    exist expected field given have incorrect info internal invalid json limit malformed matches method must
    parse perform permission permissions please provided rate reached select server service string than
    throttled timeout try unavailable were you your
"""
_WORDS = set(re.findall(r"[a-z]+", _CONTRACT.read_text("utf-8").lower() + _DJANGO))


class NotCleanError(Exception):
    """Something that was to be replaced still stands there. Nothing may be written."""


class Scrubber:
    """Replaces personal data, the same way in every cassette.

    Args:
        tapes: Every cassette that was recorded, by its name.
        known: What the scenarios asked for, as `known.json` has it.
        secrets: What must not stand anywhere, whatever it is.
    """

    def __init__(
        self,
        tapes: Mapping[str, dict[str, Any]],
        *,
        known: Mapping[str, Any] | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        self._tapes, self._known = tapes, dict(known or {})
        self._secrets = [secret for secret in secrets if secret]
        rows = [row for tape in tapes.values() for row in _rows(tape)]
        self._rows = {row["id"]: row for row in rows}
        asked_for = [(_field_of(name), value) for name, value in self._known.items()]
        self._ids = {
            field: _ranked(
                {row[field] for row in rows if row[field] is not None}
                | {value for name, value in asked_for if name == field},
                first,
                step,
            )
            for field, (first, step) in IDS.items()
        }
        names = sorted({row["name"] for row in rows} - {"/"})
        self._names = {name: f"DOC/{rank:05}" for rank, name in enumerate(names, start=1)} | {"/": "/"}
        totals = sorted({abs(Decimal(row["amount_total"])) for row in rows} - {Decimal(0)})
        self._totals = {total: 12 * rank for rank, total in enumerate(totals, start=1)} | {Decimal(0): 0}
        requests = {
            value
            for tape in tapes.values()
            for one in tape["interactions"]
            for value in one["response"]["headers"].get("x-request-id", [])
        }
        self._requests = {value: f"request-{rank:04}" for rank, value in enumerate(sorted(requests), start=1)}

    def scrubbed(self) -> dict[str, dict[str, Any]]:
        """The cassettes, such as can be shown to anybody.

        Raises:
            NotCleanError: Something personal is still in one.
        """
        return {name: self._tape(name, tape) for name, tape in self._tapes.items()}

    def fields(self) -> dict[str, Any]:
        """Stand-ins for `known.json`."""
        return {
            name: self._ids[_field_of(name)][value] if name in IDS else value
            for name, value in self._known.items()
        }

    def _tape(self, name: str, tape: dict[str, Any]) -> dict[str, Any]:
        tape = copy.deepcopy(tape)
        for one in tape["interactions"]:
            asked, answer = one["request"], one["response"]
            document = _OUR_PATH.fullmatch(urlsplit(asked["uri"]).path)
            asked["uri"] = self._address(asked["uri"])
            body = answer["body"]["string"]
            kind = "".join(answer["headers"].get("content-type", []))
            if "application/pdf" in kind and document:
                answer["body"]["string"] = self._document(name, document["id"])
            elif "application/json" in kind:
                answer["body"]["string"] = json.dumps(
                    self._value(json.loads(body)), ensure_ascii=False, indent=1
                )
            elif body:
                answer["body"]["string"] = "<html><body><h1>Scrubbed</h1></body></html>"
            answer["status"]["message"] = responses.get(answer["status"]["code"], "")
            answer["headers"].pop("content-disposition", None)  # it names the document
            answer["headers"] = {
                name: [self._header(name, value) for value in values]
                for name, values in answer["headers"].items()
            }
        self._check(name, tape)
        return tape

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return _anonymous(value)
        if value.keys() >= _KNOWN_FIELDS:
            return self._row(value)
        return {name if _is_plain(name) else "…": self._member(name, item) for name, item in value.items()}

    def _member(self, name: str, value: Any) -> Any:
        if name in {"next", "previous"} and isinstance(value, str):
            return self._address(value)
        if name == "request_id":
            return self._requests.get(value, "request-0000")
        if name == "count" and isinstance(value, int):
            return value
        return self._value(value)

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
        """An address of the API, with its own ids; any other only says that it is another."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return _ELSEWHERE
        found = _OUR_PATH.fullmatch(parts.path)
        if found is None:
            return _ELSEWHERE
        path = parts.path
        if found["id"] and int(found["id"]) != NOBODY:
            start, end = found.span("id")
            path = f"{path[:start]}{self._stand_in('id', found['id'])}{path[end:]}"
        query = [
            (name, self._stand_in(name, value) if name in IDS else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
            if name in _PARAMETERS
        ]
        return f"{PUBLIC}{path}" + (f"?{urlencode(query)}" if query else "")

    def _stand_in(self, field: str, value: str) -> str:
        return str(self._ids[field].get(int(value), 0) if re.fullmatch(r"-?\d+", value) else 0)

    def _header(self, name: str, value: str) -> str:
        if name == "x-request-id":
            return self._requests[value]
        if name == "location":
            return self._address(value)
        if name == "www-authenticate":  # its realm may be a company's name
            return ", ".join(_SCHEMES.findall(_QUOTED.sub("", value)))
        return value.partition(";")[0] if name == "content-type" else value

    def _document(self, name: str, invoice_id: str | None) -> bytes:
        """The sandbox's document: what stands in a real one, no expression finds."""
        row = self._rows.get(int(invoice_id or 0))
        if row is None:
            raise NotCleanError(f"{name} has a document whose invoice was not recorded.")
        return render(self._row(row))  # type: ignore[arg-type]

    def _check(self, name: str, tape: dict[str, Any]) -> None:
        text = "\n".join(_strings(tape))
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
                raise NotCleanError(f"{name} still has a value that was to be replaced.")


def _field_of(name: str) -> str:
    """The field that a name of `known.json` speaks of; its `invoice_id` is the id of an invoice."""
    return "id" if name == "invoice_id" else name


def _rows(tape: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for one in tape["interactions"]:
        kind = "".join(one["response"]["headers"].get("content-type", []))
        if one["response"]["status"]["code"] == 200 and "application/json" in kind:
            body = json.loads(one["response"]["body"]["string"])
            found = body.get("results", [body]) if isinstance(body, dict) else []
            yield from (row for row in found if isinstance(row, dict) and row.keys() >= _KNOWN_FIELDS)


def _ranked(values: set[int], first: int, step: int) -> dict[int, int]:
    return {value: first + step * rank for rank, value in enumerate(sorted(values))}


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
    else:
        yield value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _anonymous(value: Any) -> Any:
    if isinstance(value, str):
        return _sentence(value)
    return value if value is None or isinstance(value, bool) else 0


def _sentence(text: str) -> str:
    """Its plain words; of quotes, numbers, names and addresses only that something stood there."""
    tokens = _QUOTED.sub("…", text).split()
    words = [token.strip(".,;:!?()[]") for token in tokens]
    told = []
    for token, word, after in zip(tokens, words, [*words[1:], ""], strict=True):
        # A capital begins a sentence, if plain words follow it: another is a name's.
        begins = word.islower() or ((not told or told[-1].endswith((".", "!", "?"))) and _is_plain(after))
        told.append(token if _is_plain(word.lower()) and begins else "…" + re.search(r"[.,;:!?]*$", token)[0])
    return re.sub(r"(…[,;:]? )+…", "…", " ".join(told))


def _is_plain(word: str) -> bool:
    """One of the words that may be said, or several with underscores between."""
    return word.islower() and all(part in _WORDS for part in word.split("_"))
