"""Stale answers: while an update goes on, and when no peer can answer (RFC 5861, cache_use_stale)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ASKED, FIRST, FORWARDED
from tests.scenes.test_caching import SITE
from twistedproxy.cache.entry import BLOCK

VALIDATED = """
    GET / HTTP/1.1
    Host: example.com
    Via: 1.1 twistedproxy
    If-None-Match: "v1"
"""


def stored(play: Play, directives: str, body: bytes = b"hello") -> tuple[Party, Party]:
    """A client and an origin, whose answer of ten seconds with *directives* is stored, and eleven seconds have gone by."""
    client = play.client()
    client.says(ASKED)
    origin = play.origin()
    origin.hears(FORWARDED)
    origin.says(f'HTTP/1.1 200 OK\nCache-Control: max-age=10{directives}\nETag: "v1"\nContent-Length: {len(body)}', body)
    assert client.hears_message().body == body
    play.later(11)
    return client, origin


def served(client: Party, word: str, status: str, body: bytes = b"hello") -> None:
    """The client gets *body* with these words of the cache."""
    answer = client.hears_message()
    assert (answer.status, answer.body) == (200, body)
    assert (answer.fields["x-cache-status"], answer.fields["cache-status"]) == (word, f"twistedproxy; {status}")


def test_while_revalidating_nobody_waits_and_one_update_goes_on_behind(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-while-revalidate=60")
        client.says(ASKED)
        served(client, "UPDATING", "hit; ttl=-1")
        origin.hears(VALIDATED)
        other = play.client()
        other.says(ASKED, "HEAD / HTTP/1.1\nHost: example.com")
        served(other, "UPDATING", "hit; ttl=-1")
        assert other.hears_message(head_only=True).fields["x-cache-status"] == "UPDATING"
        origin.hears_nothing()
        origin.says('HTTP/1.1 304 Not Modified\nCache-Control: max-age=10\nETag: "v1"')
        client.says(ASKED)
        served(client, "HIT", "hit; ttl=10")


def test_the_update_replaces_what_was_stored(tmp_path: Path) -> None:
    new = b"n" * (2 * BLOCK + 5)
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-while-revalidate=60")
        client.says(ASKED.strip() + '\nIf-None-Match: "v1"\nCache-Control: max-stale=1')
        assert client.hears_message().status == 304
        origin.hears_nothing()
        play.later(5)
        client.says(ASKED.strip() + '\nIf-None-Match: "v0"')
        served(client, "UPDATING", "hit; ttl=-6")
        origin.hears(VALIDATED)
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: {len(new)}", new)
        client.says(ASKED)
        served(client, "HIT", "hit; ttl=10", new)


def test_an_update_that_fails_leaves_what_is_stored_and_the_next_request_begins_another(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-while-revalidate=60")
        client.says(ASKED)
        served(client, "UPDATING", "hit; ttl=-1")
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 500 Oops\nContent-Length: 0")
        client.says(ASKED)
        served(client, "UPDATING", "hit; ttl=-1")
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: 9", b"half")
        origin.leaves()
        client.says(ASKED)
        served(client, "UPDATING", "hit; ttl=-1")
        another = play.origin()
        another.hears(VALIDATED)
        another.says("HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: 3", b"new")
        client.says(ASKED)
        served(client, "HIT", "hit; ttl=10", b"new")


def test_an_update_goes_on_though_the_client_that_caused_it_has_left(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-while-revalidate=60")
        client.says(ASKED)
        served(client, "UPDATING", "hit; ttl=-1")
        client.leaves()
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: 3", b"new")
        client = play.client()
        client.says(ASKED)
        served(client, "HIT", "hit; ttl=10", b"new")


@pytest.mark.parametrize("directives", [", stale-while-revalidate=1", ", stale-while-revalidate=60, must-revalidate", ""])
def test_beyond_its_time_or_when_forbidden_nothing_is_served_before_it_is_validated(tmp_path: Path, directives: str) -> None:
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, directives)
        client.says(ASKED)
        client.hears_nothing()
        origin.hears(VALIDATED)
        origin.says('HTTP/1.1 304 Not Modified\nETag: "v1"')
        served(client, "REVALIDATED", "fwd=stale; fwd-status=304; stored; ttl=10")


def test_a_client_that_limits_the_age_is_not_served_stale(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-while-revalidate=60")
        client.says(ASKED.strip() + "\nCache-Control: max-age=60")
        client.hears_nothing()
        origin.hears(VALIDATED.replace("Via:", "Cache-Control: max-age=60\n    Via:"))
        origin.says('HTTP/1.1 304 Not Modified\nETag: "v1"')
        served(client, "REVALIDATED", "fwd=stale; fwd-status=304; stored; ttl=10")


def test_a_site_may_ask_for_updates_behind(tmp_path: Path) -> None:
    with Play(SITE + "cache_use_stale = updating\n", tmp_path) as play:
        client, origin = stored(play, "")
        client.says(ASKED)
        served(client, "UPDATING", "hit; ttl=-1")
        origin.hears(VALIDATED)
        client.says(ASKED.strip() + '\nIf-None-Match: "v1"')
        assert client.hears_message().status == 304
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: 3", b"new")
        client.says(ASKED)
        served(client, "HIT", "hit; ttl=10", b"new")


def test_a_site_may_not_ask_for_what_the_origin_forbids(tmp_path: Path) -> None:
    with Play(SITE + "cache_use_stale = updating error timeout 503\n", tmp_path) as play:
        client, origin = stored(play, ", must-revalidate")
        client.says(ASKED)
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 503 Busy\nContent-Length: 0")
        assert client.hears_message().status == 503
        client.says(ASKED)
        origin.hears(VALIDATED)
        play.refuses(FIRST)
        origin.leaves()
        assert client.hears_message().status == 502


def test_a_dead_origin_is_survived(tmp_path: Path) -> None:
    with Play(SITE + "cache_use_stale = error\n", tmp_path) as play:
        client, origin = stored(play, "")
        play.refuses(FIRST)
        origin.leaves()
        for _ in range(2):
            client.says(ASKED)
            served(client, "STALE", "fwd=stale; detail=standing-in; ttl=-1")
        client.says(ASKED.strip() + '\nIf-None-Match: "v1"')
        assert client.hears_message().status == 304
        # Only what is stored.
        client.says("GET /other HTTP/1.1\nHost: example.com")
        assert client.hears_message().status in (502, 503)
        # A client that insists on a new answer does not get the old one.
        client.says(ASKED.strip() + "\nCache-Control: no-cache")
        assert client.hears_message().status in (502, 503)


def test_the_origin_may_ask_for_it(tmp_path: Path) -> None:
    body = b"x" * (3 * BLOCK)
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-if-error=60", body)
        client.says(ASKED)
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 500 Oops\nContent-Length: 1000000", b"a part of many words")
        origin.sees_cut()
        served(client, "STALE", "fwd=stale; fwd-status=500; detail=standing-in; ttl=-1", body)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 404 Gone\nContent-Length: 0")
        assert client.hears_message().status == 404
        origin.leaves()
        play.later(60)


def test_stale_if_error_ends(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client, origin = stored(play, ", stale-if-error=60")
        play.later(60)
        client.says(ASKED)
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 503 Busy\nContent-Length: 0")
        assert client.hears_message().status == 503


def test_a_timeout_is_no_error_unless_the_site_says_so(tmp_path: Path) -> None:
    for case, status in (("error", 504), ("error timeout", 200)):
        directory = tmp_path / str(status)
        with Play(SITE + f"tries = 1\nread_timeout = 3s\ncache_use_stale = {case}\n", directory) as play:
            client, origin = stored(play, "")
            client.says(ASKED)
            origin.hears(VALIDATED)
            play.later(4)
            origin.sees_cut()
            assert client.hears_message().status == status


def test_an_answer_that_has_begun_is_cut_not_mixed(tmp_path: Path) -> None:
    with Play(SITE + "cache_use_stale = error\n", tmp_path) as play:
        client, origin = stored(play, "")
        client.says(ASKED)
        origin.hears(VALIDATED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 9", b"half")
        origin.leaves()
        assert client.heard.endswith(b"\r\n\r\nhalf")
        client.hears(client.heard)
        client.sees_cut()


def test_an_update_that_is_not_stored_is_not_read_to_its_end_which_may_never_come(tmp_path: Path) -> None:
    site = SITE.replace("directory = cache\n", "directory = cache\nmax_entry = 1k\n")
    with Play(site, tmp_path) as play:
        client, origin = stored(play, ", stale-while-revalidate=60")
        for answer in ("Cache-Control: no-cache", "Cache-Control: max-age=1"):
            client.says(ASKED)
            served(client, "UPDATING", "hit; ttl=-1")
            origin.hears(VALIDATED)
            origin.says(f"HTTP/1.1 500 Oops\n{answer}\nTransfer-Encoding: chunked", b"5\r\nevent\r\n")
            if "max-age" in answer:
                origin.says(b"400\r\n" + b"x" * 1024 + b"\r\n")
            origin.sees_cut()
            if "max-age" not in answer:
                client.says(ASKED)
                served(client, "UPDATING", "hit; ttl=-1")
                origin = play.origin()
                origin.hears(VALIDATED)
                origin.says("HTTP/1.1 503 Busy\nContent-Length: 0")
