"""
Active checks: every peer of a pool is asked, again and again, whether it is well.

Each peer has a LoopingCall of its own, which waits for a check to end before it begins the next one; thus a check that hangs
delays nothing but itself, and not for longer than ``check_timeout``.  What a check sends is the probe's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final, cast
from zlib import crc32

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from twistedproxy.balance.peer import Change, Peer, PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.balance.standing import CheckResult
from twistedproxy.errors import CheckFailed

#: Asks one peer; the Deferred fails with an exception whose text is a reason for people (``connection refused``).
Probe = Callable[[Peer], Deferred[None]]

#: A check comes up to this share of the interval early, so that pools and proxies that fell into step fall out of it again.
JITTER: Final = 0.1
#: Checks begin on beats that are so many seconds apart, at most, and the same for all pools: what is due at about the same time
#: wakes the process once.
_BEAT: Final = 0.05
#: An interval has so many beats, at least.
_BEATS: Final = 20
#: Seconds by which a check may be given up early: clocks are not exact.
_TICK: Final = 0.001
#: ``check_fast_interval`` where site.ini does not say it, as a share of ``check_interval``.
_FAST: Final = 1 / 3


class _Check:
    """
    One check, from the moment it is its turn.

    :ivar at: when it began, seconds since 1970; *began*: monotonic time
    :ivar done: fires when its result is known, and counts
    :ivar late: it took longer than ``check_timeout``, and was given up
    """

    __slots__ = ("at", "began", "done", "late", "peer")

    done: Deferred[None]

    def __init__(self, peer: Peer, at: float, began: float) -> None:
        self.peer = peer
        self.at = at
        self.began = began
        self.late = False


class Health(Service):
    """
    The checks of one pool, as a service: they run from startService to stopService.

    All peers are checked at once at the start (``check_concurrency`` at a time), so that the pool soon knows them; from then on
    they take turns, spread over ``check_interval``.  A peer that is down or ejected, or whose last check was a surprise, is asked
    each ``check_fast_interval``; one that is ejected, or leaves maintenance, is asked at once.  Peers in maintenance are left
    alone.

    :param random: chance, by which checks do not fall into step
    """

    def __init__(self, pool: Pool, probe: Probe, reactor: IReactorTime, random: Random | None = None) -> None:
        self.pool = pool
        self._probe = probe
        self._reactor = reactor
        self._chance = (random or Random()).random
        self._take_times()
        self._loops: dict[Peer, LoopingCall] = {}
        #: Checks that run, and those that wait for their turn.
        self._begun: dict[Peer, Deferred[Any]] = {}
        self._under_way = 0
        self._waiting: deque[Deferred[None]] = deque()
        #: Those that one timer looks after, the oldest first; some are over.
        self._limited: deque[_Check] = deque()
        self._timer: IDelayedCall | None = None
        #: Seconds from the first check of a peer to its second one.
        self._first: dict[Peer, float] = {}

    def _take_times(self) -> None:
        """The pool may have had other settings when this was made beside the checks before."""
        settings = self.pool.settings
        self._interval = settings.check_interval
        fast = settings.check_fast_interval
        self._fast = min(self._interval, self._interval * _FAST if fast is None else fast)
        self._at_once = settings.check_concurrency
        self._timeout = settings.check_timeout

    def startService(self) -> None:
        """Check every peer now, and from now on."""
        Service.startService(self)
        self._take_times()
        self.pool.on_join.append(self._joined)
        self.pool.on_change.append(self._changed)
        peers = self.pool.peers
        step = self._interval / max(1, len(peers))
        first = step * crc32(self.pool.name.encode()) / 2**32
        for number, peer in enumerate(peers):
            self._begin(peer, first + step * number)

    def _begin(self, peer: Peer, first: float) -> None:
        """Check *peer* now, after *first* seconds, and from then on regularly."""
        self._first[peer] = first
        loop = self._loops[peer] = LoopingCall(self._check, peer)
        loop.clock = self._reactor
        loop.start(self._interval)

    def _end(self, peer: Peer) -> None:
        """Check *peer* no more; a check that runs, or waits for its turn, is cancelled and counts for nothing."""
        loop = self._loops.pop(peer)
        self._first.pop(peer, None)
        if loop.running:
            loop.stop()
        self._cancel(peer)

    def _cancel(self, peer: Peer) -> None:
        check = self._begun.pop(peer, None)
        if check is not None:
            check.cancel()

    def _joined(self, peer: Peer) -> None:
        if self.running:
            # Its turn is anywhere between those of the others.
            self._begin(peer, self._interval * crc32(peer.name.encode()) / 2**32)

    def _changed(self, change: Change) -> None:
        peer = change.peer
        if peer not in self._loops:
            return
        if change.after is PeerState.REMOVED:
            self._end(peer)
        elif change.after is PeerState.MAINTENANCE:
            self._cancel(peer)
        elif change.after is PeerState.EJECTED or change.before is PeerState.MAINTENANCE:
            self._check_soon(peer)

    def _check_soon(self, peer: Peer) -> None:
        """Check *peer* now, unless a check is under way."""
        loop = self._loops[peer]
        if peer not in self._begun and loop.running:
            loop.stop()
            loop.start(self._interval)

    def stopService(self) -> None:
        """Check no more; checks that run are cancelled and count for nothing."""
        Service.stopService(self)
        self.pool.on_join.remove(self._joined)
        self.pool.on_change.remove(self._changed)
        for peer in list(self._loops):
            self._end(peer)
        self._limited.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _check(self, peer: Peer) -> Deferred[Any] | None:
        """The turn of *peer*: one check, and when the next one is due."""
        loop = self._loops[peer]
        # From now on, whenever the last turns were.
        began = loop.starttime = self._reactor.seconds()
        if peer.state is PeerState.MAINTENANCE:
            loop.interval = self._interval
            return None
        check = self._begun[peer] = self._ask(peer) if self._under_way < self._at_once else self._wait_and_ask(peer)

        def over(result: object) -> None:
            # Not if it was cancelled: somebody else may run by now.
            if self._begun.get(peer) is check:
                del self._begun[peer]
            if isinstance(result, Failure):
                result.trap(CancelledError)
            loop.interval = self._until_next(peer, began)

        return check.addBoth(over)

    def _until_next(self, peer: Peer, began: float) -> float:
        """Seconds from the beginning of a check, at *began*, to that of the next one, which is on a beat."""
        usual = self._interval if peer.is_settled else self._fast
        seconds = usual * (1 - JITTER * self._chance())
        first = self._first.pop(peer, None)
        if first is not None:
            seconds = min(seconds, first)
        beat = min(_BEAT, usual / _BEATS)
        return max(round((began + seconds) / beat), round(began / beat) + 1) * beat - began

    def _wait_and_ask(self, peer: Peer) -> Deferred[None]:
        """One check of *peer*, when those who wait already have had their turns."""
        turn: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        return turn.addCallback(lambda _: self._ask(peer))

    def _ask(self, peer: Peer) -> Deferred[None]:
        """One check of *peer*, whose turn it is."""
        self._under_way += 1
        check = _Check(peer, self.pool.clock.wall(), self._reactor.seconds())
        done = check.done = maybeDeferred(self._probe, peer)
        done.addBoth(self._ended, check)
        if not done.called:
            self._limited.append(check)
            if self._timer is None:
                self._timer = self._reactor.callLater(self._timeout, self._give_up)
        return done

    def _give_up(self) -> None:
        """The oldest check has had its time, if it is not over."""
        now = self._reactor.seconds()
        while self._limited:
            check = self._limited[0]
            left = check.began + self._timeout - now
            if left > _TICK and not check.done.called:
                self._timer = self._reactor.callLater(left, self._give_up)
                return
            self._limited.popleft()
            if not check.done.called:
                check.late = True
                # Another one may have its turn by that.
                check.done.cancel()
        self._timer = None

    def _ended(self, result: Failure | None, check: _Check) -> None:
        self._under_way -= 1
        if not self.running:
            return
        if self._waiting:
            self._waiting.popleft().callback(None)
        peer = check.peer
        if peer.state in (PeerState.MAINTENANCE, PeerState.REMOVED):
            return
        duration = self._reactor.seconds() - check.began
        if not isinstance(result, Failure):
            peer.checked(CheckResult(check.at, duration, passed=True))
            return
        if check.late and result.check(CancelledError):
            reason = f"timed out after {self._timeout:g} s"
        else:
            reason = result.getErrorMessage() or cast(type, result.type).__name__
        ours = isinstance(result.value, CheckFailed) and result.value.ours
        peer.checked(CheckResult(check.at, duration, passed=False, reason=reason, counts=not ours))
