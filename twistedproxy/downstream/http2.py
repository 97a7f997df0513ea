"""
One HTTP/2 connection of a client: its streams become exchanges, as requests of HTTP/1 do (RFC 9113).

The h2 library knows frames, HPACK and the states of streams.  Here is what a server makes of them: which requests are let in,
how the windows move with the peers' pace, when the connection ends, and what a client may do before it is sent away.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.downstream.http2_stream import QUANTUM, Stream
from twistedproxy.errors import RequestError
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import Field, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.transport.deadlines import Timed
from twistedproxy.wire.http2 import Malformed, parse_request, parse_trailers, response_fields
from twistedproxy.wire.http2_frames import Flood, FrameCounter, FrameLimits

if TYPE_CHECKING:
    from twistedproxy.downstream.http1 import DownstreamConnection

_log = Logger()

#: Bytes that a client may send on all its streams before some of them were taken.
_CONNECTION_WINDOW: Final = 1024 * 1024
#: Of which so many are taken before it is told.
_CONNECTION_UPDATE: Final = _CONNECTION_WINDOW // 4
#: What every connection begins with (RFC 9113 §6.9.2).
_FIRST_WINDOW: Final = 65_535
#: Seconds between the announcement that no more streams are taken and the number of the last one (RFC 9113 §6.8).
_NOTICE: Final = 1.0
#: Seconds for which a closed connection may take what is left for it.
_LINGER: Final = 2.0
#: Above every stream's number.
_ALL_STREAMS: Final = 2**31 - 1

_CONFIG: Final = H2Configuration(
    client_side=False,
    header_encoding=None,
    # wire/http2 validates, and resets a stream where the library would end the connection.
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


@implementer(IProtocol, IPushProducer)
class Http2Connection(Timed):
    """
    A client's connection that speaks HTTP/2; it takes the place of the one that was there before that was known.

    :ivar streams: that live, by number
    :ivar requests: begun on it, ever
    :ivar known: what was made of the last request's fields, and for whom
    :ivar frame_size: bytes of the largest DATA frame that the client takes
    """

    # The listener asks both kinds of connections for these.
    handshake = None

    def __init__(self, before: DownstreamConnection) -> None:
        super().__init__()
        self.listener = before.listener
        self.site = before.site
        self.number = before.number
        self.address = before.address
        self.client_port = before.client_port
        self.destination = before.destination
        self.port = before.port
        self.scheme = before.scheme
        self.trusted = before.trusted
        self.trusted_proxies = before.trusted_proxies
        self.listener_name = before.listener_name
        self.opened = before.opened
        self.transport: Any = before.transport
        self.requests = 0
        self.known: tuple[object, object, bytes] | None = None
        self.streams: dict[int, Stream] = {}
        settings = self.listener.settings
        self._h2 = H2Connection(_CONFIG)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: settings.http2_max_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: settings.http2_window,
                SettingCodes.MAX_HEADER_LIST_SIZE: settings.max_header_size,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            },
        )
        self._h2.decoder.max_header_list_size = settings.max_header_size
        limits = FrameLimits(control=settings.http2_max_control_frames, resets=settings.http2_max_resets)
        self._frames = FrameCounter(limits, self.site.deadlines.now())
        self.frame_size = self._h2.max_outbound_frame_size
        self._waiting: dict[int, Stream] = {}
        self._full = False
        self._reading = False
        self._ended = False
        self._closing = False
        self._last_taken = _ALL_STREAMS
        self._taken = 0
        # The last request's and the last answer's fields, and what they mean: who repeats himself is understood once.
        self._known_fields: list[Field] = []
        self._known_head: RequestHead | None = None
        self._answered: ResponseHead | None = None
        self._answer_fields: list[Field] = []

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
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - _FIRST_WINDOW)
        self.transport.registerProducer(self, True)
        deadlines = self.site.deadlines
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
        if self._ended:
            return
        self._reading = True
        try:
            for event in self._h2.receive_data(self._frames.feed(data, self.site.deadlines.now())):
                act = _ACTS.get(type(event))
                if act is not None and not self._ended:
                    act(self, event)
        except Flood as flood:
            self._send_away(ErrorCodes.ENHANCE_YOUR_CALM, f"too many {flood}")
        except ProtocolError as problem:
            # The library has put GOAWAY among what is to be sent.
            self._refused(errors.HTTP2_ERROR.name)
            _log.debug("{client}: {problem}", client=self.address, problem=problem)
            self._end()
        finally:
            self._reading = False
        self.flush()
        if self._frames.goaway and not self.streams and not self._ended:
            self._end()
            self.flush()

    def _send_away(self, code: ErrorCodes, why: str) -> None:
        self._refused(errors.HTTP2_FLOOD.name)
        _log.warn("listener {name}: {client} is sent away: {why}", name=self.listener_name, client=self.address, why=why)
        self._goaway(self._h2.highest_inbound_stream_id, code)
        self._end()

    def _refused(self, name: str) -> None:
        self.listener.refused[name] = self.listener.refused.get(name, 0) + 1

    def _request(self, event: RequestReceived) -> None:
        number = event.stream_id
        assert number is not None and event.headers is not None
        ended = event.stream_ended is not None
        if number > self._last_taken:
            self.reset(number, ErrorCodes.REFUSED_STREAM)
            return
        self.requests += 1
        fields: list[Field] = event.headers
        head = self._known_head
        if head is None or not ended or fields != self._known_fields:
            try:
                head = self._understood(fields, ended)
            except Malformed as problem:
                self._refused(problem.reason.name)
                _log.debug("{client}: {problem}", client=self.address, problem=problem)
                self._frames.reset()
                self.reset(number, ErrorCodes.PROTOCOL_ERROR)
                return
            except RequestError as problem:
                self._refuse(number, fields, problem, ended)
                return
        self.deadline = inf
        stream = self.streams[number] = Stream(self, number, head, ended=ended)
        stream.begin()
        if self.requests >= self.listener.settings.keepalive_requests and self._last_taken == _ALL_STREAMS:
            self.close_when_idle()

    def _understood(self, fields: list[Field], ended: bool) -> RequestHead:
        key = base64.b64encode(os.urandom(16))
        head = parse_request(fields, self.listener.limits, ended=ended, key=key)
        if ended:
            self._known_fields = fields
            self._known_head = head
        return head

    def _refuse(self, number: int, fields: list[Field], problem: RequestError, ended: bool) -> None:
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
        stream = self.streams[number] = Stream(self, number, head, ended=ended)
        assert stream.exchange is not None
        stream.exchange.refuse(problem.reason, problem.detail)

    def _data(self, event: DataReceived) -> None:
        counted = event.flow_controlled_length or 0
        self._taken += counted
        if self._taken >= _CONNECTION_UPDATE:
            self._h2.increment_flow_control_window(self._taken)
            self._taken = 0
        stream = self.streams.get(event.stream_id or 0)
        if stream is not None:
            stream.data_received(event.data or b"", counted, event.stream_ended is not None)

    def _trailers(self, event: TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            return
        fields: list[Field] = event.headers
        try:
            trailers = parse_trailers(fields)
        except Malformed as problem:
            self._refused(problem.reason.name)
            self._frames.reset()
            stream.reset(ErrorCodes.PROTOCOL_ERROR)
            stream.lost()
        else:
            stream.trailers_received(trailers)

    def _stream_reset(self, event: StreamReset) -> None:
        if not event.remote_reset:
            # The library reset it for what the client did: as dear as if the client had.
            self._frames.reset()
        stream = self.streams.get(event.stream_id or 0)
        if stream is not None:
            stream.lost()

    def _window_updated(self, event: WindowUpdated) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is not None:
            self.pump(stream)
        elif not event.stream_id:
            self._pump_all()

    def _settings_changed(self, event: RemoteSettingsChanged) -> None:
        self.frame_size = self._h2.max_outbound_frame_size
        self._pump_all()

    def _terminated(self, event: ConnectionTerminated) -> None:
        self._end()

    # Sending.

    def window(self, number: int) -> int:
        """Bytes that may be sent on a stream now: both windows allow them, and the connection takes them."""
        if self._full or self._ended:
            return 0
        return max(0, self._h2.local_flow_control_window(number))

    def send_fields(self, stream: Stream, fields: list[Field], ends: bool) -> None:
        """Send a head, or trailers; *ends*: nothing follows on the stream."""
        if not (self._ended or stream.gone):
            self._h2.send_headers(stream.number, fields, end_stream=ends)
            self.flush()

    def fields_of(self, head: ResponseHead) -> list[Field]:
        """The field list of a final answer; a head that is sent again and again is taken apart once."""
        if head is not self._answered:
            self._answer_fields = response_fields(head)
            self._answered = head
        return self._answer_fields

    def send_data(self, stream: Stream, data: bytes, ends: bool) -> None:
        """Send what the windows have room for."""
        if not (self._ended or stream.gone):
            self._h2.send_data(stream.number, data, end_stream=ends)
            self._frames.sent(1)

    def pump(self, stream: Stream) -> None:
        """Send what waits on *stream*, as far as possible; other streams that wait get their turns."""
        if stream.pending > QUANTUM and len(self._waiting) > 1:
            self._waiting[stream.number] = stream
            self._pump_all()
        else:
            stream.pump(stream.pending)
            self._pumped(stream)
        self.flush()

    def _pump_all(self) -> None:
        """Give every stream that waits its turn, again and again, as long as something can be sent."""
        sent = 1
        while sent and self._waiting and not self._full:
            sent = 0
            for stream in list(self._waiting.values()):
                sent += stream.pump(QUANTUM)
                self._pumped(stream)
            self.flush()

    def _pumped(self, stream: Stream) -> None:
        if stream.pending and not stream.gone:
            self._waiting[stream.number] = stream
        else:
            self._waiting.pop(stream.number, None)
            stream.pumped()

    def open_window(self, number: int, size: int) -> None:
        """The client may send *size* more bytes on a stream."""
        if not self._ended:
            try:
                self._h2.increment_flow_control_window(size, number)
            except H2Error:
                return  # the stream has ended meanwhile
            self.flush()

    def reset(self, number: int, code: ErrorCodes) -> None:
        """End a stream at once, both ways."""
        if not self._ended:
            try:
                self._h2.reset_stream(number, code)
            except H2Error:
                return  # it has ended by itself
            self.flush()

    def flush(self) -> None:
        """Send what the library has put together, unless more may join it in this moment."""
        if not self._reading:
            data = self._h2.data_to_send()
            if data and not self.transport.disconnected:
                self.transport.write(data)

    # As the transport's producer.

    def pauseProducing(self) -> None:
        """The client takes nothing: send nothing, and read nothing that would have to be answered."""
        self._full = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken what there was."""
        self._full = False
        self._pump_all()
        if not self._full and not self._ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The client is gone: :meth:`connectionLost` follows."""

    # Ending.

    def stream_over(self, stream: Stream) -> None:
        """Nothing goes on a stream any more."""
        self.streams.pop(stream.number, None)
        self._waiting.pop(stream.number, None)
        if self.streams or self._ended:
            return
        deadlines = self.site.deadlines
        if self._frames.goaway or self._last_taken != _ALL_STREAMS:
            if not self._reading:
                self._end()
            elif self._last_taken != _ALL_STREAMS:
                deadlines.watch(self, deadlines.now())
        else:
            deadlines.watch(self, deadlines.now() + self.listener.settings.keepalive_timeout)

    def close_when_idle(self) -> None:
        """Take no further streams, and end with the last that runs (RFC 9113 §6.8: first a notice, then the number)."""
        if self._closing or self._ended:
            return
        self._closing = True
        if not self.streams:
            self._last_taken = self._h2.highest_inbound_stream_id
            self._goaway(self._last_taken, ErrorCodes.NO_ERROR)
            self._end()
        else:
            self._goaway(_ALL_STREAMS, ErrorCodes.NO_ERROR)
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + _NOTICE)
        self.flush()

    def close_now(self) -> None:
        """Cut the connection, whatever goes on in it."""
        self.transport.abortConnection()

    def _goaway(self, last: int, code: ErrorCodes) -> None:
        # Past the library, for which a connection is dead that has sent this.
        if self.transport.disconnected:
            return
        frame = GoAwayFrame(0)
        frame.last_stream_id = last
        frame.error_code = code
        self.transport.write(self._h2.data_to_send() + frame.serialize())

    def _end(self) -> None:
        """Close the connection when all was sent; what still runs on it is lost."""
        if self._ended:
            return
        self.transport.write(self._h2.data_to_send())
        self._ended = True
        self._lose_streams()
        self.transport.unregisterProducer()
        deadlines = self.site.deadlines
        deadlines.watch(self, deadlines.now() + _LINGER)
        self.transport.loseConnection()

    def _lose_streams(self) -> None:
        for stream in list(self.streams.values()):
            stream.lost()

    def connectionLost(self, reason: Failure) -> None:
        self._ended = True
        self._lose_streams()
        self.site.deadlines.forget(self)
        self.listener.closed(self)

    def deadline_passed(self, now: float) -> None:
        if self._ended:
            self.transport.abortConnection()
        elif self._closing and self._last_taken == _ALL_STREAMS:
            self._last_taken = self._h2.highest_inbound_stream_id
            self._goaway(self._last_taken, ErrorCodes.NO_ERROR)
            if not self.streams:
                self._end()
        elif not self.streams:
            self._goaway(self._h2.highest_inbound_stream_id, ErrorCodes.NO_ERROR)
            self._end()


_ACTS: Final[dict[type[Event], Callable[[Http2Connection, Any], None]]] = {
    RequestReceived: Http2Connection._request,
    DataReceived: Http2Connection._data,
    TrailersReceived: Http2Connection._trailers,
    StreamReset: Http2Connection._stream_reset,
    WindowUpdated: Http2Connection._window_updated,
    RemoteSettingsChanged: Http2Connection._settings_changed,
    ConnectionTerminated: Http2Connection._terminated,
}
