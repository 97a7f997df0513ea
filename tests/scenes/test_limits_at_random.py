"""Whatever clients and peers do: no peer has more than it may, nobody is forgotten, and every slot is given back."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.kit.party import Party
from tests.kit.peers import LEAVES, OK, SILENCE, Deed, Peers, refusing
from tests.kit.play import Play

LIMITS = {"10.0.0.1:80": 1, "10.0.0.2:80": 2, "10.0.0.3:80": 3}
SITE = """
[listen http]
on = tcp:80
header_timeout = 1h
keepalive_timeout = 1h
[pool app]
servers =
    10.0.0.1:80 max_connections=1
    10.0.0.2:80 max_connections=2
    10.0.0.3:80 max_connections=3 backup
queue = 4 timeout=2s
max_fails = 3
fail_timeout = 1s
max_fail_timeout = 3s
fail_statuses = 503
retry_budget = 50% min=5
[route /]
pool = app
retry = error timeout 503
read_timeout = 3s
hedge = 300ms
"""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
BEGUN_BADLY = b"HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\nhalf"
DEEDS: list[Deed] = [OK, OK, OK, CHUNKED, BEGUN, BEGUN_BADLY, SILENCE, SILENCE, LEAVES, refusing(503), refusing(404)]


@pytest.mark.parametrize("seed", range(4))
def test_limits_hold_and_slots_come_back(seed: int) -> None:
    random = Random(seed)
    seen: Counter[str] = Counter()

    with Play(SITE) as play:
        peers_of_pool = {peer.name: peer for peer in play.pools["app"].peers}

        def deed(name: str, _head: str) -> Deed:
            assert peers_of_pool[name].in_flight <= LIMITS[name]
            return random.choice(DEEDS)

        peers = Peers(play, deed)
        clients: list[Party] = []
        queue = play.pools["app"].queue
        assert queue is not None
        for _ in range(500):
            what = random.random()
            if what < 0.4 and len(clients) < 14:
                clients.append(play.client())
                method = random.choice(["GET", "GET", "HEAD", "POST"])
                clients[-1].says(f"{method} / HTTP/1.1\nHost: a" + ("\nContent-Length: 0" if method == "POST" else ""))
            elif what < 0.5 and clients:
                client = clients.pop(random.randrange(len(clients)))
                client.overlooks()
                client.resets()
            elif what < 0.8:
                peers.act()
            else:
                play.later(random.choice([0.1, 0.4, 1.0]))
            for name, peer in peers_of_pool.items():
                assert peer.in_flight <= LIMITS[name]
            assert len(queue) <= 4
            for client in [client for client in clients if client.heard]:
                status = client.overlooks()[9:12].decode()
                seen[status] += 1
                clients.remove(client)
                if not client.was_ended:
                    client.leaves()
        peers.deed = lambda _name, _head: OK
        for _ in range(12):
            peers.act()
            play.later(1)
        peers.act()
        for client in clients:
            client.overlooks()
        for name, peer in peers_of_pool.items():
            assert peer.in_flight == 0, name
        assert len(queue) == 0
        pool = play.pools["app"]
        assert min(queue.waits, pool.retries, pool.hedges) > 0
    assert seen["200"] > 20
