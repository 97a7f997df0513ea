"""asgi =: an ASGI app on a loop of its own."""

from __future__ import annotations

import pytest

from tests.apps import asgi_apps
from tests.kit.http2 import Http2Client
from tests.kit.party import Message, Party
from tests.kit.play import Play


def site(app: str, more: str = "", title: str = "/") -> Play:
    """A play whose route is answered by an app."""
    asgi_apps.begin()
    return Play(f"[defaults]\nresponse_headers = remove Date\n[route {title}]\nasgi = tests.apps.asgi_apps:{app}\n{more}\n")


def ended(play: Play, number: int = 1) -> None:
    """So many exchanges have ended."""
    play.until(lambda: len(play.finished) >= number)


def answer(play: Play, client: Party) -> Message:
    """What a client has heard, when that is all."""
    ended(play)
    return client.hears_message()


def test_an_app_is_called_as_the_standard_says() -> None:
    with site("plain", "strip_prefix = /app", "/app/") as play:
        client = play.asks("/app/a%20b?c=1", "Content-Length: 4", "X-A: 1", "X-A: 2", method="POST", body=b"data")
        ended(play)
        client.hears("HTTP/1.1 200 OK\ncontent-type: text/plain\nContent-Length: 8", b"got data")
        (scope,) = asgi_apps.scopes
        headers = scope.pop("headers")
        assert [value for name, value in headers if name == b"x-a"] == [b"1", b"2"]
        assert dict(headers)[b"x-forwarded-for"] == b"192.0.2.1"
        scope["client"] = scope["client"][0]
        assert scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/app/a b",
            "raw_path": b"/app/a%20b",
            "query_string": b"c=1",
            "root_path": "/app",
            "client": "192.0.2.1",
            "server": ("example.com", 80),
            "state": {},
            "extensions": {},
        }


def test_body_and_answer_may_pass_at_the_same_time() -> None:
    with site("streams") as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", body=b"", more=True)
        play.until(lambda: client.answer(stream).body == b"begin")
        client.sends(stream, b"abc")
        play.until(lambda: client.answer(stream).body == b"beginabc")
        client.sends(stream, b"def", ends=True)
        ended(play)
        assert (client.answer(stream).body, client.answer(stream).ended) == (b"beginabcdef", True)


def test_a_client_that_waits_for_a_100_gets_it_when_the_body_is_wanted() -> None:
    with site("plain") as play:
        client = play.asks("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
        play.until(lambda: bool(client.heard))
        client.hears("HTTP/1.1 100 Continue")
        client.says(b"abc")
        assert answer(play, client).body == b"got abc"


def test_large_bodies_pass() -> None:
    with site("plain") as play:
        client = play.asks("/", "Content-Length: 3000000", method="POST")
        client.says(b"x" * 3_000_000)
        assert len(answer(play, client).body) == 3_000_004


def test_a_slow_client_holds_the_app_back_and_its_end_is_told() -> None:
    with site("endless") as play:
        client = play.client()
        client.stops_reading(1000)
        client.says("GET / HTTP/1.1\nHost: example.com")
        play.until(lambda: asgi_apps.heard.count("piece") >= 3)
        for _ in range(50):
            play.turn()
        assert asgi_apps.heard.count("piece") < 20
        client.resets()
        play.until(lambda: asgi_apps.heard[-1] == "http.disconnect")


@pytest.mark.parametrize("how", ["raises", "exits", "order", "field", "half", "nothing"])
def test_what_is_wrong_is_an_error(how: str) -> None:
    with site("wrong") as play:
        client = play.asks(f"/?{how}")
        said = answer(play, client)
        assert (said.status, b"secret" in said.body, "x-evil" in said.fields) == (500, False, False)
        assert play.exchange().value("error") == "app_failed"
        play.forgives(int(how in ("raises", "exits", "order")))


@pytest.mark.parametrize("how", ["late", "stops"])
def test_an_answer_that_is_not_completed_is_cut(how: str) -> None:
    with site("wrong") as play:
        client = play.asks(f"/?{how}")
        ended(play)
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nfirst\r\n")
        client.sees_cut()
        play.forgives(int(how == "late"))


def test_what_follows_a_complete_answer_is_the_logs_only() -> None:
    with site("wrong") as play:
        assert answer(play, play.asks("/?twice")).body == b"done"
        assert "nothing more is expected" in play.forgives()


def test_an_app_lives_from_startup_to_shutdown_and_shares_its_state() -> None:
    with site("living") as play:
        assert answer(play, play.asks()).body == b"42"
        assert asgi_apps.heard == ["lifespan.startup"]
    assert asgi_apps.heard == ["lifespan.startup", "lifespan.shutdown"]


def test_an_app_that_cannot_start_says_why() -> None:
    with site("unborn") as play:
        client = play.asks()
        assert answer(play, client).status == 500
        assert play.exchange().detail == "it has not started: the database is away"
        client.says("GET / HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 500


def test_an_app_has_as_much_time_as_the_route_says() -> None:
    with site("waits", "read_timeout = 5s") as play:
        client = play.asks()
        play.until(lambda: asgi_apps.heard == ["began"])
        play.later(7)
        assert client.hears_message().status == 504
        play.until(lambda: asgi_apps.heard == ["began", "http.disconnect"])
