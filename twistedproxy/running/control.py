"""
A socket in state_dir by which ``revproxy reload site.ini`` and its like reach the process that runs the site.

Whoever may open it, the proxy's own user and root, asks in one line of JSON (``{"do": "reload"}``), and is answered in one:
``{"ok": true, "said": "…"}``.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from twistedproxy.addresses import Unix
from twistedproxy.admin.life import CannotBeDone, Life
from twistedproxy.admin.life_verbs import reloaded
from twistedproxy.admin.live import Live
from twistedproxy.admin.ports import BACKLOG, Ports
from twistedproxy.admin.touched import touched
from twistedproxy.transport.port import CannotListen
from twistedproxy.transport.sockets import Sockets

_log = Logger()

#: Seconds that somebody who asks waits for the answer: an upgrade may take a minute.
_PATIENCE: Final = 90.0


class NobodyRuns(Exception):
    """No process that runs the site can be reached; the text says where it was looked for."""


def path_of(site: str, state_dir: str) -> str:
    """Where the process that runs the file *site* is reached."""
    digest = hashlib.sha256(os.path.realpath(site).encode()).hexdigest()[:12]
    return os.path.join(state_dir, f"control-{digest}.sock")


def ask(path: str, do: str) -> tuple[bool, str]:
    """
    Ask whoever listens at *path*: whether it was done, and what is said of it.

    :raises NobodyRuns: nobody listens there, or it ended before it had answered
    """
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_PATIENCE)
            sock.connect(path)
            sock.sendall(json.dumps({"do": do}).encode() + b"\n")
            with sock.makefile("rb") as file:
                answer = json.loads(file.readline())
            return bool(answer["ok"]), str(answer["said"])
    except (OSError, ValueError) as problem:
        raise NobodyRuns(f"no process is reached at {path}: {problem}") from None


class Control(Service):
    """
    Listens at *path* from startService to stopService; where that cannot be had, signals and the shell do the same.

    :param sockets: where the socket is owned
    """

    def __init__(self, path: str, live: Live, sockets: Sockets, reactor: Any) -> None:
        self._address = Unix(path, 0o600)
        self._sockets = sockets
        factory = Factory.forProtocol(Line)
        factory.noisy = False
        factory.live = live  # type: ignore[attr-defined]
        self._ports = Ports("control", (self._address,), factory, reactor, sockets)

    def startService(self) -> None:
        """Listen; privileges have dropped, so that state_dir is made by whom it belongs to."""
        Service.startService(self)
        try:
            os.makedirs(os.path.dirname(self._address.path), mode=0o700, exist_ok=True)
            self._sockets.always[self._address] = BACKLOG
            self._ports.startService()
        except (OSError, CannotListen) as problem:
            self._sockets.always.pop(self._address, None)
            _log.warn("`revproxy reload` cannot reach this process: {problem}; send it SIGHUP", problem=str(problem))

    def stopService(self) -> Any:
        """Listen no more."""
        Service.stopService(self)
        return self._ports.stopService()


class Line(LineOnlyReceiver):
    """One who asks."""

    delimiter = b"\n"
    MAX_LENGTH = 4096

    def lineReceived(self, line: bytes) -> None:
        """Do what the line says, and answer."""
        maybeDeferred(self._do, line).addCallbacks(self._done, self._not_done)

    def _do(self, line: bytes) -> Deferred[str]:
        live: Live = self.factory.live
        life: Life | None = live.life
        what = json.loads(line)["do"]
        who = f"revproxy {what}"
        if life is None:
            return fail(CannotBeDone("this process does not know from which file it runs"))
        if what == "plan":
            return life.plan().addCallback(touched, live)
        if what == "reload":
            return life.reload(who).addCallback(reloaded)
        if what == "upgrade":
            return life.upgrade(who).addCallback("process {} serves".format)
        if what == "drain":
            life.drain(who)
            return succeed(f"not ready any more; the listeners close in {life.drain_delay:g} s")
        return fail(CannotBeDone(f"{what!r} is not known to this version"))

    def _done(self, said: str) -> None:
        self._answer(True, said)

    def _not_done(self, failure: Failure) -> None:
        self._answer(False, failure.getErrorMessage())

    def _answer(self, ok: bool, said: str) -> None:
        if self.transport is not None:
            self.transport.write(json.dumps({"ok": ok, "said": said}).encode() + b"\n")
            self.transport.loseConnection()
