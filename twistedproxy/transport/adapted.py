"""
A transport of Twisted's own, or of anybody else, in the place of ours.

What endpoints give is an ``ITransport``: it pauses whoever produces too much, and does not say how much waits.  Here what it does
not take waits, so that it can be told; and what it delivers though it was paused waits likewise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet import error
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.transport.tcp import DONE

#: Bytes that are held of a transport that goes on though it was paused; beyond them it is cut.
_MOST_HELD: Final = 4 * 1024 * 1024
#: The protocol of connections that are gone; hears nothing.
_NOBODY: Final = Protocol()


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class AdaptedConnection:
    """
    The protocol of a transport of others, and what :class:`twistedproxy.transport.tcp.Connection` is to a protocol of ours.

    :ivar pending: bytes written that wait here because the other transport has enough; *drained*: that waited and went, ever
    """

    # What a TLS connection of ours knows, and nobody asks of others.
    sends_files = False
    server_name = None
    alpn = b""

    def __init__(self, protocol: IProtocol, preface: bytes = b"") -> None:
        self._protocol = protocol
        self._preface = preface
        self._transport: Any = None
        self._queue: deque[bytes] = deque()
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        #: The other side's end has come while nobody read.
        self._end_held = False
        self._congested = False
        self._producer: Any = None
        self._producer_paused = False
        self._half_closing = False
        self._read_done = False
        self._delivering = False
        self.reading = True
        self.pending = 0
        self.drained = 0
        self.high_water = HIGH_WATER
        self.hears_last_words = True
        self.disconnected = False
        self.disconnecting = False

    @property
    def protocol(self) -> IProtocol:
        """Who receives the bytes; may be exchanged at any time."""
        return self._protocol

    @protocol.setter
    def protocol(self, protocol: IProtocol) -> None:
        self._protocol = protocol

    @property
    def acknowledged(self) -> int:
        """As :attr:`twistedproxy.transport.sending.Sending.acknowledged`: what the other transport has taken counts."""
        return self.drained

    @property
    def is_secure(self) -> bool:
        """Whether the other transport has TLS, as far as it tells."""
        return hasattr(self._transport, "getPeerCertificate")

    def is_quiet(self, *, and_open: bool) -> bool:
        """As :meth:`twistedproxy.transport.tcp.Connection.is_quiet`; what has not been delivered nobody can know."""
        return not self._held and not self._end_held and not self.disconnected and not self._read_done

    # The protocol of the other transport.

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def makeConnection(self, transport: Any) -> None:
        self._transport = transport
        transport.registerProducer(_Room(self), True)
        if self._preface:
            self.write(self._preface)
        ours: Any = self
        self._protocol.makeConnection(ours)

    def dataReceived(self, data: bytes) -> None:
        if self.reading and not self._held:
            self._protocol.dataReceived(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _MOST_HELD:
            self.abortConnection()

    def readConnectionLost(self) -> None:
        if self._held or not self.reading:
            self._end_held = True
            return
        self._read_done = True
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is None or self.disconnecting:
            self.loseConnection()
        else:
            half_closeable.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Of no interest: we did that."""

    def connectionLost(self, reason: Failure) -> None:
        """The other transport is gone: our protocol hears what came before it, then this."""
        if self.disconnected:
            return
        if self._held and self.hears_last_words and not self.disconnecting:
            self.reading = True
            self._deliver_held()
        self._gone(reason)

    def _gone(self, reason: Failure) -> None:
        if self.disconnected:
            return
        self.disconnected = self.disconnecting = True
        self.reading = False
        self._queue.clear()
        self._held.clear()
        self.pending = 0
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        # Without this, protocol and transport would hold each other until the garbage collector comes by.
        protocol, self._protocol = self._protocol, _NOBODY
        protocol.connectionLost(reason)

    # Reading.

    def pauseProducing(self) -> None:
        """Stop reading, until :meth:`resumeProducing`."""
        if self.reading:
            self.reading = False
            _call(self._transport, "pauseProducing")

    def resumeProducing(self) -> None:
        """Read again."""
        if self.reading or self._read_done or self.disconnected:
            return
        self.reading = True
        self._deliver_held()
        if self.reading and not self.disconnected:
            _call(self._transport, "resumeProducing")

    def _deliver_held(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._held and self.reading and not self.disconnected:
                data = self._held.popleft()
                self._held_bytes -= len(data)
                self._protocol.dataReceived(data)
        finally:
            self._delivering = False
        if self._end_held and self.reading and not self._held and not self.disconnected:
            self._end_held = False
            self.readConnectionLost()

    def stopProducing(self) -> None:
        """Read and write no more."""
        self.loseConnection()

    # Writing.

    def write(self, data: bytes) -> None:
        """Send *data*, or let it wait while the other transport has enough."""
        if self.disconnecting or self._half_closing or not data:
            return
        if self._congested:
            self._queue.append(bytes(data))
            self.pending += len(data)
            self._hold_producer()
        else:
            self._transport.write(bytes(data))

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces in order."""
        self.write(b"".join(data))

    def put_off(self, call: Callable[[], None]) -> bool:
        """As :meth:`Sending.put_off`: never, for nobody knows what the reactor has at hand."""
        return False

    def congested(self) -> None:
        """The other transport has enough."""
        self._congested = True
        self._hold_producer()

    def relieved(self) -> None:
        """The other transport takes more."""
        self._congested = False
        while self._queue and not self._congested:
            data = self._queue.popleft()
            self.pending -= len(data)
            self.drained += len(data)
            self._transport.write(data)
        if self._congested or self.disconnected:
            return
        if self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if not self.pending and self._producer is None:
            self._end_if_asked()

    def _hold_producer(self) -> None:
        if self._producer is not None and not self._producer_paused and (self._congested or self.pending > self.high_water):
            self._producer_paused = True
            self._producer.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """As :meth:`twistedproxy.transport.sending.Sending.registerProducer`."""
        if not streaming:
            raise ValueError("only push producers (streaming=True) are served")
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is registered already")
        if self.disconnected:
            producer.stopProducing()
            return
        self._producer = producer
        self._hold_producer()

    def unregisterProducer(self) -> None:
        """The producer is done; an end that was asked for comes when all was sent."""
        self._producer = None
        self._producer_paused = False
        if not self.pending and not self.disconnected:
            self._end_if_asked()

    def _end_if_asked(self) -> None:
        if self.disconnecting:
            self._lose()
        elif self._half_closing:
            # Some transports, those of TLS for instance, know no half of an end: theirs comes with the whole one.
            _call(self._transport, "loseWriteConnection")

    # Ending.

    def loseConnection(self, _connDone: Failure = DONE) -> None:
        """Close when all was sent."""
        if self.disconnected or self.disconnecting:
            return
        self.disconnecting = True
        if not self.pending and self._producer is None:
            self._lose()

    def _lose(self) -> None:
        self._transport.unregisterProducer()
        self._transport.loseConnection()

    def loseWriteConnection(self) -> None:
        """Close the sending side when all was sent; go on reading."""
        if self.disconnected or self.disconnecting or self._half_closing:
            return
        self._half_closing = True
        if not self.pending and self._producer is None:
            self._end_if_asked()

    def abortConnection(self) -> None:
        """Close at once; what was not sent is lost."""
        if self.disconnected:
            return
        transport = self._transport
        if hasattr(transport, "abortConnection"):
            transport.abortConnection()
        else:
            transport.unregisterProducer()
            transport.loseConnection()
        # Who does not tell at once shall not tell more than this.
        self._gone(Failure(error.ConnectionAborted()))

    # Facts.

    def getPeer(self) -> Any:
        """The other side's address."""
        return self._transport.getPeer()

    def getHost(self) -> Any:
        """Our side's address."""
        return self._transport.getHost()

    def getTcpNoDelay(self) -> bool:
        return bool(_call(self._transport, "getTcpNoDelay"))

    def setTcpNoDelay(self, enabled: bool) -> None:
        _call(self._transport, "setTcpNoDelay", enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(_call(self._transport, "getTcpKeepAlive"))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        _call(self._transport, "setTcpKeepAlive", enabled)

    def logPrefix(self) -> str:
        return type(self._protocol).__name__


@implementer(IPushProducer)
class _Room:
    """Hears whether the other transport takes more."""

    def __init__(self, connection: AdaptedConnection) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        self._connection.congested()

    def resumeProducing(self) -> None:
        self._connection.relieved()

    def stopProducing(self) -> None:
        """The other transport is gone: it says so by itself."""


class Adapting(Factory):
    """
    Gives transports of others protocols of ours.

    :param made: the protocol for a client at an address, or None when it is not wanted
    """

    noisy = False

    def __init__(self, made: Callable[[Any], IProtocol | None], preface: bytes = b"") -> None:
        self._made = made
        self._preface = preface

    def buildProtocol(self, addr: Any) -> Any:
        protocol = self._made(addr)
        return None if protocol is None else AdaptedConnection(protocol, self._preface)


def _call(transport: Any, name: str, *arguments: Any) -> Any:
    """Call a method that not every transport has."""
    method = getattr(transport, name, None)
    return method(*arguments) if method is not None else None
