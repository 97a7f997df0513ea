"""Making connections: an address, perhaps a name to look up, perhaps TLS; then a protocol is connected, or hears why not."""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from twistedproxy.addresses import Address, Unix
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.names import Names, Resolved
from twistedproxy.transport.outgoing import OutgoingConnection
from twistedproxy.transport.poller import Poller
from twistedproxy.transport.tcp import tune
from twistedproxy.transport.tls_handshake import OutgoingTls

#: Gives up making a connection; does nothing once the protocol has heard how it went.
Cancel = Callable[[], None]


class Dialer:
    """Makes the proxy's outgoing connections."""

    def __init__(self, poller: Poller, names: Names) -> None:
        self._poller = poller
        self._names = names

    def dial(self, address: Address, protocol: IProtocol, tls: TlsClient | None = None) -> Cancel:
        """
        Connect *protocol* to *address*, with TLS when *tls* says how.

        The protocol hears ``makeConnection`` when the connection stands (with TLS: when the handshake is done), otherwise
        ``connectionLost`` with a Failure that holds an ``OSError``, a ``DNSLookupError`` or a ``TlsProblem``; never before
        this call has returned.
        """
        call = _Call(self, address, protocol, tls)
        if isinstance(address, Unix):
            call.connect([(socket.AF_UNIX, address.path)])
        else:
            self._names.resolve(address.host, address.port, call.connect)
        return call.cancel

    def _open(
        self, family: int, protocol: IProtocol, tls: TlsClient | None, address: Address
    ) -> OutgoingConnection | OutgoingTls:
        sock = socket.socket(family, socket.SOCK_STREAM)
        tune(sock)
        if tls is None:
            return OutgoingConnection(sock, self._poller, protocol)
        return OutgoingTls(sock, self._poller, protocol, tls, address)


class _Call:
    """One connection in the making."""

    __slots__ = ("_address", "_connection", "_dialer", "_over", "_protocol", "_tls")

    def __init__(self, dialer: Dialer, address: Address, protocol: IProtocol, tls: TlsClient | None) -> None:
        self._dialer = dialer
        self._address = address
        self._protocol = protocol
        self._tls = tls
        self._connection: OutgoingConnection | OutgoingTls | None = None
        self._over = False

    def connect(self, resolved: Resolved) -> None:
        """Try the addresses in turn until the kernel takes one."""
        if self._over:
            return
        problem: Exception = DNSLookupError(f"no address for {self._address}")
        for family, name in resolved:
            try:
                connection = self._dialer._open(family, self._protocol, self._tls, self._address)
            except OSError as error:
                problem = error
                continue
            try:
                connection.connect(name)
            except OSError as error:
                problem = error
                connection.discard()
                continue
            self._connection = connection
            return
        self._fail_soon(problem)

    def _fail_soon(self, problem: Exception) -> None:
        self._dialer._names.soon(self._fail, Failure(problem))

    def _fail(self, failure: Failure) -> None:
        if not self._over:
            self._over = True
            self._protocol.connectionLost(failure)

    def cancel(self) -> None:
        """Give up."""
        self._over = True
        if self._connection is not None:
            self._connection.discard()
