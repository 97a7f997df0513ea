# mypy: allow-untyped-calls
"""The demo's chat: a room, and the WebSocket protocol by which browsers take part (autobahn, RFC 6455)."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from autobahn.websocket.types import ConnectionDeny

#: The subprotocol that the page asks for.
SUBPROTOCOL: Final = "chat.demo"
#: Bounds, so that nobody fills the memory: members, lines kept, characters of a name and of a line, bytes of a message.
MEMBERS: Final = 100
KEPT: Final = 50
NAME_LENGTH: Final = 24
LINE_LENGTH: Final = 400
MESSAGE_SIZE: Final = 4096


class Room:
    """
    Who is there, and what was said last.

    :ivar members: connections that have told their names, in the order of entry
    :ivar said: the last lines
    """

    def __init__(self) -> None:
        self.members: list[Chat] = []
        self.said: deque[dict[str, str]] = deque(maxlen=KEPT)

    def enter(self, member: Chat) -> None:
        """Let *member* in: it gets the last lines, and everybody hears who is there."""
        member.tell({"kind": "before", "lines": list(self.said)})
        self.members.append(member)
        self._tell_members()

    def leave(self, member: Chat) -> None:
        """Forget *member*, and let the others know."""
        if member in self.members:
            self.members.remove(member)
            self._tell_members()

    def say(self, member: Chat, text: str) -> None:
        """Pass a line of *member* on to everybody, itself included."""
        line = {"name": member.name, "text": text, "at": time.strftime("%H:%M", time.localtime())}
        self.said.append(line)
        self._tell({"kind": "line", **line})

    def _tell_members(self) -> None:
        self._tell({"kind": "members", "members": [{"name": member.name, "scheme": member.scheme} for member in self.members]})

    def _tell(self, event: dict[str, Any]) -> None:
        for member in self.members:
            member.tell(event)


class Chat(WebSocketServerProtocol):
    """
    One browser's connection.  It sends ``{"kind": "enter", "name": …}`` once, then ``{"kind": "say", "text": …}``.

    :ivar name: the name that it told; empty before that
    :ivar scheme: ws or wss, as the client sees it
    """

    factory: ChatFactory
    name = ""
    scheme = "ws"

    def onConnect(self, request: Any) -> str | None:
        """Take the page's subprotocol when it is offered; turn away whom the room cannot hold."""
        if len(self.factory.room.members) >= MEMBERS:
            raise ConnectionDeny(ConnectionDeny.SERVICE_UNAVAILABLE, "the room is full")
        self.scheme = "wss" if request.headers.get("x-forwarded-proto") == "https" else "ws"
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Understand one message; what is not understood ends the connection (RFC 6455 §7.4.2: 4000 is for private use)."""
        try:
            message = json.loads(payload)
            kind = message["kind"]
            text = message["name" if kind == "enter" else "text"]
            if kind not in ("enter", "say") or not isinstance(text, str):
                raise ValueError(kind)
        except (ValueError, KeyError, TypeError, RecursionError):
            self.sendClose(4000, "not a message of this chat")
            return
        text = " ".join(text.split())
        if kind == "enter" and not self.name:
            self.name = text[:NAME_LENGTH] or "somebody"
            self.factory.room.enter(self)
        elif kind == "say" and self.name and text:
            self.factory.room.say(self, text[:LINE_LENGTH])

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Leave the room."""
        self.factory.room.leave(self)

    def tell(self, event: dict[str, Any]) -> None:
        """Send *event* to the browser, unless its connection is closing."""
        if self.state == self.STATE_OPEN:
            self.sendMessage(json.dumps(event).encode())


class ChatFactory(WebSocketServerFactory):
    """
    The chat's server.

    :ivar room: the only room
    """

    protocol: Any = Chat
    noisy = False

    def __init__(self, reactor: Any) -> None:
        super().__init__(protocols=[SUBPROTOCOL], reactor=reactor)
        self.room = Room()
        # The proxy, the only client, has the whole handshake at hand when it connects, and drops what does not close: no
        # timers watch for either.
        self.setProtocolOptions(
            maxMessagePayloadSize=MESSAGE_SIZE,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            perMessageCompressionAccept=_accept_compression,
        )


def _accept_compression(offers: list[Any]) -> PerMessageDeflateOfferAccept | None:
    """Compress when the client can (RFC 7692): the page shows that this is negotiated end to end."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None
