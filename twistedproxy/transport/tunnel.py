"""
A tunnel: two transports joined, byte for byte, until both directions have ended.

Each direction ends by itself (half close); a slow side holds the other back; a tunnel on which nothing moves for the idle
timeout is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.deadlines import Deadlines, Timed

#: Seconds within which a side must take some of what is left for it, once the other side is gone.
_GRACE: Final = 30.0


class TunnelEnd(Enum):
    """How a tunnel ended."""

    ORDERLY = "both directions have ended, or one side closed"
    IDLE = "nothing moved for too long"
    CLIENT = "the client broke its connection"
    PEER = "the peer broke its connection"
    CUT = "it was cut"


class Joined(Protocol):
    """
    What two connections have become.

    :ivar route_name: the route that it came by, and
    :ivar peer_name: the peer that it leads to, for those who look
    :ivar bytes_up: bytes that came from the client, *bytes_down*: from the peer
    """

    route_name: str
    peer_name: str

    @property
    def bytes_up(self) -> int: ...

    @property
    def bytes_down(self) -> int: ...

    def stop(self) -> None:
        """End it because the proxy stops."""

    def cut(self) -> None:
        """End it at once."""


class Tunnel(Timed):
    """
    Two joined transports, as :class:`Joined`.

    :ivar end: how it ended; orderly as long as nothing else has happened
    """

    __slots__ = (
        "_deadlines",
        "_down",
        "_half_close_timeout",
        "_idle_timeout",
        "_left",
        "_on_end",
        "_up",
        "end",
        "peer_name",
        "route_name",
    )

    def __init__(
        self,
        client: Any,
        peer: Any,
        deadlines: Deadlines,
        idle_timeout: float,
        half_close_timeout: float,
        on_end: Callable[[Tunnel], None],
    ) -> None:
        """
        :param idle_timeout: seconds after which a tunnel is cut in which nothing moves
        :param half_close_timeout: the same once one direction has ended: the side that is left may not have noticed
        """
        super().__init__()
        self.route_name = self.peer_name = ""
        self.end = TunnelEnd.ORDERLY
        self._deadlines = deadlines
        self._idle_timeout = idle_timeout
        self._half_close_timeout = half_close_timeout
        #: What waits for the last side when everything else is over; None before.
        self._left: int | None = None
        self._on_end: Callable[[Tunnel], None] | None = on_end
        self._up = _Direction(self, client, peer)
        self._down = _Direction(self, peer, client)

    @property
    def bytes_up(self) -> int:
        """Bytes that came from the client."""
        return self._up.bytes

    @property
    def bytes_down(self) -> int:
        """Bytes that came from the peer."""
        return self._down.bytes

    @property
    def last_activity(self) -> float:
        """Monotonic time at which a byte moved last."""
        return max(self._up.moved, self._down.moved)

    def start(self, from_client: bytes, from_peer: bytes) -> None:
        """Join the two; what was read of either side already goes first."""
        self._deadlines.watch(self, self._deadlines.now() + self._idle_timeout)
        up, down = self._up, self._down
        down.source.protocol, up.source.protocol = down, up
        down.sink.registerProducer(down, True)
        up.sink.registerProducer(up, True)
        if from_peer:
            down.dataReceived(from_peer)
        if from_client:
            up.dataReceived(from_client)
        up.source.resumeProducing()
        down.source.resumeProducing()

    def deadline_passed(self, now: float) -> None:
        """Cut the tunnel if nothing moved in the meantime."""
        if self._left is not None:
            self._flush_on(now)
            return
        idle_until = self.last_activity + self._idle_timeout
        if idle_until > now:
            self._deadlines.watch(self, idle_until)
        else:
            self.end = TunnelEnd.IDLE
            self.cut()

    def cut(self) -> None:
        """End both directions at once."""
        if self.end is TunnelEnd.ORDERLY:
            self.end = TunnelEnd.CUT
        self._up.source.abortConnection()
        self._down.source.abortConnection()

    def stop(self) -> None:
        """The proxy stops: a tunnel knows no end of its own that could be waited for."""
        self.cut()

    def close(self) -> None:
        """End both directions in order: each side gets what was sent to it."""
        for direction in (self._up, self._down):
            if not direction.ended:
                direction.readConnectionLost()

    def _direction_ended(self) -> None:
        self._idle_timeout = min(self._idle_timeout, self._half_close_timeout)
        self._deadlines.watch(self, self._deadlines.now() + self._idle_timeout)
        if self._up.ended and self._down.ended:
            self._up.source.loseConnection()
            self._down.source.loseConnection()
            self._flush()

    def _flush(self) -> None:
        """Nothing more will come; what waits for a side that does not take it does so for a while only."""
        if not (self._up.gone and self._down.gone):
            self._left = self._up.source.pending + self._down.source.pending
            self._deadlines.watch(self, self._deadlines.now() + _GRACE)

    def _flush_on(self, now: float) -> None:
        left = self._up.source.pending + self._down.source.pending
        if left == self._left:
            self.end = TunnelEnd.IDLE
            self.cut()
        else:
            self._left = left
            self._deadlines.watch(self, now + _GRACE)

    def _lost(self, which: _Direction) -> None:
        """A transport is gone: nothing can come from it or go to it any more."""
        other = self._down if which is self._up else self._up
        which.ended = True
        if which.broken:
            if self.end is TunnelEnd.ORDERLY:
                self.end = TunnelEnd.CLIENT if which is self._up else TunnelEnd.PEER
            other.source.abortConnection()
        else:
            # What it sent is delivered first; what was for it is lost.
            other.source.loseConnection()
            self._flush()
        if self._up.gone and self._down.gone and self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            self._deadlines.forget(self)
            on_end(self)
            # Nothing is called any more; the circle would keep both transports until the garbage collector comes by.
            del self._up.tunnel, self._down.tunnel


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class _Direction:
    """One direction of a tunnel: the protocol of its source, and the producer of its sink."""

    __slots__ = ("_now", "_write", "broken", "bytes", "ended", "gone", "moved", "sink", "source", "tunnel")

    def __init__(self, tunnel: Tunnel, source: Any, sink: Any) -> None:
        self.tunnel = tunnel
        self.source = source
        self.sink = sink
        self._write = sink.write
        self._now = tunnel._deadlines.now
        self.moved = self._now()
        self.bytes = 0
        self.ended = False
        self.gone = False
        self.broken = False

    def dataReceived(self, data: bytes) -> None:
        self.bytes += len(data)
        self.moved = self._now()
        self._write(data)

    def readConnectionLost(self) -> None:
        """The source has sent all it will: the sink hears so once it has got everything."""
        self.ended = True
        self.sink.unregisterProducer()
        self.sink.loseWriteConnection()
        self.tunnel._direction_ended()

    def writeConnectionLost(self) -> None:
        """Of no interest: the other direction knows."""

    def connectionMade(self) -> None:
        """The transport was connected long ago."""

    def makeConnection(self, transport: object) -> None:
        """The transport was connected long ago."""

    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        self.broken = reason.check(ConnectionDone) is None
        if not self.ended:
            self.sink.unregisterProducer()
        self.tunnel._lost(self)

    def pauseProducing(self) -> None:
        self.source.pauseProducing()

    def resumeProducing(self) -> None:
        if not self.ended:
            self.source.resumeProducing()

    def stopProducing(self) -> None:
        """The sink is gone: its own direction tells the tunnel."""
