"""WebSockets by HTTP/2: an extended CONNECT (RFC 8441) is a handshake of HTTP/1.1 to its peer, and a stream is a connection."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from tests.kit.frames import TEXT, closing, frame, from_client
from tests.kit.http2 import Http2Client
from tests.kit.party import Party
from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from twistedproxy.admin.dashboard import now
from twistedproxy.admin.status import snapshot

SITE = """
[pool app]
servers = 10.0.0.1:80
[route /]
pool = app
websocket = {}
"""
TUNNEL = SITE.format("tunnel")
MESSAGES = SITE.format("messages")


def asks(client: Http2Client, *fields: tuple[str, str]) -> int:
    return client.asks(
        "CONNECT", "/chat", ("sec-websocket-version", "13"), *fields, more=True, pseudo=((":protocol", "websocket"),)
    )


def agrees(origin: Party, *fields: str) -> str:
    """The peer agrees to the handshake; the head that it got."""
    head = origin.overlooks().decode()
    found = re.search(r"Sec-WebSocket-Key: (\S+)", head)
    assert found is not None
    accept = base64.b64encode(hashlib.sha1(found[1].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
    origin.says("\n".join([*lines, *fields]))
    return head


def test_several_on_one_connection_are_counted_each_and_run_no_more() -> None:
    with ReloadingPlay(TUNNEL) as play:
        client = Http2Client(play)
        opened(play, client)
        opened(play, client)
        client.asks("GET", "/")
        play.origin().overlooks()
        assert snapshot(play.live)["totals"]["websockets"] == 2
        assert now.running(play.live)["count"] == 1


def opened(play: Play, client: Http2Client) -> tuple[int, Party]:
    stream = asks(client)
    origin = play.origin()
    agrees(origin)
    assert client.answer(stream).status == "200"
    return stream, origin


def test_the_peer_gets_a_handshake_of_http1_and_the_client_a_200() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play)
        assert client.h2.remote_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
        stream = asks(client, ("sec-websocket-protocol", "chat"), ("origin", "https://a"))
        origin = play.origin()
        head = agrees(origin, "Sec-WebSocket-Protocol: chat")
        assert head.startswith("GET /chat HTTP/1.1\r\nHost: a\r\n")
        assert "Upgrade: websocket\r\n" in head
        assert "Connection: Upgrade\r\n" in head
        answer = client.answer(stream)
        assert answer.fields == [(":status", "200"), ("sec-websocket-protocol", "chat")]
        client.sends(stream, b"up")
        origin.hears(b"up")
        origin.says(b"down")
        assert client.answer(stream).body == b"down"
        assert play.in_flight() == 1


def test_messages_pass_one_by_one() -> None:
    with Play(MESSAGES) as play:
        client = Http2Client(play)
        stream, origin = opened(play, client)
        client.sends(stream, from_client(TEXT, "hello"))
        assert origin.heard[0] == 0x81
        origin.overlooks()
        origin.says(frame(TEXT, "welcome"))
        assert client.answer(stream).body == frame(TEXT, "welcome")
        client.sends(stream, from_client(8, closing(1000)))
        origin.overlooks()
        origin.says(frame(8, closing(1000)))
        answer = client.answer(stream)
        assert answer.body.endswith(frame(8, closing(1000)))
        assert answer.ended
        origin.overlooks()


def test_a_close_is_answered_though_the_client_sends_nothing_more() -> None:
    with Play(MESSAGES) as play:
        client = Http2Client(play)
        stream, origin = opened(play, client)
        client.sends(stream, from_client(8, closing(1000)), ends=True)
        origin.overlooks()
        origin.says(frame(8, closing(1000)))
        origin.leaves()
        answer = client.answer(stream)
        assert (answer.body, answer.ended, answer.reset) == (frame(8, closing(1000)), True, None)
        play.later(1)
        assert play.in_flight() == 0
        assert play.exchange().finished


def test_what_follows_at_once_is_not_lost() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play)
        stream = asks(client)
        client.sends(stream, b"early")
        origin = play.origin()
        agrees(origin)
        origin.hears(b"early")
        origin.says(b"late")
        assert client.answer(stream).body == b"late"


@pytest.mark.parametrize("site", [TUNNEL, MESSAGES], ids=["tunnel", "messages"])
def test_an_end_of_the_stream_is_an_end_of_the_connection(site: str) -> None:
    with Play(site) as play:
        client = Http2Client(play)
        stream, origin = opened(play, client)
        client.sends(stream, b"", ends=True)
        if site is TUNNEL:
            origin.sees_end()
        else:
            origin.overlooks()
        origin.leaves()
        assert client.answer(stream).ended
        assert play.in_flight() == 0


def test_a_reset_cuts_the_connection_and_a_cut_connection_is_a_reset() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play)
        stream, origin = opened(play, client)
        client.h2.reset_stream(stream)
        client.flush()
        origin.sees_cut()
        stream, origin = opened(play, client)
        origin.resets()
        assert client.answer(stream).reset == ErrorCodes.CANCEL
        assert client.answer(client.asks("GET", "/")).reset is None
        play.origin().overlooks()


def test_a_peer_that_declines_is_quoted() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play)
        stream = asks(client)
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 2", b"no")
        answer = client.answer(stream)
        assert (answer.status, answer.body, answer.ended) == ("403", b"no", True)


def test_another_version_is_not_spoken() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play)
        stream = client.asks("CONNECT", "/", ("sec-websocket-version", "8"), more=True, pseudo=((":protocol", "websocket"),))
        assert client.answer(stream).status == "426"
        assert client.answer(stream)["sec-websocket-version"] == "13"
        assert "upgrade" not in dict(client.answer(stream).fields)


def test_where_no_websockets_are_wanted_there_is_none() -> None:
    with Play(SITE.format("no")) as play:
        client = Http2Client(play)
        stream = asks(client)
        assert client.answer(stream).status == "501"
        play.no_connection()


def test_a_page_instead_of_a_websocket_is_no_websocket() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play)
        stream = asks(client)
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 4", b"page")
        answer = client.answer(stream)
        assert (answer.status, answer.body, answer.ended) == ("502", b"", True)


def test_a_client_that_takes_nothing_holds_the_peer_back_and_the_other_way_round() -> None:
    with Play(TUNNEL) as play:
        client = Http2Client(play, opens_windows=False)
        stream, origin = opened(play, client)
        origin.says(bytes(3_000_000))
        assert len(client.answer(stream).body) == 65_535
        assert origin.waiting > 1_000_000
        client.h2.increment_flow_control_window(3_000_000)
        client.h2.increment_flow_control_window(3_000_000, stream)
        client.flush()
        assert len(client.answer(stream).body) == 3_000_000
        origin.stops_reading(1000)
        sent = 0
        while size := min(16_384, client.h2.local_flow_control_window(stream)):
            client.sends(stream, bytes(size))
            sent += size
        assert sent < 1_000_000
        origin.reads_on()
        assert len(origin.overlooks()) == sent
        client.flush()


def test_an_idle_one_is_ended_and_the_connection_stays() -> None:
    with Play(TUNNEL + "websocket_idle_timeout = 60s\n") as play:
        client = Http2Client(play)
        stream, origin = opened(play, client)
        play.later(62)
        assert client.answer(stream).reset == ErrorCodes.CANCEL
        origin.sees_cut()
        other = client.asks()
        play.origin().overlooks()
        assert client.answer(other).reset is None
