"""The cache's part in an exchange: what is stored is served or validated, what comes from a peer is stored as it passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twistedproxy import errors
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.entry import BodyReader, DamagedEntry, Entry
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.honesty import cache_status, status_word
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.ranges import Plan, SpanReader, asked_spans, partial_fields, plan_length, planned
from twistedproxy.cache.responses import Lookup
from twistedproxy.cache.validation import client_has, conditional_fields, not_modified_fields
from twistedproxy.errors import Reason, Whose
from twistedproxy.forward import rewrite
from twistedproxy.forward.nobody import Nobody
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.settings import HeaderEdit
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

_log = Logger()

#: Blocks of an entry's body written in one turn of the reactor, however fast the client takes them.
_BLOCKS: Final = 4

#: Answers that count as errors (RFC 5861 §4).
_ERRORS: Final = frozenset((500, 502, 503, 504))

# Members of an enumeration are slow to get at.
_UPDATING: Final = LookupVerdict.UPDATING


def serve_again(exchange: Exchange, cache: Cache) -> bool:
    """
    The short way of a hit: a head that the client sent before, for an entry that was served before in this very second.

    False says nothing: :class:`Caching` goes the whole way.
    """
    head = exchange.head
    if head.cached is None or head.cached[0] != exchange.scheme:
        return False
    now = exchange.started_wall
    entry = cache.ready(head, now)
    if entry is None:
        return False
    prepared = entry.prepared
    if (
        prepared is None
        or prepared[0] != int(now)
        or prepared[1] is not exchange.route
        or prepared[2] is not LookupVerdict.FRESH
        or not entry.body
        or head.method != b"GET"
    ):
        return False
    cache.counts.hits += 1
    exchange.verdicts.append(LookupVerdict.FRESH)
    exchange.cache_status = prepared[4]
    exchange.deliver(prepared[3], (entry.body,), True)
    exchange.finish()
    return True


class Caching:
    """What one exchange has to do with the cache of its route."""

    __slots__ = ("_cache", "_exchange", "_fill", "_lookup", "_paused", "_reader")

    def __init__(self, exchange: Exchange, cache: Cache) -> None:
        self._exchange = exchange
        self._cache = cache
        self._lookup: Lookup = cache.lookup(exchange.head, exchange.scheme, exchange.started_wall)
        self._fill: Fill | None = None
        self._reader: BodyReader | SpanReader | None = None
        self._paused = False

    @property
    def _edits(self) -> tuple[HeaderEdit, ...]:
        route = self._exchange.route
        return route.settings.response_headers if route is not None else ()

    # Before a peer is asked.

    def answers(self) -> bool:
        """Answer from the cache if that is possible; False when a peer has to be asked."""
        lookup = self._lookup
        exchange = self._exchange
        exchange.verdicts.append(lookup.verdict)
        outcome = lookup.outcome
        entry = lookup.entry
        if lookup.verdict is _UPDATING and entry is not None:
            self._update_behind(entry)
        if outcome is Outcome.SERVE and entry is not None:
            self._serve(entry, self._stored_head(entry))
        elif outcome is Outcome.NOT_MODIFIED and entry is not None:
            self._not_modified(entry)
        elif outcome is Outcome.PART and entry is not None:
            self._serve_part(entry)
        elif outcome is Outcome.UNAVAILABLE:
            exchange.refuse(errors.ONLY_IF_CACHED)
        elif entry is not None and self._asked_for("updating") and self._cache.may_serve_while_updating(lookup):
            has = self._cache.client_has(exchange.head, entry)
            served = Outcome.NOT_MODIFIED if has else Outcome.SERVE
            self._lookup = Lookup(lookup.key, LookupVerdict.UPDATING, served, entry)
            return self.answers()
        else:
            return False
        return True

    def _asked_for(self, case: str) -> bool:
        """Whether the route's ``cache_use_stale`` names *case*."""
        route = self._exchange.route
        return route is not None and case in route.settings.cache_use_stale

    def _update_behind(self, entry: Entry) -> None:
        """Ask a peer for *entry* anew, for the cache alone, unless somebody does so already."""
        lookup = self._cache.begin_update(entry)
        if lookup is not None:
            nobody = Nobody(self._exchange.downstream, partial(self._cache.end_update, entry))
            self._exchange.update_behind(self._cache, lookup, nobody)

    @classmethod
    def of_update(cls, exchange: Exchange, cache: Cache, lookup: Lookup) -> Caching:
        """For an exchange that brings a stored response up to date; nobody waits for its answer."""
        caching = cls.__new__(cls)
        caching._exchange = exchange
        caching._cache = cache
        caching._lookup = lookup
        caching._fill = None
        caching._reader = None
        caching._paused = False
        return caching

    def for_peer(self, fields: list[Field]) -> list[Field]:
        """The fields of the request for a peer, with our conditions when a stored response is to be validated."""
        lookup = self._lookup
        if lookup.outcome is Outcome.REVALIDATE and lookup.entry is not None:
            return list(conditional_fields(Headers(fields), lookup.entry.headers).items)
        return fields

    # Serving what is stored.

    def _stored_head(self, entry: Entry) -> ResponseHead:
        """
        The head of a hit.  It changes once a second (Age, ttl); within one, all clients of a route share it.
        """
        exchange = self._exchange
        lookup = self._lookup
        now = exchange.started_wall
        second = int(now)
        prepared = entry.prepared
        if prepared is not None and prepared[0] == second and prepared[1] is exchange.route and prepared[2] is lookup.verdict:
            exchange.cache_status = prepared[4]
            head: ResponseHead = prepared[3]
            return head
        word = status_word(lookup.verdict, lookup.outcome)
        exchange.cache_status = word.decode("ascii")
        head = self._head(entry, now, word, cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, ttl=entry.ttl(now)))
        if entry.body is not None:
            entry.prepared = (second, exchange.route, lookup.verdict, head, exchange.cache_status)
        return head

    def _head(self, entry: Entry, now: float, word: bytes, status: bytes) -> ResponseHead:
        fields = [
            *entry.headers.items,
            (b"Content-Length", b"%d" % entry.length),
            (b"Age", b"%d" % entry.age(now)),
            (b"Cache-Status", status),
            (b"X-Cache-Status", word),
        ]
        head = ResponseHead(entry.status, entry.reason, Headers(fields), length=entry.length)
        return rewrite.response_head(head, self._edits, now)

    def _serve(self, entry: Entry, head: ResponseHead) -> None:
        exchange = self._exchange
        if exchange.head.method == b"HEAD" or entry.status in (204, 304):
            exchange.deliver(head, (), True)
            exchange.finish()
        elif entry.body is not None:
            exchange.deliver(head, (entry.body,) if entry.body else (), True)
            exchange.finish()
        else:
            self._reader = entry.open()
            exchange.deliver(head, (), False)
            self._pump(entry)

    def _serve_part(self, entry: Entry) -> None:
        """Answer a request with Range: 206, 416, or the whole after all (RFC 9110 §14.2)."""
        exchange = self._exchange
        spans = asked_spans(exchange.head.headers, entry.headers, entry.length)
        if spans is None:
            self._serve(entry, self._stored_head(entry))
            return
        lookup = self._lookup
        now = exchange.started_wall
        word = status_word(lookup.verdict, lookup.outcome)
        exchange.cache_status = word.decode("ascii")
        plan: Plan = ()
        if spans:
            status, reason = 206, b"Partial Content"
            fields, plan = partial_fields(entry, spans)
        else:
            status, reason = 416, b"Range Not Satisfiable"
            fields = [(b"Content-Range", b"bytes */%d" % entry.length)]
        length = plan_length(plan)
        fields += [
            (b"Content-Length", b"%d" % length),
            (b"Age", b"%d" % entry.age(now)),
            (b"Cache-Status", cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, ttl=entry.ttl(now))),
            (b"X-Cache-Status", word),
        ]
        head = rewrite.response_head(ResponseHead(status, reason, Headers(fields), length=length), self._edits, now)
        if plan and entry.file is not None:
            self._reader = SpanReader(entry.file, plan)
            exchange.deliver(head, (), False)
            self._pump(entry)
        else:
            exchange.deliver(head, planned(plan, entry.body or b""), True)
            exchange.finish()

    def _standing_in(self, case: str, *, error: bool) -> Lookup | None:
        """What is stored, to be served though stale because of *case*; None when that may not be."""
        exchange = self._exchange
        if isinstance(exchange.downstream, Nobody):
            return None
        return self._cache.standing_in(self._lookup, exchange.site.clock.wall(), asked=self._asked_for(case), error=error)

    def _serve_instead(self, lookup: Lookup, fwd_status: int | None) -> None:
        """Serve the stale entry of *lookup* instead of an error; *fwd_status* is what the peer answered, if it did."""
        exchange = self._exchange
        entry = lookup.entry
        assert entry is not None
        now = exchange.site.clock.wall()
        self._lookup = lookup
        exchange.verdicts.append(lookup.verdict)
        word = status_word(lookup.verdict, lookup.outcome)
        exchange.cache_status = word.decode("ascii")
        status = cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, ttl=entry.ttl(now), fwd_status=fwd_status)
        if self._cache.client_has(exchange.head, entry):
            self._answer_304(entry, now, word, status)
        else:
            self._serve(entry, self._head(entry, now, word, status))

    def _pump(self, entry: Entry) -> None:
        """Write blocks of a stored body until the client is slow, or for a turn of the reactor."""
        exchange = self._exchange
        for _ in range(_BLOCKS):
            if self._paused or self._reader is None or exchange.finished:
                return
            try:
                block = self._reader.read()
            except DamagedEntry as problem:
                _log.warn("{entry}: {problem}", entry=entry, problem=problem)
                self._cache.drop(entry)
                exchange.fail(errors.STORED_DAMAGED, str(problem))
                return
            if not block:
                self._reader = None
                exchange.deliver_end(Headers())
                return
            exchange.deliver_body((block,))
        exchange.site.reactor.callLater(0, self._pump, entry)

    def pause(self) -> None:
        """The client is slow."""
        self._paused = True

    def resume(self) -> None:
        """The client has taken what was written."""
        self._paused = False
        if self._reader is not None and self._lookup.entry is not None:
            self._exchange.site.reactor.callLater(0, self._pump, self._lookup.entry)

    def _not_modified(self, entry: Entry) -> None:
        exchange = self._exchange
        lookup = self._lookup
        now = exchange.started_wall
        word = status_word(lookup.verdict, lookup.outcome)
        self._answer_304(entry, now, word, cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, ttl=entry.ttl(now)))

    def _answer_304(self, entry: Entry, now: float, word: bytes, status: bytes) -> None:
        exchange = self._exchange
        exchange.cache_status = word.decode("ascii")
        fields = not_modified_fields(entry.headers).plus(
            (b"Age", b"%d" % entry.age(now)), (b"Cache-Status", status), (b"X-Cache-Status", word)
        )
        head = rewrite.response_head(ResponseHead(304, b"Not Modified", fields), self._edits, now)
        exchange.deliver(head, (), True)
        exchange.finish()

    # What a peer answers.

    def response(self, attempt: Attempt, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The final head of a peer's answer, with what of its body is here."""
        exchange = self._exchange
        lookup = self._lookup
        now = exchange.site.clock.wall()
        if head.status == 304 and lookup.outcome is Outcome.REVALIDATE:
            self._validated(attempt, head, now)
            return
        if head.status >= 400:
            standing_in = self._standing_in(str(head.status), error=head.status in _ERRORS)
            if standing_in is not None:
                attempt.dismiss(exchange.site.clock.monotonic())
                self._serve_instead(standing_in, head.status)
                return
        self._cache.invalidate(lookup, exchange.head, head)
        route = exchange.route
        assert route is not None
        settings = route.settings
        admitted = self._cache.admit(
            lookup, exchange.head, head, exchange.started_wall, now, settings.cache_valid, heuristic=settings.cache_heuristic
        )
        stored = StoreVerdict.STORED if isinstance(admitted, Fill) else admitted
        if isinstance(admitted, Fill):
            self._fill = admitted
            for piece in pieces:
                admitted.write(piece)
            if ended:
                stored = admitted.commit()
                self._fill = None
        exchange.verdicts.append(stored)
        if not ended and self._is_futile():
            exchange.status = head.status
            self._give_up()
            return
        word = status_word(lookup.verdict, lookup.outcome, head.status)
        exchange.cache_status = word.decode("ascii")
        status = cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, stored=stored)
        out = rewrite.response_head(
            ResponseHead(
                head.status,
                head.reason,
                head.headers.plus((b"Cache-Status", status), (b"X-Cache-Status", word)),
                length=head.length,
            ),
            self._edits,
            now,
        )
        exchange.deliver(out, pieces, ended)
        if ended:
            attempt.succeeded(exchange.site.clock.monotonic())
            exchange.finish()

    def _validated(self, attempt: Attempt, head: ResponseHead, now: float) -> None:
        """A 304 to our own conditions: the stored response holds, or it was about another one."""
        exchange = self._exchange
        lookup = self._lookup
        route = exchange.route
        assert route is not None
        attempt.succeeded(exchange.site.clock.monotonic())
        settings = route.settings
        renewed = self._cache.freshen(
            lookup, exchange.head, head, exchange.started_wall, now, settings.cache_valid, heuristic=settings.cache_heuristic
        )
        if isinstance(renewed, StoreVerdict):
            exchange.verdicts.append(renewed)
            self._lookup = lookup.without_entry()
            exchange.choose()
            return
        exchange.verdicts.append(StoreVerdict.FRESHENED)
        if isinstance(exchange.downstream, Nobody):
            exchange.cache_status = "REVALIDATED"
            exchange.status = 304
            exchange.finish()
            return
        self._lookup = Lookup(lookup.key, lookup.verdict, lookup.outcome, renewed)
        word = status_word(lookup.verdict, lookup.outcome, 304)
        exchange.cache_status = word.decode("ascii")
        status = cache_status(
            rewrite.PSEUDONYM,
            lookup.verdict,
            lookup.outcome,
            ttl=renewed.ttl(now),
            fwd_status=304,
            stored=StoreVerdict.FRESHENED,
        )
        if client_has(exchange.head.headers, renewed.status, renewed.headers, renewed.facts.response_time):
            self._answer_304(renewed, now, word, status)
        else:
            self._serve(renewed, self._head(renewed, now, word, status))

    def _is_futile(self) -> bool:
        """Whether this is an update whose answer is not stored: nobody wants the rest, which may never end."""
        fill = self._fill
        return (fill is None or fill.verdict is not None) and isinstance(self._exchange.downstream, Nobody)

    def _give_up(self) -> None:
        exchange = self._exchange
        assert exchange.attempt is not None
        exchange.attempt.dismiss(exchange.site.clock.monotonic())
        exchange.finish()

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of the peer's body."""
        fill = self._fill
        if fill is not None:
            for piece in pieces:
                fill.write(piece)
            if fill.verdict is not None and self._is_futile():
                self._give_up()

    def ended(self) -> None:
        """The peer's body is complete."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill.commit()

    def failed(self, reason: Reason, *, answered: bool) -> bool:
        """
        The exchange has failed: what is here of an answer is not stored (RFC 9111 §3.3).

        :param answered: the client has got a part of the answer
        :return: whether the client was served what is stored instead
        """
        fill, self._fill = self._fill, None
        if fill is not None:
            fill.abort(StoreVerdict.CUT)
        if answered or reason.whose is not Whose.UPSTREAM:
            return False
        standing_in = self._standing_in("timeout" if reason.status == 504 else "error", error=True)
        if standing_in is None:
            return False
        self._serve_instead(standing_in, None)
        return True

    def closed(self) -> None:
        """The exchange is over, on whatever path."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill.abort()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
