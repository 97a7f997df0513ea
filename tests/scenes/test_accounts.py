"""What is noted of an exchange when it is over, for logs, counters and the shell."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, ONE, SECOND, TWO


def test_an_exchange_that_was_retried_with_success_did_not_fail() -> None:
    with Play(TWO) as play:
        play.refuses(FIRST)
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        exchange = play.exchange()
        assert (exchange.peer_name, exchange.reason, exchange.detail) == (SECOND, None, "")
        assert play.routes["/"].errors == 0


def test_the_times_are_those_of_the_last_attempt() -> None:
    with Play(TWO + "connect_timeout = 2s\n") as play:
        play.ignores(FIRST)
        client = play.client()
        client.says(ASKED)
        play.later(2.5)
        origin = play.origin(SECOND)
        origin.hears(FORWARDED)
        play.later(1)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        play.later(1)
        origin.says(b"56789")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10", b"0123456789")
        exchange = play.exchange()
        assert exchange.attempt.connect_time == 0.0
        assert exchange.attempt.header_time is not None
        assert exchange.attempt.response_time is not None
        assert 1.0 <= exchange.attempt.header_time <= 1.5
        assert 2.0 <= exchange.attempt.response_time <= 2.5
        assert 4.4 <= exchange.request_time <= 4.6


def test_statuses_and_errors_are_counted_by_route() -> None:
    with Play(ONE) as play:
        client = play.client()
        for status in (200, 200, 404, 500):
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(f"HTTP/1.1 {status} X\nContent-Length: 0")
            client.hears(f"HTTP/1.1 {status} X\nContent-Length: 0")
        client.says(ASKED)
        origin.hears(FORWARDED)
        client.resets()
        origin.sees_cut()
        route = play.routes["/"]
        assert (route.requests, route.statuses, route.errors) == (5, [0, 0, 2, 0, 2, 1], 1)


def test_a_client_that_leaves_before_its_answer_has_499() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        play.later(1)
        client.resets()
        origin.sees_cut()
        exchange = play.exchange()
        assert (exchange.status, str(exchange.reason), exchange.bytes_sent) == (499, "client_gone", 0)
        assert exchange.request_time > 0.9
        assert exchange.attempt.response_time is None


def test_bytes_in_both_directions_are_counted_for_exchange_and_peer() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 1000", b"x" * 400)
        client.says(b"x" * 600)
        origin = play.origin()
        sent = len(origin.heard)
        origin.hears(origin.heard)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 2000", b"y" * 500)
        origin.says(b"y" * 1500)
        client.hears(client.heard)
        exchange = play.exchange()
        assert (exchange.bytes_received, exchange.bytes_sent) == (1000, 2000)
        (peer,) = play.pools["app"].peers
        assert (peer.attempts, peer.bytes_sent) == (1, sent)
        assert peer.bytes_received > 2000


def test_no_route_is_404_and_says_so() -> None:
    with Play("[route example.com/]\nredirect = 302 /x\n") as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: other.example")
        assert client.hears_message().status == 404
        exchange = play.exchange()
        assert (exchange.route, str(exchange.reason)) == (None, "no_route")
        assert [str(verdict) for verdict in exchange.verdicts] == ["no route matches this host and path"]


def test_a_listener_counts_its_connections_and_turns_away_who_has_too_many() -> None:
    with Play("[listen http]\non = tcp:80\nmax_connections_per_client = 2\n" + ONE) as play:
        first, second = play.client(), play.client()
        third, other = play.client(), play.client(address="192.0.2.2")
        third.sees_end()
        listener = play.listeners["http"]
        assert (listener.accepted, listener.turned_away, len(listener.connections)) == (3, 1, 3)
        first.leaves()
        fourth = play.client()
        for client in (second, other, fourth):
            client.hears_nothing()
