"""Answers that are as good as failures: another peer is asked, as often as the site and the budget allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.peers import LEAVES, OK, Peers, refusing
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, SECOND, TWO

RETRYING = TWO.replace("pool = app", "pool = app\nretry = error timeout 502 503")
BUSY = "HTTP/1.1 503 Service Unavailable\nContent-Length: 4"
POSTED = "POST / HTTP/1.1\nHost: a\nContent-Length: 5"
POSTED_ON = "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nVia: 1.1 twistedproxy"


def origin_that_is_asked(play: Play, name: str, request: str = FORWARDED, body: bytes = b"") -> Party:
    origin = play.origin(name)
    origin.hears(request, body)
    return origin


def test_another_peer_is_asked_and_the_client_sees_only_its_answer() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        client.says(ASKED)
        first = origin_that_is_asked(play, FIRST)
        first.says(BUSY, b"busy")
        client.hears_nothing()
        second = origin_that_is_asked(play, SECOND)
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        exchange = play.exchange()
        assert (exchange.status, exchange.reason) == (200, None)
        assert [str(verdict) for verdict in exchange.verdicts] == [
            "the answer has a status that the route's retry names: try another peer"
        ]
        assert exchange.attempt is not None and exchange.attempt.previous is not None
        assert (exchange.attempt.previous.peer.name, exchange.attempt.peer.name) == (FIRST, SECOND)
        pool = play.pools["app"]
        assert (pool.retries, [peer.failures for peer in pool.peers]) == (1, [0, 0])
        # The first peer's answer was complete: its connection is of use again.
        assert play.idle() == 2


def test_an_answer_of_which_more_is_to_come_is_cut_off_and_nothing_of_it_reaches_anybody() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        client.says(ASKED)
        first = origin_that_is_asked(play, FIRST)
        first.says("HTTP/1.1 502 Bad Gateway\nTransfer-Encoding: chunked", b"5\r\nsorry\r\n")
        second = origin_that_is_asked(play, SECOND)
        first.sees_cut()
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        client.says(ASKED)
        second.hears(FORWARDED)
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_the_last_answer_is_delivered_when_nobody_is_left() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        client.says(ASKED)
        origin_that_is_asked(play, FIRST).says(BUSY, b"one!")
        origin_that_is_asked(play, SECOND).says("HTTP/1.1 502 Bad Gateway\nContent-Length: 4", b"two!")
        client.hears("HTTP/1.1 502 Bad Gateway\nContent-Length: 4", b"two!")
        exchange = play.exchange()
        assert (exchange.status, exchange.reason) == (502, None)
        assert str(exchange.verdicts[-1]) == "no other peer can be asked: the answer stands"


def test_the_last_answer_is_delivered_when_no_try_is_left() -> None:
    with Play(RETRYING + "tries = 1\n") as play:
        client = play.client()
        client.says(ASKED)
        origin_that_is_asked(play, FIRST).says(BUSY, b"busy")
        client.hears(BUSY, b"busy")
        assert play.calls == [FIRST]


def test_the_answer_stands_when_the_other_peer_is_full() -> None:
    site = RETRYING.replace("10.0.0.2:80", "10.0.0.2:80 max_connections=1\nqueue = 5")
    with Play(site) as play:
        other = play.client()
        client = play.client()
        client.says(ASKED)
        other.says(ASKED)
        first, second = origin_that_is_asked(play, FIRST), origin_that_is_asked(play, SECOND)
        first.says(BUSY, b"busy")
        client.hears(BUSY, b"busy")
        second.says(ANSWER, b"hello")
        other.hears(ANSWER, b"hello")


def test_other_statuses_are_passed_on() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        for status in ("500 Internal Server Error", "404 Not Found"):
            client.says(ASKED)
            origin = play.same_origin() if play.calls[1:] else play.origin()
            origin.hears(FORWARDED)
            origin.says(f"HTTP/1.1 {status}\nContent-Length: 0")
            client.hears(f"HTTP/1.1 {status}\nContent-Length: 0")


def test_a_post_that_was_answered_is_never_repeated() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        client.says(POSTED, b"hello")
        origin_that_is_asked(play, FIRST, POSTED_ON, b"hello").says(BUSY, b"busy")
        client.hears(BUSY, b"busy")
        assert play.calls == [FIRST]


def test_a_post_is_repeated_where_the_site_says_so() -> None:
    with Play(RETRYING + "retry_unsafe = yes\n") as play:
        client = play.client()
        client.says(POSTED, b"hello")
        origin_that_is_asked(play, FIRST, POSTED_ON, b"hello").says(BUSY, b"busy")
        origin_that_is_asked(play, SECOND, POSTED_ON, b"hello").leaves()
        assert client.hears_message().status == 502


def test_a_body_that_has_not_come_whole_follows_to_the_other_peer() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        put = "PUT / HTTP/1.1\nHost: a\nContent-Length: 10"
        client.says(put, b"hello")
        first = origin_that_is_asked(play, FIRST, put + "\nVia: 1.1 twistedproxy", b"hello")
        first.says(BUSY, b"busy")
        second = origin_that_is_asked(play, SECOND, put + "\nVia: 1.1 twistedproxy", b"hello")
        first.sees_end()
        client.says(b"world")
        second.hears(b"world")
        second.says("HTTP/1.1 204 No Content")
        client.hears("HTTP/1.1 204 No Content")


def test_what_is_too_large_to_be_kept_is_not_sent_again() -> None:
    with Play(RETRYING) as play:
        client = play.client()
        put = "PUT / HTTP/1.1\nHost: a\nContent-Length: 100000"
        client.says(put, b"x" * 100_000)
        origin_that_is_asked(play, FIRST, put + "\nVia: 1.1 twistedproxy", b"x" * 100_000).says(BUSY, b"busy")
        client.hears(BUSY, b"busy")


def test_after_retry_timeout_the_answer_stands() -> None:
    with Play(RETRYING + "retry_timeout = 2s\n") as play:
        client = play.client()
        client.says(ASKED)
        first = origin_that_is_asked(play, FIRST)
        play.later(3)
        first.says(BUSY, b"busy")
        client.hears(BUSY, b"busy")
        assert "retry_timeout is over" in map(str, play.exchange().verdicts)


def test_only_what_is_listed_is_tried_again() -> None:
    with Play(TWO.replace("pool = app", "pool = app\nretry = timeout")) as play:
        play.refuses(FIRST)
        client = play.client()
        client.says(ASKED)
        assert client.hears_message().status == 502
        assert play.calls == [FIRST]
        assert str(play.exchange().verdicts[-1]) == "the route's retry does not name what happened"


def test_an_answer_that_is_no_http_is_tried_elsewhere_where_the_site_says_so() -> None:
    with Play(TWO.replace("pool = app", "pool = app\nretry = invalid")) as play:
        client = play.client()
        client.says(ASKED)
        first = origin_that_is_asked(play, FIRST)
        first.says(b"220 mail.example ESMTP\r\n\r\n")
        first.sees_cut()
        origin_that_is_asked(play, SECOND).says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


MEAGRE = RETRYING.replace("[route", "max_fails = 0\nretry_budget = 20% min=0\n[route")


@pytest.mark.parametrize("failing", ["status", "error"])
def test_beyond_the_budget_failures_are_passed_on(failing: str) -> None:
    with Play(MEAGRE) as play:
        peers = Peers(play, lambda _name, _head: refusing(503) if failing == "status" else LEAVES)
        client = play.client()
        for _ in range(40):
            client.says(ASKED)
            peers.act()
            assert client.hears_message().status == (503 if failing == "status" else 502)
        pool = play.pools["app"]
        assert 5 <= pool.retries <= 8  # of forty requests
        assert "the pool's retry_budget is spent" in [str(v) for exchange in play.finished for v in exchange.verdicts]


def test_what_no_peer_has_worked_at_is_tried_elsewhere_whatever_the_budget() -> None:
    with Play(MEAGRE.replace("20%", "1%")) as play:
        play.refuses(FIRST)
        client = play.client()
        for _ in range(10):
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        assert play.pools["app"].retries == 5


def test_a_stale_answer_stands_in_only_when_nobody_is_left(tmp_path: Path) -> None:
    site = RETRYING.replace("pool = app", "pool = app\ncache = c\ncache_use_stale = 503")
    with Play(f"[cache c]\ndirectory = {tmp_path}\n{site}") as play:
        client = play.client()
        client.says(ASKED)
        first = origin_that_is_asked(play, FIRST)
        first.says('HTTP/1.1 200 OK\nCache-Control: max-age=1\nETag: "v"\nContent-Length: 5', b"hello")
        assert client.hears_message().body == b"hello"
        play.later(5)
        client.says(ASKED)
        second = play.origin(SECOND)
        second.overlooks()
        second.says(BUSY, b"busy")
        client.hears_nothing()
        first.overlooks()
        first.says(BUSY, b"busy")
        answer = client.hears_message()
        assert (answer.status, answer.body, answer.fields["x-cache-status"]) == (200, b"hello", "STALE")


EJECTING = RETRYING.replace("[route", "fail_statuses = 503\nmax_fails = 2\n[route")


def test_statuses_that_count_as_failures_eject_a_peer() -> None:
    with Play(EJECTING) as play:
        peers = Peers(play, lambda name, _head: refusing(503) if name == FIRST else OK)
        client = play.client()
        for _ in range(6):
            client.says(ASKED)
            peers.act()
            assert client.hears_message().status == 200
        assert peers.asked == {FIRST: 2, SECOND: 6}
        peer = play.pools["app"].peers[0]
        assert (str(peer.state), peer.failures, str(peer.last_failure)) == ("ejected", 2, "failed_status")


def test_a_failing_status_that_is_passed_on_counts_too() -> None:
    with Play(TWO.replace("[route", "fail_statuses = 500-599\nmax_fails = 1\n[route")) as play:
        client = play.client()
        client.says(ASKED)
        first = origin_that_is_asked(play, FIRST)
        first.says("HTTP/1.1 500 Oh\nContent-Length: 10", b"half ")
        client.hears("HTTP/1.1 500 Oh\nContent-Length: 10", b"half ")
        first.says(b"whole")
        client.hears(b"whole")
        first.sees_end()
        assert str(play.pools["app"].peers[0].state) == "ejected"
        assert play.exchange().reason is None
