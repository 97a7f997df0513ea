"""All that TLS needs on our ports, made from settings: what is shown, and what keeps it so."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any, Final

from twisted.application.service import IService
from twisted.internet.threads import deferToThreadPool

from twistedproxy.clock import Clock
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.site_ini import Settings
from twistedproxy.settings.streams import StreamSettings
from twistedproxy.tls.asking import asking
from twistedproxy.tls.issuing import Issued, Stage
from twistedproxy.tls.renewal import Ground, Obtain, Renewal
from twistedproxy.tls.stapling import Stapling
from twistedproxy.tls.threads import in_daemon, in_reactor
from twistedproxy.tls.watch import Watch
from twistedproxy.transport.contexts import TlsServer

#: A [tls …] section, the protocols that a door offers by ALPN, and whether a client without a certificate is refused by it.
Shown = tuple[str, tuple[str, ...], bool]


@dataclass(frozen=True)
class TlsParts:
    """
    The parts, by the names of their sections.

    :ivar servers: what doors show
    :ivar watches: of every section that a door uses
    :ivar staplings: of those with ``ocsp``
    :ivar renewals: of those with ``acme``
    """

    servers: dict[Shown, TlsServer] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    staplings: dict[str, Stapling] = field(default_factory=dict)
    renewals: dict[str, Renewal] = field(default_factory=dict)

    def server_of(self, door: ListenSettings | StreamSettings) -> TlsServer | None:
        """What *door* shows; None: it speaks no TLS."""
        return None if door.tls is None else self.servers[_shown_by(door, door.tls)]

    @property
    def before(self) -> list[IService]:
        """What starts before the doors open."""
        return [*self.watches.values(), *self.staplings.values()]

    @property
    def behind(self) -> list[IService]:
        """What starts when they are open: an authority comes in by them."""
        return [*self.renewals.values()]


NO_PARTS: Final = TlsParts()


def _shown_by(door: ListenSettings | StreamSettings, section: str) -> Shown:
    # In HTTP who has no certificate can be told so.
    return section, door.protocols, isinstance(door, StreamSettings)


def tls_parts(
    settings: Settings, challenges: MutableMapping[bytes, bytes], clock: Clock, reactor: Any, known: TlsParts = NO_PARTS
) -> TlsParts:
    """
    The parts for the doors of *settings*.

    :param challenges: where answers to HTTP-01 are put
    :param known: parts of which those that are made of the same are taken as they are
    :raises CertificateProblem: a certificate cannot be used
    """
    state_dir = settings.site.state_dir
    doors: list[ListenSettings | StreamSettings] = [*settings.listen, *settings.streams]
    servers: dict[Shown, TlsServer] = {}
    for shown in dict.fromkeys(_shown_by(door, door.tls) for door in doors if door.tls is not None):
        name, protocols, insists = shown
        offered = tuple(protocol.encode("ascii") for protocol in protocols)
        server = known.servers.get(shown)
        if server is None or server.settings != settings.tls[name]:
            server = TlsServer(settings.tls[name], state_dir, clock, offered, insists=insists)
        servers[shown] = server
    if not servers:
        return NO_PARTS
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    sections = dict.fromkeys(name for name, _, _ in servers)
    watches: dict[str, Watch] = {}
    for name in sections:
        shown_by = [server for (of, _, _), server in servers.items() if of == name]
        watch = known.watches.get(name)
        same = watch is not None and set(watch.servers) == set(shown_by)
        watches[name] = watch if watch is not None and same else Watch(shown_by, in_thread, clock, reactor)
    stay = {name for name, watch in watches.items() if known.watches.get(name) is watch}
    ask = asking(reactor)
    staplings = {
        name: known.staplings[name] if name in stay else Stapling(watch.servers, state_dir, ask, clock, reactor)
        for name, watch in watches.items()
        if watch.settings.ocsp
    }
    ground = Ground(challenges, partial(in_daemon, reactor), partial(in_reactor, reactor), clock, reactor)
    renewals = {
        name: known.renewals[name] if name in stay else Renewal(watch, _obtaining(watch, state_dir), ground)
        for name, watch in watches.items()
        if watch.settings.acme is not None
    }
    return TlsParts(servers, watches, staplings, renewals)


def _obtaining(watch: Watch, state_dir: str) -> Obtain:
    def obtain(stage: Stage, given_up: Event) -> Issued:
        # What only this needs is loaded when it is needed: that takes a second.
        from twistedproxy.tls.acme import Account

        return Account(watch.settings, os.path.join(state_dir, "acme"), given_up).obtain(stage)

    return obtain
