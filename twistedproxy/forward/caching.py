"""The cache's part in an exchange: what is stored is served or validated, what comes from a peer is stored as it passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.honesty import cache_status, status_word
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.responses import Lookup
from twistedproxy.cache.validation import conditional_fields
from twistedproxy.errors import Reason, Whose
from twistedproxy.forward import rewrite
from twistedproxy.forward.nobody import Nobody
from twistedproxy.forward.serving import Said, Serving
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.settings import HeaderEdit
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

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

    __slots__ = ("_cache", "_exchange", "_fill", "_lookup", "_serving")

    def __init__(self, exchange: Exchange, cache: Cache) -> None:
        self._exchange = exchange
        self._cache = cache
        self._lookup: Lookup = cache.lookup(exchange.head, exchange.scheme, exchange.started_wall)
        self._fill: Fill | None = None
        self._serving = Serving(exchange, cache)

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
            self._serving.whole(entry, self._stored_head(entry))
        elif outcome is Outcome.NOT_MODIFIED and entry is not None:
            self._serving.not_modified(entry, exchange.started_wall, self._said(entry, exchange.started_wall))
        elif outcome is Outcome.PART and entry is not None:
            self._serving.part(entry, exchange.started_wall, self._said(entry, exchange.started_wall))
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
        caching._serving = Serving(exchange, cache)
        return caching

    def for_peer(self, fields: list[Field]) -> list[Field]:
        """The fields of the request for a peer, with our conditions when a stored response is to be validated."""
        lookup = self._lookup
        if lookup.outcome is Outcome.REVALIDATE and lookup.entry is not None:
            return list(conditional_fields(Headers(fields), lookup.entry.headers).items)
        return fields

    # Serving what is stored.

    def _said(self, entry: Entry, now: float, *, fwd_status: int | None = None, stored: StoreVerdict | None = None) -> Said:
        lookup = self._lookup
        status = cache_status(
            rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, ttl=entry.ttl(now), fwd_status=fwd_status, stored=stored
        )
        return status_word(lookup.verdict, lookup.outcome, fwd_status), status

    def _stored_head(self, entry: Entry) -> ResponseHead:
        """
        The head of a hit.  It changes once a second (Age, ttl); within one, all clients of a route share it.
        """
        exchange = self._exchange
        verdict = self._lookup.verdict
        now = exchange.started_wall
        second = int(now)
        prepared = entry.prepared
        if prepared is not None and prepared[0] == second and prepared[1] is exchange.route and prepared[2] is verdict:
            exchange.cache_status = prepared[4]
            known: ResponseHead = prepared[3]
            return known
        head = self._serving.head(entry, now, self._said(entry, now))
        if entry.body is not None:
            entry.prepared = (second, exchange.route, verdict, head, exchange.cache_status)
        return head

    def _standing_in(self, case: str, *, error: bool) -> Lookup | None:
        """What is stored, to be served though stale because of *case*; None when that may not be."""
        exchange = self._exchange
        if isinstance(exchange.downstream, Nobody):
            return None
        return self._cache.standing_in(self._lookup, exchange.site.clock.wall(), asked=self._asked_for(case), error=error)

    def _serve_instead(self, lookup: Lookup, fwd_status: int | None) -> None:
        """Serve the stale entry of *lookup* instead of an error; *fwd_status* is what the peer answered, if it did."""
        entry = lookup.entry
        assert entry is not None
        self._lookup = lookup
        self._exchange.verdicts.append(lookup.verdict)
        now = self._exchange.site.clock.wall()
        self._serve_or_304(entry, now, self._said(entry, now, fwd_status=fwd_status))

    def _serve_or_304(self, entry: Entry, now: float, said: Said) -> None:
        if self._cache.client_has(self._exchange.head, entry):
            self._serving.not_modified(entry, now, said)
        else:
            self._serving.whole(entry, self._serving.head(entry, now, said))

    def pause(self) -> None:
        """The client is slow."""
        self._serving.pause()

    def resume(self) -> None:
        """The client has taken what was written."""
        self._serving.resume()

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
        self._serve_or_304(renewed, now, self._said(renewed, now, fwd_status=304, stored=StoreVerdict.FRESHENED))

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
        self._serving.close()
