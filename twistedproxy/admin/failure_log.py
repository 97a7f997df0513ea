"""
What went wrong, in the operator's log: every exchange that a peer or the proxy itself has failed, with its cause and a remedy.

What clients do wrong stands in the access log and in the counters; here it would let strangers fill the disk.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from twistedproxy.clock import Clock
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.errors import Whose
from twistedproxy.forward.exchange import Exchange
from twistedproxy.remedies import remedy_for
from twistedproxy.story.causes import is_failure, nobody_because, tries_told

#: Lines written in one second; of more failures only the number is told.
MOST_LINES: Final = 20
#: Characters of a request target in a line.
_SHOWN: Final = 200


class FailureLog:
    """Writes a line for each failed exchange, up to :data:`MOST_LINES` in a second."""

    log = Logger()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._unsaid = 0

    def exchange_failed(self, exchange: Exchange) -> None:
        """*exchange* has ended with a reason."""
        reason = exchange.reason
        if reason is None or not is_failure(reason):
            return
        if self._is_one_too_many():
            return
        pool = exchange.route.backend.pool if exchange.route is not None and exchange.route.backend is not None else None
        remedy = remedy_for(reason)
        self.log.warn(
            "{status} for {method} {host}{target} from {client}: {name}: {text}{detail}{where}{tries}{nobody}. "
            "Remedy: {remedy}. Request {number}",
            status=exchange.status,
            method=exchange.head.method.decode("latin-1"),
            host=exchange.head.authority.decode("latin-1"),
            target=exchange.head.target[:_SHOWN].decode("latin-1"),
            client=exchange.client,
            name=reason.name,
            text=reason.text,
            detail=f" ({exchange.detail})" if exchange.detail else "",
            where=_where(exchange),
            tries=tries_told(exchange.verdicts, exchange.tries_made),
            nobody=nobody_because(reason, pool),
            remedy=remedy.remedy if remedy is not None else "none is known",
            number=exchange.number,
        )

    def stream_ended(self, connection: StreamConnection) -> None:
        """The *connection* of a stream has ended; told if it never found a peer that could be reached."""
        reason = connection.reason
        if reason is None or reason.whose is not Whose.UPSTREAM or connection.connect_time is not None:
            return
        if self._is_one_too_many():
            return
        remedy = remedy_for(reason)
        self.log.warn(
            "stream {stream}: no peer for {client}: {name}: {text}{detail}{where}. Remedy: {remedy}",
            stream=connection.listener_name,
            client=connection.address,
            name=reason.name,
            text=reason.text,
            detail=f" ({connection.detail})" if connection.detail else "",
            where=_where(connection),
            remedy=remedy.remedy if remedy is not None else "none is known",
        )

    def _is_one_too_many(self) -> bool:
        """Whether there were as many lines in this second as there may be."""
        second = int(self._clock.monotonic())
        if second != self._second:
            if self._unsaid:
                self.log.warn("{number} more exchanges failed", number=self._unsaid)
            self._second, self._lines, self._unsaid = second, 0, 0
        self._lines += 1
        if self._lines > MOST_LINES:
            self._unsaid += 1
            return True
        return False


def _where(exchange: Exchange | StreamConnection) -> str:
    if not exchange.pool_name:
        return ""
    peer = f", peer {exchange.peer_name}" if exchange.peer_name else ""
    return f"; pool {exchange.pool_name}{peer}"
