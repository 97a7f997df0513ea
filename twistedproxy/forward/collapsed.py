"""An exchange that waits for the answer to another one's request, and makes do with that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy.cache.entry import Entry
from twistedproxy.cache.extent import Extent, Span, extent_of
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.key import selecting_values
from twistedproxy.cache.outcomes import HITS, LookupVerdict, Outcome
from twistedproxy.cache.policy import may_use
from twistedproxy.cache.ranges import asked_spans
from twistedproxy.cache.responses import Lookup

if TYPE_CHECKING:
    from twistedproxy.cache.fetches import Fetch
    from twistedproxy.forward.caching import Caching

#: A part is waited for when no more than this is missing before its first byte; otherwise a peer has it sooner.
NEAR: Final = 1024 * 1024


class Waiting:
    """A :class:`twistedproxy.cache.fetches.Follower`."""

    __slots__ = ("_caching", "fetch")

    def __init__(self, caching: Caching, fetch: Fetch) -> None:
        self._caching = caching
        self.fetch = fetch

    def lead(self, fetch: Fetch) -> None:
        """Nobody has brought the answer: this exchange does."""
        self._caching.lead(fetch)

    def go_alone(self, verdict: LookupVerdict) -> None:
        """A peer is asked for this exchange only."""
        self._caching.go_alone(verdict)

    def look_again(self) -> None:
        """The answer is stored, and serves this exchange too unless it insists on another one."""
        caching = self._caching
        lookup = caching.look_again()
        if lookup.outcome in HITS and lookup.entry is not None:
            caching.share(lookup)
        elif lookup.verdict is LookupVerdict.NO_VARIANT and self.fetch.names:
            caching.other_variant(selecting_values(self.fetch.names, caching.exchange.head.headers))
        else:
            caching.go_alone(LookupVerdict.NOT_SHARED)

    def stand_in(self, case: str, fwd_status: int | None) -> None:
        """The fetch has found an error."""
        self._caching.stand_in(case, fwd_status)

    def follow(self, fill: Fill) -> None:
        """The answer comes in: read it as it comes, if it is one for this exchange."""
        caching = self._caching
        exchange = caching.exchange
        facts = fill.facts
        values = selecting_values(facts.names, exchange.head.headers)
        if values != facts.values:
            # RFC 9111 §4.1: another variant, for which others may wait as well.
            caching.other_variant(values)
            return
        now = exchange.site.clock.wall()
        cached = exchange.head.cached
        wishes = cached[2]
        if may_use(facts.terms, facts.response_time, wishes, now) is not LookupVerdict.FRESH:
            caching.go_alone(LookupVerdict.NOT_SHARED)
            return
        entry = Entry(facts, None)
        outcome = Outcome.SERVE
        spans: tuple[Span, ...] | None = None
        where: Extent | None = None
        if caching.cache.client_has(exchange.head, entry):
            outcome = Outcome.NOT_MODIFIED
        elif facts.status == 206 or (wishes.ranged and facts.status == 200):
            where = extent_of(facts.headers) if facts.status == 206 else Extent(0, fill.length, fill.length)
            assert where is not None
            spans = asked_spans(exchange.head.headers, facts.headers, where.total) if where.total >= 0 else ()
            # None stands for the whole.
            if not (facts.status == 200 if spans is None else len(spans) == 1 and _is_near(spans[0], where, fill.size)):
                caching.go_alone(LookupVerdict.NOT_SHARED)
                return
            outcome = Outcome.PART
        said = caching.shared(Lookup(entry.key, LookupVerdict.FRESH, outcome, entry), now)
        if outcome is Outcome.NOT_MODIFIED:
            caching.serving.not_modified(entry, now, said)
        elif spans and where is not None:
            caching.serving.growing_part(fill, entry, where, spans[0], now, said)
        else:
            caching.serving.growing(fill, entry, now, said)


def _is_near(span: Span, where: Extent, size: int) -> bool:
    """Whether *span* is in what comes in *where*, of which *size* bytes are here, and its first byte is not far away."""
    return where.covers(span) and span[0] - where.start <= size + NEAR
