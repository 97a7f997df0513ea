"""Peers on their way out: the last exchange, and drains that end by themselves."""

from __future__ import annotations

import pytest

from tests.balance.pools import HandClock, log_lines, nick, picks, states, weighted
from twistedproxy.balance.drains import Drains


@pytest.mark.parametrize("way", ["drain", "maintain", "remove"])
def test_the_log_tells_when_the_last_exchange_is_gone(way: str) -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock)
    Drains(pool, clock).startService()
    a = nick(pool, "a")
    for _ in range(2):
        a.begin()
    getattr(pool, way)("a:80", *(("why",) if way == "remove" else ()))
    with log_lines() as lines:
        a.succeed(0.0)
        clock.pump([0.5] * 9)
    assert not lines
    with log_lines() as lines:
        a.succeed(0.0)
        clock.advance(0.5)
    assert lines == [f"info: pool app: peer a:80 is {a.state}, and its last exchange is gone, after 5.0 s"]
    assert not clock.getDelayedCalls()


def test_a_peer_that_comes_back_before_is_not_told_of() -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock)
    Drains(pool, clock).startService()
    nick(pool, "a").begin()
    pool.drain("a:80")
    pool.restore("a:80")
    nick(pool, "a").succeed(0.0)
    with log_lines() as lines:
        clock.pump([0.5] * 4)
    assert not lines
    assert not clock.getDelayedCalls()


def test_a_drain_of_some_time_ends_by_itself() -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock)
    Drains(pool, clock).startService()
    with log_lines() as lines:
        pool.drain("a:80", 600)
        clock.advance(599)
        assert picks(pool, 2) == "bb"
        clock.advance(1)
    assert states(pool) == "a up, b up"
    assert lines == [
        "info: pool app: peer a:80 is draining: the operator drains it for 600 s",
        "info: pool app: peer a:80 is up: the time of its drain is over",
    ]


def test_the_last_word_on_its_end_counts() -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock)
    Drains(pool, clock).startService()
    pool.drain("a:80", 60)
    pool.drain("a:80", 600)
    clock.advance(60)
    assert states(pool) == "a draining, b up"
    pool.drain("a:80")
    clock.advance(6000)
    assert states(pool) == "a draining, b up"
    pool.drain("a:80", 60)
    pool.maintain("a:80")
    clock.advance(60)
    assert states(pool) == "a in maintenance, b up"
    pool.drain("a:80", 60)
    pool.restore("a:80")
    assert not clock.getDelayedCalls()


def test_a_peer_that_is_removed_while_it_is_drained_does_not_come_back() -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock)
    drains = Drains(pool, clock)
    drains.startService()
    pool.drain("a:80", 60)
    pool.remove("a:80", "")
    assert not clock.getDelayedCalls()
    pool.drain("b:80", 60)
    nick(pool, "b").begin()
    pool.maintain("b:80")
    drains.stopService()
    assert not clock.getDelayedCalls()


def test_two_drains_are_watched_together_and_one_whose_service_has_stopped_is_not() -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock)
    drains = Drains(pool, clock)
    nick(pool, "a").begin()
    nick(pool, "b").begin()
    pool.drain("a:80")
    assert not clock.getDelayedCalls()
    pool.restore("a:80")
    drains.startService()
    pool.drain("a:80")
    pool.drain("b:80")
    assert len(clock.getDelayedCalls()) == 1
    with log_lines() as lines:
        nick(pool, "a").succeed(0.0)
        clock.advance(0.5)
        nick(pool, "b").succeed(0.0)
        clock.advance(0.5)
    assert [line.partition(" is ")[0] for line in lines] == ["info: pool app: peer a:80", "info: pool app: peer b:80"]
    drains.stopService()
