"""Shares of a route's requests: sticky by key, as large as the site says, and independent of each other."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.play import Play
from twistedproxy.config.routing import split_line
from twistedproxy.config.scalars import Context
from twistedproxy.forward.split import Split

POOLS = "[pool app]\nservers = 10.0.0.1:80\n[pool beta]\nservers = 10.0.0.2:80\n"
SITE = POOLS + "[route /]\nsplit = {client}\n  20% beta\n  * app\n"


def peer_of(play: Play, address: str, fields: str = "", times: int = 1) -> str:
    """Who serves a client; each time the same."""
    client = play.client(address=address)
    found = set()
    for _ in range(times):
        client.says(f"GET / HTTP/1.1\nHost: a\n{fields}")
        play.turn()
        for origin in [party for party in play._parties if party.name.startswith("origin") and party.heard]:
            origin.hears_message()
            origin.says("HTTP/1.1 204 No Content")
        client.hears("HTTP/1.1 204 No Content")
        found.add(play.exchange().peer_name)
    play._unclaimed.clear()
    (peer,) = found
    return peer


def test_who_has_the_same_key_gets_the_same_pool() -> None:
    with Play(SITE) as play:
        peers = {f"192.0.2.{number}": peer_of(play, f"192.0.2.{number}", times=3) for number in range(1, 40)}
        assert set(peers.values()) == {"10.0.0.1:80", "10.0.0.2:80"}
    with Play(SITE) as play:
        # After a restart, too.
        assert {address: peer_of(play, address) for address in peers} == peers
        assert sorted(route.name for route in play.site.routes.routes) == ["/ (app)", "/ (beta)"]
        assert sum(route.requests for route in play.site.routes.routes) == len(peers)


def test_a_key_that_differs_each_time_is_decided_each_time() -> None:
    with Play(SITE.replace("{client}", "{request_id}").replace("20%", "50%")) as play:
        client = play.client()
        found = set()
        for _ in range(64):
            client.says("GET / HTTP/1.1\nHost: a")
            for origin in [party for party in play._parties if party.name.startswith("origin") and party.heard]:
                origin.hears_message()
                origin.says("HTTP/1.1 204 No Content")
            client.hears("HTTP/1.1 204 No Content")
            found.add(play.exchange().pool_name)
        play._unclaimed.clear()
    assert found == {"app", "beta"}


def split(*lines: str, salt: str = "/") -> tuple[Split, dict[str, Any]]:
    """A split of its own, with its arms by name."""
    parsed = [split_line(line, Context("/", {})) for line in ("{client}", *lines)]
    arms: dict[str, Any] = {line.pool: line.pool for line in parsed[1:]}
    return Split(parsed, salt, arms), arms


def taken(made: Split, key: str) -> Any:
    """The arm of who has *key*."""
    exchange: Any = SimpleNamespace(value=lambda name: key)
    return made.arm(exchange)


@pytest.mark.parametrize(
    "lines",
    [("20% beta", "* app"), ("1% a", "0.5% b", "* c"), ("33.33% a", "33.33% b", "33.34% c"), ("100% a",), ("0% a", "* b")],
)
def test_shares_are_as_large_as_the_site_says(lines: tuple[str, ...]) -> None:
    made, _ = split(*lines)
    number = 40_000
    found = Counter(taken(made, f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}") for i in range(number))
    for line in (split_line(each, Context("/", {})) for each in lines):
        share = (
            line.share / 10_000
            if line.share >= 0
            else 1 - sum(split_line(x, Context("/", {})).share for x in lines[:-1]) / 10_000
        )
        # Four standard deviations of a binomial distribution; the addresses are always the same, so this never flickers.
        allowed = 4 * (number * share * (1 - share)) ** 0.5
        assert abs(found[line.pool] - number * share) <= allowed


def test_a_share_that_grows_keeps_whom_it_had() -> None:
    small, _ = split("5% beta", "* app")
    large, _ = split("25% beta", "* app")
    keys = [str(number) for number in range(5000)]
    assert {key for key in keys if taken(small, key) == "beta"} < {key for key in keys if taken(large, key) == "beta"}


def test_two_routes_divide_the_same_clients_in_different_ways() -> None:
    one, _ = split("50% a", "* b", salt="/one")
    two, _ = split("50% a", "* b", salt="/two")
    same = sum(taken(one, str(number)) == taken(two, str(number)) for number in range(10_000))
    assert abs(same - 5000) < 4 * 50
