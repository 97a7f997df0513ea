"""The cache's part in an exchange: what is stored is served or validated, what comes from a peer is stored as it passes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.cache.cache import Cache
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fetches import Fetch, Place
from twistedproxy.cache.key import Values
from twistedproxy.cache.outcomes import LookupVerdict, Outcome
from twistedproxy.cache.responses import Lookup
from twistedproxy.cache.validation import conditional_fields
from twistedproxy.forward import error_pages, rewrite
from twistedproxy.forward.collapsed import Waiting
from twistedproxy.forward.nobody import Nobody
from twistedproxy.forward.serving import Said
from twistedproxy.forward.storing import ERRORS, Storing
from twistedproxy.message import Headers, ResponseHead

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

# Members of an enumeration are slow to get at.
_UPDATING: Final = LookupVerdict.UPDATING

#: Stands in the place of a variant for a part of it; the value of Range follows.
_RANGE: Final = b"\0range"

#: Requests whose answers may serve others.
_LEADING: Final = frozenset(
    (
        LookupVerdict.NOTHING_STORED,
        LookupVerdict.NO_VARIANT,
        LookupVerdict.INCOMPLETE,
        LookupVerdict.EXPIRED,
        LookupVerdict.NO_CACHE,
        LookupVerdict.CLOCK_WENT_BACK,
    )
)

#: Requests that others' answers may serve: who asks for a part waits for the whole, but does not ask for it.
_FOLLOWING: Final = _LEADING | {LookupVerdict.REQUEST_RANGE}


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


class Caching(Storing):
    """What one exchange has to do with the cache of its route."""

    __slots__ = ("_moved", "_waiting")

    def __init__(self, exchange: Exchange, cache: Cache, lookup: Lookup | None = None) -> None:
        """With *lookup*, the exchange brings a stored response up to date, and nobody waits for its answer."""
        route = exchange.route
        assert route is not None and route.cache_rules is not None
        rules = route.cache_rules
        if lookup is None:
            rules.prepare(exchange)
            lookup = cache.lookup(exchange.head, exchange.scheme, exchange.started_wall)
        super().__init__(exchange, cache, rules, lookup)
        # What this exchange waits for others to bring.
        self._waiting: Waiting | None = None
        self._moved = False

    def look_again(self) -> Lookup:
        """What the cache says of the request by now."""
        return self.cache.lookup(self.exchange.head, self.exchange.scheme, self.exchange.site.clock.wall())

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

    def for_peer(self, fields: Headers) -> Headers:
        """The fields of the request for a peer, with our conditions when a stored response is to be validated."""
        lookup = self._lookup
        if lookup.outcome is Outcome.REVALIDATE and lookup.entry is not None:
            return conditional_fields(fields, lookup.entry.headers)
        return fields

    def _unavailable(self) -> None:
        """Answer 504: the client wants nothing but a stored response (RFC 9111 §5.2.1.7)."""
        exchange = self.exchange
        exchange.reason = errors.ONLY_IF_CACHED
        head, body = error_pages.error(exchange, errors.ONLY_IF_CACHED)
        word, status = self._said(None, exchange.started_wall)
        exchange.cache_status = word.decode("ascii")
        fields = head.headers.plus((b"Cache-Status", status), (b"X-Cache-Status", word))
        edits = exchange.route.response_edits if exchange.route is not None else ()
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

    # Requests that want the same.

    def _place(self, values: Values) -> Place:
        return (self._lookup.key, values, self._named)

    def _collapses(self, place: Place) -> bool:
        """Let the answer to somebody else's request do; False when this exchange has to ask a peer."""
        lookup = self._lookup
        fetches = self.cache.fetches
        # What an anonymous request brings serves everybody.
        fetch = fetches.of((place[0], place[1], False)) or fetches.of(place)
        if fetch is None and self.exchange.head.cached[2].ranged:
            # Nobody brings the whole; others may want the same part.
            place = (place[0], (_RANGE, self.exchange.head.headers.joined(b"range")), place[2])
            fetch = fetches.of((place[0], place[1], False)) or fetches.of(place)
        if fetch is None:
            if self._may_lead(place) and not fetches.passes(place[0], place[2]):
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

    def _may_lead(self, place: Place) -> bool:
        """Whether the answer to this request may be one for others who want what is at *place*."""
        head = self.exchange.head
        return (
            self._lookup.verdict in _LEADING
            and head.method == b"GET"
            and head.cached[2].ranged == (_RANGE in place[1])
            and not self._rules.of(self.exchange).skips
        )

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
        if self._may_lead(fetch.place):
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
        standing_in = self._standing_in(case, error=fwd_status is None or fwd_status in ERRORS)
        if standing_in is None:
            self.go_alone(LookupVerdict.NOT_SHARED)
        else:
            self._serve_instead(standing_in, fwd_status)

    def closed(self) -> None:
        """The exchange is over, on whatever path."""
        super().closed()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.fetch.leave(waiting)
