"""
An exchange: one request with its answer, from the moment its head is understood until its last byte is gone.

The phases, in order; each is a method, and what comes next is a call:

    begin      route -> redirect, or a backend; the announced size of the body; a WebSocket's handshake
    lookup     cache -> an entry is served or validated, or the request goes on        (:mod:`twistedproxy.forward.caching`)
    choose     pool -> peer, or 503
    connect    an idle connection, or a new one within connect_timeout
    send       heads rewritten, body pumped with back-pressure
    receive    1xx passed on; 101 joins a tunnel; failure -> retry, or an answer
    deliver    head rewritten, body pumped with back-pressure, and into the cache's fill
    finish     on every path, once: outcome to the peer, counters, log

``request_…`` is called from downstream; the methods of :class:`~twistedproxy.upstream.http1.Receiver` from upstream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twistedproxy import errors
from twistedproxy.answers import replies
from twistedproxy.errors import Reason, RequestError, ResponseError
from twistedproxy.forward import retry, rewrite, values
from twistedproxy.forward.caching import Caching, serve_again
from twistedproxy.forward.nobody import Nobody, update_head
from twistedproxy.message import IDEMPOTENT, Field, Headers, RequestHead, ResponseHead
from twistedproxy.transport.tunnel import Tunnel
from twistedproxy.verdicts import ChooseVerdict, RetryVerdict, RouteVerdict, Verdict
from twistedproxy.websocket.handshake import VERSION_REFUSED_FIELDS, Handshake, check_answer, check_request
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Peer
    from twistedproxy.cache.cache import Cache
    from twistedproxy.cache.responses import Lookup
    from twistedproxy.forward.routes import Route
    from twistedproxy.forward.site import Downstream, Site
    from twistedproxy.upstream.http1 import UpstreamConnection

#: Bytes of a request's body that wait for a connection before the client is held back.
_HELD = 64 * 1024


class Exchange:
    """
    One request with its answer.

    :ivar number: counted from 1 in the order of arrival
    :ivar client: the client's address: behind trusted proxies the one that they report
    :ivar scheme: the client's, likewise
    :ivar status: of the final answer; 499 when the client left before one began, 0 before that
    :ivar bytes_sent: of bodies, to the client; *bytes_received*: from it; in a tunnel: bytes of either direction
    :ivar request_time: seconds from the request's head to the end, once finished
    :ivar connect_time: seconds until the connection of the last attempt stood, 0.0 for a kept one; None without an attempt
    :ivar header_time: seconds from the start of that attempt to the head of its answer
    :ivar response_time: seconds from the start of that attempt to the end of its answer
    :ivar upgrade_time: seconds from the start of that attempt to the 101
    :ivar request_complete: the whole request has come
    :ivar reason: what went wrong last, None if nothing did
    :ivar detail: more words on it
    :ivar verdicts: what was decided, in order
    """

    number: int
    site: Site
    downstream: Downstream
    head: RequestHead
    client: str
    client_port: int
    scheme: bytes
    started: float
    started_wall: float
    verdicts: list[Verdict]

    # Until something happens, an exchange has these in common with all others, which makes it cheap to begin one.
    route: Route | None = None
    peer: Peer | None = None
    upstream: UpstreamConnection | None = None
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    request_time: float = 0.0
    attempt_started: float = 0.0
    connect_time: float | None = None
    header_time: float | None = None
    response_time: float | None = None
    upgrade_time: float | None = None
    cache_status: str = ""
    reason: Reason | None = None
    detail: str = ""
    finished: bool = False
    _caching: Caching | None = None
    _handshake: Handshake | None = None
    _held: list[Piece] | None = None
    _held_size: int = 0
    _trailers: Headers | None = None
    request_complete: bool = False
    _sent: bool = False
    _responded: bool = False
    _fresh: bool = False
    _tried: tuple[Peer, ...] = ()
    _tries_made: int = 0

    def __init__(self, site: Site, downstream: Downstream, head: RequestHead) -> None:
        site.exchanges = self.number = site.exchanges + 1
        self.site = site
        self.downstream = downstream
        self.head = head
        self.client = downstream.address
        self.client_port = downstream.client_port
        self.scheme = downstream.scheme
        self.started = site.clock.monotonic()
        self.started_wall = site.clock.wall()
        self.verdicts = []

    @property
    def pool_name(self) -> str:
        """The pool of the exchange's route; empty for none."""
        return self.route.backend.pool.name if self.route and self.route.backend else ""

    @property
    def peer_name(self) -> str:
        """The peer tried last; empty for none."""
        return self.peer.name if self.peer else ""

    # begin

    def begin(self, pieces: Sequence[Piece], ended: bool) -> None:
        """Start; *pieces* of the body came with the head, *ended*: they are all of it."""
        head = self.head
        downstream = self.downstream
        self.request_complete = ended
        if downstream.trusted:
            self.client = downstream.trusted_proxies.client_of(head.headers, self.client)
            self.scheme = downstream.trusted_proxies.scheme_of(head.headers, self.scheme)
        fields = head.fields
        routes = self.site.routes
        routed = head.routed
        if routed is not None and routed[0] is routes:
            route = self.route = routed[1]
        else:
            route = self.route = routes.match(
                self.scheme, fields.host, fields.port or downstream.port, head.route_path, downstream.listener_name
            )
            if route is None:
                self.verdicts.append(RouteVerdict.NO_ROUTE)
                self.refuse(errors.NO_ROUTE)
                return
            head.routed = (routes, route)
        assert route is not None
        route.requests += 1
        settings = route.settings
        if not ended or pieces:
            if settings.max_body and fields.length > settings.max_body:
                self.refuse(errors.BODY_TOO_LARGE, f"{fields.length} bytes")
                return
            self._hold(pieces)
            if settings.max_body and self.bytes_received > settings.max_body:
                self.refuse(errors.BODY_TOO_LARGE)
                return
        if b"max-forwards" in head.headers and self._is_last_recipient():
            return
        if route.redirect is not None:
            location = route.redirect.render(lambda name: values.value_of(self, name))
            self._reply(*replies.redirect(settings.redirect.status, location.encode("latin-1")))
            return
        if fields.upgrade and b"websocket" in fields.upgrade and settings.websocket != "no":
            try:
                self._handshake = check_request(head)
            except RequestError as error:
                self.refuse(error.reason, error.detail)
                return
        elif route.cache is not None and not (fields.connection and rewrite.hides_fields(head)):
            if serve_again(self, route.cache):
                return
            self._caching = Caching(self, route.cache)
            if self._caching.answers():
                return
        self.attempt()

    def _is_last_recipient(self) -> bool:
        """RFC 9110 §7.6.2: who gets Max-Forwards: 0 answers by himself."""
        if self.head.method not in _COUNTED or not rewrite.is_zero(self.head.headers.get(b"max-forwards") or b""):
            return False
        self.refuse(errors.MAX_FORWARDS)
        return True

    # The request's body, from downstream.

    def request_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """More of the request's body has come; *ended*: that was all of it."""
        if self.finished:
            return
        self.request_complete = ended
        limit = self.route.settings.max_body if self.route else 0
        if self._sent and self.upstream is not None:
            for piece in pieces:
                self.bytes_received += len(piece)
            if limit and self.bytes_received > limit:
                self._too_large()
                return
            upstream = self.upstream
            upstream.send_body(pieces, ended, trailers)
            if ended and upstream.transport is not None:
                upstream.transport.unregisterProducer()
        else:
            self._trailers = trailers
            self._hold(pieces)
            if limit and self.bytes_received > limit:
                self._too_large()

    def _hold(self, pieces: Sequence[Piece]) -> None:
        """Keep pieces of the body until there is a connection for them."""
        if self._held is None:
            self._held = []
        self._held += pieces
        size = sum(map(len, pieces))
        self._held_size += size
        self.bytes_received += size
        if self._held_size > _HELD and not self.request_complete:
            self.downstream.pause_request()

    def _too_large(self) -> None:
        self._abandon_attempt(errors.BODY_TOO_LARGE)
        self.fail(errors.BODY_TOO_LARGE)

    def request_malformed(self, reason: Reason, detail: str) -> None:
        """The rest of the request cannot be read: the peer must see that it is incomplete, and the client why."""
        if self.finished:
            return
        self._abandon_attempt(reason)
        self.fail(reason, detail)

    def request_lost(self, reason: Reason) -> None:
        """The client is gone, or stalled: the peer's work is cancelled."""
        if self.finished:
            return
        self._abandon_attempt(reason)
        self.reason = reason
        if not self._responded:
            self.status = 499
        self.finish()

    def _abandon_attempt(self, reason: Reason) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        assert self.peer is not None
        self.peer.fail(reason, self.site.clock.monotonic())
        self._leave_producers(upstream)
        upstream.cancel()

    # choose, connect

    def attempt(self) -> None:
        """Try a peer of the route's pool."""
        route = self.route
        assert route is not None and route.backend is not None
        backend = route.backend
        now = self.site.clock.monotonic()
        if self._fresh:
            peer = self.peer
        else:
            peer = backend.pool.choose(self._tried, now)
            if peer is None:
                self._nobody_left(backend.pool.verdict_when_none(self._tried, now))
                return
            if peer.backup:
                self.verdicts.append(ChooseVerdict.BACKUP)
            self.peer = peer
            self._tries_made += 1
        assert peer is not None
        peer.begin()
        self.attempt_started = now
        self._sent = False
        upstream = None if self._fresh else backend.connector.take(peer)
        # What may be repeated may be sent on a connection that the peer closes in this moment.
        once = self.head.method not in IDEMPOTENT
        while upstream is not None and not upstream.transport.is_quiet(and_open=once):
            # The peer said something: it would be taken for the answer to this request (RFC 9112 §9.2).  Or it closed.
            upstream.cancel()
            upstream = backend.connector.take(peer)
        if upstream is not None:
            self.connect_time = 0.0
            self.upstream = upstream
            self._send(upstream)
        else:
            self.upstream = backend.connector.connect(peer, self, route.settings.connect_timeout)

    def _nobody_left(self, verdict: ChooseVerdict) -> None:
        self.verdicts.append(verdict)
        if self.reason is not None:
            self.fail(self.reason, self.detail)
        else:
            self.fail(errors.NO_PEER, str(verdict))

    def update_behind(self, cache: Cache, lookup: Lookup, nobody: Nobody) -> None:
        """Ask a peer for the same anew, for the cache alone: an exchange of its own, with *nobody* as its client."""
        update = Exchange(self.site, nobody, update_head(self.head))
        update.client, update.client_port, update.scheme = self.client, self.client_port, self.scheme
        update.route = self.route
        update.request_complete = True
        update._caching = Caching.of_update(update, cache, lookup)
        update.attempt()

    def connected(self) -> None:
        upstream = self.upstream
        assert upstream is not None
        self.connect_time = upstream.connected_at - self.attempt_started
        self._send(upstream)

    # send

    def _send(self, upstream: UpstreamConnection) -> None:
        route = self.route
        assert route is not None
        settings = route.settings
        upstream.read_timeout = settings.read_timeout
        upstream.send_timeout = settings.send_timeout
        head = self._head_for(route)
        self._sent = True
        ended = self.request_complete
        held = self._held
        if held:
            trailers = self._trailers
            if trailers is not None and trailers.items:
                upstream.send(self, self.head.method, head, held, False, self.head.fields.length, False)
                upstream.send_body((), True, trailers)
                return
            if not ended:
                # Not kept for another try: it may be of any size.
                self._held = None
                self._held_size = 0
            upstream.send(self, self.head.method, head, held, ended, self.head.fields.length, False)
        else:
            upstream.send(self, self.head.method, head, (), ended, self.head.fields.length, self._handshake is not None)
        if not ended and self.upstream is upstream:
            upstream.transport.registerProducer(_RequestFlow(self.downstream), True)
            self.downstream.resume_request()

    def _head_for(self, route: Route) -> bytes:
        """
        The head for the peer.

        A client that repeats its fields on a connection has them rewritten once.
        """
        head = self.head
        if head.forwarded is not None and head.forwarded[0] is route and self._caching is None:
            return head.forwarded[1]
        assert self.peer is not None
        downstream = self.downstream
        settings = route.settings
        repeatable = self._caching is None and settings.host == "preserve" and head.fields.host and head.method not in _COUNTED
        known = downstream.known
        if known is not None and known[0] is head.fields and known[1] is route and repeatable:
            block = known[2]
        else:
            fields = rewrite.request_fields(
                head,
                settings,
                peer_host=self.peer.settings.authority.encode(),
                client=self.client,
                address=downstream.address,
                scheme=downstream.scheme,
                port=downstream.port,
                trusted=downstream.trusted,
            )
            if self._caching is not None:
                fields = self._caching.for_peer(fields)
            block = rewrite.request_block(fields, head.fields.length, self._handshake is not None)
        start = b"%b %b HTTP/1.1\r\n%b\r\n" % (head.method, rewrite.upstream_target(head, route.strip_prefix), block)
        if repeatable:
            downstream.known = (head.fields, route, block)
            head.forwarded = (route, start)
        return start

    # receive

    def interim(self, head: ResponseHead) -> None:
        if self.head.version >= 11:
            self.downstream.interim(rewrite.interim_head(head))

    def response(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        now = self.site.clock.monotonic()
        self.header_time = now - self.attempt_started
        if self._caching is not None:
            self._caching.response(head, pieces, ended)
            return
        route = self.route
        assert route is not None
        rewritten = head.rewritten
        if rewritten is not None and rewritten[0] is route:
            out = rewritten[1]
        else:
            out = rewrite.response_head(head, route.settings.response_headers, self.site.clock.wall())
            if b"date" in head.headers:
                head.rewritten = (route, out)
        self.deliver(out, pieces, ended)
        if ended:
            self.attempt_succeeded(now)
            self.finish()

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        now = self.site.clock.monotonic()
        upstream = self.upstream
        assert upstream is not None and self._handshake is not None and self.route is not None
        try:
            check_answer(self._handshake, head)
        except ResponseError as error:
            upstream.transport.abortConnection()
            self.failed(error.reason, error.detail)
            return
        self.header_time = self.upgrade_time = now - self.attempt_started
        self.status = head.status
        self._responded = True
        self._handshake = None
        client, from_client = self.downstream.switch(rewrite.upgrade_head(head, self.route.settings.response_headers))
        tunnel = Tunnel(
            client, upstream.transport, self.site.deadlines, self.route.settings.websocket_idle_timeout, self._tunnel_ended
        )
        tunnel.route_name, tunnel.peer_name = self.route.name, self.peer_name
        self.downstream.tunnel_began(tunnel)
        tunnel.start(from_client, rest)

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        assert self.peer is not None
        self.bytes_received = tunnel.bytes_up
        self.bytes_sent = tunnel.bytes_down
        self.peer.bytes_sent += tunnel.bytes_up
        self.peer.bytes_received += tunnel.bytes_down
        self.attempt_succeeded(self.site.clock.monotonic())
        self.finish()

    def body(self, pieces: Sequence[Piece]) -> None:
        if self._caching is not None:
            self._caching.body(pieces)
        self.deliver_body(pieces)

    def ended(self, trailers: Headers) -> None:
        self.attempt_succeeded(self.site.clock.monotonic())
        if self._caching is not None:
            self._caching.ended()
        self.deliver_end(trailers)

    def failed(self, reason: Reason, detail: str) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None and upstream.transport is not None:
            self._leave_producers(upstream)
        peer = self.peer
        assert peer is not None and self.route is not None
        peer.fail(reason, self.site.clock.monotonic())
        self.reason = reason
        self.detail = detail
        verdict = retry.after(
            reason,
            self.head.method,
            replayable=not self._sent or self.bytes_received == self._held_size,
            answered=self._responded,
            attempts=self._tries_made,
            tries=self.route.settings.tries,
        )
        self.verdicts.append(verdict)
        if verdict is RetryVerdict.AGAIN:
            self._fresh = True
            self.attempt()
        elif verdict is RetryVerdict.ELSEWHERE:
            self._fresh = False
            self._tried = (*self._tried, peer)
            self.attempt()
        else:
            self.fail(reason, detail)

    # deliver

    def deliver(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """Begin the final answer; more of it comes by :meth:`deliver_body` unless *ended*."""
        self._responded = True
        self.status = head.status
        for piece in pieces:
            self.bytes_sent += len(piece)
        downstream = self.downstream
        downstream.respond(head, pieces, ended)
        if not ended and not self.finished:
            downstream.transport.registerProducer(self, True)

    def deliver_body(self, pieces: Sequence[Piece]) -> None:
        """Send more of the answer's body to the client."""
        for piece in pieces:
            self.bytes_sent += len(piece)
        self.downstream.body(pieces)

    def deliver_end(self, trailers: Headers) -> None:
        """The answer is complete."""
        self.downstream.transport.unregisterProducer()
        self.downstream.end(trailers)
        self.finish()

    def pauseProducing(self) -> None:
        """The client takes the answer too slowly: the peer is held back."""
        if self.upstream is not None:
            self.upstream.transport.pauseProducing()
        elif self._caching is not None:
            self._caching.pause()

    def resumeProducing(self) -> None:
        """The client has taken all that was sent."""
        if self.upstream is not None:
            self.upstream.resume()
        elif self._caching is not None:
            self._caching.resume()

    def stopProducing(self) -> None:
        """The client is gone: :meth:`request_lost` follows."""

    # Answers of our own.

    def refuse(self, reason: Reason, detail: str = "") -> None:
        """Answer that the request is not served; it goes to no peer."""
        self.fail(reason, detail)

    def fail(self, reason: Reason, detail: str = "") -> None:
        """The exchange cannot succeed: say so as well as can still be done."""
        self.reason = reason
        self.detail = detail
        if self._caching is not None and self._caching.failed(reason, answered=self._responded):
            return
        if self._responded:
            self.downstream.transport.unregisterProducer()
            self.downstream.cut()
            self.finish()
            return
        self._reply(*replies.error(reason), VERSION_REFUSED_FIELDS if reason is errors.BAD_WEBSOCKET_VERSION else ())

    def _reply(self, head: ResponseHead, body: bytes, more: tuple[Field, ...] = ()) -> None:
        """Answer; *more* fields are of this hop."""
        edits = self.route.settings.response_headers if self.route else ()
        head = rewrite.response_head(head, edits, self.site.clock.wall())
        if more:
            head = ResponseHead(head.status, head.reason, head.headers.plus(*more), length=head.length)
        self.deliver(head, () if self.head.method == b"HEAD" else (body,), True)
        self.finish()

    # finish

    def attempt_succeeded(self, now: float) -> None:
        """The peer's answer is complete."""
        upstream, self.upstream = self.upstream, None
        assert self.peer is not None
        self.peer.succeed(now)
        self.response_time = now - self.attempt_started
        if self.reason is not None:
            # Of an earlier attempt, which this one made good.
            self.reason = None
            self.detail = ""
        if upstream is not None and not self.request_complete:
            self._leave_producers(upstream)

    def _leave_producers(self, upstream: UpstreamConnection) -> None:
        if upstream.transport is not None:
            upstream.transport.unregisterProducer()

    def finish(self) -> None:
        """The exchange is over, on whatever path."""
        if self.finished:
            return
        self.finished = True
        site = self.site
        self.request_time = site.clock.monotonic() - self.started
        route = self.route
        if route is not None:
            route.statuses[self.status // 100] += 1
            if self.reason is not None:
                route.errors += 1
        if self.reason is not None:
            for observer in site.failed:
                observer(self)
        if self._caching is not None:
            self._caching.closed()
        for observer in site.finished:
            observer(self)
        self.downstream.exchange_over()


#: Methods whose heads change on the way, because Max-Forwards counts down.
_COUNTED = frozenset((b"OPTIONS", b"TRACE"))


class _RequestFlow:
    """The client as the producer of what goes to a peer."""

    __slots__ = ("_downstream",)

    def __init__(self, downstream: Any) -> None:
        self._downstream = downstream

    def pauseProducing(self) -> None:
        self._downstream.pause_request()

    def resumeProducing(self) -> None:
        self._downstream.resume_request()

    def stopProducing(self) -> None:
        """The peer is gone: the exchange hears of it by itself."""
