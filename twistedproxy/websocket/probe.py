"""
The check of peers that speak WebSocket: the opening handshake, then a ping that must be answered (RFC 6455 §4.1, §5.5.2).

A server that only answers handshakes passes an HTTP check and not this one: whoever carries the messages is asked.
"""

from __future__ import annotations

from base64 import b64encode
from os import urandom
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.errors import ResponseError
from twistedproxy.message import ResponseHead
from twistedproxy.settings.checks import CheckSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.upstream.connector import Dial
from twistedproxy.upstream.probes import Asking, HttpProbe
from twistedproxy.websocket.frames import BINARY, CLOSE, PING, PONG, frame_head, masked, new_mask
from twistedproxy.websocket.handshake import Handshake, check_answer

#: Seconds that a peer has to close the connection when the check is over.
GRACE: Final = 1.0
_PAYLOAD: Final = b"revproxy check"
_GOING: Final = (1000).to_bytes(2)
#: The longest payload of a control frame (RFC 6455 §5.5).
_CONTROL: Final = 125


class WebSocketProbe(HttpProbe):
    """``check = websocket TARGET``; *reactor* knows how long a peer may take to say good-bye."""

    def __init__(
        self, check: CheckSettings, settings: PoolSettings, dial: Dial, deadlines: Deadlines, reactor: IReactorTime
    ) -> None:
        super().__init__(check, settings, dial, deadlines)
        self.reactor = reactor
        key = b64encode(urandom(16))
        self._rest = self._rest.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: %b\r\n\r\n" % key)
        offered = [value for name, value in self.request_fields() if name.lower() == b"sec-websocket-protocol"]
        protocols = tuple(each.strip() for value in offered for each in value.split(b","))
        self.handshake = Handshake(key, protocols, ())

    @property
    def keeps(self) -> bool:
        """Never: what follows an upgrade is no HTTP."""
        return False

    def own_fields(self) -> list[tuple[str, str]]:
        """What an opening handshake consists of, but for its key."""
        return [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]

    def __call__(self, server: ServerSettings) -> Deferred[None]:
        """One check of *server*."""
        return _Pinging(self, server).done

    def problem_of_head(self, head: ResponseHead) -> str:
        """Any answer but 101 is one."""
        return f"no WebSocket, but status {head.status}"


@implementer(IProtocol)
class _Pinging(Asking):
    """One check by a ping."""

    upgrades = True
    factory = None

    def __init__(self, probe: WebSocketProbe, server: ServerSettings) -> None:
        super().__init__(probe, server)
        self._websocket = probe
        self._transport: Any = None
        self._buffer = b""
        #: Of a data frame, which says nothing to us: so many bytes follow.
        self._skip = 0
        self._call: IDelayedCall | None = None
        self._wanted = True

    def _given_up(self, done: object) -> None:
        if self._transport is None:
            super()._given_up(done)
        else:
            self._wanted = False
            self._transport.abortConnection()

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        """The handshake is answered: ping."""
        self._transport = self.connection.transport
        self._transport.protocol = self
        try:
            check_answer(self._websocket.handshake, head)
        except ResponseError as error:
            self._ill(f"the WebSocket handshake is malformed: {error.detail}")
            return
        self._send(PING, _PAYLOAD)
        if rest:
            self.dataReceived(rest)

    def _send(self, opcode: int, payload: bytes) -> None:
        mask = new_mask()
        self._transport.write(frame_head(opcode, len(payload), mask=mask) + masked(payload, mask))

    def _ill(self, why: str) -> None:
        self.fails(why)
        self._transport.abortConnection()

    def makeConnection(self, transport: Any) -> None:
        """Never called: the connection stood before it was ours."""

    def connectionMade(self) -> None:
        """As :meth:`makeConnection`."""

    def dataReceived(self, data: bytes) -> None:
        """Frames, whole or in parts."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._buffer += data
        while (size := self._frame()) and not self._transport.disconnecting:
            self._skip = max(0, size - len(self._buffer))
            self._buffer = self._buffer[size:]

    def _frame(self) -> int:
        """Look at the frame that the buffer begins with; its size, or 0 when more of it must come (RFC 6455 §5.2)."""
        buffer = self._buffer
        if len(buffer) < 2:
            return 0
        opcode, size = buffer[0] & 0x0F, buffer[1] & 0x7F
        is_control = opcode >= CLOSE
        if buffer[0] & 0x70 or opcode > PONG or BINARY < opcode < CLOSE or buffer[1] & 0x80:
            self._ill("what came is no frame of a WebSocket")
            return 0
        if is_control and (size > _CONTROL or not buffer[0] & 0x80):
            self._ill("what came is no control frame of a WebSocket")
            return 0
        start = 2
        if size > _CONTROL:
            start += 2 if size == 126 else 8
            if len(buffer) < start:
                return 0
            size = int.from_bytes(buffer[2:start])
        if is_control:
            if len(buffer) < start + size:
                return 0
            self._control(opcode, buffer[start : start + size])
        return start + size

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            code = f" ({int.from_bytes(payload[:2])})" if payload else ""
            self.fails(f"the peer closed the WebSocket{code}")
            self._transport.loseConnection()
        elif opcode == PING:
            self._send(PONG, payload)
        elif payload == _PAYLOAD and self._call is None:
            self._send(CLOSE, _GOING)
            self._call = self._websocket.reactor.callLater(GRACE, self._transport.abortConnection)
            self.passed()

    def connectionLost(self, reason: Failure) -> None:
        """It is over."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        if self._wanted:
            self.fails("connection closed before the ping was answered")
