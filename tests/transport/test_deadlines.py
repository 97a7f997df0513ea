"""Deadlines on a clock that is advanced by hand."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest
from twisted.internet.task import Clock

from twistedproxy.transport.deadlines import Deadlines, Timed

TICK = 0.1


class Hands:
    """Both clocks of the proxy, moved together with the reactor's."""

    def __init__(self, start: float = 1000.0) -> None:
        self.reactor = Clock()
        self.start = start

    def monotonic(self) -> float:
        return self.start + self.reactor.seconds()

    def wall(self) -> float:
        return self.monotonic()

    def advance(self, seconds: float, step: float = TICK / 4) -> None:
        end = self.reactor.seconds() + seconds
        while self.reactor.seconds() < end - 1e-9:
            self.reactor.advance(min(step, end - self.reactor.seconds()))


class Something(Timed):
    """Keeps when it was called."""

    __slots__ = ("calls", "on_call")

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[float] = []
        self.on_call: Callable[[float], None] = lambda now: None

    def deadline_passed(self, now: float) -> None:
        assert self.deadline == inf
        self.calls.append(now)
        self.on_call(now)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def deadlines(hands: Hands) -> Deadlines:
    return Deadlines(hands.reactor, hands, TICK)


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.1, 0.25, 1.0, 7.77])
def test_a_deadline_is_told_never_early_and_at_most_two_ticks_late(hands: Hands, deadlines: Deadlines, wait: float) -> None:
    thing = Something()
    due = deadlines.now() + wait
    deadlines.watch(thing, due)
    hands.advance(wait + 3 * TICK)
    (called,) = thing.calls
    assert due <= called <= due + 2 * TICK + TICK / 4
    hands.advance(10)
    assert len(thing.calls) == 1


def test_a_deadline_moves_later_by_assignment(hands: Hands, deadlines: Deadlines) -> None:
    thing = Something()
    deadlines.watch(thing, deadlines.now() + 1)
    for _ in range(20):
        hands.advance(0.5)
        thing.deadline = deadlines.now() + 1
    assert thing.calls == []
    due = thing.deadline
    hands.advance(2)
    assert due <= thing.calls[0] <= due + 3 * TICK


def test_a_deadline_moves_sooner_by_watching(hands: Hands, deadlines: Deadlines) -> None:
    thing = Something()
    deadlines.watch(thing, deadlines.now() + 3600)
    deadlines.watch(thing, deadlines.now() + 1)
    hands.advance(1.5)
    assert len(thing.calls) == 1
    hands.advance(7200, step=60)
    assert len(thing.calls) == 1


def test_infinity_and_forgetting_end_a_deadline(hands: Hands, deadlines: Deadlines) -> None:
    lifted, forgotten = Something(), Something()
    for thing in (lifted, forgotten):
        deadlines.watch(thing, deadlines.now() + 1)
    lifted.deadline = inf
    deadlines.forget(forgotten)
    hands.advance(5)
    assert lifted.calls == forgotten.calls == []
    deadlines.watch(lifted, deadlines.now() + 1)
    hands.advance(2)
    assert len(lifted.calls) == 1


def test_watching_again_from_within_the_call(hands: Hands, deadlines: Deadlines) -> None:
    thing = Something()
    thing.on_call = lambda now: deadlines.watch(thing, now + 1)
    deadlines.watch(thing, deadlines.now() + 1)
    hands.advance(10.5)
    assert 7 <= len(thing.calls) <= 10


def test_many_ticks_may_be_skipped(hands: Hands, deadlines: Deadlines) -> None:
    things = [Something() for _ in range(50)]
    for number, thing in enumerate(things):
        deadlines.watch(thing, deadlines.now() + number * 0.33)
    hands.reactor.advance(1000)
    assert all(len(thing.calls) == 1 for thing in things)


def test_one_that_is_called_may_end_the_others_of_its_bucket(hands: Hands, deadlines: Deadlines) -> None:
    first, second = Something(), Something()
    first.on_call = lambda now: deadlines.forget(second)
    second.on_call = lambda now: deadlines.forget(first)
    due = deadlines.now() + 1.05
    deadlines.watch(first, due)
    deadlines.watch(second, due)
    hands.advance(3)
    assert len(first.calls) + len(second.calls) == 1


def test_one_that_is_called_may_move_the_others_of_its_bucket(hands: Hands, deadlines: Deadlines) -> None:
    first, second = Something(), Something()

    def move(other: Something) -> Callable[[float], None]:
        def moved(now: float) -> None:
            if not other.calls:
                deadlines.forget(other)
                deadlines.watch(other, now + 1)

        return moved

    first.on_call, second.on_call = move(second), move(first)
    due = deadlines.now() + 1.05
    deadlines.watch(first, due)
    deadlines.watch(second, due)
    hands.advance(1.5)
    assert len(first.calls) + len(second.calls) == 1
    hands.advance(2)
    assert len(first.calls) == len(second.calls) == 1


def test_a_call_that_fails_harms_nobody_else(hands: Hands, deadlines: Deadlines) -> None:
    things = [Something() for _ in range(3)]

    def fail(now: float) -> None:
        raise ValueError("broken code")

    for thing in things:
        thing.on_call = fail
        deadlines.watch(thing, deadlines.now() + 0.5)
    hands.advance(1)
    assert all(len(thing.calls) == 1 for thing in things)


def test_without_deadlines_there_is_no_timer(hands: Hands, deadlines: Deadlines) -> None:
    assert hands.reactor.getDelayedCalls() == []
    thing = Something()
    deadlines.watch(thing, deadlines.now() + 1)
    assert len(hands.reactor.getDelayedCalls()) == 1
    hands.advance(2)
    assert hands.reactor.getDelayedCalls() == []
    deadlines.watch(thing, deadlines.now() + 1)
    hands.advance(2)
    assert len(thing.calls) == 2


def test_after_stopping_nothing_is_called(hands: Hands, deadlines: Deadlines) -> None:
    thing = Something()
    deadlines.watch(thing, deadlines.now() + 1)
    deadlines.stop()
    deadlines.stop()
    hands.advance(5)
    assert thing.calls == []
    assert hands.reactor.getDelayedCalls() == []


def test_a_call_may_stop_everything(hands: Hands, deadlines: Deadlines) -> None:
    thing, other = Something(), Something()
    thing.on_call = lambda now: deadlines.stop()
    deadlines.watch(thing, deadlines.now() + 1)
    deadlines.watch(other, deadlines.now() + 2)
    hands.advance(5)
    assert len(thing.calls) == 1
    assert other.calls == []
    assert hands.reactor.getDelayedCalls() == []
