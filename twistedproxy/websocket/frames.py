"""Frames as they are sent (RFC 6455 §5.2); what comes in is read by autobahn."""

from __future__ import annotations

import os
from typing import Any, Final

from autobahn.websocket import xormasker

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_masker: Final[Any] = vars(xormasker)["create_xor_masker"]
#: Up to here one large number is masked faster than autobahn's masker is made.
_SMALL: Final = 4096


def frame_head(opcode: int, size: int, *, fin: bool = True, rsv: int = 0, mask: bytes = b"") -> bytes:
    """The head of a frame with a payload of *size* bytes; *mask* is empty towards clients (RFC 6455 §5.1)."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0x80 if mask else 0
    if size < 126:
        return b"%c%c%b" % (first, masked | size, mask)
    if size < 1 << 16:
        return b"%c%c%b%b" % (first, masked | 126, size.to_bytes(2), mask)
    return b"%c%c%b%b" % (first, masked | 127, size.to_bytes(8), mask)


def new_mask() -> bytes:
    """A mask that nobody can foresee (RFC 6455 §5.3, §10.3)."""
    return os.urandom(4)


def masked(data: bytes, mask: bytes) -> bytes:
    """*data* with the mask laid on, or taken off (RFC 6455 §5.3)."""
    size = len(data)
    if size <= _SMALL:
        key = (mask * (size // 4 + 1))[:size]
        return (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(size)
    return bytes(_masker(mask, size).process(data))
