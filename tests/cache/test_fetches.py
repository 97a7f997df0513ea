"""Who waits for a fetch, and what each is told."""

from __future__ import annotations

import pytest

from tests.cache.plays import HandClock
from twistedproxy.cache.fetches import PASSING, Fetch, Fetches, State
from twistedproxy.cache.fill import Fill
from twistedproxy.cache.outcomes import LookupVerdict

PLACE = (b"http://example.com/", (), False)


class Waiter:
    """A request that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def lead(self, fetch: Fetch) -> None:
        self.told.append("lead")

    def follow(self, fill: Fill) -> None:
        self.told.append("follow")

    def look_again(self) -> None:
        self.told.append("look")

    def stand_in(self, case: str, fwd_status: int | None) -> None:
        self.told.append(f"stale {case} {fwd_status}")

    def go_alone(self, verdict: LookupVerdict) -> None:
        self.told.append(verdict.name.lower())


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def waiting(fetch: Fetch, number: int, timeout: float = 5.0) -> list[Waiter]:
    waiters = [Waiter() for _ in range(number)]
    for waiter in waiters:
        fetch.join(waiter, timeout)
    return waiters


def told(waiters: list[Waiter]) -> list[str]:
    return [" ".join(waiter.told) for waiter in waiters]


def pass_turns(clock: HandClock) -> None:
    clock.advance(0)


def test_a_crowd_is_told_some_in_each_turn(clock: HandClock) -> None:
    fetches = Fetches(clock)
    fetch = fetches.begin(PLACE)
    waiters = waiting(fetch, 300)
    fetch.stored()
    assert told(waiters) == [""] * 300
    before = clock.turns
    pass_turns(clock)
    assert told(waiters) == ["look"] * 300
    assert clock.turns == before + 2
    assert fetches.of(PLACE) is None
    assert clock.getDelayedCalls() == []


def test_after_a_failure_one_leads_and_the_others_wait_on(clock: HandClock) -> None:
    fetches = Fetches(clock)
    fetch = fetches.begin(PLACE)
    waiters = waiting(fetch, 3)
    fetch.failed()
    pass_turns(clock)
    assert told(waiters) == ["lead", "", ""]
    assert fetches.of(PLACE) is fetch
    assert fetch.state is State.ASKING
    late = waiting(fetch, 1)
    fetch.refused()
    pass_turns(clock)
    assert told(waiters + late) == ["lead", "not_shared", "not_shared", "not_shared"]
    assert clock.getDelayedCalls() == []


def test_the_last_one_who_leads_in_vain_leaves_nothing_behind(clock: HandClock) -> None:
    fetches = Fetches(clock)
    fetch = fetches.begin(PLACE)
    waiters = waiting(fetch, 1)
    fetch.failed()
    pass_turns(clock)
    fetch.failed()
    assert told(waiters) == ["lead"]
    assert fetches.of(PLACE) is None
    assert clock.getDelayedCalls() == []


def test_when_all_have_left_a_failed_fetch_is_forgotten(clock: HandClock) -> None:
    fetches = Fetches(clock)
    fetch = fetches.begin(PLACE)
    (waiter,) = waiting(fetch, 1)
    fetch.failed()
    fetch.leave(waiter)
    pass_turns(clock)
    assert (waiter.told, fetches.of(PLACE)) == ([], None)


def test_each_waits_as_long_as_its_own_patience(clock: HandClock) -> None:
    fetches = Fetches(clock)
    fetch = fetches.begin(PLACE)
    patient, hasty = waiting(fetch, 1, 60.0), waiting(fetch, 1, 2.0)
    clock.advance(1.9)
    assert told(patient + hasty) == ["", ""]
    clock.advance(0.2)
    assert told(patient + hasty) == ["", "lock_timeout"]
    clock.advance(60)
    assert told(patient) == ["lock_timeout"]
    assert clock.getDelayedCalls() == []


def test_a_crowd_loses_its_patience_some_in_each_turn(clock: HandClock) -> None:
    fetch = Fetches(clock).begin(PLACE)
    waiters = waiting(fetch, 300)
    before = clock.turns
    clock.advance(5)
    assert told(waiters) == ["lock_timeout"] * 300
    assert clock.turns == before + 2
    assert clock.getDelayedCalls() == []


def test_an_error_is_told_with_what_it_was(clock: HandClock) -> None:
    fetch = Fetches(clock).begin(PLACE)
    waiters = waiting(fetch, 1)
    fetch.stands_in("503", 503)
    (late,) = waiting(fetch, 1)
    pass_turns(clock)
    assert told([*waiters, late]) == ["stale 503 503"] * 2


def test_keys_are_let_pass_for_a_while_apart_for_users_who_are_known(clock: HandClock) -> None:
    fetches = Fetches(clock)
    fetches.let_pass(b"key", named=True)
    assert (fetches.passes(b"key", named=True), fetches.passes(b"key", named=False)) == (True, False)
    clock.advance(PASSING - 1)
    assert fetches.passes(b"key", named=True)
    clock.advance(1)
    assert not fetches.passes(b"key", named=True)
    assert not fetches._passing


def test_keys_that_are_let_pass_are_bounded(clock: HandClock) -> None:
    fetches = Fetches(clock)
    for number in range(5000):
        fetches.let_pass(b"%d" % number, named=False)
    assert not fetches.passes(b"0", named=False)
    assert fetches.passes(b"4999", named=False)
    assert len(fetches._passing) == 4096
    fetches.collapse_again(b"4999", named=False)
    assert not fetches.passes(b"4999", named=False)
