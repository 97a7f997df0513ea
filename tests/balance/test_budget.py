"""How many retries a pool may get."""

from __future__ import annotations

from twistedproxy.balance.budget import WINDOW, RetryBudget
from twistedproxy.settings.pools import BudgetSettings


def spent(budget: RetryBudget, now: float, requests: int, wanted: int = 1000) -> int:
    """How many of *wanted* retries are allowed at one moment."""
    return sum(budget.spend(now, requests) for _ in range(wanted))


def test_a_share_of_the_requests_that_came_and_a_few_in_any_case() -> None:
    assert spent(RetryBudget(BudgetSettings(0.2, 0), 100.0), 105.0, 100) == 20
    assert spent(RetryBudget(BudgetSettings(0.2, 3), 100.0), 105.0, 0) == 30
    assert spent(RetryBudget(BudgetSettings(0.2, 3), 100.0), 105.0, 100) == 50


def test_without_requests_and_a_floor_there_is_none() -> None:
    assert spent(RetryBudget(BudgetSettings(0.2, 0), 0.0), 5.0, 0) == 0
    assert spent(RetryBudget(BudgetSettings(0.2, 0), 0.0), 0.0, 4) == 0


def test_requests_of_long_ago_count_no_longer() -> None:
    budget = RetryBudget(BudgetSettings(0.2, 1), 0.0)
    # A hundred in each of a hundred seconds: those of the last ten count.
    assert spent(budget, 100.0, 10_000) == 200 + 10
    assert spent(budget, 100.0 + WINDOW, 10_000) == 10


def test_what_is_not_spent_lapses() -> None:
    budget = RetryBudget(BudgetSettings(0.5, 0), 0.0)
    assert budget.spend(1.0, 100)
    assert spent(budget, 6.0, 100) == 24  # half of the 49 that were left


def test_in_the_long_run_retries_keep_to_their_share() -> None:
    budget = RetryBudget(BudgetSettings(0.2, 0), 0.0)
    retries = sum(budget.spend(request / 100, request) for request in range(1, 100_001))
    assert abs(retries / 100_000 - 0.2) < 0.01


def test_peers_that_leave_take_their_requests_along_and_nothing_is_lost_but_these() -> None:
    budget = RetryBudget(BudgetSettings(0.2, 0), 0.0)
    assert budget.spend(1.0, 100)
    assert budget.spend(1.0, 50)
    assert spent(budget, 1.0, 60) == 20
