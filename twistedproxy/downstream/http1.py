"""
One HTTP/1 connection of a client: heads become exchanges, one at a time and in order (RFC 9112 §9.3).

While an exchange runs, what the client sends is the rest of its body, or the next request, which waits unread beyond a small
amount.  What is not exactly one unambiguous request is answered with an error, and the connection is closed: nothing that
follows on it can be trusted to begin where it seems to.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.errors import Reason, RequestError
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import CHUNKED, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.transport.deadlines import Timed
from twistedproxy.transport.tcp import HIGH_WATER
from twistedproxy.transport.tunnel import Tunnel
from twistedproxy.wire import http1
from twistedproxy.wire.framing import (
    LAST_CHUNK,
    BadChunk,
    BadTrailer,
    BodyReader,
    ChunkedReader,
    LengthReader,
    Piece,
    chunked,
    last_chunk,
)

if TYPE_CHECKING:
    from twistedproxy.downstream.listener import Listener
    from twistedproxy.transport.tls_handshake import IncomingTls

#: Bytes of pipelined requests that are kept while an exchange runs, before the client is not read any more.
_PIPELINED: Final = 16 * 1024
#: Bytes of a body that are joined with the head for one system call; larger ones are not copied.
_JOINED: Final = 16 * 1024
#: Seconds for which a closed connection is read on, so that the client gets to see the answer before a reset (RFC 9112 §9.6).
_LINGER: Final = 2.0
#: Empty lines before a request that are passed over (RFC 9112 §2.2).
_EMPTY_LINES: Final = 4

_NO_FIELDS: Final = RequestFields(Headers())
_STATUS_LINES: Final[dict[tuple[int, bytes], bytes]] = {}


def _unreadable(data: bytes) -> RequestHead:
    """A head for the log, when the real one could not be understood."""
    words = data[:512].split(b"\r\n", 1)[0].split(b" ")
    method = words[0] if words[0].isalpha() and len(words[0]) < 20 else b"-"
    target = words[1] if len(words) > 1 and method != b"-" else b"-"
    return RequestHead(method, target, 11, _NO_FIELDS, path=b"-", query=None, route_path=b"-", authority=b"")


@implementer(IProtocol, IHalfCloseableProtocol)
class DownstreamConnection(Timed):
    """
    A client's connection.

    :ivar number: among the connections of the listener
    :ivar address: of the client or of the proxy before it
    :ivar opened: monotonic time
    :ivar requests: requests begun on it
    :ivar exchange: the one that runs, or None
    :ivar tunnel: what the connection has become part of, or None
    :ivar handshake: of TLS, as long as it goes on
    """

    __slots__ = (
        "__weakref__",
        "_body_chunked",
        "_buffer",
        "_closing",
        "_draining",
        "_fields",
        "_fields_block",
        "_fields_version",
        "_half_closed",
        "_head",
        "_head_bytes",
        "_idle_timeout",
        "_keep",
        "_lingering",
        "_most_requests",
        "_patience",
        "_pending_mark",
        "_reader",
        "_request_paused",
        "_serving",
        "_taking",
        "_without_body",
        "address",
        "client_port",
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
        self.port = port
        self.number = number
        self.opened = listener.site.deadlines.now()
        self._most_requests = listener.settings.keepalive_requests
        self._idle_timeout = listener.settings.keepalive_timeout
        self.requests = 0
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.handshake: IncomingTls | None = None
        self.transport: Any = None
        self.known: tuple[object, object, bytes] | None = None
        self._buffer = b""
        self._reader: BodyReader | None = None
        self._serving = False
        self._keep = True
        self._closing = False
        self._draining = False
        self._taking = False
        self._lingering = False
        self._patience = _LINGER
        self._half_closed = False
        self._request_paused = False
        self._body_chunked = False
        self._without_body = False
        self._pending_mark = 0
        # The last request, its head and its fields, as bytes and as what they mean: a client that repeats itself, wholly or
        # in its fields, is understood once.
        self._head: RequestHead | None = None
        self._head_bytes = b""
        self._fields: RequestFields | None = None
        self._fields_block = b""
        self._fields_version = 0

    @property
    def client(self) -> str:
        """The address, as the status page and the shell call it."""
        return self.address

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self.site.deadlines.watch(self, self.opened + self.listener.settings.header_timeout)
        self.listener.opened(self)

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
                data = self._buffer + data
            self._serve(data)

    def _pipelined(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _PIPELINED:
            self.transport.pauseProducing()

    def _serve(self, data: bytes) -> None:
        """Begin the request at the front of *data*, and as many more as are answered at once."""
        self._serving = True
        try:
            while data:
                end = data.find(b"\r\n\r\n")
                if data.startswith((b"\r", b"\n")) or end < 0:
                    data = self._incomplete(data)
                    if not data:
                        return
                    continue
                end += 4
                if len(data) == end:
                    head_bytes, rest = data, b""
                else:
                    head_bytes, rest = data[:end], data[end:]
                if head_bytes == self._head_bytes and self._head is not None:
                    head = self._head
                else:
                    try:
                        head = self._parse(head_bytes)
                    except RequestError as error:
                        self._refuse(error.reason, error.detail, data)
                        return
                    self._head = head
                    self._head_bytes = head_bytes
                self._buffer = b""
                self._begin(head, rest)
                if self.exchange is not None or self._reader is not None or self._closing or self._draining:
                    return
                data, self._buffer = self._buffer, b""
        finally:
            self._serving = False

    def _incomplete(self, data: bytes) -> bytes:
        """Pass over empty lines before a request; keep a head whose end has not come, unless it is beyond hope."""
        if data.startswith(b"\r\n"):
            empty = 1
            while data.startswith(b"\r\n", 2 * empty) and empty <= _EMPTY_LINES:
                empty += 1
            if empty > _EMPTY_LINES:
                self._refuse(errors.BAD_REQUEST_LINE, "empty lines", data)
                return b""
            self._buffer = b""
            return data[2 * empty :]
        if data == b"\r":
            self._buffer = data
            return b""
        try:
            http1.check_unfinished(data, self.listener.limits)
        except RequestError as error:
            self._refuse(error.reason, error.detail, data)
            return b""
        self._wait_for_head(data)
        return b""

    def _wait_for_head(self, data: bytes) -> None:
        if not self._buffer and self.requests:
            # The first bytes of a further request: from now on its head has its own time.
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + self.listener.settings.header_timeout)
        self._buffer = data
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

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        self.requests += 1
        self.deadline = inf
        fields = head.fields
        self._keep = fields.keep_alive
        self._without_body = head.method == b"HEAD"
        exchange = self.exchange = Exchange(self.site, self, head)
        length = fields.length
        if length == 0:
            self._buffer = rest
            exchange.begin((), True)
            return
        if length > 0 and len(rest) >= length:
            self._buffer = rest[length:]
            exchange.begin((rest[:length],), True)
            return
        reader: BodyReader = ChunkedReader() if length == CHUNKED else LengthReader(length)
        self._reader = reader
        self._expect_progress()
        pieces: Sequence[Piece] = ()
        if rest:
            try:
                pieces = reader.feed(rest)
            except (BadChunk, BadTrailer) as error:
                self._reader = None
                self._keep = False
                exchange.refuse(errors.BAD_CHUNK if isinstance(error, BadChunk) else errors.BAD_TRAILER, str(error))
                return
        if reader.complete:
            self._request_complete(reader)
            if not reader.trailers.items:
                exchange.begin(pieces, True)
                return
            exchange.begin(pieces, False)
            exchange.request_body((), True, reader.trailers)
        else:
            exchange.begin(pieces, False)

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
        self._expect_progress()
        if reader.complete:
            self._request_complete(reader)
            exchange.request_body(pieces, True, reader.trailers)
        else:
            exchange.request_body(pieces, False, None)

    def _request_complete(self, reader: BodyReader) -> None:
        self._reader = None
        self._buffer = reader.rest
        self.deadline = inf
        if self._request_paused:
            self.resume_request()

    def _expect_progress(self) -> None:
        exchange = self.exchange
        assert exchange is not None
        deadlines = self.site.deadlines
        timeout = exchange.route.settings.client_timeout if exchange.route else self.listener.settings.header_timeout
        deadlines.watch(self, deadlines.now() + timeout)

    def pause_request(self) -> None:
        if self._reader is not None:
            self._request_paused = True
            self.transport.pauseProducing()

    def resume_request(self) -> None:
        if self._request_paused:
            self._request_paused = False
            if self._reader is not None:
                self._expect_progress()
            self.transport.resumeProducing()

    # Answering.

    def interim(self, head: ResponseHead) -> None:
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (head.status, head.reason, head.headers.block))

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        exchange = self.exchange
        assert exchange is not None
        if self._keep and not self._may_keep(exchange):
            self._keep = False
        start = head.start if self._keep and exchange.head.version >= 11 else None
        self._body_chunked = False
        if start is None:
            start = self._start(head, exchange.head.version)
        transport = self.transport
        if self._without_body or head.length == 0:
            transport.write(start)
        elif self._body_chunked:
            coded = chunked(pieces)
            if ended:
                coded.append(LAST_CHUNK)
            transport.writeSequence([start, *coded])
        elif len(pieces) == 1 and len(pieces[0]) <= _JOINED:
            transport.write(start + pieces[0])
        else:
            transport.writeSequence([start, *pieces])
        if transport.pending:
            self._watch_client()

    def _start(self, head: ResponseHead, version: int) -> bytes:
        """The head's bytes, with the framing that this client understands (RFC 9112 §6)."""
        status = (head.status, head.reason)
        line = _STATUS_LINES.get(status) or _status_line(status)
        framing = b""
        if self._without_body or head.status in (204, 304):
            pass
        elif head.length >= 0:
            if b"content-length" not in head.headers:
                framing = b"Content-Length: %d\r\n" % head.length
        elif version >= 11:
            self._body_chunked = True
            framing = b"Transfer-Encoding: chunked\r\n"
        else:
            self._keep = False
        if not self._keep:
            framing += b"Connection: close\r\n"
        elif version == 10:
            framing += b"Connection: keep-alive\r\n"
        start = b"%b%b%b\r\n" % (line, head.headers.block, framing)
        if not framing:
            head.start = start
        return start

    def _may_keep(self, exchange: Exchange) -> bool:
        return (
            self.requests < self._most_requests
            and exchange.request_complete
            and not self.site.stopping
            and (not self._half_closed or bool(self._buffer))
        )

    def body(self, pieces: Sequence[Piece]) -> None:
        if self._without_body:
            return
        if self._body_chunked:
            self.transport.writeSequence(chunked(pieces))
        else:
            for piece in pieces:
                self.transport.write(piece)
        if self.transport.pending:
            self._watch_client()

    def end(self, trailers: Headers) -> None:
        if self._body_chunked and not self._without_body:
            self.transport.write(last_chunk(trailers))

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

    def _watch_client(self) -> None:
        """Much waits for the client: see that it takes some of it in time."""
        if self.deadline == inf and self.exchange is not None and self.exchange.route is not None:
            # What it has taken so far.  The amount that waits says little: it is filled up again and again.
            self._pending_mark = self.exchange.bytes_sent - self.transport.pending
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + self.exchange.route.settings.client_timeout)

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
            self._patience = exchange.route.settings.client_timeout
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
            self._serve(data)
        elif self._half_closed:
            self._close()
        if (
            not self.transport.reading
            and not (self._half_closed or self._closing or self._draining or self._request_paused)
            and (self.exchange is None or len(self._buffer) <= _PIPELINED)
        ):
            self.transport.resumeProducing()

    def _wait_for_client(self) -> None:
        """An answer is complete, and the client has yet to take it; while much of it waits, no further request is served."""
        deadlines = self.site.deadlines
        self._taking = True
        self._pending_mark = self.transport.pending
        deadlines.watch(self, deadlines.now() + self._patience)
        if self.transport.pending > HIGH_WATER:
            self._draining = True
            self.transport.pauseProducing()
            self.transport.registerProducer(_Room(self), True)

    def client_caught_up(self) -> None:
        """The client has taken the answers so far."""
        self.transport.unregisterProducer()
        self._draining = False
        if not self._closing:
            deadlines = self.site.deadlines
            deadlines.watch(self, deadlines.now() + self._idle_timeout)
            self._go_on()

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

    # Ending.

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
        self._pending_mark = self.transport.pending
        deadlines = self.site.deadlines
        deadlines.watch(self, deadlines.now() + (self._patience if self._pending_mark else _LINGER))

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

    def connectionLost(self, reason: Failure) -> None:
        self.site.deadlines.forget(self)
        self._closing = True
        exchange = self.exchange
        if exchange is not None:
            exchange.request_lost(errors.REQUEST_CUT if self._reader is not None else errors.CLIENT_GONE)
        self._reader = None
        self.listener.closed(self)

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
        elif self.transport.pending:
            self._client_slow(exchange)
        elif self._half_closed:
            if exchange.status == 0:
                self._give_up(errors.CLIENT_GONE)
        elif self._reader is not None and not self._request_paused:
            self._keep = False
            exchange.request_malformed(errors.REQUEST_TIMEOUT, "the body stopped")

    def _head_late(self) -> None:
        if self._buffer:
            self._refuse(errors.REQUEST_TIMEOUT, "the head is incomplete", self._buffer)
        else:
            # A connection that was opened ahead of need and never used: nothing was asked, nothing is answered.
            self._close()

    def _client_takes(self, now: float) -> None:
        pending = self.transport.pending
        if not pending:
            # From now on it is idle.
            self._taking = False
            self.site.deadlines.watch(self, now + self._idle_timeout)
        elif pending != self._pending_mark:
            self._pending_mark = pending
            self.site.deadlines.watch(self, now + self._patience)
        else:
            self.transport.abortConnection()

    def _client_slow(self, exchange: Exchange) -> None:
        if exchange.bytes_sent - self.transport.pending != self._pending_mark:
            self._watch_client()
        else:
            self._give_up(errors.CLIENT_STALLED)

    def _lingered(self, now: float) -> None:
        pending = self.transport.pending
        if not pending:
            # Not aborted: the kernel may still have some of the answer on its way.
            self.transport.loseConnection()
        elif pending != self._pending_mark:
            self._pending_mark = pending
            self.site.deadlines.watch(self, now + self._patience)
        else:
            self.transport.abortConnection()

    # Switching protocols.

    def switch(self, head: ResponseHead) -> tuple[Any, bytes]:
        status = (head.status, head.reason)
        line = _STATUS_LINES.get(status) or _status_line(status)
        self.transport.write(b"%b%b\r\n" % (line, head.headers.block))
        rest, self._buffer = self._buffer, b""
        self.site.deadlines.forget(self)
        self._head = self._fields = None
        self._head_bytes = self._fields_block = b""
        self.known = None
        return self.transport, rest

    def tunnel_began(self, tunnel: Tunnel) -> None:
        self.tunnel = tunnel


@implementer(IPushProducer)
class _Room:
    """Hears when a client has taken what waits for it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: DownstreamConnection) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        """Nothing is produced meanwhile."""

    def resumeProducing(self) -> None:
        self._connection.client_caught_up()

    def stopProducing(self) -> None:
        """The client is gone: its connection hears so itself."""


def _status_line(status: tuple[int, bytes]) -> bytes:
    line = b"HTTP/1.1 %d %b\r\n" % status
    if len(_STATUS_LINES) < 256:
        _STATUS_LINES[status] = line
    return line
