"""A hit that is asked for again goes a shorter way, on which nothing may be missed."""

from __future__ import annotations

from pathlib import Path

from tests.kit.play import Play
from twistedproxy.verdicts import Verdict

SITE = """
[pool app]
servers = app:80
[cache pages]
directory = cache
[route /]
pool = app
cache = pages
"""
ASKED = "GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"


def words(play: Play) -> list[str]:
    return [exchange.cache_status for exchange in play.finished]


def filled(play: Play) -> None:
    client = play.client()
    client.says(ASKED)
    play.origin().says("HTTP/1.1 200 OK\nContent-Length: 5\nCache-Control: max-age=60", b"hello")
    client.overlooks()
    for origin in play._parties:
        origin.overlooks()


def test_hits_in_one_second_are_counted_logged_and_alike(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        answers = []
        for _ in range(4):
            client.says(ASKED)
            answers.append(bytes(client.heard))
            client.overlooks()
        assert words(play) == ["MISS", "HIT", "HIT", "HIT", "HIT"]
        assert [exchange.status for exchange in play.finished] == [200] * 5
        assert [exchange.bytes_sent for exchange in play.finished] == [5] * 5
        assert all(isinstance(verdict, Verdict) for verdict in play.finished[-1].verdicts)
        assert play.caches["pages"].counts.hits == 4


def test_age_goes_on_and_the_entry_becomes_stale(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says(ASKED)
        client.says(ASKED)
        play.later(10)
        client.says(ASKED)
        assert b"Age: 10\r\n" in client.heard
        client.overlooks()
        play.later(30)
        client.says(ASKED)
        client.says(ASKED)
        assert b"Age: 40\r\n" in client.heard
        client.overlooks()
        play.later(21)
        client.says(ASKED)
        play.origin().says("HTTP/1.1 200 OK\nContent-Length: 3\nCache-Control: max-age=60", b"new")
        client.overlooks()
        for party in play._parties:
            party.overlooks()
        assert words(play)[-1] in ("MISS", "EXPIRED")


def test_a_purge_is_seen_at_once(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says(ASKED)
        client.says(ASKED)
        client.overlooks()
        assert play.caches["pages"].purge(b"http://example.com/page") == 1
        client.says(ASKED)
        play.same_origin().says("HTTP/1.1 200 OK\nContent-Length: 3", b"new")
        client.overlooks()
        for party in play._parties:
            party.overlooks()
        assert words(play)[-1] == "MISS"
