"""Keep-alive, pipelining, HTTP/1.0, on both sides."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE


def test_a_request_goes_to_the_peer_and_its_answer_comes_back() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().status == 200
        assert play.exchange().bytes_sent == 5


def test_both_connections_are_used_again() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        for _ in range(3):
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
            client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.calls == ["10.0.0.1:80"]


def test_two_clients_share_a_connection_to_the_peer_one_after_the_other() -> None:
    with Play(ONE) as play:
        first, second = play.client(), play.client()
        first.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        first.hears(ANSWER, b"hello")
        second.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        second.hears(ANSWER, b"hello")


def test_pipelined_requests_are_answered_in_order() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(*(f"GET /{number} HTTP/1.1\nHost: a" for number in range(5)))
        origin = play.origin()
        for number in range(5):
            origin.hears(f"GET /{number} HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy")
            origin.hears_nothing()
            origin.says("HTTP/1.1 200 OK\nContent-Length: 1", b"%d" % number)
            client.hears("HTTP/1.1 200 OK\nContent-Length: 1", b"%d" % number)


def test_a_pipelined_request_with_a_body_between_others() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED, "POST /form HTTP/1.1\nHost: a\nContent-Length: 4", b"a=1&", ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        origin.hears("POST /form HTTP/1.1\nHost: a\nContent-Length: 4\nVia: 1.1 twistedproxy", b"a=1&")
        origin.says(ANSWER, b"taken")
        client.hears(ANSWER, b"taken")
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"again")
        client.hears(ANSWER, b"again")


def test_a_head_may_come_byte_by_byte() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says_slowly(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says_slowly(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        client.says_slowly(b"\r\n", ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_client_that_says_close_is_answered_and_closed() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com\nConnection: close")
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.sees_end()
        assert play.idle() == 1


def test_nothing_is_served_after_a_request_that_said_close() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com\nConnection: close", ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.sees_end()


def test_a_peer_that_says_close_closes_only_its_own_connection() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.hears(ANSWER, b"hello")
        origin.sees_end()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


@pytest.mark.parametrize(
    ("asked", "answered", "kept"),
    [
        ("GET / HTTP/1.0\nHost: example.com", "Connection: close", False),
        ("GET / HTTP/1.0\nHost: example.com\nConnection: keep-alive", "Connection: keep-alive", True),
        ("GET / HTTP/1.0\nHost: example.com\nConnection: Keep-Alive, x", "Connection: keep-alive", True),
    ],
)
def test_an_http_1_0_client_keeps_its_connection_only_if_it_asks_to(asked: str, answered: str, kept: bool) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(asked)
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nVia: 1.0 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(f"HTTP/1.1 200 OK\nContent-Length: 5\n{answered}", b"hello")
        if kept:
            client.hears_nothing()
        else:
            client.sees_end()


def test_an_http_1_0_client_without_host_gets_the_peers_own_host() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(b"GET / HTTP/1.0\r\n\r\n")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: 10.0.0.1\nVia: 1.0 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.sees_end()


def test_an_http_1_0_client_gets_no_chunks_but_the_end_of_the_connection() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.0\nHost: example.com\nConnection: keep-alive")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nVia: 1.0 twistedproxy")
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")
        client.hears("HTTP/1.1 200 OK\nConnection: close", b"hello")
        client.sees_end()


def test_the_last_request_of_a_connection_is_told_so() -> None:
    with Play("[listen http]\non = tcp:80\nkeepalive_requests = 2\n" + ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.sees_end()


def test_surplus_bytes_behind_an_answer_close_the_connection_to_the_peer() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello", "HTTP/1.1 200 OK\nContent-Length: 4", b"evil")
        client.hears(ANSWER, b"hello")
        origin.sees_end()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_what_an_idle_peer_says_is_no_answer() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        origin.says("HTTP/1.1 408 Request Timeout\nContent-Length: 0")
        origin.sees_end()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_no_more_idle_connections_are_kept_than_keepalive_says() -> None:
    with Play(ONE.replace("[route", "keepalive = 1\n[route")) as play:
        clients = [play.client() for _ in range(3)]
        for client in clients:
            client.says(ASKED)
        origins = [play.origin() for _ in clients]
        for client, origin in zip(clients, origins, strict=True):
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        assert play.idle() == 1
        origins[0].sees_end()
        origins[1].sees_end()
        origins[2].hears_nothing()
