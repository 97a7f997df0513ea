"""The ports of the status page and of the shell: Twisted endpoints in one service, opened before privileges drop."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import DeferredList
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.addresses import Address, Endpoint, Tcp, Unix
from twistedproxy.transport.endpoints import server_endpoint
from twistedproxy.transport.port import Port
from twistedproxy.transport.sockets import Sockets

#: Connections that the kernel keeps waiting.
BACKLOG: Final = 50


class Ports(Service):
    """
    Listens on every address with one factory.

    :param sockets: where the sockets are owned; None: it makes its own, by Twisted's endpoints
    :ivar addresses: where it really listens, as ``HOST:PORT`` or ``unix:PATH``
    """

    log = Logger()

    def __init__(
        self, subject: str, on: Sequence[Address], factory: IProtocolFactory, reactor: Any, sockets: Sockets | None = None
    ) -> None:
        self.addresses: list[str] = []
        self._subject = subject
        self._on = on
        self._factory = factory
        self._reactor = reactor
        self._sockets = sockets
        self._ports: list[IListeningPort] = []
        self._opened = False

    def privilegedStartService(self) -> None:
        """Open the ports.  Raises OSError or a Twisted CannotListenError when one cannot be opened."""
        Service.privilegedStartService(self)
        self._open()

    def startService(self) -> None:
        """Open the ports unless that was done before privileges dropped."""
        Service.startService(self)
        self._open()

    def stopService(self) -> Any:
        """Close the ports; the Deferred fires when they are closed."""
        Service.stopService(self)
        ports, self._ports, self._opened, self.addresses = self._ports, [], False, []
        if self._sockets is not None:
            self._factory.doStop()
        return DeferredList([d for port in ports if (d := _stopped(port)) is not None])

    def _open(self) -> None:
        if self._opened:
            return
        self._opened = True
        failures: list[Failure] = []
        for address in self._on if self._sockets is None else self._adopt(self._sockets):
            opening = endpoint_of(address, self._reactor).listen(self._factory)
            opening.addCallbacks(self._ports.append, failures.append)
        if failures:
            failures[0].raiseException()
        self.addresses = [_name_of(port) for port in self._ports]
        self.log.info("{subject} on {addresses}", subject=self._subject, addresses=", ".join(self.addresses))

    def _adopt(self, sockets: Sockets) -> list[Address]:
        """Listen on sockets that others own, and that stay when the ports are closed; returns the addresses that have none."""
        sockets.provide(dict.fromkeys(self._on, BACKLOG))
        self._factory.doStart()
        for address in self._on:
            for sock in sockets.of(address):
                port = Port(sock, self._accept, lambda: True, self._reactor, self._reactor)
                port.startListening()
                self._ports.append(port)
        return [address for address in self._on if not sockets.of(address)]

    def _accept(self, sock: socket.socket, _where: object) -> None:
        """A connection becomes one of Twisted's, which has a descriptor of its own for it."""
        with sock:
            try:
                self._reactor.adoptStreamConnection(sock.fileno(), sock.family, self._factory)
            except OSError:
                pass  # it has gone already


def _stopped(port: IListeningPort) -> Any:
    """Let *port* accept nothing more; a socket that is not its own stays open."""
    return port.release() if isinstance(port, Port) else port.stopListening()


def endpoint_of(address: Address, reactor: Any) -> IStreamServerEndpoint:
    """
    The Twisted endpoint that listens on *address*.

    A socket in the file system that a dead process has left behind is taken over; that of a living one is not.
    """
    if isinstance(address, Unix):
        return UNIXServerEndpoint(reactor, address.path, mode=address.mode, wantPID=True)
    if isinstance(address, Endpoint):
        return server_endpoint(address, reactor)
    if ":" in address.host:
        return TCP6ServerEndpoint(reactor, address.port, interface=address.host)
    return TCP4ServerEndpoint(reactor, address.port, interface=address.host)


def _name_of(port: IListeningPort) -> str:
    host = port.getHost()
    if isinstance(host, UNIXAddress):
        return str(Unix(os.fsdecode(host.name or b"")))
    return str(Tcp(host.host, host.port)) if isinstance(host, IPv4Address | IPv6Address) else str(host)
