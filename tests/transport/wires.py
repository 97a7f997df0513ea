"""Sockets inside one process, and the turns of a loop taken by hand."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.poller import Descriptor, EpollPoller
from twistedproxy.transport.tcp import Connection


class Reactor:
    """What the pollers are readers of."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class Epoll(EpollPoller):
    """The poller of the proxy, turned by hand."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        super().__init__(self.reactor)  # type: ignore[arg-type]

    def turn(self, timeout: float) -> bool:
        """Wait for events and dispatch them; whether there were any."""
        if not select.select([self], [], [], timeout)[0]:
            return False
        self.doRead()
        return True

    def close(self) -> None:
        self._epoll.close()

    @property
    def members(self) -> int:
        return len(self._members)


class Plain:
    """A poller as any reactor of Twisted is one: readers and writers, no more."""

    def __init__(self) -> None:
        self.readers: list[Descriptor] = []
        self.writers: list[Descriptor] = []

    def addReader(self, reader: Descriptor) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Descriptor) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def addWriter(self, writer: Descriptor) -> None:
        if writer not in self.writers:
            self.writers.append(writer)

    def removeWriter(self, writer: Descriptor) -> None:
        if writer in self.writers:
            self.writers.remove(writer)

    def turn(self, timeout: float) -> bool:
        readable, writable, _ = select.select(self.readers, self.writers, [], timeout)
        for member in readable:
            if member in self.readers:
                member.doRead()
        for member in writable:
            if member in self.writers:
                member.doWrite()
        return bool(readable or writable)

    def close(self) -> None:
        pass

    @property
    def members(self) -> int:
        return len({id(member) for member in (*self.readers, *self.writers)})


def turn_until(poller: Epoll | Plain, done: Callable[[], object]) -> None:
    """Take turns until *done* says so."""
    for _ in range(100_000):
        if done():
            return
        assert poller.turn(2.0), "nothing happens any more"
    raise AssertionError("it never ends")


def settle(poller: Epoll | Plain) -> None:
    """Take turns until nothing happens."""
    for _ in range(10_000):
        if not poller.turn(0):
            return
    raise AssertionError("the loop spins")


@implementer(IProtocol)
class Peer:
    """A protocol that keeps what it hears."""

    factory = None

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = bytearray()
        self.pieces: list[int] = []
        self.losses: list[Failure] = []
        #: Called with each piece.
        self.on_data: Callable[[bytes], None] = lambda data: None

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def connectionMade(self) -> None:
        pass

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.pieces.append(len(data))
        self.on_data(data)

    def connectionLost(self, reason: Failure) -> None:
        self.losses.append(reason)

    @property
    def ended_cleanly(self) -> bool:
        """Whether the connection was closed, in order, once."""
        assert len(self.losses) <= 1
        return bool(self.losses) and self.losses[0].check(ConnectionDone) is not None

    @property
    def loss(self) -> BaseException:
        """Why the one connection was lost."""
        assert len(self.losses) == 1
        value = self.losses[0].value
        assert isinstance(value, BaseException)
        return value


@implementer(IHalfCloseableProtocol)
class HalfPeer(Peer):
    """One that also hears of half closes."""

    def __init__(self) -> None:
        super().__init__()
        self.read_ends = 0

    def readConnectionLost(self) -> None:
        self.read_ends += 1

    def writeConnectionLost(self) -> None:
        pass


class Source:
    """A push producer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


def socket_pair(buffer: int = 0) -> tuple[socket.socket, socket.socket]:
    """Two joined sockets that do not block, with small buffers if *buffer* says so (bytes)."""
    pair = socket.socketpair()
    for sock in pair:
        sock.setblocking(False)
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    return pair


def tcp_pair(buffer: int = 0) -> tuple[socket.socket, socket.socket]:
    """The same over loopback: our side, their side."""
    with socket.socket() as door:
        if buffer:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        door.bind(("127.0.0.1", 0))
        door.listen(1)
        theirs = socket.socket()
        if buffer:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        theirs.connect(door.getsockname())
        ours, _ = door.accept()
    if buffer:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def connected(poller: Epoll | Plain, sock: socket.socket, peer: Peer) -> Connection:
    """*peer* on a connection that has begun."""
    connection = Connection(sock, poller, peer)
    connection.start()
    return connection


def drain(sock: socket.socket, size: int = 1 << 20) -> bytes:
    """What is there to be read now."""
    try:
        return sock.recv(size)
    except BlockingIOError:
        return b""
