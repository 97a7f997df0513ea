"""A day of flapping peers in seconds: whole requests, through the whole proxy, by a seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.balance.pools import log_lines
from tests.kit.party import Party
from tests.kit.peers import LEAVES, OK, SILENCE, Deed, Peers, refusing
from tests.kit.play import Play

SECONDS = 24 * 3600
STEP = 40
NAMES = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
SITE = """
[listen http]
on = tcp:80
header_timeout = 1h
keepalive_timeout = 1h
[pool app]
servers =
    10.0.0.1:80 weight=2 max_connections=5
    10.0.0.2:80
    10.0.0.3:80
queue = 10
fail_statuses = 500
max_fails = 2
fail_timeout = 60s
max_fail_timeout = 10m
eject_ratio = 50%
eject_latency = 200ms
eject_window = 5m
eject_min_requests = 4
max_ejected = 70%
keepalive_timeout = 1h
retry_budget = no
[route /]
pool = app
retry = error timeout 500
read_timeout = 3s
connect_timeout = 1s
hedge = 200ms
"""

#: What may befall a peer, and what it then does with a request on a connection that stands.
ILLS: dict[str, Deed] = {"refuses": LEAVES, "ignores": SILENCE, "is silent": SILENCE, "fails": refusing(500), "leaves": LEAVES}


@dataclass
class Day:
    """What happened."""

    statuses: Counter[str] = field(default_factory=Counter)
    posts: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    ejections: list[int] = field(default_factory=list)
    counters: tuple[int, int] = (0, 0)
    story: list[str] = field(default_factory=list)


class World:
    """Peers one and two fall ill and recover by chance; the third one is always well."""

    def __init__(self, play: Play, seed: int, day: Day) -> None:
        self.play = play
        self.day = day
        self.random = Random(seed)
        self.ills: dict[str, str] = {}
        self.peers = Peers(play, self.deed)

    def deed(self, name: str, head: str) -> Deed:
        """What *name* does with a request."""
        method, target, _ = head.split(" ", 2)
        if method == "POST":
            self.day.posts[target] += 1
        return ILLS[self.ills[name]] if name in self.ills else OK

    def goes_on(self) -> None:
        """Somebody may fall ill, or recover."""
        for name in NAMES[:2]:
            if name in self.ills:
                if self.random.random() < 0.05:
                    del self.ills[name]
                    self.play.accepts(name)
            elif self.random.random() < 0.02:
                ill = self.ills[name] = self.random.choice(sorted(ILLS))
                if ill in ("refuses", "ignores"):
                    getattr(self.play, ill)(name)

    def asks(self, client: Party, request: str) -> int:
        """The status of the answer to *request*."""
        client.says(f"{request} HTTP/1.1\nHost: a" + ("\nContent-Length: 0" if request.startswith("POST") else ""))
        for _ in range(60):
            self.peers.act()
            if client.heard:
                return client.hears_message().status
            self.play.later(0.25)
        raise AssertionError(f"no answer to {request}")


def simulate(seed: int, seconds: int = SECONDS) -> Day:
    day = Day()
    with Play(SITE) as play, log_lines() as day.story:
        world = World(play, seed, day)
        client = play.client()
        poster = play.client()
        for number in range(seconds // STEP):
            play.clock.advance(STEP)
            play.turn()
            world.peers.act()
            world.goes_on()
            day.statuses[f"GET {world.asks(client, f'GET /{number}')}"] += 1
            if number % 4 == 0:
                day.statuses[f"POST {world.asks(poster, f'POST /{number}')}"] += 1
        pool = play.pools["app"]
        day.ejections = [peer.ejections for peer in pool.peers]
        day.counters = (pool.retries, pool.hedges)
        day.asked = world.peers.asked
        play.later(5)
        world.peers.act()
    return day


def test_a_day_of_flapping_peers_fails_no_get_and_repeats_no_post() -> None:
    day = simulate(seed=5)
    gets = {status: count for status, count in day.statuses.items() if status.startswith("GET")}
    assert gets == {"GET 200": SECONDS // STEP}
    assert set(day.posts.values()) == {1}
    assert day.statuses["POST 200"] > 0.9 * SECONDS // STEP / 4
    assert min(day.ejections[:2]) > 5
    assert day.ejections[2] == 0
    retries, hedges = day.counters
    assert retries > 10
    assert hedges > 10
    told = " ".join(day.story)
    for words in ("is ejected", "is up: the time of its ejection is over", "failed again", "for 120 s"):
        assert words in told


def test_the_same_seed_is_the_same_day() -> None:
    one, again = simulate(seed=8, seconds=3 * 3600), simulate(seed=8, seconds=3 * 3600)
    assert one == again
    assert simulate(seed=9, seconds=3 * 3600).story != one.story
