"""
The memory of all pools: what the operator wants and how peers are is kept over restarts, in one small file.

It is written when something has changed, a moment later and off the reactor's thread, aside first and then renamed: whenever the
process ends, there is a whole file.  The file is a courtesy: whatever is wrong with it is a line in the log, and the site starts.

Who has the last word, site.ini or the shell?  Whoever spoke last.  What the operator said of a peer holds as long as site.ini
says what it said at that moment; when the file was edited in that point meanwhile, the file counts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twistedproxy.balance.membership import SHELL, Membership
from twistedproxy.balance.peer import Peer, will_by
from twistedproxy.balance.pool import PeerExists, UnknownPeer
from twistedproxy.balance.remembered import NotUnderstood, ReadServer, RememberedPeer, RememberedPool, WriteServer, read, written
from twistedproxy.clock import Clock
from twistedproxy.settings.knob import NEVER

#: Seconds for which changes are collected before they are written.
DELAY: Final = 1.0

_BEFORE: Final = " (before the restart)"

_log = Logger()


class StateFile:
    """A file that is replaced as a whole; whichever text was given last stays, whoever is quicker."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._number = 0
        self._failed = False

    def read(self) -> str | None:
        """What stands in it; None when there is nothing, or it cannot be read, which was told."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as problem:
            self.set_aside(str(problem))
            return None

    def set_aside(self, why: str) -> None:
        """It is of no use, and perhaps of interest."""
        aside = f"{self.path}.ignored"
        try:
            os.replace(self.path, aside)
        except OSError:
            aside = "where it is"
        _log.warn("{path} is ignored, and kept as {aside}: {why}", path=self.path, aside=aside, why=why)

    def write(self, text: str, number: int) -> None:
        """Replace it by *text*, the one with *number*, unless a later one was written; may run in any thread."""
        with self._lock:
            if number < self._number:
                return
            self._number = number
            try:
                os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
                aside = f"{self.path}.new"
                with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(aside, self.path)
                self._failed = False
            except OSError as problem:
                if not self._failed:
                    _log.warn("the state of pools cannot be kept in {path}: {problem}", path=self.path, problem=problem)
                self._failed = True


class Memory(Service):
    """
    What is known of the pools when the process ends, known again when it starts; the first of their services to start.

    :param call_in_thread: ``reactor.callInThread``
    """

    def __init__(
        self,
        file: StateFile,
        memberships: Mapping[str, Membership],
        lines: tuple[ReadServer, WriteServer],
        clock: Clock,
        reactor: Any,
    ) -> None:
        self._file = file
        self._memberships = memberships
        self._read_server, self._write_server = lines
        self._clock = clock
        self._reactor = reactor
        self._call: IDelayedCall | None = None
        self._known: dict[str, RememberedPool] = {}
        self._number = 0

    def startService(self) -> None:
        """Remember; and keep in mind what changes from now on."""
        Service.startService(self)
        remembered = self._read()
        if remembered is not None:
            for name, pool in remembered.items():
                if name in self._memberships:
                    recall(self._memberships[name], pool)
        self._known = self._now() if remembered is None else remembered
        # What is not in site.ini any more is forgotten for good.
        self._changed()
        for membership in self._memberships.values():
            self._watch(membership)

    def _watch(self, membership: Membership) -> None:
        membership.on_change.append(self._changed)
        membership.pool.on_change.append(self._changed)
        membership.pool.on_will.append(self._changed)

    def follow(self, memberships: Mapping[str, Membership]) -> None:
        """There are other pools now; those that are there already are known, and of those that have gone nothing is kept."""
        for name, membership in memberships.items():
            if self.running and self._memberships.get(name) is not membership:
                self._watch(membership)
        self._memberships = memberships
        self._changed()

    def write_now(self) -> None:
        """Write what was not written yet, for whoever reads it next."""
        if self._call is not None:
            self._call.cancel()
            self._write(lambda write, *arguments: write(*arguments))

    def fall_silent(self) -> None:
        """Somebody else writes the file from now on."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._memberships = {}
        Service.stopService(self)

    def _read(self) -> dict[str, RememberedPool] | None:
        text = self._file.read()
        if text is None:
            return None
        try:
            return read(text, self._clock.wall(), self._read_server)
        except NotUnderstood as problem:
            self._file.set_aside(str(problem))
            return None

    def stopService(self) -> None:
        """Write what was not written yet."""
        Service.stopService(self)
        self.write_now()

    def _changed(self, _what: object = None) -> None:
        if self._call is None and self.running:
            self._call = self._reactor.callLater(DELAY, self._write, self._reactor.callInThread)

    def _write(self, call: Callable[..., object]) -> None:
        self._call = None
        now = self._now()
        if now != self._known:
            self._known = now
            self._number += 1
            call(self._file.write, written(now, self._clock.wall(), self._write_server), self._number)

    def _now(self) -> dict[str, RememberedPool]:
        monotonic = self._clock.monotonic()
        return {name: remember(membership, monotonic) for name, membership in self._memberships.items()}


def remember(membership: Membership, now: float) -> RememberedPool:
    """What is worth to be known of a pool at *now* (monotonic)."""
    pool = membership.pool
    present = {peer.name for peer in pool.peers} | set(membership.names)
    peers = {peer.name: remembered for peer in pool.peers if (remembered := _remember(peer, now)) != RememberedPeer()}
    lines = [name.line for name in membership.names.values() if name.origin == SHELL]
    return RememberedPool(
        added=(*(peer.settings for peer in pool.peers if peer.origin == SHELL), *lines),
        removed=frozenset(server.name for server in pool.settings.servers if server.name not in present),
        found={called: tuple(name.found) for called, name in membership.names.items() if name.found},
        peers=peers,
    )


def _remember(peer: Peer, now: float) -> RememberedPeer:
    server = peer.settings
    will = peer.will if peer.will is not will_by(server) else None
    weight = peer.weight if peer.weight != server.weight else None
    ejected_for = max(0.0, peer.ejected_until - now) if peer.ejected_until < NEVER else 0.0
    if will is None and weight is None and peer.passes_checks and not ejected_for:
        return RememberedPeer()
    said = (server.down, server.weight)
    return RememberedPeer(will, peer.will_ends, weight, said, peer.passes_checks, ejected_for, peer.why)


def recall(membership: Membership, remembered: RememberedPool) -> None:
    """Let the pool be as it was; what site.ini does not name any more is forgotten, and what it says otherwise now counts."""
    pool = membership.pool
    lines = {server.name for server in pool.settings.servers}
    for called in remembered.removed & lines:
        membership.remove(called, "the operator had removed it")
    for server in remembered.added:
        try:
            membership.add(server)
        except PeerExists:
            continue  # it stands in site.ini by now
    for called, found in remembered.found.items():
        membership.recall(called, found)
    for called, peer in remembered.peers.items():
        try:
            _recall(membership, pool.peer(called), peer)
        except UnknownPeer:
            continue


def _recall(membership: Membership, peer: Peer, remembered: RememberedPeer) -> None:
    pool = membership.pool
    down, weight = remembered.said
    will = will_by(peer.settings)
    why = remembered.why
    if remembered.will is not None and peer.settings.down == down:
        if remembered.will_ends > pool.clock.wall():
            will, peer.will_ends = remembered.will, remembered.will_ends
        else:
            why = "the time of its drain is over"
    if remembered.weight is not None and peer.settings.weight == weight:
        pool.set_weight(peer.name, remembered.weight)
    # Without checks nobody would ever find a peer well again.
    passes_checks = remembered.passes_checks or pool.settings.check is None
    ejected_until = pool.clock.monotonic() + remembered.ejected_for if remembered.ejected_for else NEVER
    peer.recall(will, passes_checks=passes_checks, ejected_until=ejected_until, why=why.removesuffix(_BEFORE) + _BEFORE)
