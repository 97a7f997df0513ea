"""The frames of HTTP/2 as bytes (RFC 9113 §4, §6): their numbers, and those that we send."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

#: What a client sends first (RFC 9113 §3.4).
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: Bytes in front of every frame.
HEAD_SIZE: Final = 9
#: Bytes of a frame's payload that everybody takes, and that we take (RFC 9113 §6.5.2).
FRAME_SIZE: Final = 16_384
#: Of every window at first (RFC 9113 §6.9.2), and at most (§6.9.1).
FIRST_WINDOW: Final = 65_535
LARGEST_WINDOW: Final = 2**31 - 1
#: Above every stream's number.
ALL_STREAMS: Final = 2**31 - 1

_HEAD: Final = struct.Struct(">LBL")
#: Length and type in one number, flags, stream.
read_head = _HEAD.unpack_from
_SETTING: Final = struct.Struct(">HL")
_NUMBER: Final = struct.Struct(">L")
_TWO_NUMBERS: Final = struct.Struct(">LL")


class Kind(IntEnum):
    """Types of frames (RFC 9113 §6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


# Flags (RFC 9113 §6).
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20


class Setting(IntEnum):
    """What SETTINGS set (RFC 9113 §6.5.2, RFC 8441 §3)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


class Code(IntEnum):
    """Why a stream or a connection ends (RFC 9113 §7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def frame_head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """The nine bytes in front of *length* bytes of payload."""
    return _HEAD.pack(length << 8 | kind, flags, stream)


def fields_frames(stream: int, block: bytes, most: int, *, ended: bool) -> bytes:
    """A header block as HEADERS, and CONTINUATION frames where it is larger than *most* bytes."""
    flags = END_STREAM if ended else 0
    if len(block) <= most:
        return _HEAD.pack(len(block) << 8 | Kind.HEADERS, flags | END_HEADERS, stream) + block
    pieces = [frame(Kind.HEADERS, flags, stream, block[:most])]
    for at in range(most, len(block), most):
        piece = block[at : at + most]
        pieces.append(frame(Kind.CONTINUATION, END_HEADERS if at + most >= len(block) else 0, stream, piece))
    return b"".join(pieces)


def settings_frame(settings: Mapping[Setting, int]) -> bytes:
    """SETTINGS that say *settings*."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in settings.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings in a payload, in order, unknown ones included."""
    return list(_SETTING.iter_unpack(payload))


def window_update(stream: int, size: int) -> bytes:
    """WINDOW_UPDATE by *size* bytes; stream 0: of the connection."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, _NUMBER.pack(size))


def rst_stream(stream: int, code: int) -> bytes:
    """RST_STREAM."""
    return frame(Kind.RST_STREAM, 0, stream, _NUMBER.pack(code))


def goaway(last: int, code: int) -> bytes:
    """GOAWAY; *last*: the highest stream that was, or may be, worked at."""
    return frame(Kind.GOAWAY, 0, 0, _TWO_NUMBERS.pack(last, code))


def read_number(payload: bytes) -> int:
    """The first four bytes, without the bit that is reserved."""
    number: int = _NUMBER.unpack_from(payload)[0]
    return number & 0x7FFFFFFF
