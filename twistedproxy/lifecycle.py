"""How the parts of the proxy start and stop: each as a service of the one that twistd runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from twistedproxy.admin.audit import Audit
from twistedproxy.cache.cache import Cache
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.transport.poller import EpollPoller
from twistedproxy.transport.port import CannotListen

_log = Logger()


class CannotStart(SystemExit, Exception):
    """
    The proxy cannot start; the log has said why, in a line.

    It is two things at once for twistd's sake: an Exception, for which it removes its pidfile and tells whoever waits for a
    daemon to start; and a SystemExit, after which the interpreter leaves, with status 1, without a traceback.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.code = 1


class Proxy(MultiService):
    """
    The whole proxy: its parts start in the order in which they are given, and stop in the opposite one.

    :param doors: the part by which clients come in; it has stopped before the others begin to: what runs to its end needs them
    :param stopping: called before anything stops
    """

    def __init__(
        self, parts: Iterable[IService], doors: IService | None = None, stopping: Callable[[], object] = lambda: None
    ) -> None:
        MultiService.__init__(self)
        self._doors = doors
        self._stopping = stopping
        for part in parts:
            part.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """
        What needs privileges: every port is bound.

        :raises CannotStart: one of them cannot be had
        """
        _start(super().privilegedStartService)

    def startService(self) -> None:
        """
        Begin to serve.

        :raises CannotStart: a port that was not bound before cannot be had
        """
        _start(super().startService)

    def stopService(self) -> Deferred[Any]:
        """Stop; the Deferred fires when everything has."""
        Service.stopService(self)
        self._stopping()
        others = [part for part in self.services if part is not self._doors]
        stopped: Deferred[Any] = maybeDeferred(self._doors.stopService) if self._doors is not None else succeed(None)
        stopped.addErrback(lambda failure: _log.failure("the end was not a good one", failure))
        return stopped.addCallback(lambda _: DeferredList([maybeDeferred(each.stopService) for each in reversed(others)]))


def _start(start: Callable[[], object]) -> None:
    try:
        start()
    except (CannotListen, CannotListenError) as problem:
        _log.critical("{problem}", problem=str(problem))
        raise CannotStart(str(problem)) from None


class Polling(Service):
    """The poller is part of the reactor from start to stop; first to start."""

    def __init__(self, poller: EpollPoller) -> None:
        self._poller = poller

    def startService(self) -> None:
        """Enter the reactor."""
        Service.startService(self)
        self._poller.start()


class Storing(Service):
    """
    A cache finds what it had stored, and goes on.

    :ivar cache: that one
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def startService(self) -> None:
        """Read what there is; sweep from now on."""
        Service.startService(self)
        self.cache.start()

    def stopService(self) -> None:
        """Store nothing more."""
        Service.stopService(self)
        self.cache.stop()


class Rotation(Service):
    """
    SIGUSR1 reopens the access logs and the audit log, for logrotate and the like.

    Whoever had the signal before gets it, too: twistd rotates its own log by it.
    """

    def __init__(self, logs: Sequence[AccessLog], audit: Audit, reactor: IReactorFromThreads) -> None:
        self._logs = logs
        self._audit = audit
        self._reactor = reactor
        self._before: Any = signal.SIG_DFL

    def startService(self) -> None:
        """Listen for the signal."""
        Service.startService(self)
        self._before = signal.signal(signal.SIGUSR1, self._asked)

    def stopService(self) -> None:
        """Leave the signal to whoever had it before."""
        Service.stopService(self)
        signal.signal(signal.SIGUSR1, self._before)

    def _asked(self, number: int, frame: Any) -> None:
        if callable(self._before):
            self._before(number, frame)
        # Python may be anywhere when a signal comes: this waits for the reactor's next turn.
        self._reactor.callFromThread(self._reopen)

    def _reopen(self) -> None:
        self._audit.reopen()
        for log in self._logs:
            log.reopen()
        files = ", ".join(str(log.settings.file) for log in self._logs)
        _log.info("access logs are reopened: {files}", files=files or "there are none")
