"""
An attempt: one try of an exchange on one peer.

    start      an idle connection to the peer, or a new one within connect_timeout
    send       the head rewritten, what is here of the body, then more of it with back-pressure
    receive    1xx, 101, or the final answer: the exchange takes it
    the end    exactly one of succeeded, failed and cancel: the peer hears of the outcome
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twistedproxy.errors import FAILED_STATUS, Reason, ResponseError
from twistedproxy.forward.ends import ends_of
from twistedproxy.forward.error_pages import cut_short
from twistedproxy.forward.further import instead_of_answer
from twistedproxy.forward.request_head import request_head
from twistedproxy.message import IDEMPOTENT, Headers, ResponseHead
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.proxy_protocol import Ends

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Peer
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.site import Downstream
    from twistedproxy.upstream.connector import Connector
    from twistedproxy.upstream.http1 import UpstreamConnection
    from twistedproxy.upstream.http2_stream import UpstreamStream


class Attempt:
    """
    One try; a :class:`twistedproxy.upstream.receiver.Receiver`.

    :ivar exchange: whose attempt it is; gone when the attempt has ended, so that both need no garbage collector
    :ivar peer: on which
    :ivar previous: the attempt of the exchange before this one, or None
    :ivar started: monotonic time
    :ivar upstream: the connection, as long as it is needed
    :ivar reused: the connection had carried other requests before
    :ivar sent: a part of the request may have reached the peer
    :ivar connect_time: seconds until the connection stood, 0.0 for a kept one; None before
    :ivar handshake_time: seconds of *connect_time* that TLS took; None when that is not known
    :ivar header_time: seconds from the start to the head of the answer; None before
    :ivar response_time: seconds from the start to the end of the answer; None before
    :ivar upgrade_time: seconds from the start to the 101; None without one
    :ivar status: of the peer's final answer; 0 before
    :ivar failed_after: seconds from the start to its failure, or until nobody wanted an answer any more
    :ivar reason: why it failed; None as long as it has not
    :ivar detail: more words on it
    :ivar span: the id by which the peer knows it in traces; empty where it was told none
    """

    __slots__ = (
        "connect_time",
        "detail",
        "exchange",
        "failed_after",
        "handshake_time",
        "header_time",
        "peer",
        "previous",
        "reason",
        "response_time",
        "reused",
        "sent",
        "span",
        "started",
        "status",
        "upgrade_time",
        "upstream",
    )

    def __init__(self, exchange: Exchange, peer: Peer, now: float) -> None:
        self.exchange: Exchange = exchange
        self.peer: Peer = peer
        self.started: float = now
        self.previous: Attempt | None = exchange.attempt
        self.upstream: UpstreamConnection | UpstreamStream | None = None
        self.reused = False
        self.sent = False
        self.connect_time: float | None = None
        self.handshake_time: float | None = None
        self.header_time: float | None = None
        self.response_time: float | None = None
        self.upgrade_time: float | None = None
        self.status = 0
        self.failed_after: float | None = None
        self.reason: Reason | None = None
        self.detail = ""
        self.span = ""

    # start

    def start(self, connector: Connector) -> None:
        """Send the request on a kept connection of *connector*, or on a new one."""
        peer = self.peer
        upstream = connector.take(peer, self)
        # What may be repeated may be sent on a connection that the peer closes in this moment.
        once = self.exchange.head.method not in IDEMPOTENT
        while upstream is not None and not upstream.transport.is_quiet(and_open=once):
            # The peer said something: it would be taken for the answer to this request (RFC 9112 §9.2).  Or it closed.
            upstream.cancel()
            upstream = connector.take(peer, self)
        if upstream is None:
            self.start_afresh(connector)
        else:
            peer.begin()
            self.reused = True
            self.connect_time = 0.0
            self.upstream = upstream
            self._send(upstream)

    def start_afresh(self, connector: Connector) -> None:
        """Send the request on a new connection, to be made within ``connect_timeout``."""
        route = self.exchange.route
        assert route is not None
        self.peer.begin()
        self.upstream = connector.connect(self.peer, self, route.settings.connect_timeout)

    def ends(self) -> Ends | None:
        """Whose connection it is that the request came by; None: our own."""
        return ends_of(self.exchange)

    @property
    def upgrades(self) -> bool:
        """Whether it is a WebSocket's handshake."""
        return self.exchange.upgrade is not None

    def connected(self) -> None:
        """The connection stands."""
        upstream = self.upstream
        assert upstream is not None
        self.connect_time = upstream.connected_at - self.started
        self.handshake_time = getattr(upstream.transport, "handshake_time", None)
        self._send(upstream)

    # send

    def _send(self, upstream: UpstreamConnection | UpstreamStream) -> None:
        exchange = self.exchange
        route = exchange.route
        assert route is not None
        settings = route.settings
        upstream.read_timeout = settings.read_timeout
        upstream.send_timeout = settings.send_timeout
        start = request_head(exchange, self, upstream.multiplexed)
        self.sent = True
        head = exchange.head
        body = exchange.content
        ended = exchange.request_complete
        if body is None:
            upstream.send(self, head.method, start, (), ended, head.fields.length, exchange.upgrade is not None)
        elif body.trailers is not None and body.trailers.items:
            upstream.send(self, head.method, start, body.pieces(), False, head.fields.length, False)
            upstream.send_body((), True, body.trailers)
            body.passed_on()
        else:
            upstream.send(self, head.method, start, body.pieces(), ended, head.fields.length, False)
            body.passed_on()
        if not ended and self.upstream is upstream:
            upstream.transport.registerProducer(_RequestFlow(exchange.downstream), True)
            exchange.downstream.resume_request()

    def send_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """More of the request's body has come; *ended*: that is all of it."""
        upstream = self.upstream
        if upstream is None:
            return
        upstream.send_body(pieces, ended, trailers)
        if ended:
            self._leave(upstream)

    # receive

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer other than 101."""
        self.exchange.interim(head)

    def response(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The final answer begins; *ended*: that is all of it."""
        exchange = self.exchange
        now = exchange.site.clock.monotonic()
        self.header_time = now - self.started
        self.status = head.status
        if head.status >= 400 and self._answered_badly(head, ended, now):
            return
        if exchange.hedge is not None:
            exchange.hedge.won(self)
        if self.peer.attentive and self.reason is None:
            self.peer.answered(self.header_time, now)
        exchange.response(self, head, pieces, ended, now)

    def _answered_badly(self, head: ResponseHead, ended: bool, now: float) -> bool:
        """An answer of 400 or above begins: whether another peer is asked, or a page says all, instead of passing it on."""
        status = head.status
        if status in self.peer.circuit.fail_statuses:
            self.reason = FAILED_STATUS
            self.detail = str(status)
        exchange = self.exchange
        assert exchange.route is not None
        if status in exchange.route.retries.statuses and instead_of_answer(exchange, self, now):
            return True
        return exchange.route.settings.intercept_errors and not ended and cut_short(exchange, self, head, now)

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of the answer's body."""
        self.exchange.response_body(pieces)

    def ended(self, trailers: Headers) -> None:
        """The answer is complete."""
        exchange = self.exchange
        self.succeeded(exchange.site.clock.monotonic())
        exchange.response_ended(trailers)

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        """A 101: the connection belongs to no exchange of HTTP any more."""
        exchange = self.exchange
        upstream = self.upstream
        upgrade = exchange.upgrade
        now = exchange.site.clock.monotonic()
        self.header_time = self.upgrade_time = now - self.started
        self.status = head.status
        if self.peer.attentive:
            self.peer.answered(self.header_time, now)
        assert upstream is not None and upgrade is not None
        try:
            upgrade.join(self, head, rest)
        except ResponseError as error:
            self.upgrade_time = None
            upstream.transport.abortConnection()
            self.failed(error.reason, error.detail)

    # the end

    def succeeded(self, now: float) -> None:
        """The peer's answer is complete, or as much of it as anybody wants."""
        upstream, self.upstream = self.upstream, None
        exchange = self.exchange
        if self.reason is None:
            self.peer.succeed(now, self.header_time or 0.0)
        else:
            self.peer.fail(self.reason, now)
        self.response_time = now - self.started
        if exchange.reason is not None and not exchange.finished:
            # Of an earlier attempt, which this one made good.
            exchange.reason = None
            exchange.detail = ""
        if upstream is not None and not exchange.request_complete:
            self._leave(upstream)
        del self.exchange

    def dismiss(self, now: float) -> None:
        """The peer has answered, but nobody wants the rest of what it says."""
        upstream = self.upstream
        self.succeeded(now)
        if upstream is not None and upstream.receiver is self:
            upstream.cancel()

    def failed(self, reason: Reason, detail: str) -> None:
        """The attempt has failed: the exchange decides what becomes of it."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            self._leave(upstream)
        exchange = self.exchange
        self.reason = reason
        self.detail = detail
        now = exchange.site.clock.monotonic()
        self.failed_after = now - self.started
        self.peer.fail(reason, now)
        del self.exchange
        exchange.attempt_failed(self, reason, detail)

    def cancel(self, reason: Reason) -> None:
        """Nobody waits for the answer any more, because of *reason*: the peer's work is cancelled."""
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        self.reason = reason
        now = self.exchange.site.clock.monotonic()
        self.failed_after = now - self.started
        self.peer.fail(reason, now, now - self.started if self.header_time is None else 0.0)
        self._leave(upstream)
        upstream.cancel()
        del self.exchange

    def _leave(self, upstream: UpstreamConnection | UpstreamStream) -> None:
        """The client produces nothing more for *upstream*."""
        if upstream.transport is not None:
            upstream.transport.unregisterProducer()

    def __repr__(self) -> str:
        outcome = f" {self.reason}" if self.reason else ""
        return f"<Attempt on {self.peer.name}{outcome}>"


@implementer(IPushProducer)
class _RequestFlow:
    """The client as the producer of what goes to a peer."""

    __slots__ = ("_downstream",)

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    def pauseProducing(self) -> None:
        self._downstream.pause_request()

    def resumeProducing(self) -> None:
        self._downstream.resume_request()

    def stopProducing(self) -> None:
        """The peer is gone: the attempt hears of it by itself."""
