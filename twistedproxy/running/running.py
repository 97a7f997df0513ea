"""
The site that runs, and the moment in which another takes its place.

A replacement is made in two steps.  First all that is new is made beside what runs: apps are started, files are read, addresses
are bound, and whatever goes wrong is the end of it, and nothing has changed.  Then, in one turn of the reactor, what is new takes
over, what stays is told what is said of it now, and what has gone is stopped.  Routes go first: a request takes the old table or
the new one, and whatever it began with it ends with.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Protocol

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks, maybeDeferred
from twisted.logger import Logger

from twistedproxy.admin.live import Live
from twistedproxy.admin.manhole import ShellService
from twistedproxy.apps.loading import CannotLoad
from twistedproxy.balance.memory import Memory
from twistedproxy.downstream.stream import StreamSite, share
from twistedproxy.forward.remembered import resized
from twistedproxy.forward.site import Site
from twistedproxy.logs.access_log import AccessLog
from twistedproxy.running.doors import Doors, EveryDoor
from twistedproxy.running.hosted import Hosted
from twistedproxy.running.parts import Parts
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.site_ini import Settings
from twistedproxy.transport.certificates import CertificateProblem
from twistedproxy.transport.port import CannotListen
from twistedproxy.transport.sockets import Sockets

_log = Logger()


class NotReplaced(Exception):
    """Another site cannot take the place of this one; the text says why, and what can be done.  Nothing has changed."""


class Compose(Protocol):
    """Makes the parts of a site."""

    def __call__(self, settings: Settings, before: Parts, undo: ExitStack) -> Parts:
        """
        The parts that *settings* ask for, with all of *before* that can stay as it is; nothing that runs is changed.

        :param before: with all apps that routes of *settings* name
        :param undo: takes back what was begun, if it comes to nothing
        :raises OSError: a file cannot be read
        :raises ValueError: or holds something else
        :raises CertificateProblem: a certificate cannot be used
        :raises CannotLoad: an app cannot be had
        """


#: What exchanges share, and what the connections of streams do.
Sites = tuple[Site, StreamSite]


class Running:
    """
    The parts of the site that runs.

    :param logs: its access logs; the list stays the same
    :param host: makes an app that routes name; raises CannotLoad
    :ivar group: the services of its parts; *behind*: those that start when the doors are open
    :ivar sockets: of the process
    :ivar parts: what the last replacement has made
    :ivar on_replaced: called after each with the settings before, if there were any, and now
    """

    def __init__(
        self,
        compose: Compose,
        sites: Sites,
        live: Live,
        doors: Doors,
        sockets: Sockets,
        memory: Memory,
        logs: list[AccessLog],
        host: Callable[[HostedApp], Hosted],
    ) -> None:
        self.parts = Parts()
        self.group = MultiService()
        self.behind = MultiService()
        self.on_replaced: list[Callable[[Settings | None, Settings], None]] = []
        self._compose = compose
        self._host = host
        self._site, self._stream_site = sites
        self._live = live
        self._doors = doors
        self.sockets = sockets
        self._memory = memory
        self._logs = logs
        self._observers: list[tuple[list[Any], Any]] = []

    def begin(self, settings: Settings) -> None:
        """
        Be this site; nothing is started, and no address is bound, before the services are.

        :raises OSError: a file cannot be read
        :raises ValueError: or holds something else
        :raises CertificateProblem: a certificate cannot be used
        :raises CannotLoad: an app cannot be had
        """
        before = Parts(hosted={app: self._host(app) for app in _apps(settings)})
        with ExitStack() as undo:
            parts = self._compose(settings, before, undo)
            undo.pop_all()
        self._take_over(parts, self.parts)

    @inlineCallbacks
    def replace(self, settings: Settings, is_wanted: Callable[[], bool]) -> Any:
        """
        Be this site from now on, if that can be, as soon as the apps that come in have started.

        The Deferred fires with what did not go well all the same, one line each: parts of others that failed when they were
        started.  It fails with NotReplaced if it cannot be, and everything is as before.

        :param is_wanted: asked when the apps have started, which may take a while
        """
        before = self.parts.settings
        assert before is not None
        if self._doors.closed:
            # Meanwhile: the file is read in a thread.
            raise NotReplaced("the listeners have closed, for the proxy is about to end; start it anew")
        if settings.site.state_dir != before.site.state_dir:
            raise NotReplaced(
                "[site] state_dir cannot change while the proxy runs: restart it, or let a new process take over (SIGUSR2)"
            )
        with ExitStack() as undo:
            try:
                beside = yield self._with_apps(settings, undo)
                if not is_wanted():
                    raise NotReplaced("the proxy is about to end")
                parts = self._compose(settings, beside, undo)
                held = self.sockets.all()
                self.sockets.provide(parts.wanted)
                undo.callback(self.sockets.keep_only, held)
                if parts.shell is not None and parts.shell is not self.parts.shell:
                    parts.shell.prepare()
            except (OSError, ValueError, CertificateProblem, CannotListen) as problem:
                raise NotReplaced(str(problem)) from problem
            except NotReplaced:
                raise
            except Exception as problem:
                # Whatever an [app …] of others says when it is called.
                _log.failure("the site could not be made")
                raise NotReplaced(f"{type(problem).__name__}: {problem}") from problem
            undo.pop_all()
        return self._take_over(parts, beside)

    @inlineCallbacks
    def _with_apps(self, settings: Settings, undo: ExitStack) -> Any:
        """
        What runs, and beside it the apps of *settings* that do not run yet, when they do.

        The Deferred fails with CannotLoad: one of them cannot be had, or cannot start.
        """
        coming = {app: self._host(app) for app in _apps(settings) if app not in self.parts.hosted}
        undo.callback(self._stop, [each.service for each in coming.values()])
        for each in coming.values():
            each.service.setServiceParent(self.group)
        problems = yield gatherResults([each.started for each in coming.values()])
        for app, problem in zip(coming, problems, strict=True):
            if problem is not None:
                raise CannotLoad(f"{app.name} has not started: {problem}", "correct what it does at its start")
        return replace(self.parts, hosted={**self.parts.hosted, **coming})

    def remember(self) -> None:
        """Write down what is known of the pools, for another process, which knows nothing of what was to end by itself."""
        self._live.journal.take_back("another process takes over")
        self._memory.write_now()

    def hand_over(self) -> None:
        """Another process has taken over: leave the sockets to it, and what both would write."""
        self._memory.fall_silent()
        for lookout in (self.parts.status, self.parts.shell):
            if lookout is not None:
                self._stop([lookout])
        self._doors.close()
        self.sockets.close(unlink=False)

    def _take_over(self, parts: Parts, before: Parts) -> list[str]:
        """Let *parts* take the place of *before*, of which everything runs."""
        self.parts = parts
        assert parts.settings is not None
        for route in parts.routes.routes:
            old = before.predecessor(route)
            if old is not None and old is not route:
                route.succeed(old)
        for name, pool in parts.pools.items():
            pool.take_over(before.pools.get(name))
        for name, store in parts.caches.items():
            store.cache.revise(parts.settings.caches[name])
        targets = {name: pool.target for name, pool in parts.pools.items()}
        for door in parts.settings.listen:
            parts.listeners[door.name].revise(door, parts.certificates.server_of(door))
        for stream in parts.settings.streams:
            parts.streams[stream.name].revise(stream, parts.certificates.server_of(stream))
            parts.streams[stream.name].aim(targets)
        share(parts.listeners.values(), parts.streams.values())
        self._site.routes = parts.routes
        self._site.remembered = resized(self._site.remembered, parts.settings.site.remember)
        # Requests that have begun may still ask for what the site has no more.
        self._site.maps = {**self._site.maps, **parts.maps}
        self._memory.follow({name: pool.membership for name, pool in parts.pools.items()})
        stopped, started = _difference(before.services, parts.services)
        stopped_behind, started_behind = _difference(before.behind, parts.behind)
        # The old before the new: some of them are at the same sockets and files.
        self._stop([*stopped_behind, *stopped])
        failed = self._start(started, self.group)
        self._show(before, parts)
        self._doors.say(parts.doors, parts.wanted, parts.settings.site.stop_timeout)
        for name, pool in before.pools.items():
            if name not in parts.pools:
                pool.leave()
        failed += self._start(started_behind, self.behind)
        for observer in self.on_replaced:
            observer(before.settings, parts.settings)
        return failed

    def _stop(self, services: list[IService]) -> None:
        for service in services:
            if isinstance(service, ShellService):
                service.let_finish()
            stopped: Deferred[object] = maybeDeferred(service.disownServiceParent)
            stopped.addErrback(lambda failure: _log.failure("a part of the site before did not stop well", failure))

    def _start(self, services: list[IService], group: MultiService) -> list[str]:
        failed = []
        for service in services:
            try:
                service.setServiceParent(group)
            except Exception as problem:
                _log.failure("{service!r} could not be started", service=service)
                failed.append(f"{service!r} could not be started: {problem}")
        return failed

    def _show(self, before: Parts, parts: Parts) -> None:
        """Let everybody see the parts who looks on."""
        for observers, observer in self._observers:
            observers.remove(observer)
        self._observers = []
        if parts.spans is not None:
            # Before the logs, which tell by what id a trace is known.
            self._observers.append((self._site.finished, parts.spans.exchange_finished))
        self._observers += [(self._finished(log), parts.observer_of(log)) for log in parts.logs.values()]
        self._site.tracing = parts.spans.sampling if parts.spans is not None else None
        for observers, observer in self._observers:
            observers.append(observer)
        self._logs[:] = parts.logs.values()
        live = self._live
        assert parts.settings is not None
        live.settings = parts.settings
        live.pools = {name: pool.pool for name, pool in parts.pools.items()}
        live.memberships = {name: pool.membership for name, pool in parts.pools.items()}
        live.caches = {name: store.cache for name, store in parts.caches.items()}
        live.apps = {each.backend.pool.name: each.shown for each in parts.hosted.values()}
        live.limits = parts.limits
        live.logs = parts.logs
        live.spans = parts.spans
        live.certificates = parts.certificates
        live.routes = parts.routes
        live.listeners = EveryDoor(self._doors)

    def _finished(self, log: AccessLog) -> list[Any]:
        """Whom exchanges, or the connections of streams, tell that they have finished."""
        return self._site.finished if log.settings.of == "requests" else self._stream_site.finished


def _apps(settings: Settings) -> list[HostedApp]:
    """The apps in this process that routes name, each once."""
    return list(dict.fromkeys(route.hosted for route in settings.routes if route.hosted is not None))


def _difference(before: list[IService], after: list[IService]) -> tuple[list[IService], list[IService]]:
    """Services that go, and services that come; by identity."""
    old, new = {id(service) for service in before}, {id(service) for service in after}
    return [each for each in before if id(each) not in new], [each for each in after if id(each) not in old]
