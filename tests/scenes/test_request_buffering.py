"""``request_buffering``: a slow upload occupies no peer."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, FIRST, ONE, SECOND, TWO

BUFFERED = "request_buffering = yes\nbuffer_size = 100k\n"
#: HEAD of an upload as a client says it, and as a peer hears it.
POSTED = "POST / HTTP/1.1\nHost: example.com\nContent-Length: {}"
POSTED_ON = POSTED + "\nVia: 1.1 twistedproxy"


def test_a_peer_is_asked_when_the_body_is_complete() -> None:
    with Play(ONE + BUFFERED) as play:
        client = play.client()
        client.says(POSTED.format(20_000))
        for _ in range(4):
            client.says(b"x" * 4_000)
            play.later(1)
            play.no_connection()
            assert play.in_flight() == 0
        client.says(b"x" * 4_000)
        origin = play.origin()
        origin.hears(POSTED_ON.format(20_000), b"x" * 20_000)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_body_larger_than_the_buffer_is_passed_on_when_the_buffer_is_full() -> None:
    with Play(ONE + BUFFERED) as play:
        client = play.client()
        client.says(POSTED.format(1_000_000), b"x" * 90_000)
        play.no_connection()
        client.says(b"x" * 910_000)
        origin = play.origin()
        origin.hears(POSTED_ON.format(1_000_000), b"x" * 1_000_000)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_chunks_and_trailers_are_collected_too() -> None:
    with Play(ONE + BUFFERED) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        play.no_connection()
        client.says(b"0\r\nX-Sum: 1\r\n\r\n")
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy\nTransfer-Encoding: chunked")
        origin.hears(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_client_that_waits_for_a_100_gets_it_from_us() -> None:
    with Play(ONE + BUFFERED) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 5\nExpect: 100-continue")
        client.hears("HTTP/1.1 100 Continue")
        play.no_connection()
        client.says(b"12345")
        origin = play.origin()
        assert origin.hears_message().body == b"12345"
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_client_that_leaves_in_the_middle_costs_no_peer_anything() -> None:
    with Play(ONE + BUFFERED) as play:
        client = play.client()
        client.says(POSTED.format(20_000), b"x")
        client.leaves()
        play.no_connection()
        assert str(play.exchange().reason) == "request_cut"


def test_what_was_collected_can_be_sent_to_another_peer() -> None:
    with Play(TWO + BUFFERED) as play:
        play.refuses(FIRST)
        client = play.client()
        client.says(POSTED.format(90_000), b"x" * 40_000)
        client.says(b"x" * 50_000)
        origin = play.origin(SECOND)
        origin.hears(POSTED_ON.format(90_000), b"x" * 90_000)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
