"""[limit NAME]: rates, bursts, waiting, connections; what clients are told, and what is counted."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.peers import SILENCE, Peers
from tests.kit.play import Play


def site(limit: str, route: str = "", more: str = "") -> str:
    """A site whose one route has a limit."""
    lines = "\n".join(line.strip() for line in limit.splitlines())
    return f"[pool app]\nservers = 10.0.0.1:80\n[limit l]\n{lines}\n{more}\n[route /]\npool = app\nlimits = l\n{route}\n"


def asks(client: Party, *fields: str, path: str = "/") -> None:
    """Send a request."""
    client.says("\n".join((f"GET {path} HTTP/1.1", "Host: example.com", *fields)))


def statuses(play: Play, peers: Peers, count: int, address: str = "192.0.2.1", *fields: str) -> list[int]:
    """What somebody gets who asks *count* times at once."""
    client = play.client(address=address)
    found = []
    for _ in range(count):
        asks(client, *fields)
        peers.act()
        found.append(client.hears_message().status)
    return found


def test_beyond_rate_and_burst_there_is_429_until_time_has_passed() -> None:
    with Play(site("rate = 2r/s\nburst = 3")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 6) == [200] * 4 + [429] * 2
        play.later(1)
        assert statuses(play, peers, 3) == [200, 200, 429]
        play.later(10)
        assert statuses(play, peers, 5) == [200] * 4 + [429]
        limit = play.guards.limits["l"]
        assert (limit.passed, limit.refused, limit.delayed) == (10, 4, 0)
        assert peers.asked["10.0.0.1:80"] == 10


def test_a_refusal_says_when_to_come_again() -> None:
    with Play(site("rate = 30r/m\nburst = 1")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 2) == [200, 200]
        client = play.client()
        asks(client)
        answer = client.hears_message()
        assert (answer.status, answer.fields["retry-after"]) == (429, "2")
        assert answer.fields["ratelimit-policy"] == '"l";q=2;w=4'
        assert answer.fields["ratelimit"] == '"l";r=0;t=4'
        assert play.exchange().reason is not None
        assert (play.exchange().reason.name, play.exchange().detail) == ("too_many_requests", "l")
        play.later(2)
        assert statuses(play, peers, 1) == [200]


def test_every_answer_says_what_is_left_if_that_is_wanted() -> None:
    with Play(site("rate = 1r/s\nburst = 4\nannounce = yes")) as play:
        peers = Peers(play)
        client = play.client()
        left = []
        for _ in range(3):
            asks(client)
            peers.act()
            left.append(client.hears_message().fields["ratelimit"])
        assert left == ['"l";r=4;t=1', '"l";r=3;t=2', '"l";r=2;t=3']


def test_with_delay_requests_wait_for_their_turn() -> None:
    with Play(site("rate = 1r/s\nburst = 2\ndelay = yes")) as play:
        peers = Peers(play)
        clients = [play.client() for _ in range(4)]
        for client in clients:
            asks(client)
        peers.act()
        assert clients[0].hears_message().status == 200
        assert clients[3].hears_message().status == 429
        limit = play.guards.limits["l"]
        assert (limit.waiting, limit.delayed, limit.refused) == (2, 2, 1)
        for client in clients[1:3]:
            client.hears_nothing()
            play.later(1)
            peers.act()
            assert client.hears_message().status == 200
        assert limit.waiting == 0


def test_who_leaves_while_he_waits_is_forgotten() -> None:
    with Play(site("rate = 1r/s\nburst = 5\ndelay = yes")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 1) == [200]
        client = play.client()
        asks(client)
        assert play.guards.limits["l"].waiting == 1
        client.resets()
        assert play.guards.limits["l"].waiting == 0
        play.later(5)
        assert peers.asked["10.0.0.1:80"] == 1


def test_a_body_waits_with_its_request() -> None:
    with Play(site("rate = 1r/s\nburst = 5\ndelay = yes")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 1) == [200]
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 5", b"ab")
        client.says(b"cde")
        play.later(1)
        peers.act()
        assert client.hears_message().status == 200
        assert play.exchange().bytes_received == 5


def test_each_key_has_its_own() -> None:
    with Play(site("rate = 1r/s\nkey = {client} {header.x-part}")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 2, "192.0.2.1") == [200, 429]
        assert statuses(play, peers, 2, "192.0.2.2") == [200, 429]
        assert statuses(play, peers, 2, "192.0.2.2", "X-Part: a") == [200, 429]


def test_one_network_of_ipv6_is_one_client() -> None:
    with Play(site("rate = 1r/s")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 1, "2001:db8::1") == [200]
        assert statuses(play, peers, 1, "2001:db8::ffff:2") == [429]
        assert statuses(play, peers, 1, "2001:db8:0:1::1") == [200]
    with Play(site("rate = 1r/s\nipv6_prefix = 128")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 1, "2001:db8::1") == [200]
        assert statuses(play, peers, 1, "2001:db8::ffff:2") == [200]


def test_what_one_limit_refuses_counts_for_none() -> None:
    more = "[limit both]\nrate = 1r/s\nburst = 2\nkey = {host}"
    with Play(site("rate = 1r/s\nkey = {client}", more=more).replace("limits = l", "limits = both l")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 5) == [200, 429, 429, 429, 429]
        assert statuses(play, peers, 1, "192.0.2.2") == [200]
        assert statuses(play, peers, 1, "192.0.2.3") == [200]
        assert statuses(play, peers, 1, "192.0.2.4") == [429]
        assert (play.guards.limits["both"].refused, play.guards.limits["l"].refused) == (1, 4)


def test_routes_that_name_one_limit_share_it() -> None:
    with Play(site("rate = 1r/s", more="[route /other/]\npool = app\nlimits = l")) as play:
        peers = Peers(play)
        client = play.client()
        asks(client)
        peers.act()
        assert client.hears_message().status == 200
        asks(client, path="/other/")
        assert client.hears_message().status == 429


def test_so_many_at_a_time() -> None:
    with Play(site("connections = 2")) as play:
        peers = Peers(play, lambda _name, _head: SILENCE)
        clients = [play.client() for _ in range(3)]
        for client in clients:
            asks(client)
        peers.act()
        assert clients[2].hears_message().status == 429
        assert play.exchange().reason is not None
        assert play.exchange().reason.name == "too_many_at_once"
        assert play.guards.limits["l"].running == {"192.0.2.1": 2}
        stranger = play.client(address="192.0.2.9")
        asks(stranger)
        peers.act()
        stranger.hears_nothing()
        clients[0].resets()
        assert play.guards.limits["l"].running == {"192.0.2.1": 1, "192.0.2.9": 1}
        asks(clients[2])
        peers.act()
        clients[2].hears_nothing()
        for client in (clients[1], clients[2], stranger):
            client.resets()
        peers.act()
        assert play.guards.limits["l"].running == {}


def test_a_trial_refuses_nobody_and_counts() -> None:
    with Play(site("rate = 1r/s\nconnections = 1\nbandwidth = 1k/s\ndry_run = yes")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 5) == [200] * 5
        assert play.guards.limits["l"].refused == 4


def test_a_key_that_comes_out_empty_is_not_counted() -> None:
    with Play(site("rate = 1r/s\nkey = {query}")) as play:
        peers = Peers(play)
        assert statuses(play, peers, 3) == [200] * 3


@pytest.mark.parametrize("share", [0.5, 1.0, 3.0])
def test_over_a_long_time_a_client_gets_his_rate(share: float) -> None:
    with Play(site("rate = 20r/s\nburst = 10")) as play:
        peers = Peers(play)
        client = play.client()
        asked = got = 0
        for _ in range(600):
            play.clock.advance(1 / (20 * share))
            asks(client)
            peers.act()
            asked += 1
            got += client.hears_message().status == 200
        seconds = asked / (20 * share)
        expected = min(asked, 20 * seconds + 10)
        assert got == pytest.approx(expected, abs=2)
