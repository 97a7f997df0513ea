"""allow and deny: whoever may not in gets 403, by whatever way and spelling."""

from __future__ import annotations

import pytest

from tests.kit.peers import Peers
from tests.kit.play import Play

SITE = """
    [listen http]
    on = tcp:80
    trusted_proxies = 198.51.100.0/24
    [pool app]
    servers = 10.0.0.1:80
    keepalive = 0
    [route /]
    pool = app
    [route /admin/]
    pool = app
    allow = 192.168.1.0/24
    [route /intern]
    pool = app
    allow = 192.168.1.0/24
    deny = 192.168.1.66
"""


def ask(play: Play, path: str, address: str, *fields: str, method: str = "GET") -> int:
    """The status that somebody at *address* gets."""
    client = play.client(address=address)
    client.says("\n".join((f"{method} {path} HTTP/1.1", "Host: example.com", *fields)))
    Peers(play).act()
    status = client.hears_message(head_only=method == "HEAD").status
    client.overlooks()
    client.leaves()
    play.turn()
    Peers(play).act()
    return status


def test_only_those_may_in_whom_the_route_allows() -> None:
    with Play(SITE) as play:
        assert ask(play, "/admin/", "192.168.1.7") == 200
        assert ask(play, "/admin/", "192.0.2.1") == 403
        assert play.exchange().reason is not None
        assert play.exchange().reason.name == "address_denied"
        assert ask(play, "/intern", "192.168.1.65") == 200
        assert ask(play, "/intern", "192.168.1.66") == 403
        assert ask(play, "/", "192.0.2.1") == 200


def test_the_client_is_the_one_whom_trusted_proxies_report() -> None:
    with Play(SITE) as play:
        assert ask(play, "/admin/", "198.51.100.1", "X-Forwarded-For: 192.168.1.7") == 200
        assert ask(play, "/admin/", "198.51.100.1", "X-Forwarded-For: 192.0.2.1") == 403
        # What a client writes itself stands on the left of what our proxy saw.
        assert ask(play, "/admin/", "198.51.100.1", "X-Forwarded-For: 192.168.1.7, 192.0.2.1") == 403


def test_nobody_lets_himself_in_by_fields() -> None:
    with Play(SITE) as play:
        for field in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X_Forwarded_For", "True-Client-IP", "X-Client-IP"):
            value = "for=192.168.1.7" if field == "Forwarded" else "192.168.1.7"
            assert ask(play, "/admin/", "192.0.2.1", f"{field}: {value}") == 403


def test_a_refused_upload_is_not_waited_for() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says("POST /admin/ HTTP/1.1\nHost: example.com\nContent-Length: 1000000", b"x" * 1000)
        assert client.hears_message().status == 403
        client.sees_end()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get", "TRACE"])
def test_the_method_makes_no_difference(method: str) -> None:
    with Play(SITE) as play:
        assert ask(play, "/admin/", "192.0.2.1", method=method) == 403


def test_a_websocket_is_refused_like_any_request() -> None:
    with Play(SITE) as play:
        fields = (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        assert ask(play, "/admin/ws", "192.0.2.1", *fields) == 403
