"""The peers of a stage: they note what they are asked, and say what they were told to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorTime

from twistedproxy.errors import CONNECT_REFUSED_BY_PEER
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.story.tale import Sent
from twistedproxy.upstream.receiver import Receiver
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Peer


@dataclass(frozen=True)
class Answer:
    """
    What a peer says.

    :ivar head: None: it refuses the connection
    """

    head: ResponseHead | None
    body: bytes = b""


class Peers:
    """
    Stands where the connections of a pool stand: a :class:`twistedproxy.upstream.connector.Connector`.

    :ivar heard: what the pool's peers were asked, in order
    """

    def __init__(self, reactor: IReactorTime, answer: Callable[[], Answer]) -> None:
        self._reactor = reactor
        self._answer = answer
        self.heard: list[Sent] = []

    def take(self, peer: Peer, receiver: Receiver) -> None:
        """No connection is kept."""

    def connect(self, peer: Peer, receiver: Receiver, timeout: float) -> _Conversation:
        """Talk to *peer*."""
        heard = Sent(peer.name)
        self.heard.append(heard)
        conversation = _Conversation(self._reactor, heard, self._answer())
        conversation.receiver = receiver
        conversation.later(conversation.begin)
        return conversation

    def may_keep(self, peer: Peer, may: bool) -> None:
        """Nothing is kept anyway."""

    def part(self, peer: Peer) -> None:
        """Likewise."""

    def close_idle(self, peer: Peer) -> None:
        """Likewise."""


class _Conversation:
    """Stands where a connection to a peer stands, and its transport."""

    #: Whatever the pool speaks, requests are told in the form of HTTP/1.
    multiplexed = False

    def __init__(self, reactor: IReactorTime, heard: Sent, answer: Answer) -> None:
        self._reactor = reactor
        self._heard = heard
        self._answer = answer
        self._is_head = False
        self.receiver: Receiver | None = None
        self.transport: Any = self
        self.connected_at = reactor.seconds()
        self.read_timeout = self.send_timeout = 0.0

    def later(self, happens: Callable[[], None]) -> None:
        """What peers do, they do in a moment of their own."""
        self._reactor.callLater(0, happens)

    def begin(self) -> None:
        """The connection stands, or is refused."""
        receiver = self.receiver
        if receiver is None:
            return
        if self._answer.head is None:
            receiver.failed(CONNECT_REFUSED_BY_PEER, "the rehearsal has it so")
        else:
            receiver.connected()

    def send(
        self, receiver: Receiver, method: bytes, start: bytes, pieces: Sequence[Piece], ended: bool, length: int, upgrade: bool
    ) -> None:
        """The request comes."""
        line, *fields = start.decode("latin-1").rstrip("\r\n").split("\r\n")
        self._heard.start = line
        self._heard.fields = [(name, value) for name, _, value in (each.partition(": ") for each in fields)]
        self._is_head = method == b"HEAD"
        self.send_body(pieces, ended and not upgrade, None)

    def send_body(self, pieces: Sequence[Piece], ended: bool, trailers: Headers | None) -> None:
        """Its body comes."""
        self._heard.body += b"".join(map(bytes, pieces))
        if ended:
            self.later(self._say)

    def _say(self) -> None:
        head = self._answer.head
        if self.receiver is None or head is None:
            return
        body = self._answer.body if not self._is_head and head.status not in (204, 304) else b""
        made = ResponseHead(head.status, head.reason, head.headers, length=len(body))
        self.receiver.response(made, (body,) if body else (), True)

    def cancel(self) -> None:
        """Nobody listens any more."""
        self.receiver = None

    def resume(self) -> None:
        """Everything was said at once."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """As the transport: all of the request is here already."""

    def unregisterProducer(self) -> None:
        """As the transport."""

    def pauseProducing(self) -> None:
        """As the transport: everything was said at once."""

    def abortConnection(self) -> None:
        """As the transport."""
        self.receiver = None
