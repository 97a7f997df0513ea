"""Large pieces of bodies go through filters a slice at a time."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ONE
from tests.scenes.test_substitution import dechunked
from twistedproxy.filters.chain import Chain
from twistedproxy.forward.slices import SLICE

SITE = ONE + "compress = gzip\n"
ASKED = "GET / HTTP/1.1\nHost: example.com\nAccept-Encoding: gzip"
BODY = bytes(range(256)) * 4096 * 3
NOISE = Random(4).randbytes(4 * 1024 * 1024)
HEAD = f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(BODY)}"


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each call of the filters."""
    sizes: list[int] = []
    feed = Chain.feed

    def counted(chain: Chain, pieces: Sequence[Any]) -> Sequence[Any]:
        sizes.append(sum(map(len, pieces)))
        return feed(chain, pieces)

    monkeypatch.setattr(Chain, "feed", counted)
    return sizes


def content(answer: bytes) -> bytes:
    """The body of a whole answer."""
    return gzip.decompress(dechunked(answer.partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("more", ["", "bandwidth = 100m/s\n", "substitute = nothing something\n"])
def test_a_body_that_comes_all_at_once(more: str, fed: list[int]) -> None:
    with Play(SITE + more) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        for turn in range(2):
            if turn:
                client.says(ASKED)
            origin.hears_message()
            origin.says(HEAD, BODY)
            play.later(1)
            assert content(client.overlooks()) == BODY
        assert max(fed) <= SLICE
        assert len(fed) >= 2 * len(BODY) // SLICE


def test_a_body_that_comes_in_large_pieces(fed: list[int]) -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears_message()
        origin.says(HEAD)
        for start in range(0, len(BODY), 1024 * 1024):
            origin.says(BODY[start : start + 1024 * 1024])
        assert content(client.overlooks()) == BODY
        assert max(fed) <= SLICE


def test_a_slow_client_holds_the_filters_and_the_peer_back(fed: list[int]) -> None:
    with Play(SITE) as play:
        client = play.client()
        client.stops_reading(1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(NOISE)}", NOISE)
        play.later(1)
        assert sum(fed) < len(NOISE) // 2
        client.reads_on()
        assert content(client.overlooks()) == NOISE


def test_a_client_that_leaves_meanwhile() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.stops_reading(1000)
        client.says(ASKED)
        origin = play.origin()
        origin.hears_message()
        origin.says(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(NOISE)}", NOISE)
        client.overlooks()
        client.resets()
        origin.overlooks()


def test_a_body_that_is_cut_is_seen_to_be_cut() -> None:
    with Play(SITE) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears_message()
        origin.has_said(HEAD, BODY[: 1024 * 1024])
        origin.leaves()
        answer = client.overlooks()
        assert answer.startswith(b"HTTP/1.1 200")
        assert not answer.endswith(b"0\r\n\r\n")
        assert play.finished[-1].reason is not None
