"""Active checks on a clock that is advanced by hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from tests.balance.pools import HandClock, letter, log_lines, nick, picks, pool_of, server, states
from twistedproxy.balance.health import Health
from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.errors import PEER_RESET, CheckFailed
from twistedproxy.settings.checks import CheckSettings


class Origins:
    """What the peers answer to checks: by nickname a reason to fail with, or HANGS; others pass."""

    HANGS = "hangs"

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.ill: dict[str, str] = {}
        self.asked: list[tuple[str, float]] = []
        self.pending: Counter[str] = Counter()
        self.most_pending: Counter[str] = Counter()

    def probe(self, peer: Peer) -> Deferred[None]:
        name = letter(peer)
        self.asked.append((name, self.clock.seconds()))
        reason = self.ill.get(name)
        if reason is None:
            return succeed(None)
        if reason is not self.HANGS:
            return fail(ConnectionError(reason))
        self.pending[name] += 1
        self.most_pending |= self.pending
        return Deferred(lambda _: self.pending.subtract([name]))

    def times(self, name: str) -> list[float]:
        return [when for who, when in self.asked if who == name]


class Chance(Random):
    """There is none: no check comes early."""

    def random(self) -> float:
        return 0.0


class Ward:
    """A pool under checks."""

    def __init__(self, *letters: str, **knobs: Any) -> None:
        self.clock = HandClock()
        self.origins = Origins(self.clock)
        self.pool: Pool = pool_of(*(server(one) for one in letters), clock=self.clock, check=CheckSettings("tcp"), **knobs)
        self.health = Health(self.pool, self.origins.probe, self.clock, Chance())

    def pass_time(self, seconds: float, step: float = 0.1) -> None:
        self.clock.pump([step] * round(seconds / step))


def test_every_peer_is_checked_at_once_at_the_start_and_then_once_an_interval() -> None:
    ward = Ward("a", "b", "c", check_interval=5.0)
    ward.health.startService()
    assert ward.origins.asked == [("a", 0.0), ("b", 0.0), ("c", 0.0)]
    ward.pass_time(60.0)
    for name in "abc":
        first, second, *rest = ward.origins.times(name)
        assert second - first <= 5.1
        gaps = [after - before for before, after in zip([second, *rest], rest, strict=False)]
        assert len(gaps) >= 10
        assert all(abs(gap - 5.0) < 0.11 for gap in gaps)


def test_later_checks_of_200_peers_and_of_several_pools_are_spread_over_twenty_beats_of_the_interval() -> None:
    clock = HandClock()
    origins = Origins(clock)
    pools = [pool_of(*(server(f"{name}{n}") for n in range(200)), clock=clock, check_interval=1.0) for name in "pq"]
    pools[1].name = "other"
    for pool in pools:
        Health(pool, origins.probe, clock, Chance()).startService()
    origins.asked.clear()
    clock.pump([0.01] * 100)
    at_once = Counter(round(when, 2) for _, when in origins.asked)
    assert len(origins.asked) == 400
    assert len(at_once) == 20, "the process wakes once for what is due at about the same time"
    assert max(at_once.values()) <= 30


def test_a_peer_is_up_until_fall_checks_in_a_row_have_failed_and_down_until_rise_have_passed() -> None:
    ward = Ward("a", "b", check_interval=1.0, check_fast_interval=1.0, fall=3, rise=2)
    a = nick(ward.pool, "a")
    ward.origins.ill["a"] = "connection refused"
    with log_lines() as lines:
        ward.health.startService()
        assert states(ward.pool) == "a up, b up"
        ward.pass_time(3.0)
        assert states(ward.pool) == "a down, b up"
        assert picks(ward.pool, 3, now=3.0) == "bbb"
        del ward.origins.ill["a"]
        ward.pass_time(1.0)
        assert states(ward.pool) == "a down, b up"
        ward.pass_time(1.0)
        assert states(ward.pool) == "a up, b up"
    assert lines == [
        "warn: pool app: peer a:80 is down: 3 checks failed, the last: connection refused",
        "info: pool app: peer a:80 is up: 2 checks passed",
    ]
    assert [check.passed for check in a.last_checks] == [False] * (len(a.last_checks) - 2) + [True] * 2


def test_a_check_that_passes_in_between_starts_the_count_again() -> None:
    ward = Ward("a", "b", check_interval=1.0, fall=2)
    ward.health.startService()
    a = nick(ward.pool, "a")
    for _ in range(5):
        ward.origins.ill["a"] = "status 500"
        ward.pass_time(1.0)
        del ward.origins.ill["a"]
        ward.pass_time(1.0)
    assert states(ward.pool) == "a up, b up"
    assert {check.reason for check in a.last_checks} == {"", "status 500"}


def test_a_check_that_hangs_fails_after_check_timeout_and_delays_nobody() -> None:
    ward = Ward("a", "b", "c", check_interval=1.0, check_timeout=2.5, fall=2)
    ward.origins.ill["b"] = Origins.HANGS
    with log_lines() as lines:
        ward.health.startService()
        ward.pass_time(20.0)
    assert lines == ["warn: pool app: peer b:80 is down: 2 checks failed, the last: timed out after 2.5 s"]
    assert ward.origins.most_pending == {"b": 1}
    assert min(len(ward.origins.times("a")), len(ward.origins.times("c"))) >= 18
    assert 6 <= len(ward.origins.times("b")) <= 8
    first = nick(ward.pool, "b").last_checks[0]
    assert (first.at, round(first.duration, 6)) == (1_800_000_000.0, 2.5)


def test_each_check_that_hangs_has_its_own_time() -> None:
    ward = Ward("a", "b", "c", check_interval=4.0, check_timeout=2.0)
    ward.health.startService()
    ward.origins.ill.update(dict.fromkeys("abc", Origins.HANGS))
    ward.pass_time(4.0)
    begun = {name: ward.origins.times(name)[1] for name in "abc"}
    assert len(set(begun.values())) == 3
    ward.origins.ill.clear()
    ward.pass_time(4.0)
    for name in "abc":
        late = next(check for check in nick(ward.pool, name).last_checks if not check.passed)
        assert late.reason == "timed out after 2 s"
        assert -0.01 < late.at + late.duration - 1_800_000_000.0 - begun[name] - 2.0 < 0.11


def test_a_peer_that_hangs_and_recovers_is_up_again() -> None:
    ward = Ward("a", "b", check_interval=1.0, check_timeout=2.0, fall=1, rise=1)
    ward.origins.ill["a"] = Origins.HANGS
    ward.health.startService()
    ward.pass_time(2.1)
    assert states(ward.pool) == "a down, b up"
    del ward.origins.ill["a"]
    ward.pass_time(3.0)
    assert states(ward.pool) == "a up, b up"


def test_a_probe_that_raises_counts_as_a_failed_check() -> None:
    clock = HandClock()
    pool = pool_of(server("a"), server("b"), clock=clock, fall=1)

    def broken(peer: Peer) -> Deferred[None]:
        if peer is pool.peers[0]:
            raise ZeroDivisionError
        raise OSError("no such file")

    Health(pool, broken, clock).startService()
    assert [str(peer.last_checks[0]) for peer in pool.peers] == ["ZeroDivisionError (0 ms)", "no such file (0 ms)"]
    assert str(CheckResult(0.0, 0.0123, passed=True)) == "passed (12 ms)"


def test_peers_in_maintenance_are_not_checked_and_draining_ones_are() -> None:
    ward = Ward("a", "b", "c", check_interval=1.0, check_fast_interval=1.0, fall=1)
    ward.pool.maintain("a:80")
    ward.pool.drain("b:80")
    ward.origins.ill.update(a="status 500", b="status 500")
    ward.health.startService()
    ward.pass_time(5.0)
    assert (len(ward.origins.times("a")), len(ward.origins.times("b"))) == (0, 6)
    assert states(ward.pool) == "a in maintenance, b draining, c up"
    ward.pool.restore("a:80")
    ward.pool.restore("b:80")
    assert states(ward.pool) == "a down, b down, c up", "who leaves maintenance is asked at once"


def test_a_check_under_way_counts_for_nothing_when_its_peer_goes_into_maintenance() -> None:
    ward = Ward("a", "b", check_timeout=2.0, fall=1)
    ward.origins.ill["a"] = Origins.HANGS
    ward.health.startService()
    ward.pool.maintain("a:80")
    ward.pass_time(3.0)
    assert not nick(ward.pool, "a").last_checks
    ward.pool.restore("a:80")
    assert states(ward.pool) == "a up, b up"


def test_a_peer_that_checks_bring_back_is_no_longer_ejected() -> None:
    ward = Ward("a", "b", fall=1, rise=1, max_fails=1)
    a = nick(ward.pool, "a")
    a.begin()
    a.fail(PEER_RESET, 0.0)
    a.checked(CheckResult(0.0, 0.0, False, "connection refused"))
    assert states(ward.pool) == "a down, b up"
    a.checked(CheckResult(0.0, 0.0, True))
    assert states(ward.pool) == "a up, b up"


def test_a_stopped_service_leaves_no_timer_and_no_check_behind_and_can_be_started_again() -> None:
    ward = Ward("a", "b", check_interval=1.0, fall=1)
    ward.origins.ill["b"] = Origins.HANGS
    ward.health.startService()
    ward.health.stopService()
    assert ward.clock.getDelayedCalls() == []
    ward.health.startService()
    ward.pass_time(1.5)
    ward.health.stopService()
    assert ward.clock.getDelayedCalls() == []
    assert ward.origins.pending == {"b": 0}
    assert not nick(ward.pool, "b").last_checks
    asked = len(ward.origins.asked)
    ward.pass_time(3.0)
    assert len(ward.origins.asked) == asked
    ward.health.startService()
    assert len(ward.origins.asked) == asked + 2


def test_an_observer_that_fails_is_logged_and_stops_neither_checks_nor_the_other_observers() -> None:
    ward = Ward("a", "b", check_interval=1.0, fall=1, rise=1)
    told: list[str] = []

    def broken(_change: object) -> None:
        raise RuntimeError("an observer is broken")

    ward.pool.on_change.extend([broken, lambda change: told.append(str(change.after))])
    ward.health.startService()
    ward.origins.ill["a"] = "status 500"
    with log_lines() as lines:
        ward.pass_time(1.0)
        del ward.origins.ill["a"]
        ward.pass_time(1.0)
    assert told == ["down", "up"]
    assert lines.count("critical: pool app: one who is told of changes failed") == 2


def test_a_pool_without_peers_has_nothing_to_check() -> None:
    ward = Ward()
    ward.health.startService()
    assert ward.clock.getDelayedCalls() == []


def test_a_peer_that_is_down_or_wavers_is_asked_more_often_and_a_calm_one_is_not() -> None:
    ward = Ward("a", "b", check_interval=10.0, check_fast_interval=2.0, fall=2, rise=2)
    ward.health.startService()
    ward.pass_time(30.0)
    ward.origins.ill["a"] = "status 500"
    failed = len(ward.origins.times("a"))
    ward.pass_time(20.0)
    times = ward.origins.times("a")[failed:]
    assert [round(after - before, 1) for before, after in pairwise(times)][:3] == [2.0, 2.0, 2.0]
    assert states(ward.pool) == "a down, b up"
    del ward.origins.ill["a"]
    ward.pass_time(4.1)
    assert states(ward.pool) == "a up, b up"
    asked = len(ward.origins.times("a"))
    ward.pass_time(30.0)
    assert 3 <= len(ward.origins.times("a")) - asked <= 4
    assert 7 <= len(ward.origins.times("b")) <= 10


def test_by_default_a_peer_that_is_well_again_is_up_within_one_interval() -> None:
    ward = Ward("a", "b", check_interval=6.0)
    ward.origins.ill["a"] = "connection refused"
    ward.health.startService()
    ward.pass_time(20.0)
    assert states(ward.pool) == "a down, b up"
    del ward.origins.ill["a"]
    ward.pass_time(5.0)
    assert states(ward.pool) == "a up, b up"


def test_a_fast_interval_is_never_slower_than_the_usual_one() -> None:
    ward = Ward("a", "b", check_interval=1.0, check_fast_interval=60.0)
    ward.origins.ill["a"] = "status 500"
    ward.health.startService()
    ward.pass_time(10.0)
    assert len(ward.origins.times("a")) >= 9


def test_checks_come_early_by_chance_but_never_late_and_the_same_by_seed() -> None:
    def story(seed: int) -> list[float]:
        clock = HandClock()
        origins = Origins(clock)
        pool = pool_of(server("a"), server("b"), clock=clock, check_interval=10.0)
        Health(pool, origins.probe, clock, Random(seed)).startService()
        clock.pump([0.01] * 20_000)
        return origins.times("a")

    times = story(1)
    gaps = [after - before for before, after in pairwise(times[1:])]
    assert min(gaps) >= 8.99
    assert max(gaps) <= 10.04
    assert len({round(gap, 1) for gap in gaps}) > 4
    assert story(1) == times
    assert story(2) != times


@pytest.mark.parametrize(
    ("initial", "passes", "why"), [("down", 2, "2 checks passed"), ("unknown", 1, "1 check passed"), ("up", 0, "")]
)
def test_what_a_new_peer_is_before_its_checks_say_so(initial: str, passes: int, why: str) -> None:
    ward = Ward("a", "b", check_interval=3.0, check_fast_interval=1.0, check_initial=initial, rise=2, fall=3)
    a = nick(ward.pool, "a")
    assert a.state is (PeerState.DOWN if passes else PeerState.UP)
    assert a.why == ("its checks have not passed yet" if passes else "")
    assert picks(ward.pool, 2) == ("--" if passes else "ab")
    with log_lines() as lines:
        ward.health.startService()
        ward.pass_time(max(0.1, (passes - 1) * 1.1))
    assert states(ward.pool) == "a up, b up"
    assert sorted(lines) == ([f"info: pool app: peer {name}:80 is up: {why}" for name in "ab"] if passes else [])


@pytest.mark.parametrize("initial", ["down", "unknown"])
def test_a_new_peer_whose_first_check_fails_is_down_for_that_reason_and_must_rise(initial: str) -> None:
    ward = Ward("a", "b", check_interval=1.0, check_fast_interval=1.0, check_initial=initial, rise=2, fall=3)
    ward.origins.ill["a"] = "connection refused"
    with log_lines() as lines:
        ward.health.startService()
        ward.pass_time(3.0)
    assert [line for line in lines if "a:80" in line] == [
        "warn: pool app: peer a:80 is down: its first check failed: connection refused"
    ]
    del ward.origins.ill["a"]
    ward.pass_time(1.0)
    assert states(ward.pool) == "a down, b up"
    ward.pass_time(1.0)
    assert states(ward.pool) == "a up, b up"


def test_a_peer_that_joins_a_running_pool_gets_nothing_before_it_has_proved_well() -> None:
    ward = Ward("a", check_interval=1.0, check_initial="unknown")
    ward.health.startService()
    ward.origins.ill["b"] = Origins.HANGS
    ward.pool.add(server("b"), "shell")
    assert picks(ward.pool, 3) == "aaa"
    del ward.origins.ill["b"]
    ward.pass_time(4.0)
    assert states(ward.pool) == "a up, b up"


def test_a_pool_that_starts_cold_has_no_slow_start_and_a_peer_that_comes_up_later_has() -> None:
    clock = HandClock()
    origins = Origins(clock)
    knobs = {"check": CheckSettings("tcp"), "check_interval": 1.0, "check_initial": "unknown"}
    pool = pool_of(*(server(name, slow_start=30.0) for name in "ab"), clock=clock, **knobs)
    origins.ill["b"] = "connection refused"
    Health(pool, origins.probe, clock, Chance()).startService()
    a, b = pool.peers
    assert a.effective_weight == 1
    a.begin()
    a.succeed(clock.seconds())
    del origins.ill["b"]
    clock.pump([0.1] * 10)
    assert states(pool) == "a up, b up"
    pool.refresh(clock.seconds())
    assert b.effective_weight < 1


def test_no_more_checks_run_than_may_and_the_others_have_their_turn_in_order() -> None:
    ward = Ward(*"abcdef", check_interval=10.0, check_timeout=1.0, check_concurrency=2)
    ward.origins.ill.update(dict.fromkeys("abcd", Origins.HANGS))
    ward.health.startService()
    assert [name for name, _ in ward.origins.asked] == ["a", "b"]
    ward.pass_time(1.2)
    assert [name for name, _ in ward.origins.asked] == ["a", "b", "c", "d"]
    ward.pass_time(1.2)
    assert [name for name, _ in ward.origins.asked][:6] == ["a", "b", "c", "d", "e", "f"]
    # Time in the queue is not time of the check.
    assert [check.reason for check in nick(ward.pool, "d").last_checks] == ["timed out after 1 s"]
    assert nick(ward.pool, "e").last_checks[0].duration == 0.0
    ward.health.stopService()
    assert ward.clock.getDelayedCalls() == []


def test_who_waits_for_a_turn_and_goes_is_not_asked() -> None:
    ward = Ward(*"abc", check_interval=10.0, check_timeout=1.0, check_concurrency=1)
    ward.origins.ill["a"] = Origins.HANGS
    ward.health.startService()
    ward.pool.remove("b:80", "the operator removed it")
    ward.pool.maintain("c:80")
    ward.pass_time(2.0)
    assert {name for name, _ in ward.origins.asked} == {"a"}
    ward.health.stopService()
    assert ward.clock.getDelayedCalls() == []


def test_a_peer_that_is_ejected_or_leaves_maintenance_is_asked_at_once() -> None:
    ward = Ward("a", "b", check_interval=30.0, fall=1, max_fails=1)
    ward.health.startService()
    ward.pass_time(40.0)
    asked = len(ward.origins.times("a"))
    ward.origins.ill["a"] = "connection refused"
    a = nick(ward.pool, "a")
    a.begin()
    a.fail(PEER_RESET, ward.clock.seconds())
    assert len(ward.origins.times("a")) == asked + 1
    assert states(ward.pool) == "a down, b up"
    ward.pool.maintain("b:80")
    asked = len(ward.origins.times("b"))
    ward.pass_time(60.0)
    assert len(ward.origins.times("b")) == asked
    ward.pool.restore("b:80")
    assert len(ward.origins.times("b")) == asked + 1


def test_a_peer_that_is_ejected_while_it_is_asked_is_not_asked_twice() -> None:
    ward = Ward("a", "b", check_interval=30.0, check_timeout=5.0, max_fails=1)
    ward.origins.ill["a"] = Origins.HANGS
    ward.health.startService()
    a = nick(ward.pool, "a")
    a.begin()
    a.fail(PEER_RESET, ward.clock.seconds())
    assert len(ward.origins.times("a")) == 1
    ward.pass_time(60.0)
    assert ward.origins.most_pending["a"] == 1


def test_what_the_proxy_itself_lacks_is_not_held_against_a_peer() -> None:
    clock = HandClock()
    pool = pool_of(server("a"), clock=clock, fall=1, check_interval=1.0)

    def exhausted(peer: Peer) -> Deferred[None]:
        return fail(CheckFailed("no descriptor left", ours=True))

    Health(pool, exhausted, clock, Chance()).startService()
    clock.pump([0.1] * 50)
    assert states(pool) == "a up"
    assert str(pool.peers[0].last_checks[-1]) == "no descriptor left (0 ms)"


def test_checks_go_on_after_maintenance_while_a_check_hung() -> None:
    ward = Ward("a", "b", check_interval=1.0, check_timeout=3.0)
    ward.origins.ill["a"] = Origins.HANGS
    ward.health.startService()
    ward.pool.maintain("a:80")
    assert ward.origins.pending["a"] == 0
    del ward.origins.ill["a"]
    ward.pool.restore("a:80")
    asked = len(ward.origins.times("a"))
    ward.pass_time(3.0)
    assert len(ward.origins.times("a")) >= asked + 2
    ward.health.stopService()
    assert ward.clock.getDelayedCalls() == []
