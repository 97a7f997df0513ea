"""Which parts of a stored response a Range asks for (RFC 9110 §14, §13.1.5), and what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.plays import Stage, date, headers, request
from twistedproxy.cache.entry import BLOCK
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.ranges import MOST_SPANS, Plan, SpanReader, asked_spans, partial_fields, plan_length, planned

STORED = f'ETag: "v1"\nLast-Modified: {date(-10)}\nDate: {date()}'


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-1", ((0, 2),)),
        ("BYTES=1-", ((1, 10),)),
        ("bytes=-1", ((9, 10),)),
        ("bytes=-99", ((0, 10),)),
        ("bytes=8-999999999999999999", ((8, 10),)),
        ("bytes=5-6, 0-1 ,\t,-2", ((5, 7), (0, 2), (8, 10))),
        ("bytes=0-1,99-", ((0, 2),)),
        ("bytes=10-", ()),
        ("bytes=-0", ()),
        ("bytes=10-11, 20-", ()),
    ],
)
def test_parts_that_exist_are_sent_in_the_order_in_which_they_are_asked_for(value: str, spans: object) -> None:
    assert asked_spans(headers(f"Range: {value}"), headers(STORED), 10) == spans


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=1",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1 2-3",
        "bytes=0-12-3",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=0-1234567890123456789",
        "seconds=0-1",
        "bytes=0-5,5-6",
        "bytes=0-,0-,0-",
        "bytes=0-1\nRange: bytes=2-3",
        "bytes=" + "," * 20_000 + "x",
        "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MOST_SPANS + 1)),
    ],
)
def test_what_is_malformed_or_asks_for_too_much_is_answered_with_the_whole(value: str) -> None:
    assert asked_spans(headers(f"Range: {value}"), headers(STORED), 100) is None


def test_without_range_the_whole_is_the_answer() -> None:
    assert asked_spans(headers(), headers(STORED), 10) is None


@pytest.mark.parametrize(
    ("condition", "stored", "holds"),
    [
        ('"v1"', STORED, True),
        ('"v2"', STORED, False),
        ('W/"v1"', STORED, False),
        ('W/"v1"', 'ETag: W/"v1"', False),
        ('"v1"', 'ETag: W/"v1"', False),
        ('"v1"', "", False),
        (date(-10), STORED, True),
        (date(-9), STORED, False),
        (date(), f"Last-Modified: {date()}\nDate: {date()}", False),
        (date(), f"Last-Modified: {date()}", False),
        ("", STORED, False),
        ('"v1"\nIf-Range: "v1"', STORED, False),
    ],
)
def test_parts_are_sent_only_of_the_representation_that_if_range_names(condition: str, stored: str, holds: bool) -> None:
    spans = asked_spans(headers(f"Range: bytes=0-1\nIf-Range: {condition}"), headers(stored), 10)
    assert spans == (((0, 2),) if holds else None)


@given(st.text(alphabet="bytes=0123456789-, \t", max_size=40), st.integers(0, 30))
def test_any_part_that_is_sent_exists_and_none_is_sent_twice(value: str, length: int) -> None:
    spans = asked_spans(headers(f"Range: bytes={value}"), headers(), length) or ()
    assert all(0 <= start < stop <= length for start, stop in spans)
    assert sum(stop - start for start, stop in spans) <= length


@pytest.mark.parametrize("size", [100, 2 * BLOCK + 100])
def test_the_pieces_of_a_plan_come_from_memory_and_from_disk(tmp_path: Path, size: int) -> None:
    stage = Stage(tmp_path)
    body = bytes(index % 251 for index in range(size))
    stage.fetch("Content-Type: text/plain\nCache-Control: max-age=60", body)
    entry = stage.lookup().entry
    assert entry is not None
    for spans in (((0, size),), ((size - 1, size),), ((10, 20), (size - 30, size - 10), (0, 1)), ((1, size),)):
        fields, plan = partial_fields(entry, spans)
        if entry.body is not None:
            whole = b"".join(planned(plan, entry.body))
        else:
            assert entry.file is not None
            reader = SpanReader(entry.file, plan)
            pieces = list(iter(reader.read, b""))
            assert max(map(len, pieces)) <= BLOCK
            whole = b"".join(pieces)
        assert len(whole) == plan_length(plan)
        kinds = dict(fields)
        if len(spans) == 1:
            assert whole == body[spans[0][0] : spans[0][1]]
            assert kinds[b"Content-Range"] == b"bytes %d-%d/%d" % (spans[0][0], spans[0][1] - 1, size)
        else:
            boundary = kinds[b"Content-Type"].removeprefix(b"multipart/byteranges; boundary=")
            first, *parts, last = whole.split(b"\r\n--" + boundary)
            assert (first, last) == (b"", b"--\r\n")
            for (start, stop), part in zip(spans, parts, strict=True):
                about = b"\r\nContent-Type: text/plain\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (start, stop - 1, size)
                assert part == about + body[start:stop]


def test_a_reader_that_is_closed_reads_no_more(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch("Cache-Control: max-age=60", b"x" * (BLOCK + 1))
    entry = stage.lookup().entry
    assert entry is not None
    assert entry.file is not None
    plan: Plan = ((0, 5),)
    reader = SpanReader(entry.file, plan)
    reader.close()
    assert reader.read() == b""


def test_a_part_is_served_from_what_is_fresh_and_otherwise_asked_of_a_peer(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    asked = request("Range: bytes=0-1")
    assert stage.lookup(asked).outcome is Outcome.FETCH
    assert stage.fetch("Cache-Control: max-age=60", status=206, asked=asked) is StoreVerdict.STATUS_PARTIAL
    stage.fetch('Cache-Control: max-age=60\nETag: "v1"')
    found = stage.lookup(asked)
    assert (found.outcome, found.verdict) == (Outcome.PART, LookupVerdict.FRESH)
    assert stage.lookup(request('Range: bytes=0-1\nIf-None-Match: "v1"')).outcome is Outcome.NOT_MODIFIED
    assert stage.lookup(request("Range: bytes=0-1", method="HEAD")).outcome is Outcome.SERVE
    stage.clock.advance(61)
    stale = stage.lookup(asked)
    assert (stale.outcome, stale.verdict, stale.entry) == (Outcome.PASS, LookupVerdict.REQUEST_RANGE, None)
    for wishes in ("Cache-Control: only-if-cached", "Cache-Control: only-if-cached, max-age=1"):
        assert stage.lookup(request(f"Range: bytes=0-1\n{wishes}")).outcome is Outcome.UNAVAILABLE


def test_a_part_of_an_error_is_the_whole_error(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fetch("Cache-Control: max-age=60", status=404)
    assert stage.lookup(request("Range: bytes=0-1")).outcome is Outcome.SERVE
