"""The files of tables, read again when they have changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.forward.maps import MapTable

#: Seconds from one look at the files to the next.
INTERVAL = 2.0

_log = Logger()


class MapFiles(Service):
    """
    Looks after the files of *tables*.

    :param in_thread: runs a function beside the reactor, and says what came out
    """

    def __init__(self, tables: Sequence[MapTable], reactor: IReactorTime, in_thread: Callable[..., Deferred[Any]]) -> None:
        self._tables = [table for table in tables if table.settings.file is not None]
        self._in_thread = in_thread
        self._refused: dict[str, str] = {}
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def startService(self) -> None:
        """Look every now and then."""
        Service.startService(self)
        if self._tables:
            self._looking.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Look no more."""
        if self._looking.running:
            self._looking.stop()
        Service.stopService(self)

    def _look(self) -> Deferred[None] | None:
        changed = [table for table in self._tables if table.has_changed()]
        if not changed:
            return None
        done: Deferred[None] = Deferred()
        self._next(changed, done)
        return done

    def _next(self, changed: list[MapTable], done: Deferred[None]) -> None:
        if not changed:
            done.callback(None)
            return
        table, *rest = changed
        reading = self._in_thread(table.read)
        reading.addCallbacks(self._adopt, self._refuse, (table,), errbackArgs=(table,))
        reading.addErrback(lambda failure: _log.failure("a table could not be read", failure))
        reading.addCallback(lambda _: self._next(rest, done))

    def _adopt(self, read: Any, table: MapTable) -> None:
        table.adopt(*read)
        self._refused.pop(table.settings.name, None)
        _log.info(
            "[map {name}] has {count} rows by {file}", name=table.settings.name, count=len(table.rows), file=table.settings.file
        )

    def _refuse(self, failure: Failure, table: MapTable) -> None:
        """What was read before stays; the operator is told once of each mistake."""
        failure.trap(OSError, ValueError)
        said = str(failure.value)
        if self._refused.get(table.settings.name) != said:
            self._refused[table.settings.name] = said
            _log.warn("[map {name}] stays as it was: {said}", name=table.settings.name, said=said)
