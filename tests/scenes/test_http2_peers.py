"""Peers that speak HTTP/2: many exchanges on one connection."""

from __future__ import annotations

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, PushPromiseFrame

from tests.kit.http2 import Http2Client, Http2Origin
from tests.kit.play import Play

SITE = """
[pool app]
servers = 10.0.0.1:80
protocol = h2
[route /]
pool = app
"""
TWO = SITE.replace("servers = 10.0.0.1:80", "servers =\n    10.0.0.1:80\n    10.0.0.2:80")
GET = "GET / HTTP/1.1\nHost: a"
HANDSHAKE = (
    "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13"
)


def asked(method: str = "GET", path: str = "/", *fields: tuple[str, str], via: str = "1.1") -> list[tuple[str, str]]:
    head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
    return [*head, *fields, ("via", f"{via} twistedproxy")]


def test_a_request_becomes_a_stream_and_its_answer_an_answer() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("GET /x?y HTTP/1.1\nHost: a\nAccept: */*\nConnection: keep-alive\nTE: gzip")
        origin = Http2Origin(play)
        stream = origin.hears()
        assert origin.request(stream).fields == asked("GET", "/x?y", ("accept", "*/*"))
        assert origin.request(stream).ended
        origin.answers(stream, "200", ("content-length", "5"), ("x-a", "b"), body=b"hello")
        client.hears("HTTP/1.1 200 OK\ncontent-length: 5\nx-a: b", b"hello")
        assert play.idle() == 1


def test_the_next_request_takes_the_same_connection() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        for _ in range(3):
            origin.answers(origin.hears(), "204")
            client.hears("HTTP/1.1 204 No Content")
            client.says(GET)
        play.no_connection()
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        assert origin.order == [1, 3, 5, 7]


def test_exchanges_share_a_connection_and_do_not_wait_for_each_other() -> None:
    with Play(SITE) as play:
        clients = [play.client() for _ in range(3)]
        for number, client in enumerate(clients):
            client.says(f"GET /{number} HTTP/1.1\nHost: a")
        origin = Http2Origin(play)
        play.no_connection()
        streams = [origin.hears() for _ in clients]
        for number in (2, 0, 1):
            origin.answers(streams[number], "200", ("content-length", "1"), body=b"%d" % number)
            clients[number].hears("HTTP/1.1 200 OK\ncontent-length: 1", b"%d" % number)


def test_more_exchanges_than_the_peer_allows_take_another_connection() -> None:
    with Play(SITE) as play:
        clients = [play.client() for _ in range(5)]
        for client in clients:
            client.says(GET)
        first = Http2Origin(play, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
        second = Http2Origin(play, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
        third = Http2Origin(play)
        for origin, number in ((first, 2), (second, 2), (third, 1)):
            for _ in range(number):
                origin.answers(origin.hears(), "204")
        for client in clients:
            client.hears("HTTP/1.1 204 No Content")


def test_a_body_of_any_length_and_its_trailers_reach_the_peer() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", b"5\r\nhello\r\n")
        origin = Http2Origin(play)
        stream = origin.hears()
        assert origin.request(stream).fields == asked("POST")
        assert (origin.request(stream).body, origin.request(stream).ended) == (b"hello", False)
        client.says(b"1\r\n!\r\n0\r\nSum: 6\r\n\r\n")
        assert (origin.request(stream).body, origin.request(stream).trailers) == (b"hello!", [("sum", "6")])
        origin.answers(stream, "200", body=b"ok", more=True)
        origin.trails(stream, ("grpc-status", "0"))
        client.hears("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n")


def test_trailers_may_follow_a_body_that_waited_for_the_connection() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", b"1\r\n!\r\n0\r\nSum: 1\r\n\r\n")
        origin = Http2Origin(play)
        stream = origin.hears()
        request = origin.request(stream)
        assert (request.body, request.trailers, request.ended) == (b"!", [("sum", "1")], True)
        origin.answers(stream, "204")
        client.hears("HTTP/1.1 204 No Content")


def test_from_end_to_end_nothing_is_lost_that_grpc_needs() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/svc/Chat", ("te", "trailers"), ("content-type", "application/grpc"), more=True)
        origin = Http2Origin(play)
        up = origin.hears()
        assert origin.request(up).fields == [
            *asked("POST", "/svc/Chat", ("content-type", "application/grpc"), via="2.0"),
            ("te", "trailers"),
        ]
        origin.answers(up, "200", ("content-type", "application/grpc"), more=True)
        for number in range(3):
            client.sends(stream, b"ask %d;" % number)
            assert origin.request(up).body.endswith(b"ask %d;" % number)
            origin.sends(up, b"say %d;" % number)
            assert client.answer(stream).body.endswith(b"say %d;" % number)
        client.sends(stream, b"", ends=True)
        assert origin.request(up).ended
        origin.trails(up, ("grpc-status", "0"))
        answer = client.answer(stream)
        assert (answer.trailers, answer.ended, answer["content-type"]) == ([("grpc-status", "0")], True, "application/grpc")


def test_an_answer_of_trailers_only_stays_one() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", body=b"?")
        origin = Http2Origin(play)
        origin.answers(origin.hears(), "200", ("grpc-status", "12"))
        answer = client.answer(stream)
        assert (answer.fields, answer.ended) == ([(":status", "200"), ("grpc-status", "12")], True)


def test_a_conversation_may_be_slow_in_one_direction() -> None:
    with Play(SITE + "client_timeout = 30s\nmin_rate = 1k\nmin_rate_grace = 10s\n") as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", more=True)
        origin = Http2Origin(play)
        up = origin.hears()
        origin.answers(up, "200", more=True)
        for number in range(10):
            play.later(20)
            origin.sends(up, b"tick")
            assert client.answer(stream).body == b"tick" * (number + 1)
        play.later(62)
        assert client.answer(stream).reset is not None
        assert origin.request(up).reset == ErrorCodes.CANCEL


def test_interim_answers_pass_and_a_head_answer_has_no_body() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("HEAD / HTTP/1.1\nHost: a")
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.h2.send_headers(stream, [(":status", "103"), ("link", "</a>")])
        origin.answers(stream, "200", ("content-length", "5"))
        client.hears("HTTP/1.1 103 Early Hints\nlink: </a>")
        client.hears("HTTP/1.1 200 OK\ncontent-length: 5")


def test_an_answer_that_is_cut_is_not_complete() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = Http2Origin(play)
        up = origin.hears()
        origin.answers(up, "200", body=b"hel", more=True)
        origin.resets(up, ErrorCodes.INTERNAL_ERROR)
        answer = client.answer(stream)
        assert (answer.body, answer.ended, answer.reset) == (b"hel", False, ErrorCodes.INTERNAL_ERROR)
        assert str(play.exchange().reason) == "response_cut"


def test_a_client_that_leaves_cancels_its_stream_and_no_other() -> None:
    with Play(SITE) as play:
        one, other = play.client(), play.client()
        one.says(GET)
        other.says(GET)
        origin = Http2Origin(play)
        first, second = origin.hears(), origin.hears()
        one.resets()
        assert origin.request(first).reset == ErrorCodes.CANCEL
        origin.answers(second, "204")
        other.hears("HTTP/1.1 204 No Content")
        assert play.in_flight() == 0


def test_an_early_answer_is_passed_on_and_the_rest_not_sent() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 10", b"hello")
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.answers(stream, "403")
        client.hears("HTTP/1.1 403 Forbidden\nContent-Length: 0\nConnection: close")
        client.sees_end()
        assert origin.request(stream).reset == ErrorCodes.CANCEL


def test_a_slow_client_holds_its_stream_back_and_no_other() -> None:
    with Play(SITE) as play:
        slow, quick = play.client(), play.client()
        slow.stops_reading(1000)
        slow.says(GET)
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.answers(stream, "200", ("content-length", "3000000"), more=True)
        sent = 0
        while sent < 3_000_000 and (size := min(16_384, 3_000_000 - sent, origin.h2.local_flow_control_window(stream))):
            origin.sends(stream, bytes(size), ends=sent + size == 3_000_000)
            sent += size
        assert sent < 1_000_000
        quick.says(GET)
        origin.answers(origin.hears(), "204")
        quick.hears("HTTP/1.1 204 No Content")
        slow.reads_on()
        while sent < 3_000_000:
            origin.flush()
            size = min(16_384, 3_000_000 - sent, origin.h2.local_flow_control_window(stream))
            assert size
            origin.sends(stream, bytes(size), ends=sent + size == 3_000_000)
            sent += size
        assert len(slow.hears_message().body) == 3_000_000


def test_a_peer_that_opens_no_window_holds_the_client_back() -> None:
    with Play(SITE) as play:
        client = play.client()
        size = 3_000_000
        client.says(f"PUT / HTTP/1.1\nHost: a\nContent-Length: {size}", bytes(size))
        origin = Http2Origin(play, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        stream = origin.hears()
        got = len(origin.request(stream).body)
        while got < size:
            origin.h2.increment_flow_control_window(100_000, stream)
            origin.flush()
            assert len(origin.request(stream).body) > got
            got = len(origin.request(stream).body)
        origin.answers(stream, "204")
        client.hears("HTTP/1.1 204 No Content")


# What ends.


def test_what_a_goaway_leaves_untouched_is_sent_again_whatever_it_is() -> None:
    with Play(SITE) as play:
        client, other = play.client(), play.client()
        client.says(GET)
        origin = Http2Origin(play)
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        client.says(GET)
        other.says("POST / HTTP/1.1\nHost: a\nContent-Length: 5", b"hello")
        running, untouched = origin.hears(), origin.hears()
        origin.says_frames(GoAwayFrame(0, last_stream_id=running))
        anew = Http2Origin(play)
        again = anew.hears()
        assert (anew.request(again).fields[0], anew.request(again).body) == ((":method", "POST"), b"hello")
        anew.answers(again, "204")
        other.hears("HTTP/1.1 204 No Content")
        # What it works at it finishes.
        origin.answers(running, "204")
        client.hears("HTTP/1.1 204 No Content")
        assert untouched > running
        origin.party.overlooks()
        assert [str(peer.state) for peer in play.pools["app"].peers] == ["up"]


def test_a_peer_that_always_leaves_at_once_is_not_asked_for_ever() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        origin.hears()
        origin.says_frames(GoAwayFrame(0, last_stream_id=0))
        origin.party.overlooks()
        client.hears_message()
        play.no_connection()
        assert str(play.exchange().reason) == "stream_refused"


def test_a_refused_stream_is_tried_elsewhere_whatever_it_is() -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 5", b"hello")
        origin = Http2Origin(play)
        origin.resets(origin.hears(), ErrorCodes.REFUSED_STREAM)
        other = Http2Origin(play)
        stream = other.hears()
        assert other.request(stream).body == b"hello"
        other.answers(stream, "204")
        client.hears("HTTP/1.1 204 No Content")


def test_a_connection_that_breaks_loses_what_ran_on_it() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 5", b"hello")
        origin = Http2Origin(play)
        origin.hears()
        origin.party.leaves()
        assert client.hears_message().status == 502
        assert str(play.exchange().reason) == "peer_closed"


def test_what_may_be_repeated_is_sent_again_when_a_used_connection_breaks() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        client.says(GET)
        origin.hears()
        origin.party.leaves()
        anew = Http2Origin(play)
        anew.answers(anew.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")


def test_an_idle_connection_is_closed_after_its_time() -> None:
    with Play(SITE.replace("protocol", "keepalive_timeout = 20s\nprotocol")) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        play.later(21)
        origin.flush()
        assert origin.goaway == ErrorCodes.NO_ERROR
        origin.party.sees_end()
        assert play.idle() == 0


def test_without_keepalive_a_connection_ends_with_its_last_request() -> None:
    with Play(SITE.replace("protocol", "keepalive = 0\nprotocol")) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        origin.flush()
        origin.party.sees_end()


def test_a_connection_on_which_nothing_comes_gets_no_further_requests() -> None:
    with Play(SITE + "read_timeout = 5s\n") as play:
        client = play.client()
        client.says(GET)
        dead = Http2Origin(play)
        dead.answers(dead.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        client.says(GET)
        dead.hears()
        play.later(6)
        assert client.hears_message().status == 504
        client.says(GET)
        alive = Http2Origin(play)
        alive.answers(alive.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")
        dead.party.overlooks()


def test_a_peer_that_says_no_settings_is_no_peer_of_http2() -> None:
    with Play(SITE + "connect_timeout = 5s\n") as play:
        client = play.client()
        client.says(GET)
        origin = play.origin()
        play.later(6)
        assert client.hears_message().status == 504
        assert str(play.exchange().reason) == "connect_timeout"
        origin.overlooks()


def test_a_peer_that_speaks_http1_is_said_to() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 0")
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 400 Bad Request\nContent-Length: 0")
        assert client.hears_message().status == 502
        assert "does not speak HTTP/2" in play.exchange().detail
        origin.overlooks()


def test_a_peer_that_allows_no_streams_is_not_asked() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        assert client.hears_message().status == 502
        assert str(play.exchange().reason) == "stream_refused"
        origin.party.overlooks()


def test_a_peer_that_refuses_connections_is_tried_elsewhere() -> None:
    with Play(TWO) as play:
        play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play, "10.0.0.2:80")
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")


def test_who_leaves_before_the_connection_stands_leaves_nothing_behind() -> None:
    with Play(SITE) as play:
        play.ignores("10.0.0.1:80")
        client = play.client()
        client.says(GET)
        client.resets()
        assert play.in_flight() == 0


#: Answers that are none.
WRONG = {
    "no status": [("x", "y")],
    "a status that is none": [(":status", "20")],
    "a status twice": [(":status", "200"), (":status", "200")],
    "upper case": [(":status", "200"), ("X", "y")],
    "a field of connections": [(":status", "200"), ("connection", "close")],
    "a bad value": [(":status", "200"), ("x", "a\nb")],
    "a switch of protocols": [(":status", "101")],
    "two lengths": [(":status", "200"), ("content-length", "1"), ("content-length", "1")],
    "no length": [(":status", "200"), ("content-length", "x")],
}


@pytest.mark.parametrize("what", WRONG)
def test_a_malformed_answer_is_none(what: str) -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.says_frames(HeadersFrame(stream, origin.h2.encoder.encode(WRONG[what]), flags=["END_HEADERS"]))
        assert client.hears_message().status == 502
        assert origin.request(stream).reset == ErrorCodes.PROTOCOL_ERROR
        # The connection is as good as before.
        client.says(GET)
        origin.answers(origin.hears(), "204")
        client.hears("HTTP/1.1 204 No Content")


def test_content_that_is_not_as_long_as_announced_is_seen() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(GET)
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.answers(stream, "200", ("content-length", "5"), more=True)
        origin.says_frames(DataFrame(stream, b"hel", flags=["END_STREAM"]))
        client.hears("HTTP/1.1 200 OK\ncontent-length: 5")
        client.sees_cut()
        assert str(play.exchange().reason) == "response_cut"


def test_content_of_an_answer_to_head_is_none() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("HEAD")
        origin = Http2Origin(play)
        up = origin.hears()
        origin.answers(up, "200", ("content-length", "5"), more=True)
        origin.says_frames(DataFrame(up, b"hello", flags=["END_STREAM"]))
        assert origin.request(up).reset == ErrorCodes.PROTOCOL_ERROR
        assert (client.answer(stream).status, client.answer(stream).body) == ("200", b"")


def test_a_push_ends_the_connection() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST / HTTP/1.1\nHost: a\nContent-Length: 0")
        origin = Http2Origin(play)
        stream = origin.hears()
        origin.says_frames(PushPromiseFrame(stream, promised_stream_id=2))
        assert client.hears_message().status == 502
        origin.party.overlooks()
        assert "PUSH_PROMISE" in play.exchange().detail


def test_a_websocket_goes_by_a_connection_of_its_own() -> None:
    with Play(SITE) as play:
        client = play.client()
        handshake = (
            "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13"
        )
        client.says(f"GET / HTTP/1.1\nHost: a\n{handshake}")
        origin = play.origin()
        assert origin.overlooks().startswith(b"GET / HTTP/1.1\r\n")
        origin.says(
            "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        )
        assert client.hears_message().status == 101
        client.says(b"abc")
        origin.hears(b"abc")


def test_a_handshake_that_is_declined_is_answered_and_its_connection_closed() -> None:
    with Play(SITE) as play:
        client = play.client()
        handshake = (
            "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13"
        )
        client.says(f"GET / HTTP/1.1\nHost: a\n{handshake}")
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 404 Not Found\nContent-Length: 0")
        assert client.hears_message().status == 404
        origin.sees_end()
        assert play.idle() == 0
