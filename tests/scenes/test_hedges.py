"""Hedged requests: a second peer is asked when the first takes its time."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.peers import OK, SILENCE, Peers
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, SECOND, TWO

HEDGED = TWO.replace("pool = app", "pool = app\nhedge = 200ms\nretry = error timeout 503")
BUSY = "HTTP/1.1 503 Service Unavailable\nContent-Length: 4"
SECOND_OPINION = "no answer has begun within hedge: a second peer is asked as well"


def both(play: Play, request: str = ASKED, forwarded: str = FORWARDED) -> tuple[Party, Party, Party]:
    """A client, and the two peers that were asked."""
    client = play.client()
    client.says(request)
    first = play.origin(FIRST)
    first.hears(forwarded)
    play.later(0.1)
    play.no_connection()
    play.later(0.15)
    second = play.origin(SECOND)
    second.hears(forwarded)
    return client, first, second


def test_the_second_peer_wins_and_the_first_is_cancelled_and_not_blamed() -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        first.sees_cut()
        pool = play.pools["app"]
        assert [(peer.failures, peer.in_flight, str(peer.state)) for peer in pool.peers] == [(0, 0, "up"), (0, 0, "up")]
        assert (pool.hedges, pool.retries) == (1, 0)
        exchange = play.exchange()
        assert (exchange.status, exchange.reason, exchange.peer_name) == (200, None, SECOND)
        assert list(map(str, exchange.verdicts)) == [SECOND_OPINION]
        assert exchange.attempt is not None and exchange.attempt.previous is not None
        assert str(exchange.attempt.previous.reason) == "hedged_out"


def test_the_first_peer_wins_after_all() -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        first.says("HTTP/1.1 200 OK\nContent-Length: 10", b"hello")
        second.sees_cut()
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10", b"hello")
        first.says(b"world")
        client.hears(b"world")
        exchange = play.exchange()
        assert exchange.peer_name == FIRST
        assert exchange.attempt is not None and exchange.attempt.previous is not None
        assert exchange.attempt.previous.peer.name == SECOND


def test_an_answer_in_time_needs_no_second_peer() -> None:
    with Play(HEDGED) as play:
        client = play.client()
        client.says(ASKED)
        first = play.origin(FIRST)
        first.hears(FORWARDED)
        play.later(0.1)
        first.says("HTTP/1.1 200 OK\nContent-Length: 10", b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10", b"hello")
        play.later(1)
        play.no_connection()
        first.says(b"world")
        client.hears(b"world")
        assert not play.clock.getDelayedCalls() or play.pools["app"].hedges == 0


@pytest.mark.parametrize("who", ["first", "second"])
def test_when_one_of_two_fails_the_other_one_is_waited_for(who: str) -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        failing, other = (first, second) if who == "first" else (second, first)
        failing.leaves()
        client.hears_nothing()
        other.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().reason is None
        assert play.exchange().peer_name == (SECOND if who == "first" else FIRST)


@pytest.mark.parametrize("who", ["first", "second"])
def test_a_listed_status_does_not_win(who: str) -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        failing, other = (first, second) if who == "first" else (second, first)
        failing.says(BUSY, b"busy")
        client.hears_nothing()
        other.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_when_both_fail_the_answer_is_why_the_last_one_did() -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        second.leaves()
        first.leaves()
        assert client.hears_message().status == 502
        assert [peer.failures for peer in play.pools["app"].peers] == [1, 1]


def test_a_client_that_leaves_takes_both_along() -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        client.resets()
        first.sees_cut()
        second.sees_cut()
        assert (play.exchange().status, play.in_flight()) == (499, 0)


def test_a_client_that_leaves_before_the_hedge_is_due_leaves_no_timer() -> None:
    with Play(HEDGED) as play:
        client = play.client()
        client.says(ASKED)
        first = play.origin(FIRST)
        first.hears(FORWARDED)
        client.resets()
        first.sees_cut()
        play.later(1)
        play.no_connection()


@pytest.mark.parametrize(
    ("request_", "body"),
    [("POST / HTTP/1.1\nHost: a\nContent-Length: 2", b"hi"), ("DELETE / HTTP/1.1\nHost: a", b"")],
)
def test_only_what_changes_nothing_is_hedged(request_: str, body: bytes) -> None:
    with Play(HEDGED) as play:
        client = play.client()
        client.says(request_, body)
        first = play.origin(FIRST)
        first.overlooks()
        play.later(2)
        play.no_connection()
        first.says("HTTP/1.1 204 No Content")
        client.hears("HTTP/1.1 204 No Content")


def test_a_head_is_hedged() -> None:
    with Play(HEDGED) as play:
        head = "HEAD / HTTP/1.1\nHost: a"
        client, first, second = both(play, head, head + "\nVia: 1.1 twistedproxy")
        second.says("HTTP/1.1 200 OK\nContent-Length: 5")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5")
        first.sees_cut()


def test_a_peer_that_does_not_even_accept_is_hedged() -> None:
    with Play(HEDGED) as play:
        play.ignores(FIRST)
        client = play.client()
        client.says(ASKED)
        play.later(0.3)
        second = play.origin(SECOND)
        second.hears(FORWARDED)
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.in_flight() == 0


@pytest.mark.parametrize(
    "site",
    [
        HEDGED.replace("[route", "retry_budget = 1% min=0\n[route"),
        HEDGED.replace("    10.0.0.2:80\n", ""),
        HEDGED.replace("10.0.0.2:80", "10.0.0.2:80 down"),
        HEDGED + "retry_timeout = 100ms\n",
    ],
    ids=["budget", "one peer", "one left", "retry_timeout"],
)
def test_no_hedge_where_there_may_be_none(site: str) -> None:
    with Play(site) as play:
        client = play.client()
        client.says(ASKED)
        first = play.origin(FIRST)
        first.hears(FORWARDED)
        play.later(2)
        play.no_connection()
        first.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.pools["app"].hedges == 0


def test_interim_answers_of_two_peers_are_not_mixed() -> None:
    with Play(HEDGED) as play:
        client, first, second = both(play)
        second.says("HTTP/1.1 103 Early Hints\nLink: </a>")
        client.hears_nothing()
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        first.sees_cut()


def test_a_request_that_waits_in_the_queue_is_not_hedged_there() -> None:
    site = HEDGED.replace(":80\n", ":80 max_connections=1\n").replace("[route", "queue = 5\n[route")
    with Play(site) as play:
        one, two, three = (play.client() for _ in range(3))
        for client in (one, two, three):
            client.says(ASKED)
        first, second = play.origin(FIRST), play.origin(SECOND)
        first.hears(FORWARDED)
        second.hears(FORWARDED)
        play.later(1)
        assert [peer.in_flight for peer in play.pools["app"].peers] == [1, 1]
        first.says(ANSWER, b"hello")
        one.hears(ANSWER, b"hello")
        first.hears(FORWARDED)
        first.says(ANSWER, b"hello")
        three.hears(ANSWER, b"hello")
        second.says(ANSWER, b"hello")
        two.hears(ANSWER, b"hello")


def test_a_kept_connection_that_closes_is_replaced_and_hedged_as_the_first_was() -> None:
    with Play(HEDGED) as play:
        client = play.client()
        origins = []
        for name in (FIRST, SECOND):
            client.says(ASKED)
            origins.append(play.origin(name))
            origins[-1].hears(FORWARDED)
            origins[-1].says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        first, second = origins
        client.says(ASKED)
        first.hears(FORWARDED)
        first.leaves()
        first = play.origin(FIRST)
        first.hears(FORWARDED)
        play.later(0.25)
        second.hears(FORWARDED)
        second.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        first.sees_cut()


def test_a_slow_peer_that_loses_every_race_is_ejected_for_it() -> None:
    site = HEDGED.replace(
        "[route", "max_fails = 0\neject_ratio = 50%\neject_latency = 200ms\neject_min_requests = 3\nretry_budget = no\n[route"
    )
    with Play(site) as play:
        peers = Peers(play, lambda name, _head: SILENCE if name == FIRST else OK)
        client = play.client()
        for _ in range(8):
            client.says(ASKED)
            peers.act()
            play.later(0.3)
            peers.act()
            assert client.hears_message().status == 200
        assert peers.asked[FIRST] == 3
        slow = play.pools["app"].peers[0]
        assert (str(slow.state), slow.failures) == ("ejected", 0)


def test_a_retry_that_waits_in_the_queue_as_the_hedge_is_due_waits_on() -> None:
    site = HEDGED.replace(":80\n", ":80 max_connections=1\n").replace("[route", "queue = 5\n[route")
    with Play(site) as play:
        one, two = play.client(), play.client()
        one.says(ASKED)
        two.says(ASKED)
        first, second = play.origin(FIRST), play.origin(SECOND)
        first.hears(FORWARDED)
        second.hears(FORWARDED)
        first.leaves()
        play.pools["app"].drain(FIRST)
        play.later(0.5)
        play.no_connection()
        second.says(ANSWER, b"hello")
        two.hears(ANSWER, b"hello")
        second.hears(FORWARDED)
        second.says(ANSWER, b"hello")
        one.hears(ANSWER, b"hello")
