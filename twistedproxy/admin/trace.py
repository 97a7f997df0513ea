"""The stories of requests as they end, on an operator's screen."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twistedproxy.admin.expressions import Expression
from twistedproxy.admin.live import Live
from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.recall import Recall
from twistedproxy.admin.tables import duration, printable
from twistedproxy.balance.peer import counted
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.remembered import Remembered, facts
from twistedproxy.story.lines import written
from twistedproxy.story.story import story
from twistedproxy.story.tale import Tale


class Trace(Ongoing):
    """
    Tells each request that ends, if the expression holds for it.

    :param which: the requests that are meant; None: all
    :param most: so many, then it ends; *seconds*: after which it ends
    """

    log = Logger()

    def __init__(self, live: Live, which: Expression | None, most: int, seconds: float) -> None:
        super().__init__()
        self._live = live
        self._recall = Recall(live)
        self._which = which
        self._most = most
        self._seconds = seconds
        self._told = 0
        self._timer: IDelayedCall | None = None

    def began(self) -> None:
        """Watch from now on."""
        self._live.finished.append(self._finished)
        self._timer = self._live.reactor.callLater(self._seconds, self._over)

    def ended(self) -> None:
        """Watch no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        # Somebody may go through the list at this moment, and must not miss the one behind.
        self._live.reactor.callLater(0, self._live.finished.remove, self._finished)

    def _over(self) -> None:
        if self.stage is not None:
            told = f"{counted(self._told, 'request')} traced" if self._told else "no such request has ended"
            self.stage.line(f"{told}, within {duration(self._seconds)} and at most {self._most}")
        self.stop()

    def _finished(self, exchange: Exchange) -> None:
        """*exchange* has ended; nothing that goes wrong in here reaches it."""
        if self.stage is None:
            return
        try:
            if self._which is not None and not self._which.holds(exchange):
                return
            self.stage.line(told(self._recall.tale(Remembered(*facts(exchange)))))
            self._told += 1
            if self._told >= self._most:
                self._over()
        except Exception:
            self.log.failure("a request could not be told")


def told(tale: Tale) -> str:
    """The story as text that is safe on a terminal."""
    return written((phase, printable(text)) for phase, text in story(tale))
