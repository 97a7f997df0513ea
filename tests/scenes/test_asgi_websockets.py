"""asgi =: WebSockets of an ASGI app."""

from __future__ import annotations

import pytest

from tests.apps import asgi_apps
from tests.kit.frames import BINARY, CLOSE, TEXT, closing, from_client, heard, hears_close, hears_frame, whole
from tests.kit.party import Party
from tests.kit.play import Play

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
WAYS = ["tunnel", "messages"]


def site(way: str = "tunnel", more: str = "") -> Play:
    """A play whose route leads to an app with WebSockets."""
    asgi_apps.begin()
    lines = f"asgi = tests.apps.asgi_apps:socket\nwebsocket = {way}\nwebsocket_ping_interval = 0\n{more}"
    return Play(f"[defaults]\nresponse_headers = remove Date\n[route /]\n{lines}\n")


def asks(play: Play, path: str = "/", *fields: str) -> Party:
    """A client that has asked for a WebSocket."""
    client = play.client()
    handshake = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
    client.says("\n".join((f"GET {path} HTTP/1.1", "Host: example.com", *handshake, *fields)))
    play.until(lambda: bool(client.heard) or bool(play.finished))
    return client


def joined(play: Play) -> Party:
    """A client whose WebSocket is open."""
    client = asks(play)
    client.hears(f"HTTP/1.1 101 Switching Protocols\nx-hello: you\nSec-WebSocket-Accept: {ACCEPT}\nUpgrade: websocket\n"
                 "Connection: Upgrade")  # fmt: skip
    return client


def closes(play: Play, client: Party, code: int = 1000) -> None:
    """The client closes, and all is over."""
    client.says(from_client(CLOSE, closing(code)))
    play.until(lambda: bool(client.heard))
    hears_close(client, code)
    client.overlooks()
    client.leaves()
    play.until(lambda: len(play.finished) == 1)


def is_closed(play: Play, client: Party, code: int, why: str | None = None) -> None:
    """The app closes, and the client does so in return."""
    play.until(lambda: bool(client.heard))
    hears_close(client, code, why)
    client.says(from_client(CLOSE, closing(code)))
    client.overlooks()
    client.leaves()


@pytest.mark.parametrize("way", WAYS)
def test_messages_pass_both_ways(way: str) -> None:
    with site(way) as play:
        client = joined(play)
        client.says(from_client(TEXT, "hellö"))
        play.until(lambda: bool(client.heard))
        hears_frame(client, TEXT, "HELLÖ")
        client.says(from_client(BINARY, b"ab", fin=False) + from_client(0, b"cd"))
        play.until(lambda: bool(client.heard))
        hears_frame(client, BINARY, b"dcba")
        closes(play, client, 4001)
        play.until(lambda: asgi_apps.heard == ["4001"])
        assert play.exchange().status == 101


def test_an_app_knows_what_is_asked_and_chooses_a_subprotocol() -> None:
    with site() as play:
        client = asks(play, "/chat", "Sec-WebSocket-Protocol: v2, v1")
        assert b"Sec-WebSocket-Protocol: v2\r\n" in client.heard
        client.overlooks()
        (scope,) = asgi_apps.scopes
        assert (scope["type"], scope["scheme"], scope["path"], scope["subprotocols"]) == (
            "websocket",
            "ws",
            "/chat",
            ["v2", "v1"],
        )
        client.resets()
        play.until(lambda: asgi_apps.heard == ["1006"])


@pytest.mark.parametrize("way", WAYS)
def test_an_app_closes(way: str) -> None:
    with site(way) as play:
        client = joined(play)
        client.says(from_client(TEXT, "close"))
        is_closed(play, client, 4000, "as you wish")
        play.until(lambda: len(play.finished) == 1)


def test_an_app_that_returns_or_fails_closes() -> None:
    with site() as play:
        client = joined(play)
        client.says(from_client(TEXT, "return"))
        is_closed(play, client, 1000)
    with site() as play:
        client = joined(play)
        client.says(from_client(TEXT, "raise"))
        is_closed(play, client, 1011)
        assert "a secret of the app" in play.forgives()


@pytest.mark.parametrize(("path", "status", "body"), [("/no", 403, b""), ("/denied", 401, b"who are you?"), ("/mute", 500, None)])
def test_an_app_may_refuse(path: str, status: int, body: bytes | None) -> None:
    with site() as play:
        client = asks(play, path)
        said = client.hears_message()
        assert said.status == status
        assert body is None or said.body == body
        assert status != 401 or said.fields["x-why"] == "because"


def test_rules_and_limits_hold() -> None:
    with site("tunnel", "websocket_max_message = 10") as play:
        client = joined(play)
        client.says(from_client(TEXT, "x" * 11))
        play.until(lambda: bool(client.heard))
        hears_close(client, 1009)
        client.overlooks()
        client.leaves()
        play.until(lambda: bool(asgi_apps.heard))
        assert asgi_apps.heard[0].startswith("1009")


def test_a_slow_client_holds_the_app_back() -> None:
    with site() as play:
        client = joined(play)
        client.stops_reading(50_000)
        client.says(from_client(TEXT, "flood"))
        play.until(lambda: asgi_apps.heard.count("piece") >= 3)
        for _ in range(50):
            play.turn()
        assert asgi_apps.heard.count("piece") < 20
        client.reads_on()
        received = b""
        while len(received) < 2_000_000:
            play.until(lambda: bool(client.heard))
            received += b"".join(whole([each])[1] for each in heard(client))
        closes(play, client)


def test_messages_of_one_who_speaks_fast_wait_for_the_app() -> None:
    with site() as play:
        client = joined(play)
        client.says(from_client(TEXT, "x") * 1000)
        answers = []
        while len(answers) < 1000:
            play.until(lambda: bool(client.heard))
            answers += heard(client)
        assert {each.payload for each in answers} == {b"X"}
        closes(play, client)
