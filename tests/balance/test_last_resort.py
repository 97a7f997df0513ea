"""When nobody but ejected peers is left: they are tried all the same."""

from __future__ import annotations

import pytest

from tests.balance.pools import log_lines, nick, picks, pool_of, server, states, weighted
from tests.balance.test_pool import fail, succeed
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.standing import CheckResult
from twistedproxy.verdicts import ChooseVerdict


def check(peer: Peer, passed: bool) -> None:
    peer.checked(CheckResult(0.0, 0.1, passed=passed, reason="" if passed else "status 500"))


def test_ejected_peers_share_the_requests_by_weight_when_nobody_else_is_left() -> None:
    pool = weighted(2, 1, max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "a"), 0.0)
    assert picks(pool, 3, now=1.0) == "bbb"
    fail(nick(pool, "b"), 1.0)
    assert sorted(picks(pool, 3, now=2.0)) == ["a", "a", "b"]
    assert states(pool) == "a ejected, b ejected"


def test_the_first_success_brings_a_peer_back_and_it_alone_serves() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "a"), 0.0)
    fail(nick(pool, "b"), 0.0)
    with log_lines() as lines:
        assert picks(pool, 2, now=1.0) == "ab"
        fail(nick(pool, "a"), 1.0)
        succeed(nick(pool, "b"), 1.0)
        assert picks(pool, 3, now=1.0) == "bbb"
    assert states(pool) == "a ejected, b up"
    assert lines == [
        "warn: pool app: only ejected peers are left; they are tried all the same",
        "info: pool app: peer b:80 is up: tried all the same, it served a request",
    ]


def test_failures_of_a_last_resort_neither_prolong_its_ejection_nor_fill_the_log() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "a"), 0.0)
    fail(nick(pool, "b"), 5.0)
    with log_lines() as lines:
        for now in (5.0, 6.0, 7.0):
            picks(pool, 4, now=now)
            fail(nick(pool, "a"), now, times=20)
            fail(nick(pool, "b"), now, times=20)
    assert len(lines) == 1
    # When the time of the first is over it is back on trial, as ever.
    assert picks(pool, 3, now=10.0) == "aaa"
    assert states(pool) == "a up, b ejected"


def test_an_attempt_tries_each_of_them_once() -> None:
    pool = weighted(1, 1, max_fails=1)
    a, b = pool.peers
    fail(a, 0.0)
    fail(b, 0.0)
    assert pool.choose([a], 0.0) is b
    assert pool.choose([a, b], 0.0) is None
    assert pool.verdict_when_none([a, b], 0.0) is ChooseVerdict.ALL_TRIED


def test_a_backup_comes_before_ejected_peers() -> None:
    pool = pool_of(server("a"), server("b", backup=True), max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "a"), 0.0)
    assert picks(pool, 2, now=1.0) == "bb"
    fail(nick(pool, "b"), 1.0)
    assert picks(pool, 2, now=2.0) == "aa"


@pytest.mark.parametrize("away", ["drain", "maintain"])
def test_what_the_operator_took_out_stays_out(away: str) -> None:
    pool = weighted(1, 1, 1, max_fails=1)
    getattr(pool, away)("a:80")
    fail(nick(pool, "b"), 0.0)
    pool.set_weight("c:80", 0)
    assert picks(pool, 2, now=1.0) == "bb"
    pool.set_weight("b:80", 0)
    assert picks(pool, 2, now=1.0) == "--"
    assert pool.verdict_when_none([], 1.0) is ChooseVerdict.ALL_DOWN


def test_what_checks_took_down_stays_down() -> None:
    pool = weighted(1, 1, max_fails=1, fall=1)
    fail(nick(pool, "a"), 0.0)
    check(nick(pool, "b"), passed=False)
    assert picks(pool, 2, now=1.0) == "aa"
    check(nick(pool, "a"), passed=False)
    assert picks(pool, 2, now=1.0) == "--"


def test_a_success_that_was_under_way_at_an_ejection_does_not_end_it_while_others_serve() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    a = nick(pool, "a")
    a.begin()
    fail(a, 0.0)
    a.succeed(1.0)
    assert picks(pool, 2, now=1.0) == "bb"
