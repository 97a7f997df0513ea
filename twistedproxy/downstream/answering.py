"""What a client hears: the answer's head in the framing that it understands, the body, and its end (RFC 9112 §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy.downstream.client import Client
from twistedproxy.forward.exchange import Exchange
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.wire.framing import LAST_CHUNK, Piece, chunked, last_chunk

if TYPE_CHECKING:
    from twistedproxy.downstream.listener import Listener

#: Bytes of a body that are joined with the head for one system call; larger ones are not copied.
_JOINED: Final = 16 * 1024

_STATUS_LINES: Final[dict[tuple[int, bytes], bytes]] = {}


class Answering(Client):
    """A client's connection, as far as answers are sent on it."""

    __slots__ = ("_body_chunked", "_most_requests", "_without_body")

    def __init__(self, listener: Listener, address: str, client_port: int, port: int, number: int) -> None:
        super().__init__(listener, address, client_port, port, number)
        self._most_requests = listener.settings.keepalive_requests
        self._body_chunked = False
        self._without_body = False

    def interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx answer."""
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (head.status, head.reason, head.headers.block))
        if head.status == 100:
            self._expects_continue = False
        if self.transport.pending:
            self._watch_client()

    def respond(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """Send the final head, with what of the body is here."""
        exchange = self.exchange
        assert exchange is not None
        if not ended:
            self._make_room(exchange, head)
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

    def _make_room(self, exchange: Exchange, head: ResponseHead) -> None:
        """More of the answer comes: see how much of it is taken from the peer while the client does not take it."""
        route = exchange.route
        if route is not None:
            settings = route.settings
            attempt = exchange.attempt
            # X-Accel-Buffering is passed on as well: it is meant for every proxy on the way.
            buffered = (
                settings.buffering
                and attempt is not None
                and attempt.upstream is not None
                and head.headers.get(b"x-accel-buffering") != b"no"
            )
            self.transport.high_water = max(settings.buffer_size, HIGH_WATER) if buffered else HIGH_WATER

    def _start(self, head: ResponseHead, version: int) -> bytes:
        """The head's bytes, with the framing that this client understands (RFC 9112 §6)."""
        line = status_line((head.status, head.reason))
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
            and not self.listener.closing
            and (not self._half_closed or bool(self._buffer))
        )

    def body(self, pieces: Sequence[Piece]) -> None:
        """Send more of the body."""
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
        """The body is complete."""
        if self._body_chunked and not self._without_body:
            self.transport.write(last_chunk(trailers))


def status_line(status: tuple[int, bytes]) -> bytes:
    """The line that an answer begins with, made once for each status."""
    known = _STATUS_LINES.get(status)
    if known is not None:
        return known
    line = b"HTTP/1.1 %d %b\r\n" % status
    if len(_STATUS_LINES) < 256:
        _STATUS_LINES[status] = line
    return line
