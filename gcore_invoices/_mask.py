"""Finding a secret in a text, however it is spelled: as in JSON, JavaScript, URLs and HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ESCAPED = re.compile(
    r"""\\{1,3}(?:u00|x)(?P<js>[0-9a-f]{2})
    | \\{1,4}
    | %(?:25){0,2}(?P<url>[0-9a-f]{2})
    | &(?:amp;){0,2}
      (?: \#0{0,6}(?P<decimal>\d{1,3}) | \#x0{0,6}(?P<hex>[0-9a-f]{2}) | (?P<name>[a-z]{2,31}(?=;)) );?""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_CUT_ESCAPE = re.compile(r"(?:\\{1,3}(?:u\w{0,3}|x\w?)?|%\w{0,5}|&[\w#;]{0,31})\Z", re.ASCII)


class Mask:
    """Replaces one secret by `***`.

    Args:
        secret: Printable ASCII.
    """

    __slots__ = ("_plain", "_sought")

    def __init__(self, secret: str) -> None:
        self._plain = _unescape(secret)[0].lower() or secret
        self._sought = re.compile(re.escape(self._plain), re.IGNORECASE | re.ASCII)

    def __call__(self, text: str, *, cut: bool = False) -> str:
        """The text without the secret.

        Args:
            text: What may hold it.
            cut: Whether the text ends in the middle, so that its end may be the beginning of the secret.
        """
        plain, places = _unescape(text)
        kept, end = [], 0
        for found in self._sought.finditer(plain):
            kept.append(text[end : places[found.start()]])
            end = places[found.end()]
        rest = text[end:]
        if cut:
            rest = self._without_beginning(rest)
        return "***".join([*kept, rest])

    def _without_beginning(self, text: str) -> str:
        """The text without a beginning of the secret at its end."""
        for whole in (text, _CUT_ESCAPE.sub("", text)):
            plain, places = _unescape(whole)
            for size in range(min(len(self._plain) - 1, len(plain)), 0, -1):
                if plain[-size:].lower() == self._plain[:size]:
                    return f"{whole[: places[-size - 1]]}***"
        return text

    def __repr__(self) -> str:
        return "<Mask ***>"


def _unescape(text: str) -> tuple[str, Sequence[int]]:
    """The text with escapes replaced by what they stand for, and where each of its characters began."""
    if not _ESCAPED.search(text):
        return text, range(len(text) + 1)
    plain: list[str] = []
    places: list[int] = []
    end = 0
    for found in _ESCAPED.finditer(text):
        char = _char(found)
        plain += text[end : found.start()], char
        places += range(end, found.start() + len(char))
        end = found.end()
    plain.append(text[end:])
    places += range(end, len(text) + 1)
    return "".join(plain), places


def _char(found: re.Match[str]) -> str:
    """The character that an escape stands for; nothing for a backslash before an ordinary character."""
    if found["decimal"]:
        return chr(int(found["decimal"]))
    if found["name"]:
        import html  # noqa: PLC0415 - two thousand names, for an answer in a thousand

        return html.unescape(f"&{found['name']};")[:1]
    code = found["js"] or found["url"] or found["hex"]
    return chr(int(code, 16)) if code else ""
