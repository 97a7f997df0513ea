"""What is said of failures: retries, budgets, queues, ejections."""

from __future__ import annotations

import pytest

from tests.config.sites import loaded, warnings
from tests.config.test_effective import loaded_back
from tests.config.test_values import HERE, refusal
from twistedproxy.addresses import Tcp
from twistedproxy.config import failures, network, scalars
from twistedproxy.config.effective import effective
from twistedproxy.forward.retry import WORDS
from twistedproxy.settings.pools import NO_BUDGET, BudgetSettings, QueueSettings
from twistedproxy.settings.servers import ServerSettings

EVERYTHING = """\
[listen http]
on = tcp:8080
[pool app]
servers =
    a:1 max_connections=3
    b:1 weight=2
fail_statuses = 429 500-504
max_fails = 2
fail_timeout = 5s
max_fail_timeout = 2m
eject_ratio = 30%
eject_latency = 2s
eject_window = 20s
eject_min_requests = 7
max_ejected = 50%
fail_open = yes
queue = 50 timeout=250ms
retry_budget = 10% min=3
[pool bare]
servers = a:1 max_connections=1
queue = 5
retry_budget = no
[route /]
pool = app
retry = refused timeout 502 503
retry_timeout = 10s
retry_unsafe = yes
hedge = 200ms
[route /bare]
pool = bare
"""


def test_the_words_of_retry_are_those_that_mean_something() -> None:
    assert set(WORDS) == set(failures.RETRY_WORDS)


def test_everything_is_read_and_written_back() -> None:
    settings = loaded(EVERYTHING).settings
    app, bare = settings.pools["app"], settings.pools["bare"]
    assert app.servers[0] == ServerSettings(Tcp("a", 1), max_connections=3)
    assert app.fail_statuses == ((429, 429), (500, 504))
    assert (app.eject_ratio, app.eject_latency, app.eject_window, app.eject_min_requests) == (0.3, 2.0, 20.0, 7)
    assert (app.max_ejected, app.fail_open, app.max_fail_timeout) == (0.5, True, 120.0)
    assert app.queue == QueueSettings(50, 0.25)
    assert app.retry_budget == BudgetSettings(0.1, 3)
    assert (bare.queue, bare.retry_budget) == (QueueSettings(5, 5.0), NO_BUDGET)
    route = next(route for route in settings.routes if route.name == "/")
    assert route.retry == ("refused", "timeout", "502", "503")
    assert (route.retry_timeout, route.retry_unsafe, route.hedge) == (10.0, True, 0.2)
    assert loaded_back(settings) == settings
    said = effective(settings)
    for line in ("queue = 50 timeout=250ms", "retry_budget = 10% min=3", "retry_budget = no", "eject_ratio = 30%"):
        assert line in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http_502", "write 502"),
        ("invalid_header", "write invalid"),
        ("non_idempotent", "write retry_unsafe = yes"),
        ("off", "write tries = 1"),
        ("no", "write tries = 1"),
        ("eror", "did you mean error?"),
        ("200", "200 is not the status of a failure; write 400 to 599"),
        ("700", "700 is not a status"),
    ],
)
def test_what_is_no_case_of_retry(text: str, said: str) -> None:
    assert said in refusal("retry_cases", text)


def test_answers_that_are_no_failures_cannot_be_counted_as_such() -> None:
    assert "write 400 to 599" in refusal("error_statuses", "200-599")
    assert failures.error_range("500-599", HERE) == (500, 599)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("share", "50", "'50' is not a share; write 50%"),
        ("share", "half", "write for instance 50%"),
        ("share", "0%", "write 1% to 100%"),
        ("share", "101%", "write 1% to 100%"),
        ("queue", "0", "a queue of length 0 holds nobody"),
        ("queue", "many", "'many' is not the length of a queue"),
        ("queue", "10 timeuot=5s", "write 10 timeout=5s"),
        ("queue", "10 timeout", "write 10 timeout=5s"),
        ("queue", "10 timeout=5s x", "write 10 timeout=5s"),
        ("queue", "10 timeout=5", "write 5s for seconds"),
        ("queue", "10 timeout=0", "timeout=0 lets nobody wait"),
        ("budget", "20", "write 20%"),
        ("budget", "20% most=5", "write 20% min=10"),
        ("budget", "20% min", "write 20% min=10"),
        ("budget", "20% min=5 x", "write 20% min=10"),
        ("budget", "20% min=x", "'x' is not a number of retries a second"),
        ("servers", "a:1 max_connections=0", "max_connections=0 lets nothing through"),
        ("servers", "a:1 max_connections", "'max_connections' is not an option"),
        ("servers", "a:1 max_connections=x", "'x' is not a number of connections"),
    ],
)
def test_values_that_are_refused(kind: str, text: str, said: str) -> None:
    assert said in refusal(kind, text)


def test_a_budget_may_be_written_as_a_rate() -> None:
    assert failures.budget("20% min=5r/s", HERE) == BudgetSettings(0.2, 5)
    assert failures.budget("20%", HERE) == BudgetSettings(0.2, 10)


@pytest.mark.parametrize("percents", range(1, 101))
def test_shares_are_written_back(percents: int) -> None:
    assert scalars.write_share(scalars.share(f"{percents}%", HERE)) == f"{percents}%"


def test_a_limit_of_a_server_is_written_back() -> None:
    server = ServerSettings(Tcp("a", 1), weight=2, backup=True, max_connections=10)
    assert network.server(network.write_server(server), HERE) == server


POOL = "[listen http]\non = tcp:8080\n[pool app]\nservers =\n  a:1\n  b:1\n{}\n[route /]\npool = app\n{}\n"


@pytest.mark.parametrize(
    ("pool", "route", "said"),
    [
        ("eject_latency = 2s", "", "eject_latency: has no effect without eject_ratio; add for instance eject_ratio = 50%"),
        (
            "max_fails = 0\nfail_statuses = 500",
            "",
            "fail_statuses: has no effect: max_fails is 0; give max_fails a number, add eject_ratio, or remove the line",
        ),
        ("fail_timeout = 5m\nmax_fail_timeout = 1m", "", "max_fail_timeout: is less than fail_timeout, 5m; write a longer time"),
        (
            "queue = 5",
            "",
            "queue: has no effect: no server has max_connections; write max_connections=N behind a server",
        ),
        (
            "",
            "retry_unsafe = yes",
            "retry_unsafe: what a POST does may be done twice; remove the line unless the peers know repeated requests",
        ),
        ("", "tries = 1\nretry = error", "retry: has no effect: tries is 1; remove the line, or make tries 2"),
        ("", "hedge = 1m", "hedge: is never reached: read_timeout is 1m; write a shorter time"),
    ],
)
def test_what_is_without_effect_or_dangerous_is_told(pool: str, route: str, said: str) -> None:
    (warning,) = warnings(POOL.format(pool, route))
    assert warning.endswith(said)


def test_ejection_by_share_alone_is_sound() -> None:
    assert warnings(POOL.format("max_fails = 0\neject_ratio = 50%\nfail_statuses = 500\neject_latency = 2s", "hedge = 1s")) == []
