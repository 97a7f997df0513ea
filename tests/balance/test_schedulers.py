"""Shares and order of every weighted scheduler, whatever comes and goes; what each of them looks at."""

from __future__ import annotations

from collections import Counter, deque
from random import Random

import pytest

from tests.balance.pools import LETTERS, HandClock, letter, nick, picks, server
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.errors import READ_TIMEOUT
from twistedproxy.settings.pools import BalanceSettings, PoolSettings

WEIGHTED = ("round_robin", "least_connections", "random_two")
WEIGHTS = [(5, 3, 2), (1, 1, 1), (70, 30), (8, 1, 1, 4)]


def pool_by(scheduler: str, *weights: int, clock: HandClock | None = None, seed: int = 1) -> Pool:
    servers = tuple(server(LETTERS[n], weight) for n, weight in enumerate(weights))
    settings = PoolSettings("app", servers=servers, balance=BalanceSettings(scheduler))
    return Pool(settings, clock or HandClock(), Random(seed))


def expect_shares(counts: Counter[str], weights: dict[str, int], total: int = 10_000) -> None:
    assert sum(counts.values()) == total
    for name, weight in weights.items():
        assert abs(counts[name] - total * weight / sum(weights.values())) <= total / 100, counts


def lettered(weights: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(LETTERS, weights, strict=False))


def served(pool: Pool, number: int, running: int, clock: HandClock, seconds: float = 0.05) -> Counter[str]:
    """*number* exchanges, of which always so many run, each for as long, and answered after *seconds*."""
    counts = Counter[str]()
    queue: deque[Peer] = deque()
    for _ in range(number):
        peer = pool.choose((), clock.monotonic())
        assert peer is not None
        counts[letter(peer)] += 1
        peer.begin()
        queue.append(peer)
        clock.advance(seconds / running)
        if len(queue) == running:
            done = queue.popleft()
            if done.attentive:
                done.answered(seconds, clock.monotonic())
            done.succeed(clock.monotonic(), seconds)
    while queue:
        queue.popleft().succeed(clock.monotonic(), seconds)
    return counts


@pytest.mark.parametrize("scheduler", WEIGHTED)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_shares_over_10000_picks_are_within_1_percent_of_the_weights(scheduler: str, weights: tuple[int, ...]) -> None:
    expect_shares(Counter(picks(pool_by(scheduler, *weights), 10_000)), lettered(weights))


@pytest.mark.parametrize("scheduler", WEIGHTED)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_shares_are_within_1_percent_after_a_peer_left_and_returned(scheduler: str, weights: tuple[int, ...]) -> None:
    pool = pool_by(scheduler, *weights, seed=3)
    picks(pool, 101)
    pool.drain("a:80")
    others = {name: weight for name, weight in lettered(weights).items() if name != "a"}
    expect_shares(Counter(picks(pool, 10_000)), others)
    pool.restore("a:80")
    expect_shares(Counter(picks(pool, 10_000)), lettered(weights))


@pytest.mark.parametrize("scheduler", [*WEIGHTED, "least_time"])
def test_a_new_weight_counts_and_weight_0_drains(scheduler: str) -> None:
    clock = HandClock()
    pool = pool_by(scheduler, 1, 1, 1, clock=clock, seed=7)
    pool.set_weight("b:80", 8)
    pool.set_weight("c:80", 0)
    counts = served(pool, 10_000, 400, clock)
    assert counts["c"] == 0
    expect_shares(counts, {"a": 1, "b": 8})


@pytest.mark.parametrize("scheduler", ["least_connections", "least_time"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_under_load_peers_of_the_same_speed_have_shares_by_their_weights(scheduler: str, weights: tuple[int, ...]) -> None:
    clock = HandClock()
    pool = pool_by(scheduler, *weights, clock=clock)
    expect_shares(served(pool, 10_000, 500, clock), lettered(weights))
    pool.maintain("a:80")
    served(pool, 1_000, 500, clock)
    pool.restore("a:80")
    expect_shares(served(pool, 10_000, 500, clock), lettered(weights))


def test_least_connections_goes_where_least_runs_for_its_weight() -> None:
    pool = pool_by("least_connections", 1, 2)
    a, b = pool.peers
    a.in_flight, b.in_flight = 1, 1
    assert picks(pool, 3) == "bbb"
    a.in_flight, b.in_flight = 1, 3
    assert picks(pool, 3) == "aaa"


def test_least_connections_takes_turns_among_those_with_the_same_load() -> None:
    pool = pool_by("least_connections", 1, 1, 1, 1)
    for name, running in zip("abcd", (1, 1, 1, 9), strict=True):
        nick(pool, name).in_flight = running
    assert Counter(picks(pool, 400)).keys() == set("abc")
    assert max(Counter(picks(pool, 300)).values()) <= 150


def test_a_tunnel_counts_for_least_connections_as_long_as_it_is_open() -> None:
    pool = pool_by("least_connections", 1, 1)
    nick(pool, "a").begin()
    assert picks(pool, 3) == "bbb"
    nick(pool, "a").succeed(0.0)
    assert sorted(picks(pool, 2)) == ["a", "b"]


def test_least_connections_further_attempts_go_to_the_least_busy_of_the_others() -> None:
    pool = pool_by("least_connections", 1, 1, 1)
    a, b, c = pool.peers
    b.in_flight = 2
    assert picks(pool, 2, tried=[a]) == "cc"
    assert picks(pool, 1, tried=[a, b, c]) == "-"


def test_least_time_goes_where_answers_begin_first_in_view_of_what_runs() -> None:
    clock = HandClock()
    pool = pool_by("least_time", 1, 1, clock=clock)
    a, b = pool.peers
    for peer, seconds in ((a, 0.1), (b, 0.3)):
        peer.begin()
        peer.answered(seconds, clock.monotonic())
        peer.succeed(clock.monotonic(), seconds)
    assert picks(pool, 3) == "aaa"
    a.in_flight = 2
    assert picks(pool, 1) == "a" or picks(pool, 1) == "b"
    a.in_flight = 3
    assert picks(pool, 3) == "bbb"
    assert picks(pool, 1, tried=[b]) == "a"
    assert picks(pool, 1, tried=[a, b]) == "-"


def test_least_time_a_peer_of_which_nothing_is_known_counts_as_average() -> None:
    clock = HandClock()
    pool = pool_by("least_time", 1, 1, 1, clock=clock)
    a, b, c = pool.peers
    a.answered(0.1, 0.0)
    b.answered(0.3, 0.0)
    assert picks(pool, 1) == "a"
    a.in_flight = 2
    assert picks(pool, 1) == "c"
    c.in_flight = 1
    assert picks(pool, 1) in ("a", "b")


def test_least_time_a_peer_that_was_slow_is_asked_again_after_a_while() -> None:
    clock = HandClock()
    pool = pool_by("least_time", 1, 1, clock=clock)
    a, b = pool.peers
    b.answered(1.0, 0.0)
    for _ in range(60):
        a.answered(0.1, clock.monotonic())
        assert a.answer_time.usual(clock.monotonic()) == pytest.approx(0.1)
        if "b" in picks(pool, 1, clock.monotonic()):
            break
        clock.advance(1)
    assert 15 < clock.monotonic() < 30


def test_the_average_time_follows_answers_within_seconds_however_many_there_are() -> None:
    pool = pool_by("least_time", 1, 1)
    a, _ = pool.peers
    a.answered(1.0, 0.0)
    for number in range(1000):
        a.answered(0.1, number / 1000)
    assert a.answer_time.usual(1.0) > 0.8
    for number in range(300):
        a.answered(0.1, 1 + number / 10)
    assert a.answer_time.usual(31) == pytest.approx(0.1, abs=0.06)


def test_a_failure_makes_a_peer_seem_slower_so_that_who_fails_at_once_is_not_the_quickest() -> None:
    pool = pool_by("least_time", 1, 1)
    a, b = pool.peers
    a.answered(0.1, 0.0)
    b.answered(0.15, 0.0)
    a.begin()
    a.fail(READ_TIMEOUT, 0.0)
    assert picks(pool, 1) == "b"


def test_least_time_of_an_empty_pool_is_nobody() -> None:
    pool = pool_by("least_time", 1)
    pool.drain("a:80")
    assert picks(pool, 1) == "-"
    assert picks(pool, 1, tried=pool.peers) == "-"


def test_two_choices_prefer_the_one_with_less_to_do() -> None:
    pool = pool_by("random_two", 1, 1, 1)
    nick(pool, "a").in_flight = 5
    counts = Counter(picks(pool, 3000))
    # It would have to be compared with itself.
    assert counts["a"] == 0
    assert min(counts["b"], counts["c"]) > 1300


def test_two_choices_look_at_what_runs_in_relation_to_the_weight() -> None:
    pool = pool_by("random_two", 1, 4)
    a, b = pool.peers
    a.in_flight, b.in_flight = 1, 3
    assert set(picks(pool, 100)) == {"b"}


def test_two_choices_keep_the_fullest_peer_close_to_the_average() -> None:
    pool = pool_by("random_two", *([1] * 20))
    for _ in range(2000):
        peer = pool.choose((), 0.0)
        assert peer is not None
        peer.begin()
    assert max(peer.in_flight for peer in pool.peers) <= 104


def test_two_choices_of_one_or_none() -> None:
    pool = pool_by("random_two", 1, 1)
    a, b = pool.peers
    assert picks(pool, 2, tried=[a]) == "bb"
    assert picks(pool, 1, tried=[a, b]) == "-"


def test_chance_is_handed_in() -> None:
    assert picks(pool_by("random_two", 1, 1, 1, seed=5), 50) == picks(pool_by("random_two", 1, 1, 1, seed=5), 50)
    assert picks(pool_by("random_two", 1, 1, 1, seed=5), 50) != picks(pool_by("random_two", 1, 1, 1, seed=6), 50)
