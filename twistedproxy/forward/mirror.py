"""
Copies of requests for a second pool (``mirror``), whose answers nobody sees.

The copy runs beside the exchange that it copies, as one of its own: neither waits for the other, and what becomes of the copy
changes nothing for the client.  Bodies are copied as they come, up to ``mirror_max_body``; a request with a larger one is not
copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.forward.nobody import Nobody
from twistedproxy.forward.request_body import RequestBody
from twistedproxy.message import Headers
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.routes import Route

#: Copies of one route at a time: a second pool that hangs costs no more than these.
MOST: Final = 100


class Mirror:
    """
    A guard that lets everybody in, and copies.

    :ivar route: the copies'
    :ivar running: copies that run
    :ivar dropped: requests that were not copied: too many copies ran, or the body was too large
    """

    __slots__ = ("_max_body", "dropped", "route", "running")

    def __init__(self, route: Route, max_body: int) -> None:
        self.route = route
        self.running = 0
        self.dropped = 0
        self._max_body = max_body

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        fields = exchange.head.fields
        if fields.upgrade:
            # A second WebSocket would need somebody to talk to.
            return True
        if self.running >= MOST or fields.length > self._max_body:
            self.dropped += 1
            return True
        copying = Copying(self, exchange)
        if exchange.request_complete:
            copying.start()
        else:
            exchange.copying = copying
        return True

    def ended(self) -> None:
        """A copy has ended."""
        self.running -= 1

    @property
    def max_body(self) -> int:
        """Bytes of a body that are copied."""
        return self._max_body


class Copying:
    """The copy of one request, until its body is complete."""

    __slots__ = ("_body", "_exchange", "_mirror")

    def __init__(self, mirror: Mirror, exchange: Exchange) -> None:
        self._mirror = mirror
        self._exchange = exchange
        self._body = RequestBody()
        if exchange.content is not None:
            self._body.add(exchange.content.pieces(), False)

    def more(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> bool:
        """More of the body has come; False: no more is wanted."""
        self._body.add(pieces, False)
        self._body.trailers = trailers
        if self._body.size > self._mirror.max_body:
            self._mirror.dropped += 1
            return False
        if ended:
            self.start()
        return not ended

    def start(self) -> None:
        """Send the copy."""
        mirror = self._mirror
        original = self._exchange
        mirror.running += 1
        copy = original.copied(Nobody(original.downstream, mirror.ended))
        copy.route = mirror.route
        if self._body.size:
            copy.content = self._body
        mirror.route.requests += 1
        copy.site.reactor.callLater(0, _begin, copy)


def _begin(copy: Exchange) -> None:
    """Not in the middle of the original's own work."""
    if copy.site.stopping:
        copy.fail(errors.STOPPING)
    else:
        copy.choose()
