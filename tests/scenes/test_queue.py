"""Peers with as many exchanges as they may: the next ones wait, in order, and not for ever."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, SECOND

FULL = """
[pool app]
servers = 10.0.0.1:80 max_connections=1
queue = 2 timeout=5s
[route /]
pool = app
"""
TWO = """
[pool app]
servers =
    10.0.0.1:80 max_connections=1
    10.0.0.2:80 max_connections=1
queue = 10 timeout=5s
[route /]
pool = app
"""
UPGRADE = """
    GET / HTTP/1.1
    Host: example.com
    Connection: Upgrade
    Upgrade: websocket
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
    Sec-WebSocket-Version: 13
"""
UPGRADED = """
    HTTP/1.1 101 Switching Protocols
    Upgrade: websocket
    Connection: Upgrade
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
"""


def asking(play: Play, number: int = 1, request: str = ASKED) -> list[Party]:
    """So many clients that have asked."""
    clients = [play.client() for _ in range(number)]
    for client in clients:
        client.says(request)
    return clients


def asked(origin: Party) -> None:
    origin.hears(FORWARDED)


def answers(origin: Party, client: Party) -> None:
    origin.says(ANSWER, b"hello")
    client.hears(ANSWER, b"hello")


def refused(client: Party, play: Play, reason: str, number: int = -1) -> None:
    answer = client.hears_message()
    assert (answer.status, answer.fields["retry-after"]) == (503, "5")
    assert str(play.finished[number].reason) == reason


def test_who_comes_to_a_full_pool_waits_and_is_served_in_order() -> None:
    with Play(FULL) as play:
        first, second, third = asking(play, 3)
        origin = play.origin()
        asked(origin)
        play.no_connection()
        queue = play.pools["app"].queue
        assert queue is not None and len(queue) == 2
        for client, last in ((first, False), (second, False), (third, True)):
            answers(origin, client)
            if not last:
                asked(origin)
        assert play.calls == [FIRST]
        assert (queue.waits, len(queue)) == (2, 0)
        assert [str(verdict) for verdict in play.finished[1].verdicts] == [
            "every available peer is full: it waits in the pool's queue"
        ]


def test_a_full_queue_is_503_at_once() -> None:
    with Play(FULL) as play:
        clients = asking(play, 4)
        refused(clients[3], play, "queue_full")
        origin = play.origin()
        for client in clients[:3]:
            asked(origin)
            answers(origin, client)


def test_who_has_waited_too_long_gets_503() -> None:
    with Play(FULL) as play:
        first, second = asking(play, 2)
        origin = play.origin()
        asked(origin)
        play.later(4.9)
        second.hears_nothing()
        play.later(0.4)
        refused(second, play, "queue_timeout")
        answers(origin, first)
        queue = play.pools["app"].queue
        assert queue is not None and queue.timeouts == 1


def test_without_a_queue_a_full_pool_is_503_at_once() -> None:
    with Play(FULL.replace("queue = 2 timeout=5s\n", "")) as play:
        first, second = asking(play, 2)
        refused(second, play, "all_full")
        origin = play.origin()
        asked(origin)
        answers(origin, first)
        second.says(ASKED)
        asked(origin)
        answers(origin, second)


def test_who_leaves_while_it_waits_leaves_the_queue_at_once() -> None:
    with Play(FULL) as play:
        first, second, third = asking(play, 3)
        queue = play.pools["app"].queue
        assert queue is not None
        second.resets()
        assert len(queue) == 1
        assert (play.finished[0].status, str(play.finished[0].reason), queue.left) == (499, "client_gone", 1)
        asking(play, 1)[0].resets()
        origin = play.origin()
        asked(origin)
        answers(origin, first)
        asked(origin)
        answers(origin, third)


def test_a_peer_never_has_more_than_it_may_whoever_comes_and_goes() -> None:
    with Play(TWO) as play:
        clients = asking(play, 6)
        busy = {name: play.origin(name) for name in (FIRST, SECOND)}
        for origin in busy.values():
            asked(origin)
        assert [peer.in_flight for peer in play.pools["app"].peers] == [1, 1]
        # Everybody who is answered makes room for the next in order, on the peer that has it.
        answers(busy[SECOND], clients[1])
        asked(busy[SECOND])
        answers(busy[SECOND], clients[2])
        asked(busy[SECOND])
        answers(busy[FIRST], clients[0])
        asked(busy[FIRST])
        assert [peer.in_flight for peer in play.pools["app"].peers] == [1, 1]
        answers(busy[SECOND], clients[3])
        asked(busy[SECOND])
        answers(busy[FIRST], clients[4])
        answers(busy[SECOND], clients[5])
        assert play.calls == [FIRST, SECOND]


def test_who_comes_just_as_there_is_room_does_not_overtake_who_waits() -> None:
    with Play(FULL) as play:
        first, second = asking(play, 2)
        origin = play.origin()
        asked(origin)
        # In one go: the answer that makes room, and the next request of the one who is served.
        first.says(ASKED)
        answers(origin, first)
        asked(origin)
        answers(origin, second)
        asked(origin)
        answers(origin, first)


def test_a_websocket_takes_a_place_as_long_as_it_is_open() -> None:
    with Play(FULL) as play:
        (client,) = asking(play, 1, UPGRADE)
        origin = play.origin()
        assert "Sec-WebSocket-Key" in origin.overlooks().decode()
        origin._end_seen = False
        origin.says(UPGRADED)
        assert client.overlooks().startswith(b"HTTP/1.1 101")
        play.later(3600)
        (other,) = asking(play, 1)
        play.no_connection()
        client.leaves()
        origin.sees_end()
        origin.leaves()
        origin = play.origin()
        asked(origin)
        answers(origin, other)


def test_a_post_waits_with_its_body_and_the_rest_of_it_follows() -> None:
    with Play(FULL) as play:
        (first,) = asking(play)
        second = play.client()
        post = "POST / HTTP/1.1\nHost: example.com\nContent-Length: 200000"
        second.says(post, b"a" * 100_000)
        second.says(b"b" * 100_000)
        assert second.waiting  # no more of it is read than is kept
        origin = play.origin()
        asked(origin)
        answers(origin, first)
        origin.hears(post + "\nVia: 1.1 twistedproxy", b"a" * 100_000 + b"b" * 100_000)
        answers(origin, second)


def test_a_retry_waits_for_a_peer_that_it_has_not_tried_and_others_overtake_it() -> None:
    with Play(TWO) as play:
        first, second = asking(play, 2)
        one, two = play.origin(FIRST), play.origin(SECOND)
        asked(one)
        asked(two)
        one.leaves()
        # The first waits for the second peer; the first peer has room for others.
        play.no_connection()
        (third,) = asking(play)
        one = play.origin(FIRST)
        asked(one)
        answers(two, second)
        asked(two)
        answers(two, first)
        answers(one, third)


def test_more_of_a_body_comes_while_a_retry_waits() -> None:
    with Play(TWO) as play:
        put = "PUT / HTTP/1.1\nHost: example.com\nContent-Length: 200000"
        first = play.client()
        first.says(put, b"a" * 10)
        (second,) = asking(play)
        one, two = play.origin(FIRST), play.origin(SECOND)
        one.hears(put + "\nVia: 1.1 twistedproxy", b"a" * 10)
        one.leaves()
        asked(two)
        first.says(b"b" * 199_990)
        answers(two, second)
        two.hears(put + "\nVia: 1.1 twistedproxy", b"a" * 10 + b"b" * 199_990)
        answers(two, first)


def test_when_the_last_peer_goes_down_those_who_wait_are_told_so() -> None:
    with Play(FULL) as play:
        first, second = asking(play, 2)
        play.pools["app"].drain(FIRST)
        play.turn()
        refused(second, play, "no_peer")
        origin = play.origin()
        asked(origin)
        answers(origin, first)
        origin.sees_end()


def test_a_peer_that_comes_serves_those_who_wait() -> None:
    with Play(TWO.replace("10.0.0.2:80 max", "10.0.0.2:80 down max")) as play:
        first, second = asking(play, 2)
        one = play.origin(FIRST)
        asked(one)
        play.pools["app"].restore(SECOND)
        play.turn()
        two = play.origin(SECOND)
        asked(two)
        answers(two, second)
        answers(one, first)


def test_an_ejection_that_ends_serves_those_who_wait() -> None:
    with Play(TWO.replace("queue", "max_fails = 1\nfail_timeout = 2s\nqueue")) as play:
        play.refuses(FIRST)
        (first,) = asking(play)
        two = play.origin(SECOND)
        asked(two)
        play.accepts(FIRST)
        (second,) = asking(play)
        play.later(1.5)
        play.no_connection()
        play.later(1.0)
        one = play.origin(FIRST)
        asked(one)
        answers(one, second)
        answers(two, first)


def test_a_backup_takes_what_the_primaries_have_no_room_for() -> None:
    with Play(TWO.replace("10.0.0.2:80", "10.0.0.2:80 backup")) as play:
        first, second = asking(play, 2)
        for name, client in ((FIRST, first), (SECOND, second)):
            origin = play.origin(name)
            asked(origin)
            answers(origin, client)
        assert "a backup was taken" in str(play.finished[1].verdicts[0])


def test_a_kept_connection_that_closes_is_replaced_though_somebody_waits() -> None:
    with Play(FULL) as play:
        (client,) = asking(play)
        origin = play.origin()
        asked(origin)
        answers(origin, client)
        client.says(ASKED)
        asked(origin)
        (other,) = asking(play)
        origin.leaves()
        origin = play.origin()
        asked(origin)
        assert play.in_flight() == 1
        answers(origin, client)
        asked(origin)
        answers(origin, other)


@pytest.mark.parametrize("route", ["pool = app\ncache = c\ncache_use_stale = error"])
def test_what_is_stored_stands_in_when_the_pool_is_full(route: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    site = FULL.replace("queue = 2 timeout=5s\n", "").replace("pool = app\n", route + "\n")
    directory = tmp_path_factory.mktemp("cache")
    with Play(f"[cache c]\ndirectory = {directory}\n{site}") as play:
        (client,) = asking(play)
        origin = play.origin()
        asked(origin)
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: 5", b"hello")
        assert client.hears_message().status == 200
        play.later(20)
        (busy,) = asking(play, 1, "GET /other HTTP/1.1\nHost: example.com")
        origin.hears("GET /other HTTP/1.1\nHost: example.com\nVia: 1.1 twistedproxy")
        client.says(ASKED)
        answer = client.hears_message()
        assert (answer.status, answer.body) == (200, b"hello")
        origin.says(ANSWER, b"hello")
        assert busy.hears_message().body == b"hello"
