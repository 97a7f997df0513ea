"""Further attempts of an exchange: after one that failed, and after an answer that is as good as a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedproxy.verdicts import RetryVerdict

if TYPE_CHECKING:
    from twistedproxy.errors import Reason
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange


def after_failure(exchange: Exchange, attempt: Attempt, reason: Reason, detail: str) -> None:
    """*attempt* has failed: again, elsewhere, or not at all."""
    route = exchange.route
    assert route is not None and route.backend is not None
    exchange.reason = reason
    exchange.detail = detail
    if _another_runs(exchange, attempt):
        return
    pool = route.backend.pool
    now = exchange.site.clock.monotonic()
    verdict = _verdict(exchange, reason, now)
    # What no peer has worked at burdens nobody twice.
    if verdict is RetryVerdict.ELSEWHERE and not reason.untouched and not pool.affords_retry(now):
        verdict = RetryVerdict.GIVE_UP_BUDGET
    exchange.verdicts.append(verdict)
    if verdict is RetryVerdict.AGAIN:
        exchange.begin_afresh(attempt.peer, now)
    elif verdict is RetryVerdict.ELSEWHERE:
        exchange.tried = (*exchange.tried, attempt.peer)
        pool.retries += 1
        exchange.choose()
    else:
        exchange.fail(reason, detail)


def instead_of_answer(exchange: Exchange, attempt: Attempt, now: float) -> bool:
    """*attempt* is answered with a status after which the route tries another peer: whether that happens."""
    route = exchange.route
    assert route is not None and route.backend is not None
    if _another_runs(exchange, attempt):
        attempt.dismiss(now)
        return True
    pool = route.backend.pool
    verdict = _verdict(exchange, None, now)
    peer = None
    if verdict is RetryVerdict.ELSEWHERE:
        peer = exchange.pick((*exchange.tried, attempt.peer), now)
        if peer is None:
            verdict = RetryVerdict.GIVE_UP_ALONE
        elif not pool.affords_retry(now):
            verdict = RetryVerdict.GIVE_UP_BUDGET
            peer = None
    if peer is None:
        exchange.verdicts.append(verdict)
        return False
    exchange.verdicts.append(RetryVerdict.ANSWERED_BADLY)
    pool.retries += 1
    attempt.dismiss(now)
    exchange.tried = (*exchange.tried, attempt.peer)
    exchange.begin_attempt(peer, now)
    return True


def _another_runs(exchange: Exchange, attempt: Attempt) -> bool:
    """Whether a hedge still waits for another answer; then that of *attempt* is not needed."""
    if exchange.hedge is None or not exchange.hedge.goes_on_without(attempt):
        return False
    exchange.tried = (*exchange.tried, attempt.peer)
    return True


def _verdict(exchange: Exchange, reason: Reason | None, now: float) -> RetryVerdict:
    route = exchange.route
    assert route is not None
    return route.retries.after(
        reason,
        exchange.head.method,
        replayable=exchange.content is None or exchange.content.replayable,
        answered=exchange.answered,
        attempts=exchange.tries_made,
        elapsed=now - exchange.started,
    )
