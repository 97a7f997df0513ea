"""How much of an answer is taken from a peer while the client does not take it."""

from __future__ import annotations

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE
from twistedproxy.transport.sending import HIGH_WATER

SIZE = 700_000
HEAD = f"HTTP/1.1 200 OK\nContent-Length: {SIZE}"


def says_in_pieces(origin: Party, size: int) -> int:
    """The origin sends *size* bytes as long as they are read; how many were."""
    sent = 0
    while sent < size and not origin.waiting:
        origin.says(b"x" * 10_000)
        sent += 10_000
    return sent - origin.waiting


def test_a_peer_is_free_for_others_though_a_slow_client_has_not_taken_its_answer() -> None:
    with Play(ONE + "buffering = yes\nbuffer_size = 1m\n") as play:
        slow, quick = play.client(), play.client()
        slow.stops_reading(room=1000)
        slow.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(HEAD)
        assert says_in_pieces(origin, SIZE) == SIZE
        quick.says(ASKED)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        quick.hears(ANSWER, b"hello")
        slow.reads_on()
        slow.hears(HEAD, b"x" * SIZE)


@pytest.mark.parametrize(
    ("knobs", "fields", "most"),
    [
        ("buffering = no\n", "", HIGH_WATER),
        ("buffering = yes\nbuffer_size = 300k\n", "", 300 * 1024),
        ("buffering = yes\nbuffer_size = 300k\n", "\nX-Accel-Buffering: no", HIGH_WATER),
    ],
)
def test_beyond_its_size_the_buffer_takes_nothing(knobs: str, fields: str, most: int) -> None:
    with Play(ONE + knobs) as play:
        client = play.client()
        client.stops_reading(room=1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears(FORWARDED)
        origin.says(HEAD + fields)
        taken = says_in_pieces(origin, SIZE)
        assert most < taken <= most + 11_000
        origin.says(b"x" * (SIZE - taken - origin.waiting))
        client.reads_on()
        client.hears(HEAD + fields, b"x" * SIZE)


def test_a_small_buffer_of_one_answer_does_not_hold_for_the_next_one() -> None:
    with Play(ONE + "buffer_size = 300k\n") as play:
        client = play.client()
        for field, least in (("\nX-Accel-Buffering: no", HIGH_WATER), ("", 300 * 1024)):
            client.stops_reading(room=1000)
            client.says(ASKED)
            origin = play.same_origin()
            origin.hears(FORWARDED)
            origin.says(HEAD + field)
            taken = says_in_pieces(origin, SIZE)
            assert least < taken <= least + 11_000
            origin.says(b"x" * (SIZE - taken - origin.waiting))
            client.reads_on()
            client.hears(HEAD + field, b"x" * SIZE)
            client.stops_reading(room=1000)
