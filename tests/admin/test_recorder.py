"""What the dashboard remembers: rates, percentiles, states, in bounded memory."""

from __future__ import annotations

import json

import pytest

from tests.admin.site import HandClock, live_site
from twistedproxy.addresses import Tcp
from twistedproxy.admin.dashboard import readings
from twistedproxy.admin.dashboard.recorder import CHANGES_KEPT, Recorder
from twistedproxy.admin.dashboard.series import COARSE_ROWS, FINE_ROWS, Ring
from twistedproxy.admin.live import Live
from twistedproxy.balance.standing import CheckResult
from twistedproxy.settings.operators import StatusSettings


class Watched:
    """A site that is looked at each second of a clock that is advanced by hand."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.live: Live = live_site(self.clock)
        object.__setattr__(self.live.settings, "status", StatusSettings(on=(Tcp("127.0.0.1", 8404),)))
        self.recorder = Recorder(self.live, self.clock)
        self.recorder.startService()

    def pass_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_counters_become_rates(watched: Watched) -> None:
    watched.pass_by(1)
    route = watched.live.routes.routes[0]
    route.statuses[2] += 30
    route.statuses[5] += 2
    route.errors += 1
    watched.pass_by(1)
    site = watched.recorder.history()["fine"]["site"]
    assert (site["status_2xx"], site["status_5xx"], site["failed"]) == ([0, 30], [0, 2], [0, 1])
    assert site["connections"] == [3, 3]
    assert site["at"] == [1, 2]


def test_times_are_told_as_percentiles_and_as_nothing_where_nobody_asked(watched: Watched) -> None:
    route = watched.live.routes.routes[0]
    for _ in range(98):
        route.durations.note(0.004)
    route.durations.note(20)
    route.durations.note(20)
    watched.pass_by(2)
    site = watched.recorder.history()["fine"]["site"]
    assert site["p50"][0] == pytest.approx(0.004, abs=0.0015)
    assert site["p99"][0] == pytest.approx(20, abs=10)
    assert site["p50"][1] is None


def test_ten_seconds_make_one_row_of_the_hour(watched: Watched) -> None:
    watched.live.routes.routes[0].statuses[2] += 50
    watched.pass_by(29)
    assert watched.recorder.history()["coarse"]["site"]["status_2xx"] == [5, 0]
    watched.pass_by(1)
    history = watched.recorder.history()
    assert (len(history["fine"]["site"]["at"]), history["coarse"]["site"]["at"]) == (30, [10, 20, 30])


def test_memory_is_bounded(watched: Watched) -> None:
    watched.pass_by(FINE_ROWS + 33)
    history = watched.recorder.history()
    assert history["fine"]["site"]["at"] == list(range(34, FINE_ROWS + 34))
    ring = Ring(2, 3)
    for number in range(8):
        ring.append([number, -number])
    assert ring.last(9) == [[5, 6, 7], [-5, -6, -7]]
    assert ring.last(2) == [[6, 7], [-6, -7]]
    assert ring.last(0) == [[], []]
    assert COARSE_ROWS * history["coarse"]["step"] == 3600


def test_who_looks_again_gets_what_is_new(watched: Watched) -> None:
    watched.pass_by(25)
    first = watched.recorder.history()
    watched.pass_by(6)
    more = watched.recorder.history(first["number"])
    assert (more["after"], more["number"]) == (25, 31)
    assert more["fine"]["site"]["at"] == [26, 27, 28, 29, 30, 31]
    assert more["coarse"]["site"]["at"] == [30]
    assert [len(each["state"]) for each in more["fine"]["peers"]["app"].values()] == [6, 6, 6]
    # A number of another process's: everything.
    assert watched.recorder.history(5000)["after"] == 0


def test_a_peer_has_its_story(watched: Watched) -> None:
    pool = watched.live.pools["app"]
    peer = pool.peer("app1:3000")
    watched.pass_by(1)
    for passed in (True, False, False, False):
        peer.checked(CheckResult(watched.clock.wall(), 0.01, passed=passed, reason="" if passed else "refused"))
        watched.clock.advance(0.25)
    peer.attempts += 4
    peer.failures += 1
    watched.pass_by(9)
    history = watched.recorder.history()
    track = history["coarse"]["peers"]["app"]["app1:3000"]
    assert [history["states"][int(place)] for place in track["state"]] == ["down"]
    assert (track["attempts"], track["failures"], track["passed"], track["missed"]) == ([0.4], [0.1], [1], [3])
    (change,) = watched.recorder.changes
    assert (change.pool, change.peer, change.before, change.after) == ("app", "app1:3000", "up", "down")
    assert change.why == "3 checks failed, the last: refused"


def test_a_change_that_is_undone_at_once_is_told_as_well(watched: Watched) -> None:
    watched.live.pools["app"].drain("app1:3000")
    watched.live.pools["app"].restore("app1:3000")
    assert [change.after for change in watched.recorder.changes] == ["draining", "up"]


def test_a_pool_that_has_gone_is_not_listened_to(watched: Watched) -> None:
    pool = watched.live.pools.pop("app")
    observers = len(pool.on_change)
    watched.pass_by(1)
    assert len(pool.on_change) == observers - 1


def test_no_more_changes_are_kept_than_people_read(watched: Watched) -> None:
    pool = watched.live.pools["app"]
    for _ in range(CHANGES_KEPT):
        pool.drain("app1:3000")
        watched.pass_by(1)
        pool.restore("app1:3000")
        watched.pass_by(1)
    assert len(watched.recorder.changes) == CHANGES_KEPT


def test_the_last_minute_of_a_route(watched: Watched) -> None:
    route = watched.live.routes.routes[0]
    watched.pass_by(90)
    for _ in range(60):
        route.statuses[2] += 1
        route.durations.note(0.004)
    route.errors += 6
    lately = watched.recorder.lately(route)
    assert (lately["seconds"], lately["requests"], lately["failed"]) == (50, 1.2, 0.12)
    assert lately["p99"] == pytest.approx(0.005, abs=0.001)
    assert watched.recorder.lately()["requests"] == 1.2
    assert watched.recorder.lately(watched.live.routes.routes[1])["p50"] is None


def test_a_route_that_goes_takes_its_counters_along_and_no_rate_falls_below_nothing(watched: Watched) -> None:
    watched.live.routes.routes[0].statuses[2] = 1000
    watched.pass_by(2)
    watched.live.routes.routes[0].statuses[2] = 0
    watched.pass_by(1)
    assert watched.recorder.history()["fine"]["site"]["status_2xx"] == [1000, 0, 0]


def test_nothing_is_read_where_there_is_no_status_port(watched: Watched) -> None:
    object.__setattr__(watched.live.settings, "status", None)
    watched.pass_by(30)
    assert watched.recorder.history()["fine"]["site"]["at"] == []
    object.__setattr__(watched.live.settings, "status", StatusSettings(on=(Tcp("127.0.0.1", 8404),)))
    watched.live.routes.routes[0].statuses[2] = 10
    watched.pass_by(3)
    # What was counted before nobody knows when.
    assert watched.recorder.history()["fine"]["site"]["status_2xx"] == [0, 0]


def test_all_of_it_can_be_said_in_json(watched: Watched) -> None:
    watched.pass_by(11)
    said = json.loads(json.dumps(watched.recorder.history(), allow_nan=False))
    assert set(said["fine"]["site"]) == set(readings.SITE)


def test_the_end_is_quiet(watched: Watched) -> None:
    watched.recorder.stopService()
    assert watched.clock.getDelayedCalls() == []
