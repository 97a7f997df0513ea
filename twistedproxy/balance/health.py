"""
Active checks: every peer of a pool is asked, again and again, whether it is well.

Each peer has a LoopingCall of its own, which waits for a check to end before it begins the next one; thus a check that hangs
delays nothing but itself, and not for longer than ``check_timeout``.  What a check sends is the probe's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from zlib import crc32

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from twistedproxy.balance.peer import Change, CheckResult, Peer, PeerState
from twistedproxy.balance.pool import Pool

#: Asks one peer; the Deferred fails with an exception whose text is a reason for people (``connection refused``).
Probe = Callable[[Peer], Deferred[None]]


class CheckTimeout(Exception):
    """A check took longer than ``check_timeout``."""


class Health(Service):
    """
    The checks of one pool, as a service: they run from startService to stopService.

    All peers are checked at once at the start, so that the pool soon knows them; from then on they take turns, spread over
    ``check_interval``, and pools do not fall into step with each other either.  Peers in maintenance are left alone.
    """

    def __init__(self, pool: Pool, probe: Probe, reactor: IReactorTime) -> None:
        self.pool = pool
        self._probe = probe
        self._reactor = reactor
        self._running: dict[Peer, Deferred[None]] = {}
        self._waiting: dict[Peer, IDelayedCall] = {}
        self._loops: dict[Peer, LoopingCall] = {}
        pool.on_join.append(self._joined)
        pool.on_change.append(self._changed)

    def startService(self) -> None:
        """Check every peer now, and from now on."""
        Service.startService(self)
        interval = self.pool.settings.check_interval
        peers = self.pool.peers
        step = interval / max(1, len(peers))
        first = step * crc32(self.pool.name.encode()) / 2**32
        for number, peer in enumerate(peers):
            self._begin(peer, first + step * number)

    def _begin(self, peer: Peer, delay: float) -> None:
        """Check *peer* now, and regularly after *delay* seconds."""
        self._check(peer)
        loop = self._loops[peer] = LoopingCall(self._check, peer)
        loop.clock = self._reactor
        self._waiting[peer] = self._reactor.callLater(delay, loop.start, self.pool.settings.check_interval)

    def _end(self, peer: Peer) -> None:
        """Check *peer* no more; a check that runs is cancelled and counts for nothing."""
        call = self._waiting.pop(peer)
        if call.active():
            call.cancel()
        loop = self._loops.pop(peer)
        if loop.running:
            loop.stop()
        if peer in self._running:
            self._running[peer].cancel()

    def _joined(self, peer: Peer) -> None:
        if self.running:
            # Its turn is anywhere between those of the others.
            self._begin(peer, self.pool.settings.check_interval * crc32(peer.name.encode()) / 2**32)

    def _changed(self, change: Change) -> None:
        if change.after is PeerState.REMOVED and change.peer in self._loops:
            self._end(change.peer)

    def stopService(self) -> None:
        """Check no more; checks that run are cancelled and count for nothing."""
        Service.stopService(self)
        for peer in list(self._loops):
            self._end(peer)

    def _check(self, peer: Peer) -> Deferred[None] | None:
        """One check of *peer*, unless one is still running."""
        if peer in self._running or peer.state is PeerState.MAINTENANCE:
            return None
        at = self.pool.clock.wall()
        began = self._reactor.seconds()
        timeout = self.pool.settings.check_timeout
        check = maybeDeferred(self._probe, peer)
        self._running[peer] = check

        def timed_out(_result: object, _timeout: float) -> None:
            raise CheckTimeout(f"timed out after {timeout:g} s")

        def ended(result: Failure | None) -> None:
            del self._running[peer]
            if not self.running or peer.state in (PeerState.MAINTENANCE, PeerState.REMOVED):
                return
            duration = self._reactor.seconds() - began
            if isinstance(result, Failure):
                reason = result.getErrorMessage() or cast(type, result.type).__name__
                peer.checked(CheckResult(at, duration, passed=False, reason=reason))
            else:
                peer.checked(CheckResult(at, duration, passed=True))

        check.addTimeout(timeout, self._reactor, onTimeoutCancel=timed_out)
        return check.addBoth(ended)
