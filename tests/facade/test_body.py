"""Bodies are inflated under a cap, and complete or an error."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcore_invoices import APIProtocolError, APIResponseValidationError
from gcore_invoices._body import Body

DATA = bytes(range(256)) * 4000


def through(chunks, encoding="gzip", limit=2**26, cut=False):
    sink = BytesIO()
    body = Body(encoding, sink, limit=limit, cut=cut)
    for chunk in chunks:
        body.feed(chunk)
    body.end()
    return sink.getvalue()


@given(st.binary(max_size=2000), st.lists(st.integers(1, 700), max_size=10), st.sampled_from(["gzip", ""]))
def test_any_chunking_gives_the_same_bytes(data, sizes, encoding):
    wire = gzip.compress(data) if encoding else data
    chunks = []
    for size in sizes:
        chunks.append(wire[:size])
        wire = wire[size:]
    assert through([*chunks, wire], encoding) == data


def test_several_gzip_members_are_one_body():
    members = gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:])
    assert through([members]) == DATA
    assert through([members[i : i + 1] for i in range(len(members))]) == DATA


@pytest.mark.parametrize("lost", [1, 8, 9, 100])
def test_a_cut_gzip_stream_is_an_error(lost):
    with pytest.raises(APIProtocolError, match="gzip stream ends in the middle"):
        through([gzip.compress(DATA)[:-lost]])


def test_a_gzip_stream_with_a_wrong_checksum_is_an_error():
    wire = bytearray(gzip.compress(DATA))
    wire[-6] ^= 1
    with pytest.raises(APIProtocolError, match="says it is gzip and is not"):
        through([bytes(wire)])


def test_what_is_no_gzip_is_an_error():
    with pytest.raises(APIProtocolError, match="says it is gzip and is not"):
        through([b"plain"])
    with pytest.raises(APIProtocolError, match="says it is gzip and is not"):
        through([zlib.compress(DATA)])


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_an_error(encoding):
    with pytest.raises(APIProtocolError, match=f"compressed with '{encoding}', which was not asked for"):
        through([b"?"], encoding)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_no_encoding_passes_bytes_on(encoding):
    assert through([b"ab", b"", b"c"], encoding) == b"abc"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP"])
def test_gzip_has_three_spellings(encoding):
    assert through([gzip.compress(b"abc")], encoding) == b"abc"


def test_a_bomb_never_unfolds():
    bomb = gzip.compress(bytes(64 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(APIResponseValidationError, match="larger than 1 MiB"):
            through([bomb], limit=2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20


def test_the_limit_itself_is_allowed():
    assert len(through([bytes(1000)], "", limit=1000)) == 1000
    with pytest.raises(APIResponseValidationError):
        through([bytes(1001)], "", limit=1000)


def test_an_error_body_is_cut_at_the_limit():
    assert through([b"abcdef", b"gh"], "", limit=3, cut=True) == b"abc"
    assert len(through([gzip.compress(DATA)], limit=1000, cut=True)) == 1000
