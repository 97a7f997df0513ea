"""The frames of HTTP/2 clients are counted before they cost anything (RFC 9113 §10.5)."""

from __future__ import annotations

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.wire.http2_frames import PREFACE, WINDOW, Flood, FrameCounter, FrameLimits

LIMITS = FrameLimits()


def fed(frames: list[Frame], *, limits: FrameLimits = LIMITS) -> bytes:
    """What a counter passes on of *frames*, all at once."""
    counter = FrameCounter(limits, 0.0)
    return counter.feed(PREFACE + b"".join(frame.serialize() for frame in frames), 0.0)


def resets(number: int) -> list[Frame]:
    return [RstStreamFrame(1) for _ in range(number)]


FLOODS: dict[str, list[Frame]] = {
    "PING frames": [PingFrame(0)] * 101,
    "SETTINGS frames": [SettingsFrame(0)] * 101,
    "PRIORITY frames": [PriorityFrame(1)] * 101,
    "DATA frames without data": [DataFrame(1)] * 101,
    "CONTINUATION frames": [HeadersFrame(1), *[ContinuationFrame(1)] * 9],
    "streams that are reset": resets(101),
    "WINDOW_UPDATE frames": [WindowUpdateFrame(1, window_increment=1)] * 10_001,
    "frames of unknown types": [ExtensionFrame(type=0xBE, stream_id=1)] * 1001,
}


@pytest.mark.parametrize("what", FLOODS)
def test_too_many_of_a_kind_are_a_flood(what: str) -> None:
    fed(FLOODS[what][:-1])
    with pytest.raises(Flood, match=what):
        fed(FLOODS[what])


def test_the_count_begins_anew_after_a_while() -> None:
    counter = FrameCounter(FrameLimits(control=1), 0.0)
    ping = PingFrame(0).serialize()
    counter.feed(PREFACE + ping, 0.0)
    counter.feed(ping, WINDOW)
    with pytest.raises(Flood):
        counter.feed(ping, WINDOW + 1)


def test_who_opens_many_streams_may_reset_some() -> None:
    opened: list[Frame] = [HeadersFrame(1)] * 100
    fed([*opened, *resets(110)])
    with pytest.raises(Flood):
        fed([*opened, *resets(111)])


def test_what_we_reset_for_the_client_counts_too() -> None:
    counter = FrameCounter(FrameLimits(resets=1), 0.0)
    counter.reset()
    with pytest.raises(Flood):
        counter.reset()


def test_what_we_send_earns_updates_of_windows() -> None:
    counter = FrameCounter(FrameLimits(control=1), 0.0)
    counter.sent(100)
    counter.feed(PREFACE + WindowUpdateFrame(1, window_increment=1).serialize() * 500, 0.0)
    with pytest.raises(Flood):
        counter.feed(WindowUpdateFrame(1, window_increment=1).serialize(), 0.0)


def test_one_frame_that_ends_a_stream_is_no_empty_frame() -> None:
    end = DataFrame(1)
    end.flags.add("END_STREAM")
    fed([end] * 200)


FRAMES = st.lists(
    st.one_of(
        st.builds(lambda data: DataFrame(1, data=data), st.binary(min_size=1, max_size=40)),
        st.builds(lambda data: GoAwayFrame(0, additional_data=data), st.binary(max_size=20)),
        st.just(PingFrame(0)),
        st.just(HeadersFrame(3, data=b"abc")),
    ),
    max_size=12,
)


@given(FRAMES, st.lists(st.integers(1, 30), max_size=60))
def test_however_frames_are_split_all_but_goaway_pass_as_they_are(frames: list[Frame], sizes: list[int]) -> None:
    counter = FrameCounter(FrameLimits(), 0.0)
    whole = PREFACE + b"".join(frame.serialize() for frame in frames)
    passed = b""
    left = whole
    for size in sizes:
        passed += counter.feed(left[:size], 0.0)
        left = left[size:]
    passed += counter.feed(left, 0.0)
    kept = [frame for frame in frames if not isinstance(frame, GoAwayFrame)]
    assert passed == PREFACE + b"".join(frame.serialize() for frame in kept)
    assert counter.goaway is (len(kept) != len(frames))


def test_a_goaway_that_is_none_is_left_to_the_library() -> None:
    wrong = GoAwayFrame(0).serialize()[:5] + b"\x00\x00\x00\x01" + bytes(8)
    counter = FrameCounter(FrameLimits(), 0.0)
    assert counter.feed(PREFACE + wrong, 0.0) == PREFACE + wrong
    assert not counter.goaway
