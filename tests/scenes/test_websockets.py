"""WebSockets: the handshake end to end, then bytes, joined."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ASKS = f"""
    GET /chat HTTP/1.1
    Host: example.com
    Connection: keep-alive, Upgrade
    Upgrade: websocket
    Sec-WebSocket-Version: 13
    Sec-WebSocket-Key: {KEY}
    Sec-WebSocket-Protocol: chat, superchat
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
"""
ASKED_ON = f"""
    GET /chat HTTP/1.1
    Host: example.com
    Sec-WebSocket-Version: 13
    Sec-WebSocket-Key: {KEY}
    Sec-WebSocket-Protocol: chat, superchat
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
    Via: 1.1 twistedproxy
    Connection: Upgrade
    Upgrade: websocket
"""
AGREED = f"""
    HTTP/1.1 101 Switching Protocols
    Sec-WebSocket-Accept: {ACCEPT}
    Sec-WebSocket-Protocol: superchat
    Upgrade: websocket
    Connection: Upgrade
"""


def joined(play: Play) -> tuple[Party, Party]:
    """A client and an origin with a WebSocket between them."""
    client = play.client()
    client.says(ASKS)
    origin = play.origin()
    origin.hears(ASKED_ON)
    origin.says(AGREED)
    client.hears(AGREED)
    return client, origin


def test_bytes_pass_both_ways_once_the_peer_has_agreed() -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        client.says(b"\x81\x85over")
        origin.hears(b"\x81\x85over")
        origin.says(b"\x81\x05hello", b"\r\n\r\n")
        client.hears(b"\x81\x05hello\r\n\r\n")
        assert not play.finished
        client.leaves()
        origin.sees_end()
        origin.leaves()
        exchange = play.exchange()
        assert (exchange.status, exchange.bytes_received, exchange.bytes_sent) == (101, 6, 11)
        assert exchange.attempt.upgrade_time is not None
        (peer,) = play.pools["app"].peers
        assert peer.bytes_sent > 6
        assert peer.bytes_received > 11


@pytest.mark.parametrize("slowly", [False, True])
def test_bytes_right_behind_the_handshake_arrive_however_they_are_split(slowly: bool) -> None:
    with Play(ONE) as play:
        client = play.client()
        (client.says_slowly if slowly else client.says)(ASKS, b"early")
        origin = play.origin()
        origin.hears(ASKED_ON)
        origin.hears_nothing()
        (origin.says_slowly if slowly else origin.says)(AGREED, b"prompt")
        client.hears(AGREED, b"prompt")
        origin.hears(b"early")


def test_much_that_comes_early_waits_and_arrives() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKS, b"x" * 1_000_000)
        origin = play.origin()
        origin.hears(ASKED_ON)
        assert client.waiting > 500_000
        origin.says(AGREED)
        client.hears(AGREED)
        origin.hears(b"x" * 1_000_000)


def test_a_peer_that_says_no_is_passed_on_and_the_connection_serves_on() -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin()
        origin.hears(ASKED_ON)
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 2", b"no")
        client.hears("HTTP/1.1 403 Forbidden\nContent-Length: 2", b"no")
        client.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


@pytest.mark.parametrize(
    "answer",
    [
        AGREED.replace(ACCEPT, "x" + ACCEPT[1:]),
        AGREED.replace("superchat", "other"),
        AGREED.replace("Upgrade: websocket", "Upgrade: h2c"),
        AGREED.replace("Protocol: superchat", "Extensions: x-webkit-deflate-frame"),
        AGREED.replace("HTTP/1.1", "HTTP/1.0"),
    ],
)
def test_a_peer_that_agrees_wrongly_is_not_joined(answer: str) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin()
        origin.hears(ASKED_ON)
        origin.says(answer, b"secret")
        assert client.hears_message().status == 502
        origin.sees_cut()
        assert str(play.exchange().reason) == "bad_upgrade_answer"
        assert play.pools["app"].peers[0].failures == 1


@pytest.mark.parametrize(
    ("asks", "status"),
    [
        (ASKS.replace("Version: 13", "Version: 8"), 426),
        (ASKS.replace(KEY, "short"), 400),
        (ASKS.replace("GET", "POST"), 400),
        (ASKS.replace(f"Sec-WebSocket-Key: {KEY}\n", ""), 400),
    ],
)
def test_a_handshake_that_is_none_is_refused_here(asks: str, status: int) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(asks)
        answer = client.hears_message()
        assert answer.status == status
        play.no_connection()
        if status == 426:
            assert answer.fields["sec-websocket-version"] == "13"
            assert answer.fields["upgrade"] == "websocket"
            assert answer.fields["connection"] == "Upgrade"


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "foo"])
def test_other_upgrades_go_no_further(upgrade: str) -> None:
    with Play(ONE) as play:
        client = play.client()
        client.says(f"""
            GET / HTTP/1.1
            Host: example.com
            Connection: Upgrade, HTTP2-Settings
            Upgrade: {upgrade}
            HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA
        """)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_route_without_websockets_passes_the_request_as_any_other() -> None:
    with Play(ONE + "websocket = no\n") as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com\nConnection: Upgrade\nUpgrade: websocket")
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade")
        assert client.hears_message().status == 502
        origin.sees_cut()


def test_a_websocket_outlives_read_timeout_and_ends_when_nothing_moves() -> None:
    with Play(ONE + "read_timeout = 1s\nwebsocket_idle_timeout = 60s\n") as play:
        client, origin = joined(play)
        play.later(50)
        client.says(b"ping")
        origin.hears(b"ping")
        play.later(50)
        origin.says(b"pong")
        client.hears(b"pong")
        play.later(59)
        client.hears_nothing()
        play.later(3)
        client.sees_cut()
        origin.sees_cut()
        assert play.exchange().status == 101


@pytest.mark.parametrize("from_client", [False, True])
def test_each_direction_ends_by_itself(from_client: bool) -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        one, other = (client, origin) if from_client else (origin, client)
        one.says(b"last words")
        one.ends()
        other.hears(b"last words")
        other.sees_end()
        other.says(b"and mine")
        one.hears(b"and mine")
        other.ends()
        one.sees_end()
        assert len(play.finished) == 1


@pytest.mark.parametrize("from_client", [False, True])
def test_a_reset_on_one_side_is_one_on_the_other(from_client: bool) -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        one, other = (client, origin) if from_client else (origin, client)
        one.resets()
        other.sees_cut()
        assert len(play.finished) == 1


@pytest.mark.parametrize("from_client", [False, True])
def test_a_slow_reader_holds_the_other_side_back(from_client: bool) -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        writer, reader = (client, origin) if from_client else (origin, client)
        reader.stops_reading(room=10_000)
        writer.says(b"x" * 3_000_000)
        assert writer.waiting > 2_500_000
        reader.says(b"I listen")
        writer.hears(b"I listen")
        reader.reads_on()
        reader.hears(b"x" * 3_000_000)


@pytest.mark.parametrize("from_client", [False, True])
def test_what_was_said_before_leaving_is_delivered_to_a_slow_reader(from_client: bool) -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        writer, reader = (client, origin) if from_client else (origin, client)
        reader.stops_reading(room=10_000)
        writer.says(b"x" * 50_000)
        writer.leaves()
        for _ in range(3):
            play.later(20)
            assert len(reader.reads(10_000)) == 10_000
        reader.reads_on()
        reader.hears(b"x" * 20_000)
        reader.sees_end()


@pytest.mark.parametrize("from_client", [False, True])
def test_a_side_that_takes_nothing_after_the_other_has_left_is_cut(from_client: bool) -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        writer, reader = (client, origin) if from_client else (origin, client)
        reader.stops_reading(room=10_000)
        writer.says(b"x" * 50_000)
        writer.leaves()
        reader.ends()
        play.later(61)
        assert reader.is_closed
        assert play.in_flight() == 0
        reader.reads_on()
        reader.hears(b"x" * 10_000)
        reader.sees_cut()


@pytest.mark.parametrize(("said", "seconds"), [("", 60), ("websocket_half_close_timeout = 20s\n", 20)])
def test_a_side_that_does_not_notice_that_the_other_has_left_is_cut_before_long(said: str, seconds: int) -> None:
    with Play(ONE + said) as play:
        client, origin = joined(play)
        client.leaves()
        origin.sees_end()
        play.later(seconds - 10)
        assert not origin.is_closed
        play.later(12)
        assert origin.is_closed
        assert play.in_flight() == 0


def test_the_shell_can_cut_a_websocket() -> None:
    with Play(ONE) as play:
        client, origin = joined(play)
        (connection,) = play.connections()
        assert connection.tunnel is not None
        assert connection.tunnel.peer_name == "10.0.0.1:80"
        connection.close_now()
        play.turn()
        client.sees_cut()
        origin.sees_cut()
