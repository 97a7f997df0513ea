"""
Many streams on one HTTP/2 connection, sent fairly: what waits for windows and for the kernel, and who is held back meanwhile.

Clients' connections and those to peers have this in common; what a stream is for is theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.wire.framing import Piece
from twistedproxy.wire.http2_connection import WireConnection
from twistedproxy.wire.http2_floods import FrameLimits
from twistedproxy.wire.http2_frames import FRAME_SIZE, Code, Setting
from twistedproxy.wire.http2_stream import WireStream

#: Bytes that a stream sends before it is another one's turn.
QUANTUM: Final = 64 * 1024
#: Pieces of frames that are put off at most, until the events at hand were told.
_JOINED: Final = 64
#: Bytes that were taken before the window of a stream is opened by them.
_UPDATE: Final = 16 * 1024


@implementer(IPushProducer)
class Multiplexed(Timed):
    """
    A connection; subclasses are its protocol, and hear of what comes (:class:`twistedproxy.wire.http2_stream.Owner`).

    :ivar wire: the frames
    :ivar transport: below them; None as long as there is none
    :ivar ended: nothing more goes either way
    """

    def __init__(
        self, deadlines: Deadlines, settings: Mapping[Setting, int], limits: FrameLimits, most_fields: int, *, is_client: bool
    ) -> None:
        super().__init__()
        self.deadlines = deadlines
        self.transport: Any = None
        self.wire = WireConnection(self, settings, limits, most_fields, deadlines.now(), is_client=is_client)  # type: ignore[arg-type]
        self.ended = False
        self._waiting: dict[int, SendingStream] = {}
        self._full = False
        self._busy = False
        self._is_put_off = False

    # Sending.

    def flush(self) -> None:
        """Send what the frames are, unless more may join them in this moment: other streams' answers may be there to be read."""
        wire = self.wire
        if self._busy or not wire.out or self.transport is None:
            return
        if len(wire.streams) > 1 and len(wire.out) < _JOINED:
            if self._is_put_off:
                return
            self._is_put_off = self.transport.put_off(self._now)
            if self._is_put_off:
                return
        self.send_out()

    def _now(self) -> None:
        self._is_put_off = False
        self.send_out()

    def send_out(self) -> None:
        """Send what the frames are, now."""
        out = self.wire.out
        if out and self.transport is not None:
            self.wire.out = []
            self.transport.writeSequence(out)

    def room(self, stream: WireStream) -> int:
        """Bytes that may be sent on *stream* now: both windows allow them, and the connection takes them."""
        if self._full or self.ended:
            return 0
        return max(0, min(stream.window, self.wire.window))

    def pump(self, stream: SendingStream) -> None:
        """Send what waits on *stream*, as far as possible; other streams that wait get their turns."""
        if self._waiting and stream.pending > QUANTUM and (len(self._waiting) > 1 or stream.number not in self._waiting):
            self._waiting[stream.number] = stream
            self._pump_all()
            return
        busy, self._busy = self._busy, True
        stream.send_waiting(stream.pending)
        self._pumped(stream)
        self._busy = busy
        self.flush()

    def _pump_all(self) -> None:
        """Give every stream that waits its turn, again and again, as long as something can be sent."""
        sent = 1
        while sent and self._waiting and not self._full:
            sent = 0
            busy, self._busy = self._busy, True
            for stream in list(self._waiting.values()):
                sent += stream.send_waiting(QUANTUM)
                self._pumped(stream)
            self._busy = busy
            self.flush()
            if busy:
                # Nothing leaves as long as this lasts: what the kernel takes must be seen in between.
                return

    def _pumped(self, stream: SendingStream) -> None:
        if stream.pending and not stream.gone:
            self._waiting[stream.number] = stream
        else:
            self._waiting.pop(stream.number, None)
            stream.all_sent()

    def no_longer(self, stream: SendingStream) -> None:
        """*stream* is over; without this, it and its state would hold each other until the garbage collector comes by."""
        self._waiting.pop(stream.number, None)
        if stream.wire is not None:
            stream.wire.owner = None

    def window_opened(self, stream: WireStream | None) -> None:
        """More may be sent on a stream; None: on all."""
        if stream is None:
            self._pump_all()
        elif stream.owner is not None and stream.number in self._waiting:
            self.pump(stream.owner)

    # As the transport's producer.

    def pauseProducing(self) -> None:
        """The other side takes nothing: send nothing, and read nothing that would have to be answered."""
        self._full = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """It has taken what there was."""
        self._full = False
        self._pump_all()
        if not self._full and not self.ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The other side is gone: ``connectionLost`` follows."""


class SendingStream(Timed):
    """
    One stream, as what sends on it sees it: a consumer, which holds its producer back while much waits.

    :ivar wire: its state; None as long as it is not open
    :ivar number: of the stream; 0 before
    :ivar pending: bytes that wait for windows or for the connection
    :ivar sent: bytes that have gone out
    :ivar sent_end: the end has gone out
    :ivar received_end: the other side sends nothing more
    :ivar gone: nothing goes either way any more
    """

    __slots__ = (
        "_ending",
        "_paused",
        "_producer",
        "_producer_paused",
        "_queue",
        "_trailers",
        "_unacknowledged",
        "connection",
        "gone",
        "number",
        "pending",
        "received_end",
        "sent",
        "sent_end",
        "wire",
    )

    def __init__(self, connection: Any) -> None:
        super().__init__()
        self.connection: Any = connection
        self.wire: WireStream | None = None
        self.number = 0
        self.pending = 0
        self.sent = 0
        self.sent_end = False
        self.received_end = False
        self.gone = False
        self._queue: deque[Piece] | None = None
        self._ending = False
        #: The block of trailer fields that follows what waits.
        self._trailers: bytes | None = None
        self._producer: Any = None
        self._producer_paused = False
        self._paused = False
        self._unacknowledged = 0

    # What goes.

    def add(self, pieces: Iterable[Piece]) -> None:
        """Send *pieces*, as the windows allow."""
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        for piece in pieces:
            if piece:
                queue.append(piece)
                self.pending += len(piece)
        self.connection.pump(self)
        if self.pending > HIGH_WATER and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def finish(self, trailers: bytes | None) -> None:
        """End our direction behind what waits; *trailers*: a header block."""
        self._ending = True
        self._trailers = trailers
        self.connection.pump(self)

    def send_waiting(self, most: int) -> int:
        """Send up to *most* bytes of what waits, as far as the windows allow; the number of bytes sent."""
        stream = self.wire
        if stream is None or self.gone:
            return 0
        wire = self.connection.wire
        room: int = self.connection.room(stream)
        left = most = min(most, room)
        queue = self._queue
        while queue and left > 0:
            piece = queue[0]
            size = min(len(piece), left, FRAME_SIZE)
            last = False
            if size == len(piece):
                queue.popleft()
                last = self._ending and not queue and self._trailers is None
                wire.send_data(stream, piece, last)
            else:
                view = memoryview(piece)
                queue[0] = view[size:]
                wire.send_data(stream, view[:size], False)
            self.pending -= size
            left -= size
            self.sent_end = last
        self.sent += most - left
        if self._ending and not queue and not self.sent_end:
            self.sent_end = True
            if self._trailers is not None:
                wire.send_fields(stream, self._trailers, True)
            else:
                wire.send_data(stream, b"", True)
        return most - left

    def all_sent(self) -> None:
        """Nothing waits: the producer goes on."""
        if self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()

    def drop(self) -> None:
        """What waits is not sent any more, and who produces it need not be told."""
        self._queue = None
        self.pending = 0
        self.unregisterProducer()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Hold *producer* back while much waits."""
        self._producer = producer
        if self.pending > HIGH_WATER:
            self._producer_paused = True
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """The producer is done."""
        self._producer = None
        self._producer_paused = False

    # What comes.

    @property
    def reading(self) -> bool:
        """Whether what the other side sends is taken now."""
        return not self._paused

    def pauseProducing(self) -> None:
        """Open no window: the other side sends what fits, which is kept, and no more."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Open the window again."""
        if self._paused:
            self._paused = False
            self.acknowledge(0)
            self.connection.flush()

    def acknowledge(self, counted: int) -> None:
        """So many bytes more of the stream's window were used; it is opened again unless nobody takes what comes."""
        self._unacknowledged += counted
        if self._unacknowledged >= _UPDATE and not (self._paused or self.received_end or self.gone) and self.wire is not None:
            self.connection.wire.open_window(self.wire, self._unacknowledged)
            self._unacknowledged = 0

    def send_reset(self, code: Code) -> None:
        """Tell the other side that nothing more goes either way."""
        if not self.connection.ended and self.wire is not None:
            self.connection.wire.reset(self.number, code)
            self.connection.flush()
