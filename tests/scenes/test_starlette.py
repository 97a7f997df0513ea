"""Starlette in the proxy's process."""

from __future__ import annotations

import json

from tests.apps import starlette_shop
from tests.kit.frames import CLOSE, TEXT, closing, from_client, hears_close, hears_frame
from tests.kit.party import Message, Party
from tests.kit.play import Play
from tests.scenes.test_asgi_websockets import asks

SITE = """
[route example.com/shop/]
asgi = tests.apps.starlette_shop:app
strip_prefix = /shop
"""


def asked(play: Play, client: Party, text: str, body: bytes = b"") -> Message:
    """The answer to a request."""
    number = len(play.finished) + 1
    client.says(text + "\nHost: example.com", body)
    play.until(lambda: len(play.finished) >= number)
    return client.hears_message()


def test_lifespan_state_links_and_uploads() -> None:
    starlette_shop.heard.clear()
    with Play(SITE) as play:
        client = play.client()
        assert asked(play, client, "GET /shop/ HTTP/1.1").body == b"shop for 192.0.2.1: http://example.com/shop/form"
        said = asked(play, client, "POST /shop/form HTTP/1.1\nContent-Length: 200000", b"x" * 200_000)
        assert json.loads(said.body) == {"size": 200_000}
        assert asked(play, client, "GET /shop/nowhere HTTP/1.1").status == 404
        assert starlette_shop.heard == ["begins"]
    assert starlette_shop.heard == ["begins", "ends"]


def test_a_stream_ends_when_its_client_leaves() -> None:
    starlette_shop.heard.clear()
    with Play(SITE) as play:
        client = play.client()
        client.says("GET /shop/ticks HTTP/1.1\nHost: example.com")
        play.until(lambda: client.heard.count(b"tick") > 2)
        client.overlooks()
        client.resets()
        play.until(lambda: "closed" in starlette_shop.heard)


def test_a_failure_is_the_frameworks_own_answer_and_the_logs() -> None:
    with Play(SITE) as play:
        said = asked(play, play.client(), "GET /shop/deep/fails HTTP/1.1")
        assert (said.status, said.body) == (500, b"Internal Server Error")
        assert "a secret of the shop" in play.forgives()


def test_websockets() -> None:
    starlette_shop.heard.clear()
    with Play(SITE) as play:
        client = asks(play, "/shop/echo/me")
        assert client.heard.startswith(b"HTTP/1.1 101 ")
        client.overlooks()
        client._end_seen = False
        client.says(from_client(TEXT, "hello"))
        play.until(lambda: bool(client.heard))
        hears_frame(client, TEXT, "me: hello")
        client.says(from_client(CLOSE, closing(1000)))
        play.until(lambda: bool(client.heard))
        hears_close(client, 1000)
        client.overlooks()
        client.leaves()
        play.until(lambda: "socket closed" in starlette_shop.heard)
