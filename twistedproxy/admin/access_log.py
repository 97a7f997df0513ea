"""
The access log: one line an exchange, written in batches.

A line costs an append to a list.  Twice a second, or when 64 KiB have gathered, what there is goes to the file in one
write.  A disk that fails costs lines, never an exchange: lines are held up to 1 MiB and written when the disk is back,
those beyond are counted, and the error log hears of the failure once and of the recovery once.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twistedproxy.admin import stream_lines
from twistedproxy.admin.log_lines import line_of
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.forward.exchange import Exchange
from twistedproxy.settings import LogSettings

#: Seconds between two writes.
INTERVAL: Final = 0.5
#: Bytes that are written without waiting for the interval.
BATCH: Final = 64 * 1024
#: Bytes that are held while the file cannot be written.
HELD: Final = 1024 * 1024
_STDOUT: Final = 1
_PIPE_BUF: Final = 4096
# Not blocking: to open a named pipe that nobody reads is an error instead of a wait.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class AccessLog(Service):
    """
    A log of exchanges in one file.

    :ivar settings: its section of site.ini
    :ivar lines: lines that were asked for since the start
    :ivar lost: lines that could not be written and were given up
    """

    log = Logger()

    def __init__(self, settings: LogSettings, reactor: IReactorTime) -> None:
        self.settings = settings
        self.lines = 0
        self.lost = 0
        self._line_of: Callable[[Any], bytes] = (
            stream_lines.line_of(settings.format) if settings.of == "streams" else line_of(settings.format)
        )
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._unwritten = b""
        self._told_lost = 0
        self._failing = False
        self._file: int | None = None
        self._ticks = LoopingCall(self.flush)
        self._ticks.clock = reactor

    def startService(self) -> None:
        """Open the file and begin to write; a file that cannot be opened is an error of its own, not of the start."""
        Service.startService(self)
        self._open()
        self._ticks.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Write what has gathered and close the file."""
        Service.stopService(self)
        if self._ticks.running:
            self._ticks.stop()
        self.flush()
        self._close()

    def exchange_finished(self, exchange: Exchange | StreamConnection) -> None:
        """Note the line of *exchange*, or of the connection of a stream; nothing that goes wrong in here reaches the exchange."""
        try:
            line = self._line_of(exchange)
        except Exception:
            self.log.failure("access log {name}: a line could not be made", name=self.settings.name)
            self.lost += 1
            return
        self.lines += 1
        self._gathered.append(line)
        self._gathered_bytes += len(line)
        if self._gathered_bytes >= BATCH or not self.running:
            self.flush()

    def reopen(self) -> None:
        """Write what has gathered to the old file and go on in a new one of the same name, for rotation of logs."""
        self.flush()
        self._close()
        self._open()

    def flush(self) -> None:
        """Hand everything that has gathered to the kernel, as far as it takes it without blocking."""
        if self._gathered:
            self._hold()
        if not self._unwritten:
            return
        if self._file is None and not self._open():
            return
        try:
            self._write()
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
        else:
            self._recovered()

    def _hold(self) -> None:
        """Move the gathered lines behind what is still unwritten, and give up those for which there is no room."""
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        room = HELD - len(self._unwritten)
        kept = len(gathered)
        if self._unwritten:
            kept = 0
            for line in gathered:
                room -= len(line)
                if room < 0:
                    break
                kept += 1
        self.lost += len(gathered) - kept
        self._unwritten += b"".join(gathered[:kept])

    def _write(self) -> None:
        """Write until all is gone or, for what is not a file, until its reader is behind."""
        assert self._file is not None
        data = memoryview(self._unwritten)
        try:
            if self._regular:
                while data:
                    data = data[os.write(self._file, data) :]
            else:
                writable = select.poll()
                writable.register(self._file, select.POLLOUT)
                # A pipe that polls writable takes PIPE_BUF bytes at once: a reader who sleeps never stops the proxy.
                while data and writable.poll(0):
                    data = data[os.write(self._file, data[:_PIPE_BUF]) :]
        finally:
            self._unwritten = bytes(data)

    def _open(self) -> bool:
        try:
            if self.settings.file == "-":
                self._file = os.dup(_STDOUT)
            else:
                self._file = os.open(self.settings.file, _FLAGS, 0o640)
            self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self.log.error(
                "access log {name}: {file} cannot be written: {reason}; lines are held, then lost",
                name=self.settings.name,
                file=self.settings.file,
                reason=error.strerror,
            )

    def _recovered(self) -> None:
        if self._failing and not self._unwritten:
            self._failing = False
            self.log.info("access log {name}: {file} is written again", name=self.settings.name, file=self.settings.file)
        if self.lost > self._told_lost and not self._unwritten:
            self.log.warn("access log {name}: {lost} lines were lost", name=self.settings.name, lost=self.lost - self._told_lost)
            self._told_lost = self.lost
