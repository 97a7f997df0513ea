"""What systemd is told of the process (sd_notify(3)); nothing without NOTIFY_SOCKET in the environment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

_log = Logger()


class Notify:
    """
    Tells systemd.

    :param environ: NOTIFY_SOCKET, and WATCHDOG_USEC (with WATCHDOG_PID) if it wants to hear of us again and again
    """

    def __init__(self, environ: Mapping[str, str], reactor: IReactorTime) -> None:
        self._where = environ.get("NOTIFY_SOCKET", "")
        self._watchdog = _watchdog_seconds(environ)
        self._alive = LoopingCall(self._tell, "WATCHDOG=1")
        self._alive.clock = reactor

    def ready(self, status: str) -> None:
        """It serves, *status* for people; from now on systemd hears that it is alive, if it wants to."""
        self._tell("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")
        if self._watchdog and not self._alive.running:
            self._alive.start(self._watchdog / 2)

    def reloading(self) -> None:
        """A reload begins; :meth:`ready` ends it, however it went."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """What people see in ``systemctl status``."""
        self._tell(f"STATUS={text}")

    def stopping(self) -> None:
        """It is about to end."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def succeeded_by(self, pid: int) -> None:
        """Another process is the main one from now on; this one is not heard any more."""
        self._tell(f"MAINPID={pid}", "STATUS=serving")
        if self._alive.running:
            self._alive.stop()
        self._where = ""

    def _tell(self, *lines: str) -> None:
        if not self._where:
            return
        # "@" stands for the abstract namespace.
        where = "\0" + self._where[1:] if self._where.startswith("@") else self._where
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.connect(where)
                sock.send("\n".join(lines).encode())
        except OSError as problem:
            _log.warn("systemd cannot be told {what}: {problem}", what=lines[0], problem=problem.strerror)


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """Seconds within which systemd wants to hear of us; 0.0: it does not."""
    try:
        if int(environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return 0.0
        return int(environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0
