"""
Drains: peers on their way out.

Whoever takes a peer out waits for the moment at which nothing runs on it any more: the log tells.  A drain with a deadline ends
by itself.  Both are looked at now and then, and cost the exchanges nothing.
"""

from __future__ import annotations

from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twistedproxy.balance.peer import Change, Peer, PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.settings.knob import NEVER

#: Seconds between two looks at whether the last exchange of a peer on its way out is gone.
LOOK: Final = 0.5

_LEAVING: Final = frozenset((PeerState.REMOVED, PeerState.MAINTENANCE, PeerState.DRAINING))


class Drains(Service):
    """The drains of one pool; they end from startService to stopService."""

    log = Logger()

    def __init__(self, pool: Pool, reactor: IReactorTime) -> None:
        self.pool = pool
        self._reactor = reactor
        self._running: dict[Peer, float] = {}
        self._ends: dict[Peer, IDelayedCall] = {}
        self._look = LoopingCall(self._look_again)
        self._look.clock = reactor
        pool.on_change.append(self._changed)
        pool.on_will.append(self._told)

    def startService(self) -> None:
        """Drains that were begun before the process started end, too."""
        Service.startService(self)
        for peer in self.pool.peers:
            self._told(peer)

    def stopService(self) -> None:
        """Whatever is drained stays so."""
        Service.stopService(self)
        for call in self._ends.values():
            call.cancel()
        self._ends.clear()
        self._running.clear()
        if self._look.running:
            self._look.stop()

    def _told(self, peer: Peer) -> None:
        """The operator's will may have a new end, or none any more."""
        call = self._ends.pop(peer, None)
        if call is not None:
            call.cancel()
        if self.running and peer.will_ends < NEVER and peer.state is not PeerState.REMOVED:
            left = max(0.0, peer.will_ends - self.pool.clock.wall())
            self._ends[peer] = self._reactor.callLater(left, self._over, peer)

    def _over(self, peer: Peer) -> None:
        del self._ends[peer]
        self.pool.restore(peer.name, "the time of its drain is over")

    def _changed(self, change: Change) -> None:
        peer = change.peer
        if change.after is PeerState.REMOVED:
            self._told(peer)
        if not self.running or change.after not in _LEAVING or not peer.in_flight:
            return
        self._running[peer] = self._reactor.seconds()
        if not self._look.running:
            self._look.start(LOOK, now=False)

    def _look_again(self) -> None:
        for peer, since in list(self._running.items()):
            if peer.state not in _LEAVING:
                del self._running[peer]
            elif not peer.in_flight:
                del self._running[peer]
                self.log.info(
                    "pool {pool}: peer {peer} is {state}, and its last exchange is gone, after {seconds:.1f} s",
                    pool=self.pool.name,
                    peer=peer.name,
                    state=peer.state,
                    seconds=self._reactor.seconds() - since,
                )
        if not self._running:
            self._look.stop()
