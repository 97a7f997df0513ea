"""How long exchanges take, counted in steps."""

from __future__ import annotations

import pytest

from twistedproxy.forward.durations import STEPS, Durations


def test_without_exchanges_there_is_no_percentile() -> None:
    assert Durations().percentile(0.5) is None


def test_a_percentile_lies_within_the_step_of_what_it_stands_for() -> None:
    durations = Durations()
    for number in range(1, 1001):
        durations.note(number / 10_000)
    for share in (0.1, 0.5, 0.9, 0.99, 1.0):
        assert durations.percentile(share) == pytest.approx(share / 10, rel=0.01)


def test_each_duration_counts_for_the_first_step_that_it_does_not_exceed() -> None:
    durations = Durations()
    for seconds in (0.0, STEPS[0], STEPS[0] * 1.01, STEPS[-1], STEPS[-1] * 2):
        durations.note(seconds)
    assert durations.counts[:2] == [2, 1]
    assert durations.counts[-2:] == [1, 1]
    assert durations.percentile(1.0) == STEPS[-1]
