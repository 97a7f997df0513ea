"""
A pool: peers that serve the same content, the choice of one of them, and what the operator can do to them.

:meth:`Pool.choose` runs for every request.  As long as nothing changes it asks the scheduler and does nothing else; what the
time changes (the end of an ejection) is noticed by comparing *now* with the next moment at which anything can change, and
needs no timer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from random import Random

from twisted.logger import Logger

from twistedproxy.balance.budget import RetryBudget
from twistedproxy.balance.candidates import Candidates
from twistedproxy.balance.lookback import Lookback
from twistedproxy.balance.peer import Change, Peer, PeerState
from twistedproxy.balance.queue import Queue
from twistedproxy.balance.slow_start import apportion
from twistedproxy.balance.stickiness import Bindings
from twistedproxy.clock import Clock
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.spelling import choose_from
from twistedproxy.verdicts import ChooseVerdict

#: Earlier than every monotonic time.
_AT_ONCE = -NEVER


class UnknownPeer(KeyError):
    """No peer of the pool has that name; the message says which it has, or which was probably meant."""

    def __str__(self) -> str:
        return str(self.args[0])


class PeerExists(ValueError):
    """The pool has a peer of that name already."""


class Pool:
    """
    The peers of one ``[pool NAME]``.

    :param random: chance, for schedulers that want it
    :ivar settings: what site.ini says
    :ivar peers: those of site.ini in its order, then those that came later; a new list whenever one comes or goes
    :ivar queue: who waits for a peer that has room; None when nobody may
    :ivar retries: attempts after the first, ever; *hedges*: attempts beside another, ever
    :ivar retries_refused: of either, so many were too many for the budget
    :ivar ejections_refused: peers that were not ejected because others were
    :ivar lookback: how the scheduler saw the peers, and when
    :ivar bindings: what became of requests whose clients are bound to peers; None when none are
    :ivar on_change: called, in order, after each change of a peer's state
    :ivar on_will: called, in order, with each peer of which the operator has said something
    :ivar on_join: called, in order, with each peer that comes; that one has left is a change of its state, to REMOVED
    """

    log = Logger()

    def __init__(self, settings: PoolSettings, clock: Clock, random: Random | None = None) -> None:
        self.settings = settings
        self.name = settings.name
        self.clock = clock
        self.peers = [Peer(server, settings) for server in settings.servers if server.stands_for is StandsFor.PEER]
        self.on_change: list[Callable[[Change], None]] = []
        self.on_will: list[Callable[[Peer], None]] = []
        self.on_join: list[Callable[[Peer], None]] = []
        self._removed: list[Peer] = []
        self._candidates = Candidates(settings, random or Random())
        # As the candidates have them: looked up for each request.
        self._pick, self._pick_other = self._candidates.pick, self._candidates.pick_other
        self.bindings = Bindings() if settings.sticky is not None and settings.sticky.cookie else None
        self.queue = Queue(settings.queue.length, settings.queue.timeout) if settings.queue is not None else None
        self.retries = self.hedges = self.retries_refused = self.ejections_refused = 0
        budget = settings.retry_budget
        self._budget = None if budget.is_unlimited else RetryBudget(budget, clock.monotonic())
        self._cap_told = False
        self._next_change = _AT_ONCE
        self.lookback = Lookback()
        #: Only ejected peers are left, and tried.
        self._last_resort = False
        for peer in self.peers:
            self._adopt(peer)
        self._count()

    def _adopt(self, peer: Peer) -> None:
        peer.since = self.clock.wall()
        peer.on_change = self._peer_changed
        peer.on_trial_over = self._changed
        peer.may_eject = self._may_eject
        self._attend(peer)

    def _attend(self, peer: Peer) -> None:
        """Let *peer* tell what the scheduler and the queue want to know."""
        peer.is_timed = self.settings.balance.scheduler == "least_time"
        peer.on_room = self.queue.tell if self.queue is not None else None
        if peer.is_timed or peer.on_room is not None:
            peer.attentive = True

    def revise_settings(self, settings: PoolSettings) -> None:
        """
        The site says something else of the pool now; who belongs to it is for its membership to say.

        Peers keep their state, their counters and what runs on them; requests that wait in a queue wait on in it.
        """
        before, self.settings = self.settings, settings
        self._candidates.revise(settings, before)
        sticky = settings.sticky
        if sticky != before.sticky:
            self.bindings = Bindings() if sticky is not None and sticky.cookie else None
        self._revise_queue(settings)
        if settings.retry_budget != before.retry_budget:
            budget = settings.retry_budget
            self._budget = None if budget.is_unlimited else RetryBudget(budget, self.clock.monotonic())
        self._cap_told = False
        for peer in self.peers:
            self._attend(peer)
            peer.judge_by(settings)
        self._changed()

    def _revise_queue(self, settings: PoolSettings) -> None:
        if settings.queue is None:
            if self.queue is not None:
                # Who waits shall be served; nobody else comes.
                self.queue.length = 0
                self.queue = self.queue if len(self.queue) else None
        elif self.queue is None:
            self.queue = Queue(settings.queue.length, settings.queue.timeout)
        else:
            self.queue.length, self.queue.timeout = settings.queue.length, settings.queue.timeout

    def _count(self) -> None:
        for peer in self.peers:
            peer.alone = len(self.peers) == 1
        self._changed()

    def _changed(self) -> None:
        """What :meth:`refresh` has found holds no longer; there may be room for those who wait."""
        self._next_change = _AT_ONCE
        if self.queue is not None:
            self.queue.tell()

    def choose(self, tried: Sequence[Peer], now: float) -> Peer | None:
        """
        The peer for the next attempt of an exchange.

        *tried* are the peers that this exchange has tried in vain, *now* is monotonic.  Backups (``peer.backup`` tells) are
        taken when no primary peer is left, and ejected peers when nobody else is: attempts that failed a while ago are no
        reason to answer with an error now.  A peer that is full is passed over, and so is one whose trial runs, unless nobody
        else is left.  None when there is nobody: :meth:`verdict_when_none` says why.
        """
        if now >= self._next_change:
            self.refresh(now)
        if not tried:
            return self._pick(now)
        return self._pick_other(tried, now)

    def choose_for(self, key: str, tried: Sequence[Peer], now: float) -> Peer | None:
        """As :meth:`choose`, the same peer for the same *key* as far as that is possible; for pools that hash."""
        if now >= self._next_change:
            self.refresh(now)
        return self._candidates.pick_for(key, tried)

    def choose_bound(self, peer: Peer, now: float) -> bool:
        """Whether an exchange whose client is bound to *peer* may go there; to backups only as long as these serve."""
        if now >= self._next_change:
            self.refresh(now)
        return peer.takes_bound and (not peer.backup or self._candidates.backups_serve)

    def verdict_when_none(self, tried: Sequence[Peer], now: float) -> ChooseVerdict:
        """Why :meth:`choose` with the same arguments has just returned None."""
        if not self.peers:
            return ChooseVerdict.EMPTY
        if self._candidates.is_any_full(tried):
            return ChooseVerdict.ALL_FULL
        if self._last_resort or any(peer.available for peer in self.peers):
            return ChooseVerdict.ALL_TRIED
        return ChooseVerdict.ALL_DOWN

    def refresh(self, now: float) -> None:
        """
        Take note of every change until *now* (monotonic).

        :meth:`choose` does so by itself; call it before states are shown, since a pool without traffic notices nothing.
        """
        if now < self._next_change:
            return
        for peer in self.peers:
            if peer.ejected_until <= now:
                peer.end_ejection()
        available = [peer for peer in self.peers if peer.available]
        candidates = available or self._ejected()
        self._last_resort = bool(candidates) and not available
        due = apportion(candidates, now)
        chosen_from = self._candidates.update(candidates)
        self._pick, self._pick_other = self._candidates.pick, self._candidates.pick_other
        self.lookback.note(now, self.peers, chosen_from, last_resort=self._last_resort)
        ejections_end = min((peer.ejected_until for peer in self.peers), default=NEVER)
        self._next_change = min(ejections_end, due)

    def _ejected(self) -> list[Peer]:
        """The peers that are tried when none is available."""
        ejected = [peer for peer in self.peers if peer.state is PeerState.EJECTED and peer.weight]
        for peer in ejected:
            peer.become_last_resort()
        if ejected and not self._last_resort:
            self.log.warn("pool {pool}: only ejected peers are left; they are tried all the same", pool=self.name)
        if ejected or not self.settings.fail_open:
            return ejected
        down = [peer for peer in self.peers if peer.state is PeerState.DOWN and peer.weight]
        if down and not self._last_resort:
            self.log.warn("pool {pool}: every peer is down; they are tried all the same (fail_open)", pool=self.name)
        return down

    @property
    def next_change(self) -> float:
        """Monotonic time at which the choice may be another by itself; NEVER when it will not."""
        return self._next_change

    def affords_retry(self, now: float) -> bool:
        """Whether the budget has one more retry or hedge, at *now* (monotonic); if so it is spent."""
        if self._budget is None:
            return True
        requests = sum(peer.attempts for peer in self.peers) - self.retries - self.hedges
        if self._budget.spend(now, requests):
            return True
        self.retries_refused += 1
        return False

    def _may_eject(self, peer: Peer, why: str) -> bool:
        """Whether *peer* may be ejected in spite of those that are: ``max_ejected``."""
        peers = self.peers
        ejected = sum(other.state is PeerState.EJECTED for other in peers)
        if ejected < max(1, int(len(peers) * self.settings.max_ejected + 1e-9)):
            return True
        self.ejections_refused += 1
        if not self._cap_told:
            self._cap_told = True
            self.log.warn(
                "pool {pool}: peer {peer} is not ejected, as {ejected} of {peers} are (max_ejected): {why}",
                pool=self.name,
                peer=peer.name,
                ejected=ejected,
                peers=len(peers),
                why=why,
            )
        return False

    def peer(self, name: str) -> Peer:
        """The peer called *name*; raises :class:`UnknownPeer`."""
        for peer in self.peers:
            if peer.name == name:
                return peer
        remedy = choose_from(name, (peer.name for peer in self.peers))
        raise UnknownPeer(f"pool {self.name} has no peer {name!r}; {remedy}")

    def add(self, server: ServerSettings, origin: str) -> Peer:
        """
        A peer comes; *origin* says from where.

        Raises :class:`PeerExists` when the pool has one at that address.
        """
        if any(peer.name == server.name for peer in self.peers):
            raise PeerExists(f"pool {self.name} has a peer {server.name} already")
        peer = Peer(server, self.settings, origin)
        if server.slow_start and any(other.attempts for other in self.peers):
            peer.starts_from = self.clock.monotonic()
        self._adopt(peer)
        self.peers = [*self.peers, peer]
        self._count()
        self.log.info("pool {pool}: peer {peer} has come, from {origin}", pool=self.name, peer=peer.name, origin=origin)
        self._tell(self.on_join, peer)
        return peer

    def remove(self, peer_name: str, why: str) -> Peer:
        """
        A peer goes: it gets no new exchanges, those that run finish, its idle connections are closed, its checks stop.

        Raises :class:`UnknownPeer`.
        """
        peer = self.peer(peer_name)
        self.peers = [other for other in self.peers if other is not peer]
        self._count()
        self._removed = [*self.leaving, peer]
        peer.command(PeerState.REMOVED, why)
        return peer

    def revise(self, peer: Peer, server: ServerSettings, origin: str) -> None:
        """The name by which *peer* was found says something else of it; a weight that the operator has set stays."""
        before, peer.settings, peer.origin = peer.settings, server, origin
        peer.backup, peer.tier = server.backup, server.tier
        if peer.weight == before.weight:
            self.set_weight(peer.name, server.weight)
        self._changed()

    def put_back(self, peer: Peer, behind: Sequence[str]) -> None:
        """
        A peer that was removed is one again, in front of the first of those *behind* it.

        What state it has, :meth:`put_back_will` says next.
        Raises :class:`PeerExists` when the pool has one at that address.
        """
        names = [other.name for other in self.peers]
        if peer.name in names:
            raise PeerExists(f"pool {self.name} has a peer {peer.name} already")
        at = next((names.index(name) for name in behind if name in names), len(names))
        self._adopt(peer)
        peer.judge_by(self.settings)
        self.peers = [*self.peers[:at], peer, *self.peers[at:]]
        self._removed = [other for other in self._removed if other is not peer]
        self._count()
        self.log.info("pool {pool}: peer {peer} has come back", pool=self.name, peer=peer.name)
        self._tell(self.on_join, peer)

    def put_back_will(self, peer: Peer, will: PeerState, ends: float, ejected_until: float, why: str) -> None:
        """What the operator wants of *peer* is what it was once, until *ends* (wall clock); nothing else changes by that."""
        peer.will_ends = ends
        peer.put_back(will, ejected_until, why)
        self._changed()
        self._tell(self.on_will, peer)

    @property
    def leaving(self) -> list[Peer]:
        """Peers that were removed and that exchanges still run on."""
        self._removed = [peer for peer in self._removed if peer.in_flight]
        return list(self._removed)

    def drain(self, peer_name: str, seconds: float | None = None) -> Peer:
        """
        No new exchanges for this peer, for some time or until it is restored; those that run finish.

        Raises :class:`UnknownPeer`.
        """
        peer = self.peer(peer_name)
        peer.will_ends = NEVER if seconds is None else self.clock.wall() + seconds
        peer.command(PeerState.DRAINING, "the operator drains it" + (f" for {seconds:g} s" if seconds is not None else ""))
        self._tell(self.on_will, peer)
        return peer

    def maintain(self, peer_name: str, why: str = "the operator took it out") -> Peer:
        """As :meth:`drain`, and no checks either, as with ``down`` in site.ini.  Raises :class:`UnknownPeer`."""
        peer = self.peer(peer_name)
        peer.will_ends = NEVER
        peer.command(PeerState.MAINTENANCE, why)
        self._tell(self.on_will, peer)
        return peer

    def restore(self, peer_name: str, why: str = "the operator restored it") -> Peer:
        """Undo :meth:`drain`, :meth:`maintain`, ``down`` in site.ini, and an ejection.  Raises :class:`UnknownPeer`."""
        peer = self.peer(peer_name)
        peer.will_ends = NEVER
        peer.command(PeerState.UP, why)
        self._tell(self.on_will, peer)
        return peer

    def set_weight(self, peer_name: str, weight: int) -> Peer:
        """
        Change a peer's share; 0: no new exchanges.

        Raises :class:`UnknownPeer`, and ValueError when *weight* is negative.
        """
        peer = self.peer(peer_name)
        if weight < 0:
            raise ValueError(f"a weight is 0 or more, not {weight}")
        if weight != peer.weight:
            self.log.info(
                "pool {pool}: peer {peer} has weight {weight}, before: {before}",
                pool=self.name,
                peer=peer.name,
                weight=weight,
                before=peer.weight,
            )
            peer.weight = weight
            self._changed()
            self._tell(self.on_will, peer)
        return peer

    def twin(self, clock: Clock) -> tuple[Pool, dict[Peer, Peer]]:
        """
        A pool of the same peers in the same state that would choose as this one does; what happens to it changes nothing here.

        Its queue is as long as there is room in this one's: nobody waits there.

        :returns: also the twin of each peer
        """
        now = clock.monotonic()
        self.refresh(now)
        twin = Pool(replace(self.settings, servers=()), clock)
        twin.settings = self.settings
        peers = {peer: peer.twin() for peer in self.peers}
        twin.peers = list(peers.values())
        if self.queue is not None:
            twin.queue = Queue(max(0, self.queue.length - len(self.queue)), self.queue.timeout)
        for peer, other in peers.items():
            twin._adopt(other)
            other.since = peer.since
        twin._candidates = self._candidates.twin(peers)
        twin._budget = copy(self._budget)
        twin._last_resort = self._last_resort
        twin.refresh(now)
        return twin, peers

    def _tell(self, observers: Sequence[Callable[[Peer], None]], peer: Peer) -> None:
        for observer in observers:
            with self.log.failuresHandled("pool {pool}: one who is told of peers failed", pool=self.name):
                observer(peer)

    def _peer_changed(self, change: Change) -> None:
        peer = change.peer
        if change.after is not PeerState.UP:
            peer.starts_from = NEVER
        else:
            # Where nothing was served yet nobody has a larger share than who is up for the first time.
            if peer.settings.slow_start and not (peer.is_new and not any(other.attempts for other in self.peers)):
                peer.starts_from = self.clock.monotonic()
            peer.is_new = False
        self._changed()
        self._cap_told = False
        change.peer.since = self.clock.wall()
        tell = self.log.warn if change.after in (PeerState.DOWN, PeerState.EJECTED) else self.log.info
        tell(
            "pool {pool}: peer {peer} is {state}: {why}",
            pool=self.name,
            peer=change.peer.name,
            state=change.after,
            why=change.why,
        )
        for observer in self.on_change:
            with self.log.failuresHandled("pool {pool}: one who is told of changes failed", pool=self.name):
                observer(change)

    def __repr__(self) -> str:
        up = sum(peer.available for peer in self.peers)
        return f"<Pool {self.name} {up} of {len(self.peers)} peers available>"
