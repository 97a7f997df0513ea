"""What a peer answers, stored as it passes; and what is stored, standing in when a peer does not answer well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy.cache.cache import Cache
from twistedproxy.cache.entry import Entry
from twistedproxy.cache.fetches import Fetch
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.honesty import cache_status, status_word
from twistedproxy.cache.outcomes import LookupVerdict, Outcome, StoreVerdict
from twistedproxy.cache.policy import NO_WISHES, may_use
from twistedproxy.cache.responses import Lookup
from twistedproxy.errors import Reason, Whose
from twistedproxy.forward import rewrite
from twistedproxy.forward.nobody import Nobody
from twistedproxy.forward.serving import Said, Serving
from twistedproxy.message import ResponseHead
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.cache_rules import CacheRules
    from twistedproxy.forward.exchange import Exchange

#: Answers that count as errors (RFC 5861 §4).
ERRORS: Final = frozenset((500, 502, 503, 504))

#: Not worth to be remembered as a reason why something is not stored.
_NOT_REFUSED: Final = frozenset(
    (StoreVerdict.STORED, StoreVerdict.FRESHENED, StoreVerdict.UPDATED, StoreVerdict.PASSED, StoreVerdict.METHOD)
)

#: Refusals after which the next answer for the same key may well be for others.
_OF_THE_MOMENT: Final = frozenset((StoreVerdict.FEW_USES, StoreVerdict.STATUS_PARTIAL, StoreVerdict.STATUS_RANGE))

#: Fields of a request by which its user is known.
_NAMES: Final = frozenset((b"authorization", b"cookie"))


def _nobody_minds() -> None:
    """What becomes of an exchange that has outlived its client is told to those who read along."""


class Storing:
    """
    What comes from a peer for one exchange, and what is stored of it.

    :ivar exchange: whose
    :ivar cache: which
    :ivar serving: serves what is stored
    """

    __slots__ = ("_asked", "_fetch", "_fill", "_held", "_lookup", "_rules", "cache", "exchange", "serving")

    def __init__(self, exchange: Exchange, cache: Cache, rules: CacheRules, lookup: Lookup) -> None:
        self.exchange = exchange
        self.cache = cache
        self.serving = Serving(exchange, cache)
        self._rules = rules
        self._lookup = lookup
        self._fill: Fill | None = None
        # What this exchange brings for others, too.
        self._fetch: Fetch | None = None
        # The client is slow, and the peer is held back for it.
        self._held = False
        # What the cache said first, when another request's answer serves this one.
        self._asked: LookupVerdict | None = None

    def _asked_for(self, case: str) -> bool:
        """Whether the route's ``cache_use_stale`` names *case*."""
        return case in self._rules.settings.cache_use_stale

    @property
    def _named(self) -> bool:
        """Whether the request says who its user is."""
        return self.exchange.head.headers.has_any(_NAMES)

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

    def _note(self, stored: StoreVerdict, status: int, now: float) -> None:
        if stored not in _NOT_REFUSED:
            self.cache.refusals.note(self._lookup.key, stored, status, now)

    def _said_of_peer(self, status: int, stored: StoreVerdict) -> Said:
        lookup = self._lookup
        key = lookup.key if self._rules.settings.cache_status_key else None
        member = cache_status(rewrite.PSEUDONYM, lookup.verdict, lookup.outcome, stored=stored, key=key)
        return status_word(lookup.verdict, lookup.outcome, status), member

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
            standing_in = self._standing_in(str(head.status), error=head.status in ERRORS)
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
        self._note(stored, head.status, now)
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
            exchange.route.response_edits if exchange.route is not None else (),
            now,
        )
        exchange.deliver(out, pieces, ended)
        if ended:
            attempt.succeeded(exchange.site.clock.monotonic())
            exchange.finish()

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
        if status < 500 and admitted not in _OF_THE_MOMENT:
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
            self._note(fill.commit(), fill.facts.status, self.exchange.site.clock.wall())
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
            self._note(fill.abort(StoreVerdict.CUT), fill.facts.status, self.exchange.site.clock.wall())
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
        self.serving.close()

    def _is_futile(self) -> bool:
        """Whether this is an update whose answer is not stored: nobody wants the rest, which may never end."""
        fill = self._fill
        return (fill is None or (fill.verdict is not None and not fill.readers)) and isinstance(self.exchange.downstream, Nobody)

    def _give_up(self) -> None:
        exchange = self.exchange
        assert exchange.attempt is not None
        exchange.attempt.dismiss(exchange.site.clock.monotonic())
        exchange.finish()

    # Stale answers that stand in for errors.

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

    # Those who read along.

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
