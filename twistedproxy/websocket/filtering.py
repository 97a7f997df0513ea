"""
Message filters: Python of the site's own that sees every message of a route, and changes it, drops it, or answers.

    class Shouting:
        def __init__(self, conversation):            # one filter for each WebSocket
            self.conversation = conversation
        def from_client(self, message):              # str for text, bytes for binary
            if message == "ping":
                self.conversation.send_to_client("pong")
                return None                          # dropped
            return message.upper()                   # passed on, changed
        async def from_peer(self, message):          # a coroutine, or a Deferred
            return message

Either method may be missing: that direction passes as it comes.  Messages keep their order: while a filter thinks, nothing more
is read of that side.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.message import Headers
from twistedproxy.websocket.frames import BINARY, TEXT
from twistedproxy.websocket.side import FILTERING, Side, may_be_sent

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twistedproxy.websocket.relay import Relay

_log = Logger()

Message = str | bytes
#: The site's class: called with a :class:`Conversation`.
MakeFilter = Callable[[Any], Any]

_FAILED: Final = 1011
#: Bytes of a Close frame's reason: its payload is a control frame's, and begins with the code.
_LONGEST_REASON: Final = 123


class Conversation:
    """
    A WebSocket as its filter sees it.

    :ivar client: the client's address
    :ivar route: the name of the route
    :ivar target: that the client asked for, path and query; *headers*: the fields of that request
    :ivar subprotocol: that was agreed on, empty for none
    """

    def __init__(self, relay: Relay, client: str, target: str, headers: Headers, subprotocol: str) -> None:
        self._relay = relay
        self.client = client
        self.route = relay.route_name
        self.target = target
        self.headers = headers
        self.subprotocol = subprotocol

    def send_to_client(self, message: Message) -> None:
        """Send a message of our own to the client."""
        self._relay.client.send_message(*_coded(message))

    def send_to_peer(self, message: Message) -> None:
        """Send a message of our own to the peer."""
        self._relay.peer.send_message(*_coded(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """
        End the WebSocket on both sides.

        :param reason: at most 123 bytes of UTF-8
        :raises ValueError: no Close frame may carry that (RFC 6455 §5.5, §7.4)
        """
        if not may_be_sent(code):
            raise ValueError(f"{code} is no code that a Close frame may carry")
        if len(reason.encode("utf-8")) > _LONGEST_REASON:
            raise ValueError(f"a reason has {_LONGEST_REASON} bytes at most")
        self._relay.end(code, reason)


class Filtering:
    """The filter of one WebSocket at work."""

    def __init__(self, relay: Relay, made: Any, reactor: IReactorTime) -> None:
        """*made* is what the site's class made."""
        self._relay = relay
        self._timeout = relay.settings.websocket_filter_timeout
        self._open = relay.settings.websocket_filter_errors == "open"
        self._reactor = reactor
        self._from_client = getattr(made, "from_client", None)
        self._from_peer = getattr(made, "from_peer", None)

    def wants(self, source: Side) -> bool:
        """Whether messages from *source* are filtered."""
        return self._asked(source) is not None

    def _asked(self, source: Side) -> Callable[[Message], Any] | None:
        return self._from_client if source is self._relay.client else self._from_peer

    def message(self, source: Side, opcode: int, data: bytes) -> None:
        """Ask the filter what becomes of a message."""
        ask = self._asked(source)
        assert ask is not None
        try:
            result = ask(data.decode("utf-8") if opcode == TEXT else data)
            if isinstance(result, Coroutine):
                result = Deferred.fromCoroutine(result)
        except Exception:
            self._failed(source, opcode, data, Failure())
            return
        if not isinstance(result, Deferred):
            self._answered(source, opcode, data, result)
            return
        source.hold(FILTERING)
        result.addTimeout(self._timeout, self._reactor)
        result.addCallback(lambda answer: self._answered(source, opcode, data, answer))
        result.addErrback(lambda failure: self._failed(source, opcode, data, failure))
        result.addBoth(lambda _: source.release(FILTERING))

    def _answered(self, source: Side, opcode: int, data: bytes, answer: object) -> None:
        if answer is None:
            return
        if isinstance(answer, (str, bytes)):
            self._relay.deliver(source, *_coded(answer))
        else:
            self._failed(source, opcode, data, Failure(TypeError(f"a message is str or bytes, not {type(answer).__name__}")))

    def _failed(self, source: Side, opcode: int, data: bytes, failure: Failure) -> None:
        """The filter is at fault: its route says whether messages pass then, or the WebSocket ends."""
        told(self._relay.route_name, failure)
        if self._open:
            self._relay.deliver(source, opcode, data)
        else:
            self._relay.end(_FAILED, "the message filter failed")


def told(route: str, failure: Failure) -> None:
    """Tell the log what a filter raised."""
    trace = "".join(traceback.format_exception(failure.value))
    _log.error("route {route}: the message filter failed: {trace}", route=route, trace=trace)


def _coded(message: Message) -> tuple[int, bytes]:
    return (TEXT, message.encode("utf-8")) if isinstance(message, str) else (BINARY, message)
