"""A stream of HTTP/2 as one end of a tunnel: a transport for what follows an extended CONNECT (RFC 8441)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import error, main
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.websocket.side import Side
from twistedproxy.wire.http2_frames import Code

if TYPE_CHECKING:
    from twistedproxy.downstream.http2_stream import Stream

_DONE: Final = Failure(main.CONNECTION_DONE)


@implementer(ITransport)
class TunnelEnd:
    """
    What :class:`twistedproxy.transport.tcp.Connection` is to a tunnel, over a stream.

    :ivar protocol: who receives the bytes; may be exchanged at any time
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.protocol: IProtocol = Protocol()
        self.disconnected = False
        self.disconnecting = False
        self._paused = True
        self._held = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that wait for the client."""
        return self._stream.pending

    @property
    def reading(self) -> bool:
        """Whether what the client sends is taken now."""
        return not self._paused

    # From the stream.

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; at most a window of them comes while nobody reads."""
        if self._paused:
            self._held += data
        else:
            self.protocol.dataReceived(data)

    def ended(self) -> None:
        """The client sends nothing more."""
        if self.disconnected:
            return
        if self._stream.sent_end:
            self._lose(_DONE)
        elif self._paused or (isinstance(self.protocol, Side) and self.protocol.close_received):
            # A Close is still to be answered: browsers end their direction behind theirs.
            return
        else:
            half_closeable = IHalfCloseableProtocol(self.protocol, None)
            if half_closeable is not None:
                half_closeable.readConnectionLost()
            else:
                self._stream.end_sending()
                self._lose(_DONE)

    def lost(self) -> None:
        """The stream was reset."""
        self._lose(Failure(error.ConnectionLost("the stream was reset")))

    def flushed(self) -> None:
        """All that was written is sent, the end of the stream included."""
        if self.disconnecting:
            self._lose(_DONE)
        elif self._stream.received_end:
            # Both directions are over, as the protocol hears, but not from within its own call.
            self._stream.look_soon()

    def over(self) -> None:
        """Both directions have been over for a moment."""
        self._lose(_DONE)

    def _lose(self, reason: Failure) -> None:
        if not self.disconnected:
            self.disconnected = self.disconnecting = True
            self._stream.carrier = None
            protocol, self.protocol = self.protocol, Protocol()
            protocol.connectionLost(reason)

    # To the tunnel.

    def write(self, data: bytes) -> None:
        """Send *data* as the windows allow."""
        self._stream.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces in order."""
        for piece in data:
            self._stream.write(piece)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Hold *producer* back while much waits."""
        self._stream.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The producer is done."""
        self._stream.unregisterProducer()

    def pauseProducing(self) -> None:
        """Take nothing more: the client's window stays closed."""
        self._paused = True
        self._stream.pause_request()

    def resumeProducing(self) -> None:
        """Take what the client sends."""
        if self._paused and not self.disconnected:
            self._paused = False
            if self._held:
                held, self._held = bytes(self._held), bytearray()
                self.protocol.dataReceived(held)
            if not self._paused:
                self._stream.resume_request()
                if self._stream.received_end:
                    self.ended()

    def loseWriteConnection(self) -> None:
        """End our direction when all was sent."""
        self._stream.end_sending()

    def loseConnection(self) -> None:
        """End both directions when all was sent."""
        if not self.disconnecting:
            self.disconnecting = True
            if self._stream.sent_end:
                self._lose(_DONE)
            else:
                self._stream.end_sending()

    def abortConnection(self) -> None:
        """Reset the stream."""
        if not self.disconnected:
            self._stream.reset(Code.CANCEL)
            self._lose(Failure(error.ConnectionAborted()))

    def getPeer(self) -> Any:
        """The client's address."""
        return self._stream.connection.transport.getPeer()

    def getHost(self) -> Any:
        """Our address."""
        return self._stream.connection.transport.getHost()
