"""
A WebSocket, as messages of ASGI.

The handshake has been validated before.  When the app accepts, the client's side is joined to one end of a pipe, by a tunnel or a
relay of messages as the route says, and at the other end frames become messages here.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twistedproxy.apps.answer_head import BadAnswer
from twistedproxy.apps.asgi_talk import Message, Talk, unexpected
from twistedproxy.apps.call import Call
from twistedproxy.apps.loop import Loop
from twistedproxy.apps.process import Process
from twistedproxy.message import Field
from twistedproxy.transport.pipe import pipe
from twistedproxy.websocket.frames import BINARY, TEXT
from twistedproxy.websocket.side import SLOW, ClientSide, Side, may_be_sent

#: Bytes, and messages, that wait for the app before the client is not read any more.
_MOST_BYTES: Final = 64 * 1024
_MOST_MESSAGES: Final = 32
#: Codes that no Close frame carries (RFC 6455 §7.4.1).
_NO_CODE: Final = 1005
_LOST: Final = 1006
_NORMAL: Final = 1000
_FAILED: Final = 1011

_OF_HANDSHAKE: Final = frozenset((b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions"))


class WebSocketTalk(Talk):
    """One WebSocket, from its handshake on; joins the client's side with the app, see :mod:`twistedproxy.websocket.joining`."""

    def __init__(self, call: Call, loop: Loop, process: Process, state: dict[str, Any]) -> None:
        super().__init__(call, loop, process, state)
        request = call.request
        offered = b",".join(value for name, value in request.fields if name.lower() == b"sec-websocket-protocol")
        self.scope |= {
            "type": "websocket",
            "scheme": "wss" if request.scheme == "https" else "ws",
            "subprotocols": [word for part in offered.decode("latin-1").split(",") if (word := part.strip())],
            "extensions": {"websocket.http.response": {}},
        }
        del self.scope["method"]
        # On the reactor.
        self.reactor = process.reactor
        self.now = process.deadlines.now
        self._side: ClientSide | None = None
        self._parts = bytearray()
        self._unread = self._unread_bytes = 0
        self._closing: IDelayedCall | None = None
        self._told = False
        self._held = False
        # In the loop.
        self._arrived: deque[Message] = deque(({"type": "websocket.connect"},))
        self._accepted = self._closed = False
        self._denial: tuple[int, list[Field]] | None = None
        self._denied = self._failed = False
        self._refusal = bytearray()

    # On the reactor: what the app says.

    def _accept(self, protocol: str | None, fields: list[Field]) -> None:
        call = self.call
        if call.over:
            return
        head = [field for field in fields if field[0].lower() not in _OF_HANDSHAKE]
        if protocol is not None:
            head.append((b"Sec-WebSocket-Protocol", protocol.encode("latin-1")))
        ours, theirs = pipe(self.reactor)
        self._side = side = ClientSide(self, ours, None, False, call.most_of_message)
        ours.protocol = side
        ours.registerProducer(side, True)
        try:
            call.upgrade(head, theirs)
        except BadAnswer as problem:
            self._side = None
            ours.protocol = theirs.protocol
            call.failed_by(str(problem))
            self.left()

    def _say(self, opcode: int, data: bytes) -> None:
        side = self._side
        if side is None or side.gone or side.close_sent:
            self.loop.call(self._taken, len(data))
            return
        side.send_message(opcode, data)
        self._owed += len(data)
        if not self._held:
            self.room()

    def _close(self, code: int, reason: str) -> None:
        side = self._side
        if side is None or side.gone or side.close_sent:
            return
        side.send_close(code, reason.encode("utf-8")[:123].decode("utf-8", "ignore").encode("utf-8"))
        if side.close_received:
            side.transport.unregisterProducer()
            side.transport.loseConnection()
        else:
            self._closing = self.reactor.callLater(self.call.close_timeout, side.transport.abortConnection)

    def _refuse(self, status: int, fields: list[Field], data: bytes) -> None:
        try:
            self.call.answer(status, fields, (data,) if data else (), True)
        except BadAnswer as problem:
            self.call.failed_by(str(problem))

    def _read(self, size: int) -> None:
        """The app has received a message."""
        self._unread -= 1
        self._unread_bytes -= size
        side = self._side
        if side is not None and self._unread_bytes <= _MOST_BYTES and self._unread <= _MOST_MESSAGES:
            side.release(SLOW)

    # On the reactor: what the client's side tells.

    def piece(self, source: Side, opcode: int, data: bytes, first: bool, last: bool) -> None:
        """A part of a message."""
        if not (first and last):
            self._parts += data
            if not last:
                return
            data = bytes(self._parts)
            self._parts.clear()
        self._unread += 1
        self._unread_bytes += len(data)
        if self._unread_bytes > _MOST_BYTES or self._unread > _MOST_MESSAGES:
            source.hold(SLOW)
        message: Message = {"type": "websocket.receive"}
        message |= {"text": data.decode("utf-8")} if opcode == TEXT else {"bytes": data}
        self.loop.call(self._came, message)

    def close_came(self, source: Side, code: int | None, reason: bytes) -> None:
        """The client closes, or answers our Close."""
        self._disconnected(_NO_CODE if code is None else code, reason.decode("utf-8"))
        source.send_close(code)
        source.transport.unregisterProducer()
        source.transport.loseConnection()

    def violated(self, source: Side, code: int, reason: str) -> None:
        """The client broke a rule."""
        self._disconnected(code, reason)
        source.send_close(code, reason.encode("utf-8")[:123])
        source.transport.unregisterProducer()
        source.transport.loseConnection()

    def left(self, source: Side | None = None) -> None:
        """The client is gone, or sends nothing more."""
        if source is not None:
            source.transport.unregisterProducer()
            source.transport.loseConnection()
            return
        if not self._told:
            self._told = True
            self.loop.call(self._came, {"type": "websocket.disconnect", "code": _LOST, "reason": ""})
        super().left()

    def lost(self, source: Side, broken: bool) -> None:
        """The connection is gone."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._disconnected(_LOST, "")
        super().left()

    def full(self, sink: Side) -> None:
        """The client takes too slowly what the app says."""
        self._held = True

    def drained(self, sink: Side) -> None:
        """It has taken all."""
        self._held = False
        self.room()

    def _disconnected(self, code: int, reason: str) -> None:
        if not self._told:
            self._told = True
            self.loop.call(self._came, {"type": "websocket.disconnect", "code": code, "reason": reason})

    # In the loop.

    def _came(self, message: Message) -> None:
        self._arrived.append(message)
        if message["type"] == "websocket.disconnect":
            self._closed = True
        self.tell()

    async def receive(self) -> Message:
        """``websocket.connect``, then each message, then ``websocket.disconnect``, from then on."""
        while not self._arrived:
            await self.changed()
        message = self._arrived[0]
        if message["type"] != "websocket.disconnect":
            self._arrived.popleft()
        if message["type"] == "websocket.receive":
            size = len(message["text"].encode("utf-8")) if "text" in message else len(message["bytes"])
            self.in_reactor(self._read, size)
        return message

    async def send(self, message: Message) -> None:
        """
        ``websocket.accept``, then messages, then ``websocket.close``; instead of the first, a close or an answer of HTTP refuses.

        :raises RuntimeError: the app may not say this now
        """
        kind = message["type"]
        if self._denial is not None or (kind == "websocket.http.response.start" and not self._accepted):
            self._deny(message)
        elif kind == "websocket.accept" and not self._accepted and not self._denied:
            self._accepted = True
            fields = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self.in_reactor(self._accept, message.get("subprotocol"), fields)
        elif kind == "websocket.close" and not self._denied:
            self._closed = True
            if self._accepted:
                code = message.get("code") or _NORMAL
                self.in_reactor(self._close, code if may_be_sent(code) else _NORMAL, message.get("reason") or "")
            else:
                self._denied = True
                self.in_reactor(self._refuse, 403, [], b"")
        elif kind == "websocket.send" and self._accepted:
            await self._send(message)
        else:
            raise unexpected(message, "websocket.send" if self._accepted else "websocket.accept")

    async def _send(self, message: Message) -> None:
        if self._closed or not await self.has_room():
            return
        text = message.get("text")
        opcode, data = (BINARY, bytes(message["bytes"])) if text is None else (TEXT, text.encode("utf-8"))
        self.outstanding += len(data)
        self.in_reactor(self._say, opcode, data)

    def _deny(self, message: Message) -> None:
        kind = message["type"]
        if self._denial is None:
            self._denial = message["status"], [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
        elif kind == "websocket.http.response.body" and not self._denied:
            self._refusal += message.get("body", b"")
            if not message.get("more_body", False):
                self._denied = self._closed = True
                status, fields = self._denial
                fields = [field for field in fields if field[0].lower() != b"content-length"]
                self.in_reactor(self._refuse, status, fields, bytes(self._refusal))
        else:
            raise unexpected(message, "websocket.http.response.body")

    def failed(self, failure: Failure) -> None:
        """The app has raised."""
        self._failed = True
        super().failed(failure)

    def returned(self) -> None:
        """The app has returned: a WebSocket that it has not closed is closed, a handshake that it has not answered fails."""
        if self._accepted:
            self.in_reactor(self._close, _FAILED if self._failed else _NORMAL, "")
        else:
            self.in_reactor(self._unanswered)

    def _unanswered(self) -> None:
        if not self.call.over:
            self.call.failed_by("it has returned, and neither accepted nor closed the WebSocket")
