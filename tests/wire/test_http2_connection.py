"""One end of an HTTP/2 connection: states, windows and errors (RFC 9113 §5, §6); h2spec asks for more of the same."""

from __future__ import annotations

from random import Random

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2 import HELLO, End, any_frames
from twistedproxy.message import Field
from twistedproxy.wire.hpack import encode
from twistedproxy.wire.http2_frames import (
    FIRST_WINDOW,
    LARGEST_WINDOW,
    Code,
    Kind,
    Setting,
    fields_frames,
    frame,
    rst_stream,
    settings_frame,
    window_update,
)

GET: list[Field] = [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"https"), (b":authority", b"a")]


def request(number: int = 1, *fields: Field, ended: bool = True) -> bytes:
    return fields_frames(number, encode([*GET, *fields]), 16_384, ended=ended)


def server(*data: bytes) -> End:
    """An end to which a client has said hello and *data*."""
    end = End()
    assert end.takes(HELLO, *data) == ""
    end.heard.clear()
    return end


def test_settings_and_pings_are_acknowledged() -> None:
    end = End()
    assert end.takes(HELLO + PingFrame(0, opaque_data=b"12345678").serialize()) == ""
    assert end.said == frame(Kind.SETTINGS, 1, 0) + frame(Kind.PING, 1, 0, b"12345678")
    assert end.wire.settled


def test_padding_counts_and_is_no_content() -> None:
    end = server(request(ended=False))
    end.takes(DataFrame(1, b"abc", pad_length=10, flags=["PADDED"]).serialize())
    assert end.heard == [("data", 1, b"abc", 14, False)]


def test_a_long_head_goes_on_in_further_frames() -> None:
    end = End(most_fields=100_000)
    field = (b"x", b"y" * 40_000)
    assert end.takes(HELLO + request(1, field)) == ""
    assert end.heard[-1] == ("opened", 1, (*GET, field), True)


#: What ends the connection, after a stream 1 that is open, a stream 3 that has ended on both sides.
FATAL: dict[str, tuple[Frame | bytes, str]] = {
    "DATA on no stream": (frame(Kind.DATA, 0, 0, b"a"), "PROTOCOL_ERROR"),
    "DATA on a stream that was never opened": (DataFrame(9, b"a"), "PROTOCOL_ERROR"),
    "DATA on a stream of ours": (DataFrame(2, b"a"), "PROTOCOL_ERROR"),
    "DATA on a closed stream": (DataFrame(3, b"a"), "STREAM_CLOSED"),
    "padding longer than the frame": (frame(Kind.DATA, 8, 1, b"\x05abc"), "PROTOCOL_ERROR"),
    "padding of nothing": (frame(Kind.DATA, 8, 1), "PROTOCOL_ERROR"),
    "a frame that is too large": (frame(Kind.DATA, 0, 1, bytes(16_385)), "FRAME_SIZE_ERROR"),
    "HEADERS on an even stream": (request(4), "PROTOCOL_ERROR"),
    "HEADERS on a closed stream": (request(3), "STREAM_CLOSED"),
    "HEADERS on an earlier stream": (request(9) + request(7), "PROTOCOL_ERROR"),
    "HEADERS too short for a priority": (frame(Kind.HEADERS, 0x24, 5, b"abc"), "FRAME_SIZE_ERROR"),
    "HEADERS that are not continued": (HeadersFrame(5, b"\x82").serialize() + PingFrame(0).serialize(), "PROTOCOL_ERROR"),
    "CONTINUATION of nothing": (ContinuationFrame(1, b"\x82"), "PROTOCOL_ERROR"),
    "CONTINUATION of another": (HeadersFrame(5).serialize() + ContinuationFrame(7).serialize(), "PROTOCOL_ERROR"),
    "no header block": (frame(Kind.HEADERS, 4, 5, b"\x80"), "COMPRESSION_ERROR"),
    "PRIORITY of the connection": (frame(Kind.PRIORITY, 0, 0, bytes(5)), "PROTOCOL_ERROR"),
    "RST_STREAM of the connection": (frame(Kind.RST_STREAM, 0, 0, bytes(4)), "PROTOCOL_ERROR"),
    "RST_STREAM of a stream that was never opened": (RstStreamFrame(9), "PROTOCOL_ERROR"),
    "RST_STREAM of another length": (frame(Kind.RST_STREAM, 0, 1, bytes(5)), "FRAME_SIZE_ERROR"),
    "SETTINGS of a stream": (frame(Kind.SETTINGS, 0, 1), "PROTOCOL_ERROR"),
    "SETTINGS of another length": (frame(Kind.SETTINGS, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "SETTINGS that acknowledge and set": (frame(Kind.SETTINGS, 1, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    "ENABLE_PUSH beyond": (SettingsFrame(0, {2: 2}), "PROTOCOL_ERROR"),
    "INITIAL_WINDOW_SIZE beyond": (SettingsFrame(0, {4: 2**31}), "FLOW_CONTROL_ERROR"),
    "MAX_FRAME_SIZE below": (SettingsFrame(0, {5: 16_383}), "PROTOCOL_ERROR"),
    "MAX_FRAME_SIZE beyond": (SettingsFrame(0, {5: 2**24}), "PROTOCOL_ERROR"),
    "ENABLE_CONNECT_PROTOCOL beyond": (SettingsFrame(0, {8: 2}), "PROTOCOL_ERROR"),
    "PUSH_PROMISE": (PushPromiseFrame(1, promised_stream_id=2), "PROTOCOL_ERROR"),
    "PING of a stream": (frame(Kind.PING, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "PING of another length": (frame(Kind.PING, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "GOAWAY of a stream": (frame(Kind.GOAWAY, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "GOAWAY too short": (frame(Kind.GOAWAY, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "WINDOW_UPDATE of another length": (frame(Kind.WINDOW_UPDATE, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "WINDOW_UPDATE by nothing": (frame(Kind.WINDOW_UPDATE, 0, 0, bytes(4)), "PROTOCOL_ERROR"),
    "WINDOW_UPDATE of a stream that was never opened": (WindowUpdateFrame(9, window_increment=1), "PROTOCOL_ERROR"),
    "the connection's window beyond": (window_update(0, LARGEST_WINDOW), "FLOW_CONTROL_ERROR"),
    "windows beyond by settings": (
        window_update(1, LARGEST_WINDOW - FIRST_WINDOW) + settings_frame({Setting.INITIAL_WINDOW_SIZE: FIRST_WINDOW + 1}),
        "FLOW_CONTROL_ERROR",
    ),
    "more fields than anybody may send": (request(5, *[(b"x", b"y" * 100)] * 40), "ENHANCE_YOUR_CALM"),
    "a longer head than anybody may send": (request(5, (b"x", b"y" * 20_000)), "ENHANCE_YOUR_CALM"),
}


@pytest.mark.parametrize("what", FATAL)
def test_what_breaks_the_rules_of_the_connection_ends_it(what: str) -> None:
    data, code = FATAL[what]
    end = server(request(1, ended=False), request(3))
    end.wire.send_fields(end.wire.streams[3], encode([(b":status", b"204")]), True)
    assert end.said
    assert end.takes(data if isinstance(data, bytes) else data.serialize()) == code
    assert end.said.endswith(Code[code].to_bytes(4, "big"))
    assert end.wire.over


#: What resets stream 1, which is open; or stream 3, where the client sends nothing more; or stream 5, which it opens.
BROKEN: dict[str, tuple[bytes, int, Code]] = {
    "DATA behind the end": (frame(Kind.DATA, 0, 3, b"a"), 3, Code.STREAM_CLOSED),
    "HEADERS behind the end": (request(3), 3, Code.STREAM_CLOSED),
    "more DATA than was announced": (frame(Kind.DATA, 0, 1, b"123456"), 1, Code.PROTOCOL_ERROR),
    "less DATA than was announced": (frame(Kind.DATA, 1, 1, b"1234"), 1, Code.PROTOCOL_ERROR),
    "trailers instead of DATA": (fields_frames(1, encode([(b"a", b"b")]), 16_384, ended=True), 1, Code.PROTOCOL_ERROR),
    "an update by nothing": (frame(Kind.WINDOW_UPDATE, 0, 1, bytes(4)), 1, Code.PROTOCOL_ERROR),
    "a window beyond": (window_update(1, LARGEST_WINDOW), 1, Code.FLOW_CONTROL_ERROR),
    "PRIORITY of another length": (frame(Kind.PRIORITY, 0, 1, bytes(4)), 1, Code.FRAME_SIZE_ERROR),
    "PRIORITY below itself": (PriorityFrame(1, depends_on=1).serialize(), 1, Code.PROTOCOL_ERROR),
    "HEADERS below themselves": (
        frame(Kind.HEADERS, 0x25, 5, (5).to_bytes(4, "big") + b"\x00" + encode(GET)),
        5,
        Code.PROTOCOL_ERROR,
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_the_rules_of_a_stream_resets_it(what: str) -> None:
    data, number, code = BROKEN[what]
    end = server(request(1, (b"content-length", b"5"), ended=False), request(3))
    assert end.said
    assert end.takes(data) == ""
    assert end.said == rst_stream(number, code)
    assert end.heard[-1] == ("reset", number, code, False)
    # What was on its way is passed over, and the other streams go on.
    assert end.takes(frame(Kind.DATA, 0, number, b"late")) == ""
    assert end.takes(request(7)) == ""
    assert end.heard[-1][:2] == ("opened", 7)


def test_a_request_that_its_owner_refuses_is_reset() -> None:
    end = End()
    end.notes.refused = b"/"
    assert end.takes(HELLO + request()) == ""
    assert end.said.endswith(rst_stream(1, Code.PROTOCOL_ERROR))
    assert not end.wire.streams


def test_more_than_the_windows_is_an_error() -> None:
    end = server(frame(Kind.SETTINGS, 1, 0), request(ended=False))
    piece = frame(Kind.DATA, 0, 1, bytes(16_000))
    assert end.takes(*[piece] * 6) == ""
    end.said  # noqa: B018 - is passed over
    assert end.takes(piece) == ""
    assert end.said == rst_stream(1, Code.FLOW_CONTROL_ERROR)


def test_more_than_the_connections_window_ends_it() -> None:
    end = server(request(ended=False))
    end.wire._room = 10
    assert end.takes(frame(Kind.DATA, 0, 1, bytes(11))) == "FLOW_CONTROL_ERROR"


def test_a_smaller_window_holds_from_its_acknowledgement_on() -> None:
    end = server()
    end.wire._first_room = 1000
    end.takes(request(ended=False))
    assert end.wire.streams[1].room == FIRST_WINDOW
    end.takes(frame(Kind.DATA, 0, 1, bytes(900)), frame(Kind.SETTINGS, 1, 0), request(3, ended=False))
    assert (end.wire.streams[1].room, end.wire.streams[3].room) == (100, 1000)


def test_the_connections_window_is_opened_again() -> None:
    end = server(request(ended=False))
    stream = end.wire.streams[1]
    total = 0
    for _ in range(200):
        stream.room += 16_000
        assert end.takes(frame(Kind.DATA, 0, 1, bytes(16_000))) == ""
        total += 16_000
    assert end.wire._room > 0
    assert end.said.count(frame(Kind.WINDOW_UPDATE, 0, 0, bytes(4))[:9]) >= total // 300_000


def test_streams_that_were_reset_long_ago_are_forgotten() -> None:
    end = server()
    for number in range(1, 4001, 2):
        end.wire.highest = number
        end.wire.reset(number, Code.CANCEL)
    assert len(end.wire._reset) == 1000
    assert end.takes(frame(Kind.DATA, 0, 1, b"a")) == "STREAM_CLOSED"


def test_what_is_not_the_preface_ends_the_connection() -> None:
    assert End().takes(b"GET / HTTP/1.1\r\n\r\n") == "PROTOCOL_ERROR"
    assert End().takes(b"PRI * HTTP/2.0\r\n", b"\r\nXX\r\n\r\n") == "PROTOCOL_ERROR"
    assert End().takes(HELLO[:24] + PingFrame(0).serialize()) == "PROTOCOL_ERROR"


def test_a_goaway_is_told() -> None:
    end = server()
    end.takes(GoAwayFrame(0, last_stream_id=7, error_code=2, additional_data=b"why").serialize())
    assert end.heard == [("goaway", 7, 2)]


# The other side: a client.


def client(streams: int = 1) -> End:
    end = End(is_client=True)
    assert end.takes(settings_frame({Setting.MAX_CONCURRENT_STREAMS: 7})) == ""
    for _ in range(streams):
        end.wire.send_fields(end.wire.open(end), encode(GET), True)
    end.heard.clear()
    assert end.said
    return end


def test_a_client_hears_answers() -> None:
    end = client()
    assert end.wire.most_streams == 7
    answer = fields_frames(1, encode([(b":status", b"200")]), 16_384, ended=False) + frame(Kind.DATA, 1, 1, b"hi")
    assert end.takes(answer) == ""
    assert end.heard == [("fields", 1, ((b":status", b"200"),), False), ("data", 1, b"hi", 2, True)]
    assert not end.wire.streams


@pytest.mark.parametrize("number", [2, 3])
def test_a_client_hears_no_answers_that_it_has_not_asked_for(number: int) -> None:
    assert client().takes(fields_frames(number, encode([(b":status", b"200")]), 16_384, ended=True)) == "PROTOCOL_ERROR"


def test_a_client_opens_streams_one_after_the_other() -> None:
    assert list(client(3).wire.streams) == [1, 3, 5]


def test_a_client_passes_over_what_comes_for_what_it_has_reset() -> None:
    end = client()
    end.wire.reset(1, Code.CANCEL)
    answer = fields_frames(1, encode([(b":status", b"200")]), 16_384, ended=False)
    assert end.takes(answer + frame(Kind.DATA, 1, 1, b"hi")) == ""
    assert end.heard == []


PIECES = st.sampled_from(
    (
        request(1, ended=False),
        request(1),
        request(3, (b"content-length", b"5"), ended=False),
        request(5, (b"x", b"y" * 500)),
        frame(Kind.DATA, 0, 1, b"hello"),
        frame(Kind.DATA, 1, 3, b"hello"),
        DataFrame(1, b"abc", pad_length=3, flags=["PADDED"]).serialize(),
        HeadersFrame(7, encode(GET)).serialize(),
        ContinuationFrame(7, b"\x40\x01a\x01b", flags=["END_HEADERS"]).serialize(),
        rst_stream(1, Code.CANCEL),
        window_update(0, 100),
        window_update(1, 100),
        settings_frame({Setting.INITIAL_WINDOW_SIZE: 10}),
        PingFrame(0).serialize(),
        PriorityFrame(1).serialize(),
        GoAwayFrame(0).serialize(),
        fields_frames(1, encode([(b":status", b"200"), (b"x", b"y")]), 16_384, ended=False),
        frame(0xBE, 0, 1, b"abc"),
        bytes(9),
    )
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=15).map(b"".join), st.integers(0, 2**32), st.booleans())
def test_however_it_is_split_it_is_the_same(data: bytes, seed: int, is_client: bool) -> None:
    random = Random(seed)
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(12)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    any_frames(data, pieces, is_client=is_client)
