"""
Stapling: clients that ask for it get, with a certificate, the word of its issuer that it was not revoked (RFC 6066 §8).

Responders are asked beforehand and now and then: no handshake ever waits for one.  What they said is kept in ``state_dir`` over
restarts, and shown until it ends, however badly its responder does in the meantime.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.clock import Clock
from twistedproxy.settings.tls import TlsSettings
from twistedproxy.tls.files import write_private
from twistedproxy.tls.ocsp import OcspProblem, Staple, issuer_of, judged, request_for, responder_of
from twistedproxy.transport.contexts import TlsServer
from twistedproxy.transport.credentials import Credential
from twistedproxy.transport.self_signed import utc

_log = Logger()

#: Sends a request (DER) to the responder at a URL; fires with its answer.
Ask = Callable[[str, bytes], Deferred[bytes]]

#: Seconds between two looks at what is due.
_LOOK: Final = 15.0
#: Seconds after which a responder that failed is asked again: at first, and at most.
_AGAIN: Final = 60.0
_LATEST: Final = 3600.0


@dataclass
class _Kept:
    """
    What is known of one certificate.

    :ivar staple: shown to clients; None: there is none
    :ivar problem: why the last try brought nothing; empty when it did
    :ivar again: monotonic time of the next try after one that failed
    """

    staple: Staple | None = None
    problem: str = ""
    again: float = 0.0
    wait: float = _AGAIN
    asking: bool = False


class Stapling(Service):
    """The staples of one [tls …] section, for all of its *servers*."""

    def __init__(self, servers: Sequence[TlsServer], state_dir: str, ask: Ask, clock: Clock, reactor: IReactorTime) -> None:
        self._servers = servers
        self._directory = os.path.join(state_dir, "ocsp")
        self._ask = ask
        self._clock = clock
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor
        self._kept: dict[str, _Kept] = {}

    @property
    def settings(self) -> TlsSettings:
        """Of the section."""
        return self._servers[0].settings

    def startService(self) -> None:
        """Show what was kept, and ask for what is due."""
        Service.startService(self)
        self._loop.start(_LOOK, now=True)

    def stopService(self) -> None:
        """Ask no more."""
        Service.stopService(self)
        if self._loop.running:
            self._loop.stop()

    def state(self, credential: Credential) -> str:
        """For people: how it stands with the staple of *credential*."""
        kept = self._kept.get(credential.fingerprint)
        if kept is None:
            return "-"
        if kept.staple is None:
            return kept.problem or "asked for"
        good = f"good until {kept.staple.ends:%Y-%m-%d %H:%M}"
        return f"{good} ({kept.problem})" if kept.problem else good

    def look(self) -> None:
        """Ask for what is due, and let go of what has ended."""
        shown = {credential.fingerprint: credential for credential in self._servers[0].credentials}
        for gone in self._kept.keys() - shown.keys():
            del self._kept[gone]
        for fingerprint, credential in shown.items():
            kept = self._kept.get(fingerprint)
            if kept is None:
                kept = self._kept[fingerprint] = self._known(credential)
            now = utc(self._clock.wall())
            if kept.staple is not None and kept.staple.ends <= now:
                kept.staple = None
            due = kept.staple is None or kept.staple.refreshed <= now
            if due and not kept.asking and self._clock.monotonic() >= kept.again:
                self._refresh(credential, kept)
        self._publish()

    def _publish(self) -> None:
        staples = {fingerprint: kept.staple.data for fingerprint, kept in self._kept.items() if kept.staple is not None}
        for server in self._servers:
            server.staples.clear()
            server.staples.update(staples)

    def _path(self, credential: Credential) -> str:
        return os.path.join(self._directory, f"{credential.fingerprint[:32]}.der")

    def _known(self, credential: Credential) -> _Kept:
        """What is known of *credential* at first: what was kept from an earlier run."""
        kept = _Kept()
        issuer = issuer_of(credential.certified.chain)
        if credential.origin == "self_signed" or responder_of(credential.leaf) is None:
            kept.problem = "names no responder"
            kept.again = float("inf")
        elif issuer is None:
            kept.problem = "its issuer does not follow it in its file"
            kept.again = float("inf")
            _log.warn(
                "[tls {name}]: nothing is stapled to {source}: {problem}; append the issuer's certificate",
                name=self.settings.name,
                source=credential.source,
                problem=kept.problem,
            )
        else:
            try:
                with open(self._path(credential), "rb") as file:
                    kept.staple = judged(file.read(), credential.leaf, issuer, utc(self._clock.wall()))
            except (OSError, OcspProblem):
                pass  # it is asked for
        return kept

    def _refresh(self, credential: Credential, kept: _Kept) -> None:
        url, issuer = responder_of(credential.leaf), issuer_of(credential.certified.chain)
        assert url is not None
        assert issuer is not None
        kept.asking = True

        def answered(data: bytes) -> None:
            staple = judged(data, credential.leaf, issuer, utc(self._clock.wall()))
            if kept.staple is None or kept.problem:
                _log.info(
                    "[tls {name}]: {source} is good until {ends}, says {url}",
                    name=self.settings.name,
                    source=credential.source,
                    ends=f"{staple.ends:%Y-%m-%d %H:%M}",
                    url=url,
                )
            kept.staple, kept.problem, kept.wait, kept.again = staple, "", _AGAIN, 0.0
            try:
                write_private(self._path(credential), data, lasting=False)
            except OSError as problem:
                _log.warn("{path} cannot be written: {problem}", path=self._path(credential), problem=problem.strerror)

        def failed(failure: Failure) -> None:
            told, kept.problem = kept.problem, _words(failure)
            kept.again = self._clock.monotonic() + kept.wait
            kept.wait = min(2 * kept.wait, _LATEST)
            if isinstance(failure.value, OcspProblem) and failure.value.revoked:
                # To go on telling clients that it is good would be a lie.
                kept.staple = None
            if told != kept.problem:
                _log.warn(
                    "[tls {name}]: {source}: {problem}, says {url}; {rest}",
                    name=self.settings.name,
                    source=credential.source,
                    problem=kept.problem,
                    url=url,
                    rest="what it said before is shown on" if kept.staple is not None else "nothing is stapled",
                )

        def over(_: object) -> None:
            kept.asking = False
            if self.running:
                self._publish()

        self._ask(url, request_for(credential.leaf, issuer)).addCallback(answered).addErrback(failed).addBoth(over)


def _words(failure: Failure) -> str:
    """What went wrong, in a few words."""
    value: Any = failure.value
    return str(value) if isinstance(value, OcspProblem) else f"no answer ({failure.getErrorMessage() or type(value).__name__})"
