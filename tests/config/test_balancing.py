"""``balance``, ``sticky`` and ``slow_start`` as they are written, and what is said about nonsense."""

from __future__ import annotations

import pytest

from tests.config.sites import loaded, warnings
from tests.config.test_effective import loaded_back
from tests.config.test_values import refusal
from twistedproxy.config import network
from twistedproxy.settings.pools import BalanceSettings, PoolSettings, StickySettings

SITE = """\
[listen http]
on = tcp:8080
[pool app]
servers =
    a:1 weight=2 slow_start=30s
    b:1
WORDS
[route /]
pool = app
"""


def pool_that_says(*lines: str) -> PoolSettings:
    settings = loaded(SITE.replace("WORDS", "\n".join(lines))).settings
    assert loaded_back(settings) == settings
    return settings.pools["app"]


def test_without_a_word_peers_take_turns_and_nobody_is_bound() -> None:
    pool = pool_that_says()
    assert (str(pool.balance), pool.sticky) == ("round_robin", None)


@pytest.mark.parametrize("name", ["round_robin", "least_connections", "least_time", "random_two"])
def test_schedulers_are_called_by_their_names(name: str) -> None:
    assert pool_that_says(f"balance = {name}").balance == BalanceSettings(name)


@pytest.mark.parametrize(
    ("text", "key", "bound"),
    [
        ("hash {client}", "{client}", 0.0),
        ("hash {client} consistent", "{client}", 0.0),
        ("hash {uri} bound=125%", "{uri}", 1.25),
        ("hash {header.X-Tenant} {path} bound=150% consistent", "{header.x-tenant} {path}", 1.5),
    ],
)
def test_a_hash_has_a_key_and_perhaps_a_bound(text: str, key: str, bound: float) -> None:
    read = pool_that_says(f"balance = {text}").balance
    assert (read.scheduler, read.key.lower(), read.bound) == ("hash", key, bound)


def test_a_slow_start_stands_behind_a_server() -> None:
    pool = pool_that_says()
    assert [server.slow_start for server in pool.servers] == [30.0, 0.0]
    assert network.write_server(pool.servers[0]) == "a:1 weight=2 slow_start=30s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cookie srv", StickySettings("cookie", "srv")),
        (
            "cookie srv expires=1h domain=.Example.com path=/shop secure httponly samesite=None",
            StickySettings("cookie", "srv", "", 3600.0, "example.com", "/shop", True, True, "none"),
        ),
        ("cookie __Host-srv secure", StickySettings("cookie", "__Host-srv", secure=True)),
        ("learn JSESSIONID", StickySettings("learn", "JSESSIONID")),
        ("learn SID size=10 timeout=5m", StickySettings("learn", "SID", size=10, timeout=300.0)),
        ("hash {cookie.SID}", StickySettings("hash", key="{cookie.SID}")),
    ],
)
def test_stickiness_is_read_and_written_back(text: str, expected: StickySettings) -> None:
    assert pool_that_says(f"sticky = {text}").sticky == expected


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("least_conections", "is not known here", "least_connections"),
        ("ip_hash", "is not known here", "write hash {client}"),
        ("leastconn", "is not known here", "write least_connections"),
        ("{client}", "is not known here", "write hash {client}"),
        ("least_time 5s", "takes no options", "write least_time"),
        ("hash", "hash what?", "balance = hash {client}"),
        ("hash key", "is the same for every request", "balance = hash {client}"),
        ("hash {clint}", "{clint} is not a name of templates; did you mean {client}?", ""),
        ("hash {status}", "is not known before there is an answer", ""),
        ("hash {uri} bound=100%", "is not a bound", "more than 100%"),
        ("hash {uri} bound=2", "is not a bound", "more than 100%"),
    ],
)
def test_what_is_no_balance(text: str, reason: str, remedy: str) -> None:
    said = refusal("balance", text)
    assert reason in said and remedy in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cooky srv", "is not a kind of stickiness; did you mean cookie?"),
        ("srv_id", "is not a kind of stickiness"),
        ("cookie", "names no cookie; write for instance sticky = cookie srv"),
        ("learn size=5", "names no cookie; write for instance sticky = learn JSESSIONID"),
        ("hash", "hash what?; write for instance sticky = hash {client}"),
        ("cookie s@v", "is not the name of a cookie"),
        ("cookie srv expire=1h", "is not an option of sticky = cookie"),
        ("cookie srv secure=yes", "is not an option of sticky = cookie"),
        ("cookie srv path", "is not an option of sticky = cookie"),
        ("cookie srv size=3", "is not an option of sticky = cookie"),
        ("learn SID secure", "is not an option of sticky = learn"),
        ("cookie srv secure secure", "secure is said twice; remove one"),
        ("cookie srv expires=1", "write 1s for seconds"),
        ("cookie srv expires=10ms", "is less than a second"),
        ("cookie srv path=shop", "path=shop is not a path"),
        ("cookie srv path=/;secure", "is not a path"),
        ("cookie srv domain=", "the host is missing"),
        ("cookie srv samesite=lacks", "samesite=lacks is not known"),
        ("cookie srv samesite=none", "browsers drop a cookie with samesite=none that is not secure; add secure"),
        ("cookie __Secure-srv", "browsers drop __Secure-srv unless it is secure"),
        ("cookie __Host-srv secure path=/shop", "browsers drop __Host-srv with a domain, or a path other than /"),
        ("cookie __Host-srv secure domain=example.com", "browsers drop __Host-srv with a domain"),
        ("learn SID size=0", "size=0 remembers no session; write for instance size=100000"),
        ("learn SID timeout=0", "timeout=0 forgets every session at once; write for instance timeout=1h"),
    ],
)
def test_what_is_no_stickiness(text: str, said: str) -> None:
    assert said in refusal("sticky", text)


def test_what_has_no_effect_is_told() -> None:
    alone = SITE.replace("    b:1\n", "").replace("WORDS", "balance = random_two\nsticky = cookie srv domain=localhost")
    assert warnings(alone) == [
        "4 [pool app] servers: slow_start has no effect: the pool has one server; remove it",
        "6 [pool app] balance: has no effect: the pool has one server; add a server, or remove the line",
        "7 [pool app] sticky: has no effect: the pool has one server; add a server, or remove the line",
        "7 [pool app] sticky: browsers drop a cookie for the domain localhost; write a name with a dot",
    ]


def test_two_hashes_are_told() -> None:
    both = SITE.replace("WORDS", "balance = hash {client}\nsticky = hash {cookie.SID}")
    (said,) = warnings(both)
    assert said.startswith("8 [pool app] sticky: counts, and balance = hash only for requests that have no such key")
