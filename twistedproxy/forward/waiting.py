"""The place of an exchange in the queue of its pool, when every peer has as many exchanges as it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IReactorTime

from twistedproxy.balance.queue import Turn
from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.verdicts import ChooseVerdict

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Peer
    from twistedproxy.balance.pool import Pool
    from twistedproxy.balance.queue import Queue


class Surroundings(Protocol):
    """What the site has for those who wait."""

    @property
    def deadlines(self) -> Deadlines: ...

    @property
    def reactor(self) -> IReactorTime: ...


class Waiting(Protocol):
    """
    Who needs a peer: an exchange, or the connection of a stream.

    :ivar tried: the peers that it has tried in vain
    :ivar place: its place in a queue, or None
    :ivar verdicts: what was decided about it
    """

    tried: tuple[Peer, ...]
    place: Place | None
    verdicts: list[Any]

    @property
    def site(self) -> Surroundings: ...

    def pick(self, tried: Sequence[Peer], now: float) -> Peer | None:
        """The peer for its next attempt."""

    def go_on(self, peer: Peer | None, now: float) -> None:
        """Try *peer*."""

    def nobody_left(self, verdict: ChooseVerdict) -> None:
        """There is none."""


class Place(Timed):
    """
    A place in a queue, as long as it is held; a :class:`twistedproxy.balance.queue.Waiter`.

    The exchange goes on by :meth:`Exchange.go_on`, or by :meth:`Exchange.nobody_left` when its time is over.
    """

    __slots__ = ("_pool", "_queue", "_until", "exchange")

    def __init__(self, exchange: Waiting, pool: Pool, queue: Queue) -> None:
        super().__init__()
        self.exchange = exchange
        self._pool = pool
        self._queue = queue
        now = exchange.site.deadlines.now()
        self._until = now + queue.timeout
        self._watch(now)

    def _watch(self, now: float) -> None:
        """See to it that we hear of the end of our time, and of the next change in the pool that nobody tells of."""
        change = self._pool.next_change
        self.exchange.site.deadlines.watch(self, change if now < change < self._until else self._until)

    def call(self) -> None:
        """Serve the queue, in a turn of its own: who makes room is in the middle of something else."""
        self.exchange.site.reactor.callLater(0, self._queue.serve)

    def try_again(self) -> Turn:
        """Go on, if there is a peer now, or if there will be none."""
        exchange = self.exchange
        now = exchange.site.deadlines.now()
        peer = exchange.pick(exchange.tried, now)
        if peer is None and self._pool.verdict_when_none(exchange.tried, now) is ChooseVerdict.ALL_FULL:
            self._watch(now)
            return Turn.WAITS if exchange.tried else Turn.FULL
        self._given_up()
        exchange.go_on(peer, now)
        return Turn.WENT

    def leave(self) -> None:
        """The exchange is over: its client has left."""
        self._queue.leave(self)
        self._given_up()

    def _given_up(self) -> None:
        exchange = self.exchange
        exchange.site.deadlines.forget(self)
        exchange.place = None

    def deadline_passed(self, now: float) -> None:
        if now < self._until:
            self._watch(now)
            self._queue.tell()
            return
        self._queue.leave(self, timed_out=True)
        self._given_up()
        self.exchange.nobody_left(ChooseVerdict.QUEUE_TIMEOUT)


def wait(exchange: Waiting, pool: Pool, queue: Queue) -> None:
    """Let *exchange* take the last place in *queue*, that of *pool*; if there is none it fails."""
    place = Place(exchange, pool, queue)
    if queue.join(place, particular=bool(exchange.tried)):
        exchange.place = place
        exchange.verdicts.append(ChooseVerdict.QUEUED)
    else:
        exchange.site.deadlines.forget(place)
        exchange.nobody_left(ChooseVerdict.QUEUE_FULL)
