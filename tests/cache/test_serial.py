"""Files of the cache: what is written is read, and nothing else is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.plays import START
from twistedproxy.cache.entry import DamagedEntry, Facts, Outside
from twistedproxy.cache.policy import Terms
from twistedproxy.cache.serial import Stored, Variants, pack_entry, pack_variants, unpack, variant_seed
from twistedproxy.message import Headers

text = st.binary(max_size=20)
moments = st.floats(0, 4e9)
seconds = st.floats(0, 2**31)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    names = draw(st.lists(text, max_size=3))
    values = draw(st.lists(st.none() | text, min_size=len(names), max_size=len(names)))
    return Facts(
        draw(text),
        tuple(names),
        tuple(values),
        draw(st.integers(100, 599)),
        draw(text),
        Headers(draw(st.lists(st.tuples(text, text), max_size=5))),
        draw(moments),
        draw(moments),
        Terms(draw(seconds), draw(seconds), draw(st.booleans()), draw(st.booleans()), draw(seconds), draw(seconds)),
    )


@given(facts(), st.binary(max_size=200))
def test_an_entry_with_its_body_is_read_as_it_was_written(known: Facts, body: bytes) -> None:
    assert unpack(pack_entry(known, body, None)) == Stored(known, body, None)


@given(facts(), st.integers(0, 2**40), st.lists(st.integers(0, 2**32 - 1), max_size=9))
def test_an_entry_with_its_body_outside_is_read_as_it_was_written(known: Facts, length: int, sums: list[int]) -> None:
    outside = Outside("0123456789abcdef", length, tuple(sums))
    assert unpack(pack_entry(known, None, outside)) == Stored(known, None, outside)


@given(text, st.lists(text, max_size=3), st.lists(st.from_regex("[0-9a-f]{32}", fullmatch=True), max_size=3))
def test_a_list_of_variants_is_read_as_it_was_written(key: bytes, names: list[bytes], files: list[str]) -> None:
    variants = Variants(key, tuple(names), b"12345678", tuple(files))
    assert unpack(pack_variants(variants)) == variants


FACTS = Facts(b"http://a/", (b"x",), (None,), 200, b"OK", Headers([(b"A", b"b")]), START, START, Terms(0, 60))


@pytest.mark.parametrize(
    "data", [pack_entry(FACTS, b"body", None), pack_variants(Variants(b"k", (b"n",), b"12345678", ("0" * 32,)))]
)
def test_a_file_cut_at_any_byte_or_with_any_bit_flipped_or_with_more_behind_it_is_damaged(data: bytes) -> None:
    wrong = [data[:end] for end in range(len(data))] + [data + b"\0"]
    wrong += [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]
    for bytes_of_file in wrong:
        with pytest.raises(DamagedEntry):
            unpack(bytes_of_file)


@given(st.binary(max_size=300))
def test_foreign_files_are_damaged(data: bytes) -> None:
    for start in (b"", b"revcache"):
        with pytest.raises(DamagedEntry):
            unpack(start + data)


def test_a_well_sealed_file_whose_facts_make_no_sense_is_damaged() -> None:
    data = pack_variants(Variants(b"k", (), b"12345678", ()))
    as_an_entry = bytearray(data)
    struct.pack_into("<H", as_an_entry, 10, 1)
    with pytest.raises(DamagedEntry, match="damaged"):
        unpack(bytes(as_an_entry))


def test_absent_and_empty_values_make_different_variants() -> None:
    assert len({variant_seed(b"g", values) for values in ((None,), (b"",), (b"-",), (b"", b""), (b"\0",))}) == 5
