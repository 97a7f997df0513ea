"""Requests as they end, on an operator's screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twistedproxy.admin.ongoing import Stage
from twistedproxy.admin.tables import duration, printable, size
from twistedproxy.admin.watch import Watch

if TYPE_CHECKING:
    from twistedproxy.admin.expressions import Expression
    from twistedproxy.admin.live import Live
    from twistedproxy.forward.exchange import Exchange

#: Lines in one second; of more requests only the number is told.
MOST_LINES: Final = 100
#: Characters of a target in a line, where there is no terminal.
_SHOWN: Final = 500


class RequestTail(Watch):
    """Shows each in a line, which has at most as many characters as *width* says."""

    def __init__(
        self,
        live: Live,
        which: Expression | None,
        width: Callable[[], int | None],
        most: int | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__(live, which, most, seconds)
        self._width = width
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def tell(self, stage: Stage, exchange: Exchange) -> bool:
        """Show its line, unless there were too many in this second."""
        if self._is_one_too_many(stage):
            return False
        stage.line(line_of(exchange, self._width()))
        return True

    def _is_one_too_many(self, stage: Stage) -> bool:
        second = int(self._live.clock.monotonic())
        if second != self._second:
            if self._left_out:
                stage.line(f"… {self._left_out} more")
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
