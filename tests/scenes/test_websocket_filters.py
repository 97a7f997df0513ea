"""Filters of the site's own, which see every message of a route."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.frames import BINARY, CLOSE, TEXT, closing, frame, from_client, heard, hears_close, hears_frame
from tests.kit.play import Play
from tests.scenes.filters import Thinking
from tests.scenes.test_websocket_messages import MESSAGES, opened


def site(name: str, *lines: str) -> str:
    return MESSAGES + "\n".join((f"websocket_filter = tests.scenes.filters:{name}", *lines, ""))


@pytest.fixture(autouse=True)
def no_thoughts() -> Iterator[None]:
    """Every play begins and ends without any."""
    Thinking.thoughts.clear()
    yield
    Thinking.thoughts.clear()


def test_a_filter_changes_drops_and_answers_messages() -> None:
    with Play(site("Shouting")) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, "hello"))
        hears_frame(origin, TEXT, "HELLO")
        client.says(from_client(BINARY, b"abc"))
        hears_frame(origin, BINARY, b"ABC")
        client.says(from_client(TEXT, "ping"))
        hears_frame(client, TEXT, "pong")
        client.says(from_client(TEXT, "tell"))
        hears_frame(origin, BINARY, b"told")
        client.says(from_client(TEXT, "who"))
        hears_frame(origin, TEXT, "192.0.2.1 / /chat example.com ")
        origin.says(frame(TEXT, "untouched"))
        hears_frame(client, TEXT, "untouched")


@pytest.mark.parametrize("word", ["no code", "no end"])
def test_a_filter_that_closes_with_what_no_close_may_carry_has_failed(word: str) -> None:
    with Play(site("Shouting")) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, word))
        hears_close(client, 1011, "the message filter failed")
        hears_close(origin, 1011, "the message filter failed")
        client.says(from_client(CLOSE, closing(1011)))
        origin.says(frame(CLOSE, closing(1011)))
        client.sees_end()


def test_a_filter_sees_whole_messages() -> None:
    with Play(site("Shouting")) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, "hel", fin=False))
        origin.hears_nothing()
        client.says(from_client(0, "lo"))
        hears_frame(origin, TEXT, "HELLO")


def test_what_a_filter_says_comes_between_messages_not_within_one() -> None:
    with Play(site("Shouting")) as play:
        client, origin = opened(play)
        origin.says(frame(TEXT, "one ", fin=False))
        client.says(from_client(TEXT, "ping"))
        origin.says(frame(0, "two"))
        one, two, pong = heard(client)
        assert (one.payload, two.payload, pong.payload) == (b"one ", b"two", b"pong")
        assert [each.fin for each in (one, two, pong)] == [False, True, True]


def test_who_does_not_read_a_filters_answers_is_not_read_either() -> None:
    with Play(site("Shouting")) as play:
        client, _ = opened(play)
        client.stops_reading(room=1000)
        client.says(*[from_client(TEXT, "ping")] * 200_000)
        assert client.waiting > 500_000
        client.reads_on()
        assert len(heard(client)) == 200_000


def test_answers_that_wait_for_the_end_of_a_message_are_not_without_number() -> None:
    with Play(site("Shouting")) as play:
        client, origin = opened(play)
        origin.says(frame(TEXT, "one ", fin=False))
        client.says(*[from_client(TEXT, "ping")] * 100_000)
        assert client.waiting > 500_000
        origin.says(frame(0, "two"))
        assert [each.payload for each in heard(client)] == [b"one ", b"two", *[b"pong"] * 100_000]


def test_a_filter_may_end_the_websocket() -> None:
    with Play(site("Shouting")) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, "enough"))
        hears_close(client, 4000, "said enough")
        hears_close(origin, 4000, "said enough")
        client.says(from_client(CLOSE, closing(4000)))
        origin.says(frame(CLOSE, closing(4000)))
        client.sees_end()


def test_a_filter_that_thinks_keeps_the_order_and_the_other_direction_free() -> None:
    with Play(site("Thinking")) as play:
        client, origin = opened(play)
        origin.says(frame(TEXT, "a"), frame(TEXT, "b"))
        client.hears_nothing()
        client.says(from_client(TEXT, "meanwhile"))
        hears_frame(origin, TEXT, "meanwhile")
        assert len(Thinking.thoughts) == 1
        Thinking.thoughts.pop().callback("so on")
        play.turn()
        hears_frame(client, TEXT, "'a', and so on")
        Thinking.thoughts.pop().callback("that is all")
        play.turn()
        hears_frame(client, TEXT, "'b', and that is all")


def test_a_filter_that_thinks_too_long_has_failed() -> None:
    with Play(site("Thinking", "websocket_filter_timeout = 2s")) as play:
        client, origin = opened(play)
        origin.says(frame(TEXT, "a"))
        play.later(1.5)
        client.hears_nothing()
        play.later(0.6)
        hears_close(client, 1011, "the message filter failed")
        hears_close(origin, 1011, "the message filter failed")
        client.says(from_client(CLOSE, closing(1011)))
        client.sees_end()
        origin.leaves()


@pytest.mark.parametrize("message", ["fail", "number"])
def test_a_filter_that_fails_ends_the_websocket(message: str) -> None:
    with Play(site("Broken")) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, message))
        hears_close(client, 1011, "the message filter failed")
        hears_close(origin, 1011, "the message filter failed")
        client.says(from_client(CLOSE, closing(1011)))
        client.sees_end()
        origin.leaves()


@pytest.mark.parametrize("message", ["fail", "number"])
def test_or_the_message_passes_as_it_came(message: str) -> None:
    with Play(site("Broken", "websocket_filter_errors = open")) as play:
        client, origin = opened(play)
        client.says(from_client(TEXT, message))
        hears_frame(origin, TEXT, message)


def test_a_filter_that_cannot_be_made_lets_nothing_pass() -> None:
    with Play(site("Stillborn")) as play:
        client, origin = opened(play, from_client(TEXT, "early"), frame(TEXT, "prompt"))
        hears_close(client, 1011)
        hears_close(origin, 1011)
        client.says(from_client(CLOSE, closing(1011)))
        client.sees_end()
        origin.leaves()


def test_or_everything() -> None:
    with Play(site("Stillborn", "websocket_filter_errors = open")) as play:
        _, origin = opened(play, from_client(TEXT, "early"))
        hears_frame(origin, TEXT, "early")
