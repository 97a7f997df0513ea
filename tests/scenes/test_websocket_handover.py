"""Handover: the client's connection stays while another peer takes over."""

from __future__ import annotations

import pytest

from tests.kit.frames import CLOSE, TEXT, closing, frame, from_client, heard, hears_close, hears_frame
from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.test_websocket_messages import AGREED, ASKED_ON, ASKS

FIRST, SECOND = "10.0.0.1:80", "10.0.0.2:80"
SITE = """
[pool app]
servers =
    10.0.0.1:80
    10.0.0.2:80
[route /]
pool = app
websocket = messages
websocket_ping_interval = 0
websocket_close_timeout = 1s
websocket_resume = 2
websocket_resume_waiting = 3
websocket_resume_timeout = 5s
"""


def opened(play: Play) -> tuple[Party, Party]:
    """A client that has said hello, and subscribed, through the first peer."""
    client = play.client()
    client.says(ASKS)
    origin = play.origin(FIRST)
    agrees(origin)
    client.hears(AGREED)
    client.says(from_client(TEXT, "hello"), from_client(TEXT, "subscribe"), from_client(TEXT, "later"))
    assert texts(origin) == ["hello", "subscribe", "later"]
    return client, origin


def agrees(origin: Party) -> None:
    """A peer takes the handshake, as it came from the client."""
    origin.hears(ASKED_ON)
    origin.says(AGREED)


def texts(party: Party) -> list[str]:
    """The messages that somebody has heard."""
    frames = heard(party)
    assert all(each.opcode == TEXT and each.fin for each in frames), frames
    return [each.payload.decode() for each in frames]


@pytest.mark.parametrize("how", ["is killed", "closes", "says 1001", "says 1012", "is drained", "is removed"])
def test_the_client_sees_nothing_when_its_peer_goes_away(how: str) -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        if how == "is killed":
            origin.resets()
        elif how == "closes":
            origin.leaves()
        elif how.startswith("says"):
            origin.says(frame(CLOSE, closing(int(how[5:]), "deploying")))
        elif how == "is drained":
            play.pools["app"].drain(FIRST)
        else:
            play.pools["app"].remove(FIRST, "gone")
        play.turn()
        second = play.origin(SECOND)
        client.says(from_client(TEXT, "meanwhile"))
        agrees(second)
        assert texts(second) == ["hello", "subscribe", "meanwhile"]
        second.says(frame(TEXT, "welcome"))
        hears_frame(client, TEXT, "welcome")
        client.says(from_client(TEXT, "go on"))
        hears_frame(second, TEXT, "go on")
        if not origin.has_left:
            hears_close(origin, 1001)
            origin.leaves()
        (websocket,) = play.site.websockets
        assert websocket.joined.peer_name == SECOND
        assert play.in_flight() == 1
        client.says(from_client(CLOSE, closing(1000)))
        hears_close(second, 1000)
        second.says(frame(CLOSE, closing(1000)))
        hears_close(client, 1000)
        client.sees_end()
        client.leaves()
        second.leaves()
        assert play.exchange().status == 101
        assert play.in_flight() == 0


def test_a_peer_that_ends_the_conversation_has_ended_it() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        origin.says(frame(CLOSE, closing(1000, "bye")))
        hears_close(client, 1000, "bye")
        client.says(from_client(CLOSE, closing(1000)))
        hears_close(origin, 1000)
        client.sees_end()
        play.no_connection()


def test_only_so_much_waits_and_then_the_client_is_not_read() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        play.ignores(SECOND)
        origin.resets()
        client.says(*[from_client(TEXT, f"{number}") for number in range(5)])
        client.says(from_client(TEXT, "x" * 1000))
        assert client.waiting > 1000
        play.accepts(FIRST)
        play.later(2)
        client.hears_nothing()
        play.later(4)
        hears_close(client, 1012, "the peer was restarted")
        client.says(from_client(CLOSE, closing(1012)))
        client.sees_end()


def test_what_has_waited_arrives_in_order() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        origin.resets()
        second = play.origin(SECOND)
        client.says(*[from_client(TEXT, f"{number}") for number in range(10)])
        agrees(second)
        assert texts(second) == ["hello", "subscribe", *[f"{number}" for number in range(10)]]


def test_peers_are_tried_in_turn_until_one_is_back() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        play.refuses(FIRST)
        play.refuses(SECOND)
        origin.resets()
        play.later(2)
        play.no_connection()
        assert len(play.calls) > 4
        play.accepts(FIRST)
        play.later(1)
        second = play.origin(FIRST)
        second.hears(ASKED_ON)
        second.says("HTTP/1.1 503 Service Unavailable\nContent-Length: 0")
        play.later(1)
        third = play.origin(FIRST) if play._unclaimed else second
        agrees(third)
        assert texts(third) == ["hello", "subscribe"]
        client.hears_nothing()


def test_without_any_peer_the_client_is_asked_to_come_later() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        play.pools["app"].maintain(SECOND)
        play.pools["app"].maintain(FIRST)
        play.turn()
        hears_close(origin, 1001)
        origin.leaves()
        play.later(6)
        hears_close(client, 1013, "no peer can take over")
        client.says(from_client(CLOSE, closing(1013)))
        client.sees_end()


def test_a_client_that_leaves_meanwhile_ends_the_search() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        play.ignores(SECOND)
        origin.resets()
        client.resets()
        assert len(play.finished) == 1
        assert play.in_flight() == 0
        play.later(6)


def test_a_client_that_says_goodbye_meanwhile_is_answered() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        play.ignores(SECOND)
        origin.resets()
        client.says(from_client(CLOSE, closing(1000, "bye")))
        hears_close(client, 1000, "bye")
        client.sees_end()


def test_peers_that_take_over_and_leave_at_once_are_enough_after_a_while() -> None:
    with Play(SITE) as play:
        client, origin = opened(play)
        for _ in range(20):
            origin.resets()
            if client.heard:
                break
            play.later(0.1)
            origin = play.origin()
            agrees(origin)
            origin.overlooks()
        play.later(1)
        assert heard(client)[-1].close[0] in (1012, 1013)
        client.says(from_client(CLOSE, closing(1012)))
        client.sees_end()


DRAINED = """
[pool app]
servers =
    10.0.0.1:80
    10.0.0.2:80
[route /]
pool = app
websocket_drain_timeout = 60s
"""


@pytest.mark.parametrize("way", ["tunnel", "messages"])
def test_a_drained_peer_keeps_its_websockets_for_a_time(way: str) -> None:
    more = "websocket = messages\nwebsocket_ping_interval = 0\n" if way == "messages" else ""
    with Play(DRAINED + more) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin(FIRST)
        agrees(origin)
        client.hears(AGREED)
        play.pools["app"].drain(FIRST)
        play.later(50)
        play.pools["app"].restore(FIRST)
        play.later(50)
        play.pools["app"].drain(FIRST)
        play.later(59)
        client.hears_nothing()
        origin.hears_nothing()
        play.later(2)
        if way == "messages":
            hears_close(client, 1001, "the peer is drained")
            hears_close(origin, 1001, "the peer is drained")
            client.says(from_client(CLOSE, closing(1001)))
            origin.says(frame(CLOSE, closing(1001)))
        client.sees_end()
        client.leaves()
        origin.leaves()
        assert len(play.finished) == 1


def test_a_websocket_of_another_peer_stays() -> None:
    with Play(DRAINED) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin(FIRST)
        agrees(origin)
        client.hears(AGREED)
        play.pools["app"].drain(SECOND)
        play.later(100)
        client.hears_nothing()
        origin.hears_nothing()
