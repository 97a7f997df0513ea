"""PURGE, as those who may send it and those who may not see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.play import Play
from twistedproxy import errors

SITE = """
[pool app]
servers = 10.0.0.1:80
keepalive_timeout = 1h
[cache pages]
directory = cache
[route /]
pool = app
cache = pages
cache_purge = 192.0.2.1 10.0.0.0/8
"""

STORED = """
    HTTP/1.1 200 OK
    Cache-Control: max-age=60, stale-while-revalidate=30
    Surrogate-Key: news front
    Content-Length: 5
"""


def stored(play: Play, *paths: str) -> None:
    """Answers for *paths* are stored."""
    for path in paths:
        client = play.client()
        client.says(f"GET {path} HTTP/1.1\nHost: example.com")
        origin = play.same_origin()
        origin.hears(f"GET {path} HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
        origin.says(STORED, b"hello")
        client.hears(STORED + "    Cache-Status: twistedproxy; fwd=uri-miss; stored\n    X-Cache-Status: MISS", b"hello")
        client.leaves()


def purge(play: Play, lines: str, count: int, *, soft: bool = False, address: str = "10.1.2.3") -> None:
    """Somebody who may sends PURGE with *lines*, and hears that so many entries went."""
    client = play.client(address=address)
    target, _, fields = lines.partition("\n")
    client.says(f"PURGE {target} HTTP/1.1\nHost: example.com\n{fields}")
    body = b'{"status": "ok", "purged": %d, "soft": %s}\n' % (count, b"true" if soft else b"false")
    client.hears(f"HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: {len(body)}", body)
    client.leaves()


def answer(play: Play, path: str, more: str = "Cache-Control: only-if-cached") -> tuple[int, str]:
    """The status that a client gets for *path*, by default from the cache only, and what X-Cache-Status says."""
    client = play.client()
    client.says(f"GET {path} HTTP/1.1\nHost: example.com\n{more}")
    client.hears_message()
    client.leaves()
    return play.finished[-1].status, play.finished[-1].cache_status


@pytest.mark.parametrize(
    ("lines", "count", "gone"),
    [
        ("/a", 1, {"/a"}),
        ("/a*", 2, {"/a", "/ab"}),
        ("/*", 3, {"/a", "/ab", "/c"}),
        ("/x\nSurrogate-Key: sport, news", 3, {"/a", "/ab", "/c"}),
        ("/a\nCache-Tag: sport", 0, set()),
        ("/a\nCache-Tag: ,", 0, set()),
    ],
)
def test_what_is_purged_is_gone_and_the_rest_stays(tmp_path: Path, lines: str, count: int, gone: set[str]) -> None:
    with Play(SITE, tmp_path) as play:
        stored(play, "/a", "/ab", "/c")
        purge(play, lines, count)
        for path in ("/a", "/ab", "/c"):
            assert answer(play, path)[0] == (504 if path in gone else 200)


def test_what_is_purged_softly_is_served_while_it_is_brought_up_to_date(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        stored(play, "/a")
        purge(play, "/a\nSoft-Purge: 1", 1, soft=True)
        assert answer(play, "/a", "Accept: */*") == (200, "UPDATING")
        origin = play.same_origin()
        origin.hears("GET /a HTTP/1.1\nHost: example.com\nAccept: */*\nVia: 1.1 twistedproxy")
        origin.says(STORED, b"newer")
        assert answer(play, "/a") == (200, "HIT")
        purge(play, "/a\nSoft-Purge: 0", 1)
        assert answer(play, "/a")[0] == 504


@pytest.mark.parametrize("address", ["192.0.2.2", "198.51.100.7"])
def test_others_may_not_purge(tmp_path: Path, address: str) -> None:
    with Play(SITE, tmp_path) as play:
        stored(play, "/a")
        client = play.client(address=address)
        client.says("PURGE /a HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 403
        client.leaves()
        assert play.finished[-1].reason is errors.PURGE_REFUSED
        assert answer(play, "/a") == (200, "HIT")


def test_without_cache_purge_the_request_goes_to_a_peer(tmp_path: Path) -> None:
    with Play(SITE.replace("cache_purge", "; cache_purge"), tmp_path) as play:
        client = play.client()
        client.says("PURGE /a HTTP/1.1\nHost: example.com")
        origin = play.origin()
        origin.hears("PURGE /a HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 405 Method Not Allowed\nContent-Length: 0")
        assert client.hears_message().status == 405


def test_a_purge_goes_by_the_key_of_the_route(tmp_path: Path) -> None:
    with Play(SITE + "cache_key = {host}{path}\n", tmp_path) as play:
        stored(play, "/a?one")
        assert answer(play, "/a?two") == (200, "HIT")
        purge(play, "/a?three", 1)
        assert answer(play, "/a?two")[0] == 504
