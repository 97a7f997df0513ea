"""
What the dashboard remembers: charts, changes of peers, failures.

Once a second, counters are read that are there anyway; nothing of this is on the path of a request, except that a failed one
leaves a note.  All of it is bounded: about 100 kB for the site, 19 kB for each peer, 3 kB for each route.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twistedproxy.admin.dashboard import readings
from twistedproxy.admin.dashboard.failures import Failures
from twistedproxy.admin.dashboard.readings import Reading
from twistedproxy.admin.dashboard.series import COARSE_ROWS, FINE_PER_COARSE, FINE_ROWS, Series, rates
from twistedproxy.admin.live import Live
from twistedproxy.balance.peer import Change, Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.forward.durations import Durations
from twistedproxy.forward.routes import Route

_log = Logger()

#: Seconds from one reading to the next.
STEP: Final = 1.0
#: Changes of peers' states that are remembered.
CHANGES_KEPT: Final = 100
#: Coarse rows that "lately" goes back: a minute.
_LATELY: Final = 6

#: Pool and peer.
PeerKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """A peer went from one state to another; *at* in seconds since 1970 (wall clock)."""

    at: float
    pool: str
    peer: str
    before: str
    after: str
    why: str


class _Track:
    """One peer over time, and what it had counted at the last rows."""

    __slots__ = ("coarse", "fine", "looked", "series")

    def __init__(self, peer: Peer, wall: float) -> None:
        self.series = Series(readings.PEER)
        self.fine = self.coarse = (peer.attempts, peer.failures)
        #: When checks were counted last, at both paces.
        self.looked = [wall, wall]


class _Lately:
    """What a route, or all of them, had counted at the last coarse rows."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: deque[tuple[float, int, int, readings.Steps]] = deque(maxlen=_LATELY)

    def told(self, at: float, requests: int, failed: int, steps: readings.Steps) -> dict[str, Any]:
        """Rates a second and percentiles since the oldest mark."""
        if not self.marks or at <= self.marks[0][0]:
            return {"seconds": 0.0, "requests": 0.0, "failed": 0.0, **dict.fromkeys(readings.PERCENTILES)}
        began, *before, steps_before = self.marks[0]
        seconds = at - began
        asked, failures = rates(before, (requests, failed), seconds)
        between = Durations()
        between.counts = [max(0, new - old) for old, new in zip(steps_before, steps, strict=True)]
        found = {name: between.percentile(share) for name, share in readings.PERCENTILES.items()}
        return {
            "seconds": round(seconds, 1),
            "requests": round(asked, 3),
            "failed": round(failures, 3),
            **{name: None if value is None else round(value, 6) for name, value in found.items()},
        }


class Recorder(Service):
    """
    Reads the proxy once a second, from the start of the process to its end, as long as the site has a status port.

    :ivar failures: the last ones
    """

    def __init__(self, live: Live, reactor: IReactorTime) -> None:
        self.failures = Failures()
        self.changes: deque[Changed] = deque(maxlen=CHANGES_KEPT)
        self._live = live
        self._site = Series(readings.SITE)
        self._peers: dict[PeerKey, _Track] = {}
        self._heard: dict[str, tuple[Pool, Callable[[Change], None]]] = {}
        self._lately: dict[str, _Lately] = {}
        self._fine: Reading | None = None
        self._coarse: Reading | None = None
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Look now, and from now on."""
        Service.startService(self)
        self._loop.start(STEP).addErrback(lambda failure: _log.failure("the dashboard's charts end here", failure))

    def stopService(self) -> Deferred[Any] | None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()
        Service.stopService(self)
        return None

    def look(self) -> None:
        """Take another row, of all."""
        live = self._live
        if live.settings.status is None:
            self._fine = self._coarse = None
            return
        self._listen()
        for pool in live.pools.values():
            pool.refresh(live.clock.monotonic())
        now = readings.read(live)
        if self._fine is not None and now.at <= self._fine.at:
            return
        coarse_too = self._fine is not None and (self._site.fine.count + 1) % FINE_PER_COARSE == 0
        self._look_at_peers(now, coarse=coarse_too)
        if self._fine is not None:
            self._site.fine.append(_row(self._fine, now))
        if self._coarse is None:
            self._coarse = now
            self._mark(now)
        elif coarse_too:
            self._site.coarse.append(_row(self._coarse, now))
            self._coarse = now
            self._mark(now)
        self._fine = now

    def _listen(self) -> None:
        """Hear of changes in the pools that there are now."""
        pools = self._live.pools
        for name, (pool, observer) in list(self._heard.items()):
            if pools.get(name) is not pool:
                pool.on_change.remove(observer)
                del self._heard[name]
        for name, pool in pools.items():
            if name not in self._heard:
                observer = partial(self._changed, name)
                pool.on_change.append(observer)
                self._heard[name] = (pool, observer)

    def _changed(self, pool: str, change: Change) -> None:
        at = round(self._live.clock.wall(), 3)
        self.changes.append(Changed(at, pool, change.peer.name, str(change.before), str(change.after), change.why))

    def _look_at_peers(self, now: Reading, *, coarse: bool) -> None:
        wall = self._live.clock.wall()
        known, self._peers = self._peers, {}
        for pool in self._live.pools.values():
            for peer in (*pool.peers, *pool.leaving):
                key = (pool.name, peer.name)
                track = self._peers[key] = known.get(key) or _Track(peer, wall)
                counted = (peer.attempts, peer.failures)
                number = float(readings.STATES.index(peer.state))
                if self._fine is not None:
                    row = [*rates(track.fine, counted, now.at - self._fine.at), number]
                    track.series.fine.append([*row, *readings.checked(peer, track.looked[0])])
                track.fine, track.looked[0] = counted, _latest_check(peer, track.looked[0])
                if coarse and self._coarse is not None:
                    row = [*rates(track.coarse, counted, now.at - self._coarse.at), number]
                    track.series.coarse.append([*row, *readings.checked(peer, track.looked[1])])
                    track.coarse, track.looked[1] = counted, _latest_check(peer, track.looked[1])

    def _mark(self, now: Reading) -> None:
        """Remember what routes have counted, to tell a minute later what they did in it."""
        known, self._lately = self._lately, {}
        for route in self._live.routes.routes:
            key = _key(route)
            lately = self._lately[key] = known.get(key) or _Lately()
            lately.marks.append((now.at, *_counted(route)))
        everything = self._lately[""] = known.get("") or _Lately()
        everything.marks.append((now.at, *_of_all(now)))

    # What is asked of it.

    def lately(self, route: Route | None = None) -> dict[str, Any]:
        """
        What *route*, or all of them, did in about the last minute.

        ``requests`` and ``failed`` a second; ``p50``, ``p90``, ``p99`` in seconds, None without a request.
        """
        if route is None:
            now = readings.read(self._live)
            return self._lately.get("", _NOTHING).told(now.at, *_of_all(now))
        return self._lately.get(_key(route), _NOTHING).told(self._live.clock.monotonic(), *_counted(route))

    def history(self, after: int = 0) -> dict[str, Any]:
        """
        The rows after the fine row of number *after*.

        ``number`` is that of the last one, to be asked for next time; ``now`` the monotonic time, as in the columns ``at``.
        """
        number = self._site.fine.count
        # A number from before a restart asks for everything.
        after = after if 0 < after <= number else 0
        rows = {
            False: min(number - after, FINE_ROWS),
            True: min(number // FINE_PER_COARSE - after // FINE_PER_COARSE, COARSE_ROWS),
        }
        return {
            "now": round(self._live.clock.monotonic(), 3),
            "number": number,
            "after": after,
            "states": [str(state) for state in readings.STATES],
            "fine": {"step": STEP, "rows": FINE_ROWS, **self._rows(coarse=False, number=rows[False])},
            "coarse": {"step": STEP * FINE_PER_COARSE, "rows": COARSE_ROWS, **self._rows(coarse=True, number=rows[True])},
        }

    def _rows(self, *, coarse: bool, number: int) -> dict[str, Any]:
        peers: dict[str, dict[str, Any]] = {}
        for (pool, peer), track in self._peers.items():
            peers.setdefault(pool, {})[peer] = track.series.said(coarse=coarse, number=number)
        return {"site": self._site.said(coarse=coarse, number=number), "peers": peers}


_NOTHING: Final = _Lately()


def _row(before: Reading, now: Reading) -> list[float]:
    """A row of the whole site: SITE."""
    changed = rates(before.counters, now.counters, now.at - before.at)
    return [now.at, *changed, *now.gauges, *readings.percentiles(before.steps, now.steps)]


def _key(route: Route) -> str:
    """Routes of other listeners may have the same name."""
    return " ".join((route.name, *route.settings.listen))


def _counted(route: Route) -> tuple[int, int, readings.Steps]:
    return sum(route.statuses), route.errors, tuple(route.durations.counts)


def _of_all(reading: Reading) -> tuple[int, int, readings.Steps]:
    return int(sum(reading.counters[:5])), int(reading.counters[5]), reading.steps


def _latest_check(peer: Peer, otherwise: float) -> float:
    return peer.last_checks[-1].at if peer.last_checks else otherwise
