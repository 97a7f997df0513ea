"""
The access log: one line an exchange, written in batches.

A line costs an append to a list.  Twice a second, or when 64 KiB have gathered, what there is goes to the output in one go.
An output that fails costs lines, never an exchange: lines are held up to 1 MiB and written when it is back, those beyond
are counted, and the error log hears of the failure and of the recovery once, and every minute of what was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.forward.exchange import Exchange
from twistedproxy.logs import request_lines, stream_lines
from twistedproxy.logs.choice import choice_of
from twistedproxy.logs.output import Output
from twistedproxy.settings.logs import LogSettings

#: Seconds between two writes.
INTERVAL: Final = 0.5
#: Bytes that are written without waiting for the interval.
BATCH: Final = 64 * 1024
#: Bytes that are held while the output takes none.
HELD: Final = 1024 * 1024
#: Seconds between two words about lines that were lost.
_TOLD_EVERY: Final = 60.0


class AccessLog(Service):
    """
    A log of exchanges, or of the connections of streams.

    :ivar settings: its section of site.ini
    :ivar lines: lines that were asked for since the start
    """

    log = Logger()

    def __init__(self, settings: LogSettings, output: Output, reactor: IReactorTime) -> None:
        self.settings = settings
        self.lines = 0
        self._given_up = 0
        self._output = output
        self._choice = choice_of(settings)
        self._line_of: Callable[[Any], bytes] = (
            stream_lines.line_of(settings.format) if settings.of == "streams" else request_lines.line_of(settings.format)
        )
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._told_lost = 0
        self._tells_at = 0.0
        self._failing = False
        self._reactor = reactor
        self._ticks = LoopingCall(self.flush)
        self._ticks.clock = reactor

    @property
    def lost(self) -> int:
        """Lines that could not be written and were given up."""
        return self._given_up + self._output.lost

    @property
    def held(self) -> int:
        """Bytes of lines that are not written yet."""
        return self._gathered_bytes + self._output.pending

    def startService(self) -> None:
        """Open the output and begin to write; one that cannot be opened is an error of its own, not of the start."""
        Service.startService(self)
        self._attempt(self._output.open)
        self._ticks.start(INTERVAL, now=False)

    def stopService(self) -> Deferred[None] | None:
        """Write what has gathered and close the output; the Deferred fires when it is."""
        Service.stopService(self)
        if self._ticks.running:
            self._ticks.stop()
        self.flush()
        closed = self._output.close()
        if self._output.pending:
            self.log.warn(
                "access log {name}: {bytes} bytes of lines were not written", name=self.settings.name, bytes=self._output.pending
            )
        return closed

    def exchange_finished(self, exchange: Exchange | StreamConnection) -> None:
        """Note the line of *exchange*, or of the connection of a stream; nothing that goes wrong in here reaches the exchange."""
        try:
            if self._choice is not None and not self._choice(exchange):
                return
            line = self._line_of(exchange)
        except Exception:
            self.log.failure("access log {name}: a line could not be made", name=self.settings.name)
            self._given_up += 1
            return
        self.lines += 1
        self._gathered.append(line)
        self._gathered_bytes += len(line)
        if self._gathered_bytes >= BATCH or not self.running:
            self.flush()

    def chosen_finished(self, exchange: Exchange) -> None:
        """As :meth:`exchange_finished`, where routes say which logs their exchanges go to."""
        names = exchange.route.settings.log if exchange.route is not None else ()
        if not names or self.settings.name in names:
            self.exchange_finished(exchange)

    def reopen(self) -> None:
        """Write what has gathered to the old file and go on in a new one of the same name, for rotation of logs."""
        self.flush()
        self._attempt(self._output.reopen)

    def flush(self) -> None:
        """Hand over everything that has gathered, as far as the output takes it without waiting."""
        if self._gathered:
            self._hold()
        if self._output.pending and self._attempt(self._output.flush) and not self._output.pending:
            self._recovered()
        if self.lost > self._told_lost and self._reactor.seconds() >= self._tells_at:
            self._tell_lost()

    def _hold(self) -> None:
        """Add the gathered lines to what still waits, and give up those for which there is no room."""
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        kept = len(gathered)
        if self._output.pending:
            room = HELD - self._output.pending
            kept = 0
            for line in gathered:
                room -= len(line)
                if room < 0:
                    break
                kept += 1
        self._given_up += len(gathered) - kept
        self._output.add(gathered[:kept] if kept < len(gathered) else gathered)

    def _attempt(self, step: Callable[[], None]) -> bool:
        """Whether *step* went well."""
        try:
            step()
        except OSError as error:
            if not self._failing:
                self._failing = True
                self._tells_at = self._reactor.seconds() + _TOLD_EVERY
                self.log.error(
                    "access log {name}: {file} cannot be written: {reason}; lines are held, then lost",
                    name=self.settings.name,
                    file=self._output.name,
                    reason=error.strerror or str(error),
                )
            return False
        return True

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            self.log.info("access log {name}: {file} is written again", name=self.settings.name, file=self._output.name)
        if self.lost > self._told_lost:
            self._tell_lost()

    def _tell_lost(self) -> None:
        self.log.warn("access log {name}: {lost} lines were lost", name=self.settings.name, lost=self.lost - self._told_lost)
        self._told_lost = self.lost
        self._tells_at = self._reactor.seconds() + _TOLD_EVERY
