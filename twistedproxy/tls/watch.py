"""
Certificates are renewed while connections stand: their files are looked at, and what changed is shown from then on.

A file that cannot be used changes nothing: what was shown is shown on, and the log says why.  Files that belong together are
seldom written in one moment, so that the log waits for the second look that finds the same fault.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.clock import Clock
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.tls import expiry
from twistedproxy.transport.certificates import CertificateProblem, load_revocations
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.self_signed import utc
from twistedproxy.transport.server_contexts import ServerContexts

_log = Logger()

#: Calls something in a thread; the Deferred fires with what it returns.
InThread = Callable[[Callable[[], Any]], Deferred[Any]]

#: Seconds between two looks where files are not watched: keys of sessions, and expiry, still have their times.
_SELDOM: Final = 60.0
#: Seconds between two warnings of the same expiry.
_DAY: Final = 86_400.0

#: What a file looks like from outside; None: it cannot be seen.
_Looks = tuple[tuple[int, int, int] | None, ...]


class Watch(Service):
    """
    The files of one [tls …] section, and all that is shown of them.

    :param servers: of that section: one for each choice of protocols
    :ivar renewals: times that other certificates were taken from the files
    :ivar problem: why the files as they are now cannot be used; empty when they can
    """

    def __init__(self, servers: Sequence[TlsServer], in_thread: InThread, clock: Clock, reactor: IReactorTime) -> None:
        self.servers = tuple(servers)
        self.renewals = 0
        self.problem = ""
        self._in_thread = in_thread
        self._clock = clock
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor
        self._seen = _looks(self._files())
        self._failed: _Looks | None = None
        self._sealed = clock.monotonic()
        self._told = 0.0
        self._running: Deferred[None] | None = None

    @property
    def settings(self) -> TlsSettings:
        """Of the section."""
        return self.servers[0].settings

    def _files(self) -> tuple[str, ...]:
        return self.servers[0].files

    def startService(self) -> None:
        """Look now and then."""
        Service.startService(self)
        self._tell_of_expiry()
        self._loop.start(self.settings.watch_interval or _SELDOM, now=False)

    def stopService(self) -> None:
        """Leave everything as it is."""
        Service.stopService(self)
        if self._loop.running:
            self._loop.stop()

    def look(self, *, again: bool = False) -> Deferred[None]:
        """
        See whether there is anything new; with *again* everything is read again in any case.

        :returns: fires when what is new is shown; never fails
        """
        if self._running is not None:
            # What runs may have looked too early for whoever asks again.
            waited: Deferred[None] = Deferred()
            self._running.addCallback(lambda _: (self.look(again=again) if again else succeed(None)).chainDeferred(waited))
            return waited
        if self._clock.wall() - self._told >= _DAY:
            self._tell_of_expiry()
        rotation = self.settings.ticket_rotation
        due = again or bool(rotation and self._clock.monotonic() - self._sealed >= rotation)
        watched = bool(self.settings.watch_interval) or again
        done = self._running = Deferred()
        read = self._in_thread(lambda: self._read(due, watched))
        read.addCallback(self._take, again).addErrback(self._not_read).addBoth(self._over)
        return done

    def _over(self, _: object) -> None:
        done, self._running = cast(Deferred[None], self._running), None
        done.callback(None)

    def _read(self, due: bool, watched: bool) -> tuple[_Looks, list[ServerContexts] | CertificateProblem | None]:
        """In a thread: how the files look now, and what they make if they are new or it is time."""
        looks = _looks(self._files()) if watched else self._seen
        if looks == self._seen and not due:
            return looks, None
        try:
            return looks, [server.prepare() for server in self.servers]
        except CertificateProblem as problem:
            return looks, problem

    def _take(self, read: tuple[_Looks, list[ServerContexts] | CertificateProblem | None], at_once: bool) -> None:
        looks, made = read
        if isinstance(made, CertificateProblem):
            self._refuse(looks, str(made), at_once)
        elif made is not None:
            self._show(looks, made)
        elif looks != self._failed:
            # Whatever was wrong has been undone.
            self.problem = ""
            self._failed = None

    def _refuse(self, looks: _Looks, problem: str, at_once: bool) -> None:
        self.problem = problem
        # New keys for sessions have to wait as well.
        self._sealed = self._clock.monotonic()
        if self._failed == looks or at_once:
            _log.warn(
                "[tls {name}]: {problem}; what was shown before is shown on. Put files there that belong together: they are "
                "taken by themselves",
                name=self.settings.name,
                problem=problem,
            )
            # Said once for these files; they are tried again when one of them changes.
            self._seen = looks
        self._failed = looks

    def _show(self, looks: _Looks, made: list[ServerContexts]) -> None:
        before = {each.fingerprint for each in self.servers[0].credentials}
        for server, contexts in zip(self.servers, made, strict=True):
            server.adopt(contexts)
        self._seen = looks
        self._failed = None
        self._sealed = self._clock.monotonic()
        self.problem = ""
        after = self.servers[0].credentials
        if {each.fingerprint for each in after} != before:
            self.renewals += 1
            shown = (f"{', '.join(each.names)} ({each.kind}, until {each.expires:%Y-%m-%d})" for each in after)
            _log.info("[tls {name}]: other certificates are shown: {shown}", name=self.settings.name, shown="; ".join(shown))
            self._tell_of_expiry()

    def _not_read(self, failure: Failure) -> None:
        _log.failure("[tls {name}]: certificates could not be looked at", failure, name=self.settings.name)

    def _tell_of_expiry(self) -> None:
        self._told = self._clock.wall()
        now = utc(self._told)
        lines = list(expiry.warnings(self.servers[0].credentials, now))
        crl = self.settings.client_crl
        if crl is not None:
            try:
                lines += expiry.revocation_warnings(crl, load_revocations(crl), now)
            except CertificateProblem:
                pass  # told by :meth:`look`
        for line in lines:
            _log.warn("[tls {name}]: {line}", name=self.settings.name, line=line)


def _looks(files: Iterable[str]) -> _Looks:
    """Links are followed: what they lead to is what counts."""
    looks: list[tuple[int, int, int] | None] = []
    for name in files:
        try:
            stat = os.stat(name)
        except OSError:
            looks.append(None)
        else:
            looks.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(looks)
