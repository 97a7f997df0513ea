"""Streams: doors behind which connections are joined with peers as they are, decrypted before that or not."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReactorTime

from twistedproxy import errors
from twistedproxy.balance.peer import PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.clock import Clock
from twistedproxy.downstream.arrival import Arrival, DoorSettings
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.sni import SniTable
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.errors import Reason
from twistedproxy.forward.guards.addresses import AddressList
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.streams import SniSettings, StreamSettings
from twistedproxy.templates import REQUEST_NAMES, Template
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.poller import Poller
from twistedproxy.transport.tcp import Connection
from twistedproxy.upstream.stream import StreamConnector
from twistedproxy.wire.client_hello import ClientHello

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Change, Peer

#: A fatal alert, unrecognized_name (RFC 6066 §3): what a client gets for whose name there is no way.
_UNRECOGNIZED_NAME: Final = b"\x15\x03\x01\x00\x02\x02\x70"
#: What of the names in templates a stream knows.
_KNOWN: Final[Mapping[str, Callable[[StreamConnection], str]]] = {
    "client": lambda connection: connection.address,
    "client_port": lambda connection: str(connection.client_port),
    "port": lambda connection: str(connection.port),
    "host": lambda connection: connection.server_name,
}


@dataclass
class StreamSite:
    """
    What all streams of a site share.

    :ivar finished: called with each connection that has ended, for logs
    :ivar numbers: what the next connections are called
    """

    poller: Poller
    deadlines: Deadlines
    reactor: IReactorTime
    clock: Clock
    finished: list[Callable[[StreamConnection], None]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=partial(count, 1))


class Target:
    """
    A pool, as streams use it.

    :param settings: what the pool is about to have, if not what it has
    """

    def __init__(self, pool: Pool, connector: StreamConnector, settings: PoolSettings | None = None) -> None:
        self.pool = pool
        self.connector = connector
        pool.on_change.append(self._changed)
        settings = settings or pool.settings
        sticky = settings.sticky
        keys = (sticky.key if sticky is not None else "", settings.balance.key)
        self._keys = [Template.parse(key, REQUEST_NAMES) for key in keys if key]

    def part(self) -> None:
        """Another takes its place: the pool's changes concern that one."""
        self.pool.on_change.remove(self._changed)

    def _changed(self, change: Change) -> None:
        if change.after is PeerState.REMOVED:
            self.connector.part(change.peer)

    def choose(self, connection: StreamConnection, tried: Sequence[Peer], now: float) -> Peer | None:
        """The peer for the next attempt of *connection*; None when there is none, or none that has room."""
        for template in self._keys:
            values = {name: _KNOWN[name](connection) if name in _KNOWN else "" for name in template.names}
            if any(values.values()):
                peer = self.pool.choose_for(template.render(values.__getitem__), tried, now)
                if peer is None or not peer.is_full:
                    return peer
                break
        return self.pool.choose(tried, now)


@dataclass(frozen=True)
class Way:
    """Where a line of ``sni`` leads: by which stream, to what."""

    stream: StreamDoor
    target: Target


class StreamDoor(Door):
    """
    A ``[stream NAME]``.

    :param targets: the pools that it names
    """

    kind = "stream"
    settings: StreamSettings
    connections: set[StreamConnection]

    def __init__(self, settings: StreamSettings, site: StreamSite, targets: Mapping[str, Target], tls: TlsServer | None) -> None:
        super().__init__(settings, site.poller, site.deadlines, site.reactor, tls)
        self.site = site
        self.numbers = site.numbers
        self.scheme = b"tls" if tls is not None or settings.sni else b"tcp"
        self.aim(targets)

    def revise(self, settings: DoorSettings, tls: TlsServer | None) -> None:
        """As :meth:`Door.revise`; :meth:`aim` is to follow."""
        super().revise(settings, tls)
        self.scheme = b"tls" if tls is not None or self.settings.sni else b"tcp"

    def aim(self, targets: Mapping[str, Target]) -> None:
        """These are the pools that it leads to, for connections that come from now on."""
        settings = self.settings
        self._premises = AddressList(settings.allow, settings.deny) if settings.allow or settings.deny else None
        self._target = targets[settings.pool] if settings.pool is not None else None
        self.ways: list[tuple[SniSettings, Way]] = [(line, Way(self, targets[line.pool])) for line in settings.sni]
        self.passing = SniTable(self.ways) if self.ways else None

    def _has_room_for(self, address: str) -> bool:
        if self._premises is not None and not self._premises.allows(address):
            self.count(errors.ADDRESS_DENIED)
            return False
        return super()._has_room_for(address)

    def count(self, reason: Reason) -> None:
        """A connection is not served, because of *reason*."""
        self.refused[reason.name] = self.refused.get(reason.name, 0) + 1

    def _served(self, arrival: Arrival) -> StreamConnection:
        assert self._target is not None
        return StreamConnection(self, arrival, self._target, None)

    def _pass(self, sock: socket.socket, arrival: Arrival, hello: ClientHello, way: Way) -> None:
        self._join(sock, arrival, hello, way.target)

    def _not_passed(self, sock: socket.socket, arrival: Arrival, hello: ClientHello | Exception) -> None:
        if isinstance(hello, ClientHello):
            try:
                # What is unread when a socket closes becomes a reset, which would overtake the alert.
                sock.recv(65536)
                sock.send(_UNRECOGNIZED_NAME)
            except OSError:
                pass  # a courtesy
            reason, detail = errors.NAME_UNKNOWN, hello.server_name or "it asks for none"
        else:
            reason, detail = errors.NO_CLIENT_HELLO, str(hello)
        self._refuse(sock, arrival, reason, detail, counted=True)

    def take(self, sock: socket.socket, arrival: Arrival, hello: ClientHello, target: Target) -> None:
        """A connection that came in by another door, where it is counted no more."""
        if not self._may_accept():
            self.turned_away += 1
            sock.close()
            return
        if not self._has_room_for(arrival.address):
            sock.close()
            return
        self.accepted += 1
        self._live += 1
        self._join(sock, arrival, hello, target)

    def _join(self, sock: socket.socket, arrival: Arrival, hello: ClientHello, target: Target) -> None:
        protocol: Any = StreamConnection(self, arrival, target, hello)
        Connection(sock, self._poller, protocol).start()


def share(doors: Iterable[Door], streams: Iterable[StreamDoor]) -> None:
    """Let *streams* take from *doors* (listeners with TLS) the connections that they have lines of ``sni`` for."""
    by_name = {door.settings.name: door for door in doors}
    ways: dict[str, list[tuple[SniSettings, Way]]] = {}
    for stream in streams:
        for name in stream.settings.listen:
            ways.setdefault(name, []).extend(stream.ways)
    for name, door in by_name.items():
        door.passing = SniTable(ways[name]) if name in ways else None
