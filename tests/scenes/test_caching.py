"""The cache as a client and a peer see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ASKED, FORWARDED
from twistedproxy.transport.sending import HIGH_WATER

SITE = """
[pool app]
servers = 10.0.0.1:80
keepalive_timeout = 1h
[cache pages]
directory = cache
[route /]
pool = app
cache = pages
"""

FRESH = """
    HTTP/1.1 200 OK
    Date: Fri, 15 Jan 2027 08:00:00 GMT
    Cache-Control: max-age=60
    ETag: "v1"
    Content-Length: 5
"""
MISSED = """
    HTTP/1.1 200 OK
    Cache-Control: max-age=60
    ETag: "v1"
    Content-Length: 5
    Cache-Status: twistedproxy; fwd=uri-miss; stored
    X-Cache-Status: MISS
"""


def hit(age: int, ttl: int | None = None) -> str:
    """FRESH from the cache, *age* seconds later."""
    return f"""
        HTTP/1.1 200 OK
        Cache-Control: max-age=60
        ETag: "v1"
        Content-Length: 5
        Age: {age}
        Cache-Status: twistedproxy; hit; ttl={60 - age if ttl is None else ttl}
        X-Cache-Status: HIT
    """


def filled(play: Play) -> None:
    """A client has asked, and the answer is stored."""
    client = play.client()
    client.says(ASKED)
    origin = play.origin()
    origin.hears(FORWARDED)
    origin.says(FRESH, b"hello")
    client.hears(MISSED, b"hello")


def test_a_second_client_is_served_from_the_cache(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        for age in (0, 7):
            play.later(age)
            client.says(ASKED)
            client.hears(hit(age), b"hello")
        exchange = play.exchange()
        assert (exchange.cache_status, exchange.bytes_sent, exchange.peer_name) == ("HIT", 5, "")


def test_hits_among_pipelined_requests_keep_their_place(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says(ASKED, "GET /other HTTP/1.1\nHost: example.com", ASKED, ASKED)
        client.hears(hit(0), b"hello")
        origin = play.same_origin()
        origin.hears("GET /other HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
        client.hears_nothing()
        origin.says("HTTP/1.1 204 No Content\nCache-Control: no-store")
        client.hears("""
            HTTP/1.1 204 No Content
            Cache-Control: no-store
            Cache-Status: twistedproxy; fwd=uri-miss; detail=no-store
            X-Cache-Status: MISS
        """)
        client.hears(hit(0), b"hello", hit(0), b"hello")


def test_head_is_answered_from_what_get_has_stored(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says("HEAD / HTTP/1.1\nHost: example.com", ASKED)
        client.hears(hit(0), hit(0), b"hello")
        assert play.finished[-2].bytes_sent == 0


def test_an_http_1_0_client_is_served_from_the_cache(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says("GET / HTTP/1.0\nHost: example.com")
        client.hears(hit(0).rstrip() + "\nConnection: close", b"hello")
        client.sees_end()


def test_a_client_that_has_it_already_gets_304(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says('GET / HTTP/1.1\nHost: example.com\nIf-None-Match: "v1"', ASKED)
        client.hears("""
            HTTP/1.1 304 Not Modified
            Cache-Control: max-age=60
            ETag: "v1"
            Age: 0
            Cache-Status: twistedproxy; hit; ttl=60
            X-Cache-Status: HIT
        """)
        client.hears(hit(0), b"hello")


def test_a_stale_response_is_validated_and_served_again(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        play.later(61)
        client = play.client()
        client.says(ASKED)
        origin = play.same_origin()
        origin.hears('GET / HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy\nIf-None-Match: "v1"')
        origin.says('HTTP/1.1 304 Not Modified\nDate: Fri, 15 Jan 2027 08:01:01 GMT\nCache-Control: max-age=60\nETag: "v1"')
        answer = client.hears_message()
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.fields["x-cache-status"] == "REVALIDATED"
        assert answer.fields["cache-status"] == "twistedproxy; fwd=stale; fwd-status=304; stored; ttl=60"
        client.says(ASKED)
        answer = client.hears_message()
        assert (answer.status, answer.body, answer.fields["x-cache-status"]) == (200, b"hello", "HIT")


def test_a_stale_response_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        play.later(61)
        client = play.client()
        client.says(ASKED)
        origin = play.same_origin()
        origin.hears('GET / HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy\nIf-None-Match: "v1"')
        origin.says('HTTP/1.1 200 OK\nCache-Control: max-age=60\nETag: "v2"\nContent-Length: 5', b"world")
        answer = client.hears_message()
        assert (answer.body, answer.fields["x-cache-status"]) == (b"world", "EXPIRED")
        client.says(ASKED)
        answer = client.hears_message()
        assert (answer.body, answer.fields["x-cache-status"]) == (b"world", "HIT")


def test_a_304_about_something_else_is_not_believed(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        play.later(61)
        client = play.client()
        client.says(ASKED)
        origin = play.same_origin()
        origin.hears('GET / HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy\nIf-None-Match: "v1"')
        origin.says('HTTP/1.1 304 Not Modified\nETag: "v2"')
        origin = play.same_origin()
        origin.hears(FORWARDED)
        origin.says('HTTP/1.1 200 OK\nCache-Control: max-age=60\nETag: "v2"\nContent-Length: 5', b"world")
        assert client.hears_message().body == b"world"


def test_a_client_that_says_no_cache_gets_a_new_answer(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com\nCache-Control: no-cache")
        origin = play.same_origin()
        assert b'If-None-Match: "v1"' in origin.heard
        origin.hears(origin.heard)
        origin.says(FRESH, b"world")
        answer = client.hears_message()
        assert (answer.body, answer.fields["x-cache-status"]) == (b"world", "BYPASS")


@pytest.mark.parametrize("stored", [False, True])
def test_only_if_cached_asks_no_peer(tmp_path: Path, stored: bool) -> None:
    with Play(SITE, tmp_path) as play:
        if stored:
            filled(play)
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com\nCache-Control: only-if-cached")
        answer = client.hears_message()
        assert answer.status == (200 if stored else 504)
        play.no_connection()


def test_variants_are_kept_apart(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        for language in ("en", "de"):
            client.says(f"GET / HTTP/1.1\nHost: example.com\nAccept-Language: {language}")
            origin = play.same_origin()
            origin.hears(f"GET / HTTP/1.1\nHost: example.com\nAccept-Language: {language}\nVia: 1.1 twistedproxy")
            origin.says("HTTP/1.1 200 OK\nVary: Accept-Language\nCache-Control: max-age=60\nContent-Length: 2", language.encode())
            assert client.hears_message().body == language.encode()
        for language in ("en", "de"):
            client.says(f"GET / HTTP/1.1\nHost: example.com\nAccept-Language: {language}")
            answer = client.hears_message()
            assert (answer.body, answer.fields["x-cache-status"]) == (language.encode(), "HIT")


def test_a_field_that_connection_hides_from_the_peer_selects_no_variant(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        liar = play.client()
        liar.says("GET / HTTP/1.1\nHost: example.com\nAccept-Language: de\nConnection: keep-alive, Accept-Language")
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nVary: Accept-Language\nCache-Control: max-age=60\nContent-Length: 7", b"English")
        assert liar.hears_message().body == b"English"
        honest = play.client()
        honest.says("GET / HTTP/1.1\nHost: example.com\nAccept-Language: de")
        origin.hears("GET / HTTP/1.1\nHost: example.com\nAccept-Language: de\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 200 OK\nVary: Accept-Language\nCache-Control: max-age=60\nContent-Length: 7", b"Deutsch")
        assert honest.hears_message().body == b"Deutsch"


@pytest.mark.parametrize("way", ["leaves", "resets"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_truncated_answer_is_never_stored(tmp_path: Path, chunked: bool, way: str) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        framing, body = ("Transfer-Encoding: chunked", b"5\r\nhello\r\n") if chunked else ("Content-Length: 10", b"hello")
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\n{framing}", body)
        getattr(origin, way)()
        assert client.heard.count(b"hello") == 1
        client.hears(client.heard)
        client.sees_cut()
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(FRESH, b"hello")
        client.hears(MISSED, b"hello")
        client.says(ASKED)
        client.hears(hit(0), b"hello")


def test_an_answer_whose_client_left_is_not_stored(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 10", b"hello")
        client.hears(client.heard)
        client.resets()
        origin.sees_cut()
        assert play.caches["pages"].stats().fills == 0
        client = play.client()
        client.says(ASKED)
        play.origin().hears(FORWARDED)
        client.resets()
        play.same_origin().sees_cut()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_response_is_served_from_disk_to_slow_clients_in_bounded_memory(tmp_path: Path, chunked: bool) -> None:
    body = b"0123456789abcdef" * 200_000
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        if chunked:
            pieces = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
            coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=60\nTransfer-Encoding: chunked", coded)
            client.hears(client.heard)
        else:
            origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: {len(body)}", body)
            assert client.hears_message().body == body
        slow, quick = play.client(), play.client()
        slow.stops_reading(room=10_000)
        slow.says(ASKED)
        connection = next(each for each in play.connections() if each.exchange is not None)
        assert connection.transport.pending <= HIGH_WATER + 256 * 1024
        quick.says(ASKED)
        answer = quick.hears_message()
        assert (answer.body, answer.fields["x-cache-status"]) == (body, "HIT")
        slow.reads_on()
        assert slow.hears_message().body == body
        assert play.exchange().bytes_sent == len(body)


def test_a_client_that_leaves_in_mid_hit_leaves_nothing_behind(tmp_path: Path) -> None:
    body = b"x" * 2_000_000
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: {len(body)}", body)
        assert client.hears_message().body == body
        slow = play.client()
        slow.stops_reading(room=10_000)
        slow.says(ASKED)
        slow.resets()
        assert str(play.exchange().reason) == "client_gone"


def test_a_damaged_body_cuts_the_client_and_is_forgotten(tmp_path: Path) -> None:
    body = b"x" * 2_000_000
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: {len(body)}", body)
        assert client.hears_message().body == body
        (largest,) = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size >= len(body)]
        with largest.open("r+b") as file:
            file.seek(1_500_000)
            file.write(b"!")
        client.says(ASKED)
        client.hears(client.heard)
        client.sees_cut()
        assert str(play.exchange().reason) == "stored_damaged"
        client = play.client()
        client.says(ASKED)
        play.same_origin().hears(FORWARDED)
        client.resets()
        play.same_origin().sees_cut()


def test_a_post_makes_what_is_stored_invalid(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 0")
        origin = play.same_origin()
        origin.hears("POST / HTTP/1.1\nHost: example.com\nContent-Length: 0\nVia: 1.1 twistedproxy")
        origin.says("HTTP/1.1 204 No Content")
        assert client.hears_message().fields["x-cache-status"] == "BYPASS"
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(FRESH, b"hello")
        client.hears(MISSED, b"hello")


def test_answers_that_say_nothing_are_fresh_as_cache_valid_says(tmp_path: Path) -> None:
    with Play(SITE + "cache_valid =\n    200 10s\n", tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5", b"hello")
        assert client.hears_message().fields["x-cache-status"] == "MISS"
        play.later(9)
        client.says(ASKED)
        assert client.hears_message().fields["x-cache-status"] == "HIT"
        play.later(2)
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5", b"hello")
        assert client.hears_message().fields["x-cache-status"] == "EXPIRED"


def test_what_was_stored_is_served_after_a_restart(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        filled(play)
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says(ASKED)
        answer = client.hears_message()
        assert (answer.body, answer.fields["x-cache-status"]) == (b"hello", "HIT")


def test_a_websocket_on_a_cached_route_is_none_of_the_caches_business(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        client = play.client()
        client.says("""
            GET / HTTP/1.1
            Host: example.com
            Connection: Upgrade
            Upgrade: websocket
            Sec-WebSocket-Version: 13
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
        """)
        origin = play.origin()
        assert b"Upgrade: websocket" in origin.heard
        origin.hears(origin.heard)
        origin.says("HTTP/1.1 426 Upgrade Required\nContent-Length: 0")
        client.hears("HTTP/1.1 426 Upgrade Required\nContent-Length: 0")
