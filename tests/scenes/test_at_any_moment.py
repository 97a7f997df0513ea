"""Whoever leaves, and whenever: nothing is left behind, and no part is taken for the whole."""

from __future__ import annotations

from pathlib import Path

import h11
import pytest

from tests.kit.party import Party, spoken
from tests.kit.play import Play
from tests.scenes.sites import ONE

CACHED = ONE.replace("[route /]", "[cache pages]\ndirectory = cache\n[route /]\ncache = pages")

REQUESTS = {
    "GET": spoken("GET / HTTP/1.1\nHost: a"),
    "length": spoken("PUT / HTTP/1.1\nHost: a\nContent-Length: 6", b"abcdef"),
    "chunked": spoken("PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", b"3\r\nabc\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n"),
    "pipelined": spoken("GET / HTTP/1.1\nHost: a") * 2,
    "1.0": spoken("GET / HTTP/1.0\nHost: a"),
}
ANSWERS = {
    "length": spoken("HTTP/1.1 200 OK\nCache-Control: max-age=60\nContent-Length: 6", b"ABCDEF"),
    "chunked": spoken(
        "HTTP/1.1 200 OK\nCache-Control: max-age=60\nTransfer-Encoding: chunked", b"3\r\nABC\r\n3\r\nDEF\r\n0\r\nX: y\r\n\r\n"
    ),
    "interim": spoken("HTTP/1.1 103 Early Hints", "HTTP/1.1 200 OK\nContent-Length: 6", b"ABCDEF"),
}
WAYS = ["leaves", "resets", "ends"]


def complete_body(request: bytes, answered: bytes, *, ended: bool) -> bytes | None:
    """The body of the first answer in *answered* as an independent client reads it; None if that is not complete."""
    client = h11.Connection(h11.CLIENT)
    method = request.split(b" ", 1)[0].decode()
    version_1_0 = b"HTTP/1.0" in request[:20]
    client.send(
        h11.Request(method=method, target="/", headers=[("Host", "a"), *([("Connection", "close")] if version_1_0 else [])])
    )
    client.send(h11.EndOfMessage())
    client.receive_data(answered)
    if ended:
        client.receive_data(b"")
    body = b""
    while True:
        try:
            event = client.next_event()
        except h11.RemoteProtocolError:
            return None
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return body
        elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            return None


def origins(play: Play) -> list[Party]:
    """Every connection that the proxy has made and that the play has not spoken of."""
    found = []
    while play._unclaimed:
        found.append(play.origin())
    return found


def check(play: Play, client: Party, request: bytes, everyone: list[Party], *, answered: bool) -> None:
    """No half answer looks whole, and nobody is kept waiting for ever."""
    everyone += origins(play)
    for origin in everyone:
        origin.overlooks()
    play.later(200)
    everyone += origins(play)
    for origin in everyone:
        origin.overlooks()
    heard = client.overlooks()
    body = complete_body(request, heard, ended=client.ended_in_order and not client.has_left)
    if body is not None and b" 200 OK" in heard[:20]:
        assert body == b"ABCDEF"
        assert answered
    assert play.in_flight() == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_client_may_leave_at_any_byte_of_its_request(kind: str, way: str) -> None:
    request = REQUESTS[kind]
    for moment in range(len(request) + 1):
        with Play(ONE) as play:
            client = play.client()
            client.says(request[:moment])
            getattr(client, way)()
            check(play, client, request, [], answered=False)
            for exchange in play.finished:
                assert exchange.status in (400, 408, 499, 504)


@pytest.mark.parametrize("site", ["plain", "cached"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", ["client", "origin"])
@pytest.mark.parametrize("answer_kind", ANSWERS)
@pytest.mark.parametrize("request_kind", REQUESTS)
def test_anybody_may_leave_at_any_byte_of_the_answer(
    request_kind: str, answer_kind: str, who: str, way: str, site: str, tmp_path: Path
) -> None:
    request, answer = REQUESTS[request_kind], ANSWERS[answer_kind]
    for moment in range(0, len(answer) + 1, 3 if site == "plain" else 11):
        with Play(ONE if site == "plain" else CACHED, tmp_path / str(moment)) as play:
            client = play.client()
            client.says(request)
            origin = play.origin()
            origin.says(answer[:moment])
            getattr(client if who == "client" else origin, way)()
            if who == "client" and way == "ends" and not origin.ended_in_order and not origin.is_closed:
                origin.says(answer[moment:])
                moment = len(answer)
            check(play, client, request, [origin], answered=moment == len(answer))


@pytest.mark.parametrize("answer_kind", ANSWERS)
@pytest.mark.parametrize("request_kind", ["length", "chunked"])
def test_a_peer_may_answer_at_any_byte_of_the_request(request_kind: str, answer_kind: str) -> None:
    request, answer = REQUESTS[request_kind], ANSWERS[answer_kind]
    head = request.index(b"\r\n\r\n") + 4
    for moment in range(head, len(request) + 1):
        with Play(ONE) as play:
            client = play.client()
            client.says(request[:moment])
            origin = play.origin()
            origin.says(answer)
            if not client.is_closed:
                client.says(request[moment:])
            heard = client.overlooks()
            assert complete_body(request, heard, ended=client.ended_in_order) == b"ABCDEF"
            check(play, client, request, [origin], answered=True)


@pytest.mark.parametrize("moment", range(3))
@pytest.mark.parametrize("request_kind", REQUESTS)
def test_the_site_may_stop_at_any_moment(request_kind: str, moment: int) -> None:
    request, answer = REQUESTS[request_kind], ANSWERS["length"]
    with Play(ONE) as play:
        client = play.client()
        client.says(request[: len(request) * moment // 2])
        everyone = origins(play)
        play.listeners["http"].closing = True
        for connection in play.connections():
            connection.close_when_idle()
        play.turn()
        for origin in everyone:
            if not origin.is_closed:
                origin.says(answer)
        check(play, client, request, everyone, answered=True)
        for connection in play.connections():
            connection.close_now()
        play.turn()
        client.overlooks()
