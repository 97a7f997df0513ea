"""
Messages to a syslog server over TCP (RFC 6587) or TLS (RFC 5425), each with its length before it.

Syslog has no acknowledgements: what was handed to the kernel when a connection breaks may be lost, whoever sends it.  What was
not is sent on the next connection, which is tried again and again, at most half a minute apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.logs.syslog_messages import Messages, framed
from twistedproxy.settings.logs import SyslogTarget

#: Bytes handed over in one go; more follow when the kernel has taken them.
_PORTION: Final = 64 * 1024
#: Seconds between attempts to connect: each time twice as many.
_LEAST_DELAY: Final = 1.0
_MOST_DELAY: Final = 30.0
#: Seconds after which a server that takes nothing is given up, for a connection that may lead to another one.
STALLED: Final = 30.0
#: Seconds that the last messages have at the end.
LAST: Final = 2.0


class SyslogStream:
    """
    Keeps a connection to a server; an :class:`twistedproxy.logs.output.Output`.

    :param endpoint: of *target*
    :param wall: the time in seconds since 1970
    :param reactor: times attempts to connect
    """

    def __init__(
        self, target: SyslogTarget, endpoint: IStreamClientEndpoint, messages: Messages, wall: Callable[[], float], reactor: Any
    ) -> None:
        self.name = str(target)
        self.lost = 0
        self._messages = messages
        self._wall = wall
        self._reactor = reactor
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._endpoint = endpoint
        self._factory = Factory.forProtocol(lambda: (_Secure if target.transport == "tls" else _Connection)(self))
        self._factory.noisy = False
        self._connecting: Deferred[Any] | None = None
        self._again: IDelayedCall | None = None
        self._delay = _LEAST_DELAY
        self._closed: Deferred[None] | None = None
        self._connection: _Connection | None = None
        self._problem = ""

    @property
    def pending(self) -> int:
        """Bytes of messages that were not handed over."""
        return self._bytes

    def open(self) -> None:
        """Begin to connect; whether that succeeds, :meth:`flush` tells."""
        self._closed = None
        self._connect()

    def _connect(self) -> None:
        self._again = None
        self._connecting = self._endpoint.connect(self._factory)
        self._connecting.addCallbacks(lambda _: None, self._unreached)

    def _unreached(self, failure: Failure) -> None:
        if self._closed is None:
            self._problem = failure.getErrorMessage() or type(failure.value).__name__
            self._connect_later()

    def _connect_later(self) -> None:
        if self._again is None:
            self._again = self._reactor.callLater(self._delay, self._connect)
            self._delay = min(2 * self._delay, _MOST_DELAY)

    def connected(self, connection: _Connection) -> None:
        """Messages go by *connection* from now on."""
        self._connection = connection
        self._problem = ""
        self._delay = _LEAST_DELAY
        self._pass_on(connection)

    def disconnected(self, connection: _Connection, reason: Failure) -> None:
        """*connection* is over."""
        if self._closed is not None:
            if not self._closed.called:
                self._closed.callback(None)
            return
        if connection is self._connection or self._connection is None:
            self._connection = None
            self._problem = self._problem or reason.getErrorMessage()
            self._connect_later()

    def add(self, lines: Sequence[bytes]) -> None:
        """Take *lines*."""
        for message in self._messages.of(lines, self._wall()):
            frame = framed(message)
            self._frames.append(frame)
            self._bytes += len(frame)

    def flush(self) -> None:
        """Hand over what the connection takes; raises OSError when there is none."""
        connection = self._connection
        if connection is None:
            if self._problem:
                raise OSError(self._problem)
            return
        self._pass_on(connection)
        if connection.full_since is not None and self.now() - connection.full_since >= STALLED:
            self._problem = "the server reads nothing"
            connection.abort()
            raise OSError(self._problem)

    def _pass_on(self, connection: _Connection) -> None:
        while self._frames and connection.full_since is None:
            portion, size = [], 0
            while self._frames and size < _PORTION:
                frame = self._frames.popleft()
                portion.append(frame)
                size += len(frame)
            self._bytes -= size
            connection.write(b"".join(portion))

    def now(self) -> float:
        """The time, in seconds."""
        return float(self._reactor.seconds())

    def room(self, connection: _Connection) -> None:
        """*connection* takes more."""
        if connection is self._connection:
            self._pass_on(connection)

    def reopen(self) -> None:
        """There is nothing to begin anew: a connection is as good as the next one."""

    def close(self) -> Deferred[None] | None:
        """End the connection when what was handed over is sent, or after :data:`LAST`."""
        closed = self._closed = Deferred()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        connection, self._connection = self._connection, None
        if connection is None:
            if self._connecting is not None:
                self._connecting.cancel()
            return None
        connection.finish(b"".join(self._frames))
        self._frames.clear()
        self._bytes = 0
        closed.addTimeout(LAST, self._reactor)
        closed.addErrback(lambda _: connection.abort())
        return closed


@implementer(IPushProducer)
class _Connection(Protocol):
    """
    One connection with the server, which has nothing to say.

    :ivar full_since: when it took no more; None as long as it does
    """

    def __init__(self, output: SyslogStream) -> None:
        self._output = output
        self.full_since: float | None = None

    def connectionMade(self) -> None:
        """The connection stands."""
        self.begin()

    def begin(self) -> None:
        """Messages may be sent."""
        transport: Any = self.transport
        if hasattr(transport, "setTcpKeepAlive"):
            transport.setTcpKeepAlive(True)
        transport.registerProducer(self, True)
        self._output.connected(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self._output.disconnected(self, reason)

    def write(self, data: bytes) -> None:
        """Send *data*."""
        transport: Any = self.transport
        transport.write(data)

    def finish(self, data: bytes) -> None:
        """Send *data*, the last, whether the server is behind or not."""
        transport: Any = self.transport
        # With a producer that is paused, a transport never closes.
        transport.unregisterProducer()
        transport.write(data)
        transport.loseConnection()

    def abort(self) -> None:
        """End it at once."""
        transport: Any = self.transport
        transport.abortConnection()

    def pauseProducing(self) -> None:
        """The server is behind."""
        if self.full_since is None:
            self.full_since = self._output.now()

    def resumeProducing(self) -> None:
        """It has caught up."""
        self.full_since = None
        self._output.room(self)

    def stopProducing(self) -> None:
        """The connection is lost, which :meth:`connectionLost` tells."""


@implementer(IHandshakeListener)
class _Secure(_Connection):
    """One by TLS: what is sent before it is known who the server is would be lost if it is somebody else."""

    def connectionMade(self) -> None:
        """The handshake comes first."""

    def handshakeCompleted(self) -> None:
        """The server is who it should be."""
        self.begin()
