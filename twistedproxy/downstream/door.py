"""A door: its sockets, who comes in by them, how many at a time, and what is read of a connection before it is served."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol as ClientProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.addresses import UNIX_CLIENTS, Address, Endpoint, Tcp
from twistedproxy.downstream.arrival import Arrival, DoorSettings, Entrant
from twistedproxy.downstream.sni import SniTable
from twistedproxy.errors import Reason
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.transport import acme_tls
from twistedproxy.transport.acme_tls import AcmeTls, Beginning
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.foreign_port import ForeignPort, shown
from twistedproxy.transport.opening import NotOpened, Opening
from twistedproxy.transport.poller import Poller
from twistedproxy.transport.port import Port
from twistedproxy.transport.tcp import Connection
from twistedproxy.transport.tls_handshake import IncomingTls
from twistedproxy.transport.tls_problems import TlsProblem
from twistedproxy.wire import client_hello, proxy_protocol
from twistedproxy.wire.client_hello import ClientHello, ClientHelloError
from twistedproxy.wire.proxy_protocol import Header, ProxyHeaderError

_log = Logger()

#: What is read of a connection before it is served: by what, how much of it, and what is raised when it is something else.
_HEADER: Final = (proxy_protocol.read_header, proxy_protocol.MOST, ProxyHeaderError)
_CLIENT_HELLO: Final = (client_hello.read_client_hello, client_hello.MOST, ClientHelloError)


class Door:
    """
    What listeners and streams have in common.

    :ivar addresses: where it really listens, once bound
    :ivar kind: of door, and *scheme*: what is spoken, for people
    :ivar connections: live ones
    :ivar closing: it accepts nothing more, and keeps no connection for another request
    :ivar accepted: connections accepted, ever
    :ivar numbers: what the next connections are called, in common with other doors
    :ivar turned_away: connections closed at once because their client had too many
    :ivar failed_handshakes: connections whose TLS handshake did not succeed, ever
    :ivar refused: what could not be read, by reason
    :ivar passing: which connections are passed on to streams as they are, by what their ClientHello asks for; None: none is
    """

    kind = "listener"
    scheme: bytes

    def __init__(
        self, settings: DoorSettings, poller: Poller, deadlines: Deadlines, reactor: IReactorTime, tls: TlsServer | None
    ) -> None:
        self.settings: Any = settings
        self.trusted_proxies = TrustedProxies(settings.trusted_proxies)
        self.addresses: list[str] = []
        self.connections: set[Any] = set()
        self.closing = False
        self.accepted = 0
        self.numbers: Iterator[int] = count(1)
        self.turned_away = 0
        self.failed_handshakes = 0
        self.refused: dict[str, int] = {}
        self._poller = poller
        self._deadlines = deadlines
        self._reactor = reactor
        self._tls = tls
        self.passing: SniTable[Any] | None = None
        self._reads_headers = settings.proxy_protocol != "no"
        self._ports: list[Port] = []
        self._foreign: dict[Address, ForeignPort] = {}
        self._live = 0
        #: What is read before a connection is served.
        self._openings: set[Opening] = set()
        self._handshakes: set[IncomingTls] = set()
        self._per_client: Counter[str] = Counter()

    def trusts(self, address: str) -> bool:
        """Whether *address* is a trusted proxy."""
        return bool(self.settings.trusted_proxies) and address in self.trusted_proxies

    # Sockets.

    def revise(self, settings: DoorSettings, tls: TlsServer | None) -> None:
        """
        The site says something else of it now: that is for connections that come from now on.

        Where it listens is said by :meth:`listen_on`.
        """
        if settings.max_connections_per_client and not self.settings.max_connections_per_client:
            # Nobody has counted so far.
            self._per_client = Counter(connection.address for connection in self.connections)
        self.settings = settings
        self.trusted_proxies = TrustedProxies(settings.trusted_proxies)
        self._reads_headers = settings.proxy_protocol != "no"
        self._tls = tls
        for port in self._ports:
            port.wake()

    def release_others(self, sockets: Collection[socket.socket]) -> None:
        """Leave every socket that is not one of these to whoever comes next, and whatever is not of the site any more."""
        for port in self._ports:
            if port.sock not in sockets:
                port.release()
        self._ports = [port for port in self._ports if port.sock in sockets]
        for address in [address for address in self._foreign if address not in self.settings.on]:
            self._foreign.pop(address).stop()

    def listen_on(self, sockets: Mapping[Address, Sequence[socket.socket]]) -> None:
        """
        Be at these sockets, which are bound, by their addresses, and at no others; nothing is accepted before :meth:`start`.

        Where an address has no socket, Twisted listens there.

        :raises CannotListen: it cannot; all others are listened on
        """
        wanted = [sock for socks in sockets.values() for sock in socks]
        self.release_others(wanted)
        known = {port.sock: port for port in self._ports}
        self._ports = [known.get(sock) or self._port(sock) for sock in wanted]
        foreign = [where for port in self._foreign.values() for where in port.where]
        self.addresses[:] = [shown(port.getHost()) for port in self._ports] + foreign
        for address, socks in sockets.items():
            if not socks and isinstance(address, Endpoint) and address not in self._foreign:
                self._foreign[address] = ForeignPort(address, self._arrives, self._reactor, self.addresses)

    def _port(self, sock: socket.socket) -> Port:
        port_number = sock.getsockname()[1] if sock.family != socket.AF_UNIX else 0

        def accept(client: socket.socket, address: Any) -> None:
            self._accept(client, address, port_number)

        return Port(sock, accept, self._may_accept, self._poller, self._reactor)

    def start(self) -> None:
        """Begin to accept."""
        self.closing = False
        for port in self._ports:
            port.startListening()

    def stop(self) -> None:
        """Accept no more; what is connected goes on, and the sockets are left to whoever owns them."""
        self.closing = True
        for port in self._ports:
            port.release()
        self._ports.clear()
        for foreign in self._foreign.values():
            foreign.stop()
        self._foreign.clear()

    def give_up_handshakes(self) -> None:
        """Whoever is not connected yet will not be."""
        for opening in list(self._openings):
            opening.abort()
        for handshake in list(self._handshakes):
            handshake.abort()

    def _may_accept(self) -> bool:
        most: int = self.settings.max_connections
        return self._live < most

    # Who comes in.

    def _accept(self, sock: socket.socket, where: Any, port: int) -> None:
        if not isinstance(where, tuple):  # of a unix socket
            address, client_port = UNIX_CLIENTS, 0
        else:
            address, client_port = where[0], where[1]
            if address.startswith("::ffff:"):
                address = address[7:]
        if self._reads_headers:
            self._read_header(sock, Arrival(address, client_port, port, next(self.numbers)))
        elif self._has_room_for(address):
            self.accepted += 1
            self._live += 1
            self._admit(sock, Arrival(address, client_port, port, next(self.numbers)))
        else:
            sock.close()

    def _arrives(self, where: Any, port: int) -> IProtocol | None:
        """Somebody comes by a port of Twisted's: the protocol for the connection, or None when there is no room."""
        address = str(getattr(where, "host", UNIX_CLIENTS))
        if not self._may_accept():
            self.turned_away += 1
            return None
        if not self._has_room_for(address):
            return None
        self.accepted += 1
        self._live += 1
        served: Any = self._served(Arrival(address, getattr(where, "port", 0), port, next(self.numbers)))
        return served  # type: ignore[no-any-return]

    def _has_room_for(self, address: str) -> bool:
        """Whether a client may have one more connection; then it is counted."""
        limit: int = self.settings.max_connections_per_client
        if limit:
            if self._per_client[address] >= limit:
                self.turned_away += 1
                return False
            self._per_client[address] += 1
        return True

    def _read_header(self, sock: socket.socket, arrival: Arrival) -> None:
        """
        Who is trusted says by a PROXY protocol header who the client is; of others none is read.

        Where headers are required, others are not let in at all.
        """
        self.accepted += 1
        self._live += 1
        if self.trusts(arrival.address):
            done = partial(self._header_read, sock, arrival)
            self._open(sock, _HEADER, self.settings.header_timeout, done)
        elif self.settings.proxy_protocol == "require":
            self._refuse(sock, arrival, errors.NO_PROXY_HEADER, "the address is none of trusted_proxies")
        else:
            self._count_in(sock, arrival)

    def _header_read(self, sock: socket.socket, arrival: Arrival, header: Header | Exception) -> None:
        if isinstance(header, Exception):
            self._refuse(sock, arrival, errors.BAD_PROXY_HEADER, str(header))
            return
        if not header.size and self.settings.proxy_protocol == "require":
            self._refuse(sock, arrival, errors.NO_PROXY_HEADER, "the connection begins with something else")
            return
        if header.size:
            sock.recv(header.size)  # it is there, as we have seen
        if header.ends is not None:
            source, destination = header.ends.source, header.ends.destination
            address, client_port = (source.host, source.port) if isinstance(source, Tcp) else (UNIX_CLIENTS, 0)
            port = destination.port if isinstance(destination, Tcp) else arrival.port
            arrival = replace(arrival, address=address, client_port=client_port, port=port, destination=destination)
        self._count_in(sock, arrival)

    def _count_in(self, sock: socket.socket, arrival: Arrival) -> None:
        if self._has_room_for(arrival.address):
            self._admit(sock, arrival)
        else:
            sock.close()
            self._left()

    def _open(
        self,
        sock: socket.socket,
        what: tuple[Callable[[bytes], Any], int, type[Exception]],
        timeout: float,
        end: Callable[[Any], None],
    ) -> None:
        """Look at the beginning of a connection; *end* hears what it is, or of the error."""
        opening = Opening(sock, self._poller, *what, self._deadlines)
        self._openings.add(opening)

        def ended(found: Any) -> None:
            self._openings.discard(opening)
            end(found)

        opening.start(timeout, ended, ended)

    def _refuse(self, sock: socket.socket, arrival: Arrival, reason: Reason, detail: str, *, counted: bool = False) -> None:
        """A connection cannot be served; *counted*: it counts as one of its client's."""
        sock.close()
        self.refused[reason.name] = self.refused.get(reason.name, 0) + 1
        _log.debug(
            "{kind} {name}: {address} is refused: {reason} ({detail})",
            kind=self.kind,
            name=self.settings.name,
            address=arrival.address,
            reason=reason.text,
            detail=detail,
        )
        if counted:
            self._gone(arrival.address)
        else:
            self._left()

    def _admit(self, sock: socket.socket, arrival: Arrival) -> None:
        """Who comes in, and is counted, is served, or passed on with what it said."""
        if self.passing is None:
            self._serve(sock, arrival)
        else:
            self._open(sock, _CLIENT_HELLO, self.settings.handshake_timeout, partial(self._hello_read, sock, arrival))

    def _hello_read(self, sock: socket.socket, arrival: Arrival, hello: ClientHello | Exception) -> None:
        way = self.passing.choose(hello) if self.passing is not None and isinstance(hello, ClientHello) else None
        if way is not None and isinstance(hello, ClientHello):
            self._pass(sock, arrival, hello, way)
        else:
            self._not_passed(sock, arrival, hello)

    def _pass(self, sock: socket.socket, arrival: Arrival, hello: ClientHello, way: Any) -> None:
        """A connection takes a way of :attr:`passing`."""
        raise NotImplementedError

    def _not_passed(self, sock: socket.socket, arrival: Arrival, hello: ClientHello | Exception) -> None:
        """A connection takes none; instead of a ClientHello there may be an error."""
        raise NotImplementedError

    def _serve(self, sock: socket.socket, arrival: Arrival) -> None:
        protocol: Any = self._served(arrival)
        if self._tls is None:
            Connection(sock, self._poller, protocol).start()
        elif self._tls.validators.is_pending:
            what = acme_tls.beginning, acme_tls.MOST, NotOpened
            self._open(sock, what, self.settings.handshake_timeout, partial(self._looked_at, sock, protocol, self._tls))
        else:
            self._shake_hands(sock, protocol, self._tls)

    def _looked_at(self, sock: socket.socket, protocol: Any, tls: TlsServer, found: Beginning | Exception) -> None:
        """Who begins like a validator of an authority (RFC 8737) is shown what that wants to see, and nothing else is served."""
        if found is Beginning.VALIDATOR:
            self._shake_hands(sock, _Validator(self, protocol.address), tls.validators)
        else:
            self._shake_hands(sock, protocol, tls)

    def _served(self, arrival: Arrival) -> Entrant:
        """The protocol of a connection."""
        raise NotImplementedError

    def _shake_hands(self, sock: socket.socket, protocol: Any, tls: TlsServer | AcmeTls) -> None:
        handshake = IncomingTls(sock, self._poller, protocol, tls, answers_http=self.kind == "listener")
        self._handshakes.add(handshake)
        address = protocol.address

        def failed(problem: TlsProblem, _: IAddress | None) -> None:
            self._handshakes.discard(handshake)
            protocol.handshake = None
            self.failed_handshakes += 1
            self._gone(address)
            # Who shows a certificate that is not believed is seldom a stranger.
            tell = _log.info if problem.unverified else _log.debug
            tell(
                "{kind} {name}: no TLS with {address}: {problem}",
                kind=self.kind,
                name=self.settings.name,
                address=address,
                problem=problem,
            )

        protocol.handshake = handshake
        handshake.start(self._deadlines, self.settings.handshake_timeout, failed)

    def shook_hands(self, connection: Entrant) -> bool:
        """*connection* stands: whether it has TLS, whose handshake is done."""
        if connection.handshake is None:
            return False
        self._handshakes.discard(connection.handshake)
        connection.handshake = None
        return True

    # Who goes.

    def closed(self, connection: Any) -> None:
        """*connection* is gone."""
        if connection in self.connections:
            self.connections.remove(connection)
            self._gone(connection.address)

    def left(self, entrant: Entrant) -> None:
        """*entrant*, who was never among the connections, is gone."""
        self._gone(entrant.address)

    def _gone(self, address: str) -> None:
        if self._per_client:
            self._per_client[address] -= 1
            if self._per_client[address] <= 0:
                del self._per_client[address]
        self._left()

    def _left(self) -> None:
        """There is room for one more."""
        self._live -= 1
        if self._live == self.settings.max_connections - 1:
            for port in self._ports:
                port.wake()


class _Validator(ClientProtocol):
    """Has seen all that it wanted to see when its handshake is done."""

    handshake: IncomingTls | None = None

    def __init__(self, door: Door, address: str) -> None:
        self.address = address
        self._door = door

    def connectionMade(self) -> None:
        self._door.shook_hands(self)
        assert self.transport is not None
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._door.left(self)
