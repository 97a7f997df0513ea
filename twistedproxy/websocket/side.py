"""
One side of a WebSocket whose messages we see: autobahn's protocol behind a handshake that was validated before.

autobahn reads the frames and holds them to RFC 6455: masks, reserved bits, opcodes, lengths, fragmentation, control frames,
UTF-8, compression.  What goes on between the two sides is told to whoever joins them:

* ``piece``: a part of a message, a frame of up to 64 KiB whole, more than that as it comes, so that a message may be larger than
  memory;
* ``close_came``: a valid Close frame;
* ``violated``: the side broke the protocol, or a limit; nothing more is read of it;
* ``lost``: its connection is gone.

autobahn's own timers, statistics, log and half of its state are passed by: times are the relay's, and thousands of connections
that do nothing should not cost much.
"""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, Final

from autobahn.websocket.protocol import TrafficStats, WebSocketClientProtocol, WebSocketProtocol, WebSocketServerProtocol
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.websocket.deflate import Deflate
from twistedproxy.websocket.frames import BINARY, PONG, TEXT, masked
from twistedproxy.websocket.sending import Sending

if TYPE_CHECKING:
    from twistedproxy.websocket.joining import Joining

PROTOCOL_ERROR: Final = 1002
INVALID_PAYLOAD: Final = 1007
TOO_BIG: Final = 1009

#: A message goes on in pieces of up to this many bytes; frames that are not larger stay whole.
PIECE: Final = 64 * 1024
#: Bytes that autobahn is given at once outside of a payload: it copies what it has not used of them for each frame.
_HEADS: Final = 2 * 1024
#: Compressed bytes that are inflated at once: at most a thousandfold comes out (deflate's bound is 1032).
_INFLATED: Final = 1024
#: Steps in which a side is read before others have their turn: a frame takes one or two, the inflation of a kilobyte more.
_BUDGET: Final = 512
_INFLATING: Final = 16
#: The first bytes of frames that are messages, uncompressed.
_TEXT_MESSAGE: Final = 0x81
_WHOLE_MESSAGES: Final = frozenset((_TEXT_MESSAGE, 0x82))

#: Codes that a Close frame may carry (RFC 6455 §7.4, and the registry of IANA).
_CODES: Final = frozenset((*range(1000, 1004), *range(1007, 1015)))


def may_be_sent(code: int) -> bool:
    """Whether *code* may stand in a Close frame (RFC 6455 §7.4.1: 1005, 1006 and 1015 never)."""
    return code in _CODES or 3000 <= code <= 4999


_make_stats: Final[Any] = TrafficStats
_make_validator: Final[Any] = Utf8Validator


class _Role:
    """What autobahn asks its factory: whether it is a server."""

    proxy = None

    def __init__(self, server: bool) -> None:
        self.isServer = server


class _Silence:
    """autobahn's logger, made mute: what happens is the relay's to tell."""

    def debug(self, *_: object, **__: object) -> None:
        """Nothing to say."""

    info = warn = error = debug


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class Side(Sending, WebSocketProtocol):
    """
    One side; registered with its own transport as the producer of what is sent to it, it hears when that is too much.

    :ivar heard: monotonic time at which it gave a sign of life last
    :ivar asked: when it was pinged and has not answered since; 0.0 for not
    :ivar received: bytes that came over its connection
    :ivar close_received: it has sent a Close frame, whose code and reason are its *last_word*
    :ivar verdict: the code and the reason that it gets for a rule that it broke
    :ivar parts: of the message that comes, where it is wanted whole
    :ivar ended: nothing more is read of it
    :ivar held: why it is not read at present, bits of whoever holds it; 0 for not
    """

    name = ""
    # What autobahn would copy from its factory into each protocol, and counts and logs that nobody reads.
    log = _Silence()
    trafficStats: Any = _make_stats()
    factory: _Role
    trackedTimings: Any = None
    logOctets = logFrames = False
    utf8validateIncoming = applyMask = failByDrop = True
    maxFramePayloadSize = maxMessagePayloadSize = autoFragmentSize = 0
    requireMaskedClientFrames = maskClientFrames = True
    maskServerFrames = acceptMaskedServerFrames = False
    autoPingPending: Any = None
    autoPingTimeoutCall: Any = None
    websocket_version = 13
    # Its state behind the handshake.
    state = WebSocketProtocol.STATE_OPEN
    data = b""
    current_frame: Any = None
    inside_message = False
    failedByMe = False
    _perMessageCompress: Any = None
    message_data_total_length = 0
    # Ours.
    asked = 0.0
    received = 0
    pending_seen = taken_seen = 0
    last_word: tuple[int | None, bytes] = (None, b"")
    verdict: tuple[int | None, bytes] | None = None
    close_received = False
    ended = False
    held = 0
    _running = False
    _budget = _BUDGET
    _unread = b""
    _owed: bytes | None = None
    _isMessageCompressed = False
    _opcode = TEXT
    _first = True
    _gathered: list[bytes] | None = None
    _size = 0
    #: When the end that has begun must have gone further.
    close_by = inf
    finishing = False

    def __init__(self, relay: Joining, transport: Any, codec: Deflate | None, deflates: bool, max_message: int) -> None:
        """
        :param codec: what was agreed on compression, *deflates*: by which we compress, too
        :param max_message: bytes that a message from this side may have, 0: any number
        """
        self.relay = relay
        self.transport = transport
        self.heard = relay.now()
        self.parts = bytearray()
        self._inserted: list[tuple[int, bytes]] = []
        if codec is not None:
            self._perMessageCompress = codec
            self._codec = codec if deflates else None
        if max_message:
            self.maxMessagePayloadSize = max_message

    @cached_property
    def utf8validator(self) -> Any:  # type: ignore[override]
        """Made for the first text."""
        return _make_validator()

    @property
    def waits_for_close(self) -> bool:
        """It has ended the WebSocket, in order or by what it did wrong, and was not told so yet."""
        return not self.close_sent and not self.gone and (self.close_received or self.verdict is not None)

    # Reading.

    def makeConnection(self, transport: object) -> None:
        """The transport was connected long ago."""

    def connectionMade(self) -> None:
        """The transport was connected long ago."""

    def dataReceived(self, data: bytes) -> None:
        self.heard = self.relay.now()
        self.received += len(data)
        if not self.ended:
            if self._unread or self._running or self.held:
                self._unread += data
            else:
                self._read(data)

    def _read(self, data: bytes) -> None:
        """Give *data* to autobahn, in parts that it copes with; stop where somebody holds this side."""
        self._running = True
        self._budget = _BUDGET
        size = len(data)
        at = 0
        try:
            while not self.held and not self.ended:
                if self._budget <= 0 and (self.data or at < size):
                    self._wait_for_turn()
                    break
                if self.data:
                    self.consumeData()
                    if self._budget <= 0:
                        continue
                    if self.held or self.ended:
                        break
                if at >= size:
                    break
                frame = self.current_frame
                if frame is None:
                    room = _HEADS
                else:
                    room = min(PIECE, max(1, frame.length - self.current_frame_masker.pointer()))
                    if self._isMessageCompressed:
                        room = min(room, _INFLATED)
                        self._budget -= _INFLATING
                self.data += data[at : at + room] if at or room < size else data
                at += room
                self.consumeData()
        finally:
            self._running = False
        self._unread = b"" if self.ended else data[at:]

    def _wait_for_turn(self) -> None:
        """Others are served before more of this side is read."""
        self.hold(TURN)
        self.relay.reactor.callLater(0, self.release, TURN)

    def consumeData(self) -> None:
        """Read frames until there is no whole one, somebody holds this side, or it is the turn of others."""
        more = True
        while more and self._budget > 0 and not self.held and not self.ended:
            self._budget -= 1
            more = self.processData()

    def processData(self) -> bool:
        """
        Read a frame, or a part of one.

        A message in one short frame that is here whole, and not compressed, is what most are: it is read at once.  Whatever
        else there is, wrong things included, is autobahn's.
        """
        data = self.data
        if self.current_frame is None and not self.inside_message and len(data) > 3 and data[0] in _WHOLE_MESSAGES:
            server = self.factory.isServer
            size = data[1] ^ 0x80 if server else data[1]
            start = 2
            if size == 126:
                size = data[2] << 8 | data[3]
                start = 4 if size > 125 else 0
            elif size > 126:
                start = 0
            plain = start > 0
            if server:
                start += 4
            end = start + size
            limit = self.maxMessagePayloadSize
            if plain and end <= len(data) and (not limit or size <= limit):
                payload = masked(data[start:end], data[start - 4 : start]) if server else data[start:end]
                if data[0] == _TEXT_MESSAGE and not payload.isascii() and not _is_text(payload):
                    return bool(super().processData())
                self.data = data[end:]
                self.relay.piece(self, data[0] & 15, payload, True, True)
                return end < len(data)
        return bool(super().processData())

    def hold(self, why: int) -> None:
        """Read no more until :meth:`release` was called for everything that holds it."""
        if self.ended:
            return
        self.held |= why
        self.transport.pauseProducing()

    def release(self, why: int) -> None:
        """*why* is over."""
        if not self.held & why:
            return
        self.held &= ~why
        if self.held or self._running:
            return
        if self._unread or self.data:
            unread, self._unread = self._unread, b""
            self._read(unread)
        if not self.held and not self.gone:
            self.heard = self.relay.now()
            self.transport.resumeProducing()

    # What autobahn tells.

    def onMessageBegin(self, isBinary: bool) -> None:
        self._opcode = BINARY if isBinary else TEXT
        self._first = True
        self.message_data_total_length = 0
        self._gathered = []
        self._size = 0

    def onMessageFrameBegin(self, length: int) -> None:
        self.message_data_total_length += length
        if 0 < self.maxMessagePayloadSize < self.message_data_total_length:
            self.violate(TOO_BIG, f"a message of more than {self.maxMessagePayloadSize} bytes")

    def onMessageFrameData(self, payload: bytes) -> None:
        gathered = self._gathered
        if gathered is None or self.ended or not payload:
            return
        gathered.append(payload)
        self._size += len(payload)
        if self._size > PIECE:
            self._tell(last=False)

    def onMessageFrameEnd(self) -> None:
        if self._size and not self.current_frame.fin:
            self._tell(last=False)

    def onMessageEnd(self) -> None:
        self._tell(last=True)
        self._gathered = None

    def _tell(self, *, last: bool) -> None:
        gathered = self._gathered
        if gathered is None:
            return
        data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        self._gathered = []
        self._size = 0
        first, self._first = self._first, False
        self.relay.piece(self, self._opcode, data, first, last)

    # autobahn calls the methods with an underscore, its adapters those without.
    _onMessageBegin = onMessageBegin
    _onMessageFrameBegin = onMessageFrameBegin
    _onMessageFrameData = onMessageFrameData
    _onMessageFrameEnd = onMessageFrameEnd
    _onMessageEnd = onMessageEnd

    def onPing(self, payload: bytes) -> None:
        """Answered here: each side's life is between it and us (RFC 6455 §5.5.2)."""
        if self.close_sent:
            return
        if self.transport.pending > HIGH_WATER:
            # Of several pings the last may be answered alone (RFC 6455 §5.5.3); who does not read shall not fill our memory.
            self._owed = payload
        else:
            self.send_frame(PONG, payload)

    def onPong(self, payload: bytes) -> None:
        """That something came is all that counts."""

    _onPing = onPing
    _onPong = onPong

    def onCloseFrame(self, code: int | None, reasonRaw: bytes | None) -> bool:
        """A Close frame has come (RFC 6455 §5.5.1); its code and its reason are looked at."""
        if code is not None and not may_be_sent(code):
            self.violate(PROTOCOL_ERROR, f"close code {code}")
            return True
        reason = reasonRaw or b""
        try:
            reason.decode("utf-8")
        except UnicodeDecodeError:
            self.violate(INVALID_PAYLOAD, "the reason of a close is not UTF-8")
            return True
        self.close_received = True
        self.stop_reading()
        self.relay.close_came(self, code, reason)
        return True

    def violate(self, code: int = PROTOCOL_ERROR, reason: str = "") -> None:
        """The side broke a rule: nothing more is read of it."""
        if not self.ended:
            self.failedByMe = True
            self.stop_reading()
            self.relay.violated(self, code, reason)

    _fail_connection = violate

    def stop_reading(self) -> None:
        """What still comes is thrown away."""
        if self.ended:
            return
        self.ended = True
        self.state = WebSocketProtocol.STATE_CLOSED
        self.data = self._unread = b""
        self._gathered = None
        self.held = 0
        if not self.gone:
            self.transport.resumeProducing()

    # What waits to be sent.

    def pauseProducing(self) -> None:
        """It takes too slowly what it is sent."""
        self.relay.full(self)

    def resumeProducing(self) -> None:
        """It has taken all that it was sent."""
        owed, self._owed = self._owed, None
        if owed is not None:
            self.onPing(owed)
        self.relay.drained(self)

    def stopProducing(self) -> None:
        """It is gone: :meth:`connectionLost` follows."""

    # Ending.

    def readConnectionLost(self) -> None:
        """It sends nothing more.  A WebSocket has no half close."""
        self.relay.left(self)

    def writeConnectionLost(self) -> None:
        """Of no interest: we did that."""

    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        self.ended = True
        self.held = 0
        self.data = self._unread = b""
        self._gathered = None
        self.relay.lost(self, reason.check(ConnectionDone) is None)


#: Bits of :attr:`Side.held`, beside ANSWERED: the other side is slow; messages come too fast; a filter thinks; there is no peer
#: at present; others have their turn.
SLOW: Final = 1
FAST: Final = 2
FILTERING: Final = 4
WAITING: Final = 8
TURN: Final = 32


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class ClientSide(Side, WebSocketServerProtocol):
    """The client; to it we are the server."""

    name = "client"
    factory = _Role(True)


class PeerSide(Side, WebSocketClientProtocol):
    """The peer; to it we are the client."""

    name = "peer"
    factory = _Role(False)
    masks = True
