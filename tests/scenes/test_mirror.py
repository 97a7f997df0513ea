"""Copies of requests for a second pool: nothing that becomes of them concerns the client."""

from __future__ import annotations

from tests.kit.play import Play
from twistedproxy.forward.mirror import MOST, Mirror

SITE = (
    "[pool app]\nservers = 10.0.0.1:80\n[pool shadow]\nservers = 10.0.0.9:80\nmax_fails = 0\n"
    "[route /]\npool = app\nmirror = shadow\nstrip_prefix = /x\n"
)
GET = "GET /x/a HTTP/1.1\nHost: a"
SENT = "GET /a HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy"
ANSWER = "HTTP/1.1 204 No Content"
APP, SHADOW = "10.0.0.1:80", "10.0.0.9:80"


def mirror_of(play: Play) -> Mirror:
    """The route's mirror."""
    found = play.site.routes.routes[0].mirror
    assert found is not None
    return found


def test_a_request_goes_to_both_and_one_answer_to_the_client() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        app, shadow = play.origin(APP), play.origin(SHADOW)
        app.hears(SENT)
        shadow.hears(SENT)
        shadow.says("HTTP/1.1 500 Broken\nContent-Length: 5\nSet-Cookie: a=1", b"error")
        client.hears_nothing()
        app.says(ANSWER)
        client.hears(ANSWER)
        assert len(play.finished) == 1
        original, copies = play.site.routes.routes
        assert (copies.name, copies.requests, copies.statuses[5]) == ("/ (mirror)", 1, 1)
        assert (original.requests, original.statuses[2], original.statuses[5]) == (1, 1, 0)
        assert mirror_of(play).running == 0


def test_a_copy_that_hangs_is_no_concern_of_the_client() -> None:
    with Play(SITE + "read_timeout = 5s\n") as play:
        client = play.client()
        client.says(GET)
        app, shadow = play.origin(APP), play.origin(SHADOW)
        app.hears(SENT)
        shadow.hears(SENT)
        app.says(ANSWER)
        client.hears(ANSWER)
        assert mirror_of(play).running == 1
        play.later(6)
        shadow.sees_cut()
        assert mirror_of(play).running == 0


def test_a_second_pool_that_refuses_is_no_concern_of_the_client() -> None:
    with Play(SITE) as play:
        play.refuses(SHADOW)
        client = play.client()
        client.says(GET)
        app = play.origin(APP)
        app.hears(SENT)
        app.says(ANSWER)
        client.hears(ANSWER)
        assert mirror_of(play).running == 0


def test_a_client_that_leaves_does_not_end_the_copy() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        app, shadow = play.origin(APP), play.origin(SHADOW)
        app.hears(SENT)
        shadow.hears(SENT)
        client.resets()
        app.sees_cut()
        shadow.says(ANSWER)
        assert mirror_of(play).running == 0


POST = "POST /x/a HTTP/1.1\nHost: a\nContent-Length: 10"
POSTED = "POST /a HTTP/1.1\nHost: a\nContent-Length: 10\nVia: 1.1 twistedproxy"


def test_a_body_is_copied_as_it_comes() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(POST, b"hello")
        app = play.origin(APP)
        app.hears(POSTED, b"hello")
        play.no_connection()
        client.says(b"world")
        app.hears(b"world")
        shadow = play.origin(SHADOW)
        shadow.hears(POSTED, b"helloworld")
        for origin in (app, shadow):
            origin.says(ANSWER)
        client.hears(ANSWER)


def test_a_body_without_a_length_is_copied_with_its_trailers() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST /x/a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        client.says(b"0\r\nSum: 5\r\n\r\n")
        app, shadow = play.origin(APP), play.origin(SHADOW)
        for origin in (app, shadow):
            assert origin.heard.endswith(b"5\r\nhello\r\n0\r\nSum: 5\r\n\r\n")
            origin.overlooks()
            origin.says(ANSWER)
        client.hears(ANSWER)


def test_a_large_body_is_not_copied() -> None:
    with Play(SITE + "mirror_max_body = 8\n") as play:
        client = play.client()
        client.says(POST, b"helloworld")
        app = play.origin(APP)
        app.hears(POSTED, b"helloworld")
        app.says(ANSWER)
        client.hears(ANSWER)
        client.says("POST /x/a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        client.says(b"5\r\nworld\r\n0\r\n\r\n")
        app.overlooks()
        app.says(ANSWER)
        client.hears(ANSWER)
        play.no_connection()
        assert mirror_of(play).dropped == 2


def test_no_more_copies_run_than_a_pool_that_hangs_may_cost() -> None:
    with Play(SITE + "read_timeout = 5s\n") as play:
        mirror = mirror_of(play)
        mirror.running = MOST
        client = play.client()
        client.says(GET)
        app = play.origin(APP)
        app.hears(SENT)
        app.says(ANSWER)
        client.hears(ANSWER)
        play.no_connection()
        assert mirror.dropped == 1
        mirror.running = 0


def test_arms_of_a_split_have_copies_too() -> None:
    site = SITE.replace("pool = app\nmirror", "split = {client}\n  100% app\nmirror")
    with Play(site) as play:
        client = play.client()
        client.says(GET)
        app, shadow = play.origin(APP), play.origin(SHADOW)
        for origin in (app, shadow):
            origin.hears(SENT)
            origin.says(ANSWER)
        client.hears(ANSWER)
