"""Both ends of TLS connections inside one process: ours, and those of Python's own ssl module."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from tests.transport.test_deadlines import Hands
from tests.transport.wires import Epoll, Peer, Plain, turn_until
from twistedproxy.addresses import Address, Tcp
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.tls import TlsConnection
from twistedproxy.transport.tls_handshake import IncomingTls, OutgoingTls
from twistedproxy.transport.tls_problems import TlsProblem

PEER = Tcp("a.example", 443)


def pool(**knobs: Any) -> PoolSettings:
    return PoolSettings("pool", servers=(), **knobs)


def tls(*certificates: Any, **knobs: Any) -> TlsSettings:
    return TlsSettings("site", certificates=certificates, **knobs)


class Arrival:
    """Our side of an incoming connection: its protocol, and why its handshake failed if it did."""

    def __init__(self, poller: Epoll | Plain, sock: socket.socket, server: TlsServer, peer: Peer | None = None) -> None:
        self.hands = Hands()
        self.deadlines = Deadlines(self.hands.reactor, self.hands)
        self.peer = peer or Peer()
        self.problems: list[TlsProblem] = []
        self.where: list[Any] = []
        self.handshake = IncomingTls(sock, poller, self.peer, server)
        self.handshake.start(self.deadlines, 10.0, self._failed)

    def _failed(self, problem: TlsProblem, where: Any) -> None:
        self.problems.append(problem)
        self.where.append(where)

    @property
    def connection(self) -> TlsConnection:
        assert isinstance(self.peer.transport, TlsConnection)
        return self.peer.transport

    @property
    def over(self) -> bool:
        return self.peer.transport is not None or bool(self.problems)


class Door:
    """
    A listening socket.

    Unix sockets unless told otherwise: what one side sends is there for the other as soon as ``send`` returns.  Only TCP knows
    resets.
    """

    def __init__(self, buffer: int = 0, tcp: bool = False) -> None:
        self._sock = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        if buffer:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._buffer = buffer
        self._sock.bind(("127.0.0.1", 0) if tcp else "")
        self._sock.listen(8)
        self.name = self._sock.getsockname()

    def accept(self) -> socket.socket:
        sock, _ = self._sock.accept()
        if self._buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer)
        sock.setblocking(False)
        return sock

    def visit(self) -> socket.socket:
        """A socket that may connect to it."""
        sock = socket.socket(self._sock.family)
        if self._buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer)
        return sock

    def close(self) -> None:
        self._sock.close()


def depart(poller: Epoll | Plain, door: Door, client: TlsClient, peer: Peer, address: Address = PEER) -> OutgoingTls:
    """Our side of an outgoing connection."""
    sock = door.visit()
    sock.setblocking(False)
    outgoing = OutgoingTls(sock, poller, peer, client, address)
    outgoing.connect(door.name)
    return outgoing


def join(
    poller: Epoll | Plain,
    server: TlsServer,
    client: TlsClient,
    server_peer: Peer | None = None,
    client_peer: Peer | None = None,
    address: Address = PEER,
    buffer: int = 0,
) -> tuple[Arrival, Peer]:
    """Both sides ours, until both know how it went."""
    door = Door(buffer)
    theirs = client_peer or Peer()
    depart(poller, door, client, theirs, address)
    arrival = Arrival(poller, door.accept(), server, server_peer)
    door.close()
    turn_until(poller, lambda: arrival.over and (theirs.transport or theirs.losses))
    return arrival, theirs


class Foreign:
    """An end that is not ours: Python's ssl module on a socket, driven by hand."""

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, name: str | None = None, session: ssl.SSLSession | None = None
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._in, self._out, server_side=context.protocol == ssl.PROTOCOL_TLS_SERVER, server_hostname=name, session=session
        )
        self.received = bytearray()
        #: Whether a close_notify came.
        self.ended = False
        self.records: list[int] = []
        self._raw = b""

    def pull(self) -> bool:
        """Take what the socket has; whether it has ended."""
        try:
            while raw := self.sock.recv(1 << 20):
                self._count(raw)
                self._in.write(raw)
            return True
        except BlockingIOError:
            return False

    def _count(self, raw: bytes) -> None:
        self._raw += raw
        while len(self._raw) >= 5:
            size = int.from_bytes(self._raw[3:5], "big")
            if len(self._raw) < 5 + size:
                break
            self.records.append(size)
            self._raw = self._raw[5 + size :]

    def flush(self) -> None:
        raw = self._out.read()
        while raw:
            try:
                raw = raw[self.sock.send(raw) :]
            except BlockingIOError:
                self._out.write(raw)
                return

    def take(self) -> bytes:
        """What was wrapped and not sent yet, to be sent by hand."""
        return self._out.read()

    def handshake(self, poller: Epoll | Plain) -> None:
        """Until it is done here."""
        for _ in range(1000):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                poller.turn(0.01)
                ended = self.pull()
                if ended:
                    self._in.write_eof()
                continue
            except ssl.SSLError:
                self.flush()  # the alert
                raise
            self.flush()
            return
        raise AssertionError("the handshake does not end")

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self.flush()

    def read(self) -> None:
        """Unwrap what is there."""
        ended = self.pull()
        try:
            while not self.ended:
                data = self.tls.read(1 << 20)
                if not data:
                    self.ended = True
                self.received += data
        except ssl.SSLWantReadError:
            if ended:
                raise ConnectionError("ended without close_notify") from None
        except ssl.SSLZeroReturnError:
            self.ended = True

    def close_notify(self) -> None:
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        self.flush()


def foreign_client(**knobs: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if "version" in knobs:
        context.minimum_version = context.maximum_version = knobs["version"]
    if "alpn" in knobs:
        context.set_alpn_protocols(knobs["alpn"])
    return context


def arrive(
    poller: Epoll | Plain,
    server: TlsServer,
    context: ssl.SSLContext,
    peer: Peer | None = None,
    name: str | None = None,
    session: ssl.SSLSession | None = None,
    buffer: int = 0,
    tcp: bool = False,
) -> tuple[Arrival, Foreign]:
    """A foreign client whose handshake with our side is done."""
    door = Door(buffer, tcp)
    sock = door.visit()
    sock.connect(door.name)
    arrival = Arrival(poller, door.accept(), server, peer)
    door.close()
    foreign = Foreign(sock, context, name, session)
    foreign.handshake(poller)
    turn_until(poller, lambda: arrival.over)
    return arrival, foreign
