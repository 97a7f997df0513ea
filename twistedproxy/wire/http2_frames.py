"""
The frames of an HTTP/2 client as they come, seen before they are understood: how many of which kind (RFC 9113 §4, §10.5).

Frames are cheap to send and dear to take.  Here only their nine-byte heads are read, so that whoever sends more of the idle
kinds than any client needs is turned away before their contents cost anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

#: What a client sends first (RFC 9113 §3.4).
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_HEAD: Final = 9
_END_STREAM: Final = 0x1
#: Seconds over which frames are counted.
WINDOW: Final = 10.0
#: Frames that continue one head; each may hold 16 KiB.
_MOST_CONTINUATIONS: Final = 8
#: Bytes of a GOAWAY that is looked into; its debug data is of no interest.
_LONGEST_GOAWAY: Final = 16 * 1024


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


class Flood(Exception):
    """A client sends more of something than it can need; the text says of what."""


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """
    Frames that a client may send within :data:`WINDOW` seconds.

    :ivar control: of SETTINGS, of PING, of PRIORITY, and of DATA without data: of each so many
    :ivar resets: RST_STREAM, besides a tenth of the streams that it opens
    """

    control: int = 100
    resets: int = 100


class FrameCounter:
    """
    Counts the frames of one client, however its bytes are split.

    :ivar goaway: the client has said that it opens no more streams (RFC 9113 §6.8)
    """

    __slots__ = (
        "_continuations",
        "_counts",
        "_goaway_left",
        "_head",
        "_left",
        "_limits",
        "_other",
        "_resets",
        "_since",
        "_streams",
        "_updates",
        "_updates_earned",
        "goaway",
    )

    def __init__(self, limits: FrameLimits, now: float) -> None:
        self._limits = limits
        self._left = len(PREFACE)
        self._head = b""
        self._goaway_left = 0
        self._continuations = 0
        self._since = now
        self.goaway = False
        self._restart()

    def _restart(self) -> None:
        self._counts = [0] * 10
        self._streams = 0
        self._resets = 0
        self._updates = self._updates_earned = 0
        self._other = 0

    def feed(self, data: bytes, now: float) -> bytes:
        """
        Count the frames in *data*, and return them without any GOAWAY: that a client leaves is no reason to end what runs.

        :raises Flood: there are too many of a kind
        """
        if now - self._since >= WINDOW:
            self._since = now
            self._restart()
        position = 0
        size = len(data)
        kept: list[bytes] | None = None
        start = 0  # of what is passed on and not in kept yet
        while position < size:
            if self._goaway_left:
                step = min(self._goaway_left, size - position)
                self._goaway_left -= step
                position += step
                start = position
                continue
            if self._left:
                step = min(self._left, size - position)
                self._left -= step
                position += step
                continue
            before = len(self._head)
            self._head += data[position : position + _HEAD - before]
            position += len(self._head) - before
            if len(self._head) < _HEAD:
                if kept is None:
                    kept = []
                kept.append(data[start : position - (len(self._head) - before)])
                start = position
                break
            head, self._head = self._head, b""
            length = int.from_bytes(head[:3], "big")
            self._count(head[3], head[4], length)
            stripped = head[3] == Kind.GOAWAY and 8 <= length <= _LONGEST_GOAWAY and not any(head[5:9])
            if stripped:
                self.goaway = True
                self._goaway_left = length
            else:
                self._left = length
            if stripped or before:
                # The part of the head that came before was held back.
                if kept is None:
                    kept = []
                kept.append(data[start : position - (_HEAD - before)])
                if not stripped:
                    kept.append(head)
                start = position
        if kept is None:
            return data if start == 0 else data[start:]
        kept.append(data[start:])
        return b"".join(kept)

    def _count(self, kind: int, flags: int, length: int) -> None:
        if kind > Kind.CONTINUATION:
            # RFC 9113 §5.5: unknown frames are passed over, in reason.
            self._other += 1
            if self._other > 10 * self._limits.control:
                raise Flood("frames of unknown types")
            return
        if kind == Kind.CONTINUATION:
            self._continuations += 1
            if self._continuations > _MOST_CONTINUATIONS:
                raise Flood("CONTINUATION frames")
            return
        if kind == Kind.HEADERS:
            self._continuations = 0
            self._streams += 1
        elif kind == Kind.DATA:
            if length == 0 and not flags & _END_STREAM:
                self._more(kind, "DATA frames without data")
        elif kind == Kind.RST_STREAM:
            self.reset()
        elif kind == Kind.WINDOW_UPDATE:
            self._updates += 1
            if self._updates > 100 * self._limits.control + 4 * self._updates_earned:
                raise Flood("WINDOW_UPDATE frames")
        elif kind != Kind.GOAWAY:
            self._more(kind, f"{Kind(kind).name} frames")

    def _more(self, kind: int, what: str) -> None:
        self._counts[kind] += 1
        if self._counts[kind] > self._limits.control:
            raise Flood(what)

    def sent(self, frames: int) -> None:
        """We have sent so many DATA frames: each may earn an update or two of windows."""
        self._updates_earned += frames

    def reset(self) -> None:
        """
        A stream was reset, by the client, or by us for what the client had done: both cost the work that was begun for it.

        :raises Flood: that happens too often (CVE-2023-44487, CVE-2025-8671)
        """
        self._resets += 1
        if self._resets > self._limits.resets + self._streams // 10:
            raise Flood("streams that are reset")
