"""What a cassette holds, how it is written, and when a request is the one that was recorded.

The same rules clean what is recorded and what is asked on replay, so that the two can be compared.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

CASSETTES = Path(__file__).parents[2] / "cassettes"
PUBLIC = "https://api.gcore.com"
PLACEHOLDER = "KEY"

# All else is dropped: what a server sends besides may be secret, or differ from day to day.
REQUEST_HEADERS = {"accept", "accept-encoding", "authorization", "host"}
RESPONSE_HEADERS = {
    "allow",
    "content-disposition",
    "content-type",
    "location",
    "retry-after",
    "www-authenticate",
    "x-request-id",
}
_SANDBOX = re.compile(r"http://127\.0\.0\.1:\d+")


def clean_request(request: Any) -> Any:
    """A request as the live API would have got it, its key replaced and its scheme kept.

    Raises:
        ValueError: It would change something. It is not sent: this is asked before.
    """
    if request.method != "GET":
        raise ValueError(f"A recording only reads: it asks with GET, not {request.method}.")
    request.uri = _SANDBOX.sub(PUBLIC, request.uri)
    kept = {name.lower(): value for name, value in request.headers.items()}
    kept = {name: kept[name] for name in sorted(kept.keys() & REQUEST_HEADERS)}
    kept["host"] = urlsplit(request.uri).netloc
    if "authorization" in kept:
        scheme, _, token = kept["authorization"].partition(" ")
        kept["authorization"] = f"{scheme} {PLACEHOLDER}" if token else scheme
    request.headers = kept
    return request


def clean_response(response: dict[str, Any]) -> dict[str, Any]:
    """An answer as the live API would have given it: its own links, no secrets, nothing that varies."""
    headers = {name.lower(): values for name, values in response["headers"].items()}
    response["headers"] = {
        name: [_SANDBOX.sub(PUBLIC, value) for value in headers[name]]
        for name in sorted(headers.keys() & RESPONSE_HEADERS)
    }
    body = response["body"]["string"]
    if "application/json" in "".join(headers.get("content-type", [])):
        # One line for each value: a difference is read where it is.
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=1)
        response["body"]["string"] = _SANDBOX.sub(PUBLIC, text).encode()
    return response


# -- when a request is the one that was recorded


def same_query(asked: Any, recorded: Any) -> None:
    """The same parameters, each as often, in whatever order."""
    assert _query(asked) == _query(recorded), f"query {_query(asked)} != {_query(recorded)}"


def same_credential(asked: Any, recorded: Any) -> None:
    """A key there or not, and after the same word."""
    given, wanted = (request.headers.get("authorization") for request in (asked, recorded))
    assert given == wanted, f"authorization {given} != {wanted}"


def _query(request: Any) -> list[tuple[str, str]]:
    return sorted(parse_qsl(urlsplit(request.uri).query, keep_blank_values=True))


MATCHERS = {"same_query": same_query, "same_credential": same_credential}
CONFIG = {
    "match_on": ["method", "scheme", "host", "port", "path", *MATCHERS],
    "before_record_request": clean_request,
    "before_record_response": clean_response,
    "decode_compressed_response": True,
    "serializer": "yaml",
}


def configure(vcr: Any) -> None:
    """Teach a VCR these rules."""
    vcr.register_serializer("yaml", sys.modules[__name__])
    for name, matcher in MATCHERS.items():
        vcr.register_matcher(name, matcher)


def unasked(tape: Any) -> list[str]:
    """The addresses of what was recorded and not asked for."""
    return [request.uri for index, request in enumerate(tape.requests) if not tape.play_counts[index]]


# -- the file


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block, so that a diff shows the line that changed."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def serialize(data: dict[str, Any]) -> str:
    """The text of a cassette."""
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, width=10_000, sort_keys=False)


def deserialize(text: str) -> dict[str, Any]:
    """Read a cassette back."""
    return yaml.safe_load(text)


def cassettes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every cassette that is there, by its name."""
    for path in sorted(CASSETTES.rglob("*.yaml")):
        yield path.relative_to(CASSETTES).with_suffix("").as_posix(), deserialize(path.read_text("utf-8"))
