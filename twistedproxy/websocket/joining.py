"""What a side of a WebSocket tells to whoever joins it to the other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twistedproxy.websocket.side import Side


class Joining(Protocol):
    """
    Who joins two sides.

    :ivar reactor: whose time it is
    """

    reactor: IReactorTime

    def piece(self, source: Side, opcode: int, data: bytes, first: bool, last: bool) -> None:
        """A part of a message has come from *source*."""

    def close_came(self, source: Side, code: int | None, reason: bytes) -> None:
        """*source* has sent a Close frame, *code* None for an empty one; nothing more is read of it."""

    def violated(self, source: Side, code: int, reason: str) -> None:
        """*source* broke a rule, and is to be told *code*; nothing more is read of it."""

    def left(self, source: Side) -> None:
        """*source* sends nothing more, not even Close."""

    def lost(self, source: Side, broken: bool) -> None:
        """The connection of *source* is gone; *broken*: not in order."""

    def full(self, sink: Side) -> None:
        """*sink* takes what it is sent too slowly."""

    def drained(self, sink: Side) -> None:
        """*sink* has taken all that it was sent."""

    def now(self) -> float:
        """Monotonic seconds."""
