"""What a site may say of its cache, as clients and peers see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.test_caching import SITE

MODIFIED = "Last-Modified: Thu, 14 Jan 2027 08:00:00 GMT"


def ask(client: Party, *fields: str, method: str = "GET", target: str = "/") -> None:
    client.says("\n".join((f"{method} {target} HTTP/1.1", "Host: example.com", *fields)))


def answered(play: Play, origin: Party | None, body: bytes, *fields: str) -> Party:
    """The peer was asked, and answers."""
    origin = origin or play.origin()
    assert origin.overlooks()
    origin.says("\n".join(("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields)), body)
    return origin


def said(client: Party, body: bytes) -> str:
    """What Cache-Status says of an answer with *body*."""
    message = client.hears_message()
    assert message.body == body
    return message.fields["cache-status"].removeprefix("twistedproxy; ")


def test_a_key_may_leave_the_query_out_and_put_a_field_in(tmp_path: Path) -> None:
    with Play(SITE + "cache_key = {scheme}://{host}{path}#{header.x-tenant}\n", tmp_path) as play:
        client = play.client()
        ask(client, "X-Tenant: a", target="/page?one")
        origin = answered(play, None, b"first", "Cache-Control: max-age=60")
        assert said(client, b"first") == "fwd=uri-miss; stored"
        ask(client, "X-Tenant: a", target="/page?two")
        assert said(client, b"first") == "hit; ttl=60"
        ask(client, "X-Tenant: b", target="/page?one")
        answered(play, origin, b"other", "Cache-Control: max-age=60")
        assert said(client, b"other") == "fwd=uri-miss; stored"
        assert play.caches["pages"].purge(b"http://example.com/page") == 0


def test_a_key_is_the_same_for_get_and_head_and_other_methods_invalidate_it(tmp_path: Path) -> None:
    with Play(SITE + "cache_key = {method}{scheme}://{host}{uri}\ncache_status_key = yes\n", tmp_path) as play:
        client = play.client()
        ask(client)
        origin = answered(play, None, b"hello", "Cache-Control: max-age=60")
        assert said(client, b"hello") == 'fwd=uri-miss; stored; key="GEThttp://example.com/"'
        ask(client, method="HEAD")
        assert client.hears_message(head_only=True).fields["x-cache-status"] == "HIT"
        ask(client, method="DELETE")
        answered(play, origin, b"gone")
        client.overlooks()
        ask(client)
        answered(play, origin, b"new", "Cache-Control: max-age=60")
        assert said(client, b"new").startswith("fwd=uri-miss")


def test_head_may_be_left_to_the_peer(tmp_path: Path) -> None:
    with Play(SITE + "cache_methods = GET\n", tmp_path) as play:
        client = play.client()
        ask(client)
        origin = answered(play, None, b"hello", "Cache-Control: max-age=60")
        said(client, b"hello")
        ask(client, method="HEAD")
        assert origin.overlooks().startswith(b"HEAD")
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5")
        assert client.hears_message(head_only=True).fields["cache-status"] == "twistedproxy; fwd=method; detail=method"


POSTED = ("Cache-Control: max-age=60", "Content-Location: /")


@pytest.mark.parametrize(
    ("methods", "fields", "detail"),
    [
        ("GET HEAD POST", POSTED, "stored"),
        ("GET HEAD POST", ("Cache-Control: max-age=60", "Content-Location: http://example.com/"), "stored"),
        ("GET HEAD POST", ("Cache-Control: max-age=60",), "detail=post"),
        ("GET HEAD POST", ("Cache-Control: max-age=60", "Content-Location: /other"), "detail=post"),
        ("GET HEAD POST", ("Content-Location: /", MODIFIED), "detail=post"),
        ("GET HEAD POST", (*POSTED, "Set-Cookie: a=b"), "detail=set-cookie"),
        ("GET HEAD", POSTED, "detail=method"),
    ],
)
def test_an_answer_to_post_serves_get_only_when_it_says_so(
    tmp_path: Path, methods: str, fields: tuple[str, ...], detail: str
) -> None:
    with Play(SITE + f"cache_methods = {methods}\ncache_heuristic = yes\n", tmp_path) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 2", b"in")
        origin = answered(play, None, b"out", *fields)
        message = client.hears_message()
        assert (message.body, message.fields["x-cache-status"]) == (b"out", "BYPASS")
        assert message.fields["cache-status"] == (
            "twistedproxy; fwd=method; stored" if detail == "stored" else f"twistedproxy; fwd=method; {_shown(detail)}"
        )
        ask(client)
        if detail == "stored":
            assert said(client, b"out") == "hit; ttl=60"
        else:
            answered(play, origin, b"got")
            assert said(client, b"got").startswith("fwd=uri-miss")


@pytest.mark.parametrize(("purged", "word"), [("", "HIT"), ("/", "MISS")])
def test_an_answer_to_post_is_not_stored_when_its_url_is_purged_meanwhile(tmp_path: Path, purged: str, word: str) -> None:
    with Play(SITE + "cache_methods = GET HEAD POST\n", tmp_path) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 2", b"in")
        ask(play.client(), target="/other", method="DELETE")
        origin, other = play.origin(), play.origin()
        answered(play, other, b"")
        if purged:
            play.caches["pages"].purge(b"http://example.com" + purged.encode())
        answered(play, origin, b"out", *POSTED)
        client.overlooks()
        ask(client)
        if word == "MISS":
            for each in (origin, other):
                if each.overlooks():
                    each.says("HTTP/1.1 200 OK\nContent-Length: 0")
        assert client.hears_message().fields["x-cache-status"] == word
        for party in play._clients:
            party.overlooks()


def _shown(detail: str) -> str:
    # Of a request that is not for the cache, that is what is said.
    return "detail=method" if detail else detail


@pytest.mark.parametrize(
    ("ignored", "asked", "fields", "member"),
    [
        ("cache-control", (), ("Cache-Control: private, no-store",), "stored"),
        ("cache-control", ("Authorization: Basic QW5u",), ("Cache-Control: public",), "detail=authorization"),
        ("cache-control", ("Cookie: a=b",), ("Cache-Control: max-age=9",), "detail=cookie"),
        ("expires", (), ("Expires: 0",), "stored"),
        ("set-cookie", (), ("Set-Cookie: a=b",), "stored"),
        ("set-cookie", (), ("Set-Cookie: a=b", "Cache-Control: private"), "detail=private"),
        ("vary", (), ("Vary: *",), "stored"),
        ("cdn-cache-control", (), ("CDN-Cache-Control: no-store",), "stored"),
        ("vary", (), ("Expires: 0",), "detail=never-fresh"),
    ],
)
def test_what_is_ignored_has_no_say(
    tmp_path: Path, ignored: str, asked: tuple[str, ...], fields: tuple[str, ...], member: str
) -> None:
    with Play(SITE + f"cache_ignore = {ignored}\ncache_valid = 200 1m\n", tmp_path) as play:
        client, other = play.client(), play.client()
        ask(client, *asked)
        origin = answered(play, None, b"hello", *fields)
        assert said(client, b"hello") == f"fwd=uri-miss; {member}"
        ask(other, "Accept-Language: de")
        if member == "stored":
            message = other.hears_message()
            assert (message.body, message.fields["x-cache-status"]) == (b"hello", "HIT")
            assert "set-cookie" not in message.fields
        else:
            answered(play, origin, b"other")
            assert other.hears_message().body == b"other"


def test_a_request_may_go_past_what_is_stored_and_bring_the_next_one(tmp_path: Path) -> None:
    with Play(SITE + "cache_bypass = {cookie.fresh} {arg.fresh}\n", tmp_path) as play:
        client = play.client()
        ask(client)
        origin = answered(play, None, b"one", "Cache-Control: max-age=60")
        said(client, b"one")
        for nothing in ("0", ""):
            ask(client, f"Cookie: fresh={nothing}")
            assert said(client, b"one") == "hit; ttl=60"
        ask(client, "Cookie: fresh=1")
        answered(play, origin, b"two", "Cache-Control: max-age=60")
        message = client.hears_message()
        assert (message.body, message.fields["x-cache-status"]) == (b"two", "BYPASS")
        assert message.fields["cache-status"] == "twistedproxy; fwd=bypass; stored"
        ask(client)
        assert said(client, b"two") == "hit; ttl=60"


def test_a_request_may_leave_the_cache_as_it_is(tmp_path: Path) -> None:
    site = SITE + "cache_skip = {cookie.user}\ncache_bypass = {cookie.user}\n"
    with Play(site, tmp_path) as play:
        client, ann = play.client(), play.client()
        ask(ann, "Cookie: user=ann")
        origin = answered(play, None, b"ann's", "Cache-Control: public, max-age=60")
        assert said(ann, b"ann's") == "fwd=bypass; detail=skipped"
        ask(client)
        answered(play, origin, b"all's", "Cache-Control: max-age=60")
        assert said(client, b"all's") == "fwd=uri-miss; stored"
        ask(ann, "Cookie: user=ann")
        answered(play, origin, b"ann's", "Cache-Control: public, max-age=60")
        said(ann, b"ann's")
        ask(client)
        assert said(client, b"all's") == "hit; ttl=60"


def test_a_validation_that_is_skipped_changes_nothing(tmp_path: Path) -> None:
    with Play(SITE + "cache_skip = {cookie.user}\n", tmp_path) as play:
        client = play.client()
        ask(client)
        origin = answered(play, None, b"hello", "Cache-Control: max-age=10", 'ETag: "1"')
        said(client, b"hello")
        play.later(11)
        ask(client, "Cookie: user=ann")
        assert b"If-None-Match" in origin.overlooks()
        origin.says('HTTP/1.1 304 Not Modified\nETag: "1"\nX-User: ann\nCache-Control: max-age=10')
        assert client.hears_message().fields["x-user"] == "ann"
        ask(client)
        assert b"If-None-Match" in origin.overlooks()
        origin.says('HTTP/1.1 304 Not Modified\nETag: "1"\nCache-Control: max-age=10')
        assert "x-user" not in client.hears_message().fields


def test_what_is_asked_for_seldom_is_not_stored(tmp_path: Path) -> None:
    with Play(SITE + "cache_min_uses = 3\n", tmp_path) as play:
        client = play.client()
        origin = None
        for _ in range(2):
            ask(client)
            origin = answered(play, origin, b"hello", "Cache-Control: max-age=60")
            assert said(client, b"hello") == "fwd=uri-miss; detail=few-uses"
        ask(client)
        answered(play, origin, b"hello", "Cache-Control: max-age=60")
        assert said(client, b"hello") == "fwd=uri-miss; stored"
        ask(client)
        assert said(client, b"hello") == "hit; ttl=60"


@pytest.mark.parametrize("stale", ["", "cache_use_stale = updating\n"])
def test_without_updates_behind_the_first_waits_and_the_others_are_served_stale(tmp_path: Path, stale: str) -> None:
    grace = "" if stale else ", stale-while-revalidate=60"
    with Play(SITE + "cache_background_update = no\n" + stale, tmp_path) as play:
        first = play.client()
        ask(first)
        origin = answered(play, None, b"one", f"Cache-Control: max-age=10{grace}")
        said(first, b"one")
        play.later(11)
        second = play.client()
        ask(first)
        ask(second)
        assert said(second, b"one") == "hit; ttl=-1"
        answered(play, origin, b"two", f"Cache-Control: max-age=10{grace}")
        assert said(first, b"two") == "fwd=stale; stored"


def test_only_if_cached_is_told_by_cache_status_too(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        for method in ("GET", "HEAD"):
            ask(client, "Cache-Control: only-if-cached", method=method)
            message = client.hears_message(head_only=method == "HEAD")
            assert message.status == 504
            assert message.fields["cache-status"] == "twistedproxy; detail=only-if-cached"
            assert message.fields["x-cache-status"] == "MISS"
        assert play.exchange().reason is not None


def test_a_key_is_quoted_in_cache_status(tmp_path: Path) -> None:
    with Play(SITE + "cache_key = {host}{path}{header.x-a}\ncache_status_key = yes\n", tmp_path) as play:
        client = play.client()
        ask(client, 'X-A: "\\é')
        answered(play, None, b"x", "Cache-Control: no-store")
        assert said(client, b"x").endswith('key="example.com/\\"\\\\%E9"')
