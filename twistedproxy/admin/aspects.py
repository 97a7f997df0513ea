"""
What commands of operators change, and how it is put back.

An aspect is the smallest thing that a command touches: the operator's will of one peer, its weight, whether somebody belongs to a
pool.  Its value is taken before and after a change; the change can be undone as long as the value is still the one that it left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.balance.membership import Membership, Name
from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.balance.pool import PeerExists, Pool
from twistedproxy.settings.knob import NEVER

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live


class Aspect(Protocol):
    """Something that can be put back."""

    def now(self) -> Any:
        """Its present value; values compare by what matters.  None: there is no such thing."""

    def by_now(self, value: Any) -> Any:
        """What *value*, which it had once, has become by itself."""

    def put_back(self, value: Any, why: str) -> None:
        """Let it have the *value* that it had once.  Raises VerbError when that cannot be."""

    def covers(self, other: Aspect, before: Any, after: Any) -> bool:
        """Whether its change from *before* to *after* has a say in *other*."""


@dataclass(frozen=True)
class Will:
    """The operator's will of a peer; what checks and attempts say of it beside is no matter of comparison."""

    will: PeerState
    ends: float
    ejected_until: float = field(compare=False)
    on_trial: bool = field(compare=False)
    why: str = field(compare=False)


def will_of(peer: Peer) -> Will:
    """The present one."""
    return Will(peer.will, peer.will_ends, peer.ejected_until, peer.circuit.on_trial, peer.why)


class WillOf:
    """The operator's will of one peer: what drain and restore change."""

    def __init__(self, live: Live, pool: str, peer: str) -> None:
        self._live = live
        self.pool = pool
        self.peer = peer

    def now(self) -> Will | None:
        """None when the peer has gone."""
        peer = _peer(self._live, self.pool, self.peer)
        return None if peer is None else will_of(peer)

    def by_now(self, value: Will | None) -> Will | None:
        """A drain whose time is over has ended."""
        if value is None or value.ends > self._live.clock.wall():
            return value
        return replace(value, will=PeerState.UP, ends=NEVER)

    def covers(self, other: Aspect, before: Any, after: Any) -> bool:
        """The same of the same peer."""
        return isinstance(other, WillOf) and (other.pool, other.peer) == (self.pool, self.peer)

    def put_back(self, value: Will, why: str) -> None:
        """As it was; what would have ended by itself meanwhile has ended."""
        pool = self._live.pools[self.pool]
        put_back_will(pool, pool.peer(self.peer), value, why)


def put_back_will(pool: Pool, peer: Peer, value: Will, why: str) -> None:
    """Let the operator's will of *peer* be *value* again; what would have ended meanwhile has ended."""
    over = value.ends <= pool.clock.wall()
    will, ends = (PeerState.UP, NEVER) if over else (value.will, value.ends)
    ejected_until = value.ejected_until if value.ejected_until > pool.clock.monotonic() else NEVER
    peer.circuit.on_trial = value.on_trial
    pool.put_back_will(peer, will, ends, ejected_until, why)
    if peer.state in (PeerState.UP, value.will, PeerState.EJECTED) and not over:
        peer.why = value.why


class WeightOf:
    """The weight of one peer."""

    def __init__(self, live: Live, pool: str, peer: str) -> None:
        self._live = live
        self.pool = pool
        self.peer = peer

    def now(self) -> int | None:
        """None when the peer has gone."""
        peer = _peer(self._live, self.pool, self.peer)
        return None if peer is None else peer.weight

    def by_now(self, value: int | None) -> int | None:
        """Weights stay."""
        return value

    def covers(self, other: Aspect, before: Any, after: Any) -> bool:
        """The same of the same peer."""
        return isinstance(other, WeightOf) and (other.pool, other.peer) == (self.pool, self.peer)

    def put_back(self, value: int, why: str) -> None:
        """As it was."""
        self._live.pools[self.pool].set_weight(self.peer, value)


@dataclass(frozen=True)
class Member:
    """
    Somebody who belongs to a pool: a peer, or a name by which peers are found, with those.

    :ivar behind: for each peer, the names of those behind it
    :ivar names_behind: those of the names by which peers are found that stand behind it, if it is one
    :ivar wills: what the operator wanted of each
    """

    thing: Peer | Name
    peers: tuple[Peer, ...] = field(compare=False)
    behind: tuple[tuple[str, ...], ...] = field(compare=False)
    wills: tuple[Will, ...] = field(compare=False)
    names_behind: tuple[str, ...] = field(compare=False)


class MemberOf:
    """Whether somebody belongs to a pool: what add_peer and remove_peer change."""

    def __init__(self, live: Live, pool: str, called: str) -> None:
        self._live = live
        self.pool = pool
        self.called = called

    def now(self) -> Member | None:
        """None when nobody of that name does."""
        membership = self._live.memberships.get(self.pool)
        if membership is None:
            return None
        name = membership.names.get(self.called)
        if name is None:
            peer = _peer(self._live, self.pool, self.called)
            return None if peer is None else _member(membership, peer, [peer])
        return _member(membership, name, [peer for peer in membership.pool.peers if peer.origin == self.called])

    def by_now(self, value: Member | None) -> Member | None:
        """Members stay."""
        return value

    def covers(self, other: Aspect, before: Member | None, after: Member | None) -> bool:
        """The same member, and all that is said of its peers."""
        if isinstance(other, MemberOf):
            return (other.pool, other.called) == (self.pool, self.called)
        peers = {peer.name for member in (before, after) if member is not None for peer in member.peers}
        return isinstance(other, WillOf | WeightOf) and other.pool == self.pool and other.peer in peers | {self.called}

    def put_back(self, value: Member | None, why: str) -> None:
        """Let the same belong to it again, with all that is known of them; or nobody of that name."""
        membership = self._live.memberships.get(self.pool)
        if membership is None:
            raise VerbError(f"there is no pool {self.pool!r} any more")
        if value is None:
            membership.remove(self.called, why)
            return
        try:
            peers = list(zip(value.peers, value.behind, strict=True))
            returned = membership.put_back(value.thing, peers, value.names_behind)
        except PeerExists as problem:
            raise VerbError(str(problem)) from None
        for peer, will in zip(value.peers, value.wills, strict=True):
            if peer in returned:
                put_back_will(membership.pool, peer, will, why)


def _member(membership: Membership, thing: Peer | Name, peers: list[Peer]) -> Member:
    order = [peer.name for peer in membership.pool.peers]
    behind = tuple(tuple(order[order.index(peer.name) + 1 :]) for peer in peers)
    names = list(membership.names)
    after = names[names.index(thing.line.name) + 1 :] if isinstance(thing, Name) else []
    return Member(thing, tuple(peers), behind, tuple(will_of(peer) for peer in peers), tuple(after))


def _peer(live: Live, pool: str, called: str) -> Peer | None:
    known = live.pools.get(pool)
    return next((peer for peer in known.peers if peer.name == called), None) if known is not None else None
