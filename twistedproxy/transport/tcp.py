"""
Stream connections tuned for relaying.

They are what Twisted's own are to a protocol (``ITCPTransport``, push producer, consumer), and differ in what they cost:
``write`` tries to send at once and asks the poller for writability only for what the kernel did not take; a body is read in large
pieces; nothing is copied that need not be.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any, Final

from twisted.internet import error, main
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    IReadWriteDescriptor,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.poller import Poller, forget, has_unread
from twistedproxy.transport.sending import Sending, lost

#: Bytes read at once: the small size for heads and messages, four times more whenever a read came back full, up to the large one.
#: Large pieces mean fewer wake-ups and fewer window updates for a body.
SMALL_READ: Final = 16 * 1024
LARGE_READ: Final = 1024 * 1024
#: Not smaller again than this: answers a little above the small size would take two reads each.
_MIDDLE_READ: Final = 64 * 1024

DONE: Final = Failure(main.CONNECTION_DONE)


def stream_address(kind: int, name: Any) -> IAddress:
    """The address of a socket of family *kind* with the *name* that the kernel gives it."""
    if kind == socket.AF_INET:
        return IPv4Address("TCP", name[0], name[1])
    if kind == socket.AF_INET6:
        return IPv6Address("TCP", *name)
    return UNIXAddress(name or None)


@implementer(ITCPTransport, IPushProducer, IReadWriteDescriptor)
class Connection(Sending):
    """
    One stream connection, TCP or unix.

    :ivar hears_last_words: when the other side breaks the connection while nobody reads, what it had sent before is read first
    """

    __slots__ = (
        "__weakref__",
        "_deliver",
        "_protocol",
        "_read_done",
        "_read_size",
        "_reading",
        "_recv",
        "hears_last_words",
    )

    def __init__(self, sock: socket.socket, poller: Poller, protocol: IProtocol) -> None:
        super().__init__(sock, poller)
        self._recv = sock.recv
        self.hears_last_words = True
        self._read_size = SMALL_READ
        self._reading = False
        #: The other side's end was told.
        self._read_done = False
        self.protocol = protocol

    @property
    def protocol(self) -> IProtocol:
        """Who receives the bytes; may be exchanged at any time."""
        return self._protocol

    @protocol.setter
    def protocol(self, protocol: IProtocol) -> None:
        self._protocol = protocol
        self._deliver = protocol.dataReceived

    @property
    def reading(self) -> bool:
        """Whether what the other side sends is taken now."""
        return self._reading

    def is_quiet(self, *, and_open: bool) -> bool:
        """
        Whether nothing has come that was not read yet: asked of a connection that waited long.

        :param and_open: the other side must not have ended it either, as far as we can know; costs more
        """
        if not and_open:
            return not has_unread(self._poller, self)
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    def start(self) -> None:
        """Tell the protocol that it is connected, and begin to read."""
        self._reading = True
        self._poller.addReader(self)
        self._protocol.makeConnection(self)

    # Reading.

    def doRead(self) -> None:
        if not self._reading:
            self._hung_up()
            return
        size = self._read_size
        try:
            data = self._recv(size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self.connectionLost(lost(problem))
            return
        if not data:
            self._read_ended()
            return
        if len(data) == size:
            if size != LARGE_READ:
                self._read_size = 4 * size
        elif size > _MIDDLE_READ and len(data) < size >> 3:
            self._read_size = size >> 2
        self._deliver(data)

    def _read_ended(self) -> None:
        """The other side will send nothing more."""
        if self._broken is not None:
            self.connectionLost(lost(self._broken))
            return
        self.pauseProducing()
        self._read_done = True
        half_closeable = IHalfCloseableProtocol(self._protocol, None)
        if half_closeable is None or self.disconnecting:
            self.connectionLost(DONE)
        else:
            half_closeable.readConnectionLost()

    def _hung_up(self) -> None:
        """An event though nobody reads: the connection is broken, or both sides have ended theirs."""
        if self.disconnected:
            return
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            problem = OSError(code, os.strerror(code))
            if self._read_done or not self.hears_last_words or not self._has_unread():
                self.connectionLost(lost(problem))
                return
            self._broken = problem
        if not self._writing or code:
            # What came before the end is still to be read: the event comes again with resumeProducing.
            forget(self._poller, self)

    def _has_unread(self) -> bool:
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def pauseProducing(self) -> None:
        """Stop reading, until :meth:`resumeProducing`."""
        if self._reading:
            self._reading = False
            self._poller.removeReader(self)

    def resumeProducing(self) -> None:
        """Read again."""
        if not self._reading and not self._read_done and not self.disconnected:
            self._reading = True
            self._poller.addReader(self)

    def stopProducing(self) -> None:
        """Read and write no more."""
        self.loseConnection()

    # Ending.

    def loseConnection(self, _connDone: Failure = DONE) -> None:
        """Close when all was sent."""
        if self.disconnected or self.disconnecting:
            return
        self.disconnecting = True
        if not self.pending and self._producer is None:
            self._shut()

    def loseWriteConnection(self) -> None:
        """Close the sending side when all was sent; go on reading."""
        if self.disconnected or self.disconnecting or self._half_closing:
            return
        self._half_closing = True
        if not self.pending and self._producer is None:
            self._shutdown_writing()

    def abortConnection(self) -> None:
        """Close at once with a reset: what was not sent is lost, and the other side can tell."""
        if self.disconnected:
            return
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            pass  # the socket is broken already
        self.connectionLost(Failure(error.ConnectionAborted()))

    def _shut(self) -> None:
        self.connectionLost(DONE)

    def _shutdown_writing(self) -> None:
        if self._write_done:
            return
        self._write_done = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as problem:
            self._break(problem)

    def _break(self, problem: OSError) -> None:
        """
        Writing failed: the protocol hears of it from the poller, never from within its own call.

        While it reads, it gets what came before the connection broke, an early answer perhaps; then it hears.
        """
        self._queue.clear()
        self.pending = 0
        self._write_done = True
        self._broken = problem
        if self._reading and not self.disconnecting and problem.errno in _DEAD:
            if self._writing:
                self._writing = False
                self._poller.removeWriter(self)
            return
        if not self._writing:
            self._writing = True
            self._poller.addWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol, once."""
        if self.disconnected:
            return
        self.disconnected = True
        self.disconnecting = True
        forget(self._poller, self)
        self._reading = self._writing = False
        self._queue.clear()
        self.pending = 0
        producer, self._producer = self._producer, None
        self._sock.close()
        if producer is not None:
            producer.stopProducing()
        # Without this, protocol and transport would hold each other until the garbage collector comes by.
        protocol, self._protocol = self._protocol, _NOBODY
        self._deliver = _NOBODY.dataReceived
        protocol.connectionLost(reason)

    # Facts.

    def logPrefix(self) -> str:
        return type(self._protocol).__name__

    def getPeer(self) -> Any:
        """The other side's address."""
        return stream_address(self._sock.family, self._sock.getpeername())

    def getHost(self) -> Any:
        """Our side's address."""
        return stream_address(self._sock.family, self._sock.getsockname())

    def getTcpNoDelay(self) -> bool:
        return bool(self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


#: After these the other side's end is there to be read, behind whatever it had sent.
_DEAD: Final = frozenset((errno.EPIPE, errno.ECONNRESET))
#: ``struct linger``: on, zero seconds.
_RESET: Final = struct.pack("ii", 1, 0)

#: The protocol of connections that are gone; hears nothing.
_NOBODY: Final = Protocol()


def tune(sock: socket.socket, family: int) -> None:
    """
    Options of every stream socket that relays: not blocking, and small messages leave at once.

    :param family: the socket's, which knows it, too, but is slow to tell
    """
    sock.setblocking(False)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
