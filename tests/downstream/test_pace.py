"""Patience, in figures."""

from __future__ import annotations

from twistedproxy.downstream.pace import Pace, time_to_look
from twistedproxy.settings.route_knobs import RouteKnobs

KNOBS = RouteKnobs(client_timeout=60.0, min_rate=1000, min_rate_grace=10.0)


def test_nothing_is_expected_before_the_grace_is_over() -> None:
    pace = Pace(100.0, 0)
    assert not pace.is_too_slow(110.0, 0, KNOBS)
    assert pace.is_too_slow(110.1, 0, KNOBS)


def test_the_average_counts() -> None:
    pace = Pace(100.0, 500)
    assert not pace.is_too_slow(115.0, 5_500, KNOBS)
    assert not pace.is_too_slow(150.0, 40_500, KNOBS)
    assert pace.is_too_slow(151.0, 41_499, KNOBS)


def test_whoever_stops_is_too_slow_in_the_end_whatever_it_has_moved() -> None:
    pace = Pace(100.0, 0)
    assert not pace.is_too_slow(110.0, 10**9, KNOBS)
    assert not pace.is_too_slow(169.9, 10**9, KNOBS)
    assert pace.is_too_slow(170.0, 10**9, KNOBS)


def test_the_time_for_which_a_client_is_held_back_does_not_count() -> None:
    pace = Pace(100.0, 0)
    assert not pace.is_too_slow(105.0, 0, KNOBS)
    pace.is_held_back(505.0)
    assert not pace.is_too_slow(510.0, 0, KNOBS)
    assert pace.is_too_slow(511.0, 0, KNOBS)


def test_a_client_that_waits_may_not_wait_for_ever() -> None:
    pace = Pace(100.0, 0)
    pace.waits(130.0)
    assert not pace.has_stopped(130.0, 0, KNOBS)
    pace.waits(160.0)
    assert pace.has_stopped(160.0, 0, KNOBS)


def test_looks_are_a_quarter_of_the_shorter_time_apart() -> None:
    assert time_to_look(KNOBS) == 2.5
    assert time_to_look(RouteKnobs(client_timeout=4.0)) == 1.0
