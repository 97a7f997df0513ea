"""Fields that were parsed, cut and added to: whatever is handed on from one value to the next is what would be made anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.message import Headers
from twistedproxy.wire.lines import parse_field_lines

NAMES = st.sampled_from([b"A", b"a", b"B", b"Connection", b"X-Connection", b"Host", b"hOST"])
BLANKS = st.sampled_from([b"", b" ", b"\t", b"  "])
VALUES = st.sampled_from([b"", b"x", b"keep-alive", b"a: b", b"A: x", b"Connection: keep-alive", b"a\tb", b"\xff"])
LINES = st.lists(st.tuples(NAMES, BLANKS, VALUES, BLANKS), max_size=8)
LOWER = st.frozensets(st.sampled_from([b"a", b"b", b"connection", b"host", b"x-connection", b"none"]))


def assert_same(headers: Headers, anew: Headers) -> None:
    assert headers.items == anew.items
    assert headers.block == anew.block
    assert headers.index == anew.index
    assert headers.names == anew.names
    assert headers.repeated == anew.repeated


@given(LINES, LOWER, LOWER, st.booleans())
def test_what_is_left_out_or_added_changes_nothing_else(
    lines: list[tuple[bytes, bytes, bytes, bytes]], first: frozenset[bytes], second: frozenset[bytes], looked_at: bool
) -> None:
    headers = parse_field_lines(b"".join(b"%b:%b%b%b\r\n" % line for line in lines))
    assert headers is not None
    fields = [(name, value) for name, _, value, _ in lines]
    assert_same(headers, Headers(fields))
    if looked_at:
        assert isinstance(headers.block, bytes)
    cut = headers.without(first).plus((b"Via", b"1.1 us")).without(second)
    left = [field for field in fields if field[0].lower() not in first] + [(b"Via", b"1.1 us")]
    assert_same(cut, Headers([field for field in left if field[0].lower() not in second]))
