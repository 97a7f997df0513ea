"""The shell's verb for active checks."""

from __future__ import annotations

import pytest

from tests.admin.site import HandClock, live_site, names
from twistedproxy.addresses import Tcp
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings


@pytest.fixture
def live() -> Live:
    clock = HandClock()
    live = live_site(clock)
    servers = tuple(ServerSettings(Tcp(name, 80)) for name in "ab")
    pool = live.pools["checked"] = Pool(PoolSettings("checked", servers=servers, check=CheckSettings("tcp"), fall=1), clock)
    first = pool.peers[0]
    first.checked(CheckResult(clock.wall(), 0.0012, passed=True))
    first.checked(CheckResult(clock.wall() + 5, 2.0, passed=False, reason="timed out after 2 s"))
    first.checked(CheckResult(clock.wall() + 10, 0.0, passed=False, reason="no descriptor left", counts=False))
    clock.advance(12)
    return live


def test_what_checks_found_of_each_peer_of_a_pool(live: Live) -> None:
    assert repr(names(live)["checks"]("checked")) == (
        "PEER  STATE  PASSED   AGO   TOOK  LAST CHECK                           LAST FAILURE\n"
        "a:80  down   1 of 3  2.0s  0.0ms  no descriptor left (does not count)  no descriptor left, 2.0s ago\n"
        "b:80  up          -     -      -  -                                    -"
    )


def test_the_last_checks_of_a_peer_one_by_one(live: Live) -> None:
    assert repr(names(live)["checks"]("checked", "a:80")) == (
        "  AGO   TOOK  OUTCOME\n"
        " 2.0s  0.0ms  no descriptor left (does not count)\n"
        " 7.0s   2.0s  timed out after 2 s\n"
        "12.0s  1.2ms  passed"
    )
    assert repr(names(live)["checks"]("checked", "b:80")) == "no check has ended yet"
    assert names(live)["checks"]("checked", "a:80")[0].reason == "no descriptor left"


def test_who_has_no_checks_is_told_how_to_have_some(live: Live) -> None:
    with pytest.raises(VerbError, match="pool 'app' has no checks; add for instance check = GET /health"):
        names(live)["checks"]("app")
    with pytest.raises(VerbError, match="did you mean 'a:80'"):
        names(live)["checks"]("checked", "a:8")
    with pytest.raises(VerbError, match="no pool 'check'; did you mean 'checked'"):
        names(live)["checks"]("check")


def test_tab_knows_pools_with_checks_and_their_peers(live: Live) -> None:
    pools, peers = names(live)["checks"].completes
    assert list(pools(())) == ["checked"]
    assert list(peers(("checked",))) == ["a:80", "b:80"]
    assert list(peers(("nobody",))) == []
