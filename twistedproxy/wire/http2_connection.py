"""
One HTTP/2 connection without a socket: frames in, calls out; which stream may do what, and how much (RFC 9113 §4 to §6).

Both sides of a connection are this class.  What header blocks mean is left to the :class:`~twistedproxy.wire.http2_stream.Owner`;
here is what keeps two ends of a connection in step: the states of streams, the windows of flow control, the tables of HPACK, and
the order of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twistedproxy.message import Field
from twistedproxy.wire import http2_frames as frames
from twistedproxy.wire.hpack import NO_TABLE, Decoder, HpackError, ListTooLarge
from twistedproxy.wire.http2_floods import FrameCounter, FrameLimits
from twistedproxy.wire.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    FRAME_SIZE,
    HAS_PRIORITY,
    HEAD_SIZE,
    LARGEST_WINDOW,
    PADDED,
    PREFACE,
    Code,
    Kind,
    Setting,
    read_head,
    read_number,
)
from twistedproxy.wire.http2_stream import NOBODY, ConnectionProblem, Owner, StreamProblem, WireStream

#: Bytes that may come on all streams before some of them were taken.
CONNECTION_WINDOW: Final = 1024 * 1024
#: Of which so many are taken before the other side is told.
_UPDATE: Final = CONNECTION_WINDOW // 4
#: Streams that we have reset, of which frames that were on their way are passed over.
_MOST_REMEMBERED: Final = 1000


class WireConnection:
    """
    One end of a connection.

    :param settings: that we announce
    :param most_fields: bytes of a field list, as HPACK counts them, above which the connection ends
    :ivar out: what is to be sent, in order; whoever sends it clears it
    :ivar over: nothing more is read
    :ivar streams: that are open in at least one direction, by number
    :ivar highest: number of the latest stream that the client has opened
    :ivar window: bytes that we may send on all streams together
    :ivar most_streams: streams at a time that the other side allows us to open
    :ivar first_window: of our streams' windows
    """

    __slots__ = (
        "_acknowledged",
        "_block",
        "_block_ended",
        "_block_of",
        "_decoder",
        "_expected",
        "_first_room",
        "_is_client",
        "_most_block",
        "_owner",
        "_preface",
        "_reset",
        "_rest",
        "_room",
        "_table_told",
        "_taken",
        "counter",
        "first_window",
        "highest",
        "most_streams",
        "out",
        "over",
        "streams",
        "window",
    )

    def __init__(
        self, owner: Owner, settings: Mapping[Setting, int], limits: FrameLimits, most_fields: int, now: float, *, is_client: bool
    ) -> None:
        self._owner = owner
        self._is_client = is_client
        self.counter = FrameCounter(limits, now)
        self.streams: dict[int, WireStream] = {}
        self.out: list[bytes] = []
        self.over = False
        self.highest = 0
        self.window = FIRST_WINDOW
        self.first_window = FIRST_WINDOW
        self.most_streams = 100
        self._preface = b"" if is_client else PREFACE
        #: The only kind of frame that may come next; -1: any.  The first is SETTINGS (RFC 9113 §3.4).
        self._expected: int = Kind.SETTINGS
        self._acknowledged = False
        self._rest = b""
        self._decoder = Decoder(most_fields)
        self._most_block = most_fields
        self._block = b""
        self._block_of = 0
        self._block_ended = False
        self._table_told = False
        self._reset: dict[int, None] = {}
        self._room = CONNECTION_WINDOW
        self._taken = 0
        self._first_room = settings[Setting.INITIAL_WINDOW_SIZE]
        if is_client:
            self.out.append(PREFACE)
        self.out.append(frames.settings_frame(settings))
        self.out.append(frames.window_update(0, CONNECTION_WINDOW - FIRST_WINDOW))

    @property
    def settled(self) -> bool:
        """Whether the other side has said its settings."""
        return self._expected != Kind.SETTINGS

    # What comes.

    def receive(self, data: bytes, now: float) -> None:
        """
        Take what has come.

        :raises ConnectionProblem: the connection is over
        :raises Flood: likewise, and nobody has been told
        """
        self.counter.at(now)
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at = 0
        if self._preface:
            at = min(len(data), len(self._preface))
            if data[:at] != self._preface[:at]:
                self._fail(Code.PROTOCOL_ERROR, "that is not HTTP/2's preface")
            self._preface = self._preface[at:]
        size = len(data)
        try:
            while size - at >= HEAD_SIZE and not self.over:
                word, flags, number = read_head(data, at)
                length = word >> 8
                if length > FRAME_SIZE:
                    raise ConnectionProblem(Code.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
                start = at + HEAD_SIZE
                at = start + length
                if at > size:
                    at = start - HEAD_SIZE
                    break
                kind = word & 0xFF
                if kind != self._expected >= 0:
                    raise ConnectionProblem(Code.PROTOCOL_ERROR, "not SETTINGS first, or a header block is not continued")
                if kind >= len(_TAKES):
                    self.counter.unknown()
                    continue
                number &= 0x7FFFFFFF
                try:
                    _TAKES[kind](self, flags, number, data[start:at])
                except StreamProblem as problem:
                    self._broken(number, problem.code)
        except ConnectionProblem as problem:
            self._fail(problem.code, str(problem))
        except HpackError as problem:
            self._fail(Code.COMPRESSION_ERROR, str(problem))
        except ListTooLarge as problem:
            self._fail(Code.ENHANCE_YOUR_CALM, str(problem))
        if at != size and not self.over:
            self._rest = data[at:] if at else data

    def _fail(self, code: Code, text: str) -> None:
        self.go_away(self.highest, code)
        self.over = True
        raise ConnectionProblem(code, text)

    def _broken(self, number: int, code: Code) -> None:
        """A stream error (RFC 9113 §5.4.2), which is as dear as if the other side had reset the stream itself."""
        self.counter.reset()
        stream = self.streams.get(number)
        self.reset(number, code)
        if stream is not None and stream.owner is not None:
            self._owner.stream_reset(stream, code, False)

    def _unknown(self, number: int, what: str) -> None:
        """Something came on a stream that is not open: whether that may happen (RFC 9113 §5.1)."""
        if number in self._reset:
            return
        if not number or number > self.highest or number % 2 == 0:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, f"{what} on stream {number}, which was never opened")
        raise ConnectionProblem(Code.STREAM_CLOSED, f"{what} on stream {number}, which is closed")

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        counted = len(payload)
        self._room -= counted
        if self._room < 0:
            raise ConnectionProblem(Code.FLOW_CONTROL_ERROR, "more than the connection's window")
        if flags & PADDED:
            payload = _unpadded(payload)
        ended = bool(flags & END_STREAM)
        if not payload and not ended:
            self.counter.idle("DATA frames without data")
        self._taken += counted
        if self._taken >= _UPDATE:
            self.out.append(frames.window_update(0, self._taken))
            self._room += self._taken
            self._taken = 0
        stream = self.streams.get(number)
        if stream is None:
            self._unknown(number, "DATA")
            return
        if stream.theirs_over:
            raise StreamProblem(Code.STREAM_CLOSED, "DATA behind the end")
        stream.room -= counted
        if stream.room < 0:
            raise StreamProblem(Code.FLOW_CONTROL_ERROR, "more than the stream's window")
        if stream.left >= 0:
            stream.left -= len(payload)
            if stream.left < 0 or (ended and stream.left):
                raise StreamProblem(Code.PROTOCOL_ERROR, "content-length is not that of the content (RFC 9113 §8.1.1)")
        if ended:
            self._end_theirs(stream)
        self._owner.data_received(stream, payload, counted, ended)

    def _end_theirs(self, stream: WireStream) -> None:
        stream.theirs_over = True
        if stream.ours_over:
            self.streams.pop(stream.number, None)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        self.counter.head()
        if number % 2 == 0:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, f"HEADERS on stream {number}")
        if flags & PADDED:
            payload = _unpadded(payload)
        depends = 0
        if flags & HAS_PRIORITY:
            if len(payload) < 5:
                raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "HEADERS too short for their priority")
            depends = read_number(payload)
            payload = payload[5:]
        ended = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._block_complete(number, payload, ended)
        else:
            self._block, self._block_of, self._block_ended = payload, number, ended
            self._expected = Kind.CONTINUATION
        if depends == number:
            raise StreamProblem(Code.PROTOCOL_ERROR, "a stream that depends on itself (RFC 7540 §5.3.1)")

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        if not number or number != self._block_of:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, "CONTINUATION of nothing (RFC 9113 §6.10)")
        self.counter.continuation()
        self._block += payload
        if len(self._block) > self._most_block:
            raise ListTooLarge(f"a header block of more than {self._most_block} bytes")
        if flags & END_HEADERS:
            block, self._block = self._block, b""
            self._block_of = 0
            self._expected = -1
            self._block_complete(number, block, self._block_ended)

    def _block_complete(self, number: int, block: bytes, ended: bool) -> None:
        fields = self._decoder.decode(block)
        stream = self.streams.get(number)
        if stream is None:
            if number > self.highest and not self._is_client:
                self._open(number, fields, ended)
                return
            if number < self.highest and number not in self._reset and not self._is_client:
                raise ConnectionProblem(Code.PROTOCOL_ERROR, f"stream {number} is opened behind a later one (RFC 9113 §5.1.1)")
            self._unknown(number, "HEADERS")
            return
        if stream.theirs_over:
            raise StreamProblem(Code.STREAM_CLOSED, "HEADERS behind the end")
        if ended:
            if stream.left > 0:
                raise StreamProblem(Code.PROTOCOL_ERROR, "content-length is not that of the content (RFC 9113 §8.1.1)")
            self._end_theirs(stream)
        self._owner.fields_received(stream, fields, ended)

    def _open(self, number: int, fields: tuple[Field, ...], ended: bool) -> None:
        self.highest = number
        self.counter.streams += 1
        stream = self.streams[number] = WireStream(number, self.first_window, self._stream_room)
        stream.theirs_over = ended
        self._owner.stream_opened(stream, fields, ended)

    @property
    def _stream_room(self) -> int:
        """What the other side may send on a new stream: as long as it may not know our settings, also what it assumes."""
        return self._first_room if self._acknowledged else max(self._first_room, FIRST_WINDOW)

    def _priority(self, flags: int, number: int, payload: bytes) -> None:
        self.counter.idle("PRIORITY frames")
        if not number:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, "PRIORITY of the connection")
        if len(payload) != 5:
            raise StreamProblem(Code.FRAME_SIZE_ERROR, "PRIORITY of another length (RFC 9113 §6.3)")
        if read_number(payload) == number:
            raise StreamProblem(Code.PROTOCOL_ERROR, "a stream that depends on itself (RFC 7540 §5.3.1)")

    def _rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "RST_STREAM of another length")
        if not number or number > self.highest or number % 2 == 0:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, f"RST_STREAM of stream {number}, which was never opened")
        self.counter.reset()
        stream = self.streams.pop(number, None)
        if stream is None:
            return
        stream.theirs_over = stream.ours_over = True
        if stream.owner is not None:
            self._owner.stream_reset(stream, int.from_bytes(payload, "big"), True)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & ACK:
            if payload:
                raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "settings in an acknowledgement")
            self._acknowledgement()
            return
        if len(payload) % 6:
            raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "SETTINGS of another length")
        self.counter.idle("SETTINGS frames")
        for name, value in frames.read_settings(payload):
            self._set(name, value)
        self._expected = -1
        self.out.append(frames.frame(Kind.SETTINGS, ACK, 0))
        self._owner.window_opened(None)

    def _acknowledgement(self) -> None:
        """The other side knows our settings from now on (RFC 9113 §6.9.2)."""
        if not self._acknowledged:
            self._acknowledged = True
            beyond = FIRST_WINDOW - self._first_room
            if beyond > 0:
                for stream in self.streams.values():
                    stream.room -= beyond

    def _set(self, name: int, value: int) -> None:
        if name == Setting.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise ConnectionProblem(Code.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
            change = value - self.first_window
            self.first_window = value
            for stream in self.streams.values():
                stream.window += change
                if stream.window > LARGEST_WINDOW:
                    raise ConnectionProblem(Code.FLOW_CONTROL_ERROR, "a window is too large (RFC 9113 §6.9.2)")
        elif name == Setting.MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value < 2**24:
                raise ConnectionProblem(Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")
            # We send none that are larger than the smallest limit: they would only stand in the other streams' way.
        elif name == Setting.ENABLE_PUSH:
            if value > 1 or (value and self._is_client):
                raise ConnectionProblem(Code.PROTOCOL_ERROR, "ENABLE_PUSH is out of bounds")
        elif name == Setting.MAX_CONCURRENT_STREAMS:
            self.most_streams = value
        elif name == Setting.ENABLE_CONNECT_PROTOCOL and value > 1:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, "ENABLE_CONNECT_PROTOCOL is out of bounds (RFC 8441 §3)")

    def _push_promise(self, flags: int, number: int, payload: bytes) -> None:
        raise ConnectionProblem(Code.PROTOCOL_ERROR, "PUSH_PROMISE, which nobody wants")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "PING of another length")
        self.counter.idle("PING frames")
        if not flags & ACK:
            self.out.append(frames.frame(Kind.PING, ACK, 0, payload))

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionProblem(Code.PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "GOAWAY too short")
        self.counter.idle("GOAWAY frames")
        self._owner.went_away(read_number(payload), int.from_bytes(payload[4:8], "big"))

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionProblem(Code.FRAME_SIZE_ERROR, "WINDOW_UPDATE of another length")
        self.counter.update()
        size = read_number(payload)
        if not number:
            if not size:
                raise ConnectionProblem(Code.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            self.window += size
            if self.window > LARGEST_WINDOW:
                raise ConnectionProblem(Code.FLOW_CONTROL_ERROR, "the connection's window is too large")
            self._owner.window_opened(None)
            return
        stream = self.streams.get(number)
        if stream is None:
            if number > self.highest or number % 2 == 0:
                raise ConnectionProblem(Code.PROTOCOL_ERROR, f"WINDOW_UPDATE of stream {number}, which was never opened")
            return
        if not size:
            raise StreamProblem(Code.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        stream.window += size
        if stream.window > LARGEST_WINDOW:
            raise StreamProblem(Code.FLOW_CONTROL_ERROR, "the window is too large")
        self._owner.window_opened(stream)

    # What goes.

    def open(self, owner: Any) -> WireStream:
        """A stream of ours, for *owner*; its first frame must be :meth:`send_fields`."""
        self.highest = self.highest + 2 if self.highest else 1
        stream = self.streams[self.highest] = WireStream(self.highest, self.first_window, self._stream_room)
        stream.owner = owner
        return stream

    def send_fields(self, stream: WireStream, block: bytes, ended: bool) -> None:
        """Send a head or trailers, encoded by :func:`twistedproxy.wire.hpack.encode`."""
        if not self._table_told:
            self._table_told = True
            block = NO_TABLE + block
        self.out.append(frames.fields_frames(stream.number, block, FRAME_SIZE, ended=ended))
        if ended:
            self._end_ours(stream)

    def send_data(self, stream: WireStream, data: bytes, ended: bool) -> None:
        """Send content: no more than the two windows allow, and FRAME_SIZE bytes."""
        size = len(data)
        out = self.out
        out.append(frames.frame_head(Kind.DATA, END_STREAM if ended else 0, stream.number, size))
        out.append(data)
        stream.window -= size
        self.window -= size
        self.counter.sent += 1
        if ended:
            self._end_ours(stream)

    def _end_ours(self, stream: WireStream) -> None:
        stream.ours_over = True
        if stream.theirs_over:
            self.streams.pop(stream.number, None)

    def open_window(self, stream: WireStream, size: int) -> None:
        """The other side may send *size* bytes more on *stream*."""
        if not stream.theirs_over:
            stream.room += size
            self.out.append(frames.window_update(stream.number, size))

    def reset(self, number: int, code: Code) -> None:
        """End a stream both ways; what is still on its way is passed over."""
        stream = self.streams.pop(number, None)
        if stream is not None:
            stream.theirs_over = stream.ours_over = True
        remembered = self._reset
        if len(remembered) >= _MOST_REMEMBERED:
            del remembered[next(iter(remembered))]
        remembered[number] = None
        self.out.append(frames.rst_stream(number, code))

    def let_go(self) -> None:
        """Nothing comes any more: owner and connection need not wait for the garbage collector."""
        self.over = True
        self._owner = NOBODY

    def go_away(self, last: int, code: Code) -> None:
        """Say GOAWAY."""
        self.out.append(frames.goaway(last, code))


def _unpadded(payload: bytes) -> bytes:
    """RFC 9113 §6.1."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionProblem(Code.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


#: By the number of the kind.
_TAKES: Final[tuple[Callable[[WireConnection, int, int, bytes], None], ...]] = (
    WireConnection._data,
    WireConnection._headers,
    WireConnection._priority,
    WireConnection._rst_stream,
    WireConnection._settings,
    WireConnection._push_promise,
    WireConnection._ping,
    WireConnection._goaway,
    WireConnection._window_update,
    WireConnection._continuation,
)
