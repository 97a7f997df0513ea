"""
One HTTP/2 connection to a peer: many requests at a time, and what becomes of them when it ends.

A request that the peer has not looked at, as it says itself (GOAWAY, REFUSED_STREAM; RFC 9113 §6.8, §8.7), may be sent again
whatever its method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.errors import Reason, ResponseError
from twistedproxy.message import Field, ResponseHead
from twistedproxy.transport.multiplexed import Multiplexed
from twistedproxy.upstream.http2_stream import UpstreamStream
from twistedproxy.upstream.unreached import why_not_connected
from twistedproxy.wire.http2_answers import parse_answer
from twistedproxy.wire.http2_floods import Flood, FrameLimits
from twistedproxy.wire.http2_frames import Code, Setting
from twistedproxy.wire.http2_stream import ConnectionProblem, WireStream

if TYPE_CHECKING:
    from twistedproxy.upstream.http2_connector import Http2Connector

_log = Logger()

#: Bytes of an answer that a peer may send ahead of its client.
_WINDOW: Final = 256 * 1024
#: Bytes of an answer's fields.
_MOST_FIELDS: Final = 64 * 1024
_SETTINGS: Final = {Setting.ENABLE_PUSH: 0, Setting.INITIAL_WINDOW_SIZE: _WINDOW, Setting.MAX_HEADER_LIST_SIZE: _MOST_FIELDS}
#: A peer is trusted to know what its frames are for; these are no attack's numbers, but those of a fault.
_LIMITS: Final = FrameLimits(control=10_000, resets=10_000)
#: No stream is opened above this number: there are others (RFC 9113 §5.1.1).
_LAST_STREAM: Final = 2**30
#: Streams at a time, before the peer has said how many it takes, and however many it takes.
MOST_STREAMS: Final = 1000
#: Seconds for which a connection that was given up may take what is left for it.
_LINGER: Final = 2.0


@implementer(IProtocol)
class PeerConnection(Multiplexed):
    """
    A connection to one peer.

    :ivar streams: requests that run on it, or wait until it stands
    :ivar answered: requests that were answered on it, ever
    :ivar stands: the peer has said its settings: requests may be sent
    :ivar leaving: no further requests
    :ivar idle: it stands, and no request runs on it
    :ivar reads: times that something came
    :ivar unsaid: streams whose answers have begun in this moment
    """

    def __init__(self, connector: Http2Connector, peer: Any) -> None:
        super().__init__(connector.deadlines, _SETTINGS, _LIMITS, _MOST_FIELDS, is_client=True)
        self._connector = connector
        self.peer = peer
        self.streams: dict[UpstreamStream, None] = {}
        self.answered = 0
        self.connected_at = 0.0
        self.stands = False
        self.leaving = False
        self.idle = False
        self.unsaid: list[UpstreamStream] = []
        self.cancel_dialling: Any = None
        self.reads = 0
        # The last answer's fields, and what they mean: a peer that repeats itself is understood once.
        self._known_fields: tuple[Field, ...] = ()
        self._known_method = b""
        self._known_head: ResponseHead | None = None

    # For the connector.

    @property
    def has_room(self) -> bool:
        """Whether it takes another request, now or when it stands."""
        most = min(self.wire.most_streams, MOST_STREAMS)
        return not (self.leaving or self.ended) and len(self.streams) < most and self.wire.highest < _LAST_STREAM

    def stream(self) -> UpstreamStream:
        """A stream for a request; it counts from now on."""
        stream = UpstreamStream(self)
        self.streams[stream] = None
        if self.idle:
            self._connector.forget(self)
        stream.stands = self.stands
        return stream

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last request ended: a farewell, perhaps."""
        quiet: bool = self.transport.is_quiet(and_open=True)
        return quiet

    # Making the connection.

    def makeConnection(self, transport: Any) -> None:
        self.cancel_dialling = None
        if not self.streams:
            transport.abortConnection()
            return
        alpn = getattr(transport, "alpn", b"h2")
        if alpn != b"h2":
            said = alpn.decode("ascii", "replace") or "nothing"
            self._lose(errors.TLS_FAILED, f"the peer does not speak HTTP/2: by ALPN it says {said}")
            transport.abortConnection()
            return
        self.transport = transport
        transport.registerProducer(self, True)
        self.flush()

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def begin(self, stream: UpstreamStream) -> None:
        """Open *stream* on the wire."""
        stream.wire = self.wire.open(stream)
        stream.number = stream.wire.number
        stream.again = self.answered > 0

    # Reading.

    def dataReceived(self, data: bytes) -> None:
        if self.ended:
            return
        self._busy = True
        self.reads += 1
        try:
            self.wire.receive(data, self.deadlines.now())
            for stream in self.unsaid:
                stream.tell_head()
        except (Flood, ConnectionProblem) as problem:
            self._busy = False
            self._break(problem)
            return
        finally:
            self.unsaid.clear()
            self._busy = False
        if not self.stands and self.wire.settled:
            self._stands()
        self.flush()
        if self._waiting:
            self._pump_all()
        self._look_round()

    def _break(self, problem: Exception) -> None:
        """The peer breaks the rules of HTTP/2."""
        if isinstance(problem, Flood):
            self.wire.go_away(0, Code.ENHANCE_YOUR_CALM)
        self.send_out()
        detail = str(problem) if self.stands else f"the peer does not speak HTTP/2: {problem}"
        if self.stands:
            _log.warn("peer {peer} broke the rules of HTTP/2: {problem}", peer=self.peer.name, problem=problem)
        self._give_up(errors.BAD_RESPONSE, detail)

    def _stands(self) -> None:
        """The peer has said its settings."""
        self.stands = True
        self.connected_at = self.deadlines.now()
        waiting = list(self.streams)
        most = self.wire.most_streams
        if not most:
            self._give_up(errors.STREAM_REFUSED, "the peer allows no streams at all")
            return
        self._connector.move(self, waiting[most:])
        self._busy = True
        for stream in waiting[:most]:
            stream.go()
        self._busy = False

    def stream_opened(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        """Never called: peers open no streams."""
        raise ConnectionProblem(Code.PROTOCOL_ERROR, "a peer opens no streams")

    def fields_received(self, stream: WireStream, fields: tuple[Field, ...], ended: bool) -> None:
        """An answer's head, or its trailers."""
        owner: UpstreamStream | None = stream.owner
        if owner is not None:
            try:
                owner.fields_received(fields, ended)
            except ResponseError as error:
                owner.fail(error.reason, error.detail, Code.PROTOCOL_ERROR)

    def understood(self, fields: tuple[Field, ...], method: bytes, ended: bool) -> ResponseHead:
        """
        The head that *fields* are; the very same for those that are repeated.

        :raises ResponseError: they are malformed
        """
        head = self._known_head
        if head is not None and fields is self._known_fields and method == self._known_method and not ended:
            return head
        head = parse_answer(fields, method, ended=ended)
        if not ended and head.status >= 200:
            self._known_fields, self._known_method, self._known_head = fields, method, head
        return head

    def data_received(self, stream: WireStream, data: bytes, counted: int, ended: bool) -> None:
        """A part of an answer."""
        owner: UpstreamStream | None = stream.owner
        if owner is not None:
            try:
                owner.data_received(data, counted, ended)
            except ResponseError as error:
                owner.fail(error.reason, error.detail, Code.PROTOCOL_ERROR)

    def stream_reset(self, stream: WireStream, code: int, remote: bool) -> None:
        """A stream has ended before its time."""
        owner: UpstreamStream | None = stream.owner
        if owner is None:
            return
        if remote:
            owner.was_reset(code)
        else:
            owner.fail(errors.BAD_RESPONSE, "the peer broke the rules of HTTP/2 on the stream")

    def went_away(self, last: int, code: int) -> None:
        """The peer takes no further requests, and has not looked at those above *last*."""
        self.leaving = True
        self._connector.leaves(self)
        for stream in sorted(self.streams, key=lambda each: each.number):
            if stream.number > last:
                if stream.wire is not None:
                    self.wire.streams.pop(stream.number, None)
                stream.fail(errors.PEER_LEFT if stream.again else errors.STREAM_REFUSED, "GOAWAY")

    def pauseProducing(self) -> None:
        """The peer takes nothing: send nothing.  What it sends is read on, for it may wait for that."""
        self._full = True

    # Between requests.

    def stream_over(self, stream: UpstreamStream) -> None:
        """A request has ended, in whatever way."""
        self.streams.pop(stream, None)
        self.no_longer(stream)
        if stream.received_end:
            self.answered += 1
        if not self._busy:
            self._look_round()

    def _look_round(self) -> None:
        """Be idle, or go, if nothing is left to be done."""
        if self.streams or self.ended or self.idle:
            return
        if self.transport is None:
            cancel, self.cancel_dialling = self.cancel_dialling, None
            self.ended = True
            self._connector.leaves(self)
            self.wire.let_go()
            if cancel is not None:
                cancel()
        elif self.leaving or not self.stands:
            self.cancel()
        else:
            self._connector.keep(self)

    def has_stalled(self, stream: UpstreamStream) -> None:
        """*stream* was not served in time: if nothing at all came since it began, the connection may be dead."""
        if self.reads == stream.reads_before:
            self.leaving = True
            self._connector.leaves(self)

    # Ending.

    def cancel(self) -> None:
        """Close: no request needs it."""
        if self.ended:
            return
        self._connector.forget(self)
        self._connector.leaves(self)
        self.wire.go_away(0, Code.NO_ERROR)
        self.send_out()
        self.ended = self.wire.over = True
        self.transport.unregisterProducer()
        self._close()

    def _close(self) -> None:
        """Close when all was sent, but before long."""
        self.deadlines.watch(self, self.deadlines.now() + _LINGER)
        self.transport.loseConnection()

    def _give_up(self, reason: Reason, detail: str) -> None:
        """The connection is of no use."""
        self._lose(reason, detail)
        self._close()

    def _lose(self, reason: Reason, detail: str) -> None:
        """Nothing more goes on the connection."""
        self.ended = self.wire.over = True
        self._connector.forget(self)
        self._connector.leaves(self)
        if self.transport is not None:
            self.transport.unregisterProducer()
        for stream in sorted(self.streams, key=lambda each: each.number):
            stream.fail(reason, detail)

    def connectionLost(self, reason: Failure) -> None:
        if self.transport is None:
            self._lose(*why_not_connected(reason))
        elif not self.stands:
            self._lose(errors.PEER_CLOSED, "before it spoke HTTP/2")
        else:
            self.ended = self.wire.over = True
            self._connector.forget(self)
            self._connector.leaves(self)
            for stream in sorted(self.streams, key=lambda each: each.number):
                stream.fail(*self._why_no_answer(stream, reason))
        self.wire.let_go()
        self.deadlines.forget(self)

    def _why_no_answer(self, stream: UpstreamStream, reason: Failure) -> tuple[Reason, str]:
        if stream.again:
            return errors.KEPT_CLOSED, ""
        if reason.check(ConnectionDone):
            return errors.PEER_CLOSED, ""
        return errors.PEER_RESET, reason.getErrorMessage()

    def deadline_passed(self, now: float) -> None:
        if self.idle:
            self.cancel()
        elif self.ended and self.transport is not None:
            self.transport.abortConnection()
