"""``total_timeout``: the time that an exchange has altogether, from its head to the last byte of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedproxy import errors
from twistedproxy.transport.deadlines import Timed

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


class TotalTimeout:
    """
    Lets every request in, and sets it its time: a guard, so that routes without it pay nothing.

    :param seconds: of an exchange, from its beginning
    """

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """Yes; *exchange* ends in time."""
        exchange.allotted = Allotted(exchange, exchange.started + self._seconds)
        return True


class Allotted(Timed):
    """The time of one exchange."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange, until: float) -> None:
        super().__init__()
        self._exchange = exchange
        exchange.site.deadlines.watch(self, until)

    def stop(self) -> None:
        """The exchange has ended."""
        self._exchange.site.deadlines.forget(self)

    def deadline_passed(self, now: float) -> None:
        exchange = self._exchange
        if exchange.status == 101:
            # A WebSocket has times of its own.
            return
        if not exchange.answered:
            exchange.request_malformed(errors.TOTAL_TIMEOUT, "")
        else:
            # Others may share what the peer sends: for them it goes on, as when a client leaves.
            exchange.downstream.transport.unregisterProducer()
            exchange.downstream.cut()
            exchange.request_lost(errors.TOTAL_TIMEOUT)
