"""
Floods: how many frames of which kind the other side of an HTTP/2 connection may send (RFC 9113 §10.5).

Frames are cheap to send and dear to take.  Whoever sends more of the idle kinds than anybody needs is sent away.  What we send
earns some of them: windows are opened for DATA that came, and gRPC measures the line by a PING for DATA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Seconds over which frames are counted.
WINDOW: Final = 10.0
#: Frames that continue one head; each may hold 16 KiB.
_MOST_CONTINUATIONS: Final = 8


class Flood(Exception):
    """The other side sends more of something than it can need; the text says of what."""


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """
    Frames that may come within :data:`WINDOW` seconds.

    :ivar control: of SETTINGS, of PING, of PRIORITY, and of DATA without data: of each so many, and one for each DATA sent
    :ivar resets: streams that end by a reset, besides a tenth of those that were opened
    """

    control: int = 100
    resets: int = 100


class FrameCounter:
    """
    Counts what comes on one connection.

    :ivar streams: opened in this window
    :ivar sent: DATA frames that we have sent in it
    """

    __slots__ = ("_continuations", "_counts", "_limits", "_other", "_resets", "_since", "_updates", "sent", "streams")

    def __init__(self, limits: FrameLimits, now: float) -> None:
        self._limits = limits
        self._continuations = 0
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._since = now
        self._counts: dict[str, int] = {}
        self._resets = self._updates = self._other = 0
        self.streams = self.sent = 0

    def at(self, now: float) -> None:
        """It is *now* (monotonic): a new window begins when the old one is over."""
        if now - self._since >= WINDOW:
            self._begin(now)

    def idle(self, what: str) -> None:
        """
        A frame of a kind that moves nothing; *what* people call such.

        :raises Flood: too many of that kind
        """
        count = self._counts[what] = self._counts.get(what, 0) + 1
        if count > self._limits.control + self.sent:
            raise Flood(what)

    def unknown(self) -> None:
        """
        A frame of an unknown type, which is passed over, in reason (RFC 9113 §5.5).

        :raises Flood: too many
        """
        self._other += 1
        if self._other > 10 * self._limits.control:
            raise Flood("frames of unknown types")

    def update(self) -> None:
        """
        A WINDOW_UPDATE: each DATA frame may earn some.

        :raises Flood: too many
        """
        self._updates += 1
        if self._updates > 100 * self._limits.control + 4 * self.sent:
            raise Flood("WINDOW_UPDATE frames")

    def head(self) -> None:
        """A header block begins."""
        self._continuations = 0

    def continuation(self) -> None:
        """
        It goes on.

        :raises Flood: that takes too many frames (CVE-2024-27316)
        """
        self._continuations += 1
        if self._continuations > _MOST_CONTINUATIONS:
            raise Flood("CONTINUATION frames")

    def reset(self) -> None:
        """
        A stream was reset, by the other side, or by us for what that had done: both cost the work that was begun for it.

        :raises Flood: that happens too often (CVE-2023-44487, CVE-2025-8671)
        """
        self._resets += 1
        if self._resets > self._limits.resets + self.streams // 10:
            raise Flood("streams that are reset")
