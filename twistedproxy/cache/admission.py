"""
What a peer answers, admitted: whether it is stored, and what it changes in what is stored (RFC 9111 §3, §4.3.4, §4.3.5, §4.4).
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import Final

from twistedproxy.cache.dates import format_date
from twistedproxy.cache.entry import BodyFile, DamagedEntry, Entry, Facts
from twistedproxy.cache.extent import as_whole, extent_of
from twistedproxy.cache.files import Spare
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.key import selecting_values, vary_names
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.parts import bytes_of, joined
from twistedproxy.cache.policy import (
    Terms,
    may_store,
    stored_fields,
    storing_terms,
)
from twistedproxy.cache.ranges import extent
from twistedproxy.cache.removals import Removals
from twistedproxy.cache.responses import Counts, Lookup
from twistedproxy.cache.rules import NO_RULES, Rules
from twistedproxy.cache.shelf import Shelf
from twistedproxy.cache.store import Store
from twistedproxy.cache.validation import freshened_fields, head_update, invalidated_keys, speaks_of
from twistedproxy.message import Headers, RequestHead, ResponseHead
from twistedproxy.settings.caches import CacheSettings

#: Keys of which is remembered how often they were asked for, while that is too seldom to store anything.
_COUNTED: Final = 4096

#: Refusals that concern the client that asked, not the stored response itself.
_ABOUT_THIS_CLIENT: Final = frozenset(
    (StoreVerdict.AUTHORIZATION, StoreVerdict.COOKIE, StoreVerdict.SET_COOKIE, StoreVerdict.SKIPPED)
)


class Admission:
    """
    The side of a cache on which answers come in.

    :ivar settings: of the ``[cache NAME]`` section
    :ivar counts: since the start
    :ivar removals: what was invalidated and purged, so that no older answer comes back
    """

    def __init__(self, settings: CacheSettings, store: Store, shelf: Shelf, removals: Removals) -> None:
        self.settings = settings
        self.counts = Counts()
        self.removals = removals
        self._store = store
        self._shelf = shelf
        self._filling = 0
        self._uses: OrderedDict[bytes, int] = OrderedDict()

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

    def _used(self, key: bytes) -> int:
        """How often something that is not stored yet was asked for, this time included."""
        uses = self._uses[key] = self._uses.pop(key, 0) + 1
        if len(self._uses) > _COUNTED:
            self._uses.popitem(last=False)
        return uses

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
