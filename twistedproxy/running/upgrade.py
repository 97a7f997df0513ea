"""
The program started anew beside the one that runs, with its sockets: nobody who connects meanwhile is refused.

Both accept until the new process says that it serves.  If it ends before, or says nothing for too long, nothing has happened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.admin.life import CannotBeDone
from twistedproxy.running.heritage import VARIABLE, bequeath
from twistedproxy.transport.sockets import Sockets

_log = Logger()

#: Seconds within which the new process must serve.
PATIENCE: Final = 60.0
#: What systemd says to one process only.
_PERSONAL: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID")


@dataclass(frozen=True)
class Command:
    """
    How the process was started.

    :ivar arguments: of the interpreter, itself the first
    :ivar directory: where that was
    :ivar options: twistd's own; ``pidfile`` is what it writes at its start and removes at its end
    """

    arguments: tuple[str, ...]
    directory: str
    options: MutableMapping[Any, Any]


def this_command(options: MutableMapping[Any, Any]) -> Command:
    """How this process was started; to be asked before anybody changes directories."""
    return Command((sys.executable, *sys.orig_argv[1:]), os.getcwd(), options)


class Pidfile:
    """The pidfile of a process that another one succeeds: it makes room for the other's, and comes back if that fails."""

    def __init__(self, options: MutableMapping[Any, Any]) -> None:
        self._options = options
        self._path = os.path.abspath(options["pidfile"]) if options.get("pidfile") else ""

    def step_aside(self) -> None:
        """Be called otherwise."""
        if self._path and os.path.exists(self._path):
            os.replace(self._path, self._path + ".old")

    def return_(self) -> None:
        """Be called as before."""
        if self._path and os.path.exists(self._path + ".old"):
            os.replace(self._path + ".old", self._path)

    def give_up(self) -> None:
        """The name is the other's for good: at its end, twistd removes the other one."""
        if self._path:
            self._options["pidfile"] = self._path + ".old"


class Upgrade(ProcessProtocol):
    """
    One attempt.

    :ivar done: fires with the number of the new process when it serves; fails with CannotBeDone when it will not
    """

    def __init__(self, command: Command, sockets: Sockets, reactor: Any) -> None:
        self.done: Deferred[int] = Deferred()
        self._command = command
        self._sockets = sockets
        self._reactor = reactor
        self._pidfile = Pidfile(command.options)
        self._heard = b""
        self._from = -1
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Start the new process."""
        said, descriptors, self._from = bequeath(self._sockets.all())
        environ = {name: value for name, value in os.environ.items() if name not in _PERSONAL} | {VARIABLE: said}
        self._pidfile.step_aside()
        self._timer = self._reactor.callLater(PATIENCE, self._failed, f"it does not serve after {PATIENCE:g} s", True)
        arguments = self._command.arguments
        try:
            self._reactor.spawnProcess(self, arguments[0], arguments, environ, self._command.directory, childFDs=descriptors)
        except OSError as problem:
            self._failed(str(problem))

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """The new process says something."""
        if childFD != self._from or self.done.called:
            return
        self._heard += data
        line, mark, _ = self._heard.partition(b"\n")
        if mark:
            self._settle()
            self._pidfile.give_up()
            self.done.callback(int(line.split()[1]))

    def childConnectionLost(self, childFD: int) -> None:
        """The new process has closed its end: by now it has said what it had to say."""
        if childFD == self._from:
            self._failed("it has ended before it served; the log, or its standard error, says why")

    def processExited(self, reason: Failure) -> None:
        """The process that was started has ended; a daemon's does so when it has started another."""
        status = getattr(reason.value, "exitCode", None)
        if status != 0:
            self._failed("it ended " + (f"with status {status}" if status is not None else "by a signal"))

    def _failed(self, why: str, late: bool = False) -> None:
        if self.done.called:
            return
        self._settle()
        self._pidfile.return_()
        if late and self.transport is not None:
            self.transport.signalProcess("KILL")
        self.done.errback(CannotBeDone(f"the new process cannot take over: {why}; this one serves on"))

    def _settle(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
