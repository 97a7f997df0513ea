"""
One stream of an HTTP/2 connection: what an exchange takes for its client (:class:`twistedproxy.forward.site.Downstream`).

What is to be sent waits here until both windows of flow control (RFC 9113 §5.2) and the connection have room; the exchange is
held back meanwhile.  What comes opens the client's window again only as fast as a peer takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twistedproxy import errors
from twistedproxy.addresses import Address
from twistedproxy.downstream.client import NO_ROUTE
from twistedproxy.downstream.http2_tunnel import TunnelEnd
from twistedproxy.downstream.pace import Pace, time_to_look
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import Headers, RequestHead, ResponseHead
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.transport.multiplexed import SendingStream
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.hpack import encode
from twistedproxy.wire.http2 import response_fields, trailer_fields
from twistedproxy.wire.http2_frames import Code
from twistedproxy.wire.http2_stream import WireStream

if TYPE_CHECKING:
    from twistedproxy.downstream.http2 import Http2Connection
    from twistedproxy.forward.clients import TrustedProxies

#: Fields of HTTP/1.1's answer to a WebSocket's handshake that have no place in that of RFC 8441.
_OF_HANDSHAKES: Final = frozenset((b"connection", b"upgrade", b"sec-websocket-accept"))


class Stream(SendingStream):
    """
    A stream, from its request to the end of both directions.

    :ivar exchange: the one that it carries, until that is over
    :ivar carrier: takes what comes when the stream is a tunnel's end
    :ivar tunnel: what it has become by an extended CONNECT (RFC 8441), or None
    """

    __slots__ = (
        "_early",
        "_head",
        "_knobs",
        "_sending_pace",
        "_taking_pace",
        "address",
        "carrier",
        "client_port",
        "exchange",
        "listener_name",
        "port",
        "scheme",
        "secured",
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

    def __init__(self, connection: Http2Connection, wire: WireStream, head: RequestHead) -> None:
        super().__init__(connection)
        self.wire = wire
        self.number = wire.number
        self.received_end = wire.theirs_over
        wire.owner = self
        self.address = connection.address
        self.client_port = connection.client_port
        self.trusted = connection.trusted
        self.trusted_proxies = connection.trusted_proxies
        self.scheme = connection.scheme
        self.secured = connection.secured
        self.port = connection.port
        self.listener_name = connection.listener_name
        self.tunnel: Any = None
        self.carrier: TunnelEnd | None = None
        self._head = head
        #: What came behind an extended CONNECT before that was answered.
        self._early = b""
        self._knobs: RouteKnobs = NO_ROUTE
        self._sending_pace: Pace | None = None
        self._taking_pace: Pace | None = None
        self.exchange: Exchange | None = Exchange(connection.site, self, head)

    @property
    def destination(self) -> Address | None:
        """Where the connection came to, if a PROXY protocol header says it."""
        destination: Address | None = self.connection.destination
        return destination

    @property
    def known(self) -> tuple[object, object, bytes] | None:
        """What was made of the last request's fields: all streams of a connection share it."""
        known: tuple[object, object, bytes] | None = self.connection.known
        return known

    @known.setter
    def known(self, known: tuple[object, object, bytes] | None) -> None:
        self.connection.known = known

    @property
    def transport(self) -> Any:
        """Takes the answer's bytes: itself."""
        return self

    # What comes from the client.

    def begin(self) -> None:
        """The request is here, perhaps but for its body."""
        exchange = self.exchange
        assert exchange is not None
        if self.received_end or self._is_connect:
            self._paused = self._is_connect
            exchange.begin((), True)
            return
        deadlines = self.connection.deadlines
        now = deadlines.now()
        self._sending_pace = Pace(now, 0)
        deadlines.watch(self, now + time_to_look(self._settings))
        exchange.begin((), False)

    @property
    def _is_connect(self) -> bool:
        """Whether the request is an extended CONNECT, behind which comes no body but the WebSocket's bytes."""
        return bool(self._head.fields.upgrade)

    def data_received(self, data: bytes, counted: int, ended: bool) -> None:
        """A part of the request's body; *counted*: bytes of the windows that it took, padding included."""
        self.received_end = ended
        if self.carrier is not None:
            if data:
                self.carrier.data_received(data)
            if ended and self.carrier is not None:
                self.carrier.ended()
        elif self._is_connect:
            # Before the peer has agreed; at most a window of it comes.
            self._early += data
        elif self.exchange is not None:
            self.exchange.request_body((data,) if data else (), ended, None)
        self.acknowledge(counted)

    def trailers_received(self, trailers: Headers) -> None:
        """The end of the request's body."""
        self.received_end = True
        if self.carrier is not None:
            self.carrier.ended()
        elif self.exchange is not None and not self._is_connect:
            self.exchange.request_body((), True, trailers)

    def pause_request(self) -> None:
        """Open no window: the client sends what fits, which is kept, and no more."""
        self.pauseProducing()

    def resume_request(self) -> None:
        """Open it again."""
        if self._paused:
            if self._sending_pace is not None:
                self._sending_pace.is_held_back(self.connection.deadlines.now())
            self.resumeProducing()

    def lost(self) -> None:
        """The client has reset the stream, or is gone."""
        self._leave()
        exchange, carrier = self.exchange, self.carrier
        if carrier is not None:
            carrier.lost()
        elif exchange is not None:
            exchange.request_lost(errors.CLIENT_GONE if self.received_end else errors.REQUEST_CUT)

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            self.drop()
            self.connection.deadlines.forget(self)
            if self.exchange is None:
                self.connection.stream_over(self)

    # What goes to the client.

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer, which precedes the final one."""
        if not (self.gone or self.sent_end) and self.wire is not None:
            self.connection.wire.send_fields(self.wire, encode(response_fields(head)), False)
            self.connection.flush()

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The final answer begins."""
        if self.gone:
            return
        if self._is_connect and head.status < 300:
            # Not to a CONNECT, to which it would say that there is a WebSocket (RFC 8441 §5).
            self._refuse_connect()
            return
        block = head.block
        if block is None:
            block = head.block = encode(response_fields(head))
        connection = self.connection
        without_body = self._head.method == b"HEAD" or head.status in (204, 304)
        if head.length > 0 and not without_body and b"content-length" not in head.headers.index:
            block += encode([(b"content-length", b"%d" % head.length)])
        if without_body or (ended and not any(pieces)):
            self.sent_end = True
            connection.wire.send_fields(self.wire, block, True)
            connection.flush()
            return
        connection.wire.send_fields(self.wire, block, False)
        self._ending = ended
        self._send(pieces)

    def _refuse_connect(self) -> None:
        self.sent_end = True
        self.connection.wire.send_fields(self.wire, encode([(b":status", b"502"), (b"content-length", b"0")]), True)
        self.connection.flush()

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of it."""
        if not (self.sent_end or self.gone):
            self._send(pieces)

    def end(self, trailers: Headers) -> None:
        """That was all of it."""
        if not (self.sent_end or self.gone):
            fields = trailer_fields(trailers) if trailers.items else None
            self.finish(encode(fields) if fields else None)

    def _send(self, pieces: Sequence[Piece]) -> None:
        self.add(pieces)
        if self.pending:
            self._watch_client()

    def write(self, data: bytes) -> None:
        """As a transport: bytes of a tunnel."""
        if not (self._ending or self.sent_end or self.gone):
            self._send((data,))

    def all_sent(self) -> None:
        """Let the producer go on, and the stream end, if nothing waits any more."""
        if self.pending:
            return
        super().all_sent()
        if self.sent_end:
            if self.carrier is not None:
                self.carrier.flushed()
            self._settle()

    def cut(self) -> None:
        """Reset the stream: the client must not take the part for the whole (RFC 9113 §8.1.1)."""
        self.reset(Code.INTERNAL_ERROR)

    def reset(self, code: Code) -> None:
        """Nothing more goes either way."""
        if not self.gone:
            self.send_reset(code)
            self._leave()

    def exchange_over(self) -> None:
        """The exchange needs nothing more of the stream."""
        self.exchange = None
        if self.gone:
            self.connection.stream_over(self)
            return
        if self.pending:
            self._watch_client()
        self._settle()

    def _settle(self) -> None:
        """Let go of the stream when its exchange is over and all was sent."""
        if self.exchange is None and self.sent_end and not self.pending and not self.gone:
            if not self.received_end:
                # The answer is complete, and nobody wants the rest of the request (RFC 9113 §8.1).
                self.send_reset(Code.NO_ERROR)
            self._leave()

    def getHost(self) -> Any:
        """As the exchange's transport: our address."""
        return self.connection.transport.getHost()

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
            deadlines = self.connection.deadlines
            now = deadlines.now()
            self._taking_pace = Pace(now, self.sent)
            if self.deadline == inf:
                deadlines.watch(self, now + time_to_look(self._settings))

    def look_soon(self) -> None:
        """Let :meth:`TunnelEnd.over` be called before long."""
        deadlines = self.connection.deadlines
        deadlines.watch(self, deadlines.now())

    def deadline_passed(self, now: float) -> None:
        if self.carrier is not None:
            self.carrier.over()
            return
        settings = self._settings
        if not self.pending:
            self._taking_pace = None
        elif self._taking_pace is not None and self._taking_pace.is_too_slow(now, self.sent, settings):
            self._give_up(Code.CANCEL)
            return
        exchange, pace = self.exchange, self._sending_pace
        sends = exchange is not None and pace is not None and not self.received_end
        if exchange is not None and pace is not None and sends:
            if self._paused:
                pace.is_held_back(now)
            elif exchange.answered:
                # A conversation, which may be as slow as it likes, in either direction.
                if pace.has_stopped(now, exchange.bytes_received + self.sent, settings):
                    exchange.request_malformed(errors.REQUEST_TIMEOUT, "nothing moved in either direction")
                    return
            elif pace.is_too_slow(now, exchange.bytes_received, settings):
                exchange.request_malformed(errors.REQUEST_TIMEOUT, "the body stopped, or came too slowly")
                return
        if sends or self.pending:
            self.connection.deadlines.watch(self, now + time_to_look(settings))

    def _give_up(self, code: Code) -> None:
        exchange, self.exchange = self.exchange, None
        self.reset(code)
        if exchange is not None:
            exchange.request_lost(errors.CLIENT_STALLED)

    # Extended CONNECT (RFC 8441).

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Answer 200 where HTTP/1.1 says 101; the stream's two directions are the tunnel's from now on."""
        accepted = ResponseHead(200, b"", head.headers.without(_OF_HANDSHAKES), length=-1)
        self.connection.wire.send_fields(self.wire, encode(response_fields(accepted)), False)
        self.connection.flush()
        self.connection.deadlines.forget(self)
        self.carrier = TunnelEnd(self)
        early, self._early = self._early, b""
        return self.carrier, early

    def tunnel_began(self, tunnel: Any) -> None:
        self.tunnel = tunnel

    def end_sending(self) -> None:
        """As :meth:`end`, of a tunnel."""
        if not (self._ending or self.gone):
            self.finish(None)
