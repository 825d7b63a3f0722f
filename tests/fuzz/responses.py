"""Answers that no sane server sends, and some that one does."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
from hypothesis import strategies as st
from support import PDF, RawBody, wire_invoice

FIELDS = list(wire_invoice())
AMOUNTS = ("amount_untaxed", "amount_tax", "amount_total")

# Numbers, words and nestings as text: json.dumps could not write them.
ODD = [
    "0", "-0", "1", "-1", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "1" * 30, "-" + "9" * 400, "1" * 5000, "0.1", "-0.0", "1e5", "1E-7", "1e400", "-1e-400", "1e999999999999",
    "0." + "3" * 60, "NaN", "Infinity", "-Infinity", "01", "+1", "1.", ".5", "0x10", "true", "false", "null",
    '""', '"/"', '"INV/2026/1"', '"\\ud800"', '"\\udfff\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\x00"', '"\x7f\u2028"',
    '"\\x"', '"1,5"', '"1_000.5"', '"121.000000000000"', '"-0.000000000001"', '" 12 "', '"\u0661\u0662.\u0663"', '"1e3"', '"1e21"',
    '"NaN"', '"sNaN"', '"Infinity"', '"1e999999999999999999"', '"' + "7" * 9000 + '"', '"0.' + "1" * 40 + '"', '"-0"',
    '"2026-04-02"', '"2026-02-30"', '"0000-00-00"', '"9999-12-31"', '"2026-04-02T06:14:09Z"', '"2026-04-02T06:14:09"',
    '"2026-04-02t06:14:60.5+23:59"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2026-04-02T06:14:09.123456789Z"',
    '"out_refund"', '"blocked"', '"PAID"', '"paid "', "[]", "{}", "[[]]", '{"a": [1.5, {"b": null}]}', '{"a": 1, "a": 2}',
    "[" * 300 + "]" * 300, "[" * 1200 + "]" * 1200, '{"a":' * 700 + "1" + "}" * 700, "[" * 60_000, "", "{", "]", "/* */ 1", "'1'",
]  # fmt: skip
NAMES = [
    *FIELDS,
    "count",
    "next",
    "results",
    "new_field",
    "",
    "extra",
    "gcore_invoices:extra",
    "ID",
    "\\u0069d",
    "\\ud800",
]

odd = (
    st.sampled_from(ODD)
    | st.integers().map(str)
    | st.text(max_size=8).map(json.dumps)
    | st.decimals(allow_nan=False).map(str)
)


@st.composite
def _object(draw: Any, known: dict[str, Any], changes: int) -> str:
    """A JSON object, some of its members odd, twice there, missing or new."""
    members = [
        (name, value if isinstance(value, str) and value[:1] in "[{" else json.dumps(value))
        for name, value in known.items()
    ]
    for _ in range(draw(st.integers(0, changes))):
        change = draw(st.sampled_from(["replace", "replace", "add", "add", "drop"]))
        at = draw(st.integers(0, len(members) - 1)) if members else 0
        if change == "drop" and members:
            del members[at]
        elif change == "replace" and members:
            members[at] = members[at][0], draw(odd)
        else:
            name = draw(st.sampled_from(NAMES) | st.text("abc_", max_size=3))
            members.insert(at, (name, draw(odd)))
    space = draw(st.sampled_from(["", "", " ", "\n\t"]))
    return "{" + ",".join(f'{space}"{name}":{value}' for name, value in members) + space + "}"


@st.composite
def invoice(draw: Any, changes: int = 3) -> str:
    known = wire_invoice(draw(st.integers(1, 99)))
    for name in AMOUNTS:
        if draw(st.booleans()):
            known[name] = str(draw(st.decimals(-(10**9), 10**9, places=draw(st.integers(0, 20)))))
    return draw(_object(known, changes))


@st.composite
def page(draw: Any) -> str:
    rows = draw(st.lists(invoice(changes=1), max_size=3))
    known = {"count": len(rows), "next": None, "previous": None, "results": "[" + ",".join(rows) + "]"}
    return draw(_object(known, 1))


@st.composite
def mutated(draw: Any, texts: Any) -> bytes:
    """Valid or nearly so; or with bytes flipped, cut, doubled or put in."""
    body: bytes = draw(texts).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 4]))):
        at = draw(st.integers(0, len(body)))
        piece = draw(
            st.binary(max_size=3)
            | st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b",", b"\\u", b"\x00"])
        )
        way = draw(st.sampled_from(["put in", "put over", "cut", "double"]))
        body = {
            "put in": body[:at] + piece + body[at:],
            "put over": body[:at] + piece + body[at + len(piece) :],
            "cut": body[:at],
            "double": body + body[at:],
        }[way]
    return body


HEADERS = {
    "content-type": st.sampled_from(["application/json", "application/pdf", "text/html; charset=utf-16", "", "application/octet-stream"]),
    "content-encoding": st.sampled_from(["", "identity", "gzip", "br", "gzip, gzip", "x-gzip"]),
    "x-request-id": st.text(max_size=300),
    "retry-after": st.sampled_from(
        ["0", "5", "-1", "1e9", "nan", "", "Wed, 21 Oct 2026 07:28:00 GMT", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +9999999999"]
    ) | st.text(max_size=40),
    "retry-after-ms": st.text("0123456789.e-", max_size=12),
    "date": st.sampled_from(["Wed, 21 Oct 2026 07:28:00 GMT", "never"]) | st.text(max_size=40),
    "location": st.text(max_size=40) | st.sampled_from(["http://[::1", "//", "\x00", "https://x.example/" + "y" * 999]),
    "content-length": st.sampled_from(["0", "many", "99999999999999999999"]),
}  # fmt: skip


@st.composite
def responses(draw: Any, bodies: Any, statuses: Any, media: str) -> tuple[httpx.Response, bytes]:
    """A response, and its body as it was before it was packed."""
    body = draw(bodies)
    headers = draw(st.fixed_dictionaries({}, optional=HEADERS))
    headers.setdefault("content-type", media)
    packed = body
    if draw(st.integers(0, 3)) == 0:
        packed = gzip.compress(body, 1)
        if draw(st.integers(0, 3)) == 0:
            packed = packed[: draw(st.integers(0, len(packed)))]
        headers["content-encoding"] = "gzip"
    elif draw(st.integers(0, 3)):
        headers.pop("content-encoding", None)
    size = draw(st.integers(1, 4000))
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    raw = [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers.items()]
    return httpx.Response(draw(statuses), headers=raw, stream=RawBody(*chunks)), body


def _mostly(sane: Any, size: int = 200) -> Any:
    return st.one_of(sane, sane, sane, sane, st.binary(max_size=size))


good = st.sampled_from([200] * 30 + [204, 206])
bad = st.integers(100, 199) | st.integers(300, 999)
pages = responses(_mostly(mutated(page())), good, "application/json")
invoices = responses(_mostly(mutated(invoice())), good, "application/json")
documents = responses(_mostly(mutated(st.just(PDF[:300].decode() + "%%EOF")), 2000), good, "application/pdf")
PROBLEMS = [
    {"detail": "Not here."},
    {
        "exception_class": "X",
        "message": "no",
        "request_id": "r",
        "invalid_fields": {"limit": ["bad", {"x": "y"}]},
    },
    {"errors": [{"message": "one"}, "two", 3]},
    {"limit": ["A number, please."]},
]
problem_texts = (
    st.sampled_from(PROBLEMS).map(json.dumps)
    | _object({"detail": "no", "errors": '{"a": ["b"]}', "request_id": "r"}, 4)
    | odd
    | st.text("<>/ahtile1&;#x\n", max_size=300)
    | st.text(max_size=100)
)
problems = responses(_mostly(mutated(problem_texts)), bad, "application/json")
