"""Reading a body: inflated under a cap, complete or an error. Bytes in, bytes out; no I/O of its own."""

from __future__ import annotations

import zlib
from typing import Protocol

from gcore_invoices.errors import APIProtocolError, APIResponseValidationError

MAX_BODY = 64 * 2**20
"""Most bytes of a decoded answer that are taken, 64 MiB; a page of 100 invoices has 60 KiB."""
MAX_ERROR_BODY = 64 * 2**10
"""Most bytes of a decoded error body that are read, 64 KiB; the rest is left."""

_CHUNK = 64 * 2**10
_GZIP = 16 + zlib.MAX_WBITS


class Sink(Protocol):
    """Where a body goes."""

    def write(self, data: bytes, /) -> object:
        """Take the next decoded bytes."""


class Body:
    """Takes the raw bytes of one answer as they come and writes them, decoded, to a sink.

    Args:
        encoding: The answer's Content-Encoding; gzip is the only one that was asked for.
        sink: Where the decoded bytes go.
        limit: Most decoded bytes to take. A compressed bomb is stopped there before it unfolds.
        cut: What happens at the limit: stop reading (true), or fail (false).
    """

    def __init__(self, encoding: str, sink: Sink, *, limit: int, cut: bool = False) -> None:
        encoding = encoding.strip().lower()
        self._other = encoding[:50] if encoding not in {"", "identity", "gzip", "x-gzip"} else ""
        self._gzip = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None
        self._sink = sink
        self._limit = limit
        self._cut = cut
        self._started = False
        self.size = 0
        """Decoded bytes so far."""
        self.full = False
        """Nothing more needs to be read."""

    def feed(self, raw: bytes) -> None:
        """Take the next bytes from the wire.

        Raises:
            APIProtocolError: They are no gzip, or compressed in another way.
            APIResponseValidationError: The limit is passed.
        """
        if self._other:
            raise APIProtocolError(f"The answer is compressed with {self._other!r}, which was not asked for.")
        if self._gzip is None:
            self._write(raw)
            return
        while raw and not self.full:
            self._started = True
            try:
                self._write(self._gzip.decompress(raw, _CHUNK))
            except zlib.error as error:
                raise APIProtocolError("The answer says it is gzip and is not.") from error
            raw = self._gzip.unconsumed_tail
            if self._gzip.eof:
                # Several gzip members in a row are one body (RFC 1952, section 2.2).
                raw = self._gzip.unused_data
                if raw:
                    self._gzip = zlib.decompressobj(_GZIP)

    def end(self) -> None:
        """The wire has no more.

        Raises:
            APIProtocolError: The gzip stream is not at its end.
        """
        if self._gzip is not None and self._started and not self._gzip.eof and not self.full:
            raise APIProtocolError("The answer's gzip stream ends in the middle.")

    def _write(self, data: bytes) -> None:
        if self.size + len(data) > self._limit:
            if not self._cut:
                raise APIResponseValidationError(
                    f"The answer is larger than {self._limit // 2**20} MiB, which no answer of this API is."
                )
            data = data[: self._limit - self.size]
            self.full = True
        self.size += len(data)
        self._sink.write(data)
