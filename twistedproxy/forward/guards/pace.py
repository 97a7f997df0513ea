"""``bandwidth``: an answer's body leaves in slices, so many bytes a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from twistedproxy.forward.guards.admission import admission_of
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.guards.limit import Limit
    from twistedproxy.settings.routes import RouteSettings

#: Seconds from one slice to the next, at least.
TICK: Final = 0.1
#: Bytes of a slice, at least: fewer are not worth their head.
_LEAST: Final = 256


class Allowance(Protocol):
    """What says how many bytes may be sent now."""

    def room(self, now: float) -> int:
        """Bytes that may be sent at *now*."""

    def wait(self, now: float) -> float:
        """Seconds until a slice may be sent; none or less: now."""

    def took(self, size: int, now: float) -> None:
        """*size* bytes are sent."""


def _room(ahead: float, rate: int) -> int:
    """Bytes that may be sent at *rate* when what was sent is *ahead* of it by so many seconds."""
    # A tick's worth goes out at each tick; half of one more bears with ticks that are late.
    return 0 if ahead >= 2 * TICK else max(_LEAST, int((2.5 * TICK - ahead) * rate))


class Own:
    """
    An exchange's own allowance.

    :param rate: bytes a second
    :param free: bytes that are sent before it counts
    """

    __slots__ = ("_free", "_rate", "_time")

    def __init__(self, rate: int, free: int) -> None:
        self._rate = rate
        self._free = free
        self._time = 0.0

    def room(self, now: float) -> int:
        """As :meth:`Allowance.room`."""
        return self._free or _room(max(0.0, self._time - now), self._rate)

    def wait(self, now: float) -> float:
        """As :meth:`Allowance.wait`."""
        return self._time - now - 2 * TICK

    def took(self, size: int, now: float) -> None:
        """As :meth:`Allowance.took`."""
        counted = max(0, size - self._free)
        self._free = max(0, self._free - size)
        self._time = max(self._time, now) + counted / self._rate


class Meter:
    """The allowance of a key, which all its exchanges share."""

    __slots__ = ("_rate", "_sent", "_tag")

    def __init__(self, limit: Limit, key: str) -> None:
        assert limit.settings.bandwidth is not None
        self._rate = limit.settings.bandwidth
        self._sent = limit.sent
        self._tag = limit.sent.tag(key.encode("utf-8", "surrogateescape"))

    def room(self, now: float) -> int:
        """As :meth:`Allowance.room`."""
        return _room(self._sent.look(self._tag, now)[1] - now, self._rate)

    def wait(self, now: float) -> float:
        """As :meth:`Allowance.wait`."""
        return self._sent.look(self._tag, now)[1] - now - 2 * TICK

    def took(self, size: int, now: float) -> None:
        """As :meth:`Allowance.took`."""
        place, time = self._sent.look(self._tag, now)
        self._sent.note(place, self._tag, time + size / self._rate, now)


class Pace:
    """
    Sends the body of an exchange as its allowances say; between them and the client it is the producer.

    What comes faster waits here, and whoever sends it is held back: what waits is never more than one read.
    """

    __slots__ = ("_allowances", "_call", "_client_full", "_exchange", "_held_back", "_queue", "_trailers")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._allowances: list[Allowance] = []
        self._queue: deque[Piece] = deque()
        self._call: IDelayedCall | None = None
        self._client_full = False
        self._held_back = False
        # Behind what waits, once the end has come.
        self._trailers: Headers | None = None

    def add(self, allowance: Allowance) -> None:
        """One more allowance."""
        self._allowances.append(allowance)

    @property
    def holds_end(self) -> bool:
        """Whether the body is complete, and a part of it still waits here."""
        return self._trailers is not None

    def begin(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The answer begins; as :meth:`Exchange.deliver`."""
        exchange = self._exchange
        sent = self._take(pieces)
        ended = ended and not self.ends(Headers())
        downstream = exchange.downstream
        downstream.respond(head, sent, ended)
        if not ended and not exchange.finished:
            downstream.transport.registerProducer(self, True)
            self.go_on()

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of the body has come."""
        sent = self._take(pieces)
        if sent:
            self._exchange.downstream.body(sent)
        if not self._exchange.finished:
            self.go_on()

    def _take(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Those that may be sent at once; the others wait."""
        self._queue.extend(piece for piece in pieces if len(piece))
        return self._next() if self._call is None and not self._client_full else []

    def ends(self, trailers: Headers) -> bool:
        """The body is complete; whether a part of it still waits, behind which the end will come."""
        if not self._queue:
            return False
        self._trailers = trailers
        return True

    def stop(self) -> None:
        """Nothing more is sent."""
        self._queue.clear()
        self._trailers = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _next(self) -> list[Piece]:
        """As much of what waits as may be sent now."""
        now = self._exchange.site.clock.monotonic()
        sent: list[Piece] = []
        while self._queue:
            room = min((each.room(now) for each in self._allowances), default=len(self._queue[0]))
            if room <= 0:
                break
            piece = self._queue[0]
            if len(piece) <= room:
                self._queue.popleft()
            else:
                self._queue[0] = memoryview(piece)[room:]
                piece = memoryview(piece)[:room]
            for each in self._allowances:
                each.took(len(piece), now)
            sent.append(piece)
        return sent

    def go_on(self) -> None:
        """See to it that what waits is sent in time, and that no more comes meanwhile."""
        exchange = self._exchange
        if not self._queue:
            if self._held_back and not self._client_full:
                self._held_back = False
                exchange.resumeProducing()
            return
        if not self._held_back and self._trailers is None:
            self._held_back = True
            exchange.pauseProducing()
        if self._call is None and not self._client_full:
            now = exchange.site.clock.monotonic()
            wait = max((each.wait(now) for each in self._allowances), default=0.0)
            self._call = exchange.site.reactor.callLater(max(wait, TICK), self._due)

    def _due(self) -> None:
        self._call = None
        exchange = self._exchange
        pieces = self._next()
        if pieces:
            exchange.downstream.body(pieces)
        if exchange.finished:
            return
        trailers = self._trailers
        if not self._queue and trailers is not None:
            self._trailers = None
            exchange.end_answer(trailers)
        else:
            self.go_on()

    # The client's side.

    def pauseProducing(self) -> None:
        """The client takes less than it may have."""
        self._client_full = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if not self._held_back and self._trailers is None:
            self._held_back = True
            self._exchange.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken all that was sent."""
        self._client_full = False
        self.go_on()

    def stopProducing(self) -> None:
        """The client is gone: :meth:`Exchange.request_lost` follows."""


class Pacing:
    """``bandwidth`` of a route: a guard that lets everybody in, at a pace."""

    __slots__ = ("_after", "_rate")

    def __init__(self, route: RouteSettings) -> None:
        assert route.bandwidth is not None
        self._rate = route.bandwidth
        self._after = route.bandwidth_after

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        pace_of(exchange).add(Own(self._rate, self._after))
        return True


def pace_of(exchange: Exchange) -> Pace:
    """The pace of *exchange*; made when there is none yet."""
    admission = admission_of(exchange)
    if admission.pace is None:
        admission.pace = Pace(exchange)
    return admission.pace
