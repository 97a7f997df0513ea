"""Peers with max_connections: who is passed over, and what is left then."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.balance.pools import nick, picks, pool_of, server
from twistedproxy import errors
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.queue import Turn
from twistedproxy.settings.pools import NO_BUDGET, BudgetSettings, QueueSettings
from twistedproxy.verdicts import ChooseVerdict


def limited(*most: int, **knobs: Any) -> Pool:
    """Peers a, b, c … with these limits; 0 for none."""
    return pool_of(*(server("abc"[n], max_connections=limit) for n, limit in enumerate(most)), **knobs)


def taken(pool: Pool, number: int) -> str:
    """The nicknames of the next *number* choices, each of which begins."""
    letters = ""
    for _ in range(number):
        letters += (letter := picks(pool, 1))
        if letter != "-":
            nick(pool, letter).begin()
    return letters


def test_a_full_peer_is_passed_over_and_the_rest_goes_to_the_others() -> None:
    pool = limited(1, 0)
    assert Counter(taken(pool, 6)) == {"a": 1, "b": 5}
    nick(pool, "a").succeed(1.0)
    assert Counter(taken(pool, 2)) == {"a": 1, "b": 1}


def test_when_all_are_full_nobody_is_left_and_the_verdict_says_why() -> None:
    pool = limited(1, 2)
    assert Counter(taken(pool, 4)) == {"a": 1, "b": 2, "-": 1}
    a, b = pool.peers
    assert pool.verdict_when_none((), 0.0) is ChooseVerdict.ALL_FULL
    assert pool.choose([a], 0.0) is None
    assert pool.verdict_when_none([a, b], 0.0) is ChooseVerdict.ALL_TRIED
    a.fail(errors.PEER_RESET, 1.0)
    assert pool.choose([b], 0.0) is a


def test_a_backup_takes_what_the_primaries_have_no_room_for() -> None:
    pool = pool_of(server("a", max_connections=2), server("b", backup=True))
    assert taken(pool, 4) == "aabb"


def test_every_end_of_an_attempt_tells_those_who_wait() -> None:
    calls: list[str] = []

    class Somebody:
        def call(self) -> None:
            calls.append("called")
            assert pool.queue is not None
            pool.queue._called = False

        def try_again(self) -> Turn:
            raise AssertionError

    pool = limited(3, queue=QueueSettings(5))
    a = nick(pool, "a")
    taken(pool, 3)
    assert pool.queue is not None
    pool.queue.join(Somebody(), particular=False)
    a.succeed(1.0)
    a.fail(errors.CLIENT_GONE, 1.0)
    a.fail(errors.PEER_RESET, 1.0)
    assert len(calls) == 3
    pool.set_weight("a:80", 2)
    pool.drain("a:80")
    pool.add(server("b"), "shell")
    assert len(calls) == 6


def test_the_next_change_is_when_an_ejection_ends() -> None:
    pool = pool_of(server("a"), server("b"), max_fails=1, fail_timeout=10.0)
    a = nick(pool, "a")
    a.begin()
    a.fail(errors.PEER_RESET, 5.0)
    picks(pool, 1, now=5.0)
    assert pool.next_change == 15.0


def test_retries_and_hedges_are_paid_from_the_budget_of_their_pool() -> None:
    pool = pool_of(server("a"), server("b"), retry_budget=BudgetSettings(0.2, 0))
    for _ in range(10):
        nick(pool, "a").begin()
    assert [pool.affords_retry(1.0) for _ in range(3)] == [True, True, False]
    assert pool.retries_refused == 1


def test_without_a_budget_any_number_is_paid() -> None:
    pool = pool_of(server("a"), retry_budget=NO_BUDGET)
    assert all(pool.affords_retry(1.0) for _ in range(1000))
