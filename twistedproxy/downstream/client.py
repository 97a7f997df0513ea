"""
The connection of a client, whatever is spoken on it at the moment: how it ends, and the patience that we have with it.

An end is never a loss of what was sent: our side is closed first, then the client's, and only in time by force (RFC 9112 §9.6).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.addresses import Address
from twistedproxy.downstream.pace import Pace, time_to_look
from twistedproxy.errors import Reason
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.secured import Secured
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.transport.deadlines import Timed
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.transport.tunnel import Joined
from twistedproxy.wire.framing import BodyReader

if TYPE_CHECKING:
    from twistedproxy.downstream.listener import Listener
    from twistedproxy.transport.tls_handshake import IncomingTls

#: Seconds for which a closed connection is read on, so that the client gets to see the answer before a reset (RFC 9112 §9.6).
_LINGER: Final = 2.0
#: The patience with clients whose request took no route.
NO_ROUTE: Final = RouteKnobs(client_timeout=_LINGER, min_rate=0)


class Client(Timed):
    """
    A client's connection.

    :ivar number: among the connections of all listeners
    :ivar address: of the client or of the proxy before it
    :ivar destination: where it came to, if a PROXY protocol header says it
    :ivar opened: monotonic time
    :ivar requests: requests begun on it
    :ivar exchange: the one that runs, or None
    :ivar tunnel: what the connection has become part of, or None
    :ivar handshake: of TLS, as long as it goes on
    :ivar secured: what TLS says of it, as far as exchanges are concerned
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_closing",
        "_draining",
        "_expects_continue",
        "_half_closed",
        "_keep",
        "_lingering",
        "_pending_mark",
        "_reader",
        "_request_paused",
        "_sending_pace",
        "_settings",
        "_taking",
        "_taking_pace",
        "address",
        "client_port",
        "destination",
        "exchange",
        "handshake",
        "known",
        "listener",
        "listener_name",
        "number",
        "opened",
        "port",
        "requests",
        "scheme",
        "secured",
        "site",
        "transport",
        "trusted",
        "trusted_proxies",
        "tunnel",
    )

    def __init__(self, listener: Listener, address: str, client_port: int, port: int, number: int) -> None:
        super().__init__()
        self.listener = listener
        self.listener_name = listener.settings.name
        self.site = listener.site
        self.scheme = listener.scheme
        self.trusted_proxies = listener.trusted_proxies
        self.trusted = listener.trusts(address)
        self.address = address
        self.client_port = client_port
        self.destination: Address | None = None
        self.port = port
        self.number = number
        self.opened = listener.site.deadlines.now()
        self.requests = 0
        self.exchange: Exchange | None = None
        self.tunnel: Joined | None = None
        self.handshake: IncomingTls | None = None
        self.secured: Secured | None = None
        self.transport: Any = None
        self.known: tuple[object, object, bytes] | None = None
        #: What was read and not looked at yet.
        self._buffer = b""
        #: Of the running request's body, as long as it is not complete; *paused*: the peer has to take some of it first.
        self._reader: BodyReader | None = None
        self._request_paused = False
        #: It said that it may wait for a 100, and has got none.
        self._expects_continue = False
        #: Whether another request may follow.
        self._keep = True
        self._half_closed = False
        self._closing = False
        self._lingering = False
        #: An answer is complete and waits for the client; *draining*: so much that no further request is served.
        self._taking = False
        self._draining = False
        #: Of the route that was taken last.
        self._settings: RouteKnobs = NO_ROUTE
        self._sending_pace: Pace | None = None
        self._taking_pace: Pace | None = None
        #: The last byte that waited when we looked last, as ``transport.drained`` counts.
        self._pending_mark = 0

    @property
    def client(self) -> str:
        """The address, as the status page and the shell call it."""
        return self.address

    # What requests are.

    def _go_on(self) -> None:
        """Serve the next request if it is here, and read if there is room for more."""
        raise NotImplementedError

    def _refuse(self, reason: Reason, detail: str, data: bytes) -> None:
        """Answer an error to what is no request, and close."""
        raise NotImplementedError

    # Patience.

    def _expect_body(self) -> None:
        """The client has the rest of a request to send: see that it comes."""
        exchange = self.exchange
        if exchange is not None and exchange.route is not None:
            deadlines = self.site.deadlines
            now = deadlines.now()
            self._settings = exchange.route.settings
            self._sending_pace = Pace(now, 0)
            deadlines.watch(self, now + time_to_look(self._settings))

    def _watch_client(self) -> None:
        """Bytes wait for the client: see that it takes them in time."""
        exchange = self.exchange
        if (self._taking_pace is None or self.deadline == inf) and exchange is not None and exchange.route is not None:
            deadlines = self.site.deadlines
            now = deadlines.now()
            self._settings = exchange.route.settings
            if self._taking_pace is None:
                self._begin_to_take(now)
            if self.deadline == inf:
                deadlines.watch(self, now + time_to_look(self._settings))

    def _wait_for_client(self) -> None:
        """An answer is complete, and the client has yet to take it; while much of it waits, no further request is served."""
        transport = self.transport
        self._taking = True
        self._look_at_taking()
        if transport.pending > HIGH_WATER:
            self._draining = True
            transport.pauseProducing()
            transport.high_water = HIGH_WATER
            transport.registerProducer(_Room(self), True)

    def client_caught_up(self) -> None:
        """The client has taken the answers so far."""
        self.transport.unregisterProducer()
        self._draining = self._taking = False
        self._taking_pace = None
        if not self._closing:
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + self.listener.settings.keepalive_timeout)
            self._go_on()

    def _look_at_taking(self) -> None:
        deadlines = self.site.deadlines
        now = deadlines.now()
        if self._taking_pace is None:
            self._begin_to_take(now)
        deadlines.watch(self, now + time_to_look(self._settings))

    def _begin_to_take(self, now: float) -> None:
        transport = self.transport
        self._taking_pace = Pace(now, transport.acknowledged)
        self._pending_mark = transport.drained + transport.pending

    def _takes_too_slowly(self, now: float) -> bool:
        """
        Whether the client lets wait what waits for it.

        Bytes leave in order.  If all that waited at the last look is gone, the client keeps up, and what waits now has come
        since: a peer that sends little at a time is no fault of the client.
        """
        transport = self.transport
        if self._taking_pace is None or transport.drained >= self._pending_mark:
            self._begin_to_take(now)
            return False
        self._pending_mark = transport.drained + transport.pending
        return self._taking_pace.is_too_slow(now, transport.acknowledged, self._settings)

    def _sends_too_slowly(self, now: float, exchange: Exchange) -> bool:
        pace = self._sending_pace
        if pace is None:
            return False
        if self._request_paused:
            pace.is_held_back(now)
            return False
        if self._expects_continue and exchange.bytes_received == 0:
            # It waits for a 100, as it said that it would (RFC 9110 §10.1.1).
            pace.waits(now)
            return pace.has_stopped(now, 0, self._settings)
        return pace.is_too_slow(now, exchange.bytes_received, self._settings)

    def deadline_passed(self, now: float) -> None:
        exchange = self.exchange
        if self._lingering:
            self._lingered(now)
        elif exchange is None and self._taking:
            self._client_takes(now)
        elif exchange is None:
            if self._buffer or not self.requests:
                self._head_late()
            else:
                self._close()
        else:
            self._look_at_client(now, exchange)

    def _head_late(self) -> None:
        if self._buffer:
            self._refuse(errors.REQUEST_TIMEOUT, "the head is incomplete", self._buffer)
        else:
            # A connection that was opened ahead of need and never used: nothing was asked, nothing is answered.
            self._close()

    def _look_at_client(self, now: float, exchange: Exchange) -> None:
        if not self.transport.pending:
            self._taking_pace = None
            if self._half_closed and exchange.status == 0:
                self._give_up(errors.CLIENT_GONE)
                return
        elif self._takes_too_slowly(now):
            self._give_up(errors.CLIENT_STALLED)
            return
        if self._reader is not None and self._sends_too_slowly(now, exchange):
            self._keep = False
            exchange.request_malformed(errors.REQUEST_TIMEOUT, "the body stopped, or came too slowly")
        elif self._reader is not None or self.transport.pending:
            self.site.deadlines.watch(self, now + time_to_look(self._settings))

    def _client_takes(self, now: float) -> None:
        if not self.transport.pending:
            # From now on it is idle.
            self._taking = False
            self._taking_pace = None
            self.site.deadlines.watch(self, now + self.listener.settings.keepalive_timeout)
        elif self._takes_too_slowly(now):
            self.transport.abortConnection()
        else:
            self.site.deadlines.watch(self, now + time_to_look(self._settings))

    def _lingered(self, now: float) -> None:
        if not self.transport.pending:
            # Not aborted: the kernel may still have some of the answer on its way.
            self.transport.loseConnection()
        elif self._takes_too_slowly(now):
            self.transport.abortConnection()
        else:
            self.site.deadlines.watch(self, now + time_to_look(self._settings))

    # Ending.

    def cut(self) -> None:
        """Abort the connection: a client must not take the part for the whole (RFC 9112 §8)."""
        self.exchange = None
        self._reader = None
        self._closing = True
        self.transport.abortConnection()

    def _give_up(self, reason: Reason) -> None:
        """The client is as good as gone: cut the connection, and cancel what was done for it."""
        exchange = self.exchange
        assert exchange is not None
        self.cut()
        exchange.request_lost(reason)

    def _close(self) -> None:
        """Close so that the client gets to see all that was sent: our side first, then its, then, in time, by force."""
        self._closing = True
        self._buffer = b""
        if self.transport.disconnected:
            return
        self._linger()
        if self._half_closed:
            self.transport.loseConnection()
            return
        self.transport.loseWriteConnection()
        if not self.transport.reading:
            self.transport.resumeProducing()

    def _linger(self) -> None:
        self._lingering = True
        if self.transport.pending:
            self._look_at_taking()
        else:
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + _LINGER)

    def close_now(self) -> None:
        """Cut the connection, whatever goes on in it."""
        if self.tunnel is not None:
            self.tunnel.cut()
        else:
            self.transport.abortConnection()

    def close_when_idle(self) -> None:
        """Close after the running exchange, or at once when there is none."""
        self._keep = False
        if self.exchange is None and self.tunnel is None and not self._closing:
            if self._buffer or self.transport.pending:
                self._close()
            else:
                # Nothing was begun that the client could miss: no need to wait for it to agree.
                self._closing = True
                self.transport.loseConnection()

    def end_if_idle(self) -> None:
        """Close if nothing runs, and nothing has come that was not read yet."""
        if self.exchange is None and self.transport.is_quiet(and_open=False):
            self.close_when_idle()

    def readConnectionLost(self) -> None:
        """The client sends nothing more; it may still wait for its answer."""
        self._half_closed = True
        exchange = self.exchange
        if exchange is None:
            self.transport.loseConnection()
        elif self._reader is not None:
            self._give_up(errors.REQUEST_CUT)
        elif exchange.status == 0:
            # Nobody can tell a client that waits with its sending side closed from one that has left.
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + self.listener.settings.half_close_timeout)

    def writeConnectionLost(self) -> None:
        """Of no interest: we did that."""


@implementer(IPushProducer)
class _Room:
    """Hears when a client has taken what waits for it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Client) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        """Nothing is produced meanwhile."""

    def resumeProducing(self) -> None:
        self._connection.client_caught_up()

    def stopProducing(self) -> None:
        """The client is gone: its connection hears so itself."""
