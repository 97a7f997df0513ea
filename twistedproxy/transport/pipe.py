"""
A connection in memory: two ends, each a transport as :class:`twistedproxy.transport.tcp.Connection` is one.

What one end writes, the other's protocol gets in a later turn of the reactor, never from within the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from twisted.internet import error, main
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer, ITransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.sending import HIGH_WATER

_DONE: Final = Failure(main.CONNECTION_DONE)
_CUT: Final = Failure(error.ConnectionLost("the other end has cut the connection"))


@implementer(ITransport, IPushProducer)
class PipeEnd:
    """
    One end.

    :ivar protocol: who receives the bytes; may be exchanged at any time
    :ivar pending: bytes written that the other end has not taken yet
    :ivar high_water: the producer is paused when more than so many bytes are pending
    :ivar reading: what comes is taken now
    :ivar other: the other end
    :ivar peer_address: what it is told of who is at the other end; *host_address*: of where that one came to
    :ivar origin: whatever the two ends know of each other besides
    """

    hears_last_words = True

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.peer_address: Any = None
        self.host_address: Any = None
        self.origin: Any = None
        self.other: PipeEnd
        self.protocol: IProtocol = Protocol()
        self._queue: deque[bytes] = deque()
        self.pending = 0
        self.drained = 0
        self.high_water = HIGH_WATER
        self.reading = True
        self.disconnected = False
        self.disconnecting = False
        self._half_closing = False
        self._write_done = False
        self._end_told = False
        self._cut = False
        self._due = False
        self._producer: Any = None
        self._producer_paused = False

    # Sending.

    @property
    def acknowledged(self) -> int:
        """Bytes that the other end has, on a scale of its own."""
        return self.drained

    def write(self, data: bytes) -> None:
        """Send *data*."""
        if data and not (self.disconnected or self.disconnecting or self._half_closing):
            self._queue.append(data)
            self.pending += len(data)
            self._hold_producer()
            self.other._look_soon()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces in order."""
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let *producer* be paused while much waits.

        :raises RuntimeError: one is registered already
        """
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is registered already")
        if self.disconnected:
            producer.stopProducing()
            return
        self._producer = producer
        self._hold_producer()
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """The producer is done; a close that was asked for happens when all was sent."""
        self._producer = None
        self._producer_paused = False
        self._settle()

    def _hold_producer(self) -> None:
        if self._producer is not None and not self._producer_paused and self.pending > self.high_water:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _taken(self) -> bytes:
        """All that waits for the other end, which takes it."""
        data = self._queue[0] if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        self.drained += self.pending
        self.pending = 0
        return data

    def _room(self) -> None:
        """The other end has taken all."""
        if self._producer_paused and not self.pending:
            self._producer_paused = False
            self._producer.resumeProducing()
        self._settle()

    def _settle(self) -> None:
        """Close what was to be closed when all was sent."""
        if self.pending or self._producer is not None or self.disconnected:
            return
        if self.disconnecting:
            self._lose(_DONE)
        elif self._half_closing and not self._write_done:
            self._write_done = True
            self.other._look_soon()

    # Receiving.

    def _look_soon(self) -> None:
        if not self._due and not self.disconnected:
            self._due = True
            self._reactor.callLater(0, self._look)

    def _look(self) -> None:
        self._due = False
        other = self.other
        if self.disconnected:
            return
        if self._cut:
            self._lose(_CUT)
            return
        if self.reading and other._queue:
            self.protocol.dataReceived(other._taken())
            other._room()
            if other._queue or other._write_done or other.disconnected:
                self._look_soon()
            return
        if other._queue or self.disconnected:
            return
        if other.disconnected:
            self._lose(_DONE)
        elif other._write_done and not self._end_told:
            self._end_told = True
            half_closeable = IHalfCloseableProtocol(self.protocol, None)
            if self._write_done or half_closeable is None:
                self._lose(_DONE)
            else:
                half_closeable.readConnectionLost()
        elif other._write_done and self._write_done:
            self._lose(_DONE)

    def is_quiet(self, *, and_open: bool) -> bool:
        """Whether nothing has come that was not read, and the other end stands."""
        return not self.other._queue and not self.other._write_done and not self.other.disconnected

    def pauseProducing(self) -> None:
        """Take nothing for now."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Take what comes."""
        if not self.reading:
            self.reading = True
            self._look_soon()

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    # Ending.

    def loseWriteConnection(self) -> None:
        """Send nothing more behind what was written."""
        if not (self.disconnected or self.disconnecting or self._half_closing):
            self._half_closing = True
            self._settle()

    def loseConnection(self) -> None:
        """Close when all was sent."""
        if not (self.disconnected or self.disconnecting):
            self.disconnecting = True
            self._settle()

    def abortConnection(self) -> None:
        """Close at once: what was not taken is lost, and the other end can tell."""
        if not self.disconnected:
            self._queue.clear()
            self.pending = 0
            self.other._cut = True
            self._lose(Failure(error.ConnectionAborted()))

    def _lose(self, reason: Failure) -> None:
        self.disconnected = self.disconnecting = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, Protocol()
        self.other._look_soon()
        protocol.connectionLost(reason)

    # What sockets know.

    def getPeer(self) -> Any:
        """Who is at the other end."""
        return self.peer_address

    def getHost(self) -> Any:
        """Where it came to."""
        return self.host_address

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nobody leaves unnoticed."""


def pipe(reactor: Any) -> tuple[PipeEnd, PipeEnd]:
    """Two ends of a connection; *reactor* has an ``IReactorTime``."""
    one, other = PipeEnd(reactor), PipeEnd(reactor)
    one.other, other.other = other, one
    return one, other
