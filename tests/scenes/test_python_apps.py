"""python =: a coroutine function in the proxy's process answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps import coroutines
from tests.kit.http2 import Http2Client
from tests.kit.play import Play


def site(function: str, more: str = "", title: str = "/") -> Play:
    """A play whose route is answered by a function."""
    coroutines.waiting.clear()
    coroutines.heard.clear()
    return Play(
        f"[defaults]\nresponse_headers = remove Date\n[route {title}]\npython = tests.apps.coroutines:{function}\n{more}\n"
    )


def test_a_function_answers_and_knows_who_asks_for_what() -> None:
    with site("hello") as play:
        client = play.asks("/a%20b?c=1")
        answer = client.hears_message()
        assert answer.body == b"GET http://example.com/a%20b?c=1 of 192.0.2.1"
        assert (answer.fields["x-for"], answer.fields["x-prefix"], answer.fields["x-root"]) == ("192.0.2.1", "-", "")
        exchange = play.exchange()
        assert (exchange.value("pool"), exchange.value("peer")) == ("python:tests.apps.coroutines:hello",) * 2
        # The connection is kept.
        client.says("GET / HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 200


def test_a_stripped_prefix_is_its_root() -> None:
    with site("hello", "strip_prefix = /app", "/app/") as play:
        answer = play.asks("/app/x").hears_message()
        assert answer.body.startswith(b"GET http://example.com/x?")
        assert (answer.fields["x-root"], answer.fields["x-prefix"]) == ("/app", "/app")


def test_clients_of_trusted_proxies_are_known() -> None:
    with Play(
        """
        [listen http]
        on = tcp:80
        trusted_proxies = 192.0.2.1
        [route /]
        python = tests.apps.coroutines:hello
        """
    ) as play:
        answer = play.asks("/", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https").hears_message()
        assert answer.body == b"GET https://example.com/? of 203.0.113.9"


def test_a_body_is_here_whole_or_in_pieces() -> None:
    with site("echo") as play:
        client = play.asks("/", "Content-Length: 6", method="POST")
        client.says(b"abc")
        client.says(b"def")
        answer = client.hears_message()
        assert (answer.status, answer.body, answer.fields["set-cookie"]) == (201, b"abcdef", "a=1, b=2")
        client.says("POST / HTTP/1.1\nHost: example.com\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")
        assert client.hears_message().body == b"abc"


def test_a_client_that_waits_for_a_100_gets_it_when_the_body_is_wanted() -> None:
    with site("echo") as play:
        client = play.asks("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
        client.hears("HTTP/1.1 100 Continue")
        client.says(b"abc")
        assert client.hears_message().body == b"abc"
    with site("unread") as play:
        client = play.asks("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
        assert client.hears_message().status == 403
        client.sees_end()


def test_body_and_answer_may_pass_at_the_same_time() -> None:
    with site("mirrored") as play:
        client = play.asks("/", "Transfer-Encoding: chunked", method="POST")
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close")
        client.says(b"3\r\nabc\r\n")
        client.hears(b"3\r\nabc\r\n")
        client.says(b"0\r\n\r\n")
        client.hears(b"0\r\n\r\n")
        client.sees_end()


def test_a_body_larger_than_max_body_is_refused() -> None:
    with site("echo", "max_body = 4") as play:
        client = play.asks("/", "Transfer-Encoding: chunked", method="POST")
        client.says(b"5\r\nabcde\r\n")
        assert client.hears_message().status == 413
        client.sees_end()


def test_a_client_is_held_back_when_the_body_is_not_taken() -> None:
    with site("waits", "max_body = 0") as play:
        client = play.asks("/", "Content-Length: 10000000", method="POST")
        client.says(b"x" * 10_000_000)
        assert client.waiting > 9_000_000
        coroutines.waiting.pop().callback("enough")
        play.turn()
        assert client.hears_message().body == b"enough"
        client.overlooks()


def test_a_slow_client_holds_the_answer_back() -> None:
    with site("endless") as play:
        client = play.client()
        client.stops_reading(1000)
        client.says("GET / HTTP/1.1\nHost: example.com")
        pieces = coroutines.heard.count("piece")
        assert pieces < 12
        client.reads(200_000)
        client.resets()
        assert coroutines.heard[-1] == "closed"


def test_a_client_that_leaves_cancels_the_work() -> None:
    with site("waits") as play:
        client = play.asks()
        client.resets()
        assert coroutines.heard == ["CancelledError"]
        assert play.exchange().status == 499


def test_a_function_has_as_much_time_as_the_route_says() -> None:
    with site("waits", "read_timeout = 5s") as play:
        client = play.asks()
        play.later(7)
        assert client.hears_message().status == 504
        assert coroutines.heard == ["CancelledError"]
        assert play.exchange().value("error") == "read_timeout"


def test_a_failure_is_the_logs_and_no_clients() -> None:
    with site("fails") as play:
        client = play.asks()
        answer = client.hears_message()
        assert (answer.status, b"secret" in answer.body) == (500, False)
        assert "a secret of the app" in play.forgives()
        assert (play.exchange().value("error"), play.exchange().detail) == ("app_failed", "ValueError")
        client.says("GET / HTTP/1.1\nHost: example.com")
        assert client.hears_message().status == 500
        play.forgives()


def test_an_answer_that_fails_in_its_middle_is_cut() -> None:
    with site("fails_late") as play:
        client = play.asks()
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nfirst\r\n")
        client.sees_cut()
        play.forgives()
        assert play.exchange().value("error") == "response_cut"


@pytest.mark.parametrize("how", ["status", "field", "name", "short", "long", "nothing"])
def test_what_cannot_be_an_answer_is_none(how: str) -> None:
    with site("wrong") as play:
        client = play.asks(f"/?{how}")
        answer = client.hears_message()
        assert (answer.status, "x-evil" in answer.fields) == (500, False)
        play.forgives()


@pytest.mark.parametrize("how", ["short", "long"])
def test_a_body_that_is_not_as_long_as_it_was_said_is_cut(how: str) -> None:
    with site("declared") as play:
        client = play.asks(f"/?{how}")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5", b"abc")
        client.sees_cut()
        play.forgives()


def test_an_app_says_nothing_of_the_hop() -> None:
    with site("hop") as play:
        play.asks().hears("HTTP/1.1 200 OK\nContent-Length: 2", b"ok")


def test_heads_and_204_have_no_body() -> None:
    with site("cached") as play:
        client = play.asks(method="HEAD")
        assert client.hears_message(head_only=True).fields["content-length"] == "2500"
    with site("endless") as play:
        client = play.asks(method="HEAD")
        assert client.hears_message(head_only=True).status == 200
        assert coroutines.heard in ([], ["began", "piece", "closed"])
    with site("empty") as play:
        play.asks().hears("HTTP/1.1 204 No Content")


def test_answers_are_stored_compressed_and_guarded(tmp_path: Path) -> None:
    more = f"cache = c\ncompress = gzip\nallow = 192.0.2.1\n[cache c]\ndirectory = {tmp_path}\nmemory = 1m"
    with site("cached", more) as play:
        first = play.asks("/", "Accept-Encoding: gzip").overlooks()
        second = play.asks("/").hears_message()
        assert (b"Content-Encoding: gzip" in first, second.body) == (True, b"text " * 500)
        assert second.fields["x-cache-status"] == "HIT"
        assert coroutines.heard == ["asked"]
        stranger = play.client(address="192.0.2.2")
        stranger.says("GET / HTTP/1.1\nHost: example.com")
        assert stranger.hears_message().status == 403


@pytest.mark.parametrize("function", ["sleeps", "futures"])
def test_asyncio_needs_its_own_reactor_and_the_log_says_so(function: str) -> None:
    with site(function) as play:
        assert play.asks().hears_message().status == 500
        assert "--reactor=asyncio" in play.forgives()


def test_what_is_no_coroutine_function_is_told_of() -> None:
    with site("plain") as play:
        assert play.asks().hears_message().status == 500
        assert "is no coroutine function" in play.forgives()


def test_clients_of_http2_are_answered_as_well() -> None:
    with site("mirrored") as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", body=b"abc", more=True)
        assert client.answer(stream).body == b"abc"
        client.sends(stream, b"def", ends=True)
        assert (client.answer(stream).body, client.answer(stream).ended) == (b"abcdef", True)
