"""Rates of many keys in little memory: nobody gets more than an endless memory would give him."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.forward.guards.arrivals import Arrivals, Rate

ONE_ROW = 128


def takes(arrivals: Arrivals, rate: Rate, key: bytes, now: float) -> bool:
    """Whether *key* gets a unit at *now*; then it has used it up."""
    tag = arrivals.tag(key)
    place, time = arrivals.look(tag, now)
    if rate.late(time, now) > 0:
        return False
    arrivals.note(place, tag, time + rate.interval, now)
    return True


class Exact:
    """The same rate with a memory that has no end."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.times: dict[bytes, float] = {}

    def would_take(self, key: bytes, now: float) -> bool:
        """Whether *key* may have a unit."""
        return self.rate.late(max(self.times.get(key, now), now), now) <= 0

    def took(self, key: bytes, now: float) -> None:
        """It has got one."""
        self.times[key] = max(self.times.get(key, now), now) + self.rate.interval


@given(st.integers(1, 60), st.integers(0, 20), st.randoms(use_true_random=False))
def test_what_a_key_gets_is_within_rate_and_burst_of_any_span(rate: int, burst: int, random: Random) -> None:
    arrivals, limit = Arrivals(ONE_ROW, b"s"), Rate(rate, burst)
    now, taken = 100.0, []
    for _ in range(40):
        now += random.choice((0.0, 0.001, 0.05, 0.5, 3.0)) * random.random()
        if takes(arrivals, limit, b"key", now):
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= (taken[last] - begin) * rate + burst + 1 + 1e-6


def test_who_asks_at_random_gets_his_rate_to_the_percent() -> None:
    random = Random(8)
    arrivals, limit = Arrivals(ONE_ROW, b"s"), Rate(10, 5)
    now, taken = 0.0, 0
    while now < 1000:
        now += random.expovariate(40)
        taken += takes(arrivals, limit, b"key", now)
    assert taken == pytest.approx(10_000, rel=0.01)


def test_who_asks_for_less_than_his_rate_is_never_refused() -> None:
    arrivals, limit = Arrivals(ONE_ROW, b"s"), Rate(10, 0)
    assert all(takes(arrivals, limit, b"key", 1e6 + number * 0.1) for number in range(10_000))


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from((0.0, 0.01, 0.1, 0.4, 2.0))), max_size=300))
def test_a_table_that_is_too_small_gives_nobody_more_than_an_endless_one(story: list[tuple[int, float]]) -> None:
    arrivals, rate = Arrivals(ONE_ROW, b"s"), Rate(5, 3)
    exact = Exact(rate)
    now = 1000.0
    for number, pause in story:
        now += pause
        key = b"%d" % number
        if takes(arrivals, rate, key, now):
            assert exact.would_take(key, now)
            exact.took(key, now)


def test_a_crowd_does_not_wash_out_what_one_has_used_up() -> None:
    arrivals, rate = Arrivals(1024, b"s"), Rate(1, 9)
    assert [takes(arrivals, rate, b"attacker", 50.0) for _ in range(11)] == [True] * 10 + [False]
    for number in range(20_000):
        takes(arrivals, rate, b"%d" % number, 50.0)
    assert not takes(arrivals, rate, b"attacker", 50.0)
    assert arrivals.shared > 0


def test_places_that_nobody_needs_any_more_are_free() -> None:
    arrivals, rate = Arrivals(1024, b"s"), Rate(10, 0)
    for number in range(10_000):
        assert takes(arrivals, rate, b"%d" % number, number * 0.5)
    assert arrivals.shared == 0


def test_what_is_left_counts_down_to_refusal() -> None:
    rate = Rate(2, 3)
    time = now = 100.0
    left = []
    while rate.late(time, now) <= 0:
        left.append(rate.left(time, now))
        time += rate.interval
    assert left == [4, 3, 2, 1]
    assert rate.left(time, now) == 0
    assert rate.late(time, now) == pytest.approx(0.5)
