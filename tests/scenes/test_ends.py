"""What becomes of an exchange when somebody answers early, leaves, or breaks off."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE

POSTED = "POST / HTTP/1.1\nHost: a\nContent-Length: 10"
POSTED_ON = "POST / HTTP/1.1\nHost: a\nContent-Length: 10\nVia: 1.1 twistedproxy"
CHUNKED = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"
CHUNKED_ON = "POST / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy\nTransfer-Encoding: chunked"
TOO_LARGE = 413


def test_an_answer_before_the_end_of_the_request_is_passed_on_and_both_connections_close() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(POSTED, b"01234")
        origin = play.origin()
        origin.hears(POSTED_ON, b"01234")
        origin.says("HTTP/1.1 401 Unauthorized\nContent-Length: 2", b"no")
        client.hears("HTTP/1.1 401 Unauthorized\nContent-Length: 2\nConnection: close", b"no")
        origin.sees_end()
        client.sees_end()
        client.says(b"56789", ASKED)
        assert play.exchange().status == 401


def test_an_early_answer_may_stream_while_the_request_still_does() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(POSTED, b"01234")
        origin = play.origin()
        origin.hears(POSTED_ON, b"01234")
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10\nConnection: close", b"01234")
        client.says(b"56789")
        origin.hears(b"56789")
        origin.says(b"56789")
        client.hears(b"56789")
        client.sees_end()


def test_a_client_that_reads_nothing_while_it_uploads_still_gets_an_early_answer() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(POSTED, b"0")
        origin = play.origin()
        origin.hears(POSTED_ON, b"0")
        origin.says("HTTP/1.1 500 Oh\nContent-Length: 0")
        client.hears("HTTP/1.1 500 Oh\nContent-Length: 0\nConnection: close")
        client.sees_end()
        origin.sees_end()
        client.says(b"1" * 500_000)
        assert client.waiting == 0, "what the client still sends is read, so that no reset overtakes the answer"
        assert not client.is_closed
        play.later(3)
        assert client.is_closed


def test_a_body_that_is_announced_too_large_is_refused_unread_and_goes_to_no_peer() -> None:
    with Play(ONE + "max_body = 1k\n") as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 1025")
        assert client.hears_message().status == TOO_LARGE
        client.sees_end()
        play.no_connection()
        client.says(b"x" * 1025, ASKED)


@pytest.mark.parametrize("slowly", [False, True])
def test_a_chunked_body_that_grows_too_large_is_refused(slowly: bool) -> None:
    with Play(ONE + "max_body = 1k\n") as play:
        client = play.client()
        if slowly:
            client.says(CHUNKED)
            origin = play.origin()
            client.says(b"400\r\n" + b"x" * 1024 + b"\r\n")
            origin.hears(CHUNKED_ON, b"400\r\n" + b"x" * 1024 + b"\r\n")
            client.says(b"1\r\nx\r\n")
            origin.sees_cut()
        else:
            client.says(CHUNKED, b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n")
            play.no_connection()
        assert client.hears_message().status == TOO_LARGE
        if slowly:
            client.sees_end()
        else:
            # The request was complete: the next one begins where it seems to.
            client.says(ASKED)
            origin = play.origin()
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")


def test_a_body_just_as_large_as_allowed_passes() -> None:
    with Play(ONE + "max_body = 1k\n") as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 1024", b"x" * 1024)
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: a\nContent-Length: 1024\nVia: 1.1 twistedproxy", b"x" * 1024)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


@pytest.mark.parametrize("way", ["leaves", "resets", "ends"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_that_is_cut_is_cut_for_the_peer_never_completed(way: str, chunked: bool) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(*((CHUNKED, b"5\r\n01234\r\n") if chunked else (POSTED, b"01234")))
        origin = play.origin()
        origin.hears(*((CHUNKED_ON, b"5\r\n01234\r\n") if chunked else (POSTED_ON, b"01234")))
        getattr(client, way)()
        origin.sees_cut()
        if way == "ends":
            client.sees_cut()
        assert play.exchange().status == 499
        assert str(play.exchange().reason) == "request_cut"


def test_a_client_that_leaves_before_the_answer_cancels_the_peers_work() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        client.resets()
        origin.sees_cut()
        assert play.exchange().status == 499
        assert str(play.exchange().reason) == "client_gone"
        assert play.pools["app"].peers[0].failures == 0


def test_a_client_that_leaves_while_a_connection_is_made_stops_that() -> None:
    with Play(ONE) as play:
        play.ignores("10.0.0.1:80")
        client = play.client()
        client.says(ASKED)
        client.resets()
        assert play.in_flight() == 0
        play.accepts("10.0.0.1:80")
        play.later(1)
        play.no_connection()


def test_a_client_that_leaves_in_mid_answer_cancels_the_peers_work() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        client.resets()
        origin.sees_cut()
        assert play.exchange().status == 200
        assert str(play.exchange().reason) == "client_gone"


def test_requests_that_a_client_pipelined_before_it_left_are_not_served() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED, ASKED, ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        client.resets()
        origin.sees_cut()
        play.no_connection()
        assert len(play.finished) == 1


def test_a_client_with_its_sending_side_closed_gets_its_answer() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        client.ends()
        origin = play.origin()
        origin.hears(FORWARDED)
        play.later(4)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10\nConnection: close", b"01234")
        play.later(50)
        origin.says(b"56789")
        client.hears(b"56789")
        client.sees_end()


def test_pipelined_requests_of_a_half_closed_client_are_all_answered() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED, ASKED)
        client.ends()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        client.sees_end()


def test_a_half_closed_client_whose_answer_does_not_begin_counts_as_gone() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        client.ends()
        origin = play.origin()
        origin.hears(FORWARDED)
        play.later(6)
        origin.sees_cut()
        client.sees_cut()
        assert play.exchange().status == 499


def test_a_client_that_closes_an_idle_connection_is_let_go() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.ends()
        client.sees_end()


@pytest.mark.parametrize("way", ["leaves", "resets"])
@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (("HTTP/1.1 200 OK\nContent-Length: 10", b"01234"), ("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")),
        (
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\n01234\r\n"),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\n01234\r\n"),
        ),
        (
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"a\r\n01234"),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\n01234\r\n"),
        ),
    ],
)
def test_an_answer_that_is_cut_is_cut_for_the_client_never_completed(
    answer: tuple[str | bytes, ...], seen: tuple[str | bytes, ...], way: str
) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(*answer)
        getattr(origin, way)()
        client.hears(*seen)
        client.sees_cut()
        assert play.exchange().status == 200
        assert str(play.exchange().reason) == "response_cut"
        assert play.pools["app"].peers[0].failures == 1


def test_a_reset_is_no_regular_end_of_an_answer_without_a_length() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nX: y", b"hel")
        client.hears("HTTP/1.1 200 OK\nX: y\nTransfer-Encoding: chunked", b"3\r\nhel\r\n")
        origin.resets()
        client.sees_cut()


def test_an_http_1_0_client_sees_the_cut_too() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says("GET / HTTP/1.0\nHost: example.com")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nVia: 1.0 twistedproxy")
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        client.hears("HTTP/1.1 200 OK\nConnection: close", b"hello")
        origin.leaves()
        client.sees_cut()


@pytest.mark.parametrize("early", [False, True])
def test_a_broken_chunk_is_answered_with_400_and_the_peer_sees_no_end(early: bool) -> None:
    with Play(ONE) as play:
        client = play.client()
        if early:
            client.says(CHUNKED, b"5\r\n01234\r\nzz\r\n")
        else:
            client.says(CHUNKED, b"5\r\n01234\r\n")
            origin = play.origin()
            origin.hears(CHUNKED_ON, b"5\r\n01234\r\n")
            client.says(b"zz\r\n")
            origin.sees_cut()
        assert client.hears_message().status == 400
        client.sees_end()
        play.no_connection()


def test_a_broken_chunk_after_the_answer_began_cuts_both() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(CHUNKED, b"5\r\n01234\r\n")
        origin = play.origin()
        origin.hears(CHUNKED_ON, b"5\r\n01234\r\n")
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"01234")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10\nConnection: close", b"01234")
        client.says(b"zz\r\n")
        origin.sees_cut()
        client.sees_cut()
        assert str(play.exchange().reason) == "bad_chunk"


def test_when_the_site_stops_running_exchanges_finish_and_say_close() -> None:
    with Play(ONE) as play:
        idle, busy = play.client(), play.client()
        busy.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        play.listeners["http"].closing = True
        for connection in play.connections():
            connection.close_when_idle()
        play.turn()
        idle.sees_end()
        origin.says(ANSWER, b"hello")
        busy.hears("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello")
        busy.sees_end()
