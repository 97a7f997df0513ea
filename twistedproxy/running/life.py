"""
The life of the process: ready, draining, finishing, stopped; what signals ask for, and what the shell does.

SIGHUP reads the site's file again; SIGQUIT drains; SIGUSR2 lets a new process take over; SIGTERM stops, and a second one waits
for nobody.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.admin.life import CannotBeDone, Reloaded, Stage
from twistedproxy.config.plan import Plan
from twistedproxy.running.doors import Doors
from twistedproxy.running.heritage import Heritage
from twistedproxy.running.notify import Notify
from twistedproxy.running.reload import Reload
from twistedproxy.running.running import Running
from twistedproxy.running.upgrade import Command, Upgrade
from twistedproxy.settings.site import SiteSettings

_log = Logger()

#: Seconds between two looks at whether the last connection of a proxy that drains is gone.
_LOOK: Final = 0.25


@dataclass(frozen=True)
class Outside:
    """
    What the process has to do with others.

    :ivar heritage: what it was given at its start
    :ivar notify: systemd
    :ivar command: how it was started
    """

    heritage: Heritage
    notify: Notify
    command: Command


class Life(Service):
    """
    See :class:`twistedproxy.admin.life.Life`.

    :ivar stage: where it is
    :ivar on_succeeded: called when another process has taken over
    """

    def __init__(self, running: Running, doors: Doors, reload: Reload, outside: Outside, reactor: Any) -> None:
        self.stage = Stage.STARTING
        self.on_succeeded: list[Callable[[], object]] = []
        self._running = running
        self._doors = doors
        self._reload = reload
        self._outside = outside
        self._reactor = reactor
        self._closing: IDelayedCall | None = None
        self._upgrade: Upgrade | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def drain_delay(self) -> float:
        """Seconds that listeners stay open while it drains, unless somebody says otherwise."""
        return self._settings.drain_delay

    @property
    def _settings(self) -> SiteSettings:
        settings = self._running.parts.settings
        assert settings is not None
        return settings.site

    # From the start to the end.

    def startService(self) -> None:
        """Be ready when the doors are open; hear signals from now on, and SIGTERM when the reactor has taken it, too."""
        Service.startService(self)
        self._listen(signal.SIGHUP, self._asked_to_reload)
        self._listen(signal.SIGQUIT, lambda: self.drain("SIGQUIT"))
        self._listen(signal.SIGUSR2, self._asked_to_upgrade)
        self._reactor.callWhenRunning(self._reactor.callLater, 0, self._begin)

    def _begin(self) -> None:
        if self.stage is not Stage.STARTING or not self.running:
            return
        self.stage = Stage.READY
        self._listen(signal.SIGTERM, self._asked_to_stop)
        self._outside.notify.ready(self._status)
        self._outside.heritage.serving()

    def _listen(self, number: signal.Signals, asked: Callable[[], object]) -> None:
        def heard(_number: int, _frame: Any) -> None:
            # Python may be anywhere when a signal comes: this waits for the reactor's next turn.
            self._reactor.callFromThread(self._when_started, asked)

        self._before[number] = signal.signal(number, heard)

    def _when_started(self, asked: Callable[[], object]) -> None:
        if self.stage is Stage.STARTING:
            self._reactor.callLater(_LOOK, self._when_started, asked)
        else:
            asked()

    def stopping(self) -> None:
        """The process is about to end: nobody shall send anything more."""
        self.stage = Stage.STOPPING
        self._outside.notify.stopping()

    def stopService(self) -> None:
        """Leave signals to whoever had them before."""
        Service.stopService(self)
        self._call_off()
        for number, before in self._before.items():
            signal.signal(number, before)

    def _asked_to_stop(self) -> None:
        if self.stage is Stage.STOPPING:
            _log.info("SIGTERM once more: every connection is cut")
            self._doors.hurry()
        else:
            _log.info("SIGTERM: the proxy stops")
            self.stopping()
            # Not the reactor's own way, which would let the process end as if the signal had killed it.
            self._reactor.stop()

    # Reload.

    def plan(self) -> Deferred[Plan]:
        """What a reload would change; fails with ConfigError."""
        return self._reload.plan()

    def reload(self, who: str) -> Deferred[Reloaded]:
        """Let the file as it is now be the site.  Fails with ConfigError, NotReplaced or CannotBeDone: nothing has changed."""
        if not self._is_serving():
            return fail(CannotBeDone(f"the proxy is {self.stage}"))
        self._outside.notify.reloading()

        def over(result: Any) -> Any:
            if self._is_serving():
                self._outside.notify.ready(self._status)
            return result

        return self._reload.reload(who, self._is_serving).addBoth(over)

    def _is_serving(self) -> bool:
        return self.stage in (Stage.READY, Stage.DRAINING)

    def _asked_to_reload(self) -> None:
        # What went wrong was told in the log.
        self.reload("SIGHUP").addErrback(lambda failure: None)

    @property
    def _status(self) -> str:
        """For people, while it serves."""
        return "serving" if self.stage is Stage.READY else "draining"

    # Drain.

    def drain(self, who: str, delay: float | None = None) -> None:
        """Be not ready at once, close the listeners after *delay* seconds, and end with the last connection."""
        if self.stage not in (Stage.READY, Stage.DRAINING):
            return
        delay = self.drain_delay if delay is None else delay
        self.stage = Stage.DRAINING
        _log.info("{who}: not ready any more; the listeners close in {delay:g} s", who=who, delay=delay)
        self._outside.notify.status(self._status)
        self._call_off()
        self._closing = self._reactor.callLater(delay, self._finish)

    def undrain(self, who: str) -> bool:
        """Be ready again, as long as the listeners are open; False when there is nothing to take back."""
        if self.stage is not Stage.DRAINING or self._closing is None:
            return False
        self._call_off()
        self.stage = Stage.READY
        _log.info("{who}: ready again", who=who)
        self._outside.notify.ready(self._status)
        return True

    def _call_off(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None and closing.active():
            closing.cancel()

    def _finish(self) -> None:
        """Accept nothing more; end with the last connection, or when its time is over."""
        self._call_off()
        self.stage = Stage.FINISHING
        self._doors.retire()
        longest = self._settings.drain_timeout
        self._wait(self._reactor.seconds() + longest if longest else float("inf"))

    def _wait(self, until: float) -> None:
        self._closing = None
        if not self._doors.is_busy or self._reactor.seconds() >= until:
            _log.info("the last connection is gone" if not self._doors.is_busy else "the time to drain is over")
            self.stopping()
            self._reactor.stop()
        else:
            self._closing = self._reactor.callLater(_LOOK, self._wait, until)

    # Upgrade.

    def upgrade(self, who: str) -> Deferred[int]:
        """See :meth:`twistedproxy.admin.life.Life.upgrade`."""
        if self._upgrade is not None or self.stage is not Stage.READY:
            return fail(CannotBeDone("a new process is being started already" if self._upgrade else f"it is {self.stage}"))
        _log.info("{who}: the program is started anew", who=who)
        self._running.remember()
        self._upgrade = Upgrade(self._outside.command, self._running.sockets, self._reactor)
        self._upgrade.start()
        return self._upgrade.done.addCallbacks(self._succeeded, self._not_succeeded)

    def _succeeded(self, pid: int) -> int:
        _log.info("process {pid} serves; this one ends with its last connection", pid=pid)
        self._outside.notify.succeeded_by(pid)
        for observer in self.on_succeeded:
            observer()
        self._running.hand_over()
        self._finish()
        return pid

    def _not_succeeded(self, failure: Failure) -> Failure:
        self._upgrade = None
        _log.error("{problem}", problem=failure.getErrorMessage())
        return failure

    def _asked_to_upgrade(self) -> None:
        self.upgrade("SIGUSR2").addErrback(lambda failure: None)
