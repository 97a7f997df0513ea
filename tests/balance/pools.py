"""Pools for tests: peers with one-letter nicknames, a clock that is advanced by hand, and the log as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from zope.interface import implementer

from twistedproxy.addresses import Tcp
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@implementer(IReactorTime)
class HandClock(Clock):
    """Reactor time, monotonic time and wall time in one, all advanced by hand."""

    def monotonic(self) -> float:
        return float(self.seconds())

    def wall(self) -> float:
        return 1_800_000_000.0 + float(self.seconds())


def server(letter: str, weight: int = 1, **options: Any) -> ServerSettings:
    """The server called *letter*, at port 80."""
    return ServerSettings(Tcp(letter, 80), weight=weight, **options)


def pool_of(*servers: ServerSettings, clock: HandClock | None = None, **knobs: Any) -> Pool:
    return Pool(PoolSettings("app", servers=servers, **knobs), clock or HandClock())


def weighted(*weights: int, clock: HandClock | None = None, **knobs: Any) -> Pool:
    """A pool of peers a, b, c … with these weights."""
    return pool_of(*(server(LETTERS[n], weight) for n, weight in enumerate(weights)), clock=clock, **knobs)


def letter(peer: Peer | None) -> str:
    """The nickname of a peer; ``-`` for none."""
    return "-" if peer is None else peer.name.removesuffix(":80")


def picks(pool: Pool, number: int, now: float = 0.0, tried: Sequence[Peer] = ()) -> str:
    """The nicknames of the next *number* choices in a row."""
    return "".join(letter(pool.choose(tried, now)) for _ in range(number))


def nick(pool: Pool, letter: str) -> Peer:
    return pool.peer(f"{letter}:80")


def states(pool: Pool) -> str:
    return ", ".join(f"{letter(peer)} {peer.state}" for peer in pool.peers)


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """The lines that are logged meanwhile, complete when the block has ended."""
    lines: list[str] = []
    with capturedLogs() as events:
        yield lines
    lines.extend(_line(event) for event in events)


def _line(event: LogEvent) -> str:
    return f"{event['log_level'].name}: {formatEvent(event)}"
