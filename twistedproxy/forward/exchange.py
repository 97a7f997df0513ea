"""
An exchange: one request with its answer, from the moment its head is understood until its last byte is gone.

The phases, in order; each is a method, and what comes next is a call:

    begin      route; the announced size of the body
    guard      the route's guards, in order: the first refusal answers, and one that has to ask somebody else calls back
    proceed    the route's own answer, or a backend; a WebSocket's handshake
    lookup     cache -> an entry is served or validated, or the request goes on        (:mod:`twistedproxy.forward.caching`)
    choose     pool -> peer, or 503
    connect    an idle connection, or a new one within connect_timeout                 (:mod:`twistedproxy.forward.attempt`)
    send       heads rewritten, body pumped with back-pressure                         (likewise)
    receive    1xx passed on; 101 joins a tunnel; failure -> retry, or an answer
    deliver    head rewritten, filters, body pumped with back-pressure, and into the cache's fill
    finish     on every path, once: counters, log

``request_…`` is called from downstream, ``response…`` and ``attempt_failed`` by the attempt that runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.answers import replies
from twistedproxy.answers.answer import Source
from twistedproxy.errors import Reason, RequestError, ResponseError
from twistedproxy.filters.chain import Chain
from twistedproxy.forward import error_pages, further, rewrite, values
from twistedproxy.forward.attempt import Attempt
from twistedproxy.forward.caching import Caching, serve_again
from twistedproxy.forward.challenges import answers_challenge
from twistedproxy.forward.collecting import Collecting
from twistedproxy.forward.guards.disguises import is_disguised
from twistedproxy.forward.hedge import Hedge, may_be_hedged
from twistedproxy.forward.mirror import Copying
from twistedproxy.forward.nobody import Nobody, update_head
from twistedproxy.forward.remembered import facts
from twistedproxy.forward.request_body import RequestBody
from twistedproxy.forward.request_head import COUNTED, is_last_recipient
from twistedproxy.forward.slices import Slices, is_large
from twistedproxy.forward.total_time import Allotted
from twistedproxy.forward.tracing import noted
from twistedproxy.forward.upgrade import Upgrade
from twistedproxy.forward.waiting import Place, wait
from twistedproxy.message import Field, Headers, RequestHead, ResponseHead
from twistedproxy.transport.file_part import FilePart
from twistedproxy.verdicts import ChooseVerdict, RouteVerdict, Verdict
from twistedproxy.websocket.handshake import VERSION_REFUSED_FIELDS
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Peer
    from twistedproxy.cache.cache import Cache
    from twistedproxy.cache.responses import Lookup
    from twistedproxy.forward.guards.admission import Admission
    from twistedproxy.forward.guards.identity import Identity
    from twistedproxy.forward.routes import Affinity, Route
    from twistedproxy.forward.site import Downstream, Site

_NOBODY: Final = {ChooseVerdict.QUEUE_FULL: errors.QUEUE_FULL, ChooseVerdict.QUEUE_TIMEOUT: errors.QUEUE_TIMEOUT}


class Exchange:
    """
    One request with its answer.

    :ivar number: counted from 1 in the order of arrival
    :ivar client: the client's address: behind trusted proxies the one that they report
    :ivar scheme: the client's, likewise
    :ivar attempt: the latest; those before it are its ``previous``
    :ivar content: the request's body, None as long as nothing of it has come
    :ivar request_complete: the whole request has come
    :ivar upgrade: the WebSocket's handshake, None for other requests
    :ivar caching: what the cache has to do with it; None for nothing
    :ivar answered: the client's final answer has begun
    :ivar answers_itself: the answer is the proxy's own word, such as an error
    :ivar noted: values of templates that were made for it alone, by name
    :ivar tried: peers that were tried in vain
    :ivar tries_made: attempts that count against ``tries``
    :ivar place: in the queue of its pool, as long as it waits there
    :ivar hedge: of its attempt, as long as no answer has begun
    :ivar allotted: the time that it has altogether, if that is limited
    :ivar collecting: its body, before a peer is asked
    :ivar copying: what goes to a second pool as well, as long as the body comes in
    :ivar affinity: what binds clients to peers, once it had a say
    :ivar admission: what it holds since guards have let it in; None for nothing
    :ivar identity: who asks, when a guard has found that out
    :ivar client_full: the client takes the answer too slowly
    :ivar source: where the answer's body comes from when no peer sends it
    :ivar chain: what changes the answer's body on its way
    :ivar slices: of the body, those that the chain has yet to see, when too much came at once
    :ivar status: of the final answer; 499 when the client left before one began, 0 before that
    :ivar bytes_sent: of bodies, to the client; *bytes_received*: from it; in a tunnel: bytes of either direction
    :ivar request_time: seconds from the request's head to the end, once finished
    :ivar reason: what went wrong last, None if nothing did
    :ivar detail: more words on it
    :ivar verdicts: what was decided, in order
    """

    # Slots, each with a value from the beginning, are the cheapest attributes that there are.
    __slots__ = (
        "admission",
        "affinity",
        "allotted",
        "answered",
        "answers_itself",
        "attempt",
        "bytes_received",
        "bytes_sent",
        "cache_status",
        "caching",
        "chain",
        "client",
        "client_full",
        "client_port",
        "collecting",
        "content",
        "copying",
        "detail",
        "downstream",
        "finished",
        "head",
        "hedge",
        "identity",
        "noted",
        "number",
        "place",
        "reason",
        "request_complete",
        "request_time",
        "route",
        "scheme",
        "site",
        "slices",
        "source",
        "started",
        "started_wall",
        "status",
        "tried",
        "tries_made",
        "upgrade",
        "verdicts",
    )

    def __init__(self, site: Site, downstream: Downstream, head: RequestHead) -> None:
        site.exchanges += 1
        self.number: int = site.exchanges
        self.site: Site = site
        self.downstream: Downstream = downstream
        self.head: RequestHead = head
        self.client: str = downstream.address
        self.client_port: int = downstream.client_port
        self.scheme: bytes = downstream.scheme
        self.started: float = site.clock.monotonic()
        self.started_wall: float = site.clock.wall()
        self.verdicts: list[Verdict] = []
        self.route: Route | None = None
        self.attempt: Attempt | None = None
        self.content: RequestBody | None = None
        self.upgrade: Upgrade | None = None
        self.caching: Caching | None = None
        self.affinity: Affinity | None = None
        self.admission: Admission | None = None
        self.identity: Identity | None = None
        self.source: Source | None = None
        self.chain: Chain | None = None
        self.slices: Slices | None = None
        self.place: Place | None = None
        self.hedge: Hedge | None = None
        self.allotted: Allotted | None = None
        self.collecting: Collecting | None = None
        self.copying: Copying | None = None
        self.tried: tuple[Peer, ...] = ()
        self.tries_made: int = 0
        self.status: int = 0
        self.bytes_sent: int = 0
        self.bytes_received: int = 0
        self.request_time: float = 0.0
        self.cache_status: str = ""
        self.reason: Reason | None = None
        self.detail: str = ""
        self.finished: bool = False
        self.client_full: bool = False
        self.request_complete: bool = False
        self.answered: bool = False
        self.answers_itself: bool = False
        self.noted: dict[str, str] | None = None

    @property
    def pool_name(self) -> str:
        """The pool of the exchange's route; empty for none."""
        return self.route.backend.pool.name if self.route and self.route.backend else ""

    @property
    def peer_name(self) -> str:
        """The peer tried last; empty for none."""
        return self.attempt.peer.name if self.attempt else ""

    # begin

    def begin(self, pieces: Sequence[Piece], ended: bool) -> None:
        """Start; *pieces* of the body came with the head, *ended*: they are all of it."""
        head = self.head
        downstream = self.downstream
        self.request_complete = ended
        if downstream.trusted:
            self.client = downstream.trusted_proxies.client_of(head.headers, self.client)
            self.scheme = downstream.trusted_proxies.scheme_of(head.headers, self.scheme)
        secured = downstream.secured
        if secured is not None and secured.refusal is not None:
            self.refuse(secured.refusal)
            return
        fields = head.fields
        routes = self.site.routes
        routed = head.routed
        if routed is not None and routed[0] is routes:
            route = self.route = routed[1]
        else:
            if self.site.challenges and answers_challenge(self):
                return
            route = self.route = routes.match(
                self.scheme, fields.host, fields.port or downstream.port, head.route_path, downstream.listener_name, self
            )
            if route is None:
                self.verdicts.append(RouteVerdict.NO_ROUTE)
                self.refuse(errors.NO_ROUTE)
                return
            split = route.split
            if split is not None:
                self.route = route
                route = self.route = split.arm(self)
            if routes.guarded and is_disguised(self, route):
                self.refuse(errors.PATH_DISGUISED)
                return
            if routes.remembers and (split is None or not split.varies):
                head.routed = (routes, route)
            # By what it is found in a cache is the route's to say.
            head.cached = None
        assert route is not None
        route.requests += 1
        settings = route.settings
        if not ended or pieces:
            if settings.max_body and fields.length > settings.max_body:
                self.refuse(errors.BODY_TOO_LARGE, f"{fields.length} bytes")
                return
            if not self._take(pieces):
                return
        if route.guards:
            self.guard(0)
        else:
            self.proceed()

    # guard

    def guard(self, passed: int) -> None:
        """Ask the route's guards, of which the first *passed* have let the request in."""
        assert self.route is not None
        guards = self.route.guards
        while passed < len(guards):
            passed += 1
            if not guards[passed - 1].admit(self, passed):
                return
        self.proceed()

    # proceed, lookup

    def proceed(self, *, by_itself: bool = True) -> None:
        """The request is let in: answer it, here or by a peer; *by_itself*: the route's own answer is asked first."""
        route = self.route
        assert route is not None
        head = self.head
        fields = head.fields
        if head.method in COUNTED and is_last_recipient(self):
            if head.method == b"OPTIONS":
                self.reply(*replies.options())
            else:
                self.refuse(errors.MAX_FORWARDS)
            return
        if route.answer is not None and by_itself:
            if fields.upgrade and head.version == 20 and route.backend is None:
                # An extended CONNECT takes any 2xx for a tunnel (RFC 8441).
                self.refuse(errors.PROTOCOL_UNKNOWN, "no WebSockets on this route")
            else:
                route.answer.answer(self)
            return
        if fields.upgrade and b"websocket" in fields.upgrade and route.settings.websocket != "no":
            try:
                self.upgrade = Upgrade(self)
            except RequestError as error:
                self.refuse(error.reason, error.detail)
                return
        elif fields.upgrade and head.version == 20:
            # An extended CONNECT asks for a WebSocket or for nothing (RFC 8441).
            self.refuse(errors.PROTOCOL_UNKNOWN, "no WebSockets on this route")
            return
        elif route.cache is not None and not (fields.connection and rewrite.hides_fields(head)):
            if serve_again(self, route.cache):
                return
            self.caching = Caching(self, route.cache)
            if self.caching.answers():
                return
        self.choose()

    def pass_on(self) -> None:
        """The route's own answer has nothing to say: its peers are asked."""
        self.proceed(by_itself=False)

    # The request's body, from downstream.

    def request_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """More of the request's body has come; *ended*: that was all of it."""
        if self.finished:
            return
        self.request_complete = ended
        if not self._take(pieces):
            return
        attempt = self.attempt
        if attempt is not None and attempt.sent:
            attempt.send_body(pieces, ended, trailers)
        if trailers is not None and self.content is not None:
            self.content.trailers = trailers
        if self.copying is not None and not self.copying.more(pieces, ended, trailers):
            self.copying = None
        if self.collecting is not None:
            self.collecting.more(self)

    def _take(self, pieces: Sequence[Piece]) -> bool:
        """Note *pieces* of the request's body, and keep them if they may still be needed; False when they are too many."""
        content = self.content
        if content is None:
            content = self.content = RequestBody()
        attempt = self.attempt
        sent = attempt is not None and attempt.sent and self.place is None
        content.add(pieces, sent)
        self.bytes_received = content.size
        limit = self.route.settings.max_body if self.route else 0
        if limit and content.size > limit:
            self._give_up_attempt(errors.BODY_TOO_LARGE)
            self.fail(errors.BODY_TOO_LARGE)
            return False
        if not sent and content.is_full and not self.request_complete:
            self.downstream.pause_request()
        return True

    def request_malformed(self, reason: Reason, detail: str) -> None:
        """The rest of the request cannot be read: the peer must see that it is incomplete, and the client why."""
        if self.finished:
            return
        self._give_up_attempt(reason)
        self.fail(reason, detail)

    def request_lost(self, reason: Reason) -> None:
        """The client is gone, or stalled: the peer's work is cancelled."""
        if self.finished:
            return
        if self.caching is None or not self.caching.outlives_client():
            self._give_up_attempt(reason)
        if self.admission is not None:
            self.admission.closed()
        self.reason = reason
        self.slices = None
        if not self.answered:
            self.status = 499
        self.finish()

    def _give_up_attempt(self, reason: Reason) -> None:
        if self.place is not None:
            self.place.leave()
        if self.hedge is not None:
            self.hedge.cancel(reason)
        if self.attempt is not None:
            self.attempt.cancel(reason)

    # choose, connect

    def choose(self) -> None:
        """Try a peer of the route's pool."""
        route = self.route
        assert route is not None and route.backend is not None
        backend = route.backend
        pool = backend.pool
        if pool.queue is not None and pool.queue.is_before:
            wait(self, pool, pool.queue)
            return
        now = self.site.clock.monotonic()
        peer = pool.choose(self.tried, now) if backend.affinity is None else self.pick(self.tried, now)
        if peer is None or peer.backup or route.retries.hedge is not None:
            self.go_on(peer, now)
            return
        # The short way of most: :meth:`go_on` would do the same.
        self.tries_made += 1
        attempt = self.attempt = Attempt(self, peer, now)
        attempt.start(backend.connector)

    def pick(self, tried: Sequence[Peer], now: float) -> Peer | None:
        """The peer for the next attempt, none of *tried*; None when there is none, or none that has room."""
        assert self.route is not None and self.route.backend is not None
        backend = self.route.backend
        affinity = backend.affinity
        if affinity is None:
            return backend.pool.choose(tried, now)
        self.affinity = affinity
        peer = affinity.choose(self, tried, now)
        return peer if peer is None or not peer.is_full else backend.pool.choose(tried, now)

    def go_on(self, peer: Peer | None, now: float) -> None:
        """Try *peer*; None: wait until there is one, or fail."""
        assert self.route is not None and self.route.backend is not None
        if peer is None:
            pool = self.route.backend.pool
            verdict = pool.verdict_when_none(self.tried, now)
            if verdict is ChooseVerdict.ALL_FULL and pool.queue is not None:
                wait(self, pool, pool.queue)
            else:
                self.nobody_left(verdict)
            return
        self.begin_attempt(peer, now)
        seconds = self.route.retries.hedge
        if seconds is not None and self.hedge is None and may_be_hedged(self):
            self.hedge = Hedge(self, seconds)

    def begin_attempt(self, peer: Peer, now: float) -> None:
        """Send the request to *peer*."""
        assert self.route is not None and self.route.backend is not None
        if peer.backup:
            self.verdicts.append(ChooseVerdict.BACKUP)
        self.tries_made += 1
        attempt = self.attempt = Attempt(self, peer, now)
        attempt.start(self.route.backend.connector)

    def begin_afresh(self, peer: Peer, now: float) -> None:
        """Send the request to *peer* once more, on a new connection."""
        assert self.route is not None and self.route.backend is not None
        attempt = self.attempt = Attempt(self, peer, now)
        attempt.start_afresh(self.route.backend.connector)

    def nobody_left(self, verdict: ChooseVerdict) -> None:
        """There is no peer for it, because of *verdict*."""
        self.verdicts.append(verdict)
        reason = _NOBODY.get(verdict)
        if reason is not None:
            self.fail(reason)
        elif self.reason is not None:
            self.fail(self.reason, self.detail)
        elif verdict is ChooseVerdict.ALL_FULL:
            self.fail(errors.ALL_FULL)
        else:
            self.fail(errors.NO_PEER, str(verdict))

    def attempt_failed(self, attempt: Attempt, reason: Reason, detail: str) -> None:
        """*attempt* is over: again, elsewhere, or not at all."""
        further.after_failure(self, attempt, reason, detail)

    def update_behind(self, cache: Cache, lookup: Lookup, nobody: Nobody) -> None:
        """Ask a peer for the same anew, for the cache alone: an exchange of its own, with *nobody* as its client."""
        update = self._for_nobody(self.site, nobody, update_head(self.head))
        update.route = self.route
        update.caching = Caching(update, cache, lookup)
        update.choose()

    def copied(self, nobody: Nobody) -> Exchange:
        """An exchange for *nobody* with the same request, to be begun; it is no entry of access logs."""
        copy = self._for_nobody(replace(self.site, finished=[], remembered=None), nobody, self.head)
        # By what it is known to others, its copy is, too.
        copy.noted = noted(self)
        return copy

    def go_on_behind(self, nobody: Nobody) -> Exchange:
        """The client has gone, but others wait for the answer: the exchange that goes on in place of this one, for *nobody*."""
        heir = self._for_nobody(self.site, nobody, self.head)
        heir.started, heir.started_wall = self.started, self.started_wall
        heir.route = self.route
        heir.verdicts = list(self.verdicts)
        heir.noted = self.noted
        heir.status, heir.cache_status = self.status, self.cache_status
        heir.answered, heir.tried, heir.tries_made = self.answered, self.tried, self.tries_made
        heir.take_over(self)
        heir.caching, self.caching = self.caching, None
        heir.attempt = self.attempt
        if heir.attempt is not None:
            heir.attempt.exchange = heir
        return heir

    def _for_nobody(self, site: Site, nobody: Nobody, head: RequestHead) -> Exchange:
        """An exchange whose answer goes to *nobody*; to peers it is the same client's."""
        other = Exchange(site, nobody, head)
        other.client, other.client_port, other.scheme, other.identity = self.client, self.client_port, self.scheme, self.identity
        other.request_complete = True
        return other

    # receive

    def interim(self, head: ResponseHead) -> None:
        """A peer sent a 1xx answer: nothing for clients of HTTP/1.0, who do not know of such (RFC 9110 §15.2)."""
        if self.head.version >= 11 and (self.hedge is None or self.hedge.other is None):
            self.downstream.interim(rewrite.interim_head(head))

    def response(self, attempt: Attempt, head: ResponseHead, pieces: Sequence[Piece], ended: bool, now: float) -> None:
        """The peer's final answer begins; *ended*: that is all of it."""
        if self.caching is not None:
            self.caching.response(attempt, head, pieces, ended)
            return
        route = self.route
        assert route is not None
        rewritten = head.rewritten
        if rewritten is not None and rewritten[0] is route:
            out = rewritten[1]
        else:
            out = self.outgoing(head)
        self.deliver(out, pieces, ended)
        if ended:
            attempt.succeeded(now)
            self.finish()

    def response_body(self, pieces: Sequence[Piece]) -> None:
        """More of the peer's answer."""
        if self.caching is not None and self.caching.body(pieces):
            return
        self.deliver_body(pieces)

    def response_ended(self, trailers: Headers) -> None:
        """The peer's answer is complete, and its attempt over."""
        if self.caching is not None and self.caching.ended():
            return
        self.deliver_end(trailers)

    # deliver

    def began_to_answer(self, status: int) -> None:
        """The client gets its final answer from now on: no other attempt follows."""
        self.answered = True
        self.status = status

    def deliver(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """Begin the final answer; more of it comes by :meth:`deliver_body` unless *ended*."""
        self.answered = True
        self.status = head.status
        if self.admission is not None:
            screen = self.admission.screen
            if screen is not None and not screen.passes:
                screen.begin(head, pieces, ended)
                return
        route = self.route
        if route is not None and route.retouch is not None:
            head = route.retouch.rewritten(self, head)
        if self.affinity is not None:
            head = self.affinity.mark(self, head)
        if route is not None and route.filters:
            chain = Chain()
            head = chain.begin(route.filters, self, head)
            if not chain.is_empty:
                self.chain = chain
                if is_large(pieces):
                    self.slices = Slices(self, pieces, Headers() if ended else None)
                    pieces, ended = (), False
                try:
                    pieces = chain.feed(pieces)
                    if ended:
                        pieces = (*pieces, *chain.finish())
                except ResponseError as error:
                    self.undeliverable(error, complete=ended)
                    return
        for piece in pieces:
            self.bytes_sent += len(piece)
        downstream = self.downstream
        if downstream.secured is not None and downstream.secured.hsts:
            head = downstream.secured.with_hsts(head)
        if self.admission is not None:
            head = self.admission.mark(head)
            if self.admission.pace is not None:
                self.admission.pace.begin(head, pieces, ended)
                return
        downstream.respond(head, pieces, ended)
        if not ended and not self.finished:
            downstream.transport.registerProducer(self, True)

    def deliver_body(self, pieces: Sequence[Piece]) -> None:
        """Send more of the answer's body to the client."""
        if self.admission is not None:
            screen = self.admission.screen
            if screen is not None and not screen.passes:
                screen.body(pieces)
                return
        if self.chain is not None:
            if self.slices is not None:
                self.slices.more(pieces)
                return
            if is_large(pieces):
                self.slices = Slices(self, pieces, None)
                return
            try:
                pieces = self.chain.feed(pieces)
            except ResponseError as error:
                self.undeliverable(error, complete=False)
                return
        self.send_pieces(pieces)

    def send_pieces(self, pieces: Sequence[Piece]) -> None:
        """Send more of the answer's body, which the filters have seen."""
        for piece in pieces:
            self.bytes_sent += len(piece)
        if self.admission is not None and self.admission.pace is not None:
            self.admission.pace.body(pieces)
        else:
            self.downstream.body(pieces)

    @property
    def sends_files(self) -> bool:
        """Whether the kernel may send parts of files: the client's connection can, and nobody looks at the body on its way."""
        return self.chain is None and self.admission is None and getattr(self.downstream.transport, "sends_files", False)

    def send_file(self, part: FilePart) -> None:
        """Send more of the answer's body from a file."""
        self.bytes_sent += len(part)
        self.downstream.transport.send_file(part)
        # There is nothing to add, but perhaps a client to watch.
        self.downstream.body(())

    def deliver_end(self, trailers: Headers) -> None:
        """The answer is complete."""
        if self.admission is not None:
            screen = self.admission.screen
            if screen is not None and not screen.passes:
                screen.end(trailers)
                return
        if self.slices is not None:
            self.slices.end(trailers)
            return
        self.end_body(trailers)

    def end_body(self, trailers: Headers) -> None:
        """The filters have seen all of the answer's body."""
        if self.chain is not None:
            chain = self.chain
            try:
                rest = chain.finish()
            except ResponseError as error:
                self.undeliverable(error, complete=True)
                return
            self.chain = None
            self.send_pieces(rest)
            chain.close()
        if self.admission is None or not self.admission.postpones(trailers):
            self.end_answer(trailers)

    def end_answer(self, trailers: Headers) -> None:
        """All of the answer was sent."""
        self.downstream.transport.unregisterProducer()
        self.downstream.end(trailers)
        self.finish()

    def undeliverable(self, error: ResponseError, *, complete: bool) -> None:
        """A filter cannot make sense of the body; *complete*: the peer has sent all of it."""
        if not complete:
            self._give_up_attempt(error.reason)
        self.fail(error.reason, error.detail)

    def pauseProducing(self) -> None:
        """The client takes the answer too slowly: the peer is held back."""
        self.client_full = True
        self.hold_source()

    def hold_source(self) -> None:
        """Whoever sends the answer is to wait."""
        if self.caching is not None and self.caching.pause():
            return
        if self.attempt is not None and self.attempt.upstream is not None:
            self.attempt.upstream.transport.pauseProducing()
        elif self.source is not None:
            self.source.pause()

    def resumeProducing(self) -> None:
        """The client has taken all that was sent."""
        self.client_full = False
        if self.slices is not None:
            self.slices.soon()
        elif self.admission is None or self.admission.screen is None or not self.admission.screen.busy:
            self.let_source_go()

    def let_source_go(self) -> None:
        """Whoever sends the answer may go on."""
        if self.caching is not None and self.caching.resume():
            return
        if self.attempt is not None and self.attempt.upstream is not None:
            self.attempt.upstream.resume()
        elif self.source is not None:
            self.source.resume()

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
        self.slices = None
        if self.caching is not None and self.caching.failed(reason, answered=self.answered):
            return
        if self.answered:
            if self.admission is not None:
                self.admission.closed()
            self.downstream.transport.unregisterProducer()
            self.downstream.cut()
            self.finish()
            return
        self.reply(*error_pages.error(self, reason), VERSION_REFUSED_FIELDS if reason is errors.BAD_WEBSOCKET_VERSION else ())

    def answer_instead(self, reason: Reason, complete: bool) -> None:
        """What was to be answered must not be, and nothing of it was sent; *complete*: the peer has sent all of it."""
        if not complete:
            self._give_up_attempt(reason)
        self.reason, self.detail = reason, ""
        self.reply(*error_pages.error(self, reason))

    def value(self, name: str) -> str:
        """The value of a template's *name*; see :func:`twistedproxy.forward.values.value_of`."""
        return values.value_of(self, name)

    def reply(self, head: ResponseHead, body: bytes, more: tuple[Field, ...] = ()) -> None:
        """Answer, and finish; *more* fields are of this hop."""
        self.answers_itself = True
        edits = self.route.response_edits if self.route else ()
        head = rewrite.response_head(head, edits, self.site.clock.wall())
        if more:
            head = ResponseHead(head.status, head.reason, head.headers.plus(*more), length=head.length)
        self.deliver(head, () if self.head.method == b"HEAD" else (body,), True)
        self.finish()

    def reply_with_page(self, head: ResponseHead) -> None:
        """Answer with the site's own page for the status of *head*, if there is one, and with no body otherwise."""
        self.reply(*(error_pages.paged(self, head) or (head, b"")))

    def outgoing(self, head: ResponseHead) -> ResponseHead:
        """*head* as the route lets it out; remembered with *head* unless it had no Date of its own."""
        route = self.route
        assert route is not None
        rewritten = head.rewritten
        if rewritten is not None and rewritten[0] is route:
            return rewritten[1]
        out = rewrite.response_head(head, route.response_edits, self.site.clock.wall())
        if b"date" in head.headers:
            head.rewritten = (route, out)
        return out

    def take_over(self, other: Exchange) -> None:
        """What still goes on for *other* goes on for this one."""
        self.place, other.place = other.place, None
        self.hedge, other.hedge = other.hedge, None
        for each in (self.place, self.hedge):
            if each is not None:
                each.exchange = self
        if self.hedge is not None and self.hedge.other is not None:
            self.hedge.other.exchange = self

    # finish

    def finish(self) -> None:
        """The exchange is over, on whatever path."""
        if self.finished or (self.slices is not None and self.slices.holds_end):
            return
        if self.admission is not None:
            if self.admission.holds_end:
                return
            self.admission.closed()
        self.finished = True
        if self.hedge is not None:
            self.hedge.stop()
        if self.allotted is not None:
            self.allotted.stop()
            self.allotted = None
        site = self.site
        self.request_time = site.clock.monotonic() - self.started
        route = self.route
        if route is not None:
            if self.upgrade is None:
                route.durations.note(self.request_time)
            route.statuses[self.status // 100] += 1
            if self.reason is not None:
                route.failed[0] += 1
        if self.reason is not None:
            for observer in site.failed:
                observer(self)
        if site.remembered is not None:
            site.remembered.append(facts(self))
        if self.caching is not None:
            self.caching.closed()
        if self.source is not None:
            self.source.closed()
            self.source = None
        if self.chain is not None:
            self.chain.close()
            self.chain = None
        if self.upgrade is not None:
            self.upgrade.closed()
            self.upgrade = None
        for observer in site.finished:
            observer(self)
        self.downstream.exchange_over()
