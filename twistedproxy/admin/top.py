"""What the proxy is doing now: requests a second, how long they take, what fails, and where; drawn anew each second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twisted.internet.task import LoopingCall

from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.tables import Column, count, duration, percent, printable, table
from twistedproxy.admin.views import destination
from twistedproxy.forward.durations import Durations

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live
    from twistedproxy.balance.peer import Peer
    from twistedproxy.forward.routes import Route

#: Seconds between two pictures.
INTERVAL: Final = 1.0


@dataclass(frozen=True)
class _Routed:
    """What was counted of a route."""

    statuses: tuple[int, ...]
    durations: tuple[int, ...]
    failed: int


@dataclass(frozen=True)
class _Sample:
    """What was counted until a moment, by the counters that were read: these are the same after a reload."""

    at: float
    routes: dict[int, _Routed]
    peers: dict[int, tuple[int, int]]
    caches: tuple[int, int, int]


def _sample(live: Live) -> _Sample:
    routes = {
        id(route.statuses): _Routed(tuple(route.statuses), tuple(route.durations.counts), route.errors)
        for route in live.routes.routes
    }
    peers = {id(peer): (peer.attempts, peer.failures) for pool in live.pools.values() for peer in pool.peers}
    counts = [cache.stats().counts for cache in live.caches.values()]
    caches = (sum(each.hits for each in counts), sum(each.stale for each in counts), sum(each.misses for each in counts))
    return _Sample(live.clock.monotonic(), routes, peers, caches)


class Top(Ongoing):
    """
    Draws it.

    :param seconds: after which it ends; None: it does not, or after the first picture where there is no screen
    """

    def __init__(self, live: Live, width: Callable[[], int | None], seconds: float | None = None) -> None:
        super().__init__()
        self._live = live
        self._width = width
        self._ends = None if seconds is None else live.clock.monotonic() + seconds
        self._before = _sample(live)
        self._loop = LoopingCall(self._draw)
        self._loop.clock = live.reactor

    def began(self) -> None:
        """Measure for a second, then draw, and so on."""
        assert self.stage is not None
        self._before = _sample(self._live)
        if self.stage.rows is not None:
            self.stage.picture("measuring for a second …")
        self._loop.start(INTERVAL, now=False).addErrback(self.stop)

    def ended(self) -> None:
        """Draw no more."""
        if self._loop.running:
            self._loop.stop()

    def _draw(self) -> None:
        stage = self.stage
        if stage is None:
            return
        before, now = self._before, _sample(self._live)
        self._before = now
        stage.picture(picture(self._live, before, now, self._width(), stage.rows))
        over = self._ends is None and stage.rows is None
        if over or (self._ends is not None and now.at >= self._ends - INTERVAL / 2):
            self.stop()


def picture(live: Live, before: _Sample, now: _Sample, width: int | None, rows: int | None) -> str:
    """The text for what has happened between *before* and *now*; at most *rows* lines of *width* characters."""
    seconds = max(now.at - before.at, 1e-3)
    all_routes = Durations()
    lines_of_routes: list[tuple[float, list[str]]] = []
    requests = failures = 0
    for route in live.routes.routes:
        after = now.routes.get(id(route.statuses))
        if after is None:
            continue
        began = before.routes.get(id(route.statuses), _Routed((0,) * 6, (0,) * len(after.durations), 0))
        statuses = [new - old for new, old in zip(after.statuses, began.statuses, strict=True)]
        took = Durations()
        took.counts = [new - old for new, old in zip(after.durations, began.durations, strict=True)]
        all_routes.counts = [one + other for one, other in zip(all_routes.counts, took.counts, strict=True)]
        requests += sum(statuses)
        failures += after.failed - began.failed
        lines_of_routes.append((sum(statuses), _route(route, statuses, took, (after.failed - began.failed) / seconds, seconds)))
    hits, stale, misses = (new - old for new, old in zip(now.caches, before.caches, strict=True))
    at = datetime.fromtimestamp(live.clock.wall(), UTC)
    connections = sum(len(listener.connections) for listener in live.listeners)
    facts = [
        f"{at:%H:%M:%S} UTC",
        f"{_rate(requests, seconds)} requests/s",
        _times(all_routes),
        f"{_rate(failures, seconds)} failed/s",
        f"hit ratio {percent(hits, hits + stale + misses)}",
        f"{count(connections)} connections",
    ]
    while width is not None and len(facts) > 1 and len("  ".join(facts)) > width:
        facts.pop()
    head = "  ".join(facts)
    peers = _peers(live, before, now, seconds)
    room = None if rows is None else max(2, rows - 7)
    of_routes = None if room is None else max(1, room // 2 if len(peers) > room // 2 else room - len(peers))
    of_peers = None if room is None or of_routes is None else max(1, room - min(of_routes, len(lines_of_routes)))
    busiest = [row for _, row in sorted(lines_of_routes, key=lambda pair: -pair[0])]
    parts = [
        [head if width is None else head[:width], ""],
        _table(_ROUTES, busiest, of_routes, width),
        [""],
        _table(_PEERS, peers, of_peers, width),
        ["q ends"] if rows is not None else [],
    ]
    return "\n".join(line for part in parts for line in part)


_ROUTES: Final = (
    Column("ROUTE"),
    Column("TO", drop=2),
    Column("REQ/S", right=True),
    Column("P50", right=True, drop=3),
    Column("P95", right=True, drop=1),
    Column("P99", right=True),
    Column("4XX/S", right=True, drop=4),
    Column("5XX/S", right=True),
    Column("FAILED/S", right=True, drop=5),
)
_PEERS: Final = (
    Column("POOL"),
    Column("PEER"),
    Column("STATE"),
    Column("RUNNING", right=True),
    Column("REQ/S", right=True),
    Column("FAILED/S", right=True),
    Column("LAST FAILURE", drop=1),
)


def _route(route: Route, statuses: Sequence[int], took: Durations, failed: float, seconds: float) -> list[str]:
    return [
        route.name,
        destination(route),
        _rate(sum(statuses), seconds),
        *(duration(took.percentile(share)) for share in (0.5, 0.95, 0.99)),
        _rate(statuses[4], seconds),
        _rate(statuses[5], seconds),
        f"{failed:.1f}",
    ]


def _peers(live: Live, before: _Sample, now: _Sample, seconds: float) -> list[list[str]]:
    found: list[tuple[tuple[bool, float], list[str]]] = []
    for pool in live.pools.values():
        pool.refresh(live.clock.monotonic())
        for peer in pool.peers:
            attempts, failed = now.peers.get(id(peer), (0, 0))
            old_attempts, old_failed = before.peers.get(id(peer), (0, 0))
            # Who is in trouble first, then who is busy.
            rank = (peer.available and failed == old_failed, -float(attempts - old_attempts))
            found.append((rank, [pool.name, *_peer(peer, attempts - old_attempts, failed - old_failed, seconds)]))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _peer(peer: Peer, attempts: int, failed: int, seconds: float) -> list[str]:
    last = peer.last_failure.text if peer.last_failure is not None else "-"
    return [peer.name, str(peer.state), count(peer.in_flight), _rate(attempts, seconds), _rate(failed, seconds), last]


def _table(columns: Sequence[Column], rows: list[list[str]], most: int | None, width: int | None) -> list[str]:
    shown = rows if most is None or len(rows) <= most else rows[: max(1, most - 1)]
    lines = table(columns, [[printable(cell) for cell in row] for row in shown], width).split("\n")
    return lines if len(shown) == len(rows) else [*lines, f"… {len(rows) - len(shown)} more"]


def _rate(number: int, seconds: float) -> str:
    return f"{number / seconds:,.1f}"


def _times(durations: Durations) -> str:
    return " ".join(f"p{share * 100:.0f} {duration(durations.percentile(share))}" for share in (0.5, 0.95, 0.99))
