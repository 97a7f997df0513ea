"""
The cache: stored responses of one ``[cache NAME]``, looked up; :mod:`twistedproxy.cache.admission` is about what comes in.

It applies the rules (policy, validation), which are pure, to what the shelf holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedproxy.cache.admission import Admission
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fetches import Fetches
from twistedproxy.cache.key import Values, key_of_url, primary_key
from twistedproxy.cache.memory import Memory
from twistedproxy.cache.outcomes import LookupVerdict, Outcome
from twistedproxy.cache.policy import (
    CONDITIONS,
    NO_WISHES,
    Wishes,
    may_stand_in,
    may_use,
    request_wishes,
)
from twistedproxy.cache.purge import PurgeKind
from twistedproxy.cache.ranges import asked_spans, extent
from twistedproxy.cache.refusals import Refusals
from twistedproxy.cache.removals import Removals
from twistedproxy.cache.responses import Counts, Lookup, Stats, Summary, summary
from twistedproxy.cache.shelf import Shelf
from twistedproxy.cache.store import Store, Troubles
from twistedproxy.cache.upkeep import Upkeep
from twistedproxy.cache.validation import client_has
from twistedproxy.clock import Clock
from twistedproxy.message import RequestHead
from twistedproxy.settings.caches import CacheSettings

_log = Logger()


#: With these a stored response is served.
_USABLE: Final = frozenset((LookupVerdict.FRESH, LookupVerdict.STALE_ACCEPTED, LookupVerdict.UPDATING))


class Cache(Admission):
    """
    Stored responses.

    :ivar settings: of the ``[cache NAME]`` section
    :ivar counts: since the start
    :ivar fetches: requests on their way to a peer, whose answers others wait for
    :ivar refusals: what was not stored lately, and why
    :ivar removals: what was invalidated and purged
    """

    def __init__(self, settings: CacheSettings, clock: Clock, reactor: IReactorTime) -> None:
        # Who tells of troubles with the disk names the cache.
        self.settings = settings
        self._clock = clock
        self._memory = Memory(settings.memory)
        store = Store(settings.directory, settings.inactive, Troubles(self._tell, clock.monotonic), clock.wall)
        self._upkeep = Upkeep(store, settings.max_size, settings.inactive, clock, reactor)
        shelf = Shelf(self._memory, store, self._upkeep, clock)
        super().__init__(settings, store, shelf, Removals(shelf, clock))
        self._updating: set[tuple[bytes, Values]] = set()
        self.fetches = Fetches(reactor)
        self.refusals = Refusals()

    def start(self) -> None:
        """Begins to find the files of earlier runs, behind the requests; lookups work at once."""
        self._shelf.look_for_purges()
        self._upkeep.start()

    def revise(self, settings: CacheSettings) -> None:
        """The site has other bounds for it now, and the same directory; what is beyond them goes, little by little."""
        self.settings = settings
        self._memory.revise(settings.memory)
        self._store.revise(settings.inactive)
        self._upkeep.revise(settings.max_size, settings.inactive)

    def stop(self) -> None:
        """Ends the upkeep; what is stored stays."""
        self._upkeep.stop()

    def _tell(self, what: str) -> None:
        _log.warn("cache {name}: {what}", name=self.settings.name, what=what)

    def lookup(self, request: RequestHead, scheme: bytes, now: float) -> Lookup:
        """
        What is stored for *request*, and whether it may be used (RFC 9111 §4).

        :param scheme: ``http`` or ``https``, as the client came; what *request* has in ``cached`` for it goes before
        :param now: seconds since 1970
        """
        asked = request.cached
        if asked is None or asked[0] != scheme:
            asked = request.cached = (scheme, primary_key(scheme, request.authority, request.target), request_wishes(request))
        _, key, wishes = asked
        if wishes.passes is not None:
            self.counts.passed += 1
            return Lookup(key, wishes.passes, Outcome.PASS, None, self.removals.latest)
        if wishes.bypasses:
            self.counts.passed += 1
            return Lookup(key, LookupVerdict.BYPASS, Outcome.FETCH, None, self.removals.latest)
        entry = self._shelf.find(key, request.headers, now)
        if isinstance(entry, LookupVerdict):
            self.counts.misses += 1
            return Lookup(key, entry, Outcome.UNAVAILABLE if wishes.only_if_cached else Outcome.FETCH, None, self.removals.latest)
        if wishes is NO_WISHES and entry.fresh_from <= now < entry.fresh_until:
            self.counts.hits += 1
            return Lookup(key, LookupVerdict.FRESH, Outcome.SERVE, entry)
        return self._judge(request, wishes, entry, now)

    def ask(self, request: RequestHead, scheme: bytes, now: float) -> Lookup:
        """What :meth:`lookup` says, for somebody who only wants to know: it counts for nothing."""
        counts, self.counts = self.counts, Counts()
        try:
            return self.lookup(request, scheme, now)
        finally:
            self.counts = counts

    def ready(self, request: RequestHead, now: float) -> Entry | None:
        """
        The entry that answers a repeated *request* without further thought: in memory, fresh, and noted as used this second.

        None says nothing: :meth:`lookup` has the last word.
        """
        asked = request.cached
        if asked is None or asked[2] is not NO_WISHES:
            return None
        entry = self._shelf.memory.get(asked[1], request.headers)
        if entry is None or not (entry.fresh_from <= now < entry.fresh_until and 0 <= now - entry.touched < 1.0):
            return None
        return entry

    def _judge(self, request: RequestHead, wishes: Wishes, entry: Entry, now: float) -> Lookup:
        facts = entry.facts
        verdict = may_use(facts.terms, facts.response_time, wishes, now)
        if entry.status == 206:
            return self._judge_part(request, wishes, entry, verdict)
        if verdict in _USABLE:
            self.counts.hits += 1
            outcome = Outcome.PART if wishes.ranged and entry.status == 200 else Outcome.SERVE
            # RFC 9110 §13.2.2: If-None-Match and If-Modified-Since go before Range.
            outcome = Outcome.NOT_MODIFIED if self.client_has(request, entry) else outcome
            return Lookup(entry.key, verdict, outcome, entry, self.removals.latest)
        if wishes.ranged and not wishes.only_if_cached:
            return self._pass_range(entry.key)
        self.counts.stale += 1
        if wishes.only_if_cached:
            return Lookup(entry.key, verdict, Outcome.UNAVAILABLE, entry)
        return Lookup(entry.key, verdict, Outcome.REVALIDATE if entry.validates else Outcome.FETCH, entry, self.removals.latest)

    def _judge_part(self, request: RequestHead, wishes: Wishes, entry: Entry, verdict: LookupVerdict) -> Lookup:
        """Only a part is stored: it serves requests for what is in it (RFC 9111 §3.3)."""
        if wishes.ranged and verdict is LookupVerdict.FRESH and not request.headers.has_any(CONDITIONS):
            known = extent(entry)
            spans = asked_spans(request.headers, entry.headers, known.total)
            if spans and all(known.covers(span) for span in spans):
                self.counts.hits += 1
                return Lookup(entry.key, verdict, Outcome.PART, entry)
        self.counts.misses += 1
        outcome = Outcome.UNAVAILABLE if wishes.only_if_cached else Outcome.FETCH
        return Lookup(entry.key, LookupVerdict.INCOMPLETE, outcome, entry, self.removals.latest)

    def _pass_range(self, key: bytes) -> Lookup:
        # The part that a peer sends must not take the place of the whole, which may still hold.
        self.counts.passed += 1
        return Lookup(key, LookupVerdict.REQUEST_RANGE, Outcome.PASS)

    def standing_in(self, lookup: Lookup, now: float, *, asked: bool, error: bool) -> Lookup | None:
        """
        The stored response of a *lookup* that found it stale, to be served although no peer has confirmed it.

        :param asked: whether the site asks for that in this case
        :param error: whether this is a case of stale-if-error, which needs no asking (RFC 5861 §4)
        :return: None when it may not be served
        """
        entry = lookup.entry
        if entry is None or lookup.verdict is not LookupVerdict.EXPIRED:
            return None
        if not may_stand_in(entry.facts.terms, entry.facts.response_time, now, asked=asked, error=error):
            return None
        return Lookup(lookup.key, LookupVerdict.STANDING_IN, lookup.outcome, entry)

    def may_serve_while_updating(self, lookup: Lookup) -> bool:
        """Whether the stale response of *lookup* may be served during an update, where the site asks for that."""
        entry = lookup.entry
        if entry is None or lookup.verdict is not LookupVerdict.EXPIRED:
            return False
        return not entry.facts.terms.no_cache and not entry.facts.terms.must_revalidate

    def begin_update(self, entry: Entry) -> Lookup | None:
        """
        Somebody is about to ask a peer for *entry* anew, behind the clients; :meth:`end_update` must follow.

        :return: the lookup of that exchange; None when another update of *entry* goes on
        """
        if (entry.key, entry.facts.values) in self._updating:
            return None
        self._updating.add((entry.key, entry.facts.values))
        outcome = Outcome.REVALIDATE if entry.validates else Outcome.FETCH
        return Lookup(entry.key, LookupVerdict.EXPIRED, outcome, entry, self.removals.latest)

    def end_update(self, entry: Entry) -> None:
        """The update of *entry* is over, however it ended."""
        self._updating.discard((entry.key, entry.facts.values))

    def client_has(self, request: RequestHead, entry: Entry) -> bool:
        """Whether the conditions of *request* find that its client has *entry* already, so that 304 is the answer (§4.3.2)."""
        return client_has(request.headers, entry.status, entry.headers, entry.facts.response_time)

    def purge(self, url: bytes, *, soft: bool = False) -> int:
        """
        Drops every stored response for an absolute *url*, all its variants, and what is being written for it.

        :param soft: they are stale from now on, instead
        :return: how many stored responses that were; 0 too when *url* is no absolute URL
        """
        key = key_of_url(url)
        return 0 if key is None else self.removals.purge(PurgeKind.URL, key, soft=soft).count

    def clear(self) -> int:
        """Drops everything, and what is being written; returns how many files were known."""
        return self.removals.purge(PurgeKind.ALL, b"", soft=False).count

    def stats(self) -> Stats:
        """The state at this moment."""
        return Stats(
            self.counts,
            len(self._store.index),
            self._store.index.bytes,
            len(self._memory),
            self._memory.bytes,
            self._filling,
            self._upkeep.complete,
            self._store.troubles.count,
            self._upkeep.progress,
            self._store.damaged,
            self._upkeep.evicted,
            self.removals.purges,
            self._upkeep.swept,
        )

    def entries(self) -> Iterator[Summary]:
        """What is stored, the most recently used first; every step reads one file, so take a few (``itertools.islice``)."""
        now = self._clock.wall()
        for name in list(self._store.index.newest_first()):
            held = self._shelf.peek(name)
            if held is not None:
                yield summary(held, now)

    def variants(self, key: bytes) -> list[Summary]:
        """What is stored for *key*, every variant of it; for those who only look."""
        now = self._clock.wall()
        return [summary(held, now) for held in self._shelf.all_of(key)]
