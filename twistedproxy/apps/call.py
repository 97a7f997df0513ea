"""
A call: one request to an app, with its answer.

To an attempt it is what a connection to a peer is; to the app it is where the body comes from and the answer goes to, both with
back-pressure.  Everything here happens on the reactor; kinds of apps that live in threads bring their words over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.apps.answer_head import BadAnswer, accepting, answer_head, is_measured
from twistedproxy.apps.request import AppRequest
from twistedproxy.errors import Reason
from twistedproxy.message import CHUNKED, UNTIL_CLOSE, Field, Headers, ResponseHead
from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.upstream.receiver import Receiver

_CONTINUE: Final = ResponseHead(100, b"Continue", Headers(), length=0)

_log = Logger()


class App(Protocol):
    """
    An app that is called.

    :ivar called: how people call it
    """

    called: str

    def call(self, call: Call) -> None:
        """A request has come; its body may follow."""


def _nothing() -> None:
    """Nobody wants to hear of it."""


class Call(Timed):
    """
    One request to an app.

    :ivar request: what is asked
    :ivar body_ended: the whole body has come
    :ivar full: the client is slow: nothing more should be written before :attr:`on_room`
    :ivar over: nothing is expected of the app any more; what it still says is dropped
    :ivar answered: its answer has begun
    :ivar on_body: called when more of the body is here, or its end; *on_room*: when more may be written; *on_gone*: when the
        client has left, or time is up
    :ivar upgrades: it is a WebSocket's handshake
    :ivar most_of_message: bytes that a message of a WebSocket may have; *close_timeout*: seconds in which its end is answered
    """

    #: The head that it gets is lines.
    multiplexed = False

    __slots__ = (
        "_app",
        "_bodiless",
        "_continued",
        "_deadlines",
        "_flow",
        "_held",
        "_inbox",
        "_left",
        "_upgraded",
        "_waiting",
        "answered",
        "body_ended",
        "close_timeout",
        "connected_at",
        "full",
        "most_of_message",
        "on_body",
        "on_gone",
        "on_room",
        "over",
        "peer",
        "read_timeout",
        "receiver",
        "request",
        "send_timeout",
        "upgrades",
    )

    request: AppRequest

    def __init__(self, app: App, peer: Any, deadlines: Deadlines) -> None:
        super().__init__()
        self._app = app
        self._deadlines = deadlines
        self.peer = peer
        self.receiver: Receiver | None = None
        self.connected_at = deadlines.now()
        self.read_timeout = self.send_timeout = inf
        self._inbox: list[Piece] = []
        self._waiting = 0
        self._flow: Any = None
        self._held = False
        self._continued = False
        self._bodiless = False
        self._left = -1
        self._upgraded: Any = None
        self.body_ended = self.full = self.over = self.answered = self.upgrades = False
        self.on_body: Callable[[], None] = _nothing
        self.on_room: Callable[[], None] = _nothing
        self.on_gone: Callable[[], None] = _nothing

    # As an attempt's connection, and its transport.

    @property
    def transport(self) -> Any:
        """Itself; of a WebSocket that has begun, one end of its pipe."""
        return self._upgraded or self

    def is_quiet(self, *, and_open: bool) -> bool:
        """Nothing was ever said here."""
        return True

    def send(
        self, receiver: Receiver, method: bytes, head: bytes, pieces: Sequence[Piece], ended: bool, length: int, upgrade: bool
    ) -> None:
        """As :meth:`twistedproxy.upstream.http1.UpstreamConnection.send`."""
        self.receiver = receiver
        asker: Any = receiver
        self.request = AppRequest(asker.exchange, head, length)
        self.upgrades = upgrade
        settings = asker.exchange.route.settings
        self.most_of_message: int = settings.websocket_max_message
        self.close_timeout: float = settings.websocket_close_timeout
        self._bodiless = method == b"HEAD"
        self._keep(pieces, ended)
        self.peer.bytes_sent += len(head) + self._waiting
        if self.read_timeout != inf:
            self._deadlines.watch(self, self._deadlines.now() + self.read_timeout)
        try:
            self._app.call(self)
        except Exception:
            self.failed(Failure())

    def send_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """More of the request's body."""
        before = self._waiting
        self._keep(pieces, ended)
        self.peer.bytes_sent += self._waiting - before
        if not self.over:
            self._moved()
            self.on_body()

    def _keep(self, pieces: Sequence[Piece], ended: bool) -> None:
        for piece in pieces:
            self._inbox.append(piece)
            self._waiting += len(piece)
        self.body_ended = ended
        self._hold()

    def _hold(self) -> None:
        if self._waiting > HIGH_WATER and self._flow is not None and not self._held:
            self._held = True
            self._flow.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """*producer* brings the rest of the body."""
        self._flow = producer
        self._hold()

    def unregisterProducer(self) -> None:
        """No more of it comes."""
        self._flow = None

    def pauseProducing(self) -> None:
        """The client takes the answer too slowly."""
        self.full = True

    def resume(self) -> None:
        """It has taken what was written."""
        if self.full:
            self.full = False
            self._moved()
            if not self.over:
                self.on_room()

    def abortConnection(self) -> None:
        """As :meth:`cancel`."""
        self.cancel()

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        self.receiver = None
        self._leave(gone=True)

    def deadline_passed(self, now: float) -> None:
        if self.full or not (self.body_ended or self._inbox):
            # The client is slow, not the app: the client's own deadline sees to it.
            self._deadlines.watch(self, now + self.read_timeout)
        else:
            self.fail(errors.READ_TIMEOUT, self._app.called)

    def _moved(self) -> None:
        """The app is at work: its time begins anew."""
        self.deadline = self._deadlines.now() + self.read_timeout

    def _leave(self, *, gone: bool) -> None:
        """Nothing more is expected of the app, which does not know that if the client is *gone*."""
        if self.over:
            return
        self.over = True
        self._deadlines.forget(self)
        self._inbox.clear()
        self._waiting = 0
        on_gone, self.on_body, self.on_room, self.on_gone = self.on_gone, _nothing, _nothing, _nothing
        if gone:
            on_gone()

    # As the app sees it.

    @property
    def is_here(self) -> bool:
        """Something of the body is here."""
        return bool(self._inbox)

    def take(self) -> bytes:
        """What of the body is here; empty: nothing at present."""
        if not self._inbox:
            self._invite()
            return b""
        data = bytes(self._inbox[0]) if len(self._inbox) == 1 else b"".join(self._inbox)
        self._inbox.clear()
        self._waiting = 0
        if self._held:
            self._held = False
            if self._flow is not None:
                self._flow.resumeProducing()
        if not self.over:
            self._moved()
        return data

    def _invite(self) -> None:
        """A client that waits for a 100 gets it when its body is wanted (RFC 9110 §10.1.1)."""
        if self.request.expects and not self._continued and not self.body_ended and not self.answered and not self.over:
            self._continued = True
            assert self.receiver is not None
            self.receiver.interim(_CONTINUE)

    def answer(self, status: int, fields: Sequence[Field], pieces: Sequence[Piece], ended: bool, reason: bytes = b"") -> None:
        """
        Begin the answer; *ended*: that is all of it, and gets a Content-Length if it has none.

        :raises BadAnswer: it cannot be one; nothing was sent
        """
        if self.over:
            return
        if self.answered:
            raise BadAnswer("the answer has begun before")
        size = sum(map(len, pieces))
        bodiless = self._bodiless or status in (204, 304)
        # Of what was not said in an answer to HEAD the length is not known.
        if ended and status not in (204, 304) and (size or not bodiless) and not is_measured(fields):
            fields = (*fields, (b"Content-Length", b"%d" % size))
        head = answer_head(status, reason, fields, self.request.method)
        if head.length == UNTIL_CLOSE:
            head = ResponseHead(head.status, head.reason, head.headers, length=CHUNKED)
        elif not bodiless:
            self._left = head.length
            pieces = self._counted(pieces, size)
            if ended and self._left:
                raise BadAnswer(f"Content-Length is {head.length}, and the body has {size} bytes")
        self.answered = True
        receiver = self.receiver
        assert receiver is not None
        if bodiless or ended or head.length == 0:
            self.receiver = None
            self.peer.bytes_received += 0 if bodiless else size
            self._leave(gone=not ended)
            receiver.response(head, () if bodiless else pieces, True)
            return
        self.peer.bytes_received += size
        self._moved()
        receiver.response(head, pieces, False)

    def write(self, pieces: Sequence[Piece]) -> None:
        """
        More of the body.

        :raises BadAnswer: it is more than Content-Length says
        """
        if self.over or not pieces:
            return
        size = sum(map(len, pieces))
        if self._left >= 0:
            pieces = self._counted(pieces, size)
        self.peer.bytes_received += size
        self._moved()
        assert self.receiver is not None
        self.receiver.body(pieces)

    def _counted(self, pieces: Sequence[Piece], size: int) -> Sequence[Piece]:
        if size > self._left:
            raise BadAnswer("the body is longer than its Content-Length")
        self._left -= size
        return pieces

    def end(self) -> None:
        """The answer is complete."""
        if self.over:
            return
        if self._left > 0:
            raise BadAnswer(f"{self._left} bytes of the body are missing, by its Content-Length")
        receiver, self.receiver = self.receiver, None
        self._leave(gone=False)
        assert receiver is not None
        receiver.ended(Headers())

    def upgrade(self, fields: Sequence[Field], transport: Any) -> None:
        """
        Accept a WebSocket: *transport* is what the client is joined to, *fields* are told to it beside those of the handshake.

        :raises BadAnswer: they cannot be
        """
        key = next(value for name, value in self.request.fields if name.lower() == b"sec-websocket-key")
        said = answer_head(200, b"", fields, b"GET").headers
        receiver, self.receiver = self.receiver, None
        self._upgraded = transport
        self._leave(gone=False)
        assert receiver is not None
        receiver.upgraded(ResponseHead(101, b"Switching Protocols", said.plus(*accepting(key))), b"")

    def failed(self, failure: Failure) -> None:
        """The app has raised: the log gets a traceback, the client an error."""
        _log.failure("{app} has failed at {method} {path}", failure, **self._about)
        self.fail(errors.APP_FAILED, failure.type.__name__ if failure.type is not None else "")

    def failed_by(self, problem: str) -> None:
        """The app has done wrong: the log gets *problem*, the client an error."""
        _log.error("{app} has failed at {method} {path}: {problem}", problem=problem, **self._about)
        self.fail(errors.APP_FAILED, problem)

    @property
    def _about(self) -> dict[str, Any]:
        request = self.request
        return {"app": self._app.called, "method": request.method.decode("latin-1"), "path": request.path.decode("latin-1")}

    def fail(self, reason: Reason, detail: str = "") -> None:
        """No answer comes, or no more of it."""
        receiver, self.receiver = self.receiver, None
        self._leave(gone=reason is not errors.APP_FAILED)
        if receiver is not None:
            receiver.failed(errors.RESPONSE_CUT if self.answered and reason is errors.APP_FAILED else reason, detail)
