"""A day of peers that come and go, simulated: checks, ejections, operator and traffic together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from twisted.internet.defer import Deferred, fail, succeed

from tests.balance.pools import HandClock, letter, log_lines, nick, pool_of, server
from twistedproxy import errors
from twistedproxy.balance.health import Health
from twistedproxy.balance.peer import Peer, PeerState

SECONDS = 24 * 3600
STEP = 5
REQUESTS_A_STEP = 3


@dataclass
class Day:
    """What happened."""

    served: Counter[str] = field(default_factory=Counter)
    served_when_all_were_well: Counter[str] = field(default_factory=Counter)
    nobody: int = 0
    story: list[str] = field(default_factory=list)


def simulate(seed: int) -> Day:
    random = Random(seed)
    clock = HandClock()
    weights = {"a": 3, "b": 2, "c": 1, "d": 1}
    pool = pool_of(
        *(server(name, weight, backup=name == "d") for name, weight in weights.items()),
        clock=clock,
        check_interval=10.0,
        check_timeout=2.0,
        rise=2,
        fall=3,
        max_fails=3,
        fail_timeout=15.0,
    )
    ill: dict[str, str] = {}
    day = Day()

    def probe(peer: Peer) -> Deferred[None]:
        reason = ill.get(letter(peer))
        if reason == "hangs":
            return Deferred()
        return succeed(None) if reason is None else fail(ConnectionError(reason))

    health = Health(pool, probe, clock, Random(seed))
    with log_lines() as day.story:
        health.startService()
        for _ in range(SECONDS // STEP):
            clock.advance(STEP)
            for name in "abc":
                if name in ill and random.random() < 0.05:
                    del ill[name]
                elif name not in ill and random.random() < 0.003:
                    ill[name] = random.choice(["connection refused", "status 500", "hangs"])
                if random.random() < 0.0005:
                    pool.drain(f"{name}:80")
                elif random.random() < 0.02 and nick(pool, name).state is PeerState.DRAINING:
                    pool.restore(f"{name}:80")
            all_well = not ill and all(peer.available for peer in pool.peers)
            for _ in range(REQUESTS_A_STEP):
                tried: list[Peer] = []
                while (peer := pool.choose(tried, clock.seconds())) is not None:
                    peer.begin()
                    if letter(peer) not in ill:
                        peer.succeed(clock.seconds())
                        day.served[letter(peer)] += 1
                        day.served_when_all_were_well[letter(peer)] += all_well
                        break
                    peer.fail(errors.CONNECT_REFUSED_BY_PEER, clock.seconds())
                    tried.append(peer)
                else:
                    day.nobody += 1
        health.stopService()
    assert clock.getDelayedCalls() == []
    assert [peer.in_flight for peer in pool.peers] == [0, 0, 0, 0]
    return day


def test_a_day_of_flapping_peers_fails_no_request_as_long_as_a_backup_is_well_and_is_the_same_by_seed() -> None:
    day = simulate(seed=7)
    assert day.nobody == 0
    assert day.served.total() == SECONDS // STEP * REQUESTS_A_STEP
    assert day.served.keys() == {*"abcd"}
    quiet = day.served_when_all_were_well
    assert quiet.total() > 10_000
    for name, weight in {"a": 3, "b": 2, "c": 1, "d": 0}.items():
        assert abs(quiet[name] - quiet.total() * weight / 6) <= 0.01 * quiet.total()
    told = " ".join(day.story)
    for words in ("is down: 3 checks failed", "is up: 2 checks passed", "is ejected", "timed out after 2 s", "is draining"):
        assert words in told
    again = simulate(seed=7)
    assert (again.served, again.story) == (day.served, day.story)
    assert simulate(seed=8).story != day.story
