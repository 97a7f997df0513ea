"""
Stream connections tuned for relaying.

They are what Twisted's own are to a protocol (``ITCPTransport``, push producer, consumer), and differ in what they cost:
``write`` tries to send at once and asks the poller for writability only for what the kernel did not take; a body is read in large
pieces; nothing is copied that need not be.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Iterable
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

#: Bytes read at once: the small size for heads and messages, four times more whenever a read came back full, up to the large one.
#: Large pieces mean fewer wake-ups and fewer window updates for a body.
SMALL_READ: Final = 16 * 1024
LARGE_READ: Final = 1024 * 1024
#: Not smaller again than this: answers a little above the small size would take two reads each.
_MIDDLE_READ: Final = 64 * 1024
#: A producer is paused when more than this many bytes wait for the kernel, unless a connection is told otherwise.
HIGH_WATER: Final = 64 * 1024
#: Waiting pieces are joined up to this many bytes for one system call.
_JOIN: Final = 128 * 1024

DONE: Final = Failure(main.CONNECTION_DONE)


def stream_address(kind: int, name: Any) -> IAddress:
    """The address of a socket of family *kind* with the *name* that the kernel gives it."""
    if kind == socket.AF_INET:
        return IPv4Address("TCP", name[0], name[1])
    if kind == socket.AF_INET6:
        return IPv6Address("TCP", *name)
    return UNIXAddress(name or None)


def lost(problem: OSError) -> Failure:
    """The reason that a protocol hears when its connection breaks with *problem*."""
    return Failure(error.ConnectionLost(problem.strerror or str(problem)))


@implementer(ITCPTransport, IPushProducer, IReadWriteDescriptor)
class Connection:
    """
    One stream connection, TCP or unix.

    :ivar pending: bytes written that the kernel has not taken yet
    :ivar drained: of the bytes that had to wait, those that the kernel has taken since, ever
    :ivar high_water: the producer is paused when more than so many bytes are pending
    :ivar hears_last_words: when the other side breaks the connection while nobody reads, what it had sent before is read first
    :ivar disconnected: the protocol has heard, or is about to hear, that the connection is gone
    """

    __slots__ = (
        "__weakref__",
        "_broken",
        "_deliver",
        "_half_closing",
        "_poller",
        "_producer",
        "_producer_paused",
        "_protocol",
        "_queue",
        "_read_done",
        "_read_size",
        "_reading",
        "_recv",
        "_send",
        "_sock",
        "_write_done",
        "_writing",
        "disconnected",
        "disconnecting",
        "drained",
        "hears_last_words",
        "high_water",
        "pending",
    )

    def __init__(self, sock: socket.socket, poller: Poller, protocol: IProtocol) -> None:
        self._sock = sock
        self._recv = sock.recv
        self._send = sock.send
        self._poller = poller
        self._queue: deque[bytes | memoryview] = deque()
        self.pending = 0
        self.drained = 0
        self.high_water = HIGH_WATER
        self.hears_last_words = True
        self._read_size = SMALL_READ
        self._reading = False
        self._writing = False
        self._half_closing = False
        #: The other side's end was told; ours was sent.
        self._read_done = False
        self._write_done = False
        #: Why writing failed, while what came before is still read.
        self._broken: OSError | None = None
        self.disconnected = False
        self.disconnecting = False
        self._producer: Any = None
        self._producer_paused = False
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

    @property
    def acknowledged(self) -> int:
        """
        Bytes that the other side has, on a scale that begins anywhere and rises as long as bytes are pending.

        What the kernel holds for it is known where the system tells (Linux: ``SIOCOUTQ``); elsewhere that counts as taken.
        """
        try:
            held = fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return self.drained
        return self.drained - int.from_bytes(held, sys.byteorder)

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

    # Writing.

    def write(self, data: bytes) -> None:
        """Send *data*: at once as far as the kernel takes it, the rest when there is room."""
        if self.pending:
            if not self.disconnecting:
                self._queue.append(data)
                self.pending += len(data)
                self._hold_producer()
            return
        if self.disconnected or self.disconnecting or self._write_done or not data:
            return
        try:
            sent = self._send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as problem:
            self._break(problem)
            return
        if sent != len(data):
            self._wait(memoryview(data)[sent:])

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces in order; small ones are joined, large ones are not copied."""
        pieces = data if isinstance(data, list) else list(data)
        total = sum(map(len, pieces))
        if total <= SMALL_READ:
            self.write(b"".join(pieces))
            return
        if self.pending:
            if not self.disconnecting:
                self._queue.extend(pieces)
                self.pending += total
                self._hold_producer()
            return
        if self.disconnected or self.disconnecting or self._write_done:
            return
        try:
            sent = self._send_pieces(pieces)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as problem:
            self._break(problem)
            return
        if sent == total:
            return
        rest: list[bytes | memoryview] = []
        for piece in pieces:
            if sent >= len(piece):
                sent -= len(piece)
            else:
                rest.append(memoryview(piece)[sent:] if sent else piece)
                sent = 0
        self._wait(*rest)

    def _send_pieces(self, pieces: list[bytes]) -> int:
        return self._sock.sendmsg(pieces)

    def _wait(self, *pieces: bytes | memoryview) -> None:
        """Keep *pieces* until the kernel has room."""
        for piece in pieces:
            self._queue.append(piece)
            self.pending += len(piece)
        if not self._writing:
            self._writing = True
            self._poller.addWriter(self)
        self._hold_producer()

    def _hold_producer(self) -> None:
        if self._producer is not None and not self._producer_paused and self.pending > self.high_water:
            self._producer_paused = True
            self._producer.pauseProducing()

    def doWrite(self) -> None:
        if self.disconnected:
            return
        if self._broken is not None:
            self.connectionLost(lost(self._broken))
            return
        queue = self._queue
        while queue:
            piece = queue.popleft()
            if queue and len(piece) < _JOIN:
                size = len(piece)
                pieces: list[bytes | memoryview] = [piece]
                while queue and size < _JOIN:
                    pieces.append(queue.popleft())
                    size += len(pieces[-1])
                piece = b"".join(pieces)
            try:
                sent = self._send(piece)
            except (BlockingIOError, InterruptedError):
                queue.appendleft(piece)
                return
            except OSError as problem:
                self._break(problem)
                return
            self.pending -= sent
            self.drained += sent
            if sent != len(piece):
                queue.appendleft(memoryview(piece)[sent:])
                return
        self._drained()

    def _drained(self) -> None:
        """All that was written is with the kernel."""
        self._writing = False
        self._poller.removeWriter(self)
        if self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
            if self.pending or self.disconnected:
                return
        if self._producer is None:
            if self.disconnecting:
                self._shut()
            elif self._half_closing:
                self._shutdown_writing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let *producer* (an ``IPushProducer``) be paused while much waits to be sent, and resumed when all was sent.

        :raises RuntimeError: a producer is registered already
        :raises ValueError: *streaming* is false; pull producers are not served
        """
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
        """The producer is done; a close that was asked for happens when all was sent."""
        self._producer = None
        self._producer_paused = False
        if not self.pending and not self.disconnected:
            if self.disconnecting:
                self._shut()
            elif self._half_closing:
                self._shutdown_writing()

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

    def fileno(self) -> int:
        return self._sock.fileno()

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


def tune(sock: socket.socket) -> None:
    """Options of every stream socket that relays: not blocking, and small messages leave at once."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
