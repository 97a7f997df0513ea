"""A client that moves a body by drops is cut; one that is held back, or to whom little is sent, is not."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE

RATED = ONE + "client_timeout = 60s\nmin_rate = 1k\nmin_rate_grace = 10s\n"
POSTED = "POST / HTTP/1.1\nHost: example.com\nContent-Length: 1000000"
POSTED_ON = "POST / HTTP/1.1\nHost: example.com\nContent-Length: 1000000\nVia: 1.1 twistedproxy"


def test_an_upload_by_drops_is_answered_408_though_each_drop_comes_in_time() -> None:
    with Play(RATED) as play:
        client = play.client()
        client.says(POSTED)
        origin = play.origin()
        origin.hears(POSTED_ON)
        for _ in range(9):
            client.says(b"x" * 100)
            origin.hears(b"x" * 100)
            play.later(1)
        client.hears_nothing()
        play.later(5)
        origin.sees_cut()
        assert client.hears_message().status == 408
        client.sees_end()
        assert str(play.exchange().reason) == "request_timeout"


def test_an_upload_at_the_least_rate_goes_on() -> None:
    with Play(RATED) as play:
        client = play.client()
        client.says(POSTED)
        origin = play.origin()
        origin.hears(POSTED_ON)
        for _ in range(60):
            client.says(b"x" * 1100)
            origin.hears(b"x" * 1100)
            play.later(1)
        client.hears_nothing()
        client.resets()
        origin.sees_cut()


def test_what_came_fast_lets_a_client_pause() -> None:
    with Play(RATED) as play:
        client = play.client()
        client.says(POSTED, b"x" * 900_000)
        origin = play.origin()
        origin.hears(POSTED_ON, b"x" * 900_000)
        play.later(50)
        client.says(b"x" * 100_000)
        origin.hears(b"x" * 100_000)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_without_a_least_rate_drops_are_enough() -> None:
    with Play(RATED.replace("1k", "0")) as play:
        client = play.client()
        client.says(POSTED)
        origin = play.origin()
        origin.hears(POSTED_ON)
        for _ in range(10):
            client.says(b"x")
            origin.hears(b"x")
            play.later(50)
        client.resets()
        origin.sees_cut()


def test_a_client_that_a_slow_peer_holds_back_is_not_blamed() -> None:
    with Play(RATED + "send_timeout = 1000s\n") as play:
        client = play.client()
        client.says(POSTED)
        origin = play.origin()
        origin.stops_reading(room=1000)
        client.says(b"x" * 1_000_000)
        play.later(500)
        client.hears_nothing()
        origin.reads_on()
        origin.hears(POSTED_ON, b"x" * 1_000_000)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_client_that_waits_for_a_100_is_not_blamed_for_the_peer() -> None:
    with Play(RATED) as play:
        client = play.client()
        client.says("PUT / HTTP/1.1\nHost: example.com\nContent-Length: 5\nExpect: 100-continue")
        origin = play.origin()
        origin.hears("PUT / HTTP/1.1\nHost: example.com\nContent-Length: 5\nExpect: 100-continue\nVia: 1.1 twistedproxy")
        play.later(30)
        origin.says("HTTP/1.1 100 Continue")
        client.hears("HTTP/1.1 100 Continue")
        play.later(5)
        client.says(b"12345")
        origin.hears(b"12345")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_client_that_takes_an_answer_by_drops_is_cut() -> None:
    with Play(RATED) as play:
        client = play.client()
        client.stops_reading(room=1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 4000000", b"x" * 4_000_000)
        for _ in range(9):
            play.later(1)
            client.reads(100)
        assert not client.is_closed
        play.later(5)
        origin.sees_cut()
        client.reads_on()
        client.hears(client.heard)
        client.sees_cut()
        assert str(play.exchange().reason) == "client_stalled"


def test_the_rest_of_a_finished_answer_has_to_be_taken_at_the_same_rate() -> None:
    with Play(RATED) as play:
        client = play.client()
        client.stops_reading(room=1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 60000", b"x" * 60_000)
        assert play.exchange().status == 200
        for _ in range(9):
            play.later(1)
            client.reads(100)
        assert not client.is_closed
        play.later(5)
        assert client.is_closed
        client.reads_on()
        client.hears(client.heard)
        client.sees_cut()


def test_a_client_to_whom_little_is_sent_is_not_blamed() -> None:
    with Play(RATED + "read_timeout = 1000s\n") as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nContent-Length: 1000")
        client.hears("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nContent-Length: 1000")
        # Each event waits for a moment, and is taken before the next one comes.
        for _ in range(100):
            client.stops_reading(room=5)
            origin.says(b"0123456789")
            play.later(2)
            client.reads_on()
            client.hears(b"0123456789")
            play.later(3)


def test_events_go_to_the_client_as_they_come() -> None:
    with Play(RATED + "buffering = yes\nbuffer_size = 1m\n") as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        head = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked"
        origin.says(head)
        client.hears("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked")
        for number in range(3):
            origin.says(b"9\r\ndata: %d\n\n\r\n" % number)
            client.hears(b"9\r\ndata: %d\n\n\r\n" % number)
        origin.says(b"0\r\n\r\n")
        client.hears(b"0\r\n\r\n")
