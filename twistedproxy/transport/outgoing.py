"""Stream connections that we make, from a socket that begins to connect to a protocol that is connected."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

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


class OutgoingConnection(Connection):
    """
    A connection that we make.

    Its protocol hears ``makeConnection`` once it stands, or ``connectionLost`` without that when it could not be made; the
    reason then holds the ``OSError``.
    """

    __slots__ = ("_connecting",)

    def __init__(self, sock: socket.socket, poller: Poller, protocol: IProtocol) -> None:
        super().__init__(sock, poller, protocol)
        self._connecting = True

    def connect(self, address: Any) -> None:
        """
        Begin; *address* is what ``socket.connect`` takes, already resolved.

        :raises OSError: the kernel refused at once (no route, no such socket file, no descriptor left)
        """
        start_connecting(self._sock, address)
        self._writing = True
        self._poller.addWriter(self)

    def doRead(self) -> None:
        if self._connecting:
            self.doWrite()
        else:
            super().doRead()

    def doWrite(self) -> None:
        if not self._connecting:
            super().doWrite()
            return
        if self.disconnected:
            return
        try:
            if not has_connected(self._sock):
                return
        except OSError as problem:
            self.connectionLost(Failure(problem))
            return
        self._connecting = False
        self._writing = False
        self._poller.removeWriter(self)
        self.start()

    def discard(self) -> None:
        """Give up without a word to the protocol, if it has not been connected yet."""
        if self._connecting and not self.disconnected:
            self.disconnected = True
            forget(self._poller, self)
            self._sock.close()
