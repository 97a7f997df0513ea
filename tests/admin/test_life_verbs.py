"""The shell's verbs about the process as a whole, and what the status port says of it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock

from tests.admin.site import Things, live_site, names
from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.life import CannotBeDone, Reloaded, Stage
from twistedproxy.admin.status_site import Status
from twistedproxy.admin.touched import touched
from twistedproxy.config.plan import Change, Deed, KeyChange, Plan
from twistedproxy.downstream.http2 import Http2Connection

PLAN = Plan((Change(Deed.CHANGED, "pool", "app", (KeyChange("rise", ("2",), ("5",)),)), Change(Deed.ADDED, "route", "/new/")))


class HandLife:
    """A life that does as it is told, and notes it."""

    drain_delay = 5.0

    def __init__(self) -> None:
        self.stage = Stage.READY
        self.told: list[str] = []
        self.outcome: Any = Reloaded(PLAN)

    def plan(self) -> Deferred[Plan]:
        return succeed(PLAN)

    def reload(self, who: str) -> Deferred[Reloaded]:
        self.told.append(f"reload by {who}")
        return fail(self.outcome) if isinstance(self.outcome, Exception) else succeed(self.outcome)

    def drain(self, who: str, delay: float | None = None) -> None:
        self.told.append(f"drain by {who} in {delay}")
        self.stage = Stage.DRAINING

    def undrain(self, who: str) -> bool:
        was, self.stage = self.stage, Stage.READY
        return was is Stage.DRAINING

    def upgrade(self, who: str) -> Deferred[int]:
        return succeed(4711)


@pytest.fixture
def life() -> HandLife:
    return HandLife()


@pytest.fixture
def verbs(life: HandLife) -> dict[str, Any]:
    live = live_site()
    live.life = life
    return names(live)


def result(deferred: Deferred[Any]) -> Any:
    told: list[Any] = []
    deferred.addBoth(told.append)
    (only,) = told
    return only


def test_a_plan_says_what_would_change_and_nothing_does(verbs: dict[str, Any], life: HandLife) -> None:
    assert repr(result(verbs["reload"](plan=True))) == "~ [pool app] rise: 2 → 5\n+ [route /new/]"
    assert life.told == []


def test_a_reload_says_what_has_changed_and_who_asked_is_told(verbs: dict[str, Any], life: HandLife) -> None:
    assert repr(result(verbs["reload"]())) == "~ [pool app] rise: 2 → 5\n+ [route /new/]\nreloaded"
    assert life.told == ["reload by shell: alice@laptop"]
    life.outcome = Reloaded(Plan(), failed=("an app failed",))
    assert repr(result(verbs["reload"]())) == "nothing has changed\nan app failed\nreloaded, although it is the same"


def test_a_reload_that_fails_says_why(verbs: dict[str, Any], life: HandLife) -> None:
    life.outcome = CannotBeDone("a port is taken")
    assert result(verbs["reload"]()).getErrorMessage() == "a port is taken"


def test_the_proxy_retires_and_comes_back(verbs: dict[str, Any], life: HandLife) -> None:
    assert "close in 5.0s" in repr(verbs["retire"]())
    assert "close in 0" in repr(verbs["retire"](0))
    assert repr(verbs["unretire"]()) == "ready again"
    assert life.told == ["drain by shell: alice@laptop in 5.0", "drain by shell: alice@laptop in 0.0"]
    with pytest.raises(VerbError, match="it is ready: there is nothing to take back"):
        verbs["unretire"]()


@pytest.mark.parametrize("delay", [-1, True, "soon", float("inf")])
def test_a_delay_is_a_number_of_seconds(verbs: dict[str, Any], life: HandLife, delay: Any) -> None:
    with pytest.raises(VerbError, match="a delay is a number of seconds"):
        verbs["retire"](delay)
    assert life.told == []


def test_an_upgrade_says_who_serves(verbs: dict[str, Any]) -> None:
    assert repr(result(verbs["upgrade"]())) == "process 4711 serves; this one ends with its last connection"


def test_without_a_site_file_nothing_of_this_can_be_done() -> None:
    with pytest.raises(VerbError, match="not started from a site file"):
        names(live_site())["reload"]()


def test_each_change_says_what_it_touches() -> None:
    live = live_site()
    live.pools["app"].peers[0].begin()
    busy = Things(exchange=Things(route=Things(name="/"), upgrade=None))
    waiting: Any = Http2Connection.__new__(Http2Connection)
    waiting.streams = {1: Things(exchange=Things(route=Things(name="/"), upgrade=None)), 3: Things(exchange=None)}
    listener: Any = live.listeners[0]
    listener.connections = {busy, waiting}
    websockets: Any = [Things(joined=Things(route_name="/"))]
    live.websockets = websockets
    plan = Plan(
        (
            Change(Deed.REMOVED, "listen", "https"),
            Change(Deed.CHANGED, "tls", "site"),
            Change(Deed.CHANGED, "pool", "app"),
            Change(Deed.REMOVED, "pool", "api"),
            Change(Deed.REMOVED, "cache", "static"),
            Change(Deed.CHANGED, "route", "/"),
            Change(Deed.REMOVED, "route", "/api/ (listen = https)"),
            Change(Deed.ADDED, "log", "access"),
        )
    )
    assert touched(plan, live).splitlines() == [
        "- [listen https] (2 connections finish)",
        "~ [tls site] (2 connections go on with what they began with)",
        "~ [pool app] (1 request and WebSockets run there and go on)",
        "- [pool api]",
        "- [cache static] (what it has stored stays in its directory)",
        "~ [route /] (2 requests and 1 WebSocket finish under the old rules)",
        "- [route /api/ (listen = https)]",
        "+ [log access]",
    ]
    assert touched(Plan(), live) == "nothing would change"


def test_balancers_are_told_whether_it_is_ready(life: HandLife) -> None:
    live = live_site()
    live.life = life
    request: Any = Things(
        path=b"/ready", method=b"GET", setHeader=lambda *_: None, setResponseCode=lambda code: codes.append(code)
    )
    codes: list[int] = []
    assert Status(live, Recorder(live, MemoryReactorClock())).render(request) == b"ready\n"
    life.stage = Stage.DRAINING
    assert Status(live, Recorder(live, MemoryReactorClock())).render(request) == b"draining\n"
    live.life = None
    assert Status(live, Recorder(live, MemoryReactorClock())).render(request) == b"ready\n"
    assert codes == [503]
