"""
One stream of an HTTP/2 connection: what an exchange takes for its client (:class:`twistedproxy.forward.site.Downstream`).

What is to be sent waits here until both windows of flow control (RFC 9113 §5.2) and the connection have room; the exchange is
held back meanwhile.  What comes opens the client's window again only as fast as a peer takes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from h2.errors import ErrorCodes

from twistedproxy import errors
from twistedproxy.addresses import Address
from twistedproxy.downstream.client import NO_ROUTE
from twistedproxy.downstream.pace import Pace, time_to_look
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import Headers, RequestHead, ResponseHead
from twistedproxy.settings import RouteKnobs
from twistedproxy.transport.deadlines import Timed
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.http2 import response_fields, trailer_fields

if TYPE_CHECKING:
    from twistedproxy.downstream.http2 import Http2Connection
    from twistedproxy.forward.clients import TrustedProxies

#: Bytes that a stream sends before it is another one's turn.
QUANTUM: Final = 64 * 1024
#: Bytes that a peer has taken before the client's window is opened by them.
_UPDATE: Final = 16 * 1024


class Stream(Timed):
    """
    A stream, from its request to the end of both directions.

    :ivar number: odd (RFC 9113 §5.1.1)
    :ivar exchange: the one that it carries, until that is over
    :ivar pending: bytes of the answer that wait for windows or for the connection
    :ivar tunnel: what it has become by an extended CONNECT (RFC 8441), or None
    """

    __slots__ = (
        "_ending",
        "_head",
        "_knobs",
        "_paused",
        "_producer",
        "_producer_paused",
        "_queue",
        "_received_end",
        "_sending_pace",
        "_sent",
        "_sent_end",
        "_taking_pace",
        "_trailers",
        "_unacknowledged",
        "address",
        "carrier",
        "client_port",
        "connection",
        "exchange",
        "gone",
        "listener_name",
        "number",
        "pending",
        "port",
        "scheme",
        "transport",
        "trusted",
        "trusted_proxies",
        "tunnel",
    )

    address: str
    client_port: int
    trusted: bool
    trusted_proxies: TrustedProxies
    scheme: bytes
    port: int
    listener_name: str

    def __init__(self, connection: Http2Connection, number: int, head: RequestHead, *, ended: bool) -> None:
        super().__init__()
        self.connection = connection
        self.number = number
        self.address = connection.address
        self.client_port = connection.client_port
        self.trusted = connection.trusted
        self.trusted_proxies = connection.trusted_proxies
        self.scheme = connection.scheme
        self.port = connection.port
        self.listener_name = connection.listener_name
        self.transport: Any = self
        self.tunnel: Any = None
        #: Takes what comes when the stream is a tunnel's end.
        self.carrier: Any = None
        self.pending = 0
        self.gone = False
        self._head = head
        self._queue: deque[Piece] = deque()
        self._trailers: Headers | None = None
        self._ending = False
        self._knobs: RouteKnobs = NO_ROUTE
        #: Bytes that have gone out, and whether the end has.
        self._sent = 0
        self._sent_end = False
        self._received_end = ended
        self._paused = False
        self._unacknowledged = 0
        self._producer: Any = None
        self._producer_paused = False
        self._sending_pace: Pace | None = None
        self._taking_pace: Pace | None = None
        self.exchange: Exchange | None = Exchange(connection.site, self, head)

    @property
    def destination(self) -> Address | None:
        """Where the connection came to, if a PROXY protocol header says it."""
        return self.connection.destination

    @property
    def known(self) -> tuple[object, object, bytes] | None:
        """What was made of the last request's fields: all streams of a connection share it."""
        return self.connection.known

    @known.setter
    def known(self, known: tuple[object, object, bytes] | None) -> None:
        self.connection.known = known

    # What comes from the client.

    def begin(self) -> None:
        """The request is here, perhaps but for its body."""
        exchange = self.exchange
        assert exchange is not None
        if not (self._received_end or self._is_connect):
            deadlines = self.connection.site.deadlines
            now = deadlines.now()
            self._sending_pace = Pace(now, 0)
            deadlines.watch(self, now + time_to_look(self._settings))
        exchange.begin((), self._received_end or self._is_connect)

    @property
    def _is_connect(self) -> bool:
        """Whether the request is an extended CONNECT, behind which comes no body but the WebSocket's bytes."""
        return bool(self._head.fields.upgrade)

    def data_received(self, data: bytes, counted: int, ended: bool) -> None:
        """A part of the request's body; *counted*: bytes of the windows that it took, padding included."""
        self._received_end = ended
        self._unacknowledged += counted
        if self.carrier is not None:
            if data:
                self.carrier.data_received(data)
            if ended and self.carrier is not None:
                self.carrier.ended()
        elif self.exchange is not None and not self._is_connect:
            self.exchange.request_body((data,) if data else (), ended, None)
        if not self._paused:
            self._acknowledge()

    def trailers_received(self, trailers: Headers) -> None:
        """The end of the request's body."""
        self._received_end = True
        if self.exchange is not None:
            self.exchange.request_body((), True, trailers)

    def _acknowledge(self) -> None:
        if self._unacknowledged >= _UPDATE and not (self._received_end or self.gone):
            self.connection.open_window(self.number, self._unacknowledged)
            self._unacknowledged = 0

    def pause_request(self) -> None:
        """Open no window: the client sends what fits, which is kept, and no more."""
        self._paused = True

    def resume_request(self) -> None:
        if self._paused:
            self._paused = False
            if self._sending_pace is not None:
                self._sending_pace.is_held_back(self.connection.site.deadlines.now())
            self._acknowledge()
            self.connection.flush()

    def lost(self) -> None:
        """The client has reset the stream, or is gone."""
        self._leave()
        exchange, carrier = self.exchange, self.carrier
        if carrier is not None:
            carrier.lost()
        elif exchange is not None:
            exchange.request_lost(errors.CLIENT_GONE if self._received_end else errors.REQUEST_CUT)

    def _leave(self) -> None:
        self.gone = True
        self._queue.clear()
        self.pending = 0
        self.connection.site.deadlines.forget(self)
        self.connection.stream_over(self)

    # What goes to the client.

    def interim(self, head: ResponseHead) -> None:
        self.connection.send_fields(self, response_fields(head), False)

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        if self.gone:
            return
        empty = self._head.method == b"HEAD" or head.status in (204, 304)
        if empty or (ended and not any(pieces)):
            self._sent_end = True
            self.connection.send_fields(self, self.connection.fields_of(head), True)
            return
        self.connection.send_fields(self, self.connection.fields_of(head), False)
        self._ending = ended
        self._add(pieces)

    def body(self, pieces: Sequence[Piece]) -> None:
        if not (self._sent_end or self.gone):
            self._add(pieces)

    def end(self, trailers: Headers) -> None:
        if not (self._sent_end or self.gone):
            self._ending = True
            if trailers.items:
                self._trailers = trailers
            self.connection.pump(self)

    def _add(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            if piece:
                self._queue.append(piece)
                self.pending += len(piece)
        self.connection.pump(self)
        if self.pending:
            self._watch_client()
            if self._producer is not None and not self._producer_paused and self.pending > HIGH_WATER:
                self._producer_paused = True
                self._producer.pauseProducing()

    def write(self, data: bytes) -> None:
        """As a transport: bytes of a tunnel."""
        if not (self._ending or self._sent_end or self.gone):
            self._add((data,))

    def pump(self, most: int) -> int:
        """Send up to *most* bytes of what waits, as far as the windows allow; the number of bytes sent."""
        connection = self.connection
        left = most = min(most, connection.window(self.number))
        queue = self._queue
        while queue and left > 0:
            piece = queue[0]
            size = min(len(piece), left, connection.frame_size)
            last = size == len(piece) and len(queue) == 1 and self._ending and self._trailers is None
            if size == len(piece):
                queue.popleft()
                connection.send_data(self, bytes(piece), last)
            else:
                view = memoryview(piece)
                queue[0] = view[size:]
                connection.send_data(self, bytes(view[:size]), False)
            self.pending -= size
            self._sent += size
            left -= size
            self._sent_end = last
        if not queue and self._ending and not self._sent_end:
            self._sent_end = True
            if self._trailers is not None:
                connection.send_fields(self, trailer_fields(self._trailers), True)
            else:
                connection.send_data(self, b"", True)
        return most - left

    def pumped(self) -> None:
        """As much as possible was sent: let the producer go on, and the stream end, if nothing waits any more."""
        if self.pending:
            return
        if self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if self._sent_end:
            if self.carrier is not None:
                self.carrier.flushed()
            self._settle()

    def cut(self) -> None:
        """Reset the stream: the client must not take the part for the whole (RFC 9113 §8.1.1)."""
        self.reset(ErrorCodes.INTERNAL_ERROR)

    def reset(self, code: ErrorCodes) -> None:
        """Nothing more goes either way."""
        if not self.gone:
            self.connection.reset(self.number, code)
            self._leave()

    def exchange_over(self) -> None:
        if self.pending:
            self._watch_client()
        self.exchange = None
        self._settle()

    def _settle(self) -> None:
        """Let go of the stream when its exchange is over and all was sent."""
        if self.exchange is None and self._sent_end and not self.pending and not self.gone:
            if not self._received_end:
                # The answer is complete, and nobody wants the rest of the request (RFC 9113 §8.1).
                self.connection.reset(self.number, ErrorCodes.NO_ERROR)
            self._leave()

    # As the exchange's transport.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Hold *producer* back while much waits for the client."""
        self._producer = producer
        if self.pending > HIGH_WATER:
            self._producer_paused = True
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """The producer is done."""
        self._producer = None
        self._producer_paused = False

    # The client's patience, and ours.

    @property
    def _settings(self) -> RouteKnobs:
        """Of the route that the request took, from when that is known."""
        if self.exchange is not None and self.exchange.route is not None:
            self._knobs = self.exchange.route.settings
        return self._knobs

    def _watch_client(self) -> None:
        """Bytes wait for the client: see that it opens its windows in time."""
        if self._taking_pace is None and self.carrier is None:
            deadlines = self.connection.site.deadlines
            now = deadlines.now()
            self._taking_pace = Pace(now, self._sent)
            if self.deadline == inf:
                deadlines.watch(self, now + time_to_look(self._settings))

    def deadline_passed(self, now: float) -> None:
        settings = self._settings
        if not self.pending:
            self._taking_pace = None
        elif self._taking_pace is not None and self._taking_pace.is_too_slow(now, self._sent, settings):
            self._give_up(ErrorCodes.CANCEL)
            return
        exchange, pace = self.exchange, self._sending_pace
        sends = exchange is not None and pace is not None and not self._received_end
        if exchange is not None and pace is not None and sends:
            if self._paused:
                pace.is_held_back(now)
            elif pace.is_too_slow(now, exchange.bytes_received, settings):
                exchange.request_malformed(errors.REQUEST_TIMEOUT, "the body stopped, or came too slowly")
                return
        if sends or self.pending:
            self.connection.site.deadlines.watch(self, now + time_to_look(settings))

    def _give_up(self, code: ErrorCodes) -> None:
        exchange, self.exchange = self.exchange, None
        self.reset(code)
        if exchange is not None:
            exchange.request_lost(errors.CLIENT_STALLED)

    # Extended CONNECT (RFC 8441).

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Answer 200 where HTTP/1.1 says 101; the stream's two directions are the tunnel's from now on."""
        from twistedproxy.downstream.http2_tunnel import TunnelEnd

        left_out = {b"connection", b"upgrade", b"sec-websocket-accept"}
        accepted = ResponseHead(200, b"", head.headers.without(left_out), length=-1)
        self.connection.send_fields(self, response_fields(accepted), False)
        self.connection.site.deadlines.forget(self)
        self.carrier = TunnelEnd(self)
        return self.carrier, b""

    def tunnel_began(self, tunnel: Any) -> None:
        self.tunnel = tunnel

    @property
    def received_end(self) -> bool:
        """Whether the client sends nothing more on this stream."""
        return self._received_end

    def end_sending(self) -> None:
        """As :meth:`end`, of a tunnel."""
        self.end(_NONE)


_NONE: Final = Headers()
