"""``total_timeout``: however an exchange goes on, it ends in time."""

from __future__ import annotations

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE

SHORT = ONE + "total_timeout = 20s\n"


def test_an_answer_that_has_not_begun_in_time_is_a_504() -> None:
    with Play(SHORT) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        for _ in range(4):
            play.later(4)
            origin.says("HTTP/1.1 102 Processing")
            client.hears("HTTP/1.1 102 Processing")
        play.later(4.5)
        assert client.hears_message().status == 504
        origin.sees_cut()
        assert str(play.exchange().reason) == "total_timeout"
        assert play.pools["app"].peers[0].failures == 0


def test_an_answer_that_does_not_end_in_time_is_visibly_cut() -> None:
    with Play(SHORT) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 1000", b"x")
        client.hears("HTTP/1.1 200 OK\nContent-Length: 1000", b"x")
        for _ in range(4):
            play.later(4.5)
            origin.says(b"x")
            client.hears(b"x")
        play.later(3)
        client.sees_cut()
        origin.sees_cut()
        assert (play.exchange().status, str(play.exchange().reason)) == (200, "total_timeout")


def test_an_upload_that_does_not_end_in_time_is_cut_for_the_peer() -> None:
    with Play(SHORT + "min_rate = 0\n") as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: example.com\nContent-Length: 1000", b"x")
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: example.com\nContent-Length: 1000\nVia: 1.1 twistedproxy", b"x")
        play.later(21)
        origin.sees_cut()
        assert client.hears_message().status == 504
        client.sees_end()


def test_what_ends_in_time_leaves_nothing_behind() -> None:
    with Play(SHORT) as play:
        client = play.client()
        for _ in range(3):
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            play.later(15)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")


def test_a_websocket_is_not_bound_by_it() -> None:
    with Play(SHORT) as play:
        client = play.client()
        client.says(
            """
            GET / HTTP/1.1
            Host: example.com
            Connection: Upgrade
            Upgrade: websocket
            Sec-WebSocket-Version: 13
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
            """
        )
        origin = play.origin()
        assert origin.hears_message().start == "GET / HTTP/1.1"
        origin.says(
            """
            HTTP/1.1 101 Switching Protocols
            Connection: Upgrade
            Upgrade: websocket
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
            """
        )
        assert client.hears_message().status == 101
        play.later(60)
        client.says(b"still here")
        origin.hears(b"still here")
        client.resets()
        origin.overlooks()
