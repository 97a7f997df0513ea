"""Ejections: what they are for, how long they last, how many there may be, and the trial after them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.balance.pools import log_lines, nick, picks, pool_of, server, states, weighted
from tests.balance.test_pool import fail, succeed
from twistedproxy import errors
from twistedproxy.balance.circuit import Window
from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult


def by_share(**knobs: object) -> Pool:
    """Two peers that are ejected when more than half of at least four attempts in ten seconds are bad."""
    return weighted(1, 1, **{"max_fails": 0, "eject_ratio": 0.5, "eject_min_requests": 4, **knobs})


def slow(peer: Peer, now: float, seconds: float, times: int = 1) -> None:
    for _ in range(times):
        peer.begin()
        peer.succeed(now, seconds)


def test_a_window_forgets_what_lies_further_back_than_its_span() -> None:
    window = Window(10.0)
    for now in range(10):
        window.add(float(now), bad=now < 3)
    assert (window.total, window.bad) == (10, 3)
    window.add(11.0, bad=False)
    assert (window.total, window.bad) == (9, 1)
    window.add(100.0, bad=True)
    assert (window.total, window.bad) == (1, 1)
    window.clear()
    assert (window.total, window.bad) == (0, 0)


def test_a_share_of_failures_ejects_though_successes_lie_between() -> None:
    pool = by_share()
    a = nick(pool, "a")
    with log_lines() as lines:
        for now in (1.0, 2.0, 3.0):
            succeed(a, now)
            fail(a, now)
        assert a.state is PeerState.UP
        fail(a, 4.0)
    assert lines == [
        "warn: pool app: peer a:80 is ejected: 4 of 7 attempts (57 %) failed, the last: the peer refused the connection; for 10 s"
    ]
    assert a.ejections == 1


def test_a_few_attempts_prove_nothing() -> None:
    a = nick(by_share(), "a")
    fail(a, 1.0, times=3)
    assert a.state is PeerState.UP
    fail(a, 30.0, times=3)
    assert a.state is PeerState.UP


def test_half_is_not_more_than_half() -> None:
    a = nick(by_share(), "a")
    succeed(a, 1.0)
    succeed(a, 1.0)
    fail(a, 1.0, times=2)
    assert a.state is PeerState.UP


def test_slow_answers_count_as_failures_do() -> None:
    pool = by_share(eject_latency=2.0)
    a = nick(pool, "a")
    slow(a, 1.0, 2.0, times=3)
    with log_lines() as lines:
        slow(a, 2.0, 2.1, times=4)
    assert a.state is PeerState.EJECTED
    assert lines == [
        "warn: pool app: peer a:80 is ejected: 4 of 7 attempts (57 %) failed or were slow, the last took 2.1 s; for 10 s"
    ]


def test_who_waited_long_and_left_tells_of_slowness_and_who_left_soon_of_nothing() -> None:
    a = nick(by_share(eject_latency=2.0), "a")
    for waited in (0.5, 1.9, 0.0, 2.0):
        a.begin()
        a.fail(errors.CLIENT_GONE, 1.0, waited)
    assert (a.state, a.failures) == (PeerState.UP, 0)
    for _ in range(4):
        a.begin()
        a.fail(errors.HEDGED_OUT, 1.0, 3.0)
    assert (a.state, a.failures) == (PeerState.EJECTED, 0)


def test_without_eject_latency_nothing_is_slow() -> None:
    a = nick(by_share(), "a")
    slow(a, 1.0, 100.0, times=20)
    assert a.state is PeerState.UP


def test_without_a_share_latency_ejects_nobody() -> None:
    a = nick(weighted(1, 1, eject_latency=1.0), "a")
    slow(a, 1.0, 100.0, times=20)
    assert a.state is PeerState.UP


def test_statuses_that_count_as_failures() -> None:
    assert nick(weighted(1), "a").circuit.fail_statuses == frozenset()
    assert nick(weighted(1, fail_statuses=((429, 429), (500, 502))), "a").circuit.fail_statuses == {429, 500, 501, 502}


def test_each_ejection_soon_after_another_lasts_twice_as_long_up_to_a_bound() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0, max_fail_timeout=60.0)
    a = nick(pool, "a")
    now = 0.0
    lasted = []
    for _ in range(5):
        fail(a, now)
        lasted.append(a.ejected_until - now)
        now = a.ejected_until
        pool.refresh(now)
    assert lasted == [10.0, 20.0, 40.0, 60.0, 60.0]


def test_after_calm_as_long_as_the_last_ejection_the_next_is_short_again() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    a = nick(pool, "a")
    fail(a, 0.0)
    pool.refresh(10.0)
    fail(a, 10.0)
    assert a.ejected_until == 30.0
    pool.refresh(30.0)
    succeed(a, 31.0)
    fail(a, 49.9)
    assert a.ejected_until == pytest.approx(49.9 + 40.0)
    pool.refresh(89.9)
    succeed(a, 90.0)
    fail(a, 130.0)
    assert a.ejected_until == 140.0


def test_a_bound_below_fail_timeout_does_not_shorten_ejections() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0, max_fail_timeout=1.0)
    a = nick(pool, "a")
    for now in (0.0, 10.0):
        pool.refresh(now)
        fail(a, now)
        assert a.ejected_until == now + 10.0


def returned(**knobs: object) -> tuple[Pool, Peer]:
    """A pool, and its peer that is back from an ejection at 10 s."""
    pool = weighted(1, 1, **{"max_fails": 1, "fail_timeout": 10.0, **knobs})
    a = nick(pool, "a")
    fail(a, 0.0)
    assert picks(pool, 2, now=9.9) == "bb"
    return pool, a


def test_a_trial_is_one_request_at_a_time() -> None:
    pool, a = returned()
    assert sorted(picks(pool, 2, now=10.0)) == ["a", "b"]
    a.begin()
    assert picks(pool, 5, now=10.1) == "bbbbb"
    a.succeed(10.2)
    assert Counter(picks(pool, 4, now=10.3)) == {"a": 2, "b": 2}
    # Nothing is looked at any more from now on: the scheduler has the whole say.
    assert pool._pick == pool._candidates._primaries.pick


def test_a_trial_that_ends_without_a_result_makes_room_for_the_next() -> None:
    pool, a = returned()
    picks(pool, 2, now=10.0)
    a.begin()
    a.fail(errors.CLIENT_GONE, 10.1)
    assert "a" in picks(pool, 2, now=10.2)
    assert a.state is PeerState.UP
    fail(a, 10.3)
    assert a.state is PeerState.EJECTED


def test_a_trial_that_answers_at_length_makes_room_for_the_next_at_once() -> None:
    pool, a = returned()
    picks(pool, 2, now=10.0)
    a.begin()
    assert "a" not in picks(pool, 2, now=10.1)
    assert a.attentive
    a.answered(0.1, 0.0)
    assert "a" in picks(pool, 2, now=10.2)


def test_a_trial_is_no_reason_to_refuse_when_nobody_else_is_left() -> None:
    pool, a = returned()
    picks(pool, 2, now=10.0)
    a.begin()
    pool.drain("b:80")
    assert picks(pool, 3, now=10.1) == "aaa"
    assert pool.choose([a], 10.1) is None


def test_a_slow_trial_ejects_again() -> None:
    pool = by_share(eject_latency=2.0)
    a = nick(pool, "a")
    slow(a, 0.0, 3.0, times=4)
    pool.refresh(10.0)
    with log_lines() as lines:
        slow(a, 11.0, 2.5)
    assert lines == ["warn: pool app: peer a:80 is ejected: back from an ejection it was slow again: 2.5 s; for 20 s"]


def test_an_ejection_starts_the_count_anew() -> None:
    pool = by_share()
    a = nick(pool, "a")
    fail(a, 0.0, times=4)
    pool.refresh(10.0)
    succeed(a, 10.0)
    fail(a, 10.1, times=2)
    assert a.state is PeerState.UP


def test_a_success_under_way_at_an_ejection_does_not_end_it() -> None:
    pool = by_share()
    a = nick(pool, "a")
    a.begin()
    fail(a, 0.0, times=4)
    a.succeed(1.0)
    assert a.state is PeerState.EJECTED


def test_who_is_restored_is_not_on_trial() -> None:
    pool, a = returned()
    picks(pool, 2, now=10.0)
    a.begin()
    pool.restore("a:80")
    assert Counter(picks(pool, 4, now=10.1)) == {"a": 2, "b": 2}
    a.succeed(11.0)


def test_no_more_than_their_share_of_peers_is_ejected() -> None:
    pool = weighted(1, 1, 1, 1, max_fails=1, fail_timeout=10.0, max_ejected=0.5)
    with log_lines() as lines:
        for letter in "abcd":
            fail(nick(pool, letter), 0.0)
        fail(nick(pool, "c"), 1.0)
    assert states(pool) == "a ejected, b ejected, c up, d up"
    assert pool.ejections_refused == 3
    assert [line for line in lines if "not ejected" in line] == [
        "warn: pool app: peer c:80 is not ejected, as 2 of 4 are (max_ejected): "
        "1 attempt failed within 10 s, the last: the peer refused the connection"
    ]
    pool.restore("a:80")
    fail(nick(pool, "c"), 2.0)
    assert states(pool) == "a up, b ejected, c ejected, d up"


def test_one_peer_may_be_ejected_in_any_case() -> None:
    pool = weighted(1, 1, 1, max_fails=1, max_ejected=0.1)
    fail(nick(pool, "a"), 0.0)
    fail(nick(pool, "b"), 0.0)
    assert states(pool) == "a ejected, b up, c up"


def test_a_trial_that_fails_beyond_the_share_is_followed_by_another_trial() -> None:
    pool, a = returned(max_ejected=0.5)
    picks(pool, 2, now=10.0)
    fail(nick(pool, "b"), 10.0)
    fail(a, 10.1)
    assert states(pool) == "a up, b ejected"
    assert picks(pool, 2, now=10.2) == "aa"
    a.begin()
    a.succeed(10.3)
    assert a.state is PeerState.UP


def down(peer: Peer) -> None:
    for _ in range(3):
        peer.checked(CheckResult(0.0, 0.1, passed=False, reason="status 500"))


def test_peers_that_fail_their_checks_are_asked_only_if_the_site_says_so() -> None:
    shut, open_ = weighted(1, 1), weighted(1, 1, fail_open=True)
    with log_lines() as lines:
        for pool in (shut, open_):
            for peer in pool.peers:
                down(peer)
        assert picks(shut, 2) == "--"
        assert picks(open_, 2) == "ab"
        open_.set_weight("a:80", 3)
        assert sorted(picks(open_, 4)) == ["a", "a", "a", "b"]
    assert [line for line in lines if "tried all the same" in line] == [
        "warn: pool app: every peer is down; they are tried all the same (fail_open)"
    ]
    succeed(open_.peers[0], 1.0)
    assert states(open_) == "a down, b down"


def test_ejected_peers_come_before_those_that_are_down() -> None:
    pool = pool_of(server("a"), server("b"), server("c"), max_fails=1, fail_open=True)
    down(nick(pool, "a"))
    fail(nick(pool, "b"), 0.0)
    pool.maintain("c:80")
    assert picks(pool, 2, now=1.0) == "bb"
