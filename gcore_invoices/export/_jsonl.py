"""JSON lines: an invoice a line, as the API writes it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from attrs import frozen

from gcore_invoices.export._columns import AMOUNTS, COLUMNS
from gcore_invoices.models import Extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gcore_invoices.export._protocol import WriteBatch
    from gcore_invoices.models import Invoice


@frozen
class Jsonl:
    """JSON lines (https://jsonlines.org): UTF-8, amounts as text in plain notation, as in the API.

    Fields that this version does not know stand in the line beside the others.
    """

    @property
    def appends(self) -> bool:
        """Whether a file can be gone on with."""
        return True

    @contextmanager
    def open(
        self,
        file: BinaryIO,
        columns: Sequence[str],
        *,
        append: bool = False,  # noqa: ARG002 - there is no header
    ) -> Iterator[WriteBatch]:
        """Begin a file; see `Exporter.open`."""
        encode = _whole_lines if tuple(columns) == COLUMNS else _selection(columns)

        def write(invoices: Sequence[Invoice]) -> None:
            file.write(encode(invoices))

        yield write


_NO_EXTRA = b',"gcore_invoices:extra":null}\n'


class _HasExtraError(Exception):
    """The quick way is for invoices without `extra`."""


def _no_extra(value: Any) -> None:
    if not isinstance(value, Extra) or value:
        raise _HasExtraError


_encoder = msgspec.json.Encoder(enc_hook=_no_extra)
_plain_encoder = msgspec.json.Encoder()


def _whole_lines(invoices: Sequence[Invoice]) -> bytes:
    """Every field, five times as fast as through dictionaries."""
    try:
        lines = _encoder.encode_lines(invoices)
    except _HasExtraError:
        return _plain_encoder.encode_lines([invoice.to_dict() for invoice in invoices])
    # A quote inside of a text is escaped, so these never match there.
    return _plain_amounts(lines.replace(_NO_EXTRA, b"}\n"), invoices)


_ZEROS = [
    (attrgetter(name), f'"{name}":"0E-12"'.encode(), f'"{name}":"0.000000000000"'.encode())
    for name in AMOUNTS
]
_EXPONENT = re.compile(rb"E[-+]")
_SCIENTIFIC = re.compile(rb'"(amount_[a-z]+)":"(-?[0-9.]+E[-+][0-9]+)"')


def _plain_amounts(lines: bytes, invoices: Sequence[Invoice]) -> bytes:
    """Amounts without exponent: msgspec writes them as str() does, a twelve-place zero as 0E-12."""
    for amount, scientific, plain in _ZEROS:
        if not all(map(amount, invoices)):
            lines = lines.replace(scientific, plain)
    # An amount below a millionth, or of another form than the API's; or a name with these letters.
    if _EXPONENT.search(lines):
        lines = _SCIENTIFIC.sub(_plain, lines)
    return lines


def _plain(found: re.Match[bytes]) -> bytes:
    return b'"%b":"%b"' % (found[1], format(Decimal(found[2].decode()), "f").encode())


def _selection(columns: Sequence[str]) -> Callable[[Sequence[Invoice]], bytes]:
    fields = [column for column in columns if column != "extra"]
    with_extra = "extra" in columns

    def encode(invoices: Sequence[Invoice]) -> bytes:
        rows = []
        for invoice in invoices:
            wire = invoice.to_dict()
            row = {name: wire[name] for name in fields}
            rows.append(row | {name: wire[name] for name in invoice.extra} if with_extra else row)
        return _plain_encoder.encode_lines(rows)

    return encode
