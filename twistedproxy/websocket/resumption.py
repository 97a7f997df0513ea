"""
Resumption: the client's connection outlives that of the peer, and another peer takes over.

The first messages of the client (a hello, a login, subscriptions) are remembered, and said again to the new peer.  What the
client says meanwhile waits; when as much waits as may, the client is not read.  What was on its way to the peer that is gone, and
what that one had not sent yet, is lost: only protocols that bear this should be resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.websocket.side import WAITING, PeerSide, Side

if TYPE_CHECKING:
    from twistedproxy.websocket.deflate import Deflate
    from twistedproxy.websocket.relay import Relay

#: Codes of a peer that goes away rather than that it has ended the conversation (RFC 6455 §7.4.1, and the registry of IANA).
LEAVING: Final = frozenset((1001, 1012, 1013))
#: The client's, when nobody takes over: service restart; try again later.
RESTARTED: Final = 1012
LATER: Final = 1013
#: Bytes of first messages that are remembered; who says more at first is not resumed.
_REMEMBERED: Final = 256 * 1024
#: Bytes of messages that wait for another peer, beyond which the client is not read.
_WAITING: Final = 256 * 1024
_LINGER: Final = 2.0


class Resumption:
    """
    What one WebSocket needs to go on with another peer.

    :ivar redialling: there is no peer at present
    :ivar times: how often another peer has taken over
    """

    def __init__(self, relay: Relay, redial: Callable[[], None], deadlines: Deadlines) -> None:
        """*redial* looks for another peer, and calls :meth:`resumed` or :meth:`failed`."""
        self._relay = relay
        self._redial = redial
        self._deadlines = deadlines
        settings = relay.settings
        self._most_first = settings.websocket_resume
        self._most_waiting = settings.websocket_resume_waiting
        self._first: list[tuple[int, bytes]] = []
        self._size = 0
        self._waiting: list[tuple[int, bytes]] = []
        self._waiting_size = 0
        self.redialling = False
        self.times = 0

    def passes(self, opcode: int, data: bytes) -> bool:
        """Note a message of the client; whether it goes to the peer now."""
        if self.redialling:
            self._waiting.append((opcode, data))
            self._waiting_size += len(data)
            if len(self._waiting) >= self._most_waiting or self._waiting_size >= _WAITING:
                self._relay.client.hold(WAITING)
            return False
        self._note(opcode, data)
        return True

    def _note(self, opcode: int, data: bytes) -> None:
        if len(self._first) < self._most_first:
            self._size += len(data)
            if self._size <= _REMEMBERED:
                self._first.append((opcode, data))
            else:
                # It is not resumed, so nothing of this is needed.
                self._first.clear()
                self._most_first = 0

    def begin(self) -> bool:
        """The peer is gone, or about to go: look for another; False when that cannot be done."""
        client = self._relay.client
        if client.ended or client.close_sent or self._size > _REMEMBERED:
            return False
        if not self.redialling:
            self.redialling = True
            old = self._relay.peer
            if not old.gone:
                Retired(old, self._deadlines)
            self._redial()
        return True

    def resumed(self, transport: Any, codec: Deflate | None, deflates: bool, rest: bytes) -> None:
        """Another peer has agreed: it hears what was said at first, and what has waited."""
        self.redialling = False
        self.times += 1
        relay = self._relay
        relay.take_peer(transport, codec, deflates)
        for message in self._first:
            relay.peer.send_message(*message)
        waiting, self._waiting = self._waiting, []
        self._waiting_size = 0
        for message in waiting:
            self._note(*message)
            relay.peer.send_message(*message)
        relay.begin_peer(rest)
        relay.client.release(WAITING)

    def failed(self, code: int) -> None:
        """Nobody takes over."""
        self.redialling = False
        self._waiting = []
        self._waiting_size = 0
        self._relay.client.release(WAITING)
        self._relay.end(code, "no peer can take over" if code == LATER else "the peer was restarted")


class Retired(Timed):
    """What is left of a peer that another one has replaced: its connection is closed in order, and nobody listens to it."""

    __slots__ = ("_deadlines", "_side", "reactor")

    def __init__(self, side: PeerSide, deadlines: Deadlines) -> None:
        super().__init__()
        self._side = side
        self._deadlines = deadlines
        self.reactor = side.relay.reactor
        side.relay = self
        side.send_close(1001, b"")
        side.stop_reading()
        side.transport.unregisterProducer()
        # The relay has nothing more to do with it.
        side.gone = True
        deadlines.watch(self, self.now() + _LINGER)

    def now(self) -> float:
        """Monotonic seconds."""
        return self._deadlines.now()

    def deadline_passed(self, now: float) -> None:
        self._side.transport.abortConnection()

    def left(self, source: Side) -> None:
        source.transport.loseConnection()

    def lost(self, source: Side, broken: bool) -> None:
        self.deadline = inf
        self._deadlines.forget(self)

    def piece(self, source: Side, opcode: int, data: bytes, first: bool, last: bool) -> None:
        """Too late."""

    def close_came(self, source: Side, code: int | None, reason: bytes) -> None:
        """It was told already."""

    def violated(self, source: Side, code: int, reason: str) -> None:
        """It was told already."""

    def full(self, sink: Side) -> None:
        """Nothing more is sent to it."""

    def drained(self, sink: Side) -> None:
        """Nothing more is sent to it."""
