"""Ratios are taken within a round; a subject without samples is a row that says why."""

from __future__ import annotations

import pytest

from bench.measure import Load, Sample, percentile
from bench.report import costs, figures, table
from bench.run import DIRECT, Outcome
from bench.workloads import WORKLOADS, Workload


def workload(name: str) -> Workload:
    return next(each for each in WORKLOADS if each.name == name)


def sample(subject: str, turn: int, *, cpu: float, units: int = 1000, p50: float = 0.001, memory: int | None = None) -> Sample:
    return Sample(subject, turn, Load(units, 1.0, p50, 0.002, memory=memory), cpu, 0.0)


def test_ratios_compare_only_what_ran_in_the_same_round() -> None:
    outcome = Outcome(workload("small_get"))
    outcome.samples += [sample("nginx", 0, cpu=0.010), sample("ours", 0, cpu=0.020)]
    outcome.samples += [sample("nginx", 1, cpu=0.020), sample("ours", 1, cpu=0.030)]
    outcome.samples += [sample("ours", 2, cpu=0.500)]
    row = figures(outcome, "ours", "nginx")
    assert row is not None
    assert row.ratios == pytest.approx((1.5, 2.0))
    assert row.cost == pytest.approx(30.0)


def test_idle_websockets_cost_memory() -> None:
    outcome = Outcome(workload("ws_idle"), [sample("nginx", 0, cpu=1.0, memory=18 * 1024 * 1000)])
    assert costs(outcome, "nginx") == {0: 18.0}


def test_added_latency_is_what_the_same_origin_does_not_take_when_asked_directly() -> None:
    outcome = Outcome(workload("latency"))
    outcome.samples += [sample(DIRECT, 0, cpu=0.1, p50=0.0001), sample("nginx", 0, cpu=0.1, p50=0.00025)]
    assert costs(outcome, "nginx")[0] == pytest.approx(150.0)
    assert costs(outcome, DIRECT) == {}


def test_a_subject_that_did_not_start_is_a_row_with_its_reason_below_the_table() -> None:
    outcome = Outcome(workload("small_get"), [sample("nginx", 0, cpu=0.010)], {"ours": "not available: no such command"})
    text = table(outcome, ["nginx", "ours"], "nginx")
    assert "1.00–**1.00**–1.00" in text
    assert "| not available" in text
    assert "Note: ours: not available: no such command" in text


def test_other_work_on_the_subjects_core_is_mentioned() -> None:
    outcome = Outcome(workload("small_get"), [Sample("nginx", 0, Load(1, 1.0, None, None), 0.5, 0.25)])
    assert "25% of it" in table(outcome, ["nginx"], "nginx")


def test_percentiles_of_nothing_are_nothing() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0, 2.0], 0.99) == 2.0
