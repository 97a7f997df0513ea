"""Messages to a syslog server as datagrams: over UDP (RFC 5426), or to a unix socket such as /dev/log."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from twistedproxy.logs.syslog_messages import Messages
from twistedproxy.settings.logs import SyslogTarget
from twistedproxy.transport.names import Names, Resolved

#: The receiver is behind, or we are: the same message may go a little later.
_LATER: Final = frozenset((errno.EAGAIN, errno.ENOBUFS))


class SyslogDatagrams:
    """
    One message a datagram; an :class:`twistedproxy.logs.output.Output`.

    The socket is not connected: each message finds its way by itself, also when the server was started anew.

    :param names: looks up the server's name
    :param wall: the time in seconds since 1970
    """

    def __init__(self, target: SyslogTarget, messages: Messages, names: Names, wall: Callable[[], float]) -> None:
        self.name = str(target)
        self.lost = 0
        self._target = target
        self._messages = messages
        self._names = names
        self._wall = wall
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._socket: socket.socket | None = None
        self._family = -1
        self._to: Resolved | None = None

    @property
    def pending(self) -> int:
        """Bytes of messages that are not sent."""
        return self._bytes

    def open(self) -> None:
        """Find out where the server is."""
        if self._target.transport == "unix":
            self._to = [(socket.AF_UNIX, self._target.path)]
        else:
            self._names.resolve(self._target.host, self._target.port, self._found)

    def _found(self, addresses: Resolved) -> None:
        self._to = addresses

    def add(self, lines: Sequence[bytes]) -> None:
        """Take *lines*."""
        for message in self._messages.of(lines, self._wall()):
            self._waiting.append(message)
            self._bytes += len(message)

    def flush(self) -> None:
        """Send what the kernel takes; raises OSError."""
        self.open()
        if self._to is None:
            return
        if not self._to:
            raise OSError(f"{self._target.host} could not be resolved")
        family, address = self._to[0]
        sender = self._sender(family)
        while self._waiting:
            message = self._waiting[0]
            try:
                sender.sendto(message, address)
            except OSError as error:
                if error.errno in _LATER:
                    return
                if error.errno != errno.EMSGSIZE:
                    raise
                # Longer than any datagram: it will never go.
                self.lost += 1
            self._waiting.popleft()
            self._bytes -= len(message)

    def _sender(self, family: int) -> socket.socket:
        if self._socket is None or self._family != family:
            self.close()
            self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            self._family = family
        return self._socket

    def reopen(self) -> None:
        """Begin anew."""
        self.close()
        self.open()

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
