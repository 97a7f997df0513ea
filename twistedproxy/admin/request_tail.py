"""Requests as they end, on an operator's screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twistedproxy.admin.expressions import Expression
from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.tables import duration, printable, size

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twistedproxy.admin.live import Live
    from twistedproxy.forward.exchange import Exchange

#: Lines in one second; of more requests only the number is told.
MOST_LINES: Final = 100
#: Characters of a target in a line, where there is no terminal.
_SHOWN: Final = 500


class RequestTail(Ongoing):
    """
    Shows each request that ends, if the *expression* holds for it.

    :param most: so many, then it ends; None: it does not
    :param seconds: after which it ends; None: it does not
    """

    def __init__(
        self,
        live: Live,
        expression: Expression | None,
        width: Callable[[], int | None],
        most: int | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__()
        self._live = live
        self._expression = expression
        self._width = width
        self._most = most
        self._seconds = seconds
        self._timer: IDelayedCall | None = None
        self._second = 0
        self._lines = 0
        self._left_out = 0
        self._shown = 0

    def began(self) -> None:
        """Watch from now on."""
        self._live.finished.append(self._finished)
        if self._seconds is not None:
            self._timer = self._live.reactor.callLater(self._seconds, self.stop)

    def ended(self) -> None:
        """Watch no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        # Somebody may go through the list at this moment, and must not miss the one behind.
        self._live.reactor.callLater(0, self._live.finished.remove, self._finished)

    def _finished(self, exchange: Exchange) -> None:
        stage = self.stage
        if stage is None:
            return
        if self._expression is not None and not self._expression.holds(exchange):
            return
        if self._is_one_too_many():
            return
        stage.line(line_of(exchange, self._width()))
        self._shown += 1
        if self._most is not None and self._shown >= self._most:
            self.stop()

    def _is_one_too_many(self) -> bool:
        second = int(self._live.clock.monotonic())
        if second != self._second:
            if self._left_out and self.stage is not None:
                self.stage.line(f"… {self._left_out} more")
            self._second, self._lines, self._left_out = second, 0, 0
        self._lines += 1
        if self._lines > MOST_LINES:
            self._left_out += 1
            return True
        return False


def line_of(exchange: Exchange, width: int | None) -> str:
    """One request: when it ended, what it was, what became of it, how long it took, where it went, and for whom."""
    at = datetime.fromtimestamp(exchange.started_wall + exchange.request_time, UTC)
    head = exchange.head
    where = " ".join(
        filter(None, (exchange.route.name if exchange.route else "no route", exchange.peer_name, exchange.cache_status.lower()))
    )
    before = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {exchange.status:03d} {duration(exchange.request_time):>6}"
    before += f" {size(exchange.bytes_sent):>6} {head.method.decode('latin-1')} "
    failed = f" {exchange.reason.name}" if exchange.reason is not None else ""
    behind = printable(f"  [{where}]{failed} {exchange.client}")
    target = printable(f"{head.authority.decode('latin-1')}{head.target[: 4 * _SHOWN].decode('latin-1')}")
    room = max(20, width - len(before) - len(behind)) if width is not None else _SHOWN
    if len(target) > room:
        target = target[: room - 1] + "…"
    line = f"{before}{target}{behind}"
    return line if width is None or len(line) <= width else line[: width - 1] + "…"
