"""Whatever clients and peers of a stream do, and when: bytes arrive in order or not at all, and nothing is left behind."""

from __future__ import annotations

from random import Random

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.wire.client_hellos import hello

SITE = """
[stream plain]
on = tcp:5432
pool = db
connect_timeout = 2s
idle_timeout = 20s
half_close_timeout = 5s
drain_timeout = 3s
trusted_proxies = 192.0.2.1
proxy_protocol = accept
[stream names]
on = tcp:443
sni = * db
[pool db]
servers =
    10.0.0.1:5432 max_connections=3
    10.0.0.2:5432 max_connections=3
    10.0.0.3:5432 backup
queue = 2 timeout=1s
max_fails = 2
fail_timeout = 5s
"""
PEERS = [f"10.0.0.{number}:5432" for number in (1, 2, 3)]


class Side:
    """A party, what it has said, and whether it may say more."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.said = b""
        self.speaks = True

    def act(self, chance: Random) -> None:
        """Do anything."""
        party = self.party
        if party.has_left:
            return
        deed = chance.choice(["say", "say", "say", "end", "leave", "reset", "stop", "read", "take"])
        if deed == "say" and self.speaks and not party.was_ended:
            data = chance.randbytes(chance.choice([1, 100, 70_000]))
            self.said += data
            party.says(data)
        elif deed == "end" and self.speaks and not party.was_ended:
            self.speaks = False
            party.ends()
        elif deed in ("leave", "reset") and chance.random() < 0.3:
            (party.leaves if deed == "leave" else party.resets)()
        elif deed == "stop":
            party.stops_reading(chance.choice([0, 1000]))
        elif deed == "read":
            party.reads_on()


@pytest.mark.parametrize("seed", range(25))
def test_a_crowd(seed: int) -> None:
    chance = Random(seed)
    with Play(SITE) as play:
        pool = play.pools["db"]
        clients: list[Side] = []
        origins: list[Side] = []
        for _ in range(120):
            deed = chance.random()
            if deed < 0.15:
                name = chance.choice(["plain", "names"])
                clients.append(Side(play.client(listener=name, address=chance.choice(["192.0.2.1", "192.0.2.2"]))))
                if name == "names":
                    whole = hello("a.example")
                    clients[-1].said = whole
                    clients[-1].party.says(whole)
            elif deed < 0.22:
                peer = chance.choice(PEERS)
                chance.choice([play.refuses, play.ignores, play.accepts])(peer)
            elif deed < 0.26:
                peer = chance.choice(PEERS)
                chance.choice([pool.drain, pool.restore])(peer)
            elif deed < 0.4:
                play.later(chance.choice([0.2, 1, 3, 7]))
            elif clients:
                chance.choice(clients + origins).act(chance)
            while play.has_origin:
                origins.append(Side(play.origin()))
        for connection in list(play.connections()):
            connection.close_now()
        play.later(40)
        for side in clients + origins:
            if not side.party.has_left:
                side.party.reads_on()
        said = [side.said for side in clients]
        for origin in origins:
            heard = origin.party.overlooks()
            assert not heard or any(each.startswith(heard) for each in said)
        answers = [side.said for side in origins]
        for client in clients:
            heard = client.party.overlooks()
            assert not heard or any(each.startswith(heard) for each in answers)
        assert len(play.ended) <= len(clients)
