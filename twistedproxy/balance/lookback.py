"""
How a pool's scheduler saw its peers, and when: who could be chosen with which share, and who was out and why.

A pool makes a :class:`View` whenever anything of that changes, and keeps the last ones: what was true when a request was served
can be told later, and costs the request nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from twistedproxy.balance.peer import Peer, PeerState

#: Views that a pool keeps.
KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """
    A peer, as it was.

    :ivar chosen_from: it was one of those that could be chosen
    :ivar why: the reason of its state; empty for none
    :ivar last_failure: of its attempts, in words; empty for none
    """

    peer: Peer
    state: PeerState
    why: str
    weight: float
    backup: bool
    on_trial: bool
    chosen_from: bool
    last_failure: str

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.peer.name

    @property
    def is_out(self) -> str:
        """Why it could not be chosen, in words; empty when it could."""
        if self.chosen_from:
            return ""
        if self.state is PeerState.UP:
            return "a backup, and not needed" if self.backup and self.weight else "of weight 0"
        return f"{self.state}: {self.why}" if self.why else str(self.state)


@dataclass(frozen=True, slots=True)
class View:
    """
    The peers of a pool from :attr:`since` (monotonic) on, until the next view.

    :ivar last_resort: only ejected or failing peers were left, and were tried all the same
    """

    since: float
    peers: tuple[Seen, ...]
    last_resort: bool

    @property
    def others(self) -> Iterator[Seen]:
        """Those that could not be chosen."""
        return (seen for seen in self.peers if not seen.chosen_from)


class Lookback:
    """The last views of one pool."""

    __slots__ = ("_views",)

    def __init__(self) -> None:
        self._views: deque[View] = deque(maxlen=KEPT)

    def note(self, now: float, peers: Sequence[Peer], candidates: Collection[Peer], *, last_resort: bool) -> None:
        """From *now* (monotonic) on the scheduler chooses from *candidates*, of all *peers*."""
        self._views.append(View(now, seen(peers, candidates), last_resort))

    def at(self, now: float) -> View | None:
        """What held at *now*; None: that is too long ago, or nobody has asked for a peer yet."""
        return next((view for view in reversed(self._views) if view.since <= now), None)


def seen(peers: Sequence[Peer], candidates: Collection[Peer]) -> tuple[Seen, ...]:
    """*peers* as they are, of which *candidates* can be chosen."""
    chosen = frozenset(candidates)
    return tuple(
        Seen(
            peer,
            peer.state,
            peer.why,
            peer.effective_weight,
            peer.backup,
            peer.circuit.on_trial,
            peer in chosen,
            peer.last_failure.text if peer.last_failure is not None else "",
        )
        for peer in peers
    )
