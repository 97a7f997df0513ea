"""What has come of a request's body, as long as it may be needed once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedproxy.message import Headers
from twistedproxy.wire.framing import Piece

#: Bytes of a request's body that are kept for a peer that is not connected yet, or for another attempt.
KEPT: Final = 64 * 1024


class RequestBody:
    """
    The body of one request, on its way to a peer.

    Until an attempt sends it, all that comes is kept, and the client is held back beyond :attr:`limit` bytes.  Afterwards what
    came is kept on as long as all of it is small, so that another attempt can send it again.

    :ivar size: bytes that have come
    :ivar limit: the client is held back beyond so many bytes, as long as no peer takes them
    :ivar trailers: that came behind it, or None
    :ivar replayable: everything that has come is still here
    """

    __slots__ = ("_kept", "limit", "replayable", "size", "trailers")

    def __init__(self) -> None:
        self._kept: bytes | bytearray = b""
        self.size = 0
        self.limit = KEPT
        self.replayable = True
        self.trailers: Headers | None = None

    def add(self, pieces: Sequence[Piece], sent: bool) -> None:
        """*pieces* have come; *sent*: they are on their way to a peer already."""
        for piece in pieces:
            self.size += len(piece)
        if not self.replayable:
            return
        if sent and self.size > self.limit:
            self.forget()
        elif not self._kept and len(pieces) == 1 and isinstance(pieces[0], bytes):
            self._kept = pieces[0]
        elif pieces:
            # Copied: a piece may be a small part of a large read, which it would keep alive.
            if not isinstance(self._kept, bytearray):
                self._kept = bytearray(self._kept)
            for piece in pieces:
                self._kept += piece

    @property
    def is_full(self) -> bool:
        """Whether the client should be held back until a peer takes what is here."""
        return self.size > self.limit

    def pieces(self) -> tuple[bytes, ...]:
        """All that has come, for an attempt that begins."""
        assert self.replayable
        return (bytes(self._kept),) if self._kept else ()

    def passed_on(self) -> None:
        """An attempt has sent what was here."""
        if self.size > self.limit:
            self.forget()

    def forget(self) -> None:
        """It will not be sent again."""
        self._kept = b""
        self.replayable = False
