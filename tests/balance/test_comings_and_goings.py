"""Peers that come to a pool while it runs, and peers that leave it."""

from __future__ import annotations

from collections import Counter

import pytest
from twisted.internet.defer import Deferred, succeed

from tests.balance.pools import HandClock, letter, log_lines, nick, picks, pool_of, server, states, weighted
from twistedproxy import errors
from twistedproxy.balance.health import Health
from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.balance.pool import PeerExists, UnknownPeer
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.verdicts import ChooseVerdict


def test_a_peer_that_comes_gets_its_share_at_once() -> None:
    pool = weighted(1, 1)
    picks(pool, 7)
    with log_lines() as lines:
        pool.add(server("c", 2), "shell")
    assert lines == ["info: pool app: peer c:80 has come, from shell"]
    assert nick(pool, "c").origin == "shell"
    assert Counter(picks(pool, 100)) == {"a": 25, "b": 25, "c": 50}


def test_a_peer_that_goes_gets_nothing_new_and_finishes_what_it_has() -> None:
    pool = weighted(1, 1)
    a = nick(pool, "a")
    a.begin()
    with log_lines() as lines:
        assert pool.remove("a:80", "the operator removed it") is a
    assert lines == ["info: pool app: peer a:80 is removed: the operator removed it"]
    assert picks(pool, 3) == "bbb"
    assert [letter(peer) for peer in pool.peers] == ["b"]
    a.fail(errors.PEER_RESET, 1.0)
    assert (a.in_flight, a.state) == (0, PeerState.REMOVED)
    with pytest.raises(UnknownPeer):
        pool.restore("a:80")


def test_who_watches_a_pool_hears_of_both() -> None:
    pool = weighted(1)
    heard: list[str] = []
    pool.on_join.append(lambda peer: heard.append(f"{letter(peer)} came"))
    pool.on_change.append(lambda change: heard.append(f"{letter(change.peer)} {change.after}"))
    pool.add(server("b"), "shell")
    pool.remove("a:80", "")
    assert heard == ["b came", "a removed"]


def test_one_address_is_one_peer() -> None:
    pool = weighted(1)
    with pytest.raises(PeerExists, match="pool app has a peer a:80 already"):
        pool.add(server("a"), "shell")
    pool.remove("a:80", "")
    assert picks(pool, 1) == "-"
    assert pool.verdict_when_none([], 0.0) is ChooseVerdict.EMPTY
    pool.add(server("a"), "shell")
    assert picks(pool, 1) == "a"


def test_the_last_peer_that_is_left_is_not_ejected() -> None:
    pool = pool_of(server("a"), server("b"), max_fails=1)
    pool.remove("a:80", "")
    b = nick(pool, "b")
    b.begin()
    b.fail(errors.PEER_RESET, 1.0)
    assert states(pool) == "b up"
    pool.add(server("c"), "shell")
    b.begin()
    b.fail(errors.PEER_RESET, 2.0)
    assert states(pool) == "b ejected, c up"


def test_checks_begin_and_end_with_a_peer() -> None:
    clock = HandClock()
    pool = pool_of(server("a"), clock=clock, check=CheckSettings("tcp"), check_interval=5.0, rise=1, fall=1)
    asked: list[str] = []
    hanging: Deferred[None] = Deferred()

    def probe(peer: Peer) -> Deferred[None]:
        asked.append(letter(peer))
        return hanging if letter(peer) == "c" else succeed(None)

    health = Health(pool, probe, clock)
    pool.add(server("b"), "shell")
    health.startService()
    assert asked == ["a", "b"]
    pool.add(server("c"), "shell")
    assert asked == ["a", "b", "c"]
    c = pool.remove("c:80", "")
    assert not c.last_checks
    clock.pump([1.0] * 20)
    assert set(asked[3:]) == {"a", "b"}
    pool.remove("a:80", "")
    del asked[:]
    clock.pump([1.0] * 20)
    assert set(asked) == {"b"}
    health.stopService()
    assert not clock.getDelayedCalls()
