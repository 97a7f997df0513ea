"""
Hedging: when a GET has not been answered for a while, a second peer is asked as well, and the first answer wins.

See J. Dean and L. A. Barroso, The Tail at Scale, CACM 56 (2013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedproxy.errors import HEDGED_OUT
from twistedproxy.verdicts import RetryVerdict

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twistedproxy.errors import Reason
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange


class Hedge:
    """
    The hedge of one exchange, from its first attempt until an answer begins.

    :ivar other: the attempt that runs beside the exchange's latest; None as long as, or when, there is only one
    """

    __slots__ = ("_call", "exchange", "other")

    def __init__(self, exchange: Exchange, seconds: float) -> None:
        self.exchange = exchange
        self.other: Attempt | None = None
        self._call: IDelayedCall | None = exchange.site.reactor.callLater(seconds, self._due)

    def _due(self) -> None:
        """No answer has begun so far: ask another peer, if there is one, and if that is not too much."""
        self._call = None
        exchange = self.exchange
        first = exchange.attempt
        route = exchange.route
        assert route is not None and route.backend is not None
        if first is None or first.upstream is None:
            return  # between two attempts, waiting for a peer
        now = exchange.site.clock.monotonic()
        if not route.retries.may_hedge(exchange.head.method, exchange.tries_made, now - exchange.started):
            return
        pool = route.backend.pool
        peer = exchange.pick((*exchange.tried, first.peer), now)
        if peer is None or not pool.affords_retry(now):
            return
        pool.hedges += 1
        exchange.verdicts.append(RetryVerdict.HEDGED)
        self.other = first
        exchange.begin_attempt(peer, now)

    def won(self, attempt: Attempt) -> None:
        """The answer to *attempt* begins: it is the one, and the other is cancelled."""
        if self.other is not None:
            exchange = self.exchange
            latest = exchange.attempt
            assert latest is not None
            loser = latest if attempt is self.other else self.other
            self._goes_on(attempt, loser)
            loser.cancel(HEDGED_OUT)
        self.stop()

    def goes_on_without(self, attempt: Attempt) -> bool:
        """*attempt* has failed: whether another one still runs, which the exchange now waits for."""
        if self.other is None:
            return False
        latest = self.exchange.attempt
        assert latest is not None
        self._goes_on(latest if attempt is self.other else self.other, attempt)
        return True

    def _goes_on(self, attempt: Attempt, without: Attempt) -> None:
        """*attempt* becomes the exchange's latest, and the one left behind, for those who tell the story, its previous."""
        exchange = self.exchange
        self.other = None
        if exchange.attempt is without:
            without.previous = attempt.previous
            attempt.previous = without
            exchange.attempt = attempt

    def cancel(self, reason: Reason) -> None:
        """Nobody waits for an answer any more."""
        if self.other is not None:
            self.other.cancel(reason)
            self.other = None
        self.stop()

    def stop(self) -> None:
        """There is nothing left to hedge."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.exchange.hedge = None


def may_be_hedged(exchange: Exchange) -> bool:
    """Whether a second request would be the same as the first, and without effects (RFC 9110 §9.2.1)."""
    return (
        exchange.head.method in (b"GET", b"HEAD")
        and exchange.request_complete
        and exchange.content is None
        and exchange.upgrade is None
    )
