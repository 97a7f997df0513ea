"""The connections of one pool: idle ones are used again, new ones are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twistedproxy.addresses import Address
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.contexts import HTTP_1, TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.http1 import UpstreamConnection
from twistedproxy.upstream.receiver import Receiver

#: As :meth:`twistedproxy.transport.dialer.Dialer.dial`.
Dial = Callable[..., Callable[[], None]]


class PeerLike(Protocol):
    """What a connection needs of a peer."""

    settings: ServerSettings
    address: Address
    tls: bool
    idle: list[Any]
    most_idle: int
    bytes_received: int
    bytes_sent: int


class Connector:
    """
    Connections to the peers of one pool.

    :param tls: how peers are spoken to by TLS; None: that is made when a peer needs it first
    """

    #: What is offered to peers by ALPN when TLS towards them is made here.
    alpn: tuple[bytes, ...] = HTTP_1

    def __init__(self, settings: PoolSettings, dial: Dial, tls: TlsClient | None, deadlines: Deadlines) -> None:
        self._settings = settings
        self._dial = dial
        self._tls = tls
        self._keepalive = settings.keepalive
        self._idle_timeout = settings.keepalive_timeout
        self._retired = False
        self.deadlines = deadlines

    def take(self, peer: PeerLike, receiver: Receiver) -> Any:
        """The idle connection to *peer* that was used last and that may be *receiver*'s, or None."""
        idle = peer.idle
        if not idle:
            return None
        connection: UpstreamConnection = idle.pop()
        connection.idle = False
        return connection

    def connect(self, peer: PeerLike, receiver: Receiver, timeout: float) -> Any:
        """
        Make a new connection to *peer*, within *timeout* seconds.

        *receiver* hears ``connected`` or ``failed``, never before this call has returned.
        """
        connection = UpstreamConnection(self, peer)
        cancel = self._dial(peer.address, connection, self._tls_towards(peer))
        connection.wait(receiver, cancel, timeout)
        return connection

    def _tls_towards(self, peer: PeerLike) -> TlsClient | None:
        if not peer.tls:
            return None
        if self._tls is None:
            self._tls = TlsClient(self._settings, self.alpn)
        return self._tls.called(self._settings.tls_name(peer.settings))

    def keep(self, connection: Any) -> None:
        """Put a connection whose exchange ended cleanly among the idle ones; the oldest goes when there are too many."""
        if self._retired:
            connection.cancel()
            return
        peer = connection.peer
        idle = peer.idle
        idle.append(connection)
        connection.idle = True
        deadlines = self.deadlines
        deadlines.watch(connection, deadlines.now() + self._idle_timeout)
        if len(idle) > peer.most_idle:
            idle[0].cancel()

    def forget(self, connection: Any) -> None:
        """A connection is gone or going."""
        self.deadlines.forget(connection)
        if connection.idle:
            connection.idle = False
            connection.peer.idle.remove(connection)

    def may_keep(self, peer: PeerLike, may: bool) -> None:
        """Whether connections to *peer* are kept when their exchange has ended."""
        peer.most_idle = self._keepalive if may else 0

    def part(self, peer: PeerLike) -> None:
        """*peer* has left the pool."""
        self.may_keep(peer, False)
        self.close_idle(peer)
        if self._tls is not None:
            self._tls.forget(peer.address)

    def revise(self, settings: PoolSettings) -> None:
        """The pool has other settings now, but none that say how connections are made."""
        self._settings = settings
        self._keepalive = settings.keepalive
        self._idle_timeout = settings.keepalive_timeout

    def retire(self, peers: Iterable[PeerLike]) -> None:
        """
        Connections to *peers* are made by another connector from now on, by other rules: none of this one's is used again.

        Those that carry an exchange end with it.
        """
        self._retired = True
        for peer in peers:
            self.close_idle(peer)

    def close_idle(self, peer: PeerLike) -> None:
        """Close the idle connections to *peer*."""
        for connection in list(peer.idle):
            connection.cancel()
