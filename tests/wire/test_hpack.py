"""Header blocks (RFC 7541): what the hpack library says is understood, and what we say it understands."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.message import Field
from twistedproxy.wire.hpack import Decoder, HpackError, ListTooLarge, _known_literal, encode

NAMES = st.sampled_from((b":method", b":path", b":status", b"accept", b"cookie", b"x-a", b"content-length", b"a" * 200))
VALUES = st.sampled_from((b"", b"GET", b"/", b"200", b"a=b", b"x" * 130)) | st.binary(max_size=20)
LISTS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=6), max_size=6)


@given(LISTS)
def test_what_we_say_the_library_understands(lists: list[list[Field]]) -> None:
    decoder = hpack.Decoder()
    for fields in lists:
        assert [tuple(field) for field in decoder.decode(encode(fields), raw=True)] == fields


@given(LISTS, st.booleans(), st.sampled_from((0, 60, 200, 4096)))
def test_what_the_library_says_we_understand(lists: list[list[Field]], huffman: bool, size: int) -> None:
    encoder, decoder = hpack.Encoder(), Decoder(100_000)
    encoder.header_table_size = size
    for fields in (*lists, *lists):
        assert list(decoder.decode(encoder.encode(fields, huffman=huffman))) == fields


def test_a_block_that_is_repeated_is_understood_once() -> None:
    decoder = Decoder(1000)
    fields = decoder.decode(b"\x82\x84\x86\x0f\x00\x01a")
    assert decoder.decode(b"\x82\x84\x86\x0f\x00\x01a") is fields


def test_a_block_that_is_repeated_may_mean_something_else_by_then() -> None:
    decoder = Decoder(1000)
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.decode(b"\xbe") == ((b"a", b"b"),)
    decoder.decode(b"\x40\x01c\x01d")
    assert decoder.decode(b"\xbe") == ((b"c", b"d"),)


def test_many_blocks_are_not_all_remembered() -> None:
    decoder = Decoder(1000)
    for number in range(100):
        assert decoder.decode(b"\x00\x01a\x01" + bytes((number,))) == ((b"a", bytes((number,))),)
    assert len(decoder._known) <= 16


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # no entry 0
        b"\xbe",  # an entry that nobody made
        b"\xff\xff\xff\xff\xff\xff\xff\x01",  # a number without end
        b"\x40\x05abc",  # a name that ends too early
        b"\x40\x01a\x7f",  # a length that ends too early
        b"\x82\x20",  # the table's size in mid-block
        b"\x3f\xe2\x1f",  # 4097 bytes of table
        b"\x40\x82\xff\xff\x01b",  # Huffman: padding of more than 7 bits
        b"\x40\x84\xff\xff\xff\xff\x01b",  # Huffman: EOS
    ],
)
def test_what_is_no_block_is_an_error(block: bytes) -> None:
    with pytest.raises(HpackError):
        Decoder(1000).decode(block)


def test_a_small_block_that_says_much_is_refused() -> None:
    decoder = Decoder(65_536)
    decoder.decode(b"\x40\x01a" + b"\x7f\x81\x1e" + b"x" * 3968)
    with pytest.raises(ListTooLarge):
        decoder.decode(b"\xbe" * 20)


def test_secrets_go_into_no_table() -> None:
    # RFC 7541 §6.2.3: the first bits are 0001
    assert encode([(b"cookie", b"a=b")])[0] >> 4 == 1
    assert encode([(b"x-a", b"b")])[0] >> 4 == 0


def test_what_is_long_or_secret_is_not_remembered() -> None:
    before = _known_literal.cache_info().currsize
    encode([(b"x" * 5000, b"y"), (b"x", b"y" * 5000), (b"cookie", b"a=b")])
    assert _known_literal.cache_info().currsize == before
