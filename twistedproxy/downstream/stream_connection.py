"""
A client's connection that is joined with one to a peer, byte for byte, whatever is spoken on it.

    choose     a peer of the pool; when all are full, a place in its queue
    connect    within connect_timeout; a peer that cannot be reached is no reason not to ask another one
    join       a tunnel: each direction ends by itself
    finish     on every path: the peer hears of the outcome, the log gets its line

Until there is a peer nothing is read of the client: what it sends waits in the kernel, whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.addresses import UNIX_CLIENTS, Address, Tcp, Unix
from twistedproxy.balance.peer import TO_BE_LEFT
from twistedproxy.downstream.arrival import Arrival
from twistedproxy.errors import Reason, Whose
from twistedproxy.forward.ends import address_of
from twistedproxy.forward.waiting import Place, wait
from twistedproxy.transport.deadlines import Timed
from twistedproxy.transport.tunnel import Tunnel, TunnelEnd
from twistedproxy.upstream.unreached import why_not_connected
from twistedproxy.verdicts import ChooseVerdict
from twistedproxy.wire.client_hello import ClientHello
from twistedproxy.wire.proxy_protocol import Ends

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twistedproxy.balance.peer import Change, Peer
    from twistedproxy.downstream.stream import StreamDoor, Target
    from twistedproxy.transport.tls_handshake import IncomingTls

_NOBODY: Final = {
    ChooseVerdict.ALL_FULL: errors.ALL_FULL,
    ChooseVerdict.QUEUE_FULL: errors.QUEUE_FULL,
    ChooseVerdict.QUEUE_TIMEOUT: errors.QUEUE_TIMEOUT,
}
#: What the end of a tunnel is called; in order it is no failure.
_ENDS: Final = {
    TunnelEnd.IDLE: errors.STREAM_IDLE,
    TunnelEnd.CLIENT: errors.CLIENT_RESET,
    TunnelEnd.PEER: errors.STREAM_CUT,
    TunnelEnd.CUT: errors.STREAM_KILLED,
}


@implementer(IProtocol, IHalfCloseableProtocol)
class StreamConnection(Timed):
    """
    One connection of a stream.

    :ivar number: among the connections of all streams and listeners
    :ivar address: of the client
    :ivar server_name: the name that it asked for by SNI; empty when that is not known
    :ivar opened: monotonic time; *opened_wall*: seconds since 1970
    :ivar tries_made: attempts to reach a peer
    :ivar connect_time: seconds that the last of them took; None as long as none has succeeded
    :ivar duration: seconds from its beginning to its end
    :ivar bytes_sent: to the client; *bytes_received*: from it
    :ivar reason: why it has ended, or could not begin; None when it ended in order
    :ivar joined: the tunnel that it is a part of, or None
    :ivar place: in the queue of the pool, or None
    """

    # What the connections of clients of HTTP have, and a stream has not.
    exchange = None
    tunnel = None
    requests = 0

    address: str
    client_port: int
    port: int
    server_name: str

    def __init__(self, door: StreamDoor, arrival: Arrival, target: Target, hello: ClientHello | None) -> None:
        super().__init__()
        self.door = door
        self.site = door.site
        self.number = arrival.number
        self.address = self.client = arrival.address
        self.client_port = arrival.client_port
        self.destination = arrival.destination
        self.port = arrival.port
        self.listener_name = door.settings.name
        self.scheme = door.scheme
        self.server_name = hello.server_name if hello is not None else ""
        self.opened = self.site.deadlines.now()
        self.opened_wall = self.site.clock.wall()
        self.handshake: IncomingTls | None = None
        self.transport: Any = None
        self.tried: tuple[Peer, ...] = ()
        self.tries_made = 0
        self.connect_time: float | None = None
        self.duration = 0.0
        self.bytes_sent = self.bytes_received = 0
        self.reason: Reason | None = None
        self.detail = ""
        self.joined: Tunnel | None = None
        self.place: Place | None = None
        self.verdicts: list[object] = []
        self._target = target
        self._peer: Peer | None = None
        self._reaching: _Reaching | None = None
        self._watches_pool = False
        self._drained: IDelayedCall | None = None
        self._over = False

    @property
    def pool_name(self) -> str:
        """The pool that it is for."""
        return self._target.pool.name

    @property
    def peer_name(self) -> str:
        """The last peer that was tried; empty before one was."""
        return self._peer.name if self._peer is not None else ""

    # The client's connection, until it is joined.

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        transport.pauseProducing()
        if self.door.shook_hands(self):
            self.server_name = (transport.server_name or "").lower()
        self.door.connections.add(self)
        self.choose()

    def dataReceived(self, data: bytes) -> None:
        """Never called: nothing is read before there is a peer."""
        raise AssertionError("a client was read that has no peer yet")

    def readConnectionLost(self) -> None:
        """Never called, likewise."""

    def writeConnectionLost(self) -> None:
        """Of no interest: we did that."""

    def connectionLost(self, reason: Failure) -> None:
        if self.reason is None or self._reaching is not None or self.place is not None:
            self.reason, self.detail = errors.CLIENT_GONE, ""
        self._finish()

    # choose, connect

    def choose(self) -> None:
        """Try a peer of the pool."""
        pool = self._target.pool
        if pool.queue is not None and pool.queue.is_before:
            wait(self, pool, pool.queue)
            return
        now = self.site.deadlines.now()
        self.go_on(self.pick(self.tried, now), now)

    def pick(self, tried: Sequence[Peer], now: float) -> Peer | None:
        """The peer for the next attempt, none of *tried*; None when there is none, or none that has room."""
        return self._target.choose(self, tried, now)

    def go_on(self, peer: Peer | None, now: float) -> None:
        """Try *peer*; None: wait until there is one, or fail."""
        pool = self._target.pool
        if peer is None:
            verdict = pool.verdict_when_none(self.tried, now)
            if verdict is ChooseVerdict.ALL_FULL and pool.queue is not None:
                wait(self, pool, pool.queue)
            else:
                self.nobody_left(verdict)
            return
        self.tries_made += 1
        self._peer = peer
        peer.begin()
        self._reaching = _Reaching(self, now)
        self.site.deadlines.watch(self, now + self.door.settings.connect_timeout)
        self._reaching.cancel = self._target.connector.reach(peer, self._reaching, self.ends)

    def nobody_left(self, verdict: ChooseVerdict) -> None:
        """There is no peer for it, because of *verdict*."""
        if self.reason is None or verdict in _NOBODY:
            self.reason, self.detail = _NOBODY.get(verdict, errors.NO_PEER), str(verdict)
        self._fail()

    def ends(self) -> Ends:
        """Whose connection it is, as the peer is told by the PROXY protocol."""
        source: Address = Unix("") if self.address == UNIX_CLIENTS else Tcp(self.address, self.client_port)
        return Ends(source, self.destination or address_of(self.transport))

    def unreached(self, failure: Failure) -> None:
        """The peer could not be reached."""
        self._unreached(*why_not_connected(failure))

    def deadline_passed(self, now: float) -> None:
        if self._reaching is not None:
            self._reaching.give_up()
            self._unreached(errors.CONNECT_TIMEOUT, "")

    def _unreached(self, reason: Reason, detail: str) -> None:
        peer = self._peer
        assert peer is not None
        self._reaching = None
        site = self.site
        site.deadlines.forget(self)
        self.reason, self.detail = reason, detail
        peer.fail(reason, site.deadlines.now())
        if reason.whose is Whose.OURS or self.tries_made >= self.door.settings.tries:
            self._fail()
            return
        self.tried = (*self.tried, peer)
        self._target.pool.retries += 1
        self.choose()

    def _fail(self) -> None:
        """No peer: the client sees that its connection was not served."""
        assert self.reason is not None
        self.door.count(self.reason)
        self.transport.abortConnection()

    def _end(self, reason: Reason) -> None:
        """It is not served any more, because of *reason*."""
        self._leave(reason)
        self.reason, self.detail = reason, ""
        self.transport.abortConnection()

    def _leave(self, reason: Reason) -> None:
        """It waits for no peer any more."""
        self.site.deadlines.forget(self)
        if self.place is not None:
            self.place.leave()
        if self._reaching is not None:
            self._reaching.give_up()
            self._reaching = None
            assert self._peer is not None
            self._peer.fail(reason, self.site.deadlines.now())

    # join

    def reached(self, transport: Any) -> None:
        """The connection to the peer stands."""
        peer, reaching = self._peer, self._reaching
        assert peer is not None and reaching is not None
        self._reaching = None
        deadlines = self.site.deadlines
        now = deadlines.now()
        self.connect_time = now - reaching.started
        self.reason, self.detail = None, ""
        deadlines.forget(self)
        if peer.attentive:
            peer.answered(self.connect_time, now)
        settings = self.door.settings
        tunnel = Tunnel(
            self.transport, transport, deadlines, settings.idle_timeout, settings.half_close_timeout, self._tunnel_ended
        )
        tunnel.route_name, tunnel.peer_name = settings.name, peer.name
        self.joined = tunnel
        if settings.drain_timeout:
            self._watches_pool = True
            self._target.pool.on_change.append(self._peer_changed)
        tunnel.start(b"", b"")

    def _peer_changed(self, change: Change) -> None:
        """A peer that is drained is left in time."""
        if change.peer is not self._peer:
            return
        self._stay()
        if change.after in TO_BE_LEFT:
            self._drained = self.site.reactor.callLater(self.door.settings.drain_timeout, self._drain_over)

    def _drain_over(self) -> None:
        self._drained = None
        if self.joined is not None:
            self.joined.close()

    def _stay(self) -> None:
        if self._drained is not None:
            self._drained.cancel()
            self._drained = None

    # finish

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        peer = self._peer
        assert peer is not None
        self.joined = None
        if self._watches_pool:
            self._stay()
            self._target.pool.on_change.remove(self._peer_changed)
        self.bytes_received, self.bytes_sent = tunnel.bytes_up, tunnel.bytes_down
        peer.bytes_sent += tunnel.bytes_up
        peer.bytes_received += tunnel.bytes_down
        self.reason = self.reason or _ENDS.get(tunnel.end)
        now = self.site.deadlines.now()
        if tunnel.end is TunnelEnd.PEER and not tunnel.bytes_down:
            # Who takes a connection and breaks it before a word may stand in for one who is not there.
            self.reason = errors.PEER_RESET
            peer.fail(errors.PEER_RESET, now)
        else:
            peer.succeed(now, self.connect_time or 0.0)
        self._finish()

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        site = self.site
        self.duration = site.deadlines.now() - self.opened
        self._leave(errors.CLIENT_GONE)
        self.door.closed(self)
        for observer in site.finished:
            observer(self)

    def close_when_idle(self) -> None:
        """The proxy stops: who is not served yet will not be; what is joined may go on to its end."""
        if self.joined is None:
            self._end(errors.STOPPING)

    def close_now(self) -> None:
        """End it at once."""
        if self.joined is not None:
            self.joined.cut()
        else:
            self._end(errors.STREAM_KILLED)


@implementer(IProtocol)
class _Reaching:
    """
    A connection to a peer in the making; forgets its client's when that is over, in whatever way.

    :ivar started: monotonic time
    """

    __slots__ = ("_connection", "cancel", "started")

    def __init__(self, connection: StreamConnection, now: float) -> None:
        self._connection: StreamConnection | None = connection
        self.started = now
        self.cancel: Any = None

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        self._connection = None
        self.cancel()

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def makeConnection(self, transport: Any) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            transport.abortConnection()
        else:
            connection.reached(transport)

    def dataReceived(self, data: bytes) -> None:
        """Never called: a connection that stands is joined at once."""

    def connectionLost(self, reason: Failure) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.unreached(reason)
