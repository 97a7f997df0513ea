"""
Stream sockets in memory, and a poller that is turned by hand.

The proxy's own transports run on them unchanged.  They behave as the kernel's do where it matters: a buffer of limited
capacity, an end that is read after the bytes before it, and a reset when a socket is closed that holds unread bytes.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from itertools import count
from typing import Any

from twistedproxy.transport.poller import Descriptor, EpollPoller

#: Bytes that a stream holds on their way in one direction.
CAPACITY = 256 * 1024

_numbers = count(10_000)


class Stream:
    """
    One end of a connection in memory; what the proxy holds looks to it like a ``socket``.

    :ivar inbox: bytes that came and were not read
    :ivar capacity: of *inbox*
    :ivar ended: the other side sends nothing more
    :ivar reset: the other side has cut the connection
    :ivar closed: this side is closed; *aborted*: with a reset
    """

    family = socket.AF_INET

    def __init__(self, name: tuple[str, int]) -> None:
        self.name = name
        self.inbox = bytearray()
        self.capacity = CAPACITY
        self.ended = False
        self.reset = False
        self.closed = False
        self.shut = False
        self.other: Stream
        self._number = next(_numbers)
        self._low_water = 1
        self._lingers = True
        self._told = False

    # As the proxy's transports use it.

    def fileno(self) -> int:
        return -1 if self.closed else self._number

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self.inbox:
            data = bytes(self.inbox[:size])
            if not flags & socket.MSG_PEEK:
                del self.inbox[:size]
            return data
        if self.reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if self.ended:
            return b""
        raise BlockingIOError

    def send(self, data: Any) -> int:
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self.reset or self.shut:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self.other.closed:
            # The other machine answers with a reset.
            self.reset = True
            return len(data)
        room = self.other.capacity - len(self.other.inbox)
        if room <= 0:
            raise BlockingIOError
        self.other.inbox += data[:room]
        return min(room, len(data))

    def sendmsg(self, pieces: Iterable[Any]) -> int:
        return self.send(b"".join(pieces))

    def shutdown(self, how: int) -> None:
        if self.reset:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        self.shut = True
        self.other.ended = True

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.inbox or not self._lingers:
            self.other.reset = True
        self.other.ended = True

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_RCVLOWAT):
            self._low_water = value
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._lingers = False

    def getsockopt(self, level: int, option: int) -> int:
        if option != socket.SO_ERROR or not self.reset or self._told:
            return 0
        # The kernel tells an error once.
        self._told = True
        return errno.ECONNRESET

    def getpeername(self) -> tuple[str, int]:
        return self.other.name

    def getsockname(self) -> tuple[str, int]:
        return self.name

    # What the kernel would tell a poller.

    @property
    def readable(self) -> bool:
        return len(self.inbox) >= self._low_water or self.ended or self.reset

    @property
    def writable(self) -> bool:
        return self.reset or self.other.closed or len(self.other.inbox) < self.other.capacity

    @property
    def hung_up(self) -> bool:
        """An event that is told whether anyone asks for it or not."""
        return self.reset or (self.ended and self.shut)


def connected(one: tuple[str, int], other: tuple[str, int]) -> tuple[Stream, Stream]:
    """Two ends of a connection between two addresses."""
    first, second = Stream(one), Stream(other)
    first.other, second.other = second, first
    return first, second


class HandPoller(EpollPoller):
    """A level-triggered poller of :class:`Stream` that acts when :meth:`turn` is called.  What fails in it fails the test."""

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self._interest: dict[int, tuple[Descriptor, bool, bool]] = {}

    def _set(self, member: Descriptor, reads: bool | None, writes: bool | None) -> None:
        number = member.fileno()
        known = self._interest.get(number)
        if known is None:
            if reads or writes:
                self._interest[number] = (member, bool(reads), bool(writes))
            return
        self._interest[number] = (member, known[1] if reads is None else reads, known[2] if writes is None else writes)

    def addReader(self, reader: Descriptor) -> None:
        self._set(reader, True, None)

    def removeReader(self, reader: Descriptor) -> None:
        self._set(reader, False, None)

    def addWriter(self, writer: Descriptor) -> None:
        self._set(writer, None, True)

    def removeWriter(self, writer: Descriptor) -> None:
        self._set(writer, None, False)

    def forget(self, member: Descriptor) -> None:
        self._interest.pop(member.fileno(), None)

    def has_unread(self, member: Descriptor) -> bool:
        return bool(self.streams[member.fileno()].inbox)

    def turn(self) -> bool:
        """Tell every member of its events once; whether there were any."""
        happened = False
        for number in list(self._interest):
            stream = self.streams[number]
            member, reads, _ = self._interest.get(number, (None, False, False))
            if member is not None and (stream.hung_up or (reads and stream.readable)):
                happened = True
                member.doRead()
            member, _, writes = self._interest.get(number, (None, False, False))
            if member is not None and writes and stream.writable:
                happened = True
                member.doWrite()
        return happened
