"""What shows requests as they end, on an operator's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from twistedproxy.admin.ongoing import Ongoing, Stage

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twistedproxy.admin.expressions import Expression
    from twistedproxy.admin.live import Live
    from twistedproxy.forward.exchange import Exchange


class Watch(Ongoing):
    """
    Hears of each request that ends, and tells those for which the expression holds.

    :param which: the requests that are meant; None: all
    :param most: so many, then it ends; None: it does not
    :param seconds: after which it ends; None: it does not
    :ivar told: so many were told
    """

    log = Logger()

    def __init__(self, live: Live, which: Expression | None, most: int | None, seconds: float | None) -> None:
        super().__init__()
        self._live = live
        self._which = which
        self._most = most
        self._seconds = seconds
        self._timer: IDelayedCall | None = None
        self.told = 0

    def tell(self, stage: Stage, exchange: Exchange) -> bool:
        """Show *exchange* on *stage*; whether that was done."""
        raise NotImplementedError

    def over(self) -> None:
        """As many were told, or as much time has passed, as was asked for."""
        self.stop()

    def began(self) -> None:
        """Watch from now on."""
        self._live.finished.append(self._finished)
        if self._seconds is not None:
            self._timer = self._live.reactor.callLater(self._seconds, self.over)

    def ended(self) -> None:
        """Watch no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        # Somebody may go through the list at this moment, and must not miss the one behind.
        self._live.reactor.callLater(0, self._live.finished.remove, self._finished)

    def _finished(self, exchange: Exchange) -> None:
        """*exchange* has ended; nothing that goes wrong in here reaches it."""
        if self.stage is None:
            return
        try:
            if (self._which is None or self._which.holds(exchange)) and self.tell(self.stage, exchange):
                self.told += 1
                if self.told == self._most:
                    self.over()
        except Exception:
            self.log.failure("a request could not be shown to an operator")
