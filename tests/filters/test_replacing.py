"""Replacement in streams: however the body is cut, the same comes out, and little is kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.filters.replacing import REACH, LiteralStream, PatternStream, Stream


def through(stream: Stream, pieces: list[bytes]) -> bytes:
    """All that comes out."""
    return b"".join([*map(stream.feed, pieces), stream.finish()])


texts = st.lists(st.text("ab", max_size=6).map(str.encode), max_size=12)


@given(texts, st.text("ab", min_size=1, max_size=4).map(str.encode), st.booleans())
def test_a_text_is_found_across_borders(pieces: list[bytes], source: bytes, once: bool) -> None:
    whole = b"".join(pieces)
    assert through(LiteralStream(source, b"<>", once=once), pieces) == whole.replace(source, b"<>", 1 if once else -1)


@given(texts, st.sampled_from([rb"a+", rb"ab", rb"(a)(b)", rb"b(?=a)", rb"(?<=a)b", rb"^a", rb"a|bb"]), st.booleans())
def test_an_expression_is_found_across_borders(pieces: list[bytes], source: bytes, once: bool) -> None:
    whole = b"".join(pieces)
    pattern = re.compile(source)
    assert through(PatternStream(pattern, rb"<\g<0>>", once=once), pieces) == pattern.sub(rb"<\g<0>>", whole, 1 if once else 0)


@pytest.mark.parametrize("size", [1, 7, 1000, 5000, 70_000])
def test_long_bodies_are_changed_alike_however_they_come(size: int) -> None:
    whole = b"".join(b"<a href='http://internal/%d'>%s</a>\n" % (number, b"x" * (number % 97)) for number in range(2000))
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    pattern = re.compile(rb"http://internal/(\d+)")
    assert through(PatternStream(pattern, rb"/\1", once=False), pieces) == pattern.sub(rb"/\1", whole)
    assert through(LiteralStream(b"http://internal/", b"/", once=False), pieces) == whole.replace(b"http://internal/", b"/")


def test_little_is_kept() -> None:
    literal = LiteralStream(b"needle", b"", once=False)
    assert literal.feed(b"hay" * 1000 + b"need") == b"hay" * 1000
    assert literal.feed(b" more") == b"need more"
    pattern = PatternStream(re.compile(rb"n+e"), b"", once=False)
    sent = pattern.feed(b"hay" * 10_000)
    assert len(sent) == 30_000 - REACH
    assert len(pattern._kept) <= REACH + 64


def test_an_expression_that_means_nothing_now_and_then_ends() -> None:
    pattern = re.compile(rb"\bx?")
    assert through(PatternStream(pattern, b"-", once=False), [b"a x a"]) == b"a - a"
