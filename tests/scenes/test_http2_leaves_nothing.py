"""Streams, to either side, leave nothing for the garbage collector, and nothing behind."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from h2.errors import ErrorCodes

from tests.kit.http2 import Http2Client, Http2Origin
from tests.kit.play import Play
from tests.scenes.test_garbage import forgotten

SITE = """
[pool app]
servers = 10.0.0.1:80
protocol = {}
[route /]
pool = app
"""
FROM = SITE.format("http/1.1")
BOTH = SITE.format("h2")


@pytest.fixture
def uncollected() -> Iterator[Callable[[], int]]:
    """The kinds of the proxy's objects that only the collector can free, of those that came since."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def ours() -> int:
        gc.collect()
        found = [each for each in gc.garbage if type(each).__module__.startswith("twistedproxy")]
        gc.garbage.clear()
        return len(found)

    try:
        yield ours
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_exchanges_on_streams_from_clients(uncollected: Callable[[], int]) -> None:
    with Play(FROM) as play:
        client = Http2Client(play)
        for number in range(50):
            stream = client.asks("POST" if number % 2 else "GET", "/", body=b"x" if number % 2 else None)
            origin = play.same_origin()
            origin.overlooks()
            if number % 5 == 4:
                client.h2.reset_stream(stream)
                client.flush()
                origin.sees_cut()
            else:
                origin.says("HTTP/1.1 200 OK\nContent-Length: 5", b"hello")
                assert client.answer(stream).ended
            forgotten(play)
        assert uncollected() == 0


def test_exchanges_on_streams_to_peers(uncollected: Callable[[], int]) -> None:
    with Play(BOTH) as play:
        client = Http2Client(play)
        origin = None
        for number in range(50):
            stream = client.asks("POST" if number % 2 else "GET", "/", body=b"x" if number % 2 else None)
            origin = origin or Http2Origin(play)
            up = origin.hears()
            if number % 5 == 4:
                client.h2.reset_stream(stream)
                client.flush()
                assert origin.request(up).reset == ErrorCodes.CANCEL
            else:
                origin.answers(up, "200", body=b"hello")
                assert client.answer(stream).ended
            forgotten(play)
        assert uncollected() == 0


def test_connections_that_end_while_streams_run(uncollected: Callable[[], int]) -> None:
    with Play(BOTH) as play:
        for number in range(20):
            client = Http2Client(play)
            stream = client.asks()
            origin = Http2Origin(play)
            up = origin.hears()
            origin.answers(up, "200", body=b"half", more=True)
            assert client.answer(stream).body == b"half"
            if number % 2:
                client.party.leaves()
                assert origin.request(up).reset == ErrorCodes.CANCEL
                origin.party.leaves()
            else:
                origin.party.leaves()
                assert client.answer(stream).reset == ErrorCodes.INTERNAL_ERROR
                client.party.leaves()
            forgotten(play)
        assert play.in_flight() == 0
        assert uncollected() == 0
