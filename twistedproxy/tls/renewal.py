"""
Certificates come from an authority by themselves, and are renewed when a third of their life is left.

A section that has none yet shows one of its own meanwhile.  What fails is tried again, later each time: authorities count
failures.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.clock import Clock
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.tls.files import write_private
from twistedproxy.tls.issuing import AcmeProblem, Issued, Proof, Stage
from twistedproxy.tls.watch import Watch
from twistedproxy.transport.certificates import CertificateProblem, Certified, load
from twistedproxy.transport.self_signed import utc

_log = Logger()

#: Obtains a certificate, in a thread: raises AcmeProblem or OSError.  It ends soon after the event was set.
Obtain = Callable[[Stage, threading.Event], Issued]
#: Calls something in a thread that nobody waits for when the process ends.
InThread = Callable[[Callable[[], Any]], Deferred[Any]]
#: Calls something in the reactor's thread, and waits for it.
InReactor = Callable[[Callable[[], None]], None]

#: Seconds between two looks at whether a certificate is due.
_LOOK: Final = 60.0
#: Seconds after which a failure is followed by another try, how much longer it is each time, and at most.
_AGAIN: Final = 120.0
_SLOWER: Final = 3.0
_LATEST: Final = 8 * 3600.0


@dataclass(frozen=True)
class Ground:
    """
    What a renewal stands on.

    :ivar challenges: answers to HTTP-01, by token
    :ivar in_thread: for what waits; *in_reactor*: for what it changes
    """

    challenges: MutableMapping[bytes, bytes]
    in_thread: InThread
    in_reactor: InReactor
    clock: Clock
    reactor: IReactorTime


class Renewal(Service):
    """
    The certificate by ACME of one section.

    :ivar problem: why the last try failed; empty when it did not
    :ivar due: whether the certificate that is there will not do
    """

    def __init__(self, watch: Watch, obtain: Obtain, ground: Ground) -> None:
        self.problem = ""
        self._watch = watch
        self._obtain = obtain
        self._ground = ground
        self._loop = LoopingCall(self.look)
        self._loop.clock = ground.reactor
        self._again = 0.0
        self._wait = _AGAIN
        self._given_up: threading.Event | None = None

    @property
    def _file(self) -> str:
        return self._watch.servers[0].acme_file

    def startService(self) -> None:
        """Look now, and now and then."""
        Service.startService(self)
        self._loop.start(_LOOK, now=True)

    def stopService(self) -> None:
        """Let go of what goes on."""
        Service.stopService(self)
        if self._loop.running:
            self._loop.stop()
        if self._given_up is not None:
            self._given_up.set()

    @property
    def due(self) -> bool:
        """Whether another certificate is wanted."""
        try:
            kept = load(CertificateFiles(self._file, self._file))
        except CertificateProblem:
            return True
        names = {name.lower() for name in self._watch.settings.names}
        return not names <= set(kept.names) or renewed(kept) <= utc(self._ground.clock.wall())

    def look(self) -> None:
        """Obtain a certificate if it is time."""
        if self._given_up is not None or self._ground.clock.monotonic() < self._again or not self.due:
            return
        given_up = self._given_up = threading.Event()
        settings = self._watch.settings
        _log.info("[tls {name}]: asking {acme} for a certificate", name=settings.name, acme=settings.acme)
        run = self._ground.in_thread(lambda: self._run(given_up))
        run.addCallbacks(self._obtained, self._failed).addErrback(self._broken).addBoth(self._over)

    def _run(self, given_up: threading.Event) -> bool:
        """In a thread: whether there is another certificate in the file; False: somebody else is at it."""
        with ExitStack() as stack:
            os.makedirs(os.path.dirname(self._file), mode=0o700, exist_ok=True)
            lock = stack.enter_context(open(f"{self._file}.lock", "wb"))
            try:
                # Other processes of this site have the same file.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if not self.due:
                return True
            issued = self._obtain(_Shown(self._watch, self._ground), given_up)
            write_private(self._file, (issued.chain.rstrip() + "\n" + issued.key).encode("ascii"))
            return True

    def _obtained(self, done: bool) -> Deferred[None] | None:
        if not done:
            return None
        try:
            load(CertificateFiles(self._file, self._file))
        except CertificateProblem as problem:
            raise AcmeProblem(f"what the authority has issued cannot be used: {problem}") from problem
        self.problem = ""
        self._wait = _AGAIN
        return self._watch.look(again=True)

    def _failed(self, failure: Failure) -> None:
        if failure.check(AcmeProblem, OSError) is None:
            _log.failure("[tls {name}]: obtaining a certificate failed", failure, name=self._watch.settings.name)
        self._note(str(failure.value) or type(failure.value).__name__)

    def _broken(self, failure: Failure) -> None:
        self._note(str(failure.value))

    def _note(self, problem: str) -> None:
        if not self.running:
            return
        self.problem = problem
        self._again = self._ground.clock.monotonic() + self._wait
        _log.warn(
            "[tls {name}]: no certificate by ACME: {problem}; what was shown before is shown on. "
            "The next try is in {minutes} minutes",
            name=self._watch.settings.name,
            problem=problem,
            minutes=round(self._wait / 60),
        )
        self._wait = min(_SLOWER * self._wait, _LATEST)

    def _over(self, _: object) -> None:
        self._given_up = None


def renewed(certified: Certified) -> datetime:
    """When a certificate is renewed: when a third of its life is left."""
    leaf = certified.chain[0]
    life: timedelta = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    return leaf.not_valid_after_utc - life / 3


class _Shown:
    """A :class:`twistedproxy.tls.acme.Stage`: plain listeners, and handshakes with validators."""

    def __init__(self, watch: Watch, ground: Ground) -> None:
        self._servers = watch.servers
        self._by_http = watch.settings.challenge == "http-01"
        self._ground = ground

    def show(self, proof: Proof) -> None:
        ground = self._ground

        def show() -> None:
            if self._by_http:
                ground.challenges[proof.token.encode("ascii")] = proof.key_authorization.encode("ascii")
            else:
                for server in self._servers:
                    server.validators.add(proof.name, proof.key_authorization, ground.clock.wall())

        ground.in_reactor(show)

    def hide(self, proof: Proof) -> None:
        ground = self._ground

        def hide() -> None:
            ground.challenges.pop(proof.token.encode("ascii"), None)
            for server in self._servers:
                server.validators.remove(proof.name)

        ground.in_reactor(hide)
