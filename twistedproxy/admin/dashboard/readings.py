"""What is read of the running proxy for the charts: counters that are there anyway, all at one moment."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedproxy.admin.live import Live
from twistedproxy.admin.process import resident
from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.forward.durations import STEPS, Durations

#: Counters of the whole site, told as rates a second.
COUNTERS: Final = (
    "status_1xx",
    "status_2xx",
    "status_3xx",
    "status_4xx",
    "status_5xx",
    "failed",
    "to_peers",
    "from_peers",
    "hits",
    "stale",
    "misses",
    "passed",
    "retries",
    "cpu",
)
#: What is told as it is.
GAUGES: Final = ("connections", "websockets", "streams", "running", "waiting", "memory")
#: Durations that so many of the requests did not exceed, seconds.
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
#: Columns of the whole site; ``at`` is monotonic time.
SITE: Final = ("at", *COUNTERS, *GAUGES, *PERCENTILES)

#: Columns of a peer: attempts and failures a second, the state as a place in STATES, checks that passed and that failed.
PEER: Final = ("attempts", "failures", "state", "passed", "missed")
STATES: Final = tuple(PeerState)

Steps = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The whole site at one moment.

    :ivar at: monotonic time
    :ivar counters: in the order of COUNTERS
    :ivar gauges: in the order of GAUGES
    :ivar steps: how long requests took, as :class:`twistedproxy.forward.durations.Durations` counts
    """

    at: float
    counters: tuple[float, ...]
    gauges: tuple[float, ...]
    steps: Steps


def read(live: Live) -> Reading:
    """The whole site now."""
    routes = live.routes.routes
    peers = [peer for pool in live.pools.values() for peer in (*pool.peers, *pool.leaving)]
    counts = [cache.stats().counts for cache in live.caches.values()]
    doors = live.listeners
    own = resource.getrusage(resource.RUSAGE_SELF)
    counters = (
        *(sum(route.statuses[digit] for route in routes) for digit in range(1, 6)),
        sum(route.errors for route in routes),
        sum(peer.bytes_sent for peer in peers),
        sum(peer.bytes_received for peer in peers),
        sum(each.hits for each in counts),
        sum(each.stale for each in counts),
        sum(each.misses for each in counts),
        sum(each.passed for each in counts),
        sum(pool.retries for pool in live.pools.values()),
        own.ru_utime + own.ru_stime,
    )
    gauges = (
        sum(len(door.connections) for door in doors if door.kind != "stream"),
        len(live.websockets),
        sum(len(door.connections) for door in doors if door.kind == "stream"),
        sum(peer.in_flight for peer in peers),
        sum(len(pool.queue) for pool in live.pools.values() if pool.queue is not None),
        resident(),
    )
    steps = tuple(map(sum, zip(*(route.durations.counts for route in routes), strict=True))) or (0,) * (len(STEPS) + 1)
    return Reading(live.clock.monotonic(), counters, gauges, steps)


def percentiles(before: Sequence[int], after: Sequence[int]) -> list[float]:
    """PERCENTILES of the requests that have ended in between, seconds; NaN without any."""
    between = Durations()
    between.counts = [max(0, new - old) for old, new in zip(before, after, strict=True)]
    found = (between.percentile(share) for share in PERCENTILES.values())
    return [math.nan if value is None else value for value in found]


def checked(peer: Peer, since: float) -> tuple[int, int]:
    """Active checks of *peer* that passed, and that failed, among those that have begun *since* (wall clock)."""
    results = [check.passed for check in peer.last_checks if check.at > since]
    return sum(results), len(results) - sum(results)
