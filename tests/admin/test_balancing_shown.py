"""What the shell and /status.json say of schedulers, slow starts and stickiness."""

from __future__ import annotations

from tests.admin.site import HandClock, live_site, names
from twistedproxy.addresses import Tcp
from twistedproxy.admin.live import Live
from twistedproxy.admin.status import snapshot
from twistedproxy.balance.pool import Pool
from twistedproxy.settings.pools import BalanceSettings, PoolSettings, StickySettings
from twistedproxy.settings.servers import ServerSettings


def live_with(clock: HandClock, balance: BalanceSettings, sticky: StickySettings | None) -> Live:
    live = live_site(clock)
    servers = (ServerSettings(Tcp("a", 80), weight=2, slow_start=20.0), ServerSettings(Tcp("b", 80)))
    live.pools["shop"] = Pool(PoolSettings("shop", servers=servers, balance=balance, sticky=sticky), clock)
    return live


def test_a_slow_start_shows_how_much_of_the_weight_counts_so_far() -> None:
    clock = HandClock()
    live = live_with(clock, BalanceSettings("hash", "{uri}", 1.25), None)
    live.pools["shop"].maintain("a:80")
    live.pools["shop"].restore("a:80")
    clock.advance(4.5)
    assert "  2 (now 0.5)  " in repr(names(live)["peers"]("shop"))
    said = snapshot(live)["pools"]["shop"]
    assert (said["balance"], said["sticky"]) == ("hash {uri} bound=125%", None)
    assert [peer["effective_weight"] for peer in said["peers"]] == [0.5, 1]
    clock.advance(20)
    assert "(now" not in repr(names(live)["peers"]("shop"))


def test_stickiness_shows_whom_it_kept_and_moved() -> None:
    live = live_with(HandClock(), BalanceSettings(), StickySettings("cookie", "srv"))
    bindings = live.pools["shop"].bindings
    assert bindings is not None
    bindings.kept, bindings.made, bindings.moved, bindings.unknown = 1200, 7, 3, 1
    assert "  cookie srv: 1,200 kept, 3 moved  " in repr(names(live)["pools"]())
    said = snapshot(live)["pools"]["shop"]["sticky"]
    assert said == {"by": "cookie srv", "kept": 1200, "made": 7, "moved": 3, "unknown": 1}


def test_clients_that_are_bound_by_a_hash_are_not_counted() -> None:
    live = live_with(HandClock(), BalanceSettings(), StickySettings("hash", key="{client}"))
    assert "  hash {client}  " in repr(names(live)["pools"]())
    assert snapshot(live)["pools"]["shop"]["sticky"] == {"by": "hash {client}"}


def test_the_usual_time_of_answers_is_shown_where_it_is_measured() -> None:
    clock = HandClock()
    live = live_with(clock, BalanceSettings("least_time"), None)
    live.pools["shop"].peers[0].answered(0.25, clock.monotonic())
    assert [peer["answer_time"] for peer in snapshot(live)["pools"]["shop"]["peers"]] == [0.25, 0.0]
    assert snapshot(live)["pools"]["app"]["peers"][0]["answer_time"] is None
