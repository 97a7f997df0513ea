"""wsgi =: a WSGI app in threads of the proxy's process."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.apps import wsgi_apps
from tests.kit.http2 import Http2Client
from tests.kit.party import Message, Party
from tests.kit.play import Play


def site(app: str, more: str = "", title: str = "/") -> Play:
    """A play whose route is answered by an app."""
    wsgi_apps.begin()
    name = app if ":" in app else f"tests.apps.wsgi_apps:{app}"
    return Play(f"[defaults]\nresponse_headers = remove Date\n[route {title}]\nwsgi = {name}\n{more}\n")


def ended(play: Play, number: int = 1) -> None:
    """So many exchanges have ended, and their threads rest."""
    play.until(lambda: len(play.finished) >= number)


def rests(play: Play) -> None:
    """No thread is at work; they get what they wait for."""
    (each,) = play.hosted.values()
    service: Any = each.service
    while service.threads.busy or service.threads._works:
        play.turn()
    play.turn()


def answer(play: Play, client: Party, *, head_only: bool = False) -> Message:
    """What a client has heard, when that is all."""
    ended(play)
    return client.hears_message(head_only=head_only)


def test_an_app_is_called_as_the_standard_says() -> None:
    with site("valid") as play:
        client = play.asks("/a%20b/%C3%BC?c=1", "Content-Length: 4", "Content-Type: text/x", "X-A: 1", "X-A: 2", "X_A: 3",
                      method="POST", body=b"data")  # fmt: skip
        ended(play)
        head, _, body = client.overlooks().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 Fine\r\n")
        assert body == b"6\r\nvalid \r\n4\r\ndata\r\n0\r\n\r\n"
        environ = wsgi_apps.environs[0]
        assert {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/a b/\xc3\xbc",
            "QUERY_STRING": "c=1",
            "CONTENT_TYPE": "text/x",
            "CONTENT_LENGTH": "4",
            "HTTP_X_A": "1,2",
            "HTTP_HOST": "example.com",
            "HTTP_X_FORWARDED_FOR": "192.0.2.1",
            "REMOTE_ADDR": "192.0.2.1",
            "SERVER_NAME": "example.com",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
        }.items() <= environ.items()
        rests(play)


def test_heads_have_no_body() -> None:
    with site("valid") as play:
        assert answer(play, play.asks(method="HEAD"), head_only=True).status == 200
    with site("whole") as play:
        assert answer(play, play.asks(method="HEAD"), head_only=True).fields["content-length"] == "5"
    with site("endless") as play:
        client = play.asks(method="HEAD")
        assert answer(play, client, head_only=True).status == 200
        rests(play)
        assert wsgi_apps.heard[-1] == "closed"


def test_prefix_and_scheme_are_those_of_the_client() -> None:
    text = """
        [listen http]
        on = tcp:80
        trusted_proxies = 192.0.2.1
        [route /app/]
        wsgi = tests.apps.wsgi_apps:whole
        strip_prefix = /app
        """
    wsgi_apps.begin()
    with Play(text) as play:
        client = play.asks("/app/x", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "Proxy: evil")
        assert answer(play, client).body == b"whole"
        environ = wsgi_apps.environs[0]
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", "/x")
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("203.0.113.9", "https", "443")
        assert "HTTP_PROXY" not in environ


def test_a_body_in_one_piece_has_a_length_and_the_connection_is_kept() -> None:
    with site("whole") as play:
        client = play.asks()
        ended(play)
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5", b"whole")
        client.says("GET / HTTP/1.1\nHost: example.com")
        ended(play, 2)
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5", b"whole")


@pytest.mark.parametrize(
    ("app", "heard"),
    [
        ("written", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"),
        ("changed", b"HTTP/1.1 503 Sorry\r\nContent-Length: 5\r\n\r\nsorry"),
        ("empty", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("declared", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"),
    ],
)
def test_what_an_app_says_is_what_a_client_hears(app: str, heard: bytes) -> None:
    with site(app) as play:
        client = play.asks()
        ended(play)
        client.hears(heard)


@pytest.mark.parametrize("app", ["twice", "never", "text", "evil", "leaves"])
def test_what_is_wrong_is_an_error_and_the_iterable_is_closed(app: str) -> None:
    with site(app) as play:
        said = answer(play, play.asks())
        assert (said.status, b"secret" in said.body, "x-evil" in said.fields) == (500, False, False)
        assert play.exchange().value("error") == "app_failed"
        rests(play)
        assert wsgi_apps.heard == (["closed"] if app in ("never", "evil") else [])
        play.forgives(int(app != "evil"))


def test_an_error_in_the_middle_cuts_the_answer() -> None:
    with site("too_late") as play:
        client = play.asks()
        ended(play)
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nfirst\r\n")
        client.sees_cut()
        assert "too late" in play.forgives()


def test_a_body_is_read_as_it_comes() -> None:
    with site("lines") as play:
        client = play.asks("/", "Transfer-Encoding: chunked", method="POST")
        client.says(b"8\r\none\ntwo\n\r\n")
        play.until(lambda: b"<two>" in client.heard)
        client.says(b"5\r\nthree\r\n0\r\n\r\n")
        ended(play)
        assert client.overlooks().endswith(b"\r\n7\r\n<three>\r\n0\r\n\r\n")


def test_a_client_that_waits_for_a_100_gets_it_when_the_body_is_read() -> None:
    with site("reads") as play:
        client = play.asks("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
        play.until(lambda: bool(client.heard))
        client.hears("HTTP/1.1 100 Continue")
        client.says(b"abc")
        assert answer(play, client).body == b"3"


def test_large_bodies_pass() -> None:
    with site("reads") as play:
        client = play.asks("/", "Content-Length: 5000000", method="POST")
        client.says(b"x" * 5_000_000)
        assert answer(play, client).body == b"5000000"


def test_a_client_that_leaves_in_its_body_ends_the_reading() -> None:
    with site("reads") as play:
        client = play.asks("/", "Content-Length: 5", method="POST")
        client.resets()
        rests(play)
        assert wsgi_apps.heard in ([], ["gone"])


def test_a_slow_client_holds_the_thread_back_and_its_end_closes_the_iterable() -> None:
    with site("endless") as play:
        client = play.client()
        client.stops_reading(1000)
        client.says("GET / HTTP/1.1\nHost: example.com")
        play.until(lambda: bool(play.hosted) and wsgi_apps.heard.count("piece") >= 3)
        for _ in range(50):
            play.turn()
        assert wsgi_apps.heard.count("piece") < 20
        client.resets()
        rests(play)
        assert wsgi_apps.heard[-1] == "closed"


def test_what_finds_no_thread_waits_and_what_finds_no_place_gets_503() -> None:
    with site("waits", "app_threads = 1\napp_queue = 1") as play:
        first, second, third = play.asks(), play.asks(), play.asks()
        assert third.hears_message().status == 503
        assert play.exchange().value("error") == "app_busy"
        wsgi_apps.go_on.set()
        ended(play, 3)
        assert (first.hears_message().body, second.hears_message().body) == (b"done", b"done")


def test_who_has_left_is_not_served_when_a_thread_is_free() -> None:
    with site("waits", "app_threads = 1") as play:
        first, second = play.asks(), play.asks()
        second.resets()
        wsgi_apps.go_on.set()
        ended(play, 2)
        rests(play)
        assert first.hears_message().body == b"done"
        assert wsgi_apps.heard == ["began", "closed"]


def test_an_app_has_as_much_time_as_the_route_says() -> None:
    with site("waits", "read_timeout = 5s") as play:
        client = play.asks()
        assert wsgi_apps.begun.wait(10)
        play.later(7)
        assert client.hears_message().status == 504
        wsgi_apps.go_on.set()
        rests(play)
        assert wsgi_apps.heard == ["began", "closed"]


def test_cache_compression_and_http2_stand_before_it(tmp_path: Path) -> None:
    more = "cache = c\ncache_valid = 200 1m\ncompress = gzip\ncompress_min_size = 1\ncompress_types = *\n"
    with site("whole", f"{more}[cache c]\ndirectory = {tmp_path}\nmemory = 1m\n") as play:
        client = Http2Client(play)
        plain = client.asks("GET", "/")
        ended(play)
        assert (client.answer(plain).body, client.answer(plain)["x-cache-status"]) == (b"whole", "MISS")
        coded = client.asks("GET", "/", ("accept-encoding", "gzip"))
        assert (gzip.decompress(client.answer(coded).body), client.answer(coded)["x-cache-status"]) == (b"whole", "HIT")
        assert len(wsgi_apps.environs) == 1
        assert wsgi_apps.environs[0]["SERVER_PROTOCOL"] == "HTTP/2.0"
        rests(play)
