"""The verbs by which peers change: who serves, how much, and who not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from twistedproxy.addresses import Endpoint
from twistedproxy.admin.aspects import MemberOf, WeightOf, WillOf
from twistedproxy.admin.changes import Changes
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.roles import Role
from twistedproxy.admin.tables import duration
from twistedproxy.admin.verb import Said, Verb, known
from twistedproxy.balance.membership import FoundByName, Membership
from twistedproxy.balance.peer import Peer, PeerState
from twistedproxy.balance.pool import PeerExists, Pool
from twistedproxy.config import network
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.spelling import counted

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live


class PeerVerbs:
    """The verbs of one operator, whose changes are *changes*."""

    def __init__(self, live: Live, changes: Changes) -> None:
        self._live = live
        self._changes = changes

    def verbs(self) -> Sequence[Verb]:
        """In the order in which help() lists them."""
        pool_and_peer = (self.pool_names, self.peer_names)
        return (
            Verb(self.drain, pool_and_peer, Role.OPERATE),
            Verb(self.restore, pool_and_peer, Role.OPERATE),
            Verb(self.set_weight, pool_and_peer, Role.OPERATE),
            Verb(self.add_peer, (self.pool_names,), Role.OPERATE),
            Verb(self.remove_peer, (self.pool_names, self._member_names), Role.OPERATE),
        )

    def drain(self, pool: str, peer: str, minutes: float | None = None, seconds: float | None = None) -> Said:
        """
        give a peer no new requests; those that run finish

        WebSockets through the peer stay open.  restore(pool, peer) takes it back; drain(pool, peer, minutes=10) ends by itself.
        A restart does not end it.  The log tells when the last exchange is gone.
        """
        found = self._peer(pool, peer)
        lasts = time_given(minutes, seconds)

        def do() -> str:
            self._pool(pool).drain(found.name, lasts)
            takes_back = f"restore({pool!r}, {found.name!r}) takes it back"
            if lasts is not None:
                takes_back = f"it comes back in {duration(lasts)}, or by restore({pool!r}, {found.name!r})"
            return f"{found.name} is {found.state}, {_runs(found)}; {takes_back}"

        how_long = "until it is restored" if lasts is None else f"for {duration(lasts)}"
        would = f"{found.name}, which is {found.state}, takes no new requests {how_long}; {_runs(found)}{self._left(pool, found)}"
        return self._changes.make(
            f"drain({pool!r}, {found.name!r}{_limit(lasts)})", do, would, WillOf(self._live, pool, found.name)
        )

    def restore(self, pool: str, peer: str) -> Said:
        """
        undo drain, "down" in site.ini, or an ejection: the peer gets requests again

        A peer that its checks have found down stays down until they pass.
        """
        found = self._peer(pool, peer)

        def do() -> str:
            self._pool(pool).restore(found.name)
            because = f": {found.why}" if not found.available and found.why else ""
            return f"{found.name} is {found.state}{because}"

        after = "is up" if found.passes_checks else "is down, until its checks pass"
        return self._changes.make(
            f"restore({pool!r}, {found.name!r})",
            do,
            f"{found.name}, which is {found.state}, {after}",
            WillOf(self._live, pool, found.name),
        )

    def set_weight(self, pool: str, peer: str, weight: int, minutes: float | None = None, seconds: float | None = None) -> Said:
        """
        change a peer's share of its pool's requests

        0 gives it no new requests.  It is kept over restarts, until site.ini says another weight than now; with minutes=10 it is
        what it was before after that time, and before a restart.
        """
        found = self._peer(pool, peer)
        lasts = time_given(minutes, seconds)
        if not isinstance(weight, int) or isinstance(weight, bool) or weight < 0:
            raise VerbError(f"a weight is a whole number, 0 or more, not {weight!r}")
        if weight > network.MAX_WEIGHT:
            raise VerbError(f"a weight is {network.MAX_WEIGHT} at most, not {weight}")
        before = found.weight

        def do() -> str:
            self._pool(pool).set_weight(found.name, weight)
            ends = "" if lasts is None else f"; {before} again in {duration(lasts)}"
            return f"{found.name} has weight {weight}{self._share(pool, found, weight)}; before: {before}{ends}"

        return self._changes.make(
            f"set_weight({pool!r}, {found.name!r}, {weight}{_limit(lasts)})",
            do,
            f"{found.name} has weight {weight}{self._share(pool, found, weight)}; now: {before}",
            WeightOf(self._live, pool, found.name),
            lasts,
        )

    def add_peer(self, pool: str, server: str, minutes: float | None = None, seconds: float | None = None) -> Said:
        """
        let a peer into a pool; the server is written as in site.ini

        add_peer('app', 'app4.internal:3000 weight=2 backup').  Names by which peers are found are followed:
        'NAME:PORT addresses=all', 'srv:_http._tcp.NAME'.  It is kept over restarts, until remove_peer(pool, peer); with
        minutes=10 it leaves after that time, and before a restart.
        """
        membership = self._membership(pool)
        line = _server(server)
        lasts = time_given(minutes, seconds)
        if isinstance(line.address, Endpoint) and self._changes.who.role < Role.PROGRAM:
            raise VerbError("an endpoint of Twisted's may be a program: it takes a key with the role program, or site.ini")
        if line.name in self._member_names((pool,)):
            raise VerbError(f"pool {pool} has a peer {line.name} already")

        def do() -> str:
            try:
                membership.add(line)
            except PeerExists as problem:
                raise VerbError(str(problem)) from None
            if line.stands_for is not StandsFor.PEER:
                return f"{line.name} is followed from now on; peers({pool!r}) shows who was found"
            state = self._pool(pool).peer(line.name).state
            return f"{line.name} is {state}; remove_peer({pool!r}, {line.name!r}) takes it out"

        number = len(self._pool(pool).peers)
        return self._changes.make(
            f"add_peer({pool!r}, {server!r}{_limit(lasts)})",
            do,
            f"{line.name} joins the {counted(number, 'peer')} of {pool}",
            MemberOf(self._live, pool, line.name),
            lasts,
        )

    def remove_peer(self, pool: str, peer: str, minutes: float | None = None, seconds: float | None = None) -> Said:
        """
        take a peer out of a pool; what runs on it finishes

        Also a name by which peers are found, with all of them.  It is kept over restarts: a peer of site.ini stays away until
        add_peer, or until its line has gone from the file; with minutes=10 it is back after that time, and before a restart.
        """
        membership = self._membership(pool)
        called = known(f"peer of pool {pool!r}", peer, self._member_names((pool,)))
        lasts = time_given(minutes, seconds)

        def do() -> str:
            try:
                gone = membership.remove(called, "the operator removed it")
            except FoundByName as problem:
                raise VerbError(str(problem)) from None
            running = sum(each.in_flight for each in gone)
            left = f"{counted(running, 'attempt')} still running" if running else "nothing runs there"
            peers = "" if [each.name for each in gone] == [called] else f" with {counted(len(gone), 'peer')}"
            return f"{called} is removed{peers}, {left}"

        return self._changes.make(
            f"remove_peer({pool!r}, {called!r}{_limit(lasts)})",
            do,
            f"{called} leaves pool {pool}; what runs there finishes",
            MemberOf(self._live, pool, called),
            lasts,
        )

    # Names.

    def _pool(self, name: str) -> Pool:
        return self._live.pools[known("pool", name, self._live.pools)]

    def _membership(self, name: str) -> Membership:
        return self._live.memberships[known("pool", name, self._live.memberships)]

    def _peer(self, pool: str, name: str) -> Peer:
        peers = {peer.name: peer for peer in self._pool(pool).peers}
        return peers[known(f"peer of pool {pool!r}", name, peers)]

    def _share(self, pool: str, peer: Peer, weight: int) -> str:
        """What part of the requests *peer* gets with *weight*."""
        if peer.state is not PeerState.UP or not weight:
            return ""
        others = (other for other in self._pool(pool).peers if other.available and other.backup is peer.backup)
        total = weight + sum(other.weight for other in others if other is not peer)
        return f", {100 * weight / total:.0f}% of the requests"

    def _left(self, pool: str, peer: Peer) -> str:
        """A warning, when nobody else would serve."""
        return "" if any(other.available for other in self._pool(pool).peers if other is not peer) else "; nobody else is up"

    def pool_names(self, given: Sequence[str]) -> Iterable[str]:
        """What a pool can be called."""
        return self._live.pools

    def peer_names(self, given: Sequence[str]) -> Iterable[str]:
        """What a peer of the first of *given* can be called."""
        pool = self._live.pools.get(given[0])
        return [] if pool is None else [peer.name for peer in pool.peers]

    def _member_names(self, given: Sequence[str]) -> Sequence[str]:
        membership = self._live.memberships.get(given[0])
        return [] if membership is None else [*(peer.name for peer in membership.pool.peers), *membership.names]


def _runs(peer: Peer) -> str:
    return f"{counted(peer.in_flight, 'attempt')} still running" if peer.in_flight else "nothing runs there"


def time_given(minutes: object, seconds: object) -> float | None:
    """Seconds from two arguments of a verb; None when neither was given.  Raises VerbError."""
    if minutes is None and seconds is None:
        return None
    given = [0.0 if each is None else each for each in (minutes, seconds)]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each < 1e9 for each in given):
        raise VerbError(f"minutes and seconds are numbers, not {', '.join(repr(each) for each in given if each != 0.0)}")
    lasts = float(60 * given[0] + given[1])  # type: ignore[operator]
    if not lasts:
        raise VerbError("a change of no time is none; leave the time out for one without end")
    return lasts


def _limit(lasts: float | None) -> str:
    """How a command says for how long, as it could be typed again."""
    return "" if lasts is None else f", seconds={lasts:.15g}"


def _server(text: object) -> ServerSettings:
    """A line of ``servers``; what is wrong with it is said as of site.ini."""
    if not isinstance(text, str) or not text.strip():
        raise VerbError("a server is written as in site.ini, for instance 'app4.internal:3000 weight=2'")
    if text.startswith("unix:") and not text.startswith("unix:/"):
        raise VerbError(f"{text!r} begins in no directory here; write unix:/…")
    try:
        return network.server(text, Context("/", {}))
    except BadValue as bad:
        raise VerbError(str(bad)) from None
