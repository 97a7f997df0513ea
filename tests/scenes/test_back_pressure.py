"""A slow reader holds the fast writer back: what the proxy keeps is bounded, whoever is slow."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.transport.tcp import LARGE_READ

LARGE = 5_000_000
#: The high-water mark, one read beyond it, and what the kernel's buffer has taken.
MOST = HIGH_WATER + LARGE_READ
ROOM = 10_000


def test_an_answer_waits_at_the_peer_while_the_client_does_not_read() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.stops_reading(room=ROOM)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(f"HTTP/1.1 200 OK\nContent-Length: {LARGE}", b"x" * LARGE)
        assert LARGE - origin.waiting <= MOST + ROOM
        (connection,) = play.connections()
        assert connection.transport.pending <= MOST
        client.reads_on()
        client.hears(f"HTTP/1.1 200 OK\nContent-Length: {LARGE}", b"x" * LARGE)
        assert play.exchange().bytes_sent == LARGE


def test_a_chunked_answer_waits_likewise() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.stops_reading(room=ROOM)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", chunk * 100, b"0\r\n\r\n")
        (connection,) = play.connections()
        assert connection.transport.pending <= MOST + 1000
        assert origin.waiting > 80 * len(chunk)
        client.reads_on()
        assert client.heard.count(b"x") == 100 * 0x10000
        assert client.heard.endswith(b"0\r\n\r\n")
        client.hears(client.heard)


def test_a_request_waits_at_the_client_while_the_peer_does_not_read() -> None:
    with Play(ONE + "max_body = 0\n") as play:
        client = play.client()
        client.says(f"PUT / HTTP/1.1\nHost: a\nContent-Length: {LARGE}")
        origin = play.origin()
        origin.stops_reading(room=ROOM)
        client.says(b"x" * LARGE)
        assert LARGE - client.waiting <= MOST + ROOM
        origin.reads_on()
        origin.hears(f"PUT / HTTP/1.1\nHost: a\nContent-Length: {LARGE}\nVia: 1.1 twistedproxy", b"x" * LARGE)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.exchange().bytes_received == LARGE


def test_a_request_waits_at_the_client_while_there_is_no_connection() -> None:
    with Play(ONE + "max_body = 0\n") as play:
        play.ignores("10.0.0.1:80")
        client = play.client()
        client.says(f"PUT / HTTP/1.1\nHost: a\nContent-Length: {LARGE}")
        client.says(b"x" * LARGE)
        assert LARGE - client.waiting <= HIGH_WATER + LARGE_READ
        play.later(6)
        assert client.hears_message().status == 504
        client.sees_end()


def test_the_connection_to_the_peer_serves_on_after_a_slow_client() -> None:
    with Play(ONE) as play:
        slow, quick = play.client(), play.client()
        slow.stops_reading(room=ROOM)
        slow.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 200000")
        origin.says(b"x" * 200_000)
        assert len(play.finished) <= 1
        slow.reads_on()
        slow.hears("HTTP/1.1 200 OK\nContent-Length: 200000", b"x" * 200_000)
        quick.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        quick.hears(ANSWER, b"hello")


def test_an_answer_whose_last_piece_fills_the_clients_buffer_leaves_the_peer_readable() -> None:
    with Play(ONE) as play:
        slow, quick = play.client(), play.client()
        slow.stops_reading(room=0)
        slow.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1\r\nx\r\n")
        # A small read, then one that crosses the high-water mark and ends the answer: the peer is paused as its part is over.
        origin.says(b"13000\r\n" + b"x" * 0x13000 + b"\r\n0\r\nX-Sum: 1\r\n\r\n")
        quick.says(ASKED)
        if not play.finished:
            play.origin().hears(FORWARDED)
            quick.resets()
        else:
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            quick.hears(ANSWER, b"hello")
        slow.reads_on()
        slow.hears(slow.heard)


def test_a_client_that_pipelines_without_reading_is_not_served_on_and_on() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.stops_reading(room=ROOM)
        client.says(*[ASKED] * 100)
        origin = play.origin()
        served = 0
        while origin.heard:
            origin.hears(FORWARDED)
            origin.says("HTTP/1.1 200 OK\nContent-Length: 30000", b"x" * 30_000)
            served += 1
            assert served < 20
        (connection,) = play.connections()
        assert connection.transport.pending < HIGH_WATER + 40_000
        client.reads_on()
        while origin.heard:
            origin.hears(FORWARDED)
            origin.says("HTTP/1.1 200 OK\nContent-Length: 30000", b"x" * 30_000)
            served += 1
        assert served == 100
        client.hears(*["HTTP/1.1 200 OK\nContent-Length: 30000", b"x" * 30_000] * 100)


def test_pipelined_requests_wait_at_the_client_while_one_is_served() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        request = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
        client.says(request * 50_000)
        assert client.waiting > 1_000_000
        for _ in range(20):
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        assert client.waiting > 1_000_000, "what is served makes room for what it took, no more"
        origin.hears(FORWARDED)
        client.resets()
        # Noticed at once, though much of what the client had sent was never read.
        origin.sees_cut()
        assert str(play.exchange().reason) == "client_gone"
