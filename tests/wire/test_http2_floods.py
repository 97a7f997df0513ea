"""Who sends more frames of a kind than anybody needs is sent away (RFC 9113 §10.5)."""

from __future__ import annotations

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.wire.http2 import HELLO, End
from twistedproxy.wire.http2_floods import WINDOW, Flood, FrameCounter, FrameLimits
from twistedproxy.wire.http2_frames import Kind, frame

OPEN = HeadersFrame(1, data=b"\x82\x84\x86", flags=["END_HEADERS"])


def resets(number: int, *, opened: int = 0) -> list[Frame]:
    streams = [HeadersFrame(2 * each + 1, data=b"\x82", flags=["END_HEADERS", "END_STREAM"]) for each in range(max(opened, 1))]
    return [*streams, *[RstStreamFrame(1)] * number]


FLOODS: dict[str, list[Frame]] = {
    "PING frames": [PingFrame(0)] * 101,
    "SETTINGS frames": [SettingsFrame(0)] * 100,  # and one that was there before
    "PRIORITY frames": [PriorityFrame(1)] * 101,
    "DATA frames without data": [OPEN, *[DataFrame(1)] * 101],
    "CONTINUATION frames": [HeadersFrame(1), *[ContinuationFrame(1)] * 9],
    "streams that are reset": resets(101),
    "WINDOW_UPDATE frames": [WindowUpdateFrame(0, window_increment=1)] * 10_001,
    "frames of unknown types": [ExtensionFrame(type=0xBE, stream_id=1)] * 1001,
}


def fed(frames: list[Frame], limits: FrameLimits | None = None) -> str:
    return End(limits=limits).takes(HELLO + b"".join(each.serialize() for each in frames))


@pytest.mark.parametrize("what", FLOODS)
def test_too_many_of_a_kind_are_a_flood(what: str) -> None:
    assert fed(FLOODS[what][:-1]) == ""
    assert fed(FLOODS[what]) == f"flood: {what}"


def test_the_count_begins_anew_after_a_while() -> None:
    counter = FrameCounter(FrameLimits(control=1), 0.0)
    counter.idle("PING frames")
    counter.at(WINDOW)
    counter.idle("PING frames")
    counter.at(WINDOW + 1)
    with pytest.raises(Flood):
        counter.idle("PING frames")


def test_who_opens_many_streams_may_reset_some() -> None:
    assert fed(resets(110, opened=100)) == ""
    assert fed(resets(111, opened=100)) == "flood: streams that are reset"


def test_what_is_reset_for_what_the_client_did_counts_too() -> None:
    # CVE-2025-8671: an update of a window by nothing, on a stream of its own each time.
    broken = b"".join(
        HeadersFrame(number, data=b"\x82", flags=["END_HEADERS", "END_STREAM"]).serialize()
        + frame(Kind.WINDOW_UPDATE, 0, number, bytes(4))
        for number in range(1, 24, 2)
    )
    assert End(limits=FrameLimits(resets=12)).takes(HELLO + broken) == ""
    assert End(limits=FrameLimits(resets=10)).takes(HELLO + broken) == "flood: streams that are reset"


def test_what_we_send_earns_pings_and_updates_of_windows() -> None:
    counter = FrameCounter(FrameLimits(control=1), 0.0)
    counter.sent = 100
    for _ in range(101):
        counter.idle("PING frames")
    with pytest.raises(Flood):
        counter.idle("PING frames")
    for _ in range(500):
        counter.update()
    with pytest.raises(Flood):
        counter.update()


def test_one_frame_that_ends_a_stream_is_no_empty_frame() -> None:
    frames: list[Frame] = []
    for each in range(200):
        number = 2 * each + 1
        frames += [HeadersFrame(number, data=b"\x82", flags=["END_HEADERS"]), DataFrame(number, flags=["END_STREAM"])]
    assert fed(frames) == ""
