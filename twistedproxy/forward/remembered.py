"""
What is remembered of exchanges that have ended, so that their story can be told later.

On the way of a request a tuple is made of what the exchange has at hand, and put into a ring (``[site] remember``); what it
means is worked out when somebody asks.  It holds no connection, no body, and nothing that grows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twistedproxy.message import Headers, RequestFields, RequestHead

if TYPE_CHECKING:
    from twistedproxy.errors import Reason
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.routes import Route
    from twistedproxy.verdicts import Verdict

#: Bytes that are kept of the target of a large head.
_SHOWN: Final = 200

#: The values of a :class:`Remembered`, in their order.
Facts = tuple[Any, ...]


class Remembered(NamedTuple):
    """
    An exchange that has ended; each is as it was on :class:`twistedproxy.forward.exchange.Exchange`.

    :ivar started: monotonic time
    :ivar address: of whoever connected; *client* is the one whom trusted proxies report
    :ivar listener: the name of the one by which it came, to our *port*
    :ivar noted: holds its request id, if somebody has asked for that
    """

    number: int
    started: float
    client: str
    address: str
    listener: str
    port: int
    scheme: bytes
    head: RequestHead
    route: Route | None
    attempt: Attempt | None
    verdicts: list[Verdict]
    status: int
    answers_itself: bool
    bytes_received: int
    bytes_sent: int
    request_time: float
    cache_status: str
    reason: Reason | None
    detail: str
    noted: dict[str, str] | None

    @property
    def request_id(self) -> str:
        """Its id; empty when nobody was told of one."""
        return self.noted.get("request_id", "") if self.noted is not None else ""

    @property
    def attempts(self) -> list[Attempt]:
        """All tries, the first one first."""
        found = []
        attempt = self.attempt
        while attempt is not None:
            found.append(attempt)
            attempt = attempt.previous
        return found[::-1]

    @property
    def url(self) -> str:
        """What was asked for."""
        head = self.head
        return f"{self.scheme.decode('ascii')}://{head.authority.decode('latin-1')}{head.target.decode('latin-1')}"

    @property
    def ended(self) -> float:
        """Monotonic time."""
        return self.started + self.request_time


def facts(exchange: Exchange) -> Facts:
    """What is to be remembered of *exchange*."""
    downstream = exchange.downstream
    head = exchange.head
    return (
        exchange.number,
        exchange.started,
        exchange.client,
        downstream.address,
        downstream.listener_name,
        downstream.port,
        exchange.scheme,
        _shortened(head) if head.is_large else head,
        exchange.route,
        exchange.attempt,
        exchange.verdicts,
        exchange.status,
        exchange.answers_itself,
        exchange.bytes_received,
        exchange.bytes_sent,
        exchange.request_time,
        exchange.cache_status,
        exchange.reason,
        exchange.detail,
        exchange.noted,
    )


def _shortened(head: RequestHead) -> RequestHead:
    """What is kept of a large *head*: none of its fields, and the beginning of its target."""
    fields = RequestFields(Headers(), host=head.fields.host, port=head.fields.port, are_large=True)
    target = head.target[:_SHOWN]
    return RequestHead(
        head.method, target, head.version, fields, path=target, query=None, route_path=target, authority=head.authority[:_SHOWN]
    )


def resized(remembered: Iterable[Facts] | None, most: int) -> deque[Facts] | None:
    """A ring for *most* exchanges, with the latest of those that are *remembered*; None for no exchanges."""
    return deque(remembered or (), maxlen=most) if most else None
