"""Listening sockets: bound early, accepting in batches, patient when the process has no descriptor left."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.addresses import Address, Endpoint, Tcp, Unix
from twistedproxy.transport.endpoints import inherited
from twistedproxy.transport.poller import Poller, forget
from twistedproxy.transport.tcp import stream_address, tune

_log = Logger()

#: Connections accepted for one event, so that a flood of them does not starve the rest.
_BATCH: Final = 64
#: Seconds for which nothing is accepted after the process or the machine ran out of something.
_BACK_OFF: Final = 0.5

_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

#: Takes an accepted, tuned socket and the client's address as ``accept`` gives it.
Accept = Callable[[socket.socket, Any], None]


class CannotListen(Exception):
    """An address cannot be listened on; the text names it and the remedy."""


def bind(address: Address, backlog: int) -> list[socket.socket]:
    """
    Listening sockets for *address*: one, or two where an empty host stands for IPv4 and IPv6; none for an endpoint of Twisted's.

    :raises CannotListen: taken, forbidden or unknown
    """
    try:
        if isinstance(address, Unix):
            return [_bind_unix(address, backlog)]
        if isinstance(address, Endpoint):
            sock = inherited(address)
            return [] if sock is None else [sock]
        return _bind_tcp(address, backlog)
    except OSError as problem:
        remedy = {
            errno.EADDRINUSE: "; another program listens there: stop it, or choose another port",
            errno.EACCES: "; ports below 1024 need root (twistd --uid drops it afterwards) or CAP_NET_BIND_SERVICE",
            errno.EADDRNOTAVAIL: "; no interface of this machine has this address",
        }.get(problem.errno or 0, "")
        raise CannotListen(f"cannot listen on {address}: {problem.strerror or problem}{remedy}") from problem


def _bind_unix(address: Unix, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead_socket(address.path)
        sock.bind(address.path)
        os.chmod(address.path, address.mode)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_dead_socket(path: str) -> None:
    """Remove a socket file that nobody listens on any more; leave one in use, and whatever is no socket."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # one that listens and is busy would keep us waiting
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)


def _bind_tcp(address: Tcp, backlog: int) -> list[socket.socket]:
    hosts = [address.host] if address.host else ["0.0.0.0", "::"]
    sockets: list[socket.socket] = []
    try:
        port = address.port
        for host in hosts:
            flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
            if address.host and not _is_numeric(host):
                flags = socket.AI_PASSIVE
            family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)[0]
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as problem:
                if problem.errno == errno.EAFNOSUPPORT and sockets:
                    continue  # a machine without IPv6
                raise
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((where[0], port, *where[2:]))
            except OSError as problem:
                if problem.errno == errno.EADDRNOTAVAIL and not address.host and len(sockets) > 1:
                    sockets.pop().close()  # IPv6 is switched off
                    continue
                raise
            port = sock.getsockname()[1]
            sock.listen(backlog)
            sock.setblocking(False)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _is_numeric(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


@implementer(IListeningPort)
class Port:
    """
    A listening socket that hands each accepted connection to *accept*.

    :param may_accept: asked before each; while it says no, clients wait in the backlog until :meth:`wake`
    """

    def __init__(
        self, sock: socket.socket, accept: Accept, may_accept: Callable[[], bool], poller: Poller, reactor: IReactorTime
    ) -> None:
        self._sock = sock
        self._accept = accept
        self._may_accept = may_accept
        self._poller = poller
        self._reactor = reactor
        self._listening = False
        self._stopped = False
        self._family = sock.family
        self._unlink = sock.getsockname() if sock.family == socket.AF_UNIX else ""

    def startListening(self) -> None:
        """Begin to accept."""
        self._stopped = False
        self.wake()

    @property
    def sock(self) -> socket.socket:
        """The socket that is listened on."""
        return self._sock

    def release(self) -> None:
        """Accept nothing more, and leave the socket to whoever owns it; what waits in the backlog waits on."""
        if not self._stopped:
            self._stopped = True
            self._pause()
            forget(self._poller, self)

    def stopListening(self) -> None:
        """Close the socket; what waits in the backlog is refused."""
        if self._stopped:
            return
        self.release()
        self._sock.close()
        if self._unlink:
            try:
                os.unlink(self._unlink)
            except FileNotFoundError:
                pass

    def wake(self) -> None:
        """Accept again, if it had been paused."""
        if not self._listening and not self._stopped:
            self._listening = True
            self._poller.addReader(self)

    def _pause(self) -> None:
        if self._listening:
            self._listening = False
            self._poller.removeReader(self)

    def doRead(self) -> None:
        for _ in range(_BATCH):
            if not self._may_accept():
                self._pause()
                return
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                if problem.errno in _EXHAUSTED:
                    _log.error(
                        "nothing is accepted on {where} for {seconds} s: {problem}; raise the limit of open files (ulimit -n)",
                        where=self.getHost(),
                        seconds=_BACK_OFF,
                        problem=problem.strerror,
                    )
                    self._pause()
                    self._reactor.callLater(_BACK_OFF, self.wake)
                    return
                continue  # ECONNABORTED, EPERM…: that client's connection is gone, the next one's is not
            try:
                tune(sock, self._family)
            except OSError:
                sock.close()  # reset between accept and now
                continue
            self._accept(sock, address)

    def doWrite(self) -> None:
        """Never registered for writing."""

    def connectionLost(self, reason: Failure) -> None:
        """Accepting failed in a way that we do not know: pause rather than spin."""
        if not self._stopped:
            self._pause()
            self._reactor.callLater(_BACK_OFF, self.wake)

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "port"

    def getHost(self) -> IAddress:
        """The address really bound."""
        return stream_address(self._sock.family, self._sock.getsockname())
