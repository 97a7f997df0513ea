"""
The cache: stored responses of one ``[cache NAME]``, looked up, admitted, freshened and invalidated.

It applies the rules (policy, validation), which are pure, to what the shelf holds.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedproxy.cache.dates import format_date
from twistedproxy.cache.entry import BodyFile, DamagedEntry, Entry, Facts
from twistedproxy.cache.extent import as_whole, extent_of
from twistedproxy.cache.fetches import Fetches
from twistedproxy.cache.files import Spare
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.key import Values, key_of_url, primary_key, selecting_values, vary_names
from twistedproxy.cache.memory import Memory
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.parts import bytes_of, joined
from twistedproxy.cache.policy import (
    CONDITIONS,
    NO_WISHES,
    Terms,
    Wishes,
    may_stand_in,
    may_store,
    may_use,
    request_wishes,
    stored_fields,
    storing_terms,
)
from twistedproxy.cache.purge import PurgeKind
from twistedproxy.cache.ranges import asked_spans, extent
from twistedproxy.cache.refusals import Refusals
from twistedproxy.cache.removals import Removals
from twistedproxy.cache.responses import Counts, Lookup, Stats, Summary, summary
from twistedproxy.cache.rules import NO_RULES, Rules
from twistedproxy.cache.serial import Stored
from twistedproxy.cache.shelf import Shelf
from twistedproxy.cache.store import Store, Troubles
from twistedproxy.cache.upkeep import Upkeep
from twistedproxy.cache.validation import client_has, freshened_fields, head_update, invalidated_keys, speaks_of
from twistedproxy.clock import Clock
from twistedproxy.message import Headers, RequestHead, ResponseHead
from twistedproxy.settings import CacheSettings

#: Keys of which is remembered how often they were asked for, while that is too seldom to store anything.
_COUNTED: Final = 4096

_log = Logger()


class Cache:
    """
    Stored responses.

    :ivar settings: of the ``[cache NAME]`` section
    :ivar counts: since the start
    :ivar fetches: requests on their way to a peer, whose answers others wait for
    :ivar refusals: what was not stored lately, and why
    :ivar removals: what was invalidated and purged
    """

    def __init__(self, settings: CacheSettings, clock: Clock, reactor: IReactorTime) -> None:
        self.settings = settings
        self.counts = Counts()
        self._clock = clock
        self._memory = Memory(settings.memory)
        self._store = Store(settings.directory, settings.inactive, Troubles(self._tell, clock.monotonic), clock.wall)
        self._upkeep = Upkeep(self._store, settings.max_size, settings.inactive, clock, reactor)
        self._shelf = Shelf(self._memory, self._store, self._upkeep, clock)
        self._filling = 0
        self._updating: set[tuple[bytes, Values]] = set()
        self.fetches = Fetches(reactor)
        self.refusals = Refusals()
        self._uses: OrderedDict[bytes, int] = OrderedDict()
        self.removals = Removals(self._shelf, clock)

    def start(self) -> None:
        """Begins to find the files of earlier runs, behind the requests; lookups work at once."""
        self._shelf.look_for_purges()
        self._upkeep.start()

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

    def admit(
        self,
        lookup: Lookup,
        request: RequestHead,
        response: ResponseHead,
        request_time: float,
        response_time: float,
        rules: Rules = NO_RULES,
    ) -> Fill | StoreVerdict:
        """
        Whether the final *response* of a peer is stored (RFC 9111 §3).

        :param response: as the peer sent it; not the 304 that answers our own conditions, which is for :meth:`freshen`
        :param request_time: when the request was sent, seconds since 1970
        :param response_time: when the response's head came, seconds since 1970
        :param rules: what the route says of storing
        :return: a fill that wants the body, or why nothing is stored
        """
        if lookup.outcome is Outcome.PASS and not (rules.post and lookup.verdict is LookupVerdict.METHOD):
            return StoreVerdict.PASSED
        if request.method == b"HEAD":
            return self._learn_from_head(lookup, request, response, request_time, response_time, rules)
        if request.method == b"GET":
            response = as_whole(response)
        terms = may_store(request, response, request_time, response_time, rules, lookup.key)
        if isinstance(terms, Terms) and response.length > self.settings.max_entry:
            terms = StoreVerdict.TOO_LARGE
        if isinstance(terms, Terms) and rules.min_uses > 1 and lookup.entry is None and self._used(lookup.key) < rules.min_uses:
            terms = StoreVerdict.FEW_USES
        if isinstance(terms, StoreVerdict):
            if lookup.entry is not None and terms is not StoreVerdict.SKIPPED and _replaces(response.status):
                # The peer has said something newer, which nobody else may see; the old response is no answer any more.
                self.drop(lookup.entry)
            return terms
        facts = _facts(
            lookup.key, request, response.status, response.reason, response.headers, request_time, response_time, terms, rules
        )
        facts = replace(facts, generation=self.removals.generation(lookup))
        self._filling += 1
        length = response.length
        known = extent_of(response.headers) if response.status == 206 else None
        if known is not None:
            # Whatever the framing says: a part that is not all of what it says to be is none.
            length = known.stop - known.start
        fill = Fill(facts, length, self.settings.max_entry, self._store, partial(self._ended, lookup))
        return fill if fill.verdict is None else fill.verdict

    def _learn_from_head(
        self,
        lookup: Lookup,
        request: RequestHead,
        response: ResponseHead,
        request_time: float,
        response_time: float,
        rules: Rules,
    ) -> StoreVerdict:
        entry = lookup.entry
        if entry is None or response.status != 200 or entry.status != 200:
            return StoreVerdict.METHOD
        verdict = head_update(entry.headers, entry.length, response)
        if verdict is StoreVerdict.OUTDATED:
            self.drop(entry)
        else:
            self._renew(lookup, entry, request, response, request_time, response_time, rules)
        return verdict

    def _used(self, key: bytes) -> int:
        """How often something that is not stored yet was asked for, this time included."""
        uses = self._uses[key] = self._uses.pop(key, 0) + 1
        if len(self._uses) > _COUNTED:
            self._uses.popitem(last=False)
        return uses

    def freshen(
        self,
        lookup: Lookup,
        request: RequestHead,
        response: ResponseHead,
        request_time: float,
        response_time: float,
        rules: Rules = NO_RULES,
    ) -> Entry | StoreVerdict:
        """
        What follows from a 304 that answers our own conditions (RFC 9111 §4.3.4).

        :return: the entry with its fields updated, to be served to this client; it is stored too, as far as the 304 allows.
            MISMATCH when the 304 is about something else: the stored response is dropped, and the request must be sent
            again without conditions
        """
        entry = lookup.entry
        if entry is None:
            return StoreVerdict.MISMATCH
        if not speaks_of(response.headers, entry.headers):
            self.drop(entry)
            return StoreVerdict.MISMATCH
        self.counts.freshened += 1
        return self._renew(lookup, entry, request, response, request_time, response_time, rules)

    def _renew(
        self,
        lookup: Lookup,
        entry: Entry,
        request: RequestHead,
        response: ResponseHead,
        request_time: float,
        response_time: float,
        rules: Rules,
    ) -> Entry:
        fields = freshened_fields(entry.headers, response.headers)
        terms = storing_terms(request.headers, entry.status, fields, request_time, response_time, rules)
        refusal = None if isinstance(terms, Terms) else terms
        if isinstance(terms, StoreVerdict):
            terms = Terms(0.0, 0.0, no_cache=True)
        facts = _facts(entry.key, request, entry.status, entry.reason, fields, request_time, response_time, terms, rules)
        facts = replace(facts, generation=self.removals.generation(lookup))
        if refusal is None and not self.removals.is_removed(lookup, facts):
            return self._shelf.keep(facts, entry.body, entry.file)[0]
        if refusal is not None and refusal not in _ABOUT_THIS_CLIENT:
            self.drop(entry)
        return Entry(facts, entry.body, entry.file)

    def _ended(self, lookup: Lookup, fill: Fill) -> StoreVerdict:
        self._filling -= 1
        if fill.verdict is not None:
            return fill.verdict
        if self.removals.is_removed(lookup, fill.facts):
            return StoreVerdict.SUPERSEDED
        content = fill.content()
        if fill.facts.status == 206 and lookup.entry is not None and self._join(lookup.entry, fill, content):
            return StoreVerdict.STORED
        _, kept = self._shelf.keep(fill.facts, *content)
        if not kept:
            return StoreVerdict.DISK
        self.counts.stored += 1
        return StoreVerdict.STORED

    def _join(self, old: Entry, fill: Fill, content: tuple[bytes | None, BodyFile | None, Spare | None]) -> bool:
        """Store a new part together with the *old* one (RFC 9111 §3.4); False when they stay apart."""
        both = joined(old, fill.facts)
        if both is None:
            return False
        facts, where, kept = both
        body, file, spare = content
        new = Entry(fill.facts, body, file)
        try:
            known = bytes_of(old, kept)
            came = bytes_of(new, extent(new)[:2])
        except DamagedEntry:
            return False
        self._filling += 1
        # What stands for itself is joined with nothing else.
        whole = Fill(facts, where.stop - where.start, self.settings.max_entry, self._store, partial(self._ended, _apart(old.key)))
        for piece in (known, came) if kept[0] == where.start else (came, known):
            whole.write(piece)
        if whole.commit() is not StoreVerdict.STORED:
            return False
        if spare is not None:
            self._store.writing.discard(spare.path)
            spare.discard()
        return True

    def invalidate(self, lookup: Lookup, request: RequestHead, response: ResponseHead) -> int:
        """
        Drops what the *response* to an unsafe request makes invalid (RFC 9111 §4.4).

        :param lookup: what :meth:`lookup` said of the request
        :return: how many stored responses went
        """
        keys = invalidated_keys(request.method, lookup.key, response)
        # What the request itself removes is no reason not to store what it brings, where that may be (RFC 9110 §9.3.3).
        untouched = keys and not self.removals.may_concern(lookup)
        dropped = sum(self.removals.drop(key) for key in keys)
        if untouched:
            lookup.removals = self.removals.latest
        return dropped

    def drop(self, entry: Entry) -> None:
        """Forgets *entry*, for instance because its body is damaged."""
        self._shelf.drop(entry)

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
            held = self._store.peek(name)
            if isinstance(held, Stored):
                yield summary(held, now)


#: With these a stored response is served.
_USABLE: Final = frozenset((LookupVerdict.FRESH, LookupVerdict.STALE_ACCEPTED, LookupVerdict.UPDATING))

#: Refusals that concern the client that asked, not the stored response itself.
_ABOUT_THIS_CLIENT: Final = frozenset(
    (StoreVerdict.AUTHORIZATION, StoreVerdict.COOKIE, StoreVerdict.SET_COOKIE, StoreVerdict.SKIPPED)
)


def _apart(key: bytes) -> Lookup:
    """A lookup that found nothing; the removals were looked at already."""
    return Lookup(key, LookupVerdict.NOTHING_STORED, Outcome.FETCH, None, sys.maxsize)


def _replaces(status: int) -> bool:
    """Whether a response of *status* says something about the resource, not only about this request."""
    return 200 <= status <= 399 or status in (404, 410)


def _facts(
    key: bytes,
    request: RequestHead,
    status: int,
    reason: bytes,
    answered: Headers,
    request_time: float,
    response_time: float,
    terms: Terms,
    rules: Rules,
) -> Facts:
    headers = rules.storable(stored_fields(answered))
    if b"date" not in headers:
        # RFC 9110 §6.6.1: a recipient with a clock records the time of arrival.
        headers = headers.plus((b"Date", format_date(response_time)))
    names = vary_names(rules.heard(answered))
    values = selecting_values(names, request.headers)
    return Facts(key, names, values, status, reason, headers, request_time, response_time, terms)
