"""The last exchanges that a peer or the proxy itself has failed, each with its cause, and how often each cause came up."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from twistedproxy.admin.tables import printable
from twistedproxy.forward.exchange import Exchange
from twistedproxy.remedies import remedy_for
from twistedproxy.story.causes import is_failure

#: Failures that are remembered: some hundred bytes each.
KEPT: Final = 100
#: Characters of what a stranger may have written.
_SHOWN: Final = 160


@dataclass(frozen=True, slots=True)
class Failed:
    """
    One failed exchange.

    :ivar at: when it ended, seconds since 1970 (wall clock)
    :ivar request: method, host and path; what follows a ``?`` may be secret and is left out
    :ivar cause: the name of the reason, *text*: the same as a sentence, *detail*: more of it
    :ivar remedy: what can be done about it; empty when nobody knows
    """

    number: int
    at: float
    status: int
    request: str
    client: str
    route: str
    pool: str
    peer: str
    cause: str
    whose: str
    text: str
    detail: str
    remedy: str


class Failures:
    """
    Remembers failed exchanges.

    :ivar causes: failures since the start, by the name of their reason
    """

    def __init__(self) -> None:
        self._last: deque[Failed] = deque(maxlen=KEPT)
        self.causes: Counter[str] = Counter()

    def exchange_failed(self, exchange: Exchange) -> None:
        """*exchange* has ended with a reason."""
        reason = exchange.reason
        if reason is None or not is_failure(reason):
            return
        remedy = remedy_for(reason)
        self.causes[reason.name] += 1
        self._last.append(
            Failed(
                exchange.number,
                round(exchange.started_wall + exchange.request_time, 3),
                exchange.status,
                asked(exchange),
                exchange.client,
                exchange.route.name if exchange.route is not None else "",
                exchange.pool_name,
                exchange.peer_name,
                reason.name,
                reason.whose.value,
                reason.text,
                cut(exchange.detail),
                remedy.remedy if remedy is not None else "",
            )
        )

    def latest(self) -> list[Failed]:
        """All that are remembered, the latest first."""
        return list(reversed(self._last))


def asked(exchange: Exchange) -> str:
    """What *exchange* is about, for people: method, host and path."""
    head = exchange.head
    path, mark, _ = head.target.partition(b"?")
    return cut(b"".join((head.method, b" ", head.authority, path, mark and "?…".encode())).decode("utf-8", "backslashreplace"))


def cut(text: str) -> str:
    """*text* in so many characters as a table can show, none of which does anything but be seen."""
    seen = printable(text[: _SHOWN + 1])
    return seen if len(seen) <= _SHOWN else seen[: _SHOWN - 1] + "…"
