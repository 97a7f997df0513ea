"""Who may open a WebSocket, and how many: decided before the upgrade, for tunnels and for messages."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ONE
from tests.scenes.test_websocket_messages import AGREED, ASKED_ON, ASKS

WAYS = pytest.mark.parametrize("way", ["tunnel", "messages"])


def site(way: str, *lines: str) -> str:
    """A route with WebSockets one way or the other."""
    more = ["websocket_close_timeout = 1s"] if way == "messages" else []
    return ONE + "\n".join((f"websocket = {way}", *more, *lines, ""))


def open_one(play: Play, address: str = "192.0.2.1", head: str = ASKS) -> bool:
    """Whether a WebSocket of a client there is opened."""
    client = play.client(address=address)
    client.says(head)
    if client.heard:
        assert client.hears_message().status in (403, 429, 503)
        play.no_connection()
        return False
    origin = play.origin()
    asked = origin.hears_message(head_only=True)
    assert asked.start == "GET /chat HTTP/1.1"
    origin.says(AGREED)
    client.hears(AGREED)
    # What follows when it ends is no part of these plays.
    origin.overlooks()
    return True


@WAYS
@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (None, True),
        ("https://app.example.com", True),
        ("https://APP.example.com:443", True),
        ("http://app.example.com", False),
        ("https://x.cdn.example.net", True),
        ("https://a.b.cdn.example.net", True),
        ("https://cdn.example.net", False),
        ("https://evil.com/.cdn.example.net", False),
        ("https://cdn.example.net.evil.com", False),
        ("http://example.com", True),
        ("https://example.com", False),
        ("null", False),
        ("", False),
        ("https://*.cdn.example.net", True),
    ],
)
def test_pages_of_other_origins_are_refused(way: str, origin: str | None, passes: bool) -> None:
    with Play(site(way, "websocket_origins = https://app.example.com https://*.cdn.example.net same")) as play:
        head = ASKS if origin is None else ASKS.rstrip() + f"\nOrigin: {origin}\n"
        if origin == "https://*.cdn.example.net":
            # No browser sends this; it is a name below like any other.
            passes = True
        assert open_one(play, head=head) is passes
        if not passes:
            assert str(play.exchange().reason) == "origin_refused"


@WAYS
def test_a_client_has_so_many_and_another_client_has_its_own(way: str) -> None:
    with Play(site(way, "websocket_max_per_client = 2")) as play:
        assert open_one(play)
        assert open_one(play)
        assert not open_one(play)
        assert play.exchange().status == 429
        assert open_one(play, "192.0.2.2")
        assert len(play.site.websockets) == 3


@WAYS
def test_a_route_has_so_many_and_one_that_ends_makes_room(way: str) -> None:
    with Play(site(way, "websocket_max = 1")) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin()
        origin.hears(ASKED_ON)
        assert not open_one(play, "192.0.2.2")
        assert play.exchange().status == 503
        origin.says("HTTP/1.1 403 Forbidden\nContent-Length: 0")
        assert client.hears_message().status == 403
        client.says(ASKS)
        origin.hears(ASKED_ON)
        origin.says(AGREED)
        client.hears(AGREED)
        assert not open_one(play, "192.0.2.2")
        client.resets()
        origin.overlooks()
        origin.leaves()
        assert open_one(play, "192.0.2.2")
        assert play.in_flight() == 1


@WAYS
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (ASKS.replace("Version: 13", "Version: 8"), 426),
        (ASKS.replace("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: x"), 400),
        (ASKS.replace("GET", "POST"), 400),
        (ASKS.replace("HTTP/1.1", "HTTP/1.0"), 200),
        (ASKS.rstrip() + "\nContent-Length: 1\n", 400),
        (ASKS.replace("Sec-WebSocket-Version: 13", "X: y"), 400),
    ],
)
def test_bad_handshakes_are_answered_here(way: str, head: str, status: int) -> None:
    with Play(site(way)) as play:
        client = play.client()
        client.says(head)
        if status == 200:
            # HTTP/1.0 knows no Upgrade (RFC 9110 §7.8): a request as any other.
            origin = play.origin()
            assert "upgrade" not in origin.hears_message(head_only=True).fields
            origin.says("HTTP/1.1 200 OK\nContent-Length: 0")
            assert client.hears_message().status == 200
            client.overlooks()
            return
        answer = client.hears_message()
        client.overlooks()
        assert answer.status == status
        assert ("sec-websocket-version" in answer.fields) is (status == 426)
        play.no_connection()
        assert len(play.site.websockets) == 0


@WAYS
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "301 Moved Permanently", "426 Upgrade Required"])
def test_an_answer_other_than_101_is_no_tunnel(way: str, status: str) -> None:
    with Play(site(way)) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin()
        origin.hears(ASKED_ON)
        answer = f"HTTP/1.1 {status}" + ("" if status.startswith("204") else "\nContent-Length: 0")
        origin.says(answer)
        client.hears(answer)
        client.says("GET /smuggled HTTP/1.1\nHost: example.com")
        origin.hears("GET /smuggled HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
        origin.says(answer)
        client.hears(answer)
        assert [exchange.head.target for exchange in play.finished] == [b"/chat", b"/smuggled"]


@WAYS
def test_a_101_that_nobody_asked_for_is_a_failure(way: str) -> None:
    with Play(site(way)) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
        origin.says(AGREED)
        assert client.hears_message().status == 502
        origin.sees_cut()
