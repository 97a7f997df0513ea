"""
One stream of an HTTP/2 connection to a peer: to an attempt it is what a connection of HTTP/1.1 is.

An attempt may hold one before its connection stands; it waits there, within its own ``connect_timeout``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twistedproxy import errors
from twistedproxy.errors import Reason, ResponseError
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.transport.multiplexed import SendingStream
from twistedproxy.upstream.receiver import Receiver
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.hpack import encode
from twistedproxy.wire.http2 import trailer_fields
from twistedproxy.wire.http2_answers import parse_trailers
from twistedproxy.wire.http2_frames import Code

if TYPE_CHECKING:
    from twistedproxy.upstream.http2 import PeerConnection

#: Interim (1xx) answers that one request may get.
_MAX_INTERIM: Final = 32
_NONE: Final = Headers()


class UpstreamStream(SendingStream):
    """
    A request to a peer, with its answer.

    :ivar stands: its connection stands
    :ivar again: the connection had answered others when this stream began: what breaks it now says nothing of the peer
    """

    __slots__ = (
        "_head",
        "_interim",
        "_mark",
        "_method",
        "_request_ended",
        "_said",
        "again",
        "read_timeout",
        "reads_before",
        "receiver",
        "send_timeout",
        "stands",
    )

    #: What an attempt makes of a request's head.
    multiplexed = True

    def __init__(self, connection: PeerConnection) -> None:
        super().__init__(connection)
        self.receiver: Receiver | None = None
        self.stands = False
        self.read_timeout = self.send_timeout = inf
        self.again = False
        self.reads_before = -1
        self._method = b""
        self._request_ended = True
        self._interim = 0
        self._mark = 0
        #: The final answer has begun; *_head*: and was not told yet, because its content may come with it.
        self._said = False
        self._head: ResponseHead | None = None

    @property
    def peer(self) -> Any:
        """To whom it goes."""
        return self.connection.peer

    @property
    def connected_at(self) -> float:
        """Monotonic time at which the connection stood."""
        at: float = self.connection.connected_at
        return at

    def wait(self, receiver: Receiver, timeout: float) -> None:
        """The connection is being made, within *timeout* seconds."""
        self.receiver = receiver
        deadlines = self.connection.deadlines
        deadlines.watch(self, deadlines.now() + timeout)

    def go(self) -> None:
        """The connection stands: the receiver may send."""
        self.stands = True
        self.deadline = inf
        if self.receiver is not None:
            self.receiver.connected()

    # As an attempt's transport.

    @property
    def transport(self) -> Any:
        """Itself, once its connection stands; None before."""
        return self if self.stands else None

    def is_quiet(self, *, and_open: bool) -> bool:
        """Whether a request may be sent: what else comes on the connection is not for this one."""
        return not self.connection.ended

    # Sending.

    def send(
        self, receiver: Receiver, method: bytes, head: bytes, pieces: Sequence[Piece], ended: bool, length: int, upgrade: bool
    ) -> None:
        """As :meth:`twistedproxy.upstream.http1.UpstreamConnection.send`; *head* is a header block."""
        self.receiver = receiver
        self._method = method
        self._request_ended = ended
        connection: PeerConnection = self.connection
        deadlines = connection.deadlines
        self.reads_before = connection.reads
        deadlines.watch(self, deadlines.now() + (self.read_timeout if ended else self.send_timeout))
        connection.begin(self)
        assert self.wire is not None
        self.peer.bytes_sent += len(head) + sum(map(len, pieces))
        if ended and not any(pieces):
            self.sent_end = True
            connection.wire.send_fields(self.wire, head, True)
            connection.flush()
            return
        connection.wire.send_fields(self.wire, head, False)
        self._ending = ended
        self.add(pieces)
        self._mark = self.sent

    def send_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """More of the request's body."""
        self._request_ended = ended
        if not self.stands or self.gone or self.sent_end:
            return
        self.deadline = self.connection.deadlines.now() + (self.read_timeout if ended else self.send_timeout)
        self.peer.bytes_sent += sum(map(len, pieces))
        if ended:
            fields = trailer_fields(trailers) if trailers is not None and trailers.items else None
            self._ending = True
            self._trailers = encode(fields) if fields else None
        self.add(pieces)
        self._mark = self.sent

    # What comes.

    def fields_received(self, fields: tuple[Field, ...], ended: bool) -> None:
        """
        An answer's head, or its trailers.

        :raises ResponseError: it is malformed
        """
        self.received_end = ended
        receiver = self.receiver
        if receiver is None:
            return
        self.deadline = self.connection.deadlines.now() + self.read_timeout
        if self._said:
            trailers = parse_trailers(fields, ended=ended)
            self._tell_head((), False)
            if self.receiver is receiver:
                self._over()
                receiver.ended(trailers)
            return
        head = self.connection.understood(fields, self._method, ended)
        if head.status < 200:
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise ResponseError(errors.TOO_MANY_INTERIM)
            receiver.interim(head)
            return
        self._said = True
        if ended:
            self._over()
            receiver.response(head, (), True)
            return
        assert self.wire is not None
        self.wire.left = max(head.length, -1)
        self._head = head
        self.connection.unsaid.append(self)

    def _tell_head(self, pieces: Sequence[Piece], ended: bool) -> bool:
        """Tell the receiver of the head, with what came behind it; False when that had happened before."""
        head, self._head = self._head, None
        if head is None or self.receiver is None:
            return False
        self.receiver.response(head, pieces, ended)
        return True

    def tell_head(self) -> None:
        """Nothing came along with the head."""
        self._tell_head((), False)

    def data_received(self, data: bytes, counted: int, ended: bool) -> None:
        """
        A part of the answer's body; *counted*: bytes of the window.

        :raises ResponseError: there is no answer that it could belong to
        """
        if not self._said:
            raise ResponseError(errors.BAD_RESPONSE, "content without a head (RFC 9113 §8.1)")
        self.received_end = ended
        self.peer.bytes_received += counted
        receiver = self.receiver
        if receiver is None:
            return
        self.deadline = self.connection.deadlines.now() + self.read_timeout
        pieces = (data,) if data else ()
        if ended:
            head, self._head = self._head, None
            self._over()
            if head is not None:
                receiver.response(head, pieces, True)
                return
            if pieces:
                receiver.body(pieces)
            receiver.ended(_NONE)
            return
        if not self._tell_head(pieces, False) and pieces:
            receiver.body(pieces)
        self.acknowledge(counted)

    def resume(self) -> None:
        """Read on, after a pause that the receiver needed: the peer's time begins now."""
        if not self.gone:
            self.deadline = self.connection.deadlines.now() + self.read_timeout
            self.resumeProducing()

    # Ending.

    def _over(self) -> None:
        """The answer is complete: nothing else is of interest."""
        self.receiver = None
        if not self.sent_end:
            # Nobody wants the rest of the request.
            self.send_reset(Code.CANCEL)
        self._leave()

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            self.drop()
            self._head = None
            self.connection.deadlines.forget(self)
            self.connection.stream_over(self)

    def cancel(self) -> None:
        """The receiver wants nothing more: its request is not worth the peer's work."""
        self.receiver = None
        if not self.gone:
            self.send_reset(Code.CANCEL)
            self._leave()

    def fail(self, reason: Reason, detail: str = "", code: Code | None = None) -> None:
        """The attempt has failed; *code*: what the peer is told."""
        receiver, self.receiver = self.receiver, None
        if self._head is not None and receiver is not None:
            # The head came before what broke the stream.
            head, self._head = self._head, None
            receiver.response(head, (), False)
        if code is not None and not self.gone:
            self.send_reset(code)
        self._leave()
        if receiver is not None:
            receiver.failed(errors.RESPONSE_CUT if self._said else reason, detail)

    def was_reset(self, code: int) -> None:
        """The peer has reset the stream."""
        if code == Code.REFUSED_STREAM and not self._said:
            self.fail(errors.STREAM_REFUSED, "REFUSED_STREAM")
        else:
            self.fail(errors.PEER_RESET, f"the stream, with {_name(code)}")

    def deadline_passed(self, now: float) -> None:
        deadlines = self.connection.deadlines
        if self.wire is None:
            self.fail(errors.CONNECT_TIMEOUT)
        elif self.pending:
            if self.sent == self._mark:
                self.connection.has_stalled(self)
                self.fail(errors.SEND_TIMEOUT, code=Code.CANCEL)
            else:
                self._mark = self.sent
                deadlines.watch(self, now + self.send_timeout)
        elif not self._request_ended or not self.reading:
            # The client is slow, not the peer: the client's own deadline sees to it.
            deadlines.watch(self, now + self.read_timeout)
        else:
            self.connection.has_stalled(self)
            where = "in the middle of the body, " if self._said else ""
            self.fail(errors.READ_TIMEOUT, f"{where}nothing came for {self.read_timeout:g} s", code=Code.CANCEL)


def _name(code: int) -> str:
    try:
        return Code(code).name
    except ValueError:
        return f"error {code:#x}"
