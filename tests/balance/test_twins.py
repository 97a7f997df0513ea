"""The twin of a pool would choose as the pool does, and whatever happens to it changes nothing of the pool."""

from __future__ import annotations

from random import Random

import pytest

from tests.balance.pools import HandClock, letter, nick, picks, pool_of, server
from twistedproxy import errors
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.stickiness import Sessions, Tags
from twistedproxy.settings.pools import BalanceSettings, BudgetSettings, PoolSettings, QueueSettings

SERVERS = (server("a", 3), server("b"), server("c", 2, max_connections=9), server("d", backup=True))


@pytest.mark.parametrize("scheduler", ["round_robin", "least_connections", "least_time", "random_two"])
def test_the_twin_goes_on_from_where_the_pool_is(scheduler: str) -> None:
    clock = HandClock()
    pool = Pool(PoolSettings("app", servers=SERVERS, balance=BalanceSettings(scheduler)), clock, Random(7))
    picks(pool, 5)
    for _ in range(2):
        nick(pool, "a").begin()
    twin, _ = pool.twin(clock)
    other, _ = pool.twin(clock)
    would = picks(twin, 20)
    assert picks(other, 20) == would
    assert picks(pool, 20) == would


def test_keys_go_to_the_same_peers_by_their_twins() -> None:
    clock = HandClock()
    pool = pool_of(*SERVERS, clock=clock, balance=BalanceSettings("hash", "{path}"))
    keys = [f"/{number}" for number in range(40)]
    twin, peers = pool.twin(clock)
    assert [twin.choose_for(key, (), 0.0) for key in keys] == [
        peers[peer] for key in keys if (peer := pool.choose_for(key, (), 0.0))
    ]


def test_what_happens_to_the_twin_does_not_happen_to_the_pool() -> None:
    clock = HandClock()
    pool = pool_of(*SERVERS, clock=clock, max_fails=1, queue=QueueSettings(5, 1.0), retry_budget=BudgetSettings(0.0, 0.1))
    pool.drain("b:80")
    clock.advance(60)
    twin, peers = pool.twin(clock)
    assert [(str(peer.state), peer.since, peer.why) for peer in twin.peers] == [
        (str(peer.state), peer.since, peer.why) for peer in pool.peers
    ]
    one = peers[nick(pool, "a")]
    one.begin()
    one.fail(errors.CONNECT_REFUSED_BY_PEER, clock.monotonic())
    twin.restore("b:80")
    assert twin.affords_retry(clock.monotonic()) and not twin.affords_retry(clock.monotonic())
    assert pool.affords_retry(clock.monotonic())
    assert [str(peer.state) for peer in twin.peers] == ["ejected", "up", "up", "up"]
    assert [str(peer.state) for peer in pool.peers] == ["up", "draining", "up", "up"]
    assert (nick(pool, "a").attempts, nick(pool, "a").failures) == (0, 0)
    assert twin.queue is not None and twin.queue is not pool.queue and twin.queue.length == 5


def test_what_binds_clients_is_looked_up_and_not_touched() -> None:
    clock = HandClock()
    pool = pool_of(*SERVERS, clock=clock)
    _, peers = pool.twin(clock)
    tags = Tags(b"secret")
    assert letter(tags.twin().peer(tags.tag(nick(pool, "b")), list(peers.values()))) == "b"
    sessions = Sessions(10, 60.0)
    sessions.bind("one", nick(pool, "a"), 0.0)
    twin = sessions.twin(peers)
    assert twin.find("one", 50.0) is peers[nick(pool, "a")]
    assert twin.bind("two", peers[nick(pool, "b")], 50.0) is None
    twin.forget("one")
    assert twin.find("two", 50.0) is None
    assert len(sessions) == 1
    # To be looked up by a twin is not to be seen.
    assert sessions.find("one", 61.0) is None
