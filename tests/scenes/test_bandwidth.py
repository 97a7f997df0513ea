"""bandwidth: answers leave as slowly as the site says, and nothing piles up behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play

SITE = """
    [pool app]
    servers = 10.0.0.1:80
    [limit l]
    bandwidth = 1000/s
    [route /]
    pool = app
    bandwidth = 1000/s
    [route /after]
    pool = app
    bandwidth = 1000/s
    bandwidth_after = 5000
    [route /shared]
    pool = app
    limits = l
"""


def asked(play: Play, path: str = "/", address: str = "192.0.2.1") -> tuple[Party, Party]:
    """A client that has asked, and the peer that was asked."""
    client = play.client(address=address)
    client.says(f"GET {path} HTTP/1.1\nHost: example.com")
    origin = play.origin()
    origin.hears_message()
    return client, origin


def body_of(client: Party) -> int:
    """Bytes of the body that have come; the head is taken off."""
    return len(client.heard.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_takes_its_time(chunked: bool) -> None:
    with Play(SITE) as play:
        client, origin = asked(play)
        if chunked:
            origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n")
        else:
            origin.says("HTTP/1.1 200 OK\nContent-Length: 5000", b"x" * 5000)
        assert body_of(client) < 400
        play.later(2)
        assert 1800 < body_of(client) < 2700
        play.later(4)
        assert client.overlooks().count(b"x") == 5000
        assert play.exchange().bytes_sent == 5000
        assert play.exchange().request_time == pytest.approx(5, abs=0.6)
        # The connections are as good as any.
        client.says("GET /after HTTP/1.1\nHost: example.com")
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 2", b"ok")
        assert client.hears_message().body == b"ok"


def test_the_peer_is_held_back() -> None:
    with Play(SITE) as play:
        client, origin = asked(play)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 1000000", b"x" * 10_000)
        origin.says(b"x" * 10_000)
        assert origin.waiting == 10_000
        play.later(16)
        assert origin.waiting == 0
        client.overlooks()
        client.resets()
        origin.sees_cut()


def test_the_beginning_may_be_fast() -> None:
    with Play(SITE) as play:
        client, origin = asked(play, "/after")
        origin.says("HTTP/1.1 200 OK\nContent-Length: 7000", b"x" * 7000)
        assert 5000 <= body_of(client) < 5600
        play.later(2.2)
        assert client.overlooks().count(b"x") == 7000


def test_what_a_client_fetches_at_a_time_shares_its_bandwidth() -> None:
    with Play(SITE) as play:
        parties = [asked(play, "/shared") for _ in range(2)]
        other, others_origin = asked(play, "/shared", "192.0.2.9")
        for _, origin in (*parties, (other, others_origin)):
            origin.says("HTTP/1.1 200 OK\nContent-Length: 4000", b"x" * 4000)
        play.later(3)
        assert sum(body_of(client) for client, _ in parties) == pytest.approx(3000, abs=900)
        assert body_of(other) == pytest.approx(3000, abs=700)
        play.later(12)
        for client in (parties[0][0], parties[1][0], other):
            assert client.overlooks().count(b"x") == 4000


def test_a_client_that_leaves_ends_it() -> None:
    with Play(SITE) as play:
        client, origin = asked(play)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5000", b"x" * 5000)
        play.later(1)
        client.overlooks()
        client.resets()
        assert play.exchange().reason is not None
        assert play.exchange().reason.name == "client_gone"
        assert not play.clock.getDelayedCalls() or play.in_flight() == 0


def test_a_client_that_stops_reading_is_waited_for() -> None:
    with Play(SITE) as play:
        client, origin = asked(play)
        client.stops_reading(room=600)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 3000", b"x" * 3000)
        play.later(3)
        client.reads_on()
        play.later(4)
        assert client.overlooks().count(b"x") == 3000


def test_an_answer_that_the_peer_cuts_is_cut() -> None:
    with Play(SITE) as play:
        client, origin = asked(play)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5000", b"x" * 1000)
        origin.leaves()
        play.later(3)
        client.overlooks()
        assert play.exchange().reason is not None
        assert play.exchange().reason.name == "response_cut"


def test_what_is_cached_takes_its_time_too(tmp_path: Path) -> None:
    with Play(
        SITE.replace("bandwidth = 1000/s\n    [route /after]", "bandwidth = 1000/s\n    cache = c\n    [route /after]")
        + "    [cache c]\n    directory = cache\n",
        tmp_path,
    ) as play:
        client, origin = asked(play)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 3000\nCache-Control: max-age=100", b"x" * 3000)
        play.later(4)
        client.overlooks()
        client.says("GET / HTTP/1.1\nHost: example.com")
        assert 0 < body_of(client) < 400
        play.later(4)
        assert body_of(client) == 3000
        client.overlooks()
        assert play.exchange().cache_status == "HIT"
