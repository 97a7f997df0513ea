"""The cache's part in an exchange: what is stored is served or validated, what comes from a peer is stored as it passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.answers import replies
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fetches import Fetch, Place
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.honesty import cache_status, status_word
from twistedproxy.cache.key import Values
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.policy import NO_WISHES, may_use
from twistedproxy.cache.responses import Lookup
from twistedproxy.cache.validation import conditional_fields
from twistedproxy.errors import Reason, Whose
from twistedproxy.forward import rewrite
from twistedproxy.forward.collapsed import Waiting
from twistedproxy.forward.nobody import Nobody
from twistedproxy.forward.serving import Said, Serving
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

#: Answers that count as errors (RFC 5861 §4).
_ERRORS: Final = frozenset((500, 502, 503, 504))

# Members of an enumeration are slow to get at.
_UPDATING: Final = LookupVerdict.UPDATING

#: Fields of a request by which its user is known.
_NAMES: Final = frozenset((b"authorization", b"cookie"))

#: Requests whose answers may serve others.
_LEADING: Final = frozenset(
    (
        LookupVerdict.NOTHING_STORED,
        LookupVerdict.NO_VARIANT,
        LookupVerdict.EXPIRED,
        LookupVerdict.NO_CACHE,
        LookupVerdict.CLOCK_WENT_BACK,
    )
)

#: Requests that others' answers may serve: who asks for a part waits for the whole, but does not ask for it.
_FOLLOWING: Final = _LEADING | {LookupVerdict.REQUEST_RANGE}


def _nobody_minds() -> None:
    """What becomes of an exchange that has outlived its client is told to those who read along."""


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
    """
    What one exchange has to do with the cache of its route.

    :ivar exchange: whose
    :ivar cache: which
    :ivar serving: serves what is stored
    """

    __slots__ = ("_asked", "_fetch", "_fill", "_held", "_lookup", "_moved", "_rules", "_waiting", "cache", "exchange", "serving")

    def __init__(self, exchange: Exchange, cache: Cache, lookup: Lookup | None = None) -> None:
        """With *lookup*, the exchange brings a stored response up to date, and nobody waits for its answer."""
        route = exchange.route
        assert route is not None and route.cache_rules is not None
        self.exchange = exchange
        self.cache = cache
        self.serving = Serving(exchange, cache)
        self._rules = route.cache_rules
        self._fill: Fill | None = None
        # What this exchange brings for others, and what it waits for others to bring.
        self._fetch: Fetch | None = None
        self._waiting: Waiting | None = None
        self._moved = False
        # The client is slow, and the peer is held back for it.
        self._held = False
        # What the cache said first, when another request's answer serves this one.
        self._asked: LookupVerdict | None = None
        self._lookup = self.look() if lookup is None else lookup

    def look(self) -> Lookup:
        """What the cache says of the request."""
        self._rules.prepare(self.exchange)
        return self.cache.lookup(self.exchange.head, self.exchange.scheme, self.exchange.started_wall)

    # Before a peer is asked.

    def answers(self) -> bool:
        """Answer from the cache if that is possible; False when a peer has to be asked."""
        lookup = self._lookup
        exchange = self.exchange
        exchange.verdicts.append(lookup.verdict)
        outcome = lookup.outcome
        entry = lookup.entry
        if lookup.verdict is _UPDATING and entry is not None and not self._is_updated(entry):
            lookup = self._lookup = lookup.expired()
            outcome = lookup.outcome
        if outcome is Outcome.SERVE and entry is not None:
            self.serving.whole(entry, self._stored_head(entry))
        elif outcome is Outcome.NOT_MODIFIED and entry is not None:
            self.serving.not_modified(entry, exchange.started_wall, self._said(entry, exchange.started_wall))
        elif outcome is Outcome.PART and entry is not None:
            self.serving.part(entry, exchange.started_wall, self._said(entry, exchange.started_wall))
        elif outcome is Outcome.UNAVAILABLE:
            self._unavailable()
        elif (
            entry is not None
            and self._asked_for("updating")
            and self.cache.may_serve_while_updating(lookup)
            and self._is_updated(entry)
        ):
            has = self.cache.client_has(exchange.head, entry)
            served = Outcome.NOT_MODIFIED if has else Outcome.SERVE
            self._lookup = Lookup(lookup.key, LookupVerdict.UPDATING, served, entry)
            exchange.verdicts.append(LookupVerdict.UPDATING)
            said = self._said(entry, exchange.started_wall)
            if has:
                self.serving.not_modified(entry, exchange.started_wall, said)
            else:
                self.serving.whole(entry, self._stored_head(entry))
        else:
            settings = self._rules.settings
            return settings.cache_lock and self._collapses(self._place(() if entry is None else entry.facts.values))
        return True

    def _asked_for(self, case: str) -> bool:
        """Whether the route's ``cache_use_stale`` names *case*."""
        return case in self._rules.settings.cache_use_stale

    def _unavailable(self) -> None:
        """Answer 504: the client wants nothing but a stored response (RFC 9111 §5.2.1.7)."""
        exchange = self.exchange
        exchange.reason = errors.ONLY_IF_CACHED
        head, body = replies.error(errors.ONLY_IF_CACHED)
        word, status = self._said(None, exchange.started_wall)
        exchange.cache_status = word.decode("ascii")
        fields = head.headers.plus((b"Cache-Status", status), (b"X-Cache-Status", word))
        edits = self._rules.settings.response_headers
        made = rewrite.response_head(
            ResponseHead(head.status, head.reason, fields, length=head.length), edits, exchange.started_wall
        )
        exchange.deliver(made, () if exchange.head.method == b"HEAD" else (body,), True)
        exchange.finish()

    def _is_updated(self, entry: Entry) -> bool:
        """Whether somebody brings *entry* up to date: another request, or from now on an exchange behind."""
        if not self._rules.settings.cache_background_update:
            return self.cache.fetches.of(self._place(entry.facts.values)) is not None
        lookup = self.cache.begin_update(entry)
        if lookup is not None:
            nobody = Nobody(self.exchange.downstream, partial(self.cache.end_update, entry))
            self.exchange.update_behind(self.cache, lookup, nobody)
        return True

    # Requests that want the same.

    @property
    def _named(self) -> bool:
        """Whether the request says who its user is."""
        return self.exchange.head.headers.has_any(_NAMES)

    def _place(self, values: Values) -> Place:
        return (self._lookup.key, values, self._named)

    def _collapses(self, place: Place) -> bool:
        """Let the answer to somebody else's request do; False when this exchange has to ask a peer."""
        lookup = self._lookup
        fetches = self.cache.fetches
        # What an anonymous request brings serves everybody.
        fetch = fetches.of((place[0], place[1], False)) or fetches.of(place)
        if fetch is None:
            if lookup.verdict in _LEADING and self.exchange.head.method == b"GET" and not fetches.passes(place[0], place[2]):
                rules = self._rules.of(self.exchange)
                if not rules.skips:
                    self._fetch = fetches.begin(place)
            return False
        if lookup.verdict not in _FOLLOWING or self.exchange.head.cached[2].no_cache:
            return False
        self._waiting = waiting = Waiting(self, fetch)
        if fetch.fill is not None and fetch.fill.is_open:
            waiting.follow(fetch.fill)
        else:
            fetch.join(waiting, self._rules.settings.cache_lock_timeout)
        return True

    def other_variant(self, values: Values) -> None:
        """The answer that was waited for is another variant; others may wait for the one with *values*."""
        self._waiting = None
        if self._moved:
            # An origin that varies by other fields each time must not keep anybody waiting for ever.
            self.go_alone(LookupVerdict.NOT_SHARED)
            return
        self._moved = True
        self.exchange.verdicts.append(LookupVerdict.NO_VARIANT)
        lookup = self._lookup
        if lookup.verdict is LookupVerdict.NOTHING_STORED:
            self._lookup = Lookup(lookup.key, LookupVerdict.NO_VARIANT, Outcome.FETCH, None, lookup.removals)
        if not self._collapses(self._place(values)):
            self.exchange.choose()

    def lead(self, fetch: Fetch) -> None:
        """Ask a peer for those who wait for *fetch*, too."""
        self._waiting = None
        if self._lookup.verdict in _LEADING and self.exchange.head.method == b"GET" and not self._rules.of(self.exchange).skips:
            self._fetch = fetch
            self.exchange.choose()
        else:
            # Its answer would not do for the others.
            self.exchange.choose()
            fetch.failed()

    def go_alone(self, verdict: LookupVerdict) -> None:
        """Ask a peer for this client only."""
        self._waiting = None
        self.exchange.verdicts.append(verdict)
        if verdict is LookupVerdict.LOCK_TIMEOUT:
            # As many copies as clients that have lost their patience would be stored.
            self._lookup = Lookup(self._lookup.key, verdict, Outcome.PASS)
        self.exchange.choose()

    def shared(self, lookup: Lookup, now: float) -> Said:
        """Another request's answer serves this one, by *lookup*: what is said of it."""
        self._waiting = None
        self._asked = self._lookup.verdict
        self._lookup = lookup
        self.exchange.verdicts.append(LookupVerdict.COLLAPSED)
        self.cache.counts.collapsed += 1
        return self._said(lookup.entry, now)

    def share(self, lookup: Lookup) -> None:
        """Serve what another request has brought into the cache."""
        entry = lookup.entry
        assert entry is not None
        now = self.exchange.site.clock.wall()
        said = self.shared(lookup, now)
        if lookup.outcome is Outcome.NOT_MODIFIED:
            self.serving.not_modified(entry, now, said)
        elif lookup.outcome is Outcome.PART:
            self.serving.part(entry, now, said)
        else:
            self.serving.whole(entry, self.serving.head(entry, now, said))

    def stand_in(self, case: str, fwd_status: int | None) -> None:
        """The request that this one has waited for has found an error: serve what is stored, if that may be."""
        self._waiting = None
        standing_in = self._standing_in(case, error=fwd_status is None or fwd_status in _ERRORS)
        if standing_in is None:
            self.go_alone(LookupVerdict.NOT_SHARED)
        else:
            self._serve_instead(standing_in, fwd_status)

    def outlives_client(self) -> bool:
        """
        The client has gone: whether the exchange goes on behind, because others wait for its answer.

        From now on that is another exchange's, and nothing of it concerns the one that ends.
        """
        self.serving.close()
        fetch, fill, exchange = self._fetch, self._fill, self.exchange
        attempt = exchange.attempt
        if attempt is None or attempt.upstream is None or not self._is_awaited():
            return False
        heir = self.exchange = exchange.go_on_behind(Nobody(exchange.downstream, _nobody_minds))
        self.serving = Serving(heir, self.cache)
        if fetch is not None:
            fetch.alone = self._nobody_waits
        if fill is not None:
            fill.unread = self._nobody_waits
        if self._held:
            self._held = False
            attempt.upstream.resume()
        return True

    def _is_awaited(self) -> bool:
        fetch, fill = self._fetch, self._fill
        return (fetch is not None and fetch.waiting > 0) or (fill is not None and len(fill.readers) > 0)

    def _nobody_waits(self) -> None:
        if not self.exchange.finished and not self._is_awaited():
            self._give_up()

    def for_peer(self, fields: list[Field]) -> list[Field]:
        """The fields of the request for a peer, with our conditions when a stored response is to be validated."""
        lookup = self._lookup
        if lookup.outcome is Outcome.REVALIDATE and lookup.entry is not None:
            return list(conditional_fields(Headers(fields), lookup.entry.headers).items)
        return fields

    # Serving what is stored.

    def _said(
        self, entry: Entry | None, now: float, *, fwd_status: int | None = None, stored: StoreVerdict | None = None
    ) -> Said:
        lookup = self._lookup
        collapsed = self._asked is not None
        verdict = self._asked or lookup.verdict
        status = cache_status(
            rewrite.PSEUDONYM,
            verdict,
            lookup.outcome,
            ttl=None if entry is None else entry.ttl(now),
            fwd_status=fwd_status,
            stored=stored,
            collapsed=collapsed,
            key=lookup.key if self._rules.settings.cache_status_key else None,
        )
        return status_word(verdict, lookup.outcome, fwd_status, collapsed=collapsed), status

    def _stored_head(self, entry: Entry) -> ResponseHead:
        """
        The head of a hit.  It changes once a second (Age, ttl); within one, all clients of a route share it.
        """
        exchange = self.exchange
        verdict = self._lookup.verdict
        now = exchange.started_wall
        second = int(now)
        prepared = entry.prepared
        if prepared is not None and prepared[0] == second and prepared[1] is exchange.route and prepared[2] is verdict:
            exchange.cache_status = prepared[4]
            known: ResponseHead = prepared[3]
            return known
        head = self.serving.head(entry, now, self._said(entry, now))
        if entry.body is not None:
            entry.prepared = (second, exchange.route, verdict, head, exchange.cache_status)
        return head

    def _standing_in(self, case: str, *, error: bool) -> Lookup | None:
        """What is stored, to be served though stale because of *case*; None when that may not be."""
        exchange = self.exchange
        if isinstance(exchange.downstream, Nobody):
            return None
        return self.cache.standing_in(self._lookup, exchange.site.clock.wall(), asked=self._asked_for(case), error=error)

    def _serve_instead(self, lookup: Lookup, fwd_status: int | None) -> None:
        """Serve the stale entry of *lookup* instead of an error; *fwd_status* is what the peer answered, if it did."""
        entry = lookup.entry
        assert entry is not None
        self._lookup = lookup
        self.exchange.verdicts.append(lookup.verdict)
        now = self.exchange.site.clock.wall()
        self._serve_or_304(entry, now, self._said(entry, now, fwd_status=fwd_status))

    def _serve_or_304(self, entry: Entry, now: float, said: Said) -> None:
        if self.cache.client_has(self.exchange.head, entry):
            self.serving.not_modified(entry, now, said)
        else:
            self.serving.whole(entry, self.serving.head(entry, now, said))

    def pause(self) -> bool:
        """The client is slow; whether that concerns the cache alone, and not the peer."""
        if self.serving.is_busy:
            self.serving.pause()
            return True
        fill = self._fill
        if fill is not None and fill.readers:
            # Others must not wait for this client.
            self.serving.read_along(fill, paused=True)
            return True
        self._held = True
        return False

    def resume(self) -> bool:
        """The client has taken what was written; whether that concerns the cache alone."""
        if self.serving.is_busy:
            self.serving.resume()
            return True
        self._held = False
        return False

    def _others_read(self) -> None:
        """Somebody has begun to read what this exchange brings: from now on a slow client of ours does not hold it back."""
        fill, attempt = self._fill, self.exchange.attempt
        if self._held and fill is not None and attempt is not None and attempt.upstream is not None:
            self._held = False
            self.serving.read_along(fill, paused=True)
            attempt.upstream.resume()

    def _hold_back(self, holds: bool) -> None:
        """What is not stored after all is read too slowly, or not any more."""
        attempt = self.exchange.attempt
        if attempt is None or attempt.upstream is None:
            return
        if holds:
            attempt.upstream.transport.pauseProducing()
        else:
            attempt.upstream.resume()

    # What a peer answers.

    def response(self, attempt: Attempt, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The final head of a peer's answer, with what of its body is here."""
        exchange = self.exchange
        lookup = self._lookup
        now = exchange.site.clock.wall()
        if head.status == 304 and lookup.outcome is Outcome.REVALIDATE:
            self._validated(attempt, head, now)
            return
        if head.status >= 400:
            standing_in = self._standing_in(str(head.status), error=head.status in _ERRORS)
            if standing_in is not None:
                attempt.dismiss(exchange.site.clock.monotonic())
                fetch, self._fetch = self._fetch, None
                if fetch is not None:
                    fetch.stands_in(str(head.status), head.status)
                self._serve_instead(standing_in, head.status)
                return
        self.cache.invalidate(lookup, exchange.head, head)
        rules = self._rules.of(exchange)
        admitted = self.cache.admit(lookup, exchange.head, head, exchange.started_wall, now, rules)
        stored = StoreVerdict.STORED if isinstance(admitted, Fill) else admitted
        if isinstance(admitted, Fill):
            self._fill = admitted
            for piece in pieces:
                admitted.write(piece)
            if ended:
                stored = admitted.commit()
                self._fill = None
        exchange.verdicts.append(stored)
        self._tell_others(head.status, admitted, now)
        if not ended and self._is_futile():
            exchange.status = head.status
            self._give_up()
            return
        word, status = self._said_of_peer(head.status, stored)
        exchange.cache_status = word.decode("ascii")
        out = rewrite.response_head(
            ResponseHead(
                head.status,
                head.reason,
                head.headers.plus((b"Cache-Status", status), (b"X-Cache-Status", word)),
                length=head.length,
            ),
            self._rules.settings.response_headers,
            now,
        )
        exchange.deliver(out, pieces, ended)
        if ended:
            attempt.succeeded(exchange.site.clock.monotonic())
            exchange.finish()

    def _said_of_peer(self, status: int, stored: StoreVerdict) -> Said:
        lookup = self._lookup
        key = lookup.key if self._rules.settings.cache_status_key else None
        member = cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, stored=stored, key=key)
        return status_word(lookup.verdict, lookup.outcome, status), member

    def _tell_others(self, status: int, admitted: Fill | StoreVerdict, now: float) -> None:
        """Those who wait for this answer may have it, or not."""
        fetch = self._fetch
        fetches = self.cache.fetches
        key, named = self._lookup.key, self._named
        if isinstance(admitted, Fill):
            facts = admitted.facts
            if may_use(facts.terms, facts.response_time, NO_WISHES, now) is LookupVerdict.FRESH:
                fetches.collapse_again(key, named)
                if fetch is not None:
                    self._let_others_have(fetch, admitted)
                return
        if fetch is None:
            return
        self._fetch = None
        if status < 500 and admitted is not StoreVerdict.FEW_USES:
            fetches.let_pass(key, named)
        fetch.refused()

    def _let_others_have(self, fetch: Fetch, fill: Fill) -> None:
        fetch.names = fill.facts.names
        if self._fill is None:
            self._fetch = None
            fetch.stored()
        else:
            fill.shared = self._others_read
            fill.held_back = self._hold_back
            if isinstance(self.exchange.downstream, Nobody):
                # The client has gone already.
                fill.unread = self._nobody_waits
            fetch.filling(fill)

    def _validated(self, attempt: Attempt, head: ResponseHead, now: float) -> None:
        """A 304 to our own conditions: the stored response holds, or it was about another one."""
        exchange = self.exchange
        lookup = self._lookup
        attempt.succeeded(exchange.site.clock.monotonic())
        rules = self._rules.of(exchange)
        renewed = self.cache.freshen(lookup, exchange.head, head, exchange.started_wall, now, rules)
        if isinstance(renewed, StoreVerdict):
            exchange.verdicts.append(renewed)
            self._lookup = lookup.without_entry()
            exchange.choose()
            return
        exchange.verdicts.append(StoreVerdict.FRESHENED)
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            fetch.stored()
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
        return (fill is None or (fill.verdict is not None and not fill.readers)) and isinstance(self.exchange.downstream, Nobody)

    def _give_up(self) -> None:
        exchange = self.exchange
        assert exchange.attempt is not None
        exchange.attempt.dismiss(exchange.site.clock.monotonic())
        exchange.finish()

    def body(self, pieces: Sequence[Piece]) -> bool:
        """More of the peer's body; whether the client gets it from the cache."""
        fill = self._fill
        if fill is not None:
            for piece in pieces:
                fill.write(piece)
            if fill.verdict is not None and self._is_futile():
                self._give_up()
        return self.serving.is_busy

    def ended(self) -> bool:
        """The peer's body is complete; whether the client still gets the rest of it from the cache."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill.commit()
            fetch, self._fetch = self._fetch, None
            if fetch is not None:
                fetch.stored()
        return self.serving.is_busy

    def failed(self, reason: Reason, *, answered: bool) -> bool:
        """
        The exchange has failed: what is here of an answer is not stored (RFC 9111 §3.3).

        :param answered: the client has got a part of the answer
        :return: whether the client was served what is stored instead
        """
        fill, self._fill = self._fill, None
        if fill is not None:
            fill.abort(StoreVerdict.CUT)
        case = "timeout" if reason.status == 504 else "error"
        standing_in = None
        if not answered and reason.whose is Whose.UPSTREAM:
            standing_in = self._standing_in(case, error=True)
        fetch, self._fetch = self._fetch, None
        if standing_in is None:
            if fetch is not None:
                fetch.failed()
            return False
        if fetch is not None:
            fetch.stands_in(case, None)
        self._serve_instead(standing_in, None)
        return True

    def closed(self) -> None:
        """The exchange is over, on whatever path."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill.abort()
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            fetch.failed()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.fetch.leave(waiting)
        self.serving.close()
