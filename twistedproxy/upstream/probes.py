"""
Probes: what an active check sends to a peer, and how its failure is said in a few words.

A probe takes the way that requests take: the pool's dialer, its TLS, its PROXY protocol, and the same strict reading of answers.
Checks that ask by HTTP use a connection again while the peer is well, every tenth a new one: that new ones can be made is part of
being well.  All others have a connection of their own, which is closed behind them.

Calling a probe with a server begins one check and returns a Deferred that fires with None when the server passes, and fails with
:class:`twistedproxy.errors.CheckFailed` otherwise; how long that may take is decided by who asks, by cancelling it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import Any, Final
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.addresses import Address, Tcp
from twistedproxy.errors import CheckFailed, Reason, Whose
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.settings.checks import CheckSettings, StatusRanges
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Connector, Dial
from twistedproxy.upstream.http1 import UpstreamConnection
from twistedproxy.upstream.unreached import why_not_connected
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.proxy_protocol import ENCODERS, Ends

#: Checks by HTTP for which one connection serves.
_CHECKS_ON_ONE: Final = 10

_CUT: Final = "connection closed before the answer was complete"
_WORDS: Final[dict[Reason, str]] = {
    errors.CONNECT_REFUSED_BY_PEER: "connection refused",
    errors.CONNECT_TIMEOUT: "connection timed out",
    errors.NAME_UNRESOLVED: "name not found",
    errors.PEER_CLOSED: _CUT,
    errors.PEER_RESET: _CUT,
    errors.RESPONSE_CUT: _CUT,
    errors.BAD_RESPONSE: "the answer is not HTTP",
}
#: Whose details say all.
_DETAILED: Final = frozenset((errors.CONNECT_FAILED, errors.TLS_UNVERIFIED))


def in_few_words(reason: Reason, detail: str) -> str:
    """Why a check failed, for logs and tables: ``connection refused``, ``name not found`` …"""
    if reason in _DETAILED and detail:
        return detail.lower() if reason is errors.CONNECT_FAILED else detail
    words = _WORDS.get(reason)
    if words is not None:
        return words
    text = "TLS handshake failed" if reason is errors.TLS_FAILED else reason.text
    return f"{text}: {detail}" if detail else text


def is_expected(status: int, ranges: StatusRanges) -> bool:
    """Whether *status* is within one of *ranges*, both ends included."""
    return any(low <= status <= high for low, high in ranges)


class Asked:
    """
    A server as connections see a peer; what checks send and get is not counted with the peer's traffic.

    :param most_idle: connections to it that are kept from one check to the next
    :ivar request: the head that it is sent by checks that ask
    """

    __slots__ = ("__weakref__", "address", "bytes_received", "bytes_sent", "idle", "most_idle", "request", "settings", "tls")

    def __init__(self, server: ServerSettings, address: Address, most_idle: int) -> None:
        self.settings = server
        self.address = address
        self.tls = server.tls
        self.idle: list[Any] = []
        self.most_idle = most_idle
        self.request = b""
        self.bytes_sent = self.bytes_received = 0


class CheckConnector(Connector):
    """Connections for checks: each begins as the pool says."""

    def __init__(self, settings: PoolSettings, dial: Dial, tls: TlsClient | None, deadlines: Deadlines) -> None:
        super().__init__(settings, dial, tls, deadlines)
        # Nobody's client asks: the connection is our own.
        self._preface = ENCODERS[settings.proxy_protocol](None) if settings.proxy_protocol != "no" else b""

    def connect(self, peer: Any, receiver: Any, timeout: float) -> UpstreamConnection:
        """As :meth:`Connector.connect`."""
        connection = UpstreamConnection(self, peer)
        connection.wait(receiver, self.begin(peer, connection), timeout)
        return connection

    def begin(self, peer: Any, protocol: Any) -> Any:
        """Connect *protocol*; returns what gives that up."""
        return self._dial(peer.address, protocol, self._tls_towards(peer), self._preface)

    def keep(self, connection: UpstreamConnection) -> None:
        """Keep it for the next check, unless it has served for some already."""
        if connection.peer.most_idle and connection.requests < _CHECKS_ON_ONE:
            super().keep(connection)
        else:
            connection.cancel()


class Probe:
    """
    The check of one pool, to be sent to any of its servers.

    :ivar speaks_tls: with every server, whatever its line says
    :raises CertificateProblem: the authorities cannot be read, or the certificate that we show cannot be used
    """

    speaks_tls = False

    def __init__(self, check: CheckSettings, settings: PoolSettings, dial: Dial, deadlines: Deadlines) -> None:
        self.check = check
        self.settings = settings
        self._port = settings.check_port
        tls = self.tls() if self.speaks_tls or any(server.tls for server in settings.servers) else None
        self.connector = CheckConnector(settings, dial, tls, deadlines)
        #: Each as long as a check of it runs, or a connection to it is kept.
        self._asked: WeakValueDictionary[ServerSettings, Asked] = WeakValueDictionary()

    @property
    def keeps(self) -> bool:
        """Whether a connection serves for several checks."""
        return False

    def tls(self) -> TlsClient:
        """How peers are spoken to by TLS."""
        return TlsClient(self.settings)

    def __call__(self, server: ServerSettings) -> Deferred[None]:
        """One check of *server*."""
        raise NotImplementedError

    def asked(self, server: ServerSettings) -> Asked:
        """Where *server* is checked; the same as long as a connection to it is kept."""
        asked = self._asked.get(server)
        if asked is None:
            address = server.address
            if self._port is not None and isinstance(address, Tcp):
                address = Tcp(address.host, self._port)
            asked = self._asked[server] = Asked(server, address, int(self.keeps))
        return asked


class ConnectProbe(Probe):
    """``check = tcp``: a connection can be made; nothing is sent but what the PROXY protocol has it begin with."""

    def __call__(self, server: ServerSettings) -> Deferred[None]:
        """One check of *server*."""
        asked = self.asked(server)
        asked.tls = self.speaks_tls
        return _Connecting(self.connector, asked).done


class TlsProbe(ConnectProbe):
    """``check = tls``: a handshake is done and the peer's certificate verified, always in full and never by a resumed session."""

    speaks_tls = True

    def tls(self) -> TlsClient:
        """Offers no application protocol: it may be any."""
        return TlsClient(self.settings, (), resumes=False)


@implementer(IProtocol)
class _Connecting:
    """One check that only connects."""

    factory = None

    def __init__(self, connector: CheckConnector, asked: Asked) -> None:
        self._cancel = connector.begin(asked, self)
        self.done: Deferred[None] = Deferred(lambda _: self._cancel())

    def makeConnection(self, transport: Any) -> None:
        self.done.callback(None)
        transport.loseConnection()

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def dataReceived(self, data: bytes) -> None:
        """Whatever it has to say."""

    def connectionLost(self, reason: Failure) -> None:
        if not self.done.called:
            self.done.errback(_failed(*why_not_connected(reason)))


class HttpProbe(Probe):
    """
    ``check = METHOD TARGET``: the status, the header fields and the body of the answer are what the site expects.

    :ivar method: of the request
    :ivar body: what the beginning of the answer's body must contain; None: anything
    :ivar body_size: so much of the body is read
    """

    def __init__(self, check: CheckSettings, settings: PoolSettings, dial: Dial, deadlines: Deadlines) -> None:
        super().__init__(check, settings, dial, deadlines)
        self.method = check.method.encode("ascii")
        self.body = re.compile(settings.check_body.encode()) if settings.check_body is not None else None
        self.body_size = settings.check_body_size
        self._fields = [(name.encode("ascii").lower(), re.compile(pattern.encode())) for name, pattern in settings.check_header]
        self._start = f"{check.method} {check.target} HTTP/1.1\r\nHost: ".encode("ascii")
        self._rest = b"".join(b"\r\n%b: %b" % field for field in self.request_fields()) + b"\r\n\r\n"

    def request_fields(self) -> list[tuple[bytes, bytes]]:
        """The fields of every request, beside Host."""
        fields = [("User-Agent", "revproxy (check)")]
        for edit in self.settings.check_request_headers:
            if edit.action != "add":
                fields = [field for field in fields if field[0].lower() != edit.name.lower()]
            if edit.action != "remove":
                fields.append((edit.name, edit.value))
        fields += self.own_fields()
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in fields]

    @property
    def keeps(self) -> bool:
        """As the site says."""
        return self.settings.check_keepalive

    def own_fields(self) -> list[tuple[str, str]]:
        """Those that the site has no say in."""
        fields = [] if self.keeps else [("Connection", "close")]
        # RFC 9110 §8.6: where a body would mean something, its absence is said.
        return [*fields, ("Content-Length", "0")] if self.check.method in ("POST", "PUT", "PATCH") else fields

    def asked(self, server: ServerSettings) -> Asked:
        """As :meth:`Probe.asked`; what it is asked is made once."""
        asked = super().asked(server)
        if not asked.request:
            asked.request = self._start + (self.settings.check_host or server.authority).encode("ascii") + self._rest
        return asked

    def __call__(self, server: ServerSettings) -> Deferred[None]:
        """One check of *server*."""
        return Asking(self, server).done

    def problem_of_head(self, head: ResponseHead) -> str:
        """Why an answer with this *head* does not pass; empty if it may."""
        if not is_expected(head.status, self.settings.check_expect):
            return f"status {head.status}"
        for name, pattern in self._fields:
            if not any(pattern.search(value) for value in head.headers.get_all(name)):
                called = name.decode("ascii")
                return f"{called} is not as expected" if name in head.headers else f"the answer has no {called}"
        return ""


class Asking:
    """
    One check that sends a request: the :class:`twistedproxy.upstream.receiver.Receiver` of its answer.

    The answer is read to its end, or as much of it as is worth it, so that the peer can end it in peace.

    :ivar done: fires when the outcome is known
    """

    upgrades = False

    def __init__(self, probe: HttpProbe, server: ServerSettings) -> None:
        self._probe = probe
        self._problem = ""
        self._left = probe.body_size
        self._body = bytearray()
        self._asked = probe.asked(server)
        self.done: Deferred[None] = Deferred(self._given_up)
        kept: UpstreamConnection | None = probe.connector.take(self._asked, self)
        self._is_kept = kept is not None and kept.transport.is_quiet(and_open=True)
        if kept is not None and self._is_kept:
            self.connection = kept
            self.connected()
            return
        if kept is not None:
            kept.cancel()
        self.connection = probe.connector.connect(self._asked, self, inf)

    def _given_up(self, _done: object) -> None:
        self.connection.cancel()

    def passed(self) -> None:
        """The peer is well."""
        if not self.done.called:
            self.done.callback(None)

    def fails(self, why: str) -> None:
        """The peer is not well: the next check looks whether it takes new connections."""
        self._probe.connector.close_idle(self._asked)
        if not self.done.called:
            self.done.errback(CheckFailed(why))

    def ends(self) -> Ends | None:
        """Nobody's: the connection is our own."""
        return None

    def connected(self) -> None:
        """Ask."""
        self.connection.send(self, self._probe.method, self._asked.request, (), True, 0, self.upgrades)

    def interim(self, head: ResponseHead) -> None:
        """Not yet the answer."""

    def response(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The answer begins."""
        self._problem = self._probe.problem_of_head(head)
        self._take(pieces)
        if ended:
            self._judge()
        elif self._left <= 0:
            self._enough()

    def body(self, pieces: Sequence[Piece]) -> None:
        """It goes on."""
        self._take(pieces)
        if self._left <= 0:
            self._enough()

    def _take(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            if self._probe.body is not None and self._left > 0:
                self._body += piece[: self._left]
            self._left -= len(piece)

    def _enough(self) -> None:
        self.connection.cancel()
        self._judge()

    def ended(self, trailers: Headers) -> None:
        """The answer is complete."""
        self._judge()

    def _judge(self) -> None:
        pattern = self._probe.body
        if not self._problem and pattern is not None and not pattern.search(self._body):
            self._problem = "the body is not as expected"
        if self._problem:
            self.fails(self._problem)
        else:
            self.passed()

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        """Never: it was not asked for."""
        raise AssertionError("an upgrade that was not asked for was let through")

    def failed(self, reason: Reason, detail: str) -> None:
        """There is no answer, or not all of it."""
        if reason is errors.KEPT_CLOSED and self._is_kept and not self.done.called:
            # It may do so at any time (RFC 9112 §9.5).
            self._is_kept = False
            self.connection = self._probe.connector.connect(self._asked, self, inf)
            return
        if not self.done.called:
            self.done.errback(CheckFailed(self._problem) if self._problem else _failed(reason, detail))


def _failed(reason: Reason, detail: str) -> CheckFailed:
    return CheckFailed(in_few_words(reason, detail), ours=reason.whose is Whose.OURS)


#: By the kind of a check; WebSockets have theirs in a room of their own.
PROBES: Final[dict[str, type[Probe]]] = {"tcp": ConnectProbe, "tls": TlsProbe, "http": HttpProbe}
