"""The stories of requests as they end, on an operator's screen."""

from __future__ import annotations

from twistedproxy.admin.expressions import Expression
from twistedproxy.admin.live import Live
from twistedproxy.admin.ongoing import Stage
from twistedproxy.admin.recall import Recall
from twistedproxy.admin.tables import duration, printable
from twistedproxy.admin.watch import Watch
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.remembered import Remembered, facts
from twistedproxy.spelling import counted
from twistedproxy.story.lines import written
from twistedproxy.story.story import story
from twistedproxy.story.tale import Tale


class Trace(Watch):
    """Tells each with its story, and at the end how many there were."""

    def __init__(self, live: Live, which: Expression | None, most: int, seconds: float) -> None:
        super().__init__(live, which, most, seconds)
        self._recall = Recall(live)
        self._within = f"within {duration(seconds)} and at most {most}"

    def tell(self, stage: Stage, exchange: Exchange) -> bool:
        """Tell its story."""
        stage.line(told(self._recall.tale(Remembered(*facts(exchange)))))
        return True

    def over(self) -> None:
        """Say how many were told, and end."""
        if self.stage is not None:
            traced = f"{counted(self.told, 'request')} traced" if self.told else "no such request has ended"
            self.stage.line(f"{traced}, {self._within}")
        self.stop()


def told(tale: Tale) -> str:
    """The story as text that is safe on a terminal."""
    return written((phase, printable(text)) for phase, text in story(tale))
