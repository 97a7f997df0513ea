"""Active checks on a clock that is advanced by hand."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from tests.balance.pools import HandClock, letter, log_lines, nick, picks, pool_of, server, states
from twistedproxy.balance.health import Health
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.errors import PEER_RESET


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
        self.pool: Pool = pool_of(*(server(one) for one in letters), clock=self.clock, **knobs)
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


def test_later_checks_of_200_peers_and_of_several_pools_are_spread_over_the_interval() -> None:
    clock = HandClock()
    origins = Origins(clock)
    pools = [pool_of(*(server(f"{name}{n}") for n in range(200)), clock=clock, check_interval=1.0) for name in "pq"]
    pools[1].name = "other"
    for pool in pools:
        Health(pool, origins.probe, clock, Chance()).startService()
    origins.asked.clear()
    clock.pump([0.01] * 100)
    busiest = Counter(round(when, 2) for _, when in origins.asked).most_common(1)[0][1]
    assert len(origins.asked) == 400
    assert busiest <= 6


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
    assert states(ward.pool) == "a up, b down, c up"
    ward.pass_time(1.0)
    assert states(ward.pool) == "a down, b down, c up"


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
