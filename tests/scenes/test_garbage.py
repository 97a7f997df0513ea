"""Exchanges leave nothing for the garbage collector: what they are made of goes at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FORWARDED, ONE
from tests.scenes.test_websockets import joined

TIMES = 1000


@pytest.fixture
def uncollected() -> Iterator[Callable[[], int]]:
    """Tells how many objects only the collector can free, of those that came since; it does not run by itself meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()


def served(play: Play, client: Party) -> Party:
    client.says(ASKED)
    origin = play.same_origin()
    origin.hears(FORWARDED)
    origin.says(ANSWER, b"hello")
    client.hears(ANSWER, b"hello")
    forgotten(play)
    return origin


def forgotten(play: Play) -> None:
    """The play keeps exchanges; the proxy does not."""
    play.finished.clear()
    play.site.exchanges = 0


def test_a_thousand_exchanges_on_one_connection(uncollected: Callable[[], int]) -> None:
    with Play(ONE) as play:
        client = play.client()
        served(play, client)
        uncollected()
        for _ in range(TIMES):
            served(play, client)
        assert uncollected() == 0


def orderly(play: Play) -> None:
    client = play.client()
    origin = served(play, client)
    origin.sees_end()
    origin.leaves()
    client.leaves()


def client_resets(play: Play) -> None:
    client = play.client()
    client.says(ASKED)
    origin = play.origin()
    origin.hears(FORWARDED)
    client.resets()
    origin.sees_cut()
    origin.leaves()
    forgotten(play)


def peer_resets(play: Play) -> None:
    client = play.client()
    client.says(ASKED)
    origin = play.origin()
    origin.hears(FORWARDED)
    origin.resets()
    assert client.hears_message().status == 502
    client.leaves()
    forgotten(play)


def request_refused(play: Play) -> None:
    client = play.client()
    client.says(b"GET / HTTP/1.1\r\n\r\n")
    assert client.hears_message().status == 400
    client.sees_end()
    client.leaves()


def websocket(play: Play) -> None:
    client, origin = joined(play)
    client.says(b"\x81\x85over")
    origin.hears(b"\x81\x85over")
    client.leaves()
    origin.sees_end()
    origin.leaves()
    forgotten(play)


@pytest.mark.parametrize("visit", [orderly, client_resets, peer_resets, request_refused, websocket])
def test_clients_who_come_and_go(visit: Callable[[Play], None], uncollected: Callable[[], int]) -> None:
    with Play(ONE.replace("[route", "keepalive = 0\n[route").replace("pool = app", "pool = app\ntries = 1")) as play:
        visit(play)
        uncollected()
        for _ in range(100):
            visit(play)
        assert uncollected() == 0
