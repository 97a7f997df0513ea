"""Bodies: where they end, and what breaks them (RFC 9112 §6 and §7)."""

from __future__ import annotations

import pytest

from twistedproxy.message import Headers
from twistedproxy.wire.framing import (
    MAX_CHUNK_LINE,
    MAX_EXTENSIONS,
    MAX_TRAILER_FIELDS,
    MAX_TRAILERS,
    BadChunk,
    BadTrailer,
    ChunkedReader,
    LengthReader,
    UntilCloseReader,
    chunked,
    last_chunk,
)


def read(data: bytes) -> tuple[bytes, ChunkedReader]:
    """The payload of a chunked body that comes at once, and its reader."""
    reader = ChunkedReader()
    return b"".join(reader.feed(data)), reader


def read_by_bytes(data: bytes) -> ChunkedReader:
    """The reader of a chunked body that comes byte by byte."""
    reader = ChunkedReader()
    for byte in data:
        reader.feed(bytes((byte,)))
    return reader


def test_a_body_of_known_length_ends_there() -> None:
    reader = LengthReader(5)
    assert b"".join(reader.feed(b"he")) == b"he"
    assert not reader.complete
    assert b"".join(reader.feed(b"lloGET")) == b"llo"
    assert reader.complete
    assert reader.rest == b"GET"
    exact = LengthReader(2)
    assert b"".join(exact.feed(b"he")) == b"he"
    assert (exact.complete, exact.rest) == (True, b"")
    assert LengthReader(0).complete


def test_a_body_until_close_never_ends_by_itself() -> None:
    reader = UntilCloseReader()
    assert reader.feed(b"0\r\n\r\n") == (b"0\r\n\r\n",)
    assert not reader.complete


@pytest.mark.parametrize(
    ("data", "payload", "rest"),
    [
        (b"0\r\n\r\n", b"", b""),
        (b"000\r\n\r\nGET", b"", b"GET"),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, b""),
        (b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello", b""),
        (b"2\r\n\r\n\r\n0\r\n\r\n\r\n", b"\r\n", b"\r\n"),
        (b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b"hello", b""),
        (b'5 \t; a="b;\xc3\xa9"\r\nhello\r\n0\r\n\r\n', b"hello", b""),
        (b"1;" + b"x" * (MAX_CHUNK_LINE - 4) + b"\r\na\r\n0\r\n\r\n", b"a", b""),
        (b"800\r\n" + b"a" * 2048 + b"\r\n0\r\n\r\n", b"a" * 2048, b""),
    ],
)
def test_a_chunked_body_is_read(data: bytes, payload: bytes, rest: bytes) -> None:
    got, reader = read(data)
    assert (got, reader.complete, reader.rest, reader.trailers) == (payload, True, rest, Headers())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\r\n", id="no size"),
        pytest.param(b";a\r\n", id="no size, an extension"),
        pytest.param(b"x\r\n", id="no digit"),
        pytest.param(b"-1\r\n", id="a sign"),
        pytest.param(b"+1\r\n", id="a plus"),
        pytest.param(b"0x1\r\n", id="a prefix"),
        pytest.param(b"1_0\r\n", id="an underscore"),
        pytest.param(b" 1\r\n", id="a blank in front"),
        pytest.param(b"1 \r\n", id="a blank behind"),
        pytest.param(b"1 a\r\n", id="a word behind"),
        pytest.param(b"\xd9\xa1\r\n", id="a digit beyond ASCII"),
        pytest.param(b"00000000000000001\r\n", id="17 digits"),
        pytest.param(b"ffffffffffffffff\r\n", id="a size that overflows 63 bits"),
        pytest.param(b"4000000000000000\r\n", id="2^62"),
        pytest.param(b"1\na\r\n", id="LF alone"),
        pytest.param(b"1\ra\r\n", id="CR alone"),
        pytest.param(b"1\r\r\n", id="CR CR LF"),
        pytest.param(b"1;a\nb\r\n", id="LF alone in an extension"),
        pytest.param(b"1;a\rb\r\n", id="CR alone in an extension"),
        pytest.param(b"1;a\x00\r\n", id="NUL in an extension"),
        pytest.param(b'1;a="\r\n"\n', id="a line end in a quoted extension, then LF"),
        pytest.param(b"1\r\nab\r\n", id="more data than its size"),
        pytest.param(b"1\r\na\n0\r\n\r\n", id="LF alone behind the data"),
        pytest.param(b"1\r\na\r\r\n", id="CR CR LF behind the data"),
        pytest.param(b"1\r\na0\r\n\r\n", id="nothing behind the data"),
        pytest.param(b"1;" + b"x" * MAX_CHUNK_LINE, id="a line without end"),
        pytest.param(b"1;" + b"x" * (MAX_CHUNK_LINE - 3) + b"\r\na\r\n", id="a line too long by one"),
        pytest.param((b"1;" + b"x" * 512 + b"\r\na\r\n") * (MAX_EXTENSIONS // 512 + 1), id="too many extensions"),
    ],
)
def test_a_broken_chunk_is_refused(data: bytes) -> None:
    with pytest.raises(BadChunk):
        read(data)
    with pytest.raises(BadChunk):
        read_by_bytes(data)


@pytest.mark.parametrize("start", [b"x", b" ", b"1_", b"+", b"1\n", b"1\rx", b"1;a\x00", b"00000000000000001"])
def test_a_chunk_line_that_cannot_become_right_is_refused_before_its_end(start: bytes) -> None:
    with pytest.raises(BadChunk):
        read(start)


def test_extensions_are_allowed_for_by_payload_but_not_saved_up() -> None:
    chunk = b"1000;" + b"x" * 200 + b"\r\n" + b"a" * 4096 + b"\r\n"
    payload, reader = read(chunk * 1000 + b"0\r\n\r\n")
    assert len(payload) == 4_096_000
    assert reader.complete
    with pytest.raises(BadChunk):
        read(chunk * 1000 + (b"1;" + b"x" * 512 + b"\r\na\r\n") * (MAX_EXTENSIONS // 512 + 1))


def test_many_tiny_chunks_come_out_as_one_piece() -> None:
    reader = ChunkedReader()
    assert reader.feed(b"1\r\na\r\n" * 10_000) == (b"a" * 10_000,)


def test_trailers_are_read_and_those_that_would_change_a_head_left_out() -> None:
    harmful = b"Content-Length: 5\r\nTRANSFER-ENCODING: chunked\r\nHost: b\r\nX-Forwarded-For: 1.2.3.4\r\n"
    harmful += b"X-Client-Cert-Subject: CN=root\r\n"
    payload, reader = read(b"1\r\na\r\n0\r\nX-Sum: 1 \r\n" + harmful + b"x-sum:2\r\n\r\nGET")
    assert payload == b"a"
    assert reader.trailers.items == ((b"X-Sum", b"1"), (b"x-sum", b"2"))
    assert (reader.complete, reader.rest) == (True, b"GET")


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"X\r\n", id="no colon"),
        pytest.param(b"X : y\r\n", id="a blank before the colon"),
        pytest.param(b" X: y\r\n", id="a blank in front"),
        pytest.param(b"X: y\r\n z\r\n", id="a folded field"),
        pytest.param(b"X: \x00\r\n", id="NUL"),
        pytest.param(b"X: a\nY: b\r\n", id="LF alone"),
        pytest.param(b"X: a\rY: b\r\n", id="CR alone"),
        pytest.param(b"\nX: a\r\n", id="LF in front"),
        pytest.param(b"\rX: a\r\n", id="CR in front"),
        pytest.param(b"X: " + b"a" * MAX_TRAILERS + b"\r\n", id="too long"),
        pytest.param(b"X: " + b"a" * (MAX_TRAILERS - 6) + b"\r\n", id="too long by one"),
        pytest.param(b"X: a\r\n" * (MAX_TRAILER_FIELDS + 1), id="too many"),
    ],
)
def test_a_broken_trailer_is_refused(trailers: bytes) -> None:
    data = b"0\r\n" + trailers + b"\r\n"
    with pytest.raises(BadTrailer):
        read(data)
    with pytest.raises(BadTrailer):
        read_by_bytes(data)


def test_trailers_of_exactly_the_limit_are_taken_in_one_piece_and_byte_by_byte() -> None:
    data = b"0\r\nX: " + b"a" * (MAX_TRAILERS - 7) + b"\r\n\r\n"
    assert read(data)[1].complete
    assert read_by_bytes(data).complete


def test_a_cut_body_is_not_complete() -> None:
    whole = b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"
    for end in range(len(whole)):
        assert not read(whole[:end])[1].complete
    assert read(whole)[1].complete


def test_pieces_are_coded_as_chunks_and_empty_ones_left_out() -> None:
    assert b"".join(chunked([b"hello", b"", memoryview(b"x" * 16)])) == b"5\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n"
    assert last_chunk(Headers()) == b"0\r\n\r\n"
    assert last_chunk(Headers([(b"X", b"y"), (b"Z", b"")])) == b"0\r\nX: y\r\nZ: \r\n\r\n"
