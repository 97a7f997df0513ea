"""Every timeout, on a clock that is advanced by hand."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, ONE, SECOND, TWO

POSTED = "POST / HTTP/1.1\nHost: a\nContent-Length: 10"
POSTED_ON = "POST / HTTP/1.1\nHost: a\nContent-Length: 10\nVia: 1.1 twistedproxy"
LISTEN = "[listen http]\non = tcp:80\n"


def test_a_head_that_does_not_come_in_time_is_answered_408() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(b"GET / HTTP/1.1\r\nHo")
        play.later(9.5)
        client.hears_nothing()
        play.later(1)
        assert client.hears_message().status == 408
        client.sees_end()
        assert play.exchange().status == 408


def test_a_head_that_trickles_in_gets_no_more_time_for_that() -> None:
    with Play(ONE) as play:
        client = play.client()
        for character in b"GET / HTTP":
            client.says(bytes((character,)))
            play.later(1.1)
        assert client.hears_message().status == 408
        client.sees_end()


def test_a_connection_that_is_never_used_is_closed_without_a_word() -> None:
    with Play(ONE) as play:
        client = play.client()
        play.later(11)
        client.sees_end()
        assert not play.finished


def test_an_idle_kept_connection_is_closed_without_a_word() -> None:
    with Play(LISTEN + "keepalive_timeout = 20s\n" + ONE) as play:
        client = play.client()
        for _ in range(2):
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
            play.later(19)
        play.later(2)
        client.sees_end()


def test_the_head_of_a_further_request_has_its_own_time() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        play.later(30)
        client.says(b"GET / HT")
        play.later(9)
        client.hears_nothing()
        play.later(1.5)
        assert client.hears_message().status == 408
        client.sees_end()


def test_a_body_that_stops_is_answered_408_and_cut_for_the_peer() -> None:
    with Play(ONE + "client_timeout = 5s\nmin_rate = 0\n") as play:
        client = play.client()
        client.says(POSTED, b"0")
        origin = play.origin()
        origin.hears(POSTED_ON, b"0")
        for _ in range(3):
            play.later(4)
            client.says(b"1")
            origin.hears(b"1")
        play.later(7)
        origin.sees_cut()
        assert client.hears_message().status == 408
        client.sees_end()
        assert play.pools["app"].peers[0].failures == 0


def test_a_peer_that_accepts_no_connection_in_time_is_replaced() -> None:
    with Play(TWO + "connect_timeout = 2s\n") as play:
        play.ignores(FIRST)
        client = play.client()
        client.says(ASKED)
        play.later(2.5)
        origin = play.origin(SECOND)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert play.pools["app"].peers[0].last_failure is not None


def test_when_no_connection_can_be_made_in_time_the_answer_is_504() -> None:
    with Play(ONE + "connect_timeout = 2s\n") as play:
        play.ignores(FIRST)
        client = play.client()
        client.says(ASKED)
        play.later(1.9)
        client.hears_nothing()
        play.later(0.5)
        assert client.hears_message().status == 504
        assert str(play.exchange().reason) == "connect_timeout"


def test_a_peer_that_does_not_answer_in_time_is_cut() -> None:
    with Play(ONE + "read_timeout = 5s\n") as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        play.later(4.5)
        client.hears_nothing()
        play.later(1)
        origin.sees_cut()
        assert client.hears_message().status == 504
        assert str(play.exchange().reason) == "read_timeout"


def test_each_piece_of_an_answer_gives_the_peer_new_time() -> None:
    with Play(ONE + "read_timeout = 5s\n") as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        play.later(4)
        origin.says("HTTP/1.1 102 Processing")
        client.hears("HTTP/1.1 102 Processing")
        play.later(4)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"0")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 10", b"0")
        for _ in range(3):
            play.later(4)
            origin.says(b"1")
            client.hears(b"1")
        play.later(6)
        origin.sees_cut()
        client.sees_cut()
        assert str(play.exchange().reason) == "read_timeout"


def test_a_peer_that_takes_nothing_of_a_request_is_cut() -> None:
    with Play(ONE + "send_timeout = 5s\nclient_timeout = 1000s\n") as play:
        client = play.client()
        client.says("PUT / HTTP/1.1\nHost: a\nContent-Length: 10000000")
        origin = play.origin()
        origin.stops_reading(room=100_000)
        client.says(b"x" * 1_000_000)
        play.later(6)
        assert client.hears_message().status == 504
        client.sees_end()
        assert str(play.exchange().reason) == "send_timeout"
        origin.reads_on()
        origin.hears(origin.heard)
        origin.sees_cut()


def test_a_peer_that_takes_a_request_slowly_is_not_cut() -> None:
    with Play(ONE + "send_timeout = 5s\nclient_timeout = 1000s\n") as play:
        client = play.client()
        client.says("PUT / HTTP/1.1\nHost: a\nContent-Length: 1000000")
        origin = play.origin()
        origin.stops_reading(room=10_000)
        client.says(b"x" * 1_000_000)
        taken = 0
        for _ in range(30):
            play.later(4)
            taken += len(origin.reads(5_000))
        assert taken == 150_000
        client.hears_nothing()
        origin.reads_on()
        origin.hears(origin.heard)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_while_the_client_is_slow_the_peer_is_not_blamed() -> None:
    with Play(ONE + "read_timeout = 5s\nclient_timeout = 1000s\nmin_rate = 0\n") as play:
        client = play.client()
        client.stops_reading(room=1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 1000000", b"x" * 900_000)
        play.later(100)
        client.reads_on()
        assert len(client.heard) > 900_000
        play.later(4)
        origin.says(b"x" * 100_000)
        client.hears("HTTP/1.1 200 OK\nContent-Length: 1000000", b"x" * 1_000_000)


def test_a_client_that_stops_reading_an_answer_is_cut_and_the_peer_too() -> None:
    with Play(ONE + "client_timeout = 5s\n") as play:
        client = play.client()
        client.stops_reading(room=1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 1000000", b"x" * 1_000_000)
        play.later(6)
        origin.sees_cut()
        client.reads_on()
        client.hears(client.heard)
        client.sees_cut()
        assert str(play.exchange().reason) == "client_stalled"


def test_a_client_that_reads_slowly_is_served_to_the_end() -> None:
    with Play(ONE + "client_timeout = 5s\n") as play:
        client = play.client()
        client.stops_reading(room=200_000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 4000000", b"x" * 4_000_000)
        taken = 0
        while taken < 4_000_000:
            play.later(4)
            piece = client.reads(100_000)
            assert piece
            taken += len(piece)
        client.reads_on()
        client.hears(client.heard)
        assert play.exchange().reason is None


def test_a_client_that_never_takes_the_rest_of_a_finished_answer_is_cut() -> None:
    with Play(ONE + "client_timeout = 5s\n") as play:
        client = play.client()
        client.stops_reading(room=1000)
        client.says("GET / HTTP/1.1\nHost: example.com\nConnection: close")
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 50000", b"x" * 50_000)
        assert play.exchange().status == 200
        play.later(4)
        assert not client.is_closed
        play.later(2)
        assert client.is_closed
        client.reads_on()
        client.hears(client.heard)
        client.sees_cut()


def test_an_idle_connection_to_a_peer_is_closed_in_time() -> None:
    with Play(ONE.replace("[route", "keepalive_timeout = 20s\n[route")) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        play.later(19)
        origin.hears_nothing()
        play.later(2)
        origin.sees_end()
