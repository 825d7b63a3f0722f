"""What an error body says, whichever product wrote it.

No error schema is published for this resource; the forms read here are those of sibling products'
documentation, Django REST's, and HTML from a proxy. What is not understood stays in `.body`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_MAX_DETAIL = 500
_MAX_PAGE = 4096


class Problem(msgspec.Struct, frozen=True):
    """What could be understood of an error body."""

    detail: str = ""
    fields: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    request_id: str | None = None


def read_problem(text: str) -> Problem:
    """Understand the text of an error body; never fails."""
    try:
        return _from_json(msgspec.json.decode(text))
    except (ValueError, RecursionError):  # the decoder goes deeper than we do
        return Problem(detail=_from_text(text))


def _from_json(said: Any) -> Problem:
    if not isinstance(said, dict):
        return Problem(detail=_cut("; ".join(_messages(said))))
    fields: dict[str, tuple[str, ...]] = {}
    for group in ("invalid_fields", "errors"):
        if isinstance(said.get(group), dict):
            fields |= _fields(said[group])
    detail = "; ".join(
        message
        for name in ("detail", "message", "error", "errors", "title", "non_field_errors")
        if not (name == "errors" and fields)
        for message in _messages(said.get(name))
    )
    if not detail and not fields:
        # Django REST: the fields stand at the top, each with a list of messages.
        fields = _fields({name: value for name, value in said.items() if isinstance(value, list)})
    if not detail:
        detail = "; ".join(f"{name}: {', '.join(messages)}" for name, messages in fields.items())
    request_id = said.get("request_id")
    return Problem(_cut(detail), fields, request_id if isinstance(request_id, str) else None)


def _fields(group: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(messages) for name, value in group.items() if (messages := _messages(value))}


def _messages(value: Any) -> list[str]:
    """Every sentence in a value of any shape, in order."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, list):
        return [message for item in value for message in _messages(item)]
    if isinstance(value, dict):
        for name in ("message", "detail", "msg"):
            if found := _messages(value.get(name)):
                return found
        return [message for item in value.values() for message in _messages(item)]
    return []


def _from_text(text: str) -> str:
    """The title or first heading of a page of HTML; otherwise the text itself."""
    if "<" in text:
        import html  # noqa: PLC0415 - only a proxy's page needs it

        # A page says it at its top; and on what is no page, these expressions take time by the square.
        text = text[:_MAX_PAGE]
        heading = re.search(r"<(title|h1)\b[^<>]*>(.*?)</\1", text, re.IGNORECASE | re.DOTALL)
        text = heading[2] if heading else text
        text = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    return _cut(" ".join(text.split()))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"
