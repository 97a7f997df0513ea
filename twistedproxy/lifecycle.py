"""How the parts of the proxy start and stop: each as a service of the one that twistd runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger

from twistedproxy.admin.access_log import AccessLog
from twistedproxy.cache.cache import Cache
from twistedproxy.downstream.door import Door
from twistedproxy.forward.site import Site
from twistedproxy.transport.poller import EpollPoller
from twistedproxy.transport.port import CannotListen

_log = Logger()

#: Seconds between two looks at whether the last exchange of a proxy that stops has finished.
_LOOK: Final = 0.05


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
    """The whole proxy: its parts start in the order in which they are given, and stop in the opposite one."""

    def __init__(self, parts: Iterable[IService]) -> None:
        MultiService.__init__(self)
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
    """A cache finds what it had stored, and goes on."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def startService(self) -> None:
        """Read what there is; sweep from now on."""
        Service.startService(self)
        self._cache.start()

    def stopService(self) -> None:
        """Store nothing more."""
        Service.stopService(self)
        self._cache.stop()


class Rotation(Service):
    """
    SIGUSR1 reopens the access logs, for logrotate and the like.

    Whoever had the signal before gets it, too: twistd rotates its own log by it.
    """

    def __init__(self, logs: Sequence[AccessLog], reactor: IReactorFromThreads) -> None:
        self._logs = logs
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
        for log in self._logs:
            log.reopen()
        files = ", ".join(log.settings.file for log in self._logs)
        _log.info("access logs are reopened: {files}", files=files or "there are none")


class Doors(Service):
    """
    The listeners: bound before privileges drop, opened last, closed first.

    When it stops, running exchanges have *stop_timeout* seconds to finish, and so have the two sides of a WebSocket whose
    messages are relayed to answer to its end; tunnels, which know no end, are cut at once.
    """

    def __init__(self, listeners: Sequence[Door], site: Site, stop_timeout: float, reactor: IReactorTime) -> None:
        self._listeners = listeners
        self._site = site
        self._stop_timeout = stop_timeout
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Take the addresses.  Raises CannotListen."""
        for listener in self._listeners:
            listener.bind()

    def startService(self) -> None:
        """Accept; take the addresses first if that was not done before privileges dropped.  Raises CannotListen."""
        Service.startService(self)
        for listener in self._listeners:
            if not listener.bound:
                listener.bind()
            listener.start()
            scheme = listener.scheme.decode()
            for address in listener.addresses:
                _log.info(
                    "{kind} {name}: {scheme} on {address}",
                    kind=listener.kind,
                    name=listener.settings.name,
                    scheme=scheme,
                    address=address,
                )

    def stopService(self) -> Deferred[None] | None:
        """Accept nothing more; the Deferred fires when every connection has ended."""
        Service.stopService(self)
        self._site.stopping = True
        for listener in self._listeners:
            listener.stop()
            for connection in list(listener.connections):
                if connection.tunnel is not None:
                    connection.tunnel.stop()
                else:
                    connection.close_when_idle()
        if not self._busy():
            return None
        done: Deferred[None] = Deferred()
        self._wait(done, self._reactor.seconds() + self._stop_timeout)
        return done

    def _busy(self) -> bool:
        return any(listener.connections for listener in self._listeners)

    def _wait(self, done: Deferred[None], until: float) -> None:
        if not self._busy():
            done.callback(None)
        elif self._reactor.seconds() >= until:
            for listener in self._listeners:
                for connection in list(listener.connections):
                    connection.close_now()
            done.callback(None)
        else:
            self._reactor.callLater(_LOOK, self._wait, done, until)
