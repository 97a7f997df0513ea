"""Peers that return get their share step by step."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.balance.pools import HandClock, nick, picks, pool_of, server
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.errors import READ_TIMEOUT
from twistedproxy.settings.pools import BalanceSettings

FAILED = CheckResult(0.0, 0.1, False, "status 500")
PASSED = CheckResult(0.0, 0.1, True)


def starting(clock: HandClock, scheduler: str = "round_robin", **knobs: object) -> Pool:
    slow = replace(server("a", 2), slow_start=20.0)
    knobs = {"fall": 1, "rise": 1, "max_fails": 1, "fail_timeout": 5.0, **knobs}
    return pool_of(slow, server("b", 2), clock=clock, balance=BalanceSettings(scheduler), **knobs)


def share(pool: Pool, clock: HandClock, number: int = 400) -> float:
    return Counter(picks(pool, number, clock.monotonic()))["a"] / number


def test_at_the_start_of_the_program_every_peer_has_its_share() -> None:
    clock = HandClock()
    assert share(starting(clock), clock) == 0.5


@pytest.mark.parametrize("away", ["down", "ejected", "maintenance", "drained"])
def test_a_peer_that_returns_gets_its_share_little_by_little(away: str) -> None:
    clock = HandClock()
    pool = starting(clock)
    a = nick(pool, "a")
    if away == "down":
        a.checked(FAILED)
        picks(pool, 10, clock.monotonic())
        a.checked(PASSED)
    elif away == "ejected":
        a.begin()
        a.fail(READ_TIMEOUT, clock.monotonic())
        picks(pool, 10, clock.monotonic())
        clock.advance(5)
        assert picks(pool, 1, clock.monotonic()) in "ab"
        a.begin()
        a.succeed(clock.monotonic())
    else:
        (pool.maintain if away == "maintenance" else pool.drain)("a:80")
        picks(pool, 10, clock.monotonic())
        pool.restore("a:80")
    shares = []
    for second in range(25):
        shares.append(share(pool, clock, 820))
        expected = min(second + 1, 20) / (min(second + 1, 20) + 20)
        assert abs(shares[-1] - expected) < 0.01
        clock.advance(1)
    assert shares[-1] == 0.5
    assert a.effective_weight == a.weight == 2


def test_the_effective_weight_can_be_seen() -> None:
    clock = HandClock()
    pool = starting(clock)
    a = nick(pool, "a")
    pool.maintain("a:80")
    pool.restore("a:80")
    pool.refresh(clock.monotonic())
    assert a.effective_weight == 0.1
    clock.advance(9.5)
    pool.refresh(clock.monotonic())
    assert (a.effective_weight, nick(pool, "b").effective_weight) == (1.0, 2)
    pool.set_weight("a:80", 0)
    pool.refresh(clock.monotonic())
    assert a.effective_weight == 0


def test_who_goes_down_meanwhile_starts_again_from_the_beginning() -> None:
    clock = HandClock()
    pool = starting(clock)
    a = nick(pool, "a")
    a.checked(FAILED)
    a.checked(PASSED)
    clock.advance(15)
    assert share(pool, clock) > 0.4
    a.checked(FAILED)
    assert share(pool, clock) == 0
    clock.advance(100)
    a.checked(PASSED)
    assert share(pool, clock, 420) < 0.06


def test_least_connections_respects_a_slow_start() -> None:
    clock = HandClock()
    pool = starting(clock, "least_connections")
    pool.maintain("a:80")
    pool.restore("a:80")
    for _ in range(105):
        peer = pool.choose((), clock.monotonic())
        assert peer is not None
        peer.begin()
    assert nick(pool, "a").in_flight == 5


def test_who_has_no_slow_start_has_its_share_at_once() -> None:
    clock = HandClock()
    pool = starting(clock)
    pool.maintain("b:80")
    picks(pool, 7)
    pool.restore("b:80")
    assert share(pool, clock) == 0.5


def test_the_last_peer_has_everything_even_at_its_slow_start() -> None:
    clock = HandClock()
    pool = starting(clock)
    pool.drain("b:80")
    pool.maintain("a:80")
    pool.restore("a:80")
    assert picks(pool, 3) == "aaa"


def test_a_peer_that_comes_to_a_pool_at_work_starts_slowly_and_those_of_the_first_moment_do_not() -> None:
    clock = HandClock()
    pool = pool_of(server("a"), clock=clock)
    slow = replace(server("b"), slow_start=20.0)
    pool.add(slow, "shell")
    assert Counter(picks(pool, 400))["b"] == 200
    pool.peers[0].begin()
    pool.add(replace(server("c"), slow_start=20.0), "shell")
    assert Counter(picks(pool, 410))["c"] == 10
    clock.advance(20)
    assert Counter(picks(pool, 300, clock.monotonic()))["c"] == 100


def test_a_slow_start_that_is_taken_back_is_over() -> None:
    clock = HandClock()
    pool = starting(clock)
    a = nick(pool, "a")
    pool.maintain("a:80")
    pool.restore("a:80")
    assert share(pool, clock, 420) < 0.06
    pool.revise(a, server("a", 2), "its name")
    assert share(pool, clock) == 0.5
