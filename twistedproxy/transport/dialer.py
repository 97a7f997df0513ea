"""
Making connections: an address, perhaps a name to look up, perhaps TLS; then a protocol is connected, or hears why not.

A name with several addresses is tried at one after the other, as RFC 8305 §5 has it: the next one when one fails, and also when
one has not answered for a while, so that an address that swallows everything costs a quarter of a second.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure

from twistedproxy.addresses import Address, Endpoint, Unix
from twistedproxy.transport.adapted import Adapting
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.endpoints import client_endpoint
from twistedproxy.transport.names import Names, Resolved
from twistedproxy.transport.outgoing import OutgoingConnection
from twistedproxy.transport.poller import Poller
from twistedproxy.transport.tcp import tune
from twistedproxy.transport.tls_handshake import OutgoingTls

#: Gives up making a connection; does nothing once the protocol has heard how it went.
Cancel = Callable[[], None]

#: A family and an address in it.
Where = tuple[int, Any]

#: Seconds that an address has before the next one is tried beside it (RFC 8305 §5, Connection Attempt Delay).
HEAD_START: Final = 0.25
#: Seconds for which an address that failed, or let us wait, comes after the others of its name.
_AVOIDED: Final = 30.0
#: So many such addresses are remembered.
_MANY: Final = 1024


class Dialer:
    """Makes the proxy's outgoing connections."""

    def __init__(self, poller: Poller, names: Names, reactor: IReactorTime) -> None:
        self.poller = poller
        self.reactor = reactor
        self._names = names
        self._endpoints: dict[Endpoint, IStreamClientEndpoint] = {}
        self._avoided: dict[Where, float] = {}

    def dial(self, address: Address, protocol: IProtocol, tls: TlsClient | None = None, preface: bytes = b"") -> Cancel:
        """
        Connect *protocol* to *address*, with TLS when *tls* says how; the connection begins with *preface*, even before TLS.

        The protocol hears ``makeConnection`` when the connection stands (with TLS: when the handshake is done), otherwise
        ``connectionLost`` with a Failure that holds an ``OSError``, a ``DNSLookupError`` or a ``TlsProblem``; never before
        this call has returned.  When a name has several addresses and none can be reached, the last one's failure is told.
        """
        if isinstance(address, Endpoint):
            return _by_endpoint(self, address, protocol, preface)
        call = _Call(self, address, protocol, tls, preface)
        if isinstance(address, Unix):
            call.connect([(socket.AF_UNIX, address.path)])
        else:
            self._names.resolve(address.host, address.port, call.connect)
        return call.cancel

    def endpoint(self, address: Endpoint) -> IStreamClientEndpoint:
        """What connects to *address*; made once, since it may share something between its connections."""
        endpoint = self._endpoints.get(address)
        if endpoint is None:
            endpoint = self._endpoints[address] = client_endpoint(address, self.reactor)
        return endpoint

    def in_order(self, resolved: Resolved) -> Resolved:
        """*resolved* with the addresses last that gave trouble lately, so that a dead one does not delay every other call."""
        if not self._avoided or len(resolved) < 2:
            return resolved
        now = self.reactor.seconds()
        return sorted(resolved, key=lambda where: self._avoided.get(where, 0.0) > now)

    def went(self, where: Where, *, well: bool) -> None:
        """An attempt at *where* went well, or did not."""
        if well:
            self._avoided.pop(where, None)
        else:
            if len(self._avoided) >= _MANY:
                self._avoided.clear()
            self._avoided[where] = self.reactor.seconds() + _AVOIDED


def _by_endpoint(dialer: Dialer, address: Endpoint, protocol: IProtocol, preface: bytes) -> Cancel:
    """Connect *protocol* by an endpoint of Twisted's, or of anybody else."""
    called: list[Deferred[Any]] = []
    given_up = False

    def failed(reason: Failure) -> None:
        if not given_up:
            protocol.connectionLost(Failure(_as_os_error(reason.value)))

    def connect() -> None:
        called.append(dialer.endpoint(address).connect(Adapting(lambda _: protocol, preface)).addErrback(failed))

    # Some endpoints connect within the call, before which the protocol must not hear of it.
    begins = dialer.reactor.callLater(0, connect)

    def cancel() -> None:
        nonlocal given_up
        given_up = True
        if begins.active():
            begins.cancel()
        for deferred in called:
            deferred.cancel()

    return cancel


def _as_os_error(problem: BaseException | None) -> BaseException | None:
    """What Twisted calls a failed connection, as what the kernel calls it, if that is known."""
    code = problem.osError if isinstance(problem, ConnectError) else None
    return OSError(code, os.strerror(code)) if isinstance(code, int) else problem


class _Call:
    """One connection in the making: attempts at its addresses, of which the first that succeeds is taken."""

    __slots__ = ("_address", "_attempts", "_dialer", "_left", "_over", "_problem", "_protocol", "_timer", "_tls", "preface")

    def __init__(self, dialer: Dialer, address: Address, protocol: IProtocol, tls: TlsClient | None, preface: bytes) -> None:
        self.preface = preface
        self._dialer = dialer
        self._address = address
        self._protocol = protocol
        self._tls = tls
        self._left: Resolved = []
        self._attempts: dict[OutgoingConnection | OutgoingTls, Where] = {}
        self._problem = Failure(DNSLookupError(f"no address for {address}"))
        self._timer: IDelayedCall | None = None
        self._over = False

    def connect(self, resolved: Resolved) -> None:
        """The name has these addresses."""
        if not self._over:
            self._left = self._dialer.in_order(resolved)
            self._try_next()

    def _try_next(self) -> None:
        """Begin at the next address that the kernel does not refuse at once."""
        self._forget_timer()
        while self._left:
            family, name = self._left.pop(0)
            try:
                attempt = self._open(family)
            except OSError as problem:
                self._problem = Failure(problem.with_traceback(None))  # whose frames would hold us
                continue
            try:
                attempt.connect(name)
            except OSError as problem:
                self._problem = Failure(problem.with_traceback(None))
                self._dialer.went((family, name), well=False)
                attempt.discard()
                continue
            self._attempts[attempt] = (family, name)
            if self._left:
                self._timer = self._dialer.reactor.callLater(HEAD_START, self._no_answer)
            return
        if not self._attempts:
            # Perhaps within dial, before which the protocol must not hear of it.
            self._dialer.reactor.callLater(0, self._fail)

    def _open(self, family: int) -> OutgoingConnection | OutgoingTls:
        sock = socket.socket(family, socket.SOCK_STREAM)
        tune(sock, family)
        if self._tls is None:
            return OutgoingConnection(sock, self._dialer.poller, self._protocol, self)
        return OutgoingTls(sock, self._dialer.poller, self._protocol, self._tls, self._address, self)

    def _no_answer(self) -> None:
        self._timer = None
        # Where a handshake is under way somebody is there: a second one beside it would only add to their work.
        if all(attempt.connecting for attempt in self._attempts):
            for where in self._attempts.values():
                self._dialer.went(where, well=False)
            self._try_next()

    def now(self) -> float:
        """The reactor's time."""
        return float(self._dialer.reactor.seconds())

    def made(self, connection: OutgoingConnection | OutgoingTls) -> None:
        """The first that stands is the one."""
        self._dialer.went(self._attempts.pop(connection), well=True)
        self.cancel()

    def failed(self, connection: OutgoingConnection | OutgoingTls, reason: Failure) -> None:
        """One address is tried in vain."""
        where = self._attempts.pop(connection)
        self._problem = reason
        if reason.check(OSError) is not None:
            self._dialer.went(where, well=False)
            self._try_next()
        else:
            # Somebody answered, and is not to be trusted or does not speak TLS: that is what people must hear.
            self._fail()

    def _fail(self) -> None:
        if not self._over:
            self.cancel()
            self._protocol.connectionLost(self._problem)

    def _forget_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def cancel(self) -> None:
        """Give up."""
        self._over = True
        self._left = []
        self._forget_timer()
        attempts, self._attempts = self._attempts, {}
        for attempt in attempts:
            attempt.discard()
