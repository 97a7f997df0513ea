"""The sending side of a stream connection: what the kernel does not take at once waits, and holds its producer back."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet import error
from twisted.python.failure import Failure

from twistedproxy.transport.file_part import FilePart
from twistedproxy.transport.poller import EpollPoller, Poller

#: A producer is paused when more than this many bytes wait for the kernel, unless a connection is told otherwise.
HIGH_WATER: Final = 64 * 1024
#: Waiting pieces are joined up to this many bytes for one system call.
_JOIN: Final = 128 * 1024
#: Pieces that are together no larger are joined at once.
_SMALL: Final = 16 * 1024


def lost(problem: OSError) -> Failure:
    """The reason that a protocol hears when its connection breaks with *problem*."""
    return Failure(error.ConnectionLost(problem.strerror or str(problem)))


class Sending:
    """
    A consumer of bytes in front of a socket.

    :ivar pending: bytes written that the kernel has not taken yet
    :ivar drained: of the bytes that had to wait, those that the kernel has taken since, ever
    :ivar high_water: the producer is paused when more than so many bytes are pending
    :ivar disconnected: the protocol has heard, or is about to hear, that the connection is gone
    :ivar disconnecting: it is closed, or to be closed when all was sent
    """

    __slots__ = (
        "_broken",
        "_half_closing",
        "_poller",
        "_producer",
        "_producer_paused",
        "_queue",
        "_send",
        "_sock",
        "_write_done",
        "_writing",
        "disconnected",
        "disconnecting",
        "drained",
        "high_water",
        "pending",
    )

    def __init__(self, sock: socket.socket, poller: Poller) -> None:
        self._sock = sock
        self._send: Callable[[Any], int] = sock.send
        self._poller = poller
        self._queue: deque[bytes | memoryview | FilePart] = deque()
        self.pending = 0
        self.drained = 0
        self.high_water = HIGH_WATER
        self._writing = False
        self._half_closing = False
        #: Our side's end was sent.
        self._write_done = False
        #: Why writing failed, while what came before is still read.
        self._broken: OSError | None = None
        self.disconnected = False
        self.disconnecting = False
        self._producer: Any = None
        self._producer_paused = False

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
        if total <= _SMALL:
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

    @property
    def sends_files(self) -> bool:
        """Whether :meth:`send_file` may be called."""
        return isinstance(self._sock, socket.socket)

    def send_file(self, part: FilePart) -> None:
        """Send a part of a file as :meth:`write` sends bytes; the file must not change until then."""
        if not self.pending:
            if self.disconnected or self.disconnecting or self._write_done:
                return
            try:
                while part:
                    part.send(self._sock)
            except (BlockingIOError, InterruptedError):
                self._wait(part)
            except OSError as problem:
                self._break(problem)
        elif not self.disconnecting:
            self._queue.append(part)
            self.pending += len(part)
            self._hold_producer()

    def _wait(self, *pieces: bytes | memoryview | FilePart) -> None:
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
            if not isinstance(piece, FilePart) and queue and len(piece) < _JOIN:
                piece = self._joined(piece)
            try:
                sent = piece.send(self._sock) if isinstance(piece, FilePart) else self._send(piece)
            except (BlockingIOError, InterruptedError):
                queue.appendleft(piece)
                return
            except OSError as problem:
                self._break(problem)
                return
            self.pending -= sent
            self.drained += sent
            if isinstance(piece, FilePart):
                if piece:
                    queue.appendleft(piece)
            elif sent != len(piece):
                queue.appendleft(memoryview(piece)[sent:])
                return
        self._drained()

    def _joined(self, first: bytes | memoryview) -> bytes:
        """*first* with small pieces that wait behind it, for one system call."""
        queue = self._queue
        size = len(first)
        pieces = [first]
        while queue and size < _JOIN:
            piece = queue[0]
            if isinstance(piece, FilePart):
                break
            queue.popleft()
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

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

    def put_off(self, call: Callable[[], None]) -> bool:
        """Call *call* when the other connections were told of their events, too; False: that is impossible now."""
        return isinstance(self._poller, EpollPoller) and self._poller.put_off(call)

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

    # What the whole connection knows more of.

    def doRead(self) -> None:
        """There is something to read."""
        raise NotImplementedError

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def logPrefix(self) -> str:
        """Whose events these are."""
        raise NotImplementedError

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        raise NotImplementedError

    def _shut(self) -> None:
        """All was sent that is to be sent before a close."""
        raise NotImplementedError

    def _shutdown_writing(self) -> None:
        """All was sent that is to be sent at all."""
        raise NotImplementedError

    def _break(self, problem: OSError) -> None:
        """Writing failed."""
        raise NotImplementedError
