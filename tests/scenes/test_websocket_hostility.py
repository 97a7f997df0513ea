"""Sides of a WebSocket that want to harm the proxy, or those behind it and beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.frames import CLOSE, PING, TEXT, closing, frame, from_client, heard, hears_close, hears_frame, whole
from tests.kit.play import Play
from tests.scenes.test_websocket_handover import FIRST, SECOND, agrees, texts
from tests.scenes.test_websocket_handover import SITE as RESUMED
from tests.scenes.test_websocket_handover import opened as resumed
from tests.scenes.test_websocket_messages import AGREED, ASKS, MESSAGES, opened
from tests.scenes.test_websocket_verbs import verbs
from twistedproxy.websocket.frames import CONTINUATION


@pytest.mark.parametrize("head", [b"\x81\x7e\x00\x00", b"\x81\x7e\x00\x7d", b"\x81\x7f" + bytes(8), b"\x82\x7e\x00\x05"])
def test_a_length_of_the_peer_in_more_bytes_than_it_needs_is_refused(head: bytes) -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        origin.says(head, frame(TEXT, "and what would be lost"))
        hears_close(client, 1011)
        client.says(from_client(CLOSE, closing(1011)))
        client.sees_end()
        hears_close(origin, 1002)
        origin.sees_end()


@pytest.mark.parametrize("size", [0, 5, 125])
def test_a_length_of_the_client_in_more_bytes_than_it_needs_is_refused(size: int) -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        client.says(bytes((0x81, 0xFE, 0, size)), bytes(4 + size), from_client(TEXT, "and this"))
        hears_close(origin, 1001)
        origin.says(frame(CLOSE, closing(1001)))
        hears_close(client, 1002)
        client.sees_end()


@pytest.mark.parametrize("kind", ["messages", "fragments", "empty fragments", "pings"])
def test_many_small_frames_do_not_keep_others_waiting(kind: str, tmp_path: Path) -> None:
    with Play(MESSAGES) as play:
        flooder, target = opened(play)
        other, origin = opened(play)
        file = tmp_path / "order"
        verbs(play)["record"]("/", str(file))
        if kind == "messages":
            flood = [from_client(TEXT, "x")] * 3000
        elif kind == "pings":
            flood = [from_client(PING, "x")] * 3000
        else:
            flood = [from_client(CONTINUATION, "x" if kind == "fragments" else "", fin=False)] * 3000
            flood = [from_client(TEXT, "x", fin=False), *flood, from_client(CONTINUATION, "x")]
        flooder.has_said(*flood, from_client(TEXT, "the last"))
        other.says(from_client(TEXT, "me too"))
        hears_frame(origin, TEXT, "me too")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        said = [line["websocket"] for line in lines if "from" in line]
        assert said.index(2) < (1000 if kind in ("messages", "fragments") else 2)
        *before, last = heard(target)
        assert last.payload == b"the last"
        assert len(heard(flooder)) == (3000 if kind == "pings" else 0)
        if kind in ("fragments", "empty fragments"):
            assert whole(before) == (TEXT, b"x" * (3002 if kind == "fragments" else 2))


def test_a_message_in_many_small_parts_is_put_together() -> None:
    with Play(RESUMED) as play:
        client, origin = resumed(play)
        parts = [from_client(CONTINUATION, "x", fin=False)] * 3000
        client.says(from_client(TEXT, "x", fin=False), *parts, from_client(CONTINUATION, ""))
        assert texts(origin) == ["x" * 3001]
        client.says(from_client(TEXT, "and on"))
        assert texts(origin) == ["and on"]


def test_who_says_a_lot_at_first_is_not_resumed() -> None:
    with Play(RESUMED) as play:
        client = play.client()
        client.says(ASKS)
        origin = play.origin(FIRST)
        agrees(origin)
        client.hears(AGREED)
        client.says(from_client(TEXT, "x" * 300_000), from_client(TEXT, "subscribe"))
        assert [len(each) for each in texts(origin)] == [300_000, 9]
        origin.resets()
        hears_close(client, 1011)
        client.says(from_client(CLOSE, closing(1011)))
        client.sees_end()
        play.no_connection()


def test_large_messages_that_wait_for_another_peer_are_few() -> None:
    large = "x" * 200_000
    with Play(RESUMED) as play:
        client, origin = resumed(play)
        play.refuses(FIRST)
        play.refuses(SECOND)
        origin.resets()
        client.says(*[from_client(TEXT, large)] * 10)
        assert client.waiting > 500_000
        play.accepts(SECOND)
        play.accepts(FIRST)
        play.later(3)
        second = play.origin()
        agrees(second)
        assert [len(each) for each in texts(second)] == [5, 9, *[200_000] * 10]


def test_a_client_that_says_goodbye_while_its_peer_is_drained_is_answered_and_nobody_else_asked() -> None:
    with Play(RESUMED) as play:
        client, origin = resumed(play)
        play.ignores(SECOND)
        play.pools["app"].drain(FIRST)
        play.turn()
        hears_close(origin, 1001)
        client.says(from_client(CLOSE, closing(1000, "bye")))
        hears_close(client, 1000, "bye")
        client.sees_end()
        client.leaves()
        calls = len(play.calls)
        assert len(play.finished) == 1
        play.later(6)
        assert len(play.calls) == calls
        origin.sees_cut()
        assert play.in_flight() == 0


@pytest.mark.parametrize("how", ["leaves", "breaks a rule"])
def test_a_client_that_goes_while_its_peer_is_drained_ends_the_search(how: str) -> None:
    with Play(RESUMED) as play:
        client, origin = resumed(play)
        play.ignores(SECOND)
        play.pools["app"].drain(FIRST)
        play.turn()
        hears_close(origin, 1001)
        if how == "leaves":
            client.resets()
        else:
            client.says(from_client(3, "what?"))
            hears_close(client, 1002)
            client.sees_end()
            client.leaves()
        assert len(play.finished) == 1
        assert play.in_flight() == 0
        calls = len(play.calls)
        play.later(6)
        assert len(play.calls) == calls
        origin.sees_cut()


def test_a_full_disk_ends_a_recording_and_nothing_else() -> None:
    with Play(MESSAGES) as play:
        client, origin = opened(play)
        said = verbs(play)
        said["record"]("/", "/dev/full")
        for word in ("one", "two"):
            client.says(from_client(TEXT, word))
            hears_frame(origin, TEXT, word)
        assert "recorded to /dev/full" in str(said["record"]("/dev/full"))
