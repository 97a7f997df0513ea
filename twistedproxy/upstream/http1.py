"""
One HTTP/1.1 connection to a peer: sends a request, reads the answer, and goes back to the idle ones if both ended cleanly.

An origin is no friend either.  Whatever it sends, the outcome is one of: an answer in its right frame, or a
:class:`~twistedproxy.errors.Reason`.  Bytes that follow an answer are never taken for the next one (RFC 9112 §9.2): the
connection is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy import errors
from twistedproxy.errors import Reason, ResponseError
from twistedproxy.message import CHUNKED, UNTIL_CLOSE, Headers, ResponseHead
from twistedproxy.transport.deadlines import Timed
from twistedproxy.upstream.receiver import Receiver
from twistedproxy.upstream.unreached import why_not_connected
from twistedproxy.wire import http1
from twistedproxy.wire.framing import (
    BadChunk,
    BadTrailer,
    BodyReader,
    ChunkedReader,
    LengthReader,
    Piece,
    UntilCloseReader,
    chunked,
    last_chunk,
)

if TYPE_CHECKING:
    from twistedproxy.upstream.connector import Connector

#: Interim (1xx) answers that one request may get (RFC 9110 §15.2 sets no number; for ever is too many).
_MAX_INTERIM: Final = 32


@implementer(IProtocol)
class UpstreamConnection(Timed):
    """
    A connection to one peer.

    :ivar requests: requests sent on it
    :ivar connected_at: monotonic time at which it stood, 0.0 before
    :ivar preface: what it began with, before the first request
    """

    #: Its requests' heads are lines.
    multiplexed = False

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_cancel",
        "_connector",
        "_expects_upgrade",
        "_interim",
        "_keep",
        "_known_bytes",
        "_known_head",
        "_known_method",
        "_method",
        "_pending_mark",
        "_reader",
        "_request_chunked",
        "_request_ended",
        "_until_close",
        "connected_at",
        "idle",
        "peer",
        "preface",
        "read_timeout",
        "receiver",
        "requests",
        "send_timeout",
        "transport",
    )

    def __init__(self, connector: Connector, peer: Any) -> None:
        super().__init__()
        self._connector = connector
        self.peer = peer
        self.transport: Any = None
        self.receiver: Receiver | None = None
        self.requests = 0
        self.connected_at = 0.0
        self.preface = b""
        self.idle = False
        self.read_timeout = self.send_timeout = inf
        self._cancel: Any = None
        self._buffer = b""
        self._reader: BodyReader | None = None
        self._method = b""
        self._pending_mark = 0
        self._keep = False
        self._until_close = False
        self._interim = 0
        self._expects_upgrade = False
        self._request_chunked = False
        self._request_ended = True
        # The last answer's head, as bytes and as what they mean: an origin that repeats itself is understood once.
        self._known_bytes = b""
        self._known_method = b""
        self._known_head: ResponseHead | None = None

    # Making the connection.

    def wait(self, receiver: Receiver, cancel: Any, timeout: float) -> None:
        """The connection is being made for *receiver*, within *timeout* seconds; *cancel* gives it up."""
        self.receiver = receiver
        self._cancel = cancel
        deadlines = self._connector.deadlines
        deadlines.watch(self, deadlines.now() + timeout)

    def connectionMade(self) -> None:
        """Of no interest: :meth:`makeConnection` did all that there is to do."""

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self._cancel = None
        self.deadline = inf
        self.connected_at = self._connector.deadlines.now()
        if self.receiver is None:
            transport.abortConnection()
        else:
            self.receiver.connected()

    # Sending.

    def send(
        self, receiver: Receiver, method: bytes, head: bytes, pieces: Sequence[Piece], ended: bool, length: int, upgrade: bool
    ) -> None:
        """
        Send a request.

        :param head: its bytes, the empty line included
        :param pieces: what of the body is here already; *ended*: that is all of it
        :param length: of the body; CHUNKED to send it in chunks
        :param upgrade: a 101 is welcome
        """
        self.receiver = receiver
        self.requests += 1
        self._method = method
        self._expects_upgrade = upgrade
        self._request_ended = ended
        self._interim = 0
        self._request_chunked = length == CHUNKED
        deadlines = self._connector.deadlines
        deadlines.watch(self, deadlines.now() + (self.read_timeout if ended else self.send_timeout))
        if not pieces:
            if ended and length == CHUNKED:
                head += last_chunk(Headers())
            self.transport.write(head)
        else:
            self.transport.writeSequence([head, *self._coded(pieces, ended, None)])
            self._pending_mark = self.transport.pending
        self.peer.bytes_sent += len(head) + sum(map(len, pieces))

    def send_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """More of the request's body."""
        self._request_ended = ended
        if self.transport is None:
            return
        coded = self._coded(pieces, ended, trailers)
        self.deadline = self._connector.deadlines.now() + (self.read_timeout if ended else self.send_timeout)
        if len(coded) == 1:
            self.transport.write(coded[0])
        elif coded:
            self.transport.writeSequence(coded)
        self._pending_mark = self.transport.pending
        self.peer.bytes_sent += sum(map(len, pieces))

    def _coded(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> list[Piece]:
        if not self._request_chunked:
            return list(pieces)
        coded = chunked(pieces)
        if ended:
            coded.append(last_chunk(trailers or Headers()))
        return coded

    # Reading.

    def resume(self) -> None:
        """Read on, after a pause that the receiver needed: the peer's time begins now."""
        self.deadline = self._connector.deadlines.now() + self.read_timeout
        self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None:
            # An idle connection has nothing to say: what it says cannot be an answer.
            self._discard()
            return
        self.peer.bytes_received += len(data)
        if self._reader is not None:
            self._body(receiver, self._reader, data)
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._unfinished_head(data)
            return
        end += 4
        head_bytes = data[:end] if len(data) != end else data
        if head_bytes == self._known_bytes and self._method == self._known_method:
            head = self._known_head
            assert head is not None
        else:
            if end > http1.RESPONSE_LIMITS.head:
                self._fail(errors.RESPONSE_HEAD_TOO_LARGE)
                return
            try:
                head = http1.parse_response(head_bytes, self._method)
            except ResponseError as error:
                self._fail(error.reason, error.detail)
                return
            if head.status < 200:
                self._interim_answer(receiver, head, data[end:])
                return
            self._known_bytes = head_bytes
            self._known_method = self._method
            self._known_head = head
        self._final_answer(receiver, head, data[end:])

    def _unfinished_head(self, data: bytes) -> None:
        try:
            http1.check_unfinished_response(data)
        except ResponseError as error:
            self._fail(error.reason, error.detail)
        else:
            self._buffer = data

    def _interim_answer(self, receiver: Receiver, head: ResponseHead, rest: bytes) -> None:
        if head.status == 101:
            if not self._expects_upgrade:
                self._fail(errors.UNASKED_UPGRADE)
                return
            self._connector.deadlines.forget(self)
            self.receiver = None
            receiver.upgraded(head, rest)
            return
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            self._fail(errors.TOO_MANY_INTERIM)
            return
        self.deadline = self._connector.deadlines.now() + self.read_timeout
        receiver.interim(head)
        if rest and self.receiver is receiver:
            self.dataReceived(rest)

    def _final_answer(self, receiver: Receiver, head: ResponseHead, rest: bytes) -> None:
        length = head.length
        self._keep = head.keep_alive
        if length == len(rest):
            # All of it came at once, as most answers do.
            self._release(b"")
            receiver.response(head, (rest,) if rest else (), True)
            return
        if length == 0:
            self._release(rest)
            receiver.response(head, (), True)
            return
        reader: BodyReader
        if length == CHUNKED:
            reader = ChunkedReader()
        elif length == UNTIL_CLOSE:
            reader = UntilCloseReader()
        else:
            reader = LengthReader(length)
        self._reader = reader
        self._until_close = length == UNTIL_CLOSE
        self.deadline = self._connector.deadlines.now() + self.read_timeout
        pieces = self._feed(reader, rest) if rest else ()
        if pieces is None:
            return
        if reader.complete and not reader.trailers.items:
            self._release(reader.rest)
            receiver.response(head, pieces, True)
            return
        receiver.response(head, pieces, False)
        if reader.complete and self.receiver is receiver:
            self._release(reader.rest)
            receiver.ended(reader.trailers)

    def _body(self, receiver: Receiver, reader: BodyReader, data: bytes) -> None:
        self.deadline = self._connector.deadlines.now() + self.read_timeout
        pieces = self._feed(reader, data)
        if pieces is None:
            return
        if pieces:
            receiver.body(pieces)
        if reader.complete and self.receiver is receiver:
            self._release(reader.rest)
            receiver.ended(reader.trailers)

    def _feed(self, reader: BodyReader, data: bytes) -> Sequence[Piece] | None:
        try:
            return reader.feed(data)
        except (BadChunk, BadTrailer) as error:
            self._fail(errors.BAD_RESPONSE_CHUNK, str(error))
            return None

    def _release(self, surplus: bytes) -> None:
        """The answer is complete: keep the connection for another request if that is safe."""
        self.receiver = None
        self._reader = None
        if surplus or not self._keep or not self._request_ended or self.transport.pending:
            self._discard()
        else:
            if not self.transport.reading:
                # The client was slow to take the answer, of which nothing is left.
                self.transport.resumeProducing()
            self._connector.keep(self)

    # Ending.

    def _discard(self) -> None:
        """Close; nobody waits for anything any more."""
        self._connector.forget(self)
        busy = self.receiver is not None
        self.receiver = None
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        elif self.transport is not None:
            if busy or self.transport.pending:
                self.transport.abortConnection()
            else:
                self.transport.loseConnection()

    def cancel(self) -> None:
        """The receiver wants nothing more: its request is not worth the peer's work."""
        self._discard()

    def _fail(self, reason: Reason, detail: str = "") -> None:
        receiver = self.receiver
        self._discard()
        if receiver is not None:
            receiver.failed(reason, detail)

    def connectionLost(self, reason: Failure) -> None:
        receiver = self.receiver
        self._connector.forget(self)
        self.receiver = None
        self._cancel = None
        if receiver is None:
            return
        if self.transport is None:
            receiver.failed(*why_not_connected(reason))
        elif self._reader is None:
            receiver.failed(*self._why_no_answer(reason))
        elif self._until_close and reason.check(ConnectionDone):
            receiver.ended(Headers())
        else:
            receiver.failed(errors.RESPONSE_CUT, self._how_cut(reason))

    def _how_cut(self, reason: Failure) -> str:
        how = "closed" if reason.check(ConnectionDone) else "reset"
        reader = self._reader
        return f"{how}, {reader.remaining} bytes before the end" if isinstance(reader, LengthReader) else how

    def _why_no_answer(self, reason: Failure) -> tuple[Reason, str]:
        if self.requests > 1 and not self._buffer and not self._interim:
            return errors.KEPT_CLOSED, ""
        if reason.check(ConnectionDone):
            return errors.PEER_CLOSED, "in the middle of the head" if self._buffer else ""
        return errors.PEER_RESET, reason.getErrorMessage()

    def deadline_passed(self, now: float) -> None:
        deadlines = self._connector.deadlines
        if self.idle:
            self._discard()
        elif self.transport is None:
            self._fail(errors.CONNECT_TIMEOUT)
        elif self.transport.pending:
            if self.transport.pending == self._pending_mark:
                self._fail(errors.SEND_TIMEOUT)
            else:
                self._pending_mark = self.transport.pending
                deadlines.watch(self, now + self.send_timeout)
        elif not self._request_ended or not self.transport.reading:
            # The client is slow, not the peer: the client's own deadline sees to it.
            deadlines.watch(self, now + self.read_timeout)
        else:
            where = "body, " if self._reader is not None else "head, " if self._buffer else ""
            where = f"in the middle of the {where}" if where else ""
            self._fail(errors.READ_TIMEOUT, f"{where}nothing came for {self.read_timeout:g} s")
