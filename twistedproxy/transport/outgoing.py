"""Stream connections that we make, from a socket that begins to connect to a protocol that is connected."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Protocol

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from twistedproxy.transport.poller import Poller, forget
from twistedproxy.transport.tcp import Connection


def start_connecting(sock: socket.socket, name: Any) -> None:
    """
    Begin to connect to *name* (what ``socket.connect`` takes, already resolved).

    :raises OSError: the kernel refused at once (no route, no such socket file, no descriptor left)
    """
    code = sock.connect_ex(name)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))


def has_connected(sock: socket.socket) -> bool:
    """
    Whether a connection in the making stands now that there was an event.

    :raises OSError: it could not be made
    """
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    try:
        sock.getpeername()
    except OSError:
        return False  # a stale event of a descriptor with the same number: still connecting
    return True


def introduce(sock: socket.socket, watch: Watch | None) -> None:
    """
    Send what a connection that has just been made begins with.

    :raises OSError: it is gone already
    """
    # The buffer of a new socket is empty, and has room for far more.
    if watch is not None and watch.preface and sock.send(watch.preface) != len(watch.preface):
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


class Watch(Protocol):
    """
    Hears how the making of a connection went, before its protocol does.

    :ivar preface: what every connection begins with, before anything else (a TLS handshake, too)
    """

    preface: bytes

    def now(self) -> float:
        """The time, seconds."""

    def made(self, connection: Any) -> None:
        """It stands: the protocol hears of that next."""

    def failed(self, connection: Any, reason: Failure) -> None:
        """It could not be made, and is gone; the protocol does not hear of that."""


class OutgoingConnection(Connection):
    """
    A connection that we make.

    Its protocol hears ``makeConnection`` once it stands, or ``connectionLost`` without that when it could not be made; the
    reason then holds the ``OSError``.  With a *watch*, that hears of the failure instead.

    :ivar connecting: it does not stand yet
    """

    __slots__ = ("_watch", "connecting")

    def __init__(self, sock: socket.socket, poller: Poller, protocol: IProtocol, watch: Watch | None = None) -> None:
        super().__init__(sock, poller, protocol)
        self.connecting = True
        self._watch = watch

    def connect(self, address: Any) -> None:
        """
        Begin; *address* is what ``socket.connect`` takes, already resolved.

        :raises OSError: the kernel refused at once (no route, no such socket file, no descriptor left)
        """
        start_connecting(self._sock, address)
        self._writing = True
        self._poller.addWriter(self)

    def doRead(self) -> None:
        if self.connecting:
            self.doWrite()
        else:
            super().doRead()

    def doWrite(self) -> None:
        if not self.connecting:
            super().doWrite()
            return
        if self.disconnected:
            return
        try:
            if not has_connected(self._sock):
                return
            introduce(self._sock, self._watch)
        except OSError as problem:
            self.connectionLost(Failure(problem))
            return
        self.connecting = False
        self._writing = False
        self._poller.removeWriter(self)
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.made(self)
        self.start()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol, or whoever watches the connection in the making, once."""
        watch, self._watch = self._watch, None
        if watch is None:
            super().connectionLost(reason)
        elif not self.disconnected:
            self.discard()
            watch.failed(self, reason)

    def discard(self) -> None:
        """Give up without a word to anybody, if it does not stand yet."""
        if self.connecting and not self.disconnected:
            self.disconnected = True
            self._watch = None
            forget(self._poller, self)
            self._sock.close()
