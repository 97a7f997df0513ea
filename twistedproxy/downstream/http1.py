"""
HTTP/1 as clients speak it: heads become exchanges, one at a time and in order (RFC 9112 §9.3).

While an exchange runs, what the client sends is the rest of its body, or the next request, which waits unread beyond a small
amount.  What is not exactly one unambiguous request is answered with an error, and the connection is closed: nothing that
follows on it can be trusted to begin where it seems to.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.downstream.answering import Answering, status_line
from twistedproxy.errors import Reason, RequestError
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import CHUNKED, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.transport.tunnel import Joined
from twistedproxy.wire import http1
from twistedproxy.wire.framing import BadChunk, BadTrailer, BodyReader, ChunkedReader, LengthReader, Piece
from twistedproxy.wire.http2_frames import PREFACE

if TYPE_CHECKING:
    from twistedproxy.downstream.listener import Listener

#: Bytes of pipelined requests that are kept while an exchange runs, before the client is not read any more.
_PIPELINED: Final = 16 * 1024
#: Bytes behind a head that are looked at first for the end of a chunked body: what follows it is copied, again and again in a
#: long row of requests.
_FIRST_LOOK: Final = 16 * 1024
#: Empty lines before a request that are passed over (RFC 9112 §2.2).
_EMPTY_LINES: Final = 4

_NO_FIELDS: Final = RequestFields(Headers())


def _unreadable(data: bytes) -> RequestHead:
    """A head for the log, when the real one could not be understood."""
    words = data[:512].split(b"\r\n", 1)[0].split(b" ")
    method = words[0] if words[0].isalpha() and len(words[0]) < 20 else b"-"
    target = words[1] if len(words) > 1 and method != b"-" else b"-"
    return RequestHead(method, target, 11, _NO_FIELDS, path=b"-", query=None, route_path=b"-", authority=b"")


@implementer(IProtocol, IHalfCloseableProtocol)
class DownstreamConnection(Answering):
    """A client's connection, on which it sends requests."""

    __slots__ = (
        "_at",
        "_fields",
        "_fields_block",
        "_fields_version",
        "_head",
        "_head_bytes",
        "_idle_timeout",
        "_serving",
    )

    def __init__(self, listener: Listener, address: str, client_port: int, port: int, number: int) -> None:
        super().__init__(listener, address, client_port, port, number)
        self._idle_timeout = listener.settings.keepalive_timeout
        self._serving = False
        #: Where in the buffer the next request begins: what is before it is done with.
        self._at = 0
        # The last request, its head and its fields, as bytes and as what they mean: a client that repeats itself, wholly or
        # in its fields, is understood once.
        self._head: RequestHead | None = None
        self._head_bytes = b""
        self._fields: RequestFields | None = None
        self._fields_block = b""
        self._fields_version = 0

    # The connection.

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        # Whoever has cut its connection gets no answer: its last words are of no interest.
        transport.hears_last_words = False
        self.site.deadlines.watch(self, self.opened + self.listener.settings.header_timeout)
        self.listener.opened(self)

    def connectionLost(self, reason: Failure) -> None:
        self.site.deadlines.forget(self)
        self._closing = True
        exchange = self.exchange
        if exchange is not None:
            exchange.request_lost(errors.REQUEST_CUT if self._reader is not None else errors.CLIENT_GONE)
        self._reader = None
        self.listener.closed(self)

    # Reading.

    def dataReceived(self, data: bytes) -> None:
        if self._reader is not None:
            self._request_body(data)
        elif self.exchange is not None:
            self._pipelined(data)
        elif self._closing:
            return
        else:
            if self._buffer:
                data = self._buffer[self._at :] + data
            self._serve(data, 0)

    def _pipelined(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer[self._at :] + data
        self._buffer = data
        self._at = 0
        if len(data) > _PIPELINED:
            self.transport.pauseProducing()

    def _serve(self, data: bytes, at: int) -> None:
        """Begin the request that stands *at* a place in *data*, and as many more as are answered at once."""
        self._serving = True
        try:
            while True:
                end = data.find(b"\r\n\r\n", at)
                if end < 0 or data.startswith((b"\r", b"\n"), at):
                    at = self._incomplete(data, at)
                    if at < 0:
                        return
                    continue
                end += 4
                head_bytes = data if len(data) == end and not at else data[at:end]
                if head_bytes == self._head_bytes and self._head is not None:
                    head = self._head
                else:
                    try:
                        head = self._parse(head_bytes)
                    except RequestError as error:
                        if error.reason is errors.VERSION_UNSUPPORTED and self._is_http2(head_bytes):
                            self.listener.speak_http2(self, data)
                        else:
                            self._refuse(error.reason, error.detail, head_bytes)
                        return
                    self._head = head
                    self._head_bytes = head_bytes
                self._buffer = b""
                self._begin(head, data, end)
                if self.exchange is not None or self._reader is not None or self._closing or self._draining:
                    return
                if not self._buffer:
                    return
                data, at, self._buffer = self._buffer, self._at, b""
        finally:
            self._serving = False

    def _is_http2(self, head: bytes) -> bool:
        """Whether *head* is the beginning of HTTP/2's preface, where that is welcome."""
        return not self.requests and self.listener.knows_prior_knowledge and PREFACE.startswith(head)

    def _incomplete(self, data: bytes, at: int) -> int:
        """
        Pass over empty lines before a request; keep a head whose end has not come, unless it is beyond hope.

        :returns: where the request begins; -1: there is nothing to be done for now
        """
        if data.startswith(b"\r\n", at):
            empty = 1
            while data.startswith(b"\r\n", at + 2 * empty) and empty <= _EMPTY_LINES:
                empty += 1
            if empty > _EMPTY_LINES:
                self._refuse(errors.BAD_REQUEST_LINE, "empty lines", data[at : at + 512])
                return -1
            self._buffer = b""
            at += 2 * empty
            return at if at < len(data) else -1
        data = data[at:]
        if data == b"\r":
            self._buffer = data
            self._at = 0
            return -1
        try:
            http1.check_unfinished(data, self.listener.limits)
        except RequestError as error:
            self._refuse(error.reason, error.detail, data)
        else:
            self._wait_for_head(data)
        return -1

    def _wait_for_head(self, data: bytes) -> None:
        if not self._buffer and self.requests:
            # The first bytes of a further request: from now on its head has its own time.
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + self.listener.settings.header_timeout)
        self._buffer = data
        self._at = 0
        if self._half_closed:
            self._close()

    def _parse(self, head: bytes) -> RequestHead:
        limits = self.listener.limits
        end = head.index(b"\r\n")
        method, target, version = http1.parse_request_line(head[:end], limits)
        if len(head) > limits.head:
            raise RequestError(errors.HEAD_TOO_LARGE)
        block = head[end + 2 : -2]
        fields = self._fields
        if fields is None or block != self._fields_block or version != self._fields_version:
            fields = http1.parse_request_fields(block, version, limits)
            self._fields = fields
            self._fields_block = block
            self._fields_version = version
        return http1.make_request(method, target, version, fields)

    def _begin(self, head: RequestHead, data: bytes, at: int) -> None:
        """Begin the exchange of *head*, behind which *data* goes on *at* a place."""
        self.requests += 1
        self.deadline = inf
        fields = head.fields
        self._keep = fields.keep_alive
        self._without_body = head.method == b"HEAD"
        exchange = self.exchange = Exchange(self.site, self, head)
        length = fields.length
        if length == 0:
            if at != len(data):
                self._buffer = data
                self._at = at
            exchange.begin((), True)
            return
        if length > 0 and len(data) - at >= length:
            end = at + length
            if end != len(data):
                self._buffer = data
                self._at = end
            exchange.begin((data[at:end],), True)
            return
        reader: BodyReader = ChunkedReader() if length == CHUNKED else LengthReader(length)
        self._reader = reader
        self._sending_pace = None
        self._expects_continue = at == len(data) and b"expect" in head.headers
        pieces: Sequence[Piece] = ()
        if at != len(data):
            try:
                pieces = self._first_pieces(reader, data, at)
            except (BadChunk, BadTrailer) as error:
                self._reader = None
                self._keep = False
                exchange.refuse(errors.BAD_CHUNK if isinstance(error, BadChunk) else errors.BAD_TRAILER, str(error))
                return
        if reader.complete:
            self._reader = None
            if not reader.trailers.items:
                exchange.begin(pieces, True)
                return
            exchange.begin(pieces, False)
            exchange.request_body((), True, reader.trailers)
            return
        exchange.begin(pieces, False)
        if self._reader is reader:
            self._expect_body()

    def _first_pieces(self, reader: BodyReader, data: bytes, at: int) -> Sequence[Piece]:
        """What of a body came along with its head; what follows it becomes the buffer."""
        look = at + _FIRST_LOOK
        pieces = reader.feed(data[at:look])
        if not reader.complete and look < len(data):
            pieces = (*pieces, *reader.feed(data[look:]))
            look = len(data)
        if reader.rest or look < len(data):
            self._buffer = data
            self._at = min(look, len(data)) - len(reader.rest)
        return pieces

    def _request_body(self, data: bytes) -> None:
        reader = self._reader
        exchange = self.exchange
        assert reader is not None and exchange is not None
        try:
            pieces = reader.feed(data)
        except (BadChunk, BadTrailer) as error:
            self._reader = None
            self._keep = False
            exchange.request_malformed(errors.BAD_CHUNK if isinstance(error, BadChunk) else errors.BAD_TRAILER, str(error))
            return
        if reader.complete:
            self._request_complete(reader)
            exchange.request_body(pieces, True, reader.trailers)
        else:
            exchange.request_body(pieces, False, None)

    def _request_complete(self, reader: BodyReader) -> None:
        self._reader = None
        self._buffer = reader.rest
        self._at = 0
        self.deadline = inf
        if self._request_paused:
            self.resume_request()

    def pause_request(self) -> None:
        """Read no more of the request's body for now."""
        if self._reader is not None:
            self._request_paused = True
            self.transport.pauseProducing()

    def resume_request(self) -> None:
        """Read on."""
        if self._request_paused:
            self._request_paused = False
            self.transport.resumeProducing()

    # Between requests.

    def exchange_over(self) -> None:
        """The exchange has ended: the next request, or the end of the connection."""
        exchange = self.exchange
        self.exchange = None
        if self.tunnel is not None:
            self.tunnel = None
            self.listener.closed(self)
            return
        if self._closing:
            return
        if self._reader is not None or (exchange is not None and not exchange.request_complete):
            # The answer came before the end of the request, whose rest nobody wants.
            self._reader = None
            self._keep = False
        if self.transport.pending and exchange is not None and exchange.route is not None:
            self._settings = exchange.route.settings
        if not self._keep:
            if exchange is not None and exchange.request_complete and not self._buffer:
                self._closing = True
                self._linger()
                self.transport.loseConnection()
            else:
                self._close()
            return
        deadlines = self.site.deadlines
        deadlines.watch(self, deadlines.now() + self._idle_timeout)
        if self.transport.pending:
            self._wait_for_client()
        if not self._serving and not self._draining:
            self._go_on()

    def _go_on(self) -> None:
        """Serve the next request if it is here, and read if there is room for more."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            self._serve(data, self._at)
        elif self._half_closed:
            self._close()
        if (
            not self.transport.reading
            and not (self._half_closed or self._closing or self._draining or self._request_paused)
            and (self.exchange is None or len(self._buffer) - self._at <= _PIPELINED)
        ):
            self.transport.resumeProducing()

    # Refusing.

    def _refuse(self, reason: Reason, detail: str, data: bytes) -> None:
        """Answer an error to what is no request, and close."""
        self._buffer = b""
        self._keep = False
        self._without_body = False
        self.requests += 1
        self.listener.refused[reason.name] = self.listener.refused.get(reason.name, 0) + 1
        exchange = self.exchange = Exchange(self.site, self, _unreadable(data))
        exchange.refuse(reason, detail)

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        """Send a 101 and hand over the transport, with what was read behind the request."""
        line = status_line((head.status, head.reason))
        self.transport.write(b"%b%b\r\n" % (line, head.headers.block))
        rest, self._buffer = self._buffer[self._at :], b""
        self.transport.hears_last_words = True
        self.site.deadlines.forget(self)
        self._head = self._fields = None
        self._head_bytes = self._fields_block = b""
        self.known = None
        return self.transport, rest

    def tunnel_began(self, tunnel: Joined) -> None:
        """The transport handed over is part of *tunnel* now."""
        self.tunnel = tunnel
