"""WebSockets whose messages are relayed: each side has a connection of its own, held to RFC 6455."""

from __future__ import annotations

import pytest

from tests.kit.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    closing,
    frame,
    from_client,
    heard,
    hears_close,
    hears_frame,
    whole,
)
from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ONE
from tests.scenes.test_websockets import ACCEPT, KEY

MESSAGES = ONE + "websocket = messages\nwebsocket_ping_interval = 0\nwebsocket_close_timeout = 1s\n"
ASKS = f"""
    GET /chat HTTP/1.1
    Host: example.com
    Connection: Upgrade
    Upgrade: websocket
    Sec-WebSocket-Version: 13
    Sec-WebSocket-Key: {KEY}
"""
ASKED_ON = f"""
    GET /chat HTTP/1.1
    Host: example.com
    Sec-WebSocket-Version: 13
    Sec-WebSocket-Key: {KEY}
    Via: 1.1 twistedproxy
    Connection: Upgrade
    Upgrade: websocket
"""
AGREED = f"""
    HTTP/1.1 101 Switching Protocols
    Sec-WebSocket-Accept: {ACCEPT}
    Upgrade: websocket
    Connection: Upgrade
"""


def opened(play: Play, early: bytes = b"", prompt: bytes = b"") -> tuple[Party, Party]:
    """A client and an origin with a WebSocket between them; each may say something right behind the handshake."""
    client = play.client()
    client.says(ASKS, early)
    origin = play.origin()
    origin.hears(ASKED_ON)
    origin.says(AGREED, prompt)
    client.hears(AGREED)
    return client, origin


def closed_by(one: Party, other: Party, *, client_first: bool) -> None:
    """Both say goodbye, as they should."""
    say, answer = (from_client, frame) if client_first else (frame, from_client)
    one.says(say(CLOSE, closing(1000, "bye")))
    hears_close(other, 1000, "bye")
    other.says(answer(CLOSE, closing(1000, "bye")))
    hears_close(one, 1000, "bye")


def test_messages_pass_both_ways_masked_towards_the_peer_only() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, "hello"))
        assert hears_frame(origin, TEXT, "hello").masked
        origin.says(frame(BINARY, b"\0\1\2"))
        assert not hears_frame(client, BINARY, b"\0\1\2").masked
        client.says(from_client(TEXT, ""))
        hears_frame(origin, TEXT, "")
        closed_by(client, origin, client_first=True)
        client.sees_end()
        client.leaves()
        origin.leaves()
        exchange = play.exchange()
        assert (exchange.status, exchange.bytes_received, exchange.bytes_sent) == (101, 5, 3)


@pytest.mark.parametrize("slowly", [False, True])
def test_messages_right_behind_the_handshake_arrive_however_they_are_split(slowly: bool) -> None:
    with Play(MESSAGES) as play:
        client = play.client()
        (client.says_slowly if slowly else client.says)(ASKS, from_client(TEXT, "early"))
        origin = play.origin()
        origin.hears(ASKED_ON)
        origin.hears_nothing()
        (origin.says_slowly if slowly else origin.says)(AGREED, frame(TEXT, "prompt") + frame(TEXT, "again"))
        client.hears(AGREED)
        assert [each.payload for each in heard(client)] == [b"prompt", b"again"]
        hears_frame(origin, TEXT, "early")


def test_fragments_pass_as_they_come_with_pings_between_them() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, "gr\xc3".encode("latin-1"), fin=False))
        first = heard(origin)
        assert [(each.opcode, each.payload, each.fin) for each in first] == [(TEXT, "gr\xc3".encode("latin-1"), False)]
        client.says(from_client(PING, "still there?"))
        hears_frame(client, PONG, "still there?")
        client.says(from_client(0, "\xbc\xc3".encode("latin-1"), fin=False), from_client(0, b"\x9fe"))
        rest = heard(origin)
        assert whole(first + rest) == (TEXT, "grüße".encode())


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 1_000_000])
@pytest.mark.parametrize("client_speaks", [False, True])
def test_messages_of_every_size_arrive(size: int, client_speaks: bool) -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        data = bytes(range(256)) * (size // 256 + 1)
        data = data[:size]
        if client_speaks:
            client.says(from_client(BINARY, data))
            frames = heard(origin)
        else:
            origin.says(frame(BINARY, data))
            frames = heard(client)
        assert whole(frames) == (BINARY, data)
        assert len(frames) == 1 or size > 65_535


def test_pings_are_answered_by_the_proxy_and_pongs_nobody_asked_for_are_ignored() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.says(from_client(PING, "a"), from_client(PONG, "b"))
        hears_frame(client, PONG, "a")
        origin.says(frame(PING, "c"), frame(PONG, "d"))
        assert hears_frame(origin, PONG, "c").masked


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1012, 1013, 1014, 3000, 4999])
@pytest.mark.parametrize("client_first", [False, True])
def test_codes_and_reasons_of_a_close_pass_both_ways(code: int, client_first: bool) -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        one, other = (client, origin) if client_first else (origin, client)
        say, answer = (from_client, frame) if client_first else (frame, from_client)
        one.says(say(CLOSE, closing(code, "wegen Ümzug")))
        hears_close(other, code, "wegen Ümzug")
        one.hears_nothing()
        # Until it has answered, the other side may still finish what it was saying.
        other.says(answer(TEXT, "a last word"), answer(CLOSE, closing(4000)))
        last_word, goodbye = heard(one)
        assert last_word.payload == b"a last word"
        assert goodbye.close == (4000, "")
        origin.leaves()
        client.sees_end()
        client.leaves()
        assert len(play.finished) == 1
        assert play.exchange().reason is None


def test_a_close_without_a_code_is_passed_on_without_one() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.says(from_client(CLOSE))
        hears_close(origin, None)
        origin.says(frame(CLOSE))
        hears_close(client, None)
        client.sees_end()


VIOLATIONS = {
    "a reserved bit": (from_client(TEXT, "x", rsv=4), frame(TEXT, "x", rsv=2), 1002),
    "a reserved opcode": (from_client(3), frame(3), 1002),
    "a reserved control opcode": (from_client(11), frame(11), 1002),
    "the wrong side masks": (frame(TEXT, "x"), from_client(TEXT, "x"), 1002),
    "a fragmented ping": (from_client(PING, fin=False), frame(PING, fin=False), 1002),
    "a ping of 126 bytes": (from_client(PING, b"x" * 126), frame(PING, b"x" * 126), 1002),
    "a continuation of nothing": (from_client(0, "x"), frame(0, "x"), 1002),
    "text that is not UTF-8": (from_client(TEXT, b"\xff"), frame(TEXT, b"\xff"), 1007),
    "text that ends within a character": (from_client(TEXT, b"\xc3"), frame(TEXT, b"\xc3"), 1007),
    "a close of one byte": (from_client(CLOSE, b"\x03"), frame(CLOSE, b"\x03"), 1002),
    "a close with 1005": (from_client(CLOSE, closing(1005)), frame(CLOSE, closing(1005)), 1002),
    "a close with 1006": (from_client(CLOSE, closing(1006)), frame(CLOSE, closing(1006)), 1002),
    "a close with 1015": (from_client(CLOSE, closing(1015)), frame(CLOSE, closing(1015)), 1002),
    "a close with 999": (from_client(CLOSE, closing(999)), frame(CLOSE, closing(999)), 1002),
    "a close with 5000": (from_client(CLOSE, closing(5000)), frame(CLOSE, closing(5000)), 1002),
    "a reason that is not UTF-8": (
        from_client(CLOSE, closing(1000) + b"\xff"),
        frame(CLOSE, closing(1000) + b"\xff"),
        1007,
    ),
    "a length that is longer than need be": (
        b"\x81\xfe\x00\x01\0\0\0\0x",
        b"\x81\x7e\x00\x01x",
        1002,
    ),
    "a length of more than 63 bits": (b"\x82\xff" + b"\xff" * 12, b"\x82\x7f" + b"\xff" * 8, 1002),
}


@pytest.mark.parametrize("breach", VIOLATIONS)
@pytest.mark.parametrize("of_client", [False, True])
def test_who_breaks_the_protocol_is_told_so_and_the_other_side_hears_that_it_is_over(breach: str, of_client: bool) -> None:
    by_client, by_peer, code = VIOLATIONS[breach]
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        one, other = (client, origin) if of_client else (origin, client)
        breach_of, answer = (by_client, frame) if of_client else (by_peer, from_client)
        one.says(breach_of, (from_client if of_client else frame)(TEXT, "nobody reads this"))
        if of_client:
            hears_close(other, 1001, "the client went away")
        else:
            hears_close(other, 1011, "the connection to the peer was lost")
        one.hears_nothing()
        other.says(answer(TEXT, "said before I heard"), answer(CLOSE, closing(1001)))
        message, end = heard(one)
        assert message.payload == b"said before I heard"
        assert end.close[0] == code
        client.sees_end()
        client.leaves()
        origin.overlooks()
        origin.leaves()
        assert len(play.finished) == 1


def test_a_client_that_vanishes_is_one_that_went_away() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.resets()
        hears_close(origin, 1001, "the client went away")
        origin.says(frame(CLOSE, closing(1001)))
        origin.leaves()
        assert len(play.finished) == 1


@pytest.mark.parametrize("cut", [False, True])
def test_a_peer_that_vanishes_is_told_as_a_failure(cut: bool) -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        origin.says(frame(TEXT, "so long"))
        (origin.resets if cut else origin.leaves)()
        last, end = heard(client)
        assert last.payload == b"so long"
        assert end.close == (1011, "the connection to the peer was lost")
        client.says(from_client(CLOSE, closing(1011)))
        client.sees_end()


def test_a_peer_that_hangs_up_instead_of_answering_a_close_is_answered_for() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.says(from_client(CLOSE, closing(4001, "tired")))
        hears_close(origin, 4001, "tired")
        origin.leaves()
        hears_close(client, 4001, "tired")
        client.sees_end()


def test_a_side_that_never_answers_a_close_does_not_keep_the_other_waiting() -> None:
    with Play(MESSAGES.replace("close_timeout = 1s", "close_timeout = 5s")) as play:
        client, origin = opened(play)
        client.says(from_client(CLOSE, closing(1000)))
        hears_close(origin, 1000)
        play.later(4)
        client.hears_nothing()
        play.later(2)
        hears_close(client, 1000)
        client.sees_end()
        origin.sees_end()


@pytest.mark.parametrize("client_speaks", [False, True])
def test_a_message_beyond_the_limit_ends_the_websocket_with_1009(client_speaks: bool) -> None:
    with Play(MESSAGES + "websocket_max_message = 1k\n") as play:
        client, origin = opened(play)
        one, other = (client, origin) if client_speaks else (origin, client)
        say = from_client if client_speaks else frame
        one.says(say(BINARY, b"x" * 1024))
        hears_frame(other, BINARY, b"x" * 1024)
        one.says(say(BINARY, b"x" * 1000, fin=False), say(0, b"x" * 25))
        fragment, end = heard(other)
        assert fragment.payload == b"x" * 1000
        assert end.close[0] == (1001 if client_speaks else 1011)
        other.says((frame if client_speaks else from_client)(CLOSE, closing(1001)))
        hears_close(one, 1009)
        client.sees_end()
        origin.overlooks()


@pytest.mark.parametrize("client_speaks", [False, True])
def test_a_slow_reader_holds_the_other_side_back(client_speaks: bool) -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        writer, reader = (client, origin) if client_speaks else (origin, client)
        say, answer = (from_client, frame) if client_speaks else (frame, from_client)
        reader.stops_reading(room=10_000)
        writer.says(say(BINARY, b"x" * 3_000_000), *[say(TEXT, "y" * 10_000)] * 300)
        assert writer.waiting > 3_000_000
        reader.says(answer(TEXT, "I listen"))
        hears_frame(writer, TEXT, "I listen")
        reader.reads_on()
        frames = heard(reader)
        assert sum(len(each.payload) for each in frames) == 6_000_000
        assert [each.fin for each in frames].count(True) == 301


def test_who_pings_and_does_not_read_gets_the_answer_to_the_last_ping() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.stops_reading(room=1000)
        origin.says(frame(BINARY, b"x" * 100_000))
        for number in range(1000):
            client.says(from_client(PING, f"{number}"))
        client.reads_on()
        pongs = [each.payload for each in heard(client) if each.opcode == PONG]
        assert pongs == [b"999"]


def test_a_websocket_on_which_nothing_moves_ends_in_time() -> None:
    with Play(MESSAGES + "websocket_idle_timeout = 60s\n") as play:
        client, origin = opened(play)
        play.later(50)
        client.says(from_client(TEXT, "hello"))
        hears_frame(origin, TEXT, "hello")
        play.later(50)
        client.says(from_client(PING))
        hears_frame(client, PONG)
        play.later(15)
        hears_close(client, 1001, "nothing moved")
        hears_close(origin, 1001, "nothing moved")
        client.says(from_client(CLOSE, closing(1001)))
        origin.says(frame(CLOSE, closing(1001)))
        origin.leaves()
        client.sees_end()


PINGED = MESSAGES.replace("ping_interval = 0", "ping_interval = 10s\nwebsocket_ping_timeout = 5s")


@pytest.mark.parametrize("client_is_dead", [False, True])
def test_a_side_that_does_not_answer_to_pings_is_found_in_time(client_is_dead: bool) -> None:
    with Play(PINGED) as play:
        client, origin = opened(play)
        play.later(10.5)
        hears_frame(client, PING)
        hears_frame(origin, PING)
        if client_is_dead:
            origin.says(frame(PONG))
        else:
            client.says(from_client(PONG))
        play.later(5)
        if client_is_dead:
            client.sees_cut()
            hears_close(origin, 1001, "the client went away")
        else:
            origin.sees_cut()
            hears_close(client, 1011, "the connection to the peer was lost")


def test_sides_that_answer_live_on_and_one_that_speaks_is_not_pinged() -> None:
    with Play(PINGED) as play:
        client, origin = opened(play)
        for _ in range(20):
            play.later(4)
            client.says(from_client(TEXT, "x"))
            for each in heard(origin):
                if each.opcode == PING:
                    origin.says(frame(PONG))
        client.hears_nothing()


def test_a_slow_reader_that_takes_something_now_and_then_is_alive() -> None:
    with Play(PINGED) as play:
        client, origin = opened(play)
        client.stops_reading(room=1000)
        origin.says(frame(BINARY, b"x" * 200_000))
        for _ in range(20):
            play.later(4)
            client.reads(500)
            for each in heard(origin):
                if each.opcode == PING:
                    origin.says(frame(PONG))
        client.reads_on()
        assert len(client.overlooks()) > 150_000


RATED = MESSAGES + "websocket_message_rate = 2r/s\nwebsocket_message_burst = 3\n"


def test_messages_that_come_too_fast_wait_their_turn() -> None:
    with Play(RATED) as play:
        client, origin = opened(play)
        client.says(*[from_client(TEXT, f"{number}") for number in range(8)])
        came = [each.payload for each in heard(origin)]
        assert len(came) == 4
        for _ in range(4):
            play.later(0.5)
            (message,) = heard(origin)
            came.append(message.payload)
        assert came == [b"%d" % number for number in range(8)]


def test_messages_that_come_too_fast_can_end_the_websocket() -> None:
    with Play(RATED + "websocket_message_delay = no\n") as play:
        client, origin = opened(play)
        client.says(*[from_client(TEXT, f"{number}") for number in range(8)])
        *messages, end = heard(origin)
        assert [each.payload for each in messages] == [b"0", b"1", b"2"]
        assert end.close[0] == 1001
        origin.leaves()
        hears_close(client, 1008, "too many messages")
        client.sees_end()


def test_a_proxy_that_stops_tells_both_sides() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        (connection,) = play.connections()
        assert connection.tunnel is not None
        connection.tunnel.stop()
        play.turn()
        hears_close(client, 1001, "the proxy stops")
        hears_close(origin, 1001, "the proxy stops")
        client.says(from_client(CLOSE, closing(1001)))
        client.sees_end()
        client.leaves()
        origin.says(frame(CLOSE, closing(1001)))
        origin.leaves()
        assert len(play.finished) == 1


def test_what_is_cut_from_the_shell_is_cut_on_both_sides() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        (connection,) = play.connections()
        connection.close_now()
        play.turn()
        client.sees_cut()
        origin.sees_cut()


@pytest.mark.parametrize(
    "answer",
    [
        AGREED.replace(ACCEPT, "x" + ACCEPT[1:]),
        AGREED.replace("Upgrade: websocket", "Upgrade: websocket\nSec-WebSocket-Extensions: permessage-deflate"),
        AGREED.replace("Upgrade: websocket", "Upgrade: h2c"),
        AGREED.replace("HTTP/1.1", "HTTP/1.0"),
    ],
)
def test_a_peer_that_agrees_wrongly_is_not_joined(answer: str) -> None:
    with Play(MESSAGES) as play:
        client = play.client()
        client.says(ASKS.replace("Upgrade: websocket", "Upgrade: websocket\nSec-WebSocket-Extensions: permessage-deflate"))
        origin = play.origin()
        origin.hears(ASKED_ON)
        origin.says(answer, frame(TEXT, "secret"))
        assert client.hears_message().status == 502
        origin.sees_cut()
        assert len(play.site.websockets) == 0


def test_a_peer_that_says_no_is_passed_on_and_the_connection_serves_on() -> None:
    with Play(MESSAGES) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin()
        origin.hears(ASKED_ON)
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 2", b"no")
        client.hears("HTTP/1.1 403 Forbidden\nContent-Length: 2", b"no")
        client.says(ASKS)
        origin.hears(ASKED_ON)
        origin.says(AGREED)
        client.hears(AGREED)
        client.says(from_client(TEXT, "now"))
        hears_frame(origin, TEXT, "now")
