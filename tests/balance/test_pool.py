"""What a pool chooses, whom it leaves out, and what the operator can do."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.balance.pools import HandClock, letter, log_lines, nick, picks, pool_of, server, states, weighted
from twistedproxy import errors
from twistedproxy.balance.peer import Change, Peer, PeerState
from twistedproxy.balance.pool import Pool, UnknownPeer
from twistedproxy.verdicts import ChooseVerdict


def fail(peer: Peer, now: float, times: int = 1, reason: errors.Reason = errors.CONNECT_REFUSED_BY_PEER) -> None:
    for _ in range(times):
        peer.begin()
        peer.fail(reason, now)


def succeed(peer: Peer, now: float) -> None:
    peer.begin()
    peer.succeed(now)


def test_a_new_pool_has_every_peer_up_except_those_that_are_down_in_the_site() -> None:
    pool = pool_of(server("a"), server("b", down=True), server("c", backup=True))
    assert states(pool) == "a up, b in maintenance, c up"
    assert picks(pool, 3) == "aaa"
    assert repr(pool) == "<Pool app 2 of 3 peers available>"
    assert repr(nick(pool, "b")) == "<Peer b:80 in maintenance weight=1 in_flight=0>"
    assert repr(nick(pool, "c")) == "<Peer c:80 up weight=1 backup in_flight=0>"


def test_peers_that_were_tried_are_skipped() -> None:
    pool = weighted(1, 1, 1)
    a, b, c = pool.peers
    assert pool.choose([a, b], 0.0) is c
    assert pool.choose([a, b, c], 0.0) is None
    assert pool.verdict_when_none([a, b, c], 0.0) is ChooseVerdict.ALL_TRIED


def test_backups_are_taken_only_when_no_primary_is_left() -> None:
    pool = pool_of(server("a"), server("b"), server("x", 2, backup=True), server("y", 1, backup=True))
    a, b, x, y = pool.peers
    assert picks(pool, 4) == "abab"
    assert pool.choose([a, b], 0.0) in (x, y)
    assert pool.choose([a], 0.0) is b
    pool.drain("a:80")
    pool.drain("b:80")
    assert sorted(picks(pool, 6)) == list("xxxxyy")
    assert pool.choose([x], 0.0) is y
    pool.restore("b:80")
    assert picks(pool, 3) == "bbb"


def test_a_pool_without_available_peers_says_why_it_has_none() -> None:
    pool = weighted(1, 1)
    pool.drain("a:80")
    pool.maintain("b:80")
    assert picks(pool, 2) == "--"
    assert pool.verdict_when_none([], 0.0) is ChooseVerdict.ALL_DOWN
    empty = pool_of()
    assert picks(empty, 1) == "-"
    assert empty.verdict_when_none([], 0.0) is ChooseVerdict.EMPTY


def test_a_drained_peer_finishes_what_it_has_and_gets_nothing_new() -> None:
    pool = weighted(1, 1)
    a = nick(pool, "a")
    a.begin()
    assert pool.drain("a:80") is a
    assert repr(a) == "<Peer a:80 draining weight=1 in_flight=1>"
    assert picks(pool, 3) == "bbb"
    a.succeed(1.0)
    assert a.in_flight == 0
    assert pool.restore("a:80") is a
    assert Counter(picks(pool, 10)) == {"a": 5, "b": 5}


def test_a_peer_of_weight_0_gets_nothing_and_is_no_reason_to_give_up() -> None:
    pool = weighted(3, 1)
    pool.set_weight("a:80", 0)
    assert picks(pool, 3) == "bbb"
    pool.set_weight("b:80", 0)
    assert picks(pool, 1) == "-"
    pool.set_weight("a:80", 1)
    assert picks(pool, 2) == "aa"


def test_a_negative_weight_is_refused_and_the_same_weight_is_no_news() -> None:
    pool = weighted(3, 1)
    with log_lines() as lines:
        with pytest.raises(ValueError, match="a weight is 0 or more, not -1"):
            pool.set_weight("a:80", -1)
        pool.set_weight("a:80", 3)
        pool.set_weight("a:80", 4)
    assert lines == ["info: pool app: peer a:80 has weight 4, before: 3"]


def test_an_unknown_peer_is_an_error_that_names_the_peer_that_was_meant() -> None:
    pool = pool_of(server("app1.internal"), server("db"))
    with pytest.raises(KeyError) as close:
        pool.drain("ap1.internal:80")
    assert str(close.value) == "pool app has no peer 'ap1.internal:80'; did you mean app1.internal:80?"
    with pytest.raises(UnknownPeer) as far:
        pool.peer("zzzzzzzz")
    assert str(far.value) == "pool app has no peer 'zzzzzzzz'; known: app1.internal:80, db:80"
    with pytest.raises(UnknownPeer) as none:
        pool_of().peer("a")
    assert str(none.value) == "pool app has no peer 'a'; there is none"


def test_max_fails_within_fail_timeout_eject_a_peer_for_fail_timeout() -> None:
    pool = weighted(1, 1, max_fails=3, fail_timeout=10.0)
    a = nick(pool, "a")
    fail(a, 100.0)
    fail(a, 105.0)
    assert a.state is PeerState.UP
    fail(a, 109.9)
    assert a.state is PeerState.EJECTED
    assert picks(pool, 4, now=110.0) == "bbbb"
    assert picks(pool, 4, now=119.8) == "bbbb"
    assert Counter(picks(pool, 4, now=119.9)) == {"a": 2, "b": 2}
    assert a.state is PeerState.UP


def test_failures_that_lie_further_apart_than_fail_timeout_do_not_eject() -> None:
    a = nick(weighted(1, 1, max_fails=3, fail_timeout=10.0), "a")
    for now in (0.0, 5.0, 10.0, 15.0, 20.0):
        fail(a, now)
    assert a.state is PeerState.UP
    fail(a, 20.0)
    assert a.state is PeerState.EJECTED


def test_a_success_forgives_earlier_failures() -> None:
    a = nick(weighted(1, 1, max_fails=3), "a")
    fail(a, 0.0, times=2)
    succeed(a, 0.1)
    fail(a, 0.2, times=2)
    assert a.state is PeerState.UP
    assert (a.attempts, a.failures, a.in_flight) == (5, 4, 0)


def test_a_peer_back_from_an_ejection_is_on_trial_until_an_attempt_succeeds() -> None:
    pool = weighted(1, 1, max_fails=3, fail_timeout=10.0)
    a = nick(pool, "a")
    fail(a, 0.0, times=3)
    picks(pool, 1, now=10.0)
    assert a.state is PeerState.UP
    fail(a, 11.0)
    assert a.state is PeerState.EJECTED
    picks(pool, 1, now=31.0)
    succeed(a, 32.0)
    fail(a, 33.0)
    assert a.state is PeerState.UP


def test_attempts_that_were_under_way_at_an_ejection_do_not_prolong_it() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    a = nick(pool, "a")
    fail(a, 0.0)
    fail(a, 5.0)
    assert "a" in picks(pool, 2, now=10.0)


@pytest.mark.parametrize("reason", [errors.CLIENT_GONE, errors.STOPPING, errors.KEPT_CLOSED])
def test_what_is_not_the_fault_of_the_peer_is_not_held_against_it(reason: errors.Reason) -> None:
    a = nick(weighted(1, 1, max_fails=1), "a")
    fail(a, 0.0, times=5, reason=reason)
    assert (a.state, a.failures, a.in_flight, a.last_failure) == (PeerState.UP, 0, 0, None)


def test_the_only_peer_of_a_pool_is_never_ejected() -> None:
    pool = weighted(1, max_fails=1)
    fail(pool.peers[0], 0.0, times=10)
    assert picks(pool, 2) == "aa"
    assert pool.peers[0].last_failure is errors.CONNECT_REFUSED_BY_PEER


def test_max_fails_0_never_ejects() -> None:
    pool = weighted(1, 1, max_fails=0)
    fail(pool.peers[0], 0.0, times=10)
    assert picks(pool, 2) == "ab"


def test_several_ejections_end_each_in_its_own_time() -> None:
    pool = weighted(1, 1, 1, max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "b"), 4.0)
    fail(nick(pool, "a"), 0.0)
    assert picks(pool, 1, now=9.9) == "c"
    assert set(picks(pool, 4, now=10.0)) == {"a", "c"}
    assert set(picks(pool, 4, now=13.9)) == {"a", "c"}
    assert set(picks(pool, 6, now=14.0)) == {"a", "b", "c"}


def test_refresh_ends_ejections_in_a_pool_without_traffic() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "a"), 0.0)
    for now in (9.0, 9.5):
        pool.refresh(now)
        assert states(pool) == "a ejected, b up"
    pool.refresh(10.0)
    assert states(pool) == "a up, b up"


def test_to_look_at_a_pool_does_not_change_whose_turn_it_is() -> None:
    pool = weighted(5, 1, 1)
    order = ""
    for now in range(21):
        order += picks(pool, 1, now=now)
        pool.refresh(now)
    assert order == "aabacaa" * 3


def test_to_restore_an_ejected_peer_ends_its_ejection() -> None:
    pool = weighted(1, 1, max_fails=1)
    fail(nick(pool, "a"), 0.0)
    pool.restore("a:80")
    assert set(picks(pool, 2, now=0.1)) == {"a", "b"}


def test_an_ejection_that_ends_while_a_peer_is_drained_leaves_it_draining() -> None:
    pool = weighted(1, 1, max_fails=1, fail_timeout=10.0)
    fail(nick(pool, "a"), 0.0)
    pool.drain("a:80")
    pool.refresh(10.0)
    assert states(pool) == "a draining, b up"
    pool.restore("a:80")
    assert states(pool) == "a up, b up"


def test_transitions_are_logged_with_their_reason_and_told_to_observers() -> None:
    clock = HandClock()
    pool = weighted(1, 1, clock=clock, max_fails=2, fail_timeout=10.0)
    told: list[Change] = []
    pool.on_change.append(told.append)
    a = nick(pool, "a")
    clock.advance(60.0)
    with log_lines() as lines:
        fail(a, 1.0, times=2)
        pool.refresh(11.0)
        fail(a, 12.0, reason=errors.READ_TIMEOUT)
        pool.drain("b:80")
        pool.drain("b:80")
        pool.maintain("b:80")
        pool.restore("b:80")
    assert lines == [
        "warn: pool app: peer a:80 is ejected: 2 attempts failed within 10 s, the last: "
        "the peer refused the connection; for 10 s",
        "info: pool app: peer a:80 is up: the time of its ejection is over",
        "warn: pool app: peer a:80 is ejected: back from an ejection it failed again: "
        "the peer did not answer within read_timeout; for 20 s",
        "info: pool app: peer b:80 is draining: the operator drains it",
        "info: pool app: peer b:80 is in maintenance: the operator took it out",
        "info: pool app: peer b:80 is up: the operator restored it",
    ]
    assert [f"{letter(change.peer)} {change.before}>{change.after}" for change in told] == [
        "a up>ejected",
        "a ejected>up",
        "a up>ejected",
        "b up>draining",
        "b draining>in maintenance",
        "b in maintenance>up",
    ]
    assert str(told[3]) == "peer b:80 is draining: the operator drains it"
    assert (a.why, a.since) == (told[2].why, clock.wall())


def test_a_peer_works_without_a_pool() -> None:
    pool = pool_of(server("a"), server("b"), max_fails=1)
    alone = Peer(pool.settings.servers[0], pool.settings)
    fail(alone, 0.0)
    assert alone.state is PeerState.EJECTED


def test_a_pool_keeps_its_settings() -> None:
    pool = weighted(1)
    assert isinstance(pool, Pool)
    assert (pool.name, str(pool.settings.balance), pool.peers[0].settings) == ("app", "round_robin", pool.settings.servers[0])
