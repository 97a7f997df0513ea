"""Spans on their way: they wait in a queue that has an end, and are sent batch by batch in a thread, never two at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.tracing import Sampling
from twistedproxy.settings.logs import TracingSettings
from twistedproxy.spans.records import SpanRecord, is_seen, records_of

#: Spans that are sent at once, without waiting for the interval.
BATCH: Final = 512
#: Seconds that the last ones have at the end.
LAST: Final = 2.0
#: Seconds between two words about spans that were lost.
_TOLD_EVERY: Final = 60.0


class Sender(Protocol):
    """Sends spans, in a thread."""

    def send(self, records: Sequence[SpanRecord]) -> str:
        """Return when the collector has taken them: empty; or why not."""

    def stop(self) -> None:
        """Send nothing more; whatever is on its way is given up."""


class Spans(Service):
    """
    The spans of all exchanges.

    :param sender: called in threads, by *in_thread*
    :ivar settings: ``[tracing]``
    :ivar exported: spans that the collector has taken; *lost*: spans that were given up
    """

    log = Logger()

    def __init__(
        self, settings: TracingSettings, sender: Sender, in_thread: Callable[[Any], Deferred[Any]], reactor: Any
    ) -> None:
        self.settings = settings
        self.sampling = Sampling(settings.sample, settings.sampler == "parent")
        self.exported = 0
        self.lost = 0
        self._sender = sender
        self._in_thread = in_thread
        self._reactor = reactor
        self._queue: deque[SpanRecord] = deque()
        self._sending: Deferred[None] | None = None
        self._failing = False
        self._told_lost = 0
        self._tells_at = 0.0
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = reactor

    @property
    def waiting(self) -> int:
        """Spans that were not sent yet."""
        return len(self._queue)

    def startService(self) -> None:
        """Send from now on."""
        Service.startService(self)
        self._ticks.start(self.settings.interval, now=False)

    def stopService(self) -> Deferred[None]:
        """Send what is left, for at most :data:`LAST`."""
        Service.stopService(self)
        if self._ticks.running:
            self._ticks.stop()
        over: Deferred[None] = Deferred()
        self._send_all(over)
        over.addTimeout(LAST, self._reactor)
        return over.addBoth(self._stopped)

    def _send_all(self, over: Deferred[None]) -> None:
        self._send()
        if self._sending is None:
            if not over.called:
                over.callback(None)
        else:
            self._sending.addCallback(lambda _: self._send_all(over))

    def _stopped(self, _: object) -> None:
        self._sender.stop()
        self.lost += len(self._queue)
        self._queue.clear()
        self._tell_lost()

    def exchange_finished(self, exchange: Exchange) -> None:
        """Make the spans of *exchange*; nothing that goes wrong in here reaches the exchange."""
        try:
            if not is_seen(exchange):
                return
            records = records_of(exchange)
        except Exception:
            self.log.failure("tracing: a span could not be made")
            self.lost += 1
            return
        room = self.settings.queue - len(self._queue)
        self.lost += max(0, len(records) - room)
        self._queue.extend(records[:room] if room > 0 else ())
        if len(self._queue) >= BATCH and self._sending is None:
            self._send()

    def _tick(self) -> None:
        self._send()
        if self.lost > self._told_lost and self._reactor.seconds() >= self._tells_at:
            self._tell_lost()

    def _send(self) -> None:
        """Send a batch, unless one is on its way."""
        if self._sending is not None or not self._queue:
            return
        batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        sending = self._sending = self._in_thread(partial(self._sender.send, batch))
        sending.addErrback(_said)
        sending.addCallback(self._sent, len(batch))

    def _sent(self, problem: str, spans: int) -> None:
        self._sending = None
        if problem:
            self.lost += spans
            if not self._failing:
                self._failing = True
                self._tells_at = self._reactor.seconds() + _TOLD_EVERY
                self.log.error(
                    "tracing: spans cannot be sent to {endpoint}: {problem}", endpoint=self.settings.endpoint, problem=problem
                )
            return
        self.exported += spans
        if self._failing:
            self._failing = False
            self.log.info("tracing: spans are sent to {endpoint} again", endpoint=self.settings.endpoint)
            self._tell_lost()
        if len(self._queue) >= BATCH and self.running:
            self._send()

    def _tell_lost(self) -> None:
        if self.lost > self._told_lost:
            self.log.warn("tracing: {lost} spans were lost", lost=self.lost - self._told_lost)
            self._told_lost = self.lost
            self._tells_at = self._reactor.seconds() + _TOLD_EVERY


def _said(failure: Failure) -> str:
    return failure.getErrorMessage() or type(failure.value).__name__
