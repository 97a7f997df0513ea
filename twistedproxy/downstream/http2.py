"""
One HTTP/2 connection of a client: its streams become exchanges, as requests of HTTP/1 do (RFC 9113).

Frames, tables and the states of streams are :mod:`twistedproxy.wire.http2_connection`'s.  Here is what a server makes of them:
which requests are let in, when the connection ends, and what a client may do before it is sent away.
"""

from __future__ import annotations

import base64
import os
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.downstream.http2_stream import Stream
from twistedproxy.errors import RequestError
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import Field, Headers, RequestFields, RequestHead
from twistedproxy.transport.multiplexed import Multiplexed
from twistedproxy.wire.http2 import Malformed, parse_request, parse_trailers
from twistedproxy.wire.http2_floods import Flood, FrameLimits
from twistedproxy.wire.http2_frames import ALL_STREAMS, Code, Setting
from twistedproxy.wire.http2_stream import ConnectionProblem, StreamProblem, WireStream

if TYPE_CHECKING:
    from twistedproxy.downstream.http1 import DownstreamConnection

_log = Logger()

#: Seconds between the announcement that no more streams are taken and the number of the last one (RFC 9113 §6.8).
_NOTICE: Final = 1.0
#: Seconds for which a closed connection may take what is left for it.
_LINGER: Final = 2.0


@implementer(IProtocol)
class Http2Connection(Multiplexed):
    """
    A client's connection that speaks HTTP/2; it takes the place of the one that was there before that was known.

    :ivar streams: that live, by number: each counts until its exchange is over, whatever the client has done to it
    :ivar requests: begun on it, ever
    :ivar known: what was made of the last request's fields, and for whom
    """

    # The listener asks both kinds of connections for these.
    handshake = None

    def __init__(self, before: DownstreamConnection) -> None:
        settings = before.listener.settings
        announced = {
            Setting.MAX_CONCURRENT_STREAMS: settings.http2_max_streams,
            Setting.INITIAL_WINDOW_SIZE: settings.http2_window,
            Setting.MAX_HEADER_LIST_SIZE: settings.max_header_size,
            Setting.ENABLE_CONNECT_PROTOCOL: 1,
        }
        limits = FrameLimits(control=settings.http2_max_control_frames, resets=settings.http2_max_resets)
        # Who says a little too much is told so; who says far too much is sent away.
        super().__init__(before.site.deadlines, announced, limits, 2 * settings.max_header_size, is_client=False)
        self.listener = before.listener
        self.site = before.site
        self.number = before.number
        self.address = before.address
        self.client_port = before.client_port
        self.destination = before.destination
        self.port = before.port
        self.scheme = before.scheme
        self.secured = before.secured
        self.trusted = before.trusted
        self.trusted_proxies = before.trusted_proxies
        self.listener_name = before.listener_name
        self.opened = before.opened
        self.transport = before.transport
        self.requests = 0
        self.known: tuple[object, object, bytes] | None = None
        self.streams: dict[int, Stream] = {}
        self._most_streams = settings.http2_max_streams
        self._most_requests = settings.keepalive_requests
        self._keepalive_timeout = settings.keepalive_timeout
        self._closing = False
        self._last_taken = ALL_STREAMS
        #: The client opens no more streams.
        self._goes = False
        # The last request's fields, and what they mean: who repeats himself is understood once.
        self._known_fields: tuple[Field, ...] = ()
        self._known_head: RequestHead | None = None

    @property
    def client(self) -> str:
        """The address, as the status page and the shell call it."""
        return self.address

    @property
    def exchange(self) -> Exchange | None:
        """The oldest that runs, or None."""
        return next((stream.exchange for stream in self.streams.values() if stream.exchange is not None), None)

    @property
    def tunnel(self) -> Any:
        """The oldest tunnel when there is nothing else on the connection, or None."""
        tunnels = [stream.tunnel for stream in self.streams.values()]
        return tunnels[0] if tunnels and all(tunnel is not None for tunnel in tunnels) else None

    def start(self, data: bytes) -> None:
        """Speak HTTP/2 from now on; *data* has come already."""
        self.transport.protocol = self
        self.transport.registerProducer(self, True)
        deadlines = self.deadlines
        deadlines.watch(self, deadlines.now() + self.listener.settings.header_timeout)
        self.flush()
        if data:
            self.dataReceived(data)

    def makeConnection(self, transport: object) -> None:
        """The transport was connected before."""

    def connectionMade(self) -> None:
        """Likewise."""

    # Reading.

    def dataReceived(self, data: bytes) -> None:
        if self.ended:
            return
        self._busy = True
        try:
            self.wire.receive(data, self.deadlines.now())
        except Flood as flood:
            self._send_away(f"too many {flood}")
        except ConnectionProblem as problem:
            if problem.code is Code.ENHANCE_YOUR_CALM:
                self._send_away(str(problem), told=True)
            else:
                self._refused(errors.HTTP2_ERROR.name)
                _log.debug("{client}: {problem}", client=self.address, problem=problem)
                self._end()
        finally:
            self._busy = False
        if self.ended:
            return
        self.flush()
        if self._waiting:
            self._pump_all()
        if self._goes and not self.streams and not self.ended:
            self._end()

    def _send_away(self, why: str, *, told: bool = False) -> None:
        self._refused(errors.HTTP2_FLOOD.name)
        _log.warn("listener {name}: {client} is sent away: {why}", name=self.listener_name, client=self.address, why=why)
        if not told:
            self.wire.go_away(self.wire.highest, Code.ENHANCE_YOUR_CALM)
        self._end()

    def _refused(self, name: str) -> None:
        self.listener.refused[name] = self.listener.refused.get(name, 0) + 1

    def stream_opened(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        """A request."""
        if stream.number > self._last_taken or len(self.streams) >= self._most_streams:
            # Nobody has worked at it: the client may ask again (RFC 9113 §8.7).
            if len(self.streams) >= self._most_streams:
                self.wire.counter.reset()
            self.wire.reset(stream.number, Code.REFUSED_STREAM)
            return
        self.requests += 1
        head = self._known_head
        if head is None or not ended or fields != self._known_fields:
            try:
                head = self._understood(fields, ended)
            except Malformed as problem:
                self._refused(problem.reason.name)
                _log.debug("{client}: {problem}", client=self.address, problem=problem)
                raise StreamProblem(Code.PROTOCOL_ERROR, str(problem)) from None
            except RequestError as problem:
                self._refuse(stream, fields, problem)
                return
            if not (ended or head.fields.upgrade):
                stream.left = head.fields.length
        self.deadline = inf
        request = self.streams[stream.number] = Stream(self, stream, head)
        request.begin()
        if self.requests >= self._most_requests and self._last_taken == ALL_STREAMS:
            self.close_when_idle()

    def _understood(self, fields: tuple[Field, ...], ended: bool) -> RequestHead:
        key = base64.b64encode(os.urandom(16))
        head = parse_request(fields, self.listener.limits, ended=ended, key=key)
        if ended:
            self._known_fields = fields
            self._known_head = head
        return head

    def _refuse(self, stream: WireStream, fields: tuple[Field, ...], problem: RequestError) -> None:
        """Answer an error to a request that is not served."""
        self._refused(problem.reason.name)
        said = dict(fields)
        method, path = said.get(b":method", b"-"), said.get(b":path", b"-")
        head = RequestHead(
            method if method.isalpha() and len(method) < 20 else b"-",
            path[:512],
            20,
            RequestFields(Headers()),
            path=b"-",
            query=None,
            route_path=b"-",
            authority=b"",
        )
        self.deadline = inf
        request = self.streams[stream.number] = Stream(self, stream, head)
        assert request.exchange is not None
        request.exchange.refuse(problem.reason, problem.detail)

    def data_received(self, stream: WireStream, data: bytes, counted: int, ended: bool) -> None:
        """More of a request's body."""
        if stream.owner is not None:
            stream.owner.data_received(data, counted, ended)

    def fields_received(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        """The trailers of a request."""
        if not ended:
            raise StreamProblem(Code.PROTOCOL_ERROR, "trailers that do not end the stream (RFC 9113 §8.1)")
        try:
            trailers = parse_trailers(fields)
        except Malformed as problem:
            self._refused(problem.reason.name)
            raise StreamProblem(Code.PROTOCOL_ERROR, str(problem)) from None
        if stream.owner is not None:
            stream.owner.trailers_received(trailers)

    def stream_reset(self, stream: WireStream, code: int, remote: bool) -> None:
        """A stream has ended before its time."""
        stream.owner.lost()

    def went_away(self, last: int, code: int) -> None:
        """The client opens no more streams: that is no reason to end what runs (RFC 9113 §6.8)."""
        self._goes = True

    # Ending.

    def stream_over(self, stream: Stream) -> None:
        """Nothing goes on a stream any more."""
        self.streams.pop(stream.number, None)
        self.no_longer(stream)
        if self.streams or self.ended:
            return
        deadlines = self.deadlines
        if self._goes or self._last_taken != ALL_STREAMS:
            if not self._busy:
                self._end()
            elif self._last_taken != ALL_STREAMS:
                deadlines.watch(self, deadlines.now())
        else:
            deadlines.watch(self, deadlines.now() + self._keepalive_timeout)

    def close_when_idle(self) -> None:
        """Take no further streams, and end with the last that runs (RFC 9113 §6.8: first a notice, then the number)."""
        if self._closing or self.ended:
            return
        self._closing = True
        if not self.streams:
            self._last_taken = self.wire.highest
            self.wire.go_away(self._last_taken, Code.NO_ERROR)
            self._end()
        else:
            self.wire.go_away(ALL_STREAMS, Code.NO_ERROR)
            self.flush()
            deadlines = self.deadlines
            deadlines.watch(self, deadlines.now() + _NOTICE)

    def close_now(self) -> None:
        """Cut the connection, whatever goes on in it."""
        self.transport.abortConnection()

    def _end(self) -> None:
        """Close the connection when all was sent; what still runs on it is lost."""
        if self.ended:
            return
        self._busy = False
        self.send_out()
        self.ended = self.wire.over = True
        self._lose_streams()
        self.transport.unregisterProducer()
        deadlines = self.deadlines
        deadlines.watch(self, deadlines.now() + _LINGER)
        self.transport.loseConnection()

    def _lose_streams(self) -> None:
        for stream in list(self.streams.values()):
            stream.lost()

    def connectionLost(self, reason: Failure) -> None:
        self.ended = True
        self.wire.let_go()
        self._lose_streams()
        self.deadlines.forget(self)
        self.listener.closed(self)

    def deadline_passed(self, now: float) -> None:
        if self.ended:
            self.transport.abortConnection()
        elif self._closing and self._last_taken == ALL_STREAMS:
            self._last_taken = self.wire.highest
            self.wire.go_away(self._last_taken, Code.NO_ERROR)
            self.flush()
            if not self.streams:
                self._end()
        elif not self.streams:
            self.wire.go_away(self.wire.highest, Code.NO_ERROR)
            self._end()
