"""Keys and their peers: stable, fair, and moved as little as possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.balance.pools import LETTERS, HandClock, letter, nick, pool_of, server
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.schedulers.consistent_hash import ConsistentHash, slot_of
from twistedproxy.balance.standing import CheckResult
from twistedproxy.errors import READ_TIMEOUT
from twistedproxy.settings.pools import BalanceSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.verdicts import ChooseVerdict

KEYS = [f"10.{n % 7}.{n // 256}.{n % 256}" for n in range(10_000)]


def hashing(*servers: ServerSettings, bound: float = 0.0, clock: HandClock | None = None, **knobs: Any) -> Pool:
    return pool_of(*servers, clock=clock, balance=BalanceSettings("hash", "{client}", bound), **knobs)


def of_weights(*weights: int, **knobs: Any) -> Pool:
    return hashing(*(server(LETTERS[n], weight) for n, weight in enumerate(weights)), **knobs)


def where(pool: Pool, keys: Sequence[str] = KEYS, now: float = 0.0, tried: Sequence[Peer] = ()) -> list[str]:
    return [letter(pool.choose_for(key, tried, now)) for key in keys]


def moved(before: list[str], after: list[str]) -> int:
    return sum(one != other for one, other in zip(before, after, strict=True))


def many(number: int) -> tuple[ServerSettings, ...]:
    return tuple(server(f"app{n}") for n in range(number))


def test_a_key_goes_to_the_same_peer_in_every_process() -> None:
    # Python's own hash() would be another one each time.
    assert where(of_weights(1, 1, 1), KEYS[:12]) == list("cbaccbacbaaa")
    assert slot_of("192.0.2.1") == 55


@pytest.mark.parametrize("weights", [(1, 1, 1), (5, 3, 2), (8, 1, 1, 4)])
def test_shares_of_many_keys_are_within_1_percent_of_the_weights(weights: tuple[int, ...]) -> None:
    pool = of_weights(*weights)
    # Of fewer keys chance alone would move shares by more than that.
    keys = [f"user {number}" for number in range(40_000)]
    for leaves in (False, True):
        if leaves:
            pool.drain("a:80")
            assert "a" not in where(pool, keys)
            pool.restore("a:80")
        counts = Counter(where(pool, keys))
        for number, weight in enumerate(weights):
            assert abs(counts[LETTERS[number]] - 40_000 * weight / sum(weights)) <= 400, counts


@pytest.mark.parametrize("number", [2, 3, 10, 40])
def test_a_peer_that_comes_or_goes_moves_its_own_keys_only(number: int) -> None:
    pool = hashing(*many(number))
    before = where(pool)
    pool.drain(f"app{number - 1}:80")
    without = where(pool)
    assert 0 < moved(before, without) <= 1.5 / number * len(KEYS)
    assert all(one == other for one, other in zip(before, without, strict=True) if one != f"app{number - 1}")
    pool.restore(f"app{number - 1}:80")
    assert where(pool) == before
    pool.add(server("another"), "shell")
    assert moved(before, where(pool)) <= 1.5 / (number + 1) * len(KEYS)


def test_a_new_weight_moves_keys_to_or_from_that_peer_only() -> None:
    pool = of_weights(2, 2, 2)
    before = where(pool)
    pool.set_weight("a:80", 1)
    after = where(pool)
    assert {one for one, other in zip(before, after, strict=True) if one != other} == {"a"}
    assert abs(Counter(after)["a"] - 2000) <= 100


def test_further_attempts_go_to_the_next_in_the_keys_own_order() -> None:
    pool = of_weights(1, 1, 1)
    first = where(pool)
    second = [letter(pool.choose_for(key, [nick(pool, one)], 0.0)) for key, one in zip(KEYS, first, strict=True)]
    assert not any(one == other for one, other in zip(first, second, strict=True))
    # It is the one that serves the key when the first is gone.
    pool.drain("a:80")
    after = where(pool)
    assert all(one == two for one, two, was in zip(after, second, first, strict=True) if was == "a")


def test_when_all_were_tried_there_is_nobody() -> None:
    pool = of_weights(1, 1)
    assert pool.choose_for("key", pool.peers, 0.0) is None
    pool.drain("a:80")
    pool.drain("b:80")
    assert pool.choose_for("key", (), 0.0) is None


def test_backups_have_the_keys_when_no_other_peer_is_left() -> None:
    pool = hashing(server("a"), server("b", backup=True), server("c", backup=True))
    assert set(where(pool)) == {"a"}
    assert set(where(pool, tried=[nick(pool, "a")])) == {"b", "c"}
    pool.drain("a:80")
    backups = where(pool)
    assert abs(backups.count("b") - 5000) < 200
    pool.restore("a:80")
    assert set(where(pool)) == {"a"}


def test_peers_that_are_the_last_resort_have_their_keys() -> None:
    pool = of_weights(1, 1, max_fails=1)
    before = where(pool)
    for peer in pool.peers:
        peer.begin()
        peer.fail(READ_TIMEOUT, 0.0)
    assert where(pool) == before


def test_peers_that_fail_their_checks_have_their_keys_where_the_pool_fails_open() -> None:
    pool = of_weights(1, 1, fail_open=True, fall=1)
    before = where(pool)
    for peer in pool.peers:
        peer.checked(CheckResult(0.0, 0.1, False, "status 500"))
    assert where(pool) == before


def test_a_full_peer_is_passed_over_and_who_is_full_altogether_waits() -> None:
    pool = hashing(server("a", max_connections=1), server("b", max_connections=1))
    (key,) = [next(key for key in KEYS if letter(pool.choose_for(key, (), 0.0)) == "a")]
    nick(pool, "a").begin()
    assert letter(pool.choose_for(key, (), 0.0)) == "b"
    nick(pool, "b").begin()
    assert pool.choose_for(key, (), 0.0) is None
    assert pool.verdict_when_none((), 0.0) is ChooseVerdict.ALL_FULL


def test_a_peer_on_trial_gets_one_of_its_keys_at_a_time() -> None:
    clock = HandClock()
    pool = of_weights(1, 1, max_fails=1, fail_timeout=10.0, clock=clock)
    (key,) = [next(key for key in KEYS if letter(pool.choose_for(key, (), 0.0)) == "a")]
    a = nick(pool, "a")
    a.begin()
    a.fail(READ_TIMEOUT, 0.0)
    assert letter(pool.choose_for(key, (), 1.0)) == "b"
    assert letter(pool.choose_for(key, (), 11.0)) == "a"
    a.begin()
    assert letter(pool.choose_for(key, (), 11.0)) == "b"
    # Nobody else is left.
    assert letter(pool.choose_for(key, [nick(pool, "b")], 11.0)) == "a"


def test_with_a_bound_no_peer_has_more_than_so_many_times_its_share() -> None:
    pool = of_weights(2, 1, 1, bound=1.25)
    for number in range(1, 401):
        # Everybody wants the same.
        peer = pool.choose_for("the one page", (), 0.0)
        assert peer is not None
        peer.begin()
        for each in pool.peers:
            assert each.in_flight <= -(-1.25 * number * each.weight // 4)
    assert sorted(peer.in_flight for peer in pool.peers)[0] >= 20


def test_below_its_bound_a_peer_keeps_its_keys() -> None:
    free, bound = of_weights(1, 1, 1), of_weights(1, 1, 1, bound=1.25)
    assert where(free) == where(bound)


def test_with_a_bound_further_attempts_go_where_there_is_room_or_else_to_the_next_in_order() -> None:
    pool = of_weights(1, 1, 1, bound=1.25)
    key = KEYS[0]
    first = pool.choose_for(key, (), 0.0)
    assert first is not None
    second = pool.choose_for(key, [first], 0.0)
    assert second is not None and second is not first
    (third,) = [peer for peer in pool.peers if peer not in (first, second)]
    second.in_flight = 10
    assert pool.choose_for(key, [first], 0.0) is third
    third.in_flight = 10
    # The first has all the room that there is, but was tried.
    assert pool.choose_for(key, [first], 0.0) is second
    assert pool.choose_for(key, pool.peers, 0.0) is None


def test_requests_without_a_key_take_turns() -> None:
    pool = of_weights(1, 1)
    assert [letter(pool.choose((), 0.0)) for _ in range(4)] == list("abab")


def test_a_slow_start_brings_a_peers_keys_back_step_by_step() -> None:
    clock = HandClock()
    pool = hashing(replace(server("a"), slow_start=20.0), server("b"), clock=clock)
    before = where(pool)
    pool.maintain("a:80")
    where(pool)
    pool.restore("a:80")
    shares = []
    for _ in range(21):
        now = where(pool, now=clock.monotonic())
        assert all(one == "a" for one, other in zip(before, now, strict=True) if other == "a")
        shares.append(now.count("a"))
        clock.advance(1)
    assert shares == sorted(shares)
    assert shares[0] < 700
    assert where(pool, now=clock.monotonic()) == before


def test_a_hash_without_peers_has_nobody() -> None:
    empty = ConsistentHash()
    empty.update([])
    assert empty.pick_for("key", ()) is None
