"""Streams: bytes joined between clients and peers, whatever they mean."""

from __future__ import annotations

import gc
import weakref
from typing import Final

import pytest

from tests.kit.play import Play
from twistedproxy.addresses import Tcp
from twistedproxy.wire.proxy_protocol import Ends, version_1

ONE: Final = """
[stream db]
on = tcp:5432
pool = db
[pool db]
servers = 10.0.0.1:5432
"""
TWO: Final = ONE + "    10.0.0.2:5432\n"
FIRST, SECOND = "10.0.0.1:5432", "10.0.0.2:5432"


def with_keys(site: str, keys: str) -> str:
    """*site* with more keys of its stream."""
    return site.replace("pool = db\n", f"pool = db\n{keys}\n", 1)


def test_bytes_pass_in_both_directions_as_they_are() -> None:
    with Play(ONE) as play:
        client = play.client(listener="db")
        origin = play.origin(FIRST)
        origin.says(b"220 hello\r\n")
        client.hears(b"220 hello\r\n")
        client.says(b"\0\1\2\xff")
        origin.hears(b"\0\1\2\xff")
        assert play.in_flight() == 1
        client.leaves()
        origin.sees_end()
        origin.leaves()
    (ended,) = play.ended
    assert (ended.bytes_received, ended.bytes_sent, ended.reason) == (4, 11, None)
    assert (ended.peer_name, ended.pool_name, ended.tries_made) == (FIRST, "db", 1)


def test_what_a_client_says_before_there_is_a_peer_waits() -> None:
    with Play(ONE) as play:
        play.ignores(FIRST)
        client = play.client(listener="db")
        client.says(b"early")
        assert client.waiting == 5
        play.later(6)
        client.sees_cut()
    assert str(play.ended[0].reason) == "connect_timeout"
    with Play(ONE) as play:
        client = play.client(listener="db")
        client.says(b"early")
        play.origin().hears(b"early")


def test_each_direction_ends_by_itself() -> None:
    with Play(ONE) as play:
        client = play.client(listener="db")
        origin = play.origin()
        client.says(b"question")
        client.ends()
        origin.hears(b"question")
        origin.sees_end()
        origin.says(b"answer")
        client.hears(b"answer")
        origin.leaves()
        client.sees_end()
    assert play.ended[0].reason is None


def test_a_client_that_ends_at_once_still_gets_its_answer() -> None:
    with Play(ONE) as play:
        client = play.client(listener="db")
        client.says(b"question")
        client.ends()
        origin = play.origin()
        origin.hears(b"question")
        origin.sees_end()
        origin.says(b"answer")
        client.hears(b"answer")
        origin.leaves()
        client.sees_end()


def test_a_slow_side_holds_the_other_back() -> None:
    with Play(ONE) as play:
        client = play.client(listener="db")
        origin = play.origin()
        origin.stops_reading(1000)
        client.says(b"x" * 5_000_000)
        assert client.waiting > 3_000_000
        origin.reads_on()
        assert len(origin.overlooks()) == 5_000_000


def test_another_peer_is_tried_when_one_cannot_be_reached() -> None:
    with Play(TWO) as play:
        play.refuses(FIRST)
        client = play.client(listener="db")
        client.says(b"hello")
        origin = play.origin(SECOND)
        origin.hears(b"hello")
        client.leaves()
        origin.sees_end()
    (ended,) = play.ended
    assert (ended.tries_made, ended.peer_name, ended.reason) == (2, SECOND, None)
    assert play.pools["db"].peer(FIRST).failures == 1
    assert play.pools["db"].retries == 1


def test_and_when_one_does_not_answer_in_time() -> None:
    with Play(with_keys(TWO, "connect_timeout = 2s")) as play:
        play.ignores(FIRST)
        client = play.client(listener="db")
        client.says(b"hello")
        play.later(2.5)
        play.origin(SECOND).hears(b"hello")
        assert play.in_flight() == 1


def test_only_so_many_are_tried() -> None:
    with Play(with_keys(TWO, "tries = 1")) as play:
        play.refuses(FIRST)
        client = play.client(listener="db")
        client.sees_cut()
        assert play.calls == [FIRST]
        assert play.streams["db"].refused == {"refused": 1}
    assert str(play.ended[0].reason) == "refused"


def test_without_a_peer_the_connection_is_cut() -> None:
    with Play(ONE.replace("5432\n[pool", "5432\n[pool").rstrip() + " down\n") as play:
        play.client(listener="db").sees_cut()
    assert str(play.ended[0].reason) == "no_peer"


def test_a_client_that_leaves_meanwhile_takes_its_attempt_along() -> None:
    with Play(ONE) as play:
        play.ignores(FIRST)
        client = play.client(listener="db")
        client.resets()
        assert play.in_flight() == 0
    assert str(play.ended[0].reason) == "client_gone"


def test_nothing_moves_for_too_long() -> None:
    with Play(with_keys(ONE, "idle_timeout = 60s")) as play:
        client = play.client(listener="db")
        origin = play.origin()
        play.later(50)
        client.says(b"still here")
        origin.hears(b"still here")
        play.later(50)
        client.hears_nothing()
        play.later(11)
        client.sees_cut()
        origin.sees_cut()
    assert str(play.ended[0].reason) == "stream_idle"


def test_one_half_that_nobody_ends_is_cut_sooner() -> None:
    with Play(with_keys(ONE, "half_close_timeout = 5s")) as play:
        client = play.client(listener="db")
        origin = play.origin()
        client.ends()
        origin.sees_end()
        play.later(6)
        client.sees_cut()
        origin.sees_cut()


def test_whoever_breaks_the_connection_breaks_it_for_the_other() -> None:
    with Play(ONE) as play:
        client = play.client(listener="db")
        origin = play.origin()
        origin.says(b"hello")
        client.hears(b"hello")
        origin.resets()
        client.sees_cut()
        other = play.client(listener="db")
        origin = play.origin()
        other.resets()
        origin.sees_cut()
    assert [str(ended.reason) for ended in play.ended] == ["stream_cut", "client_reset"]
    assert play.pools["db"].peer(FIRST).failures == 0


def test_a_peer_that_breaks_connections_before_a_word_has_failed() -> None:
    with Play(TWO + "max_fails = 1\n") as play:
        client = play.client(listener="db")
        play.origin(FIRST).resets()
        client.sees_cut()
        assert str(play.pools["db"].peer(FIRST).state) == "ejected"
    assert str(play.ended[0].reason) == "peer_reset"


def test_full_peers_are_passed_over_and_who_finds_none_waits() -> None:
    with Play(ONE.rstrip() + " max_connections=1\nqueue = 1 timeout=5s\n") as play:
        first = play.client(listener="db")
        origin = play.origin()
        second = play.client(listener="db")
        second.says(b"hello")
        play.no_connection()
        play.client(listener="db").sees_cut()
        first.leaves()
        origin.sees_end()
        origin.leaves()
        play.turn()
        play.origin().hears(b"hello")
        third = play.client(listener="db")
        play.later(6)
        third.sees_cut()
    assert [str(ended.reason) for ended in play.ended] == ["queue_full", "None", "queue_timeout", "None"]


def test_a_client_that_leaves_the_queue_is_not_served() -> None:
    with Play(ONE.rstrip() + " max_connections=1\nqueue = 1 timeout=5s\n") as play:
        first = play.client(listener="db")
        play.origin()
        second = play.client(listener="db")
        second.resets()
        first.hears_nothing()
        assert len(play.pools["db"].queue or ()) == 0


def test_clients_have_limits() -> None:
    with Play(with_keys(ONE, "max_connections_per_client = 1")) as play:
        client = play.client(listener="db")
        play.origin()
        play.client(listener="db").sees_end()
        play.client(listener="db", address="192.0.2.2").hears_nothing()
        play.origin()
        client.hears_nothing()
        assert play.streams["db"].turned_away == 1


def test_a_client_goes_to_the_same_peer_where_the_pool_hashes() -> None:
    with Play(TWO + "balance = hash {client}\n") as play:
        for _ in range(3):
            play.client(listener="db", address="192.0.2.7")
        assert len(set(play.calls)) == 1
        for _ in range(3):
            play.origin()


def test_peers_are_told_whose_connection_it_is_and_so_are_we() -> None:
    site = with_keys(ONE, "trusted_proxies = 192.0.2.1\nproxy_protocol = accept") + "proxy_protocol = v1\n"
    told = version_1(Ends(Tcp("203.0.113.9", 4711), Tcp("198.51.100.7", 443)))
    with Play(site) as play:
        client = play.client(listener="db")
        client.says(told, b"hello")
        play.origin().hears(told, b"hello")
        assert client.waiting == 0
        stranger = play.client(listener="db", address="192.0.2.2", port=5432)
        stranger.says(b"hello")
        play.origin().hears(b"PROXY TCP4 192.0.2.2 198.51.100.1 50002 5432\r\n", b"hello")
    assert [ended.address for ended in play.ended] == ["203.0.113.9", "192.0.2.2"]


def test_when_the_proxy_stops_what_is_joined_goes_on_and_what_is_not_ends() -> None:
    with Play(ONE) as play:
        client = play.client(listener="db")
        origin = play.origin()
        play.ignores(FIRST)
        waiting = play.client(listener="db")
        play.streams["db"].stop()
        for connection in play.connections():
            connection.close_when_idle()
        waiting.sees_cut()
        client.says(b"bye")
        origin.hears(b"bye")
        for connection in play.connections():
            connection.close_now()
        client.sees_cut()
        origin.sees_cut()
    assert [str(ended.reason) for ended in play.ended] == ["stopping", "killed"]


@pytest.mark.parametrize("way", ["leaves", "resets"])
def test_peers_that_are_down_get_no_new_connections_and_keep_those_they_have(way: str) -> None:
    with Play(TWO) as play:
        client = play.client(listener="db")
        origin = play.origin(FIRST)
        play.pools["db"].drain(FIRST)
        for _ in range(2):
            play.client(listener="db")
            play.origin(SECOND)
        client.says(b"still here")
        origin.hears(b"still here")
        getattr(client, way)()
        origin.overlooks()


def test_a_connection_that_has_ended_is_left_to_nobody() -> None:
    with Play(TWO) as play:
        play.refuses(FIRST)
        for end in ("leaves", "resets"):
            client = play.client(listener="db")
            origin = play.origin(SECOND)
            client.says(b"hello")
            origin.hears(b"hello")
            (connection,) = play.connections()
            gone = weakref.ref(connection)
            gc.disable()
            try:
                getattr(client, end)()
                origin.overlooks()
                origin.follows()
                play.turn()
                play.ended.clear()
                del connection
                assert gone() is None
            finally:
                gc.enable()


def test_only_who_is_allowed_comes_in_by_whatever_a_header_says() -> None:
    site = with_keys(ONE, "allow = 203.0.113.0/24\ndeny = 203.0.113.66\ntrusted_proxies = 192.0.2.1\nproxy_protocol = accept")
    with Play(site) as play:
        for address in ("192.0.2.2", "203.0.113.66"):
            play.client(listener="db", address=address).sees_end()
        client = play.client(listener="db", address="203.0.113.9")
        client.says(b"hello")
        play.origin().hears(b"hello")
        told = play.client(listener="db", address="192.0.2.1")
        told.says(version_1(Ends(Tcp("203.0.113.66", 1), Tcp("198.51.100.7", 443))))
        told.sees_end()
        assert play.streams["db"].refused == {"address_denied": 3}


def test_connections_with_a_peer_that_is_drained_are_closed_in_time() -> None:
    with Play(with_keys(TWO, "drain_timeout = 30s")) as play:
        client = play.client(listener="db")
        origin = play.origin(FIRST)
        pool = play.pools["db"]
        pool.drain(FIRST)
        play.later(20)
        pool.restore(FIRST)
        play.later(20)
        client.hears_nothing()
        pool.remove(FIRST, "the test")
        play.later(20)
        client.says(b"still here")
        origin.hears(b"still here")
        play.later(11)
        client.sees_end()
        origin.sees_end()
        client.leaves()
        origin.leaves()
        watching = len(pool.on_change)
        other = play.client(listener="db")
        second = play.origin(SECOND)
        assert len(pool.on_change) == watching + 1
        pool.drain(SECOND)
        other.leaves()
        second.sees_end()
        second.leaves()
        assert len(pool.on_change) == watching
        play.later(31)
    assert [ended.reason for ended in play.ended] == [None, None]
