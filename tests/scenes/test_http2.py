"""Clients of HTTP/2: the same exchanges, on streams."""

from __future__ import annotations

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import PingFrame

from tests.kit.http2 import Http2Client
from tests.kit.play import Play
from twistedproxy.admin.views import occupation

SITE = """
[pool app]
servers = 10.0.0.1:80
[route /]
pool = app
max_body = 1m
"""
FORWARDED = "GET / HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy"
ANSWER = "HTTP/1.1 200 OK\nContent-Length: 5"


def test_a_request_on_a_stream_is_an_exchange_like_any_other() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("GET", "/", ("accept", "*/*"))
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\naccept: */*\nVia: 2.0 twistedproxy")
        origin.says(ANSWER, b"hello")
        answer = client.answer(stream)
        assert answer.fields == [(":status", "200"), ("content-length", "5")]
        assert (answer.body, answer.ended) == (b"hello", True)
        assert (play.exchange().head.version, play.exchange().status) == (20, 200)


def test_streams_do_not_wait_for_each_other() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        slow, quick = client.asks("GET", "/slow"), client.asks("GET", "/quick")
        first, second = play.origin(), play.origin()
        first.hears("GET /slow HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy")
        second.hears("GET /quick HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy")
        second.says(ANSWER, b"quick")
        assert (client.answer(quick).body, client.answer(slow).status) == (b"quick", "")
        first.says(ANSWER, b"slow!")
        assert client.answer(slow).body == b"slow!"


def test_a_body_of_known_length_keeps_it() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", ("content-length", "10"), body=b"hello", more=True)
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: a\ncontent-length: 10\nVia: 2.0 twistedproxy", b"hello")
        client.sends(stream, b"world", ends=True)
        origin.hears(b"world")
        origin.says("HTTP/1.1 204 No Content")
        assert (client.answer(stream).status, client.answer(stream).ended) == ("204", True)


def test_a_body_of_unknown_length_goes_in_chunks_with_its_trailers() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", more=True)
        client.sends(stream, b"hello")
        client.h2.send_headers(stream, [("sum", "5")], end_stream=True)
        client.flush()
        origin = play.origin()
        origin.hears(
            "POST / HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy\nTransfer-Encoding: chunked", b"5\r\nhello\r\n0\r\nsum: 5\r\n\r\n"
        )
        origin.says("HTTP/1.1 204 No Content")
        assert client.answer(stream).ended


def test_trailers_of_an_answer_reach_the_client() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nhi\r\n0\r\nGrpc-Status: 0\r\n\r\n")
        answer = client.answer(stream)
        assert (answer.body, answer.trailers, answer.ended) == (b"hi", [("grpc-status", "0")], True)
        assert "content-length" not in dict(answer.fields)


def test_interim_answers_are_passed_on() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 103 Early Hints\nLink: </a>")
        origin.says(ANSWER, b"hello")
        assert (client.answer(stream).interim, client.answer(stream).status) == (["103"], "200")


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
def test_an_answer_without_a_body_ends_with_its_head(method: str, status: str) -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks(method)
        origin = play.origin()
        origin.hears(f"{method} / HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy")
        origin.says(f"HTTP/1.1 {status}\nContent-Length: 5")
        answer = client.answer(stream)
        assert (answer["content-length"], answer.body, answer.ended) == ("5", b"", True)


def test_a_cut_answer_is_no_complete_one() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 10", b"hello")
        origin.leaves()
        answer = client.answer(stream)
        assert (answer.body, answer.ended, answer.reset) == (b"hello", False, ErrorCodes.INTERNAL_ERROR)


def test_a_client_that_resets_a_stream_cancels_the_work_for_it() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        client.h2.reset_stream(stream)
        client.flush()
        origin.sees_cut()
        assert play.exchange().status == 499
        assert play.in_flight() == 0


def test_an_early_answer_ends_the_request() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", more=True)
        origin = play.origin()
        origin.hears("POST / HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy\nTransfer-Encoding: chunked")
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 2", b"no")
        origin.sees_end()
        answer = client.answer(stream)
        assert (answer.status, answer.body, answer.ended, answer.reset) == ("403", b"no", True, ErrorCodes.NO_ERROR)


def test_a_body_that_is_too_large_is_refused() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", ("content-length", "2000000"), more=True)
        assert client.answer(stream).status == "413"


def test_a_client_that_opens_no_window_holds_the_peer_back() -> None:
    with Play(SITE) as play:
        client = Http2Client(play, opens_windows=False)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5000000", bytes(5_000_000))
        answer = client.answer(stream)
        assert len(answer.body) == 65_535
        assert origin.waiting > 3_000_000
        while not answer.ended:
            got = len(answer.body)
            client.h2.increment_flow_control_window(1_000_000)
            client.h2.increment_flow_control_window(1_000_000, stream)
            client.flush()
            assert len(client.answer(stream).body) > got
        assert len(answer.body) == 5_000_000


def test_a_client_whose_window_stays_closed_is_given_up() -> None:
    with Play(SITE + "client_timeout = 5s\n") as play:
        client = Http2Client(play, opens_windows=False)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5000000", bytes(5_000_000))
        play.later(6)
        assert client.answer(stream).reset == ErrorCodes.CANCEL
        origin.sees_cut()
        assert str(play.exchange().reason) == "client_stalled"


def test_a_window_that_becomes_negative_is_waited_out() -> None:
    with Play(SITE) as play:
        client = Http2Client(play, opens_windows=False)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 60000", bytes(50_000))
        assert len(client.answer(stream).body) == 50_000
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        client.flush()
        origin.says(bytes(10_000))
        assert len(client.answer(stream).body) == 50_000
        client.h2.increment_flow_control_window(60_000, stream)
        client.flush()
        assert client.answer(stream).ended


def test_a_peer_that_takes_nothing_keeps_the_clients_window_closed() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", ("content-length", "900000"), more=True)
        origin = play.origin()
        origin.stops_reading(1000)
        sent = 0
        while client.h2.local_flow_control_window(stream) and sent < 900_000:
            size = min(16_384, client.h2.local_flow_control_window(stream))
            client.sends(stream, bytes(size))
            sent += size
        assert sent < 300_000
        origin.reads_on()
        client.flush()
        while sent < 900_000:
            size = min(16_384, client.h2.local_flow_control_window(stream), 900_000 - sent)
            assert size
            sent += size
            client.sends(stream, bytes(size), ends=sent == 900_000)
        origin.overlooks()
        origin.says("HTTP/1.1 204 No Content")
        assert client.answer(stream).ended


def test_a_malformed_request_is_a_stream_error_and_others_go_on() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        wrong = client.asks("GET", "/", ("connection", "close"))
        right = client.asks()
        assert client.answer(wrong).reset == ErrorCodes.PROTOCOL_ERROR
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        assert client.answer(right).ended
        assert play.listeners["http"].refused == {"malformed_stream": 1}


def test_a_request_that_is_not_served_is_answered() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("GET", "/../etc/passwd")
        assert client.answer(stream).status == "400"
        assert client.answer(client.asks("GET", "/", pseudo=((":authority", "b"),))).reset == ErrorCodes.PROTOCOL_ERROR


def test_a_flood_is_answered_by_goaway() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        client.sends_frames(*[PingFrame(0)] * 101)
        assert client.goaways == [(0, ErrorCodes.ENHANCE_YOUR_CALM)]
        client.party.sees_end()
        assert play.listeners["http"].refused == {"http2_flood": 1}


def test_the_site_says_what_a_flood_is() -> None:
    with Play(SITE + "[listen http]\non = tcp:80\nhttp2_max_control_frames = 5\nhttp2_max_resets = 3\n") as play:
        client = Http2Client(play)
        client.sends_frames(*[PingFrame(0)] * 5)
        assert client.goaways == []
        client.sends_frames(PingFrame(0))
        assert client.goaways == [(0, ErrorCodes.ENHANCE_YOUR_CALM)]
        client.party.sees_end()
        client = Http2Client(play)
        resets = 0
        while not client.goaways:
            stream = client.asks()
            play.origin().overlooks()
            client.h2.reset_stream(stream)
            client.flush()
            resets += 1
        assert resets == 4
        client.party.sees_end()


def test_the_site_says_how_much_of_a_body_may_wait() -> None:
    with Play(SITE + "[listen http]\non = tcp:80\nhttp2_window = 2k\n") as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", body=bytes(2048), more=True)
        assert client.h2.remote_settings[SettingCodes.INITIAL_WINDOW_SIZE] == 2048
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 204 No Content")
        assert client.answer(stream).status == "204"


def test_streams_that_are_begun_and_reset_all_the_time_are_a_flood() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        origin = None
        for _ in range(200):
            stream = client.asks()
            origin = play.origin()
            origin.overlooks()
            client.h2.reset_stream(stream)
            client.flush()
            origin.sees_cut()
            if client.goaways:
                break
        assert client.goaways[0][1] == ErrorCodes.ENHANCE_YOUR_CALM
        client.party.sees_end()
        assert play.in_flight() == 0


def test_a_stop_lets_streams_finish_and_takes_no_more() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        for connection in play.connections():
            connection.close_when_idle()
        play.later(2)
        client.answer(stream)
        assert client.goaways == [(2**31 - 1, ErrorCodes.NO_ERROR), (stream, ErrorCodes.NO_ERROR)]
        origin.says(ANSWER, b"hello")
        assert client.answer(stream).body == b"hello"
        client.party.sees_end()


def test_an_idle_connection_is_closed_after_its_time() -> None:
    with Play(SITE + "[listen http]\non = tcp:80\nkeepalive_timeout = 20s\n") as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        assert client.answer(stream).ended
        play.later(21)
        client.answer(stream)
        assert client.goaways == [(stream, ErrorCodes.NO_ERROR)]
        client.party.sees_end()


def test_a_client_that_says_goaway_gets_its_answers() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        client.party.says(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))
        origin.says(ANSWER, b"hello")
        assert client.answer(stream).body == b"hello"
        client.answer(stream)
        client.party.sees_end()


def test_a_stream_knows_where_its_client_has_come_to() -> None:
    site = SITE.replace("servers = 10.0.0.1:80", "servers = 10.0.0.1:80\nproxy_protocol = v1")
    with Play(site) as play:
        client = Http2Client(play)
        stream = client.asks()
        origin = play.origin()
        origin.hears(b"PROXY TCP4 192.0.2.1 198.51.100.1 50001 80\r\n", FORWARDED)
        origin.says(ANSWER, b"hello")
        assert client.answer(stream).ended


def test_many_streams_wait_for_a_slow_peer_and_none_is_lost() -> None:
    with Play(SITE.replace("servers = 10.0.0.1:80", "servers = 10.0.0.1:80 max_connections=3\nqueue = 1000 timeout=60s")) as play:
        client = Http2Client(play)
        streams = [client.asks("GET", f"/{number}") for number in range(100)]
        answered = 0
        origins = [play.origin() for _ in range(3)]
        while answered < 100:
            for origin in origins:
                if origin.heard:
                    path = origin.hears_message().start.split()[1]
                    origin.says(f"HTTP/1.1 200 OK\nContent-Length: {len(path)}", path.encode())
                    answered += 1
        assert [client.answer(stream).body for stream in streams] == [b"/%d" % number for number in range(100)]


def test_downloads_share_the_connection_fairly() -> None:
    with Play(SITE) as play:
        client = Http2Client(play, opens_windows=False)
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10_000_000})
        client.flush()
        streams = [client.asks() for _ in range(4)]
        for _ in streams:
            origin = play.origin()
            origin.hears(FORWARDED)
            origin.says("HTTP/1.1 200 OK\nContent-Length: 1000000", bytes(1_000_000))
        # The connection's window is the bottleneck, and every stream gets a part of it.
        for _ in range(8):
            client.h2.increment_flow_control_window(400_000)
            client.flush()
        got = [len(client.answer(stream).body) for stream in streams]
        assert min(got) > 0.6 * max(got)
        while not all(client.answer(stream).ended for stream in streams):
            client.h2.increment_flow_control_window(400_000)
            client.flush()
        assert [len(client.answer(stream).body) for stream in streams] == [1_000_000] * 4


def test_more_streams_than_allowed_are_refused_until_others_have_ended() -> None:
    with Play(SITE + "[listen http]\non = tcp:80\nhttp2_max_streams = 2\n") as play:
        client = Http2Client(play)
        client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 10
        client.h2.remote_settings.acknowledge()
        first, second, third = client.asks(), client.asks(), client.asks()
        origin, other = play.origin(), play.origin()
        play.no_connection()
        assert client.answer(third).reset == ErrorCodes.REFUSED_STREAM
        for each, stream in ((origin, first), (other, second)):
            each.hears(FORWARDED)
            each.says(ANSWER, b"hello")
            assert client.answer(stream).ended
        fourth = client.asks()
        again = play.same_origin()
        again.overlooks()
        again.says(ANSWER, b"hello")
        assert client.answer(fourth).ended


def test_a_head_of_too_many_fields_is_answered() -> None:
    with Play(SITE + "[listen http]\non = tcp:80\nmax_headers = 4\n") as play:
        client = Http2Client(play)
        fields = [(f"x-{number}", "y") for number in range(5)]
        assert client.answer(client.asks("GET", "/", *fields)).status == "431"
        plain = play.client()
        plain.says("GET / HTTP/1.1\nHost: a\nX-1: y\nX-2: y\nX-3: y\nX-4: y")
        assert plain.hears_message().status == 431
        plain.sees_end()
        plain = play.client()
        plain.says("GET / HTTP/1.1\nHost: a\nX-1: y\nX-2: y\nX-3: y")
        origin = play.origin()
        origin.overlooks()
        origin.says(ANSWER, b"hello")
        plain.hears(ANSWER, b"hello")


def test_a_head_that_is_too_large_is_answered_and_one_far_too_large_ends_the_connection() -> None:
    with Play(SITE + "[listen http]\non = tcp:80\nmax_header_size = 1k\nmax_target = 512\n") as play:
        client = Http2Client(play)
        assert client.answer(client.asks("GET", "/", ("x", "y" * 1200))).status == "431"
        assert client.answer(client.asks("GET", "/" + "x" * 600)).status == "414"
        client.asks("GET", "/", ("x", "y" * 3000))
        client.party.sees_end()
        assert client.goaways[0][1] == ErrorCodes.ENHANCE_YOUR_CALM


def test_an_answer_of_unknown_length_to_head_says_no_length() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        stream = client.asks("HEAD")
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked")
        assert client.answer(stream).fields == [(":status", "200")]


def test_a_request_that_stops_halfway_is_given_up() -> None:
    with Play(SITE + "client_timeout = 5s\n") as play:
        client = Http2Client(play)
        stream = client.asks("POST", "/", ("content-length", "10"), body=b"hello", more=True)
        origin = play.origin()
        origin.overlooks()
        play.later(7)
        assert client.answer(stream).status == "408"
        origin.sees_cut()


def test_who_reads_nothing_gets_no_more_than_the_kernel_takes() -> None:
    with Play(SITE) as play:
        client = Http2Client(play, opens_windows=False)
        client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        client.h2.increment_flow_control_window(2**30)
        client.flush()
        client.asks()
        origin = play.origin()
        origin.hears(FORWARDED)
        client.party.stops_reading(1000)
        origin.says("HTTP/1.1 200 OK\nContent-Length: 50000000", bytes(50_000_000))
        assert origin.waiting > 40_000_000
        client.party.resets()
        origin.sees_cut()


def test_people_see_the_streams_of_a_connection() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        (connection,) = play.connections()
        assert occupation(connection) == "idle, HTTP/2"
        client.asks("GET", "/slow")
        client.asks("GET", "/other")
        assert occupation(connection) == "HTTP/2, 2 streams: GET a/slow → 10.0.0.1:80"
        for origin in (play.origin(), play.origin()):
            origin.overlooks()
