"""What would become of a request now: the code that decides is asked, and the site that runs does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.play import Play
from tests.scenes.sites import ANSWER, FIRST, SECOND, TWO
from tests.scenes.test_why import GET, live_of, verbs
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.config.load import load_text

URL = "http://example.com/a"


def live_site(play: Play, text: str, directory: Path | None = None) -> Live:
    """The play's site with its settings, as the program's own has them."""
    live = live_of(play)
    if "[listen" not in text:
        text += "\n[listen http]\non = tcp:80\n"
    live.settings = load_text(text, str((directory or Path("/play")) / "site.ini"), {}).settings
    live.limits = play.guards.limits
    return live


def why(live: Live, *words: Any, **more: Any) -> list[str]:
    return str(verbs(live)["why"](*words, **more)).splitlines()


def asks(play: Play, answer: str = ANSWER) -> None:
    """Somebody really asks, and is answered."""
    client = play.client()
    client.says(GET)
    origin = play.origin()
    origin.overlooks()
    origin.says(answer, b"hello")
    origin.overlooks()
    client.overlooks()


def test_the_peer_that_would_be_next_is_told_and_stays_the_next() -> None:
    text = TWO.replace("10.0.0.2:80", "10.0.0.2:80 weight=2")
    with Play(text) as play:
        live = live_site(play, text)
        for _ in range(5):
            told = [line for line in why(live, "GET", URL) if " of [pool app]" in line]
            calls = len(play.calls)
            asks(play, "HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close")
            assert told == [f"         {play.calls[calls]} of [pool app], by round_robin"]
        assert "receive  what the peer says is made up: nothing was sent anywhere" in why(live, "GET", URL)


def test_pools_that_only_get_copies_are_told_with_what_runs_on_them() -> None:
    text = TWO.replace(
        "[route /]",
        "[pool shadow]\nservers =\n    10.0.0.1:80\n    10.0.0.9:80\nbalance = hash {uri}\n[route /]\nmirror = shadow",
    )
    with Play(text) as play:
        live = live_site(play, text)
        play.pools["shadow"].peer("10.0.0.1:80").begin()
        copies = {
            path: [line for line in why(live, "GET", f"http://a{path}") if line.startswith("mirror")]
            for path in ("/1", "/2", "/3", "/4")
        }
        for path, told in copies.items():
            chosen = play.pools["shadow"].choose_for(path, (), 0.0)
            assert chosen is not None
            assert told == [f"mirror   {chosen.name} gets a copy of GET {path} HTTP/1.1"]
        assert "             10.0.0.1:80  weight 1, 50% of the requests, 0 running" in why(live, "GET", URL)
        play.pools["shadow"].peer("10.0.0.1:80").succeed(0.0)


def test_peers_are_as_they_are_now() -> None:
    with Play(TWO) as play:
        live = live_site(play, TWO)
        play.pools["app"].drain(FIRST)
        client = play.client()
        client.says(GET)
        lines = why(live, "GET", URL)
        assert "choose   [pool app], by round_robin: 1 of 2 peers could be chosen" in lines
        assert "             10.0.0.1:80  out, draining: the operator drains it" in lines
        assert "             10.0.0.2:80  weight 1, 100% of the requests, 1 running" in lines
        play.pools["app"].drain(SECOND)
        lines = why(live, "GET", URL)
        assert "deliver  503 Service Unavailable" in lines
        assert any(line.startswith("cause    no peer is available: 10.0.0.1:80 is draining") for line in lines)
        play.origin().overlooks()
        assert play.in_flight() == 1
        client.resets()


def test_nothing_is_counted_and_nothing_is_learnt() -> None:
    text = TWO.replace("pool = app", "pool = app\nlimits = slow").replace(
        "[pool app]", "[limit slow]\nkey = {client}\nrate = 1r/m\n[pool app]\nsticky = cookie s\nretry_budget = 10%"
    )
    with Play(text) as play:
        live = live_site(play, text)
        before = state(play)
        for _ in range(3):
            assert "deliver  200 OK" in why(live, "GET", URL)
        assert state(play) == before
        assert play.site.exchanges == 0
        asks(play)
        before = state(play)
        # Who has asked already has used up the limit, and somebody else has not.
        assert any("too_many_requests" in line for line in why(live, "GET", URL, client="192.0.2.1"))
        assert "deliver  200 OK" in why(live, "GET", URL, client="192.0.2.2")
        assert state(play) == before


def state(play: Play) -> list[Any]:
    """Whatever a request changes."""
    pool = play.pools["app"]
    (limit,) = play.guards.limits.values()
    (route,) = play.site.routes.routes
    return [
        [(peer.in_flight, peer.attempts, peer.failures, peer.state) for peer in pool.peers],
        [(pool.retries, pool.hedges, vars(limit).get("passed"), limit.refused, dict(limit.running))],
        [route.requests, list(route.statuses), route.errors, list(route.durations.counts)],
        [play.site.exchanges, list(play.site.remembered or ()), play.clock.getDelayedCalls()],
        [pool.bindings.made if pool.bindings is not None else None],
    ]


def test_what_the_cache_holds_is_what_would_be_served(tmp_path: Path) -> None:
    text = TWO.replace("[route /]", "[cache c]\ndirectory = c\n[route /]\ncache = c")
    with Play(text, tmp_path) as play:
        live = live_site(play, text, tmp_path)
        url = "http://example.com/a?b"
        assert "lookup   nothing stored: nothing is stored for this URI" in why(live, "GET", url)
        asks(play, "HTTP/1.1 200 OK\nContent-Length: 5\nCache-Control: max-age=60")
        before = play.caches["c"].stats()
        lines = why(live, "GET", url)
        assert "lookup   fresh: a fresh response is stored (RFC 9111 §4.2)" in lines
        assert not any(line.startswith("choose") for line in lines)
        play.later(100)
        assert any("expired: the stored response is stale" in line for line in why(live, "GET", url))
        assert play.caches["c"].stats() == before


def test_routes_passed_over_are_told_with_the_clause_that_failed() -> None:
    text = TWO + "[route example.com/a]\nmatch = header X-Beta = yes\nredirect = 302 /beta\n"
    with Play(text) as play:
        live = live_site(play, text)
        assert "route    not [route example.com/a]: it does not hold that header x-beta = yes" in why(live, "GET", URL)
        assert "deliver  302 Found" in why(live, "GET", URL, "X-Beta: yes")
        assert why(live, "GET", "http://example.com/%00")[0].startswith("parse    400, nothing is forwarded: bad_target")


def test_a_full_pool_lets_it_wait() -> None:
    text = TWO.replace("    10.0.0.2:80\n", "queue = 3\n").replace("10.0.0.1:80", "10.0.0.1:80 max_connections=1")
    with Play(text) as play:
        live = live_site(play, text)
        client = play.client()
        client.says(GET)
        lines = why(live, "GET", URL)
        assert any(line.endswith("queued: every available peer is full: it waits in the pool's queue") for line in lines)
        assert lines[-1] == "deliver  nothing: the exchange waits for something that a rehearsal does not have"
        play.origin().overlooks()
        client.resets()


@pytest.mark.parametrize("balance", ["least_connections", "least_time", "random_two", "hash {uri}", "hash {uri} bound=125%"])
def test_each_scheduler_is_asked_without_a_trace(balance: str) -> None:
    text = TWO.replace("[pool app]", f"[pool app]\nbalance = {balance}")
    with Play(text) as play:
        live = live_site(play, text)
        asks(play)
        told = [[line for line in why(live, "GET", "http://example.com/a?b") if " of [pool app]" in line] for _ in range(3)]
        assert told[0] == told[1] == told[2]
        calls = len(play.calls)
        client = play.client()
        client.says(GET)
        name = play.calls[calls] if len(play.calls) > calls else FIRST
        assert name in told[0][0] or play.same_origin().overlooks()
        play.same_origin().overlooks()
        client.resets()


def test_learnt_sessions_are_looked_up_and_not_touched() -> None:
    text = TWO.replace("[pool app]", "[pool app]\nsticky = learn session timeout=60s")
    with Play(text) as play:
        live = live_site(play, text)
        asks(play, "HTTP/1.1 200 OK\nContent-Length: 5\nSet-Cookie: session=abc")
        for _ in range(3):
            lines = why(live, "GET", URL, "Cookie: session=abc")
            assert f"         {FIRST} of [pool app], by round_robin" in lines
        play.later(61)
        assert play.in_flight() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [(("GET", "/a"), "a URL is absolute"), (("GET", "https://a/"), "no listener takes https")],
)
def test_what_cannot_be_asked_is_said(words: tuple[str, ...], said: str) -> None:
    with Play(TWO) as play, pytest.raises(VerbError, match=said):
        why(live_site(play, TWO), *words)
