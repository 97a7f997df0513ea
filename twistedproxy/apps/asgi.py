"""
``asgi = package.module:app``: ASGI 3, on a loop of asyncio in a thread of its own.

An app lives from ``lifespan.startup`` to ``lifespan.shutdown``; calls that come before it is ready wait for it, and get an error
when it says that it cannot start.  A reload waits for it, too, and does without it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.apps.asgi_http import HttpTalk
from twistedproxy.apps.asgi_talk import Talk
from twistedproxy.apps.asgi_websocket import WebSocketTalk
from twistedproxy.apps.call import Call
from twistedproxy.apps.lifespan import Lifespan
from twistedproxy.apps.loading import CannotLoad, loaded
from twistedproxy.apps.loop import Loop
from twistedproxy.apps.process import Process
from twistedproxy.settings.answers import HostedApp

#: Seconds for which a reload waits until an app has started.
LONGEST: Final = 60.0

_log = Logger()


class AsgiApp(Service):
    """
    An ASGI app.

    :ivar talks: calls that run, on the reactor
    :raises CannotLoad: it is none
    """

    def __init__(self, settings: HostedApp, process: Process) -> None:
        self.called = settings.name
        self.app: Callable[..., Any] = loaded(settings)
        if not callable(self.app):
            raise CannotLoad(f"{settings.target} cannot be called", "name an ASGI app")
        self.process = process
        self.loop = Loop(settings.name)
        self.talks: set[Talk] = set()
        self._lifespan = Lifespan(self.app)
        self._ready = False
        #: Why it has not started, None if it has, or may yet.
        self._problem: str | None = None
        self._early: list[Call] = []
        self._awaited: list[Deferred[str | None]] = []
        self._stopped: Deferred[None] | None = None

    def startService(self) -> None:
        """Start the loop, and tell the app to start."""
        Service.startService(self)
        self.loop.start()
        self.loop.call(self.loop.begin, self._start())

    def when_started(self) -> Deferred[str | None]:
        """Fires with None when it has started, within :data:`LONGEST`, or else with why it has not."""
        if self._ready or self._problem is not None:
            return succeed(self._problem)
        awaited: Deferred[str | None] = Deferred()
        self._awaited.append(awaited)
        return awaited.addTimeout(LONGEST, self.process.reactor, _late)

    def stopService(self) -> Deferred[None]:
        """When all calls have ended, tell the app to end."""
        Service.stopService(self)
        if not self.loop.runs:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        self._end_if_idle()
        return stopped

    # On the reactor.

    def call(self, call: Call) -> None:
        """As :meth:`twistedproxy.apps.call.App.call`."""
        if self._problem is not None:
            call.failed_by(f"it has not started: {self._problem}")
        elif not self._ready:
            self._early.append(call)
            call.on_gone = partial(self._left, call)
        else:
            self._begin(call)

    def _begin(self, call: Call) -> None:
        kind = WebSocketTalk if call.upgrades else HttpTalk
        talk = kind(call, self.loop, self.process, self._lifespan.state)
        self.talks.add(talk)
        self.loop.call(self.loop.begin, self._talk(talk))

    def _started(self, problem: str | None) -> None:
        self._ready, self._problem = problem is None, problem
        if problem is not None:
            _log.critical("{app} has not started: {problem}", app=self.called, problem=problem)
        early, self._early = self._early, []
        for call in early:
            self.call(call)
        awaited, self._awaited = self._awaited, []
        for each in awaited:
            each.callback(problem)
        self._end_if_idle()

    def _left(self, call: Call) -> None:
        self._early.remove(call)
        self._end_if_idle()

    def _over(self, talk: Talk) -> None:
        self.talks.discard(talk)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._stopped is not None and not self.talks and not self._early:
            stopped, self._stopped = self._stopped, None
            self.loop.call(self.loop.begin, self._stop(stopped))

    def _ended(self, stopped: Deferred[None], problem: str | None) -> None:
        if problem is not None:
            _log.error("{app} has not ended well: {problem}", app=self.called, problem=problem)
        stopped.callback(None)

    # In the loop.

    async def _start(self) -> None:
        problem = await self._lifespan.start()
        self.process.in_reactor(self._started, problem)

    async def _stop(self, stopped: Deferred[None]) -> None:
        problem = await self._lifespan.stop()
        self.process.in_reactor(self._ended, stopped, problem)
        self.loop.loop.call_soon(self.loop.stop)

    async def _talk(self, talk: Talk) -> None:
        talk.task = asyncio.current_task()
        try:
            await self.app(talk.scope, talk.receive, talk.send)
        except asyncio.CancelledError:
            # Nobody was left to be answered, or everything ends.
            pass
        except BaseException as problem:  # whatever it is: an app does not end the loop
            if talk.gone:
                _log.info("{app}: {problem!r}, when the client had left", app=self.called, problem=problem)
            else:
                talk.failed(Failure())
        finally:
            talk.returned()
            self.process.in_reactor(self._over, talk)


def _late(_: object, seconds: float) -> str:
    return f"it takes longer than {seconds:.0f} seconds"
