"""A body from a file, as fast as the client takes it: sent by the kernel where it can be, read in pieces otherwise."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.answers.answer import Asked
from twistedproxy.answers.files.open_file import OpenFile
from twistedproxy.cache.extent import Span
from twistedproxy.cache.ranges import Plan
from twistedproxy.message import Headers
from twistedproxy.transport.file_part import FilePart

_log = Logger()

#: Bytes that the kernel is told to send at a time.
_SENT: Final = 1024 * 1024
#: Bytes that are read at a time: so much, and the high-water mark of its connection, is held for a client.
_READ: Final = 64 * 1024
#: Pieces in one turn of the reactor, however fast the client takes them.
_TURN: Final = 4


class FileBody:
    """
    A :class:`twistedproxy.answers.answer.Source`.

    :param plan: bytes that stand for themselves, and spans of the file
    """

    __slots__ = ("_exchange", "_file", "_is_busy", "_is_first", "_is_paused", "_rest")

    def __init__(self, exchange: Asked, file: OpenFile, plan: Plan) -> None:
        self._exchange = exchange
        self._file: OpenFile | None = file
        self._rest: deque[bytes | Span] = deque(plan)
        self._is_paused = False
        #: A thread reads for it, or it is about to go on.
        self._is_busy = False
        self._is_first = True

    def pump(self) -> None:
        """Send what the client takes."""
        self._is_busy = False
        exchange = self._exchange
        for _ in range(_TURN):
            file = self._file
            if self._is_paused or file is None:
                return
            if not self._rest:
                self.closed()
                exchange.deliver_end(Headers())
                return
            part = self._rest.popleft()
            if isinstance(part, bytes):
                exchange.deliver_body((part,))
                continue
            start, stop = part
            by_kernel = exchange.sends_files
            end = min(stop, start + (_SENT if by_kernel else _READ))
            if end < stop:
                self._rest.appendleft((end, stop))
            if not self._is_first and file.is_changed():
                self._changed()
                return
            self._is_first = False
            if not file.is_ready(start, end):
                self._fetch(file, start, end)
                return
            if by_kernel:
                exchange.send_file(FilePart(file, file.descriptor, start, end - start))
            elif not self._send(file, start, end):
                return
        self._soon()

    def _send(self, file: OpenFile, start: int, end: int) -> bool:
        try:
            data = file.read(start, end)
        except OSError as problem:
            self._exchange.fail(errors.FILE_BROKEN, str(problem))
            return False
        if len(data) != end - start:
            self._changed()
            return False
        self._exchange.deliver_body((data,))
        return True

    def _fetch(self, file: OpenFile, start: int, end: int) -> None:
        """The disk has to be waited for: a thread does that."""
        self._is_busy = True
        self._rest.appendleft((start, end))
        done = self._exchange.site.in_thread(lambda: file.bring(start, end))
        done.addBoth(self._fetched, file, start, end)
        done.addErrback(lambda failure: _log.failure("a file was not sent on", failure))

    def _fetched(self, result: Any, file: OpenFile, start: int, end: int) -> None:
        self._is_busy = False
        if self._file is None:
            return
        if isinstance(result, Failure):
            self._exchange.fail(errors.FILE_BROKEN, result.getErrorMessage())
            return
        if self._is_paused:
            return
        # Whatever the system says of it now, this part is not waited for again.
        self._rest.popleft()
        if self._exchange.sends_files:
            self._exchange.send_file(FilePart(file, file.descriptor, start, end - start))
        elif not self._send(file, start, end):
            return
        self._soon()

    def _changed(self) -> None:
        """What was announced is not there any more: the client has to see that (RFC 9112 §8)."""
        self._exchange.fail(errors.FILE_CHANGED)

    def _soon(self) -> None:
        if not self._is_busy and self._file is not None and not self._is_paused:
            self._is_busy = True
            self._exchange.site.reactor.callLater(0, self.pump)

    def pause(self) -> None:
        """The client is slow."""
        self._is_paused = True

    def resume(self) -> None:
        """The client has taken what was sent."""
        self._is_paused = False
        self._soon()

    def closed(self) -> None:
        """The exchange is over."""
        self._file = None
