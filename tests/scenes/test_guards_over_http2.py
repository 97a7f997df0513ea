"""Guards stand before streams of HTTP/2 as before any request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.http2 import Http2Client
from tests.kit.peers import Peers
from tests.kit.play import Play

SITE = """
    [pool app]
    servers = 10.0.0.1:80
    [limit l]
    rate = 1r/s
    burst = 1
    [limit two]
    connections = 2
    [route /]
    pool = app
    [route /denied/]
    pool = app
    deny = 192.0.2.0/24
    [route /secret/]
    pool = app
    basic_auth = users
    [route /often/]
    pool = app
    limits = l
    [route /many/]
    pool = app
    limits = two
    [route /slow]
    pool = app
    bandwidth = 1000/s
"""


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """A site with a guard on each route."""
    (tmp_path / "users").write_text("anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    return Play(SITE, tmp_path)


def test_streams_are_refused_one_by_one(play: Play) -> None:
    with play:
        client = Http2Client(play)
        peers = Peers(play)
        streams = {path: client.asks("GET", path) for path in ("/denied/", "/Denied/", "/secret/", "/")}
        peers.act()
        assert {path: client.answer(stream).status for path, stream in streams.items()} == {
            "/denied/": "403",
            "/Denied/": "403",
            "/secret/": "401",
            "/": "200",
        }
        right = client.asks("GET", "/secret/", ("authorization", "Basic YW5uYTpzZWNyZXQ="))
        play.turn()
        peers.act()
        assert client.answer(right).status == "200"
        assert play.exchange().value("user") == "anna"


def test_streams_count_each(play: Play) -> None:
    with play:
        client = Http2Client(play)
        peers = Peers(play)
        streams = [client.asks("GET", "/often/") for _ in range(3)]
        peers.act()
        assert [client.answer(stream).status for stream in streams] == ["200", "200", "429"]
        assert dict(client.answer(streams[2]).fields)["retry-after"] == "1"
        many = [client.asks("GET", "/many/") for _ in range(3)]
        assert client.answer(many[2]).status == "429"
        assert play.guards.limits["two"].running == {"192.0.2.1": 2}
        peers.act()
        assert [client.answer(stream).status for stream in many[:2]] == ["200", "200"]
        assert play.guards.limits["two"].running == {}


def test_a_stream_has_its_bandwidth_and_the_others_theirs(play: Play) -> None:
    with play:
        client = Http2Client(play)
        slow = client.asks("GET", "/slow")
        origin = play.origin()
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 3000", b"x" * 3000)
        # The peer is done with it, and free for the next one.
        quick = client.asks("GET", "/")
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 2", b"ok")
        assert client.answer(quick).body == b"ok"
        assert len(client.answer(slow).body) < 400
        play.later(2)
        assert 1500 < len(client.answer(slow).body) < 2600
        play.later(3)
        assert (len(client.answer(slow).body), client.answer(slow).ended) == (3000, True)


def test_a_stream_that_is_reset_gives_its_place_back(play: Play) -> None:
    with play:
        client = Http2Client(play)
        stream = client.asks("GET", "/many/")
        origin = play.origin()
        origin.hears_message()
        client.h2.reset_stream(stream)
        client.flush()
        assert play.guards.limits["two"].running == {}
        origin.overlooks()
