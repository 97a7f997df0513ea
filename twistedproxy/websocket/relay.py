"""
A relay: two sides of a WebSocket joined, message by message, until both have ended.

How it ends, which is told to each side once:

    a side sends Close                   the other side gets it; its answer comes back, and both connections are closed
    a side breaks RFC 6455, or a limit   the other side is closed as below; when it has answered, and all that it said before was
                                         passed on, the side that broke the rule gets 1002, 1007, 1009 or 1008
    a side is lost without a word        a peer gets 1001 (the client went away), a client 1011 (the peer failed it)
    nothing moves, the proxy stops       both get 1001
    the peer goes away, is lost, and     another one takes over; when nobody does, the client gets 1012 or 1013
    websocket_resume is set
    somebody closes it, a filter fails   both get the code that was given, 1011 for a filter
    a side does not answer to Close      after websocket_close_timeout its connection is closed

1005, 1006 and 1015 are never sent: a Close without a code is passed on without one.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final

from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.websocket.rate import Bucket
from twistedproxy.websocket.resumption import LEAVING, Resumption
from twistedproxy.websocket.sending import ANSWERED
from twistedproxy.websocket.side import FAST, SLOW, ClientSide, PeerSide, Side

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twistedproxy.websocket.deflate import Deflate
    from twistedproxy.websocket.filtering import Filtering

GOING_AWAY: Final = 1001
POLICY: Final = 1008
FAILED: Final = 1011

#: Seconds for which a connection is read on after its last word, so that the other side gets to see that word.
_LINGER: Final = 2.0

#: Hears of every part of a message: from which side, opcode, bytes, whether they begin and end the message.
Watcher = Callable[[Side, int, bytes, bool, bool], None]


class Relay(Timed):
    """
    Two joined sides.

    :ivar client: one side, *peer*: the other one
    :ivar messages_up: messages that the client began, *messages_down*: those of the peer
    :ivar bytes_up: bytes of messages from the client, uncompressed; *bytes_down*: from the peer
    :ivar last_activity: monotonic time at which a part of a message came last
    :ivar reactor: whose time it is
    :ivar watchers: hear of all that passes
    :ivar filtering: the site's filter of messages at work, or None
    :ivar resumption: what is needed to go on with another peer, or None
    :ivar outcome: who ended it and how, for people; empty as long as it goes on
    :ivar on_outcome: called when that is known
    """

    __slots__ = (
        "_bucket",
        "_deadlines",
        "_on_end",
        "bytes_down",
        "bytes_up",
        "client",
        "filtering",
        "last_activity",
        "messages_down",
        "messages_up",
        "now",
        "on_outcome",
        "outcome",
        "peer",
        "peer_name",
        "reactor",
        "resumption",
        "route_name",
        "settings",
        "watchers",
    )

    def __init__(
        self, settings: RouteKnobs, deadlines: Deadlines, reactor: IReactorTime, on_end: Callable[[Relay], None]
    ) -> None:
        super().__init__()
        self.settings = settings
        self.route_name = self.peer_name = ""
        self._deadlines = deadlines
        self.reactor = reactor
        self._on_end: Callable[[Relay], None] | None = on_end
        self.now = deadlines.now
        self.client: ClientSide
        self.peer: PeerSide
        self.messages_up = self.messages_down = self.bytes_up = self.bytes_down = 0
        self.last_activity = self.now()
        self.watchers: tuple[Watcher, ...] = ()
        self.filtering: Filtering | None = None
        self.resumption: Resumption | None = None
        self.outcome = ""
        self.on_outcome: tuple[Callable[[], None], ...] = ()
        rate = settings.websocket_message_rate
        self._bucket = Bucket(rate, settings.websocket_message_burst, self.now()) if rate else None

    # The two sides.

    def join(self, client: Any, client_codec: Deflate | None, peer: Any, peer_codec: Deflate | None, peer_deflates: bool) -> None:
        """*client* and *peer* are transports; the codecs are what was agreed with either on compression."""
        limit = self.settings.websocket_max_message
        self.client = ClientSide(self, client, client_codec, True, limit)
        self.peer = PeerSide(self, peer, peer_codec, peer_deflates, limit)

    def start(self, from_client: bytes, from_peer: bytes) -> None:
        """Begin; what was read of either side already goes first."""
        sides: tuple[Side, Side] = (self.peer, self.client)
        for side in sides:
            side.transport.protocol = side
            side.transport.registerProducer(side, True)
        self._deadlines.watch(self, self._next_look(self.now()))
        for side, data in zip(sides, (from_peer, from_client), strict=True):
            if data:
                side.dataReceived(data)
        for side in sides:
            if not side.held and not side.gone:
                side.transport.resumeProducing()

    def _other(self, side: Side) -> Side:
        return self.peer if side is self.client else self.client

    # Messages.

    def piece(self, source: Side, opcode: int, data: bytes, first: bool, last: bool) -> None:
        self.last_activity = source.heard
        if source is self.client:
            self.bytes_up += len(data)
            if first:
                self.messages_up += 1
                if self._bucket is not None and not self._may_come(self._bucket):
                    return
        else:
            self.bytes_down += len(data)
            if first:
                self.messages_down += 1
        for watcher in self.watchers:
            watcher(source, opcode, data, first, last)
        filtering = self.filtering
        filtered = filtering is not None and filtering.wants(source)
        if not filtered and self.resumption is None:
            self._other(source).send_piece(opcode, data, first, last)
            return
        if not (first and last):
            source.parts += data
        if last:
            if not first:
                data = bytes(source.parts)
                source.parts.clear()
            if filtered and filtering is not None:
                filtering.message(source, opcode, data)
            else:
                self.deliver(source, opcode, data)

    def deliver(self, source: Side, opcode: int, data: bytes) -> None:
        """Pass a whole message of *source* on to the other side."""
        if source is not self.client:
            self.client.send_message(opcode, data)
        elif self.resumption is None or self.resumption.passes(opcode, data):
            self.peer.send_message(opcode, data)

    def _may_come(self, bucket: Bucket) -> bool:
        """Hold back, or turn away, a client whose messages come too fast."""
        wait = bucket.take(self.now())
        if wait and not self.settings.websocket_message_delay:
            self.client.violate(POLICY, "too many messages")
            return False
        if wait:
            # This one passes: the next is read when its token would be there.
            self.client.hold(FAST)
            self.reactor.callLater(wait, self.client.release, FAST)
        return True

    def full(self, sink: Side) -> None:
        self._other(sink).hold(SLOW)
        if self.filtering is not None:
            sink.hold(ANSWERED)

    def drained(self, sink: Side) -> None:
        self._other(sink).release(SLOW)
        sink.release(ANSWERED)

    # The end.

    def end(self, code: int, reason: str) -> None:
        """End it in order, from here: both sides get *code* and *reason* (at most 123 bytes of UTF-8)."""
        self._ended(f"{code} {reason}".strip())
        for side in (self.client, self.peer):
            self._close(side, code, reason)

    def stop(self) -> None:
        """The proxy stops: both sides are told."""
        self.end(GOING_AWAY, "the proxy stops")

    def cut(self) -> None:
        """End it at once, without a word."""
        self._ended("cut")
        sides = (self.client, self.peer)
        for side in sides:
            # What it could still be told is nothing.
            side.close_sent = True
        for side in sides:
            side.transport.abortConnection()

    def close_came(self, source: Side, code: int | None, reason: bytes) -> None:
        if code in LEAVING and self._resumes(source):
            return
        other = self._other(source)
        self._ended(f"{source.name} closed" if code is None else f"{source.name} closed with {code}")
        source.last_word = (code, reason)
        if source.close_sent:
            self._finish(source)
            if other.waits_for_close:
                self._answer(other, source)
        elif other.gone or other.finishing:
            self._answer(source, source)
        else:
            # The other side's answer comes back: until then what it has still to say is passed on.
            source.close_by = inf
            if not other.close_sent:
                other.send_close(code, reason)
                self._by(other, self.settings.websocket_close_timeout)

    def violated(self, source: Side, code: int, reason: str) -> None:
        self._ended(f"{source.name} was closed with {code} {reason}")
        source.verdict = (code, reason.encode("utf-8")[:123])
        source.close_by = inf
        other = self._other(source)
        if source.close_sent:
            self._finish(source)
        elif other.gone or other.finishing or other.waits_for_close:
            self._answer(source, source)
        self._part(source)

    def left(self, source: Side) -> None:
        transport = source.transport
        transport.unregisterProducer()
        transport.loseConnection()
        if transport.pending and not source.gone:
            self._by(source, _LINGER)

    def _resumes(self, source: Side) -> bool:
        """Whether *source* is a peer that another one is asked to take over from."""
        return self.resumption is not None and source is self.peer and not self.outcome and self.resumption.begin()

    def take_peer(self, transport: Any, codec: Deflate | None, deflates: bool) -> None:
        """Another peer takes over."""
        self.peer = PeerSide(self, transport, codec, deflates, self.settings.websocket_max_message)
        transport.protocol = self.peer
        transport.registerProducer(self.peer, True)
        self.client.release(SLOW)

    def begin_peer(self, rest: bytes) -> None:
        """Listen to the peer that has taken over; *rest* came behind its handshake."""
        peer = self.peer
        if rest:
            peer.dataReceived(rest)
        if not peer.held and not peer.gone:
            peer.transport.resumeProducing()
        self._deadlines.watch(self, min(self.deadline, self._next_look(self.now())))

    def lost(self, source: Side, broken: bool) -> None:
        if self._resumes(source):
            return
        self._ended(f"{source.name} {'was cut' if broken else 'went away'}")
        source.close_by = inf
        other = self._other(source)
        if not other.gone:
            self._part(source)
        elif self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            self._deadlines.forget(self)
            on_end(self)
            # The circle would keep both sides until the garbage collector comes by.
            self.client.relay = self.peer.relay = _NOBODY
            self.filtering = self.resumption = None

    def _part(self, source: Side) -> None:
        """Nothing more comes from *source*, which has not said so itself: the other side is told."""
        other = self._other(source)
        if other.gone or other.finishing:
            return
        if other.waits_for_close:
            self._answer(other, other)
        elif source is self.client:
            self._close(other, GOING_AWAY, "the client went away")
        else:
            self._close(other, FAILED, "the connection to the peer was lost")

    def _close(self, side: Side, code: int, reason: str) -> None:
        """Close *side* from here, and wait for its answer."""
        if side.gone or side.finishing:
            return
        if side.waits_for_close:
            self._answer(side, side)
        elif not side.close_sent:
            side.send_close(code, reason.encode("utf-8")[:123])
            self._by(side, self.settings.websocket_close_timeout)

    def _answer(self, side: Side, by: Side) -> None:
        """Tell *side* what it did wrong, or answer its Close with the last word of *by*."""
        code, reason = side.verdict or by.last_word
        side.send_close(code, reason)
        self._finish(side)

    def _finish(self, side: Side) -> None:
        """All was said to *side* and by it: its connection is closed, by the server first (RFC 6455 §7.1.1)."""
        if side.gone or side.finishing:
            return
        side.finishing = True
        side.stop_reading()
        side.transport.unregisterProducer()
        if side is self.client or not side.close_received:
            side.transport.loseWriteConnection()
        self._by(side, _LINGER)

    def _by(self, side: Side, seconds: float) -> None:
        now = self.now()
        side.close_by = now + seconds
        side.pending_seen = side.transport.pending
        self._deadlines.watch(self, min(self.deadline, side.close_by))

    def _ended(self, outcome: str) -> None:
        if not self.outcome:
            self.outcome = outcome
            observers, self.on_outcome = self.on_outcome, ()
            for told in observers:
                told()

    # Time.

    def deadline_passed(self, now: float) -> None:
        """Look after whatever is due."""
        if not self.outcome and self.last_activity + self.settings.websocket_idle_timeout <= now:
            self.end(GOING_AWAY, "nothing moved")
        for side in (self.client, self.peer):
            if side.close_by <= now:
                self._overdue(side, now)
            elif not side.gone and not side.ended and not side.close_sent:
                self._look_after(side, now)
        if self._on_end is not None:
            self._deadlines.watch(self, min(self.deadline, self._next_look(now)))

    def _overdue(self, side: Side, now: float) -> None:
        """The end of *side* has made no progress for long enough."""
        side.close_by = inf
        pending = side.transport.pending
        if pending and pending != side.pending_seen:
            self._by(side, self.settings.websocket_close_timeout)
        elif pending:
            side.transport.abortConnection()
        elif side.waits_for_close:
            self._answer(side, side)
        else:
            side.transport.unregisterProducer()
            side.transport.loseConnection()

    def _look_after(self, side: Side, now: float) -> None:
        """Ping a side that is silent; cut one that does not answer."""
        interval = self.settings.websocket_ping_interval
        if not interval:
            return
        pending = side.transport.pending
        taken = side.written - pending
        if side.held or (side.pending_seen and taken != side.taken_seen):
            # Not heard because it is not read; or it takes what waits for it, however slowly.
            side.heard = now
        side.pending_seen, side.taken_seen = pending, taken
        if side.asked and side.heard > side.asked:
            side.asked = 0.0
        if side.asked:
            if now - side.asked >= self.settings.websocket_ping_timeout:
                self._ended(f"{side.name} did not answer to a ping")
                side.transport.abortConnection()
        elif now - side.heard >= interval:
            side.asked = now
            side.send_ping()

    def _next_look(self, now: float) -> float:
        settings = self.settings
        due = inf if self.outcome else self.last_activity + settings.websocket_idle_timeout
        interval = settings.websocket_ping_interval
        for side in (self.client, self.peer):
            due = min(due, side.close_by)
            if interval and not side.gone and not side.ended and not side.close_sent:
                due = min(due, side.asked + settings.websocket_ping_timeout if side.asked else side.heard + interval)
        return due


class _Nobody:
    """The relay of sides whose own has ended."""

    def __getattr__(self, name: str) -> Any:
        return self._nothing

    def _nothing(self, *_: object) -> float:
        return 0.0


_NOBODY: Final[Any] = _Nobody()
