"""The order and the shares of smooth weighted round robin."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.balance.pools import LETTERS, nick, picks, server, weighted
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.schedulers import round_robin
from twistedproxy.balance.schedulers.round_robin import SmoothRoundRobin
from twistedproxy.settings.pools import PoolSettings

weights = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def nginx_order(weights: list[int], number: int) -> str:
    """The turns that nginx takes, by the algorithm as it is described there."""
    current = [0] * len(weights)
    order = ""
    for _ in range(number):
        current = [now + weight for now, weight in zip(current, weights, strict=True)]
        best = max(range(len(weights)), key=current.__getitem__)
        current[best] -= sum(weights)
        order += LETTERS[best]
    return order


def peers_of(weights: list[int]) -> list[Peer]:
    servers = tuple(server(LETTERS[n], weight) for n, weight in enumerate(weights))
    return [Peer(one, PoolSettings("app", servers=servers)) for one in servers]


def test_weights_5_1_1_interleave_as_in_nginx() -> None:
    assert picks(weighted(5, 1, 1), 21) == "aabacaa" * 3


def test_equal_weights_take_plain_turns_whatever_they_are() -> None:
    assert picks(weighted(100, 100, 100), 9) == "abcabcabc"


@settings(deadline=None, max_examples=50)
@given(weights)
def test_any_weights_interleave_as_in_nginx(weights: list[int]) -> None:
    number = 3 * sum(weights) + 5
    assert picks(weighted(*weights), number) == nginx_order(weights, number)


@settings(deadline=None, max_examples=50)
@given(weights)
def test_a_sum_of_weights_too_large_to_be_kept_interleaves_alike(weights: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(round_robin, "LONGEST_CYCLE", 3)
        number = 2 * sum(weights)
        assert picks(weighted(*weights), number) == nginx_order(weights, number)


@pytest.mark.parametrize("weights", [(5, 1, 1), (3, 1, 2), (1, 1, 1, 1), (97, 3), (1_000_003, 999_983, 17), (100, 99, 98)])
def test_shares_over_10000_picks_are_within_1_percent_of_the_weights(weights: tuple[int, ...]) -> None:
    counts = Counter(picks(weighted(*weights), 10_000))
    for number, weight in enumerate(weights):
        assert abs(counts[LETTERS[number]] - 10_000 * weight / sum(weights)) <= 100


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 300), st.integers(0, 300))
def test_shares_are_within_1_percent_after_a_peer_left_and_returned(weights: list[int], before: int, between: int) -> None:
    pool = weighted(*weights)
    picks(pool, before)
    pool.drain("a:80")
    others = Counter(picks(pool, between))
    assert "a" not in others
    for number, weight in enumerate(weights[1:], 1):
        assert abs(others[LETTERS[number]] - between * weight / sum(weights[1:])) <= len(weights)
    pool.restore("a:80")
    counts = Counter(picks(pool, 10_000))
    for number, weight in enumerate(weights):
        assert abs(counts[LETTERS[number]] - 10_000 * weight / sum(weights)) <= 100


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 23)), min_size=1, max_size=80),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_peers_that_come_and_go_do_not_shift_the_shares_of_those_that_stay(
    changes: list[tuple[bool, bool, int]], stay: tuple[int, int]
) -> None:
    a, b, c, d = peers = peers_of([*stay, 3, 1])
    scheduler = SmoothRoundRobin()
    counts = dict.fromkeys(peers, 0)
    for with_c, with_d, number in changes:
        scheduler.update([a, b] + [c] * with_c + [d] * with_d)
        for _ in range(number):
            peer = scheduler.pick(0.0)
            assert peer is not None
            counts[peer] += 1
    # By their weights, and never by more than two picks beside that, however often the others changed.
    behind = counts[a] / a.weight - counts[b] / b.weight
    assert abs(behind) <= 2 / min(stay) + 0.01 * len(changes)


def test_a_peer_that_leaves_after_every_pick_starves_nobody() -> None:
    pool = weighted(1, 1, 1)
    counts = Counter[str]()
    for _ in range(500):
        counts.update(picks(pool, 2))
        pool.drain("a:80")
        counts.update(picks(pool, 1))
        pool.restore("a:80")
    assert abs(counts["b"] - counts["c"]) <= 2
    after = Counter(picks(pool, 30))
    assert all(abs(after[one] - 10) <= 1 for one in "abc")


def test_a_new_weight_counts_from_the_next_pick_on() -> None:
    pool = weighted(1, 1, 1)
    picks(pool, 100)
    pool.set_weight("b:80", 8)
    counts = Counter(picks(pool, 1000))
    assert (counts["a"], counts["b"], counts["c"]) == (100, 800, 100)


def test_further_attempts_are_shared_by_weight_among_the_others() -> None:
    pool = weighted(5, 1, 3)
    counts = Counter(picks(pool, 400, tried=[nick(pool, "a")]))
    assert (counts["b"], counts["c"]) == (100, 300)


def test_a_failing_peer_leaves_its_share_to_all_others_and_not_to_its_neighbour() -> None:
    pool = weighted(1, 1, 1, 1, max_fails=0)
    counts = Counter[str]()
    for _ in range(1200):
        peer = pool.choose((), 0.0)
        assert peer is not None
        if peer is pool.peers[0]:
            peer = pool.choose([peer], 0.0)
            assert peer is not None
        counts[peer.name] += 1
    assert counts == {"b:80": 400, "c:80": 400, "d:80": 400}
