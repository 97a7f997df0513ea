"""Peers that leave, and pools that nearly nobody is left of, as clients and peers meet them."""

from __future__ import annotations

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, ASKED, FIRST, FORWARDED, SECOND, TWO

QUICK = TWO.replace("[route", "max_fails = 1\nfail_timeout = 30s\n[route")


def test_a_pool_whose_peers_all_failed_serves_as_soon_as_one_of_them_is_well_again() -> None:
    with Play(QUICK) as play:
        play.refuses(FIRST)
        play.refuses(SECOND)
        client = play.client()
        client.says(ASKED)
        assert client.hears_message().status == 502
        # Both are ejected for half a minute; a second later one of them is back.
        play.later(1)
        play.accepts(SECOND)
        client.says(ASKED)
        origin = play.origin(SECOND)
        origin.hears(FORWARDED)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        assert [str(peer.state) for peer in play.pools["app"].peers] == ["ejected", "up"]


def test_while_they_fail_on_each_is_tried_and_the_answer_is_502() -> None:
    with Play(QUICK) as play:
        play.refuses(FIRST)
        play.refuses(SECOND)
        client = play.client()
        for _ in range(3):
            client.says(ASKED)
            assert client.hears_message().status == 502
        assert sorted(play.calls) == [FIRST] * 3 + [SECOND] * 3


@pytest.mark.parametrize("way", ["drain", "maintain"])
def test_a_peer_that_is_taken_out_has_its_idle_connections_closed(way: str) -> None:
    with Play(TWO) as play:
        client = play.client()
        for _ in range(2):
            client.says(ASKED)
            origin = play.origin()
            origin.hears(FORWARDED)
            origin.says(ANSWER, b"hello")
            client.hears(ANSWER, b"hello")
        assert play.idle() == 2
        getattr(play.pools["app"], way)(SECOND)
        play.turn()
        origin.sees_end()
        assert play.idle() == 1


def test_a_peer_that_is_drained_finishes_what_it_has_and_keeps_no_connection() -> None:
    with Play(TWO) as play:
        client = play.client()
        client.says(ASKED)
        origin = play.origin(FIRST)
        origin.hears(FORWARDED)
        play.pools["app"].drain(FIRST)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")
        origin.sees_end()
        assert play.idle() == 0
