"""A failed attempt: another peer, the same one again, or the truth."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, ONE, SECOND, TWO

POSTED = "POST / HTTP/1.1\nHost: a\nContent-Length: 5"
POSTED_ON = "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nVia: 1.1 twistedproxy"
NO_CONTENT = "HTTP/1.1 204 No Content"


def test_a_peer_that_refuses_is_replaced_by_another_unseen() -> None:
    with Play(TWO) as play:
        play.refuses(FIRST)
        client = play.client()
        client.says(ASKED)
        origin = play.origin(SECOND)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.calls == [FIRST, SECOND]
        assert [str(verdict) for verdict in play.exchange().verdicts] == ["try another peer"]


def test_even_a_post_goes_elsewhere_when_the_connection_was_refused() -> None:
    with Play(TWO) as play:
        play.refuses(FIRST)
        client = play.client()
        client.says(POSTED, b"hello")
        origin = play.origin(SECOND)
        origin.hears(POSTED_ON, b"hello")
        origin.says(NO_CONTENT)
        client.hears(NO_CONTENT)


@pytest.mark.parametrize("in_two", [False, True])
def test_a_body_is_sent_again_from_its_beginning(in_two: bool) -> None:
    with Play(TWO) as play:
        client = play.client()
        put = "PUT / HTTP/1.1\nHost: a\nContent-Length: 5"
        if in_two:
            client.says(put, b"he")
            client.says(b"llo")
        else:
            client.says(put, b"hello")
        origin = play.origin(FIRST)
        origin.hears(put + "\nVia: 1.1 twistedproxy", b"hello")
        origin.leaves()
        origin = play.origin(SECOND)
        origin.hears(put + "\nVia: 1.1 twistedproxy", b"hello")
        origin.says(NO_CONTENT)
        client.hears(NO_CONTENT)


def test_a_body_that_came_after_its_head_is_sent_again_as_far_as_it_has_come() -> None:
    with Play(TWO) as play:
        client = play.client()
        put = "PUT / HTTP/1.1\nHost: a\nContent-Length: 10"
        client.says(put)
        first = play.origin(FIRST)
        client.says(b"hello")
        first.hears(put + "\nVia: 1.1 twistedproxy", b"hello")
        first.leaves()
        second = play.origin(SECOND)
        second.hears(put + "\nVia: 1.1 twistedproxy", b"hello")
        client.says(b"world")
        second.hears(b"world")
        second.says(NO_CONTENT)
        client.hears(NO_CONTENT)


def test_chunks_with_trailers_are_sent_again_with_their_trailers() -> None:
    with Play(TWO) as play:
        client = play.client()
        put = "PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"
        client.says(put)
        first = play.origin(FIRST)
        client.says(b"2\r\nhe\r\n")
        client.says(b"3\r\nllo\r\n0\r\nSum: 5\r\n\r\n")
        forwarded = "PUT / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy\nTransfer-Encoding: chunked"
        first.hears(forwarded, b"2\r\nhe\r\n3\r\nllo\r\n0\r\nSum: 5\r\n\r\n")
        first.leaves()
        second = play.origin(SECOND)
        second.hears(forwarded, b"5\r\nhello\r\n0\r\nSum: 5\r\n\r\n")
        second.says(NO_CONTENT)
        client.hears(NO_CONTENT)


def test_a_large_body_that_has_been_passed_on_is_not_sent_again() -> None:
    with Play(TWO) as play:
        client = play.client()
        put = "PUT / HTTP/1.1\nHost: a\nContent-Length: 100000"
        client.says(put, bytes(60_000))
        first = play.origin(FIRST)
        first.hears(put + "\nVia: 1.1 twistedproxy", bytes(60_000))
        client.says(bytes(10_000))
        first.hears(bytes(10_000))
        first.leaves()
        assert client.hears_message().status == 502
        client.sees_end()
        assert str(play.exchange().reason) == "peer_closed"


@pytest.mark.parametrize("way", ["leaves", "resets"])
def test_a_get_is_sent_to_another_peer_when_the_first_breaks_off(way: str) -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        getattr(origin, way)()
        origin = play.origin(SECOND)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        first, second = play.pools["app"].peers
        assert (first.failures, second.failures) == (1, 0)


@pytest.mark.parametrize("way", ["leaves", "resets"])
def test_a_post_is_not_repeated_once_it_was_sent(way: str) -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says(POSTED, b"hello")
        origin = play.origin(FIRST)
        origin.hears(POSTED_ON, b"hello")
        getattr(origin, way)()
        assert client.hears_message().status == 502
        assert play.calls == [FIRST]


def test_no_more_attempts_are_made_than_tries_says() -> None:
    with Play(
        "[pool app]\nservers =\n" + "".join(f"    10.0.0.{n}:80\n" for n in range(1, 6)) + "[route /]\npool = app\ntries = 3\n"
    ) as play:
        for n in range(1, 6):
            play.refuses(f"10.0.0.{n}:80")
        client = play.client()
        client.says(ASKED)
        assert client.hears_message().status == 502
        assert len(play.calls) == 3
        assert len(set(play.calls)) == 3


def test_when_every_peer_was_tried_the_answer_is_why_the_last_one_failed() -> None:
    with Play(TWO) as play:
        play.refuses(FIRST)
        play.refuses(SECOND)
        client = play.client()
        client.says(ASKED)
        assert client.hears_message().status == 502
        assert play.calls == [FIRST, SECOND]
        assert str(play.exchange().reason) == "refused"


def test_without_an_available_peer_the_answer_is_503() -> None:
    with Play(ONE.replace(":80", ":80 down")) as play:
        client = play.client()
        client.says(ASKED)
        answer = client.hears_message()
        assert answer.status == 503
        assert answer.fields["retry-after"] == "5"
        assert str(play.exchange().reason) == "no_peer"


def kept(play: Play, client: Party) -> Party:
    """An origin whose connection has served a request and stands idle."""
    client.says(ASKED)
    origin = play.origin()
    origin.hears(FORWARDED)
    origin.says(ANSWER, b"hello")
    client.hears(ANSWER, b"hello")
    return origin


def test_a_peer_may_close_an_idle_connection_at_any_time() -> None:
    with Play(ONE) as play:
        client = play.client()
        kept(play, client).leaves()
        assert play.idle() == 0
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.pools["app"].peers[0].failures == 0


@pytest.mark.parametrize("way", ["leaves", "resets"])
def test_a_get_on_a_connection_that_closes_just_then_is_sent_again_to_the_same_peer(way: str) -> None:
    with Play(ONE) as play:
        client = play.client()
        origin = kept(play, client)
        client.says(ASKED)
        origin.hears(FORWARDED)
        getattr(origin, way)()
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.pools["app"].peers[0].failures == 0
        assert play.calls == [FIRST, FIRST]


def test_a_get_that_kills_its_peer_each_time_is_not_sent_for_ever() -> None:
    with Play(ONE) as play:
        client = play.client()
        origin = kept(play, client)
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.leaves()
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        origin.leaves()
        assert client.hears_message().status == 502
        assert play.calls == [FIRST, FIRST]


def test_a_post_on_a_connection_that_closes_just_then_is_not_repeated() -> None:
    with Play(ONE) as play:
        client = play.client()
        origin = kept(play, client)
        client.says(POSTED, b"hello")
        origin.hears(POSTED_ON, b"hello")
        origin.leaves()
        assert client.hears_message().status == 502
        assert str(play.exchange().reason) == "kept_closed"


def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        origin.leaves()
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        client.sees_cut()
        assert play.calls == [FIRST]


def test_an_answer_that_ends_in_mid_head_is_asked_for_elsewhere() -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        origin.says(b"HTTP/1.1 200 OK\r\nContent-")
        origin.leaves()
        origin = play.origin(SECOND)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_peer_that_fails_often_is_left_alone_for_a_while() -> None:
    with Play(TWO.replace("[route", "max_fails = 2\nfail_timeout = 10s\n[route")) as play:
        play.refuses(FIRST)
        client = play.client()
        for _ in range(6):
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        assert play.calls.count(FIRST) == 2
        play.accepts(FIRST)
        play.later(11)
        client.says(ASKED)
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
