"""
Membership: who belongs to a pool, as names and the shell have it, while the proxy runs.

Names by which peers are found are asked for again each ``resolve``, all the time and behind everybody's back.  What a name says
is taken as a whole: peers that it names no more leave, new ones come.  A name that cannot be resolved changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.addresses import Tcp
from twistedproxy.balance.peer import Peer, PeerState, will_by
from twistedproxy.balance.pool import PeerExists, Pool, UnknownPeer
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.spelling import choose_from

#: Finds what a line of ``servers`` stands for; the Deferred fails with an exception whose text is a reason for people.
Find = Callable[[ServerSettings], Deferred[list[ServerSettings]]]
#: The addresses that are known of a host and port, without asking anybody.
Known = Callable[[str, int], Sequence[str]]

#: Seconds after which a name of which nothing is known yet is asked for again.
RETRY: Final = 1.0

SITE: Final = "site.ini"
SHELL: Final = "shell"


class FoundByName(ValueError):
    """A peer cannot be removed, since the name by which it was found would bring it back."""


class Name:
    """
    A name by which peers are found.

    :ivar line: what site.ini, or the operator, says of it
    :ivar origin: which of the two: SITE or SHELL
    :ivar found: what it stood for when it was resolved last; None before that
    :ivar problem: why it could not be resolved since; empty when it could
    """

    def __init__(self, line: ServerSettings, origin: str) -> None:
        self.line = line
        self.origin = origin
        self.found: list[ServerSettings] | None = None
        self.problem = ""

    def __repr__(self) -> str:
        peers = "not resolved yet" if self.found is None else f"{len(self.found)} peers"
        return f"<Name {self.line.name} {peers}{f', {self.problem}' if self.problem else ''}>"


class Membership(Service):
    """
    Who belongs to one pool; names are followed from startService to stopService.

    :ivar names: those by which peers are found, by what they are called
    :ivar on_change: called when somebody was added or removed by the operator, or a name was found to stand for others
    """

    log = Logger()

    def __init__(self, pool: Pool, find: Find, known: Known, reactor: IReactorTime) -> None:
        self.pool = pool
        self._known = known
        self.names: dict[str, Name] = {}
        self.on_change: list[Callable[[], None]] = []
        self._find = find
        self._reactor = reactor
        self._loops: dict[Name, LoopingCall] = {}
        self._asked: dict[Name, Deferred[None]] = {}
        self._again: dict[Name, IDelayedCall] = {}
        self._peers: dict[str, Peer] = {}
        for server in pool.settings.servers:
            if server.stands_for is not StandsFor.PEER:
                self.names[server.name] = Name(server, SITE)

    def startService(self) -> None:
        """Ask for every name now, and from now on."""
        Service.startService(self)
        for name in self.names.values():
            self._follow(name)

    def stopService(self) -> None:
        """Follow no name any more; who belongs to the pool stays."""
        Service.stopService(self)
        for name in list(self._loops):
            self._leave(name)

    # What the operator wants.

    def add(self, server: ServerSettings, origin: str = SHELL) -> None:
        """
        A peer, or a name by which peers are found, belongs to the pool from now on.

        :raises PeerExists: it does already
        """
        if server.stands_for is StandsFor.PEER:
            self.pool.add(server, origin)
        elif server.name in self.names:
            raise PeerExists(f"pool {self.pool.name} follows {server.name} already")
        else:
            name = self.names[server.name] = Name(server, origin)
            self.log.info("pool {pool}: {name} is followed, from {origin}", pool=self.pool.name, name=server.name, origin=origin)
            if self.running:
                self._follow(name)
        self._changed()

    def remove(self, called: str, why: str) -> list[Peer]:
        """
        A peer, or a name with all the peers that it stands for, belongs to the pool no more; returns the peers that leave.

        :raises UnknownPeer: the pool has none of that name
        :raises FoundByName: it is a peer that a name stands for
        """
        name = self.names.pop(called, None)
        if name is not None:
            self._leave(name)
            self.log.info("pool {pool}: {name} is followed no more: {why}", pool=self.pool.name, name=called, why=why)
            gone = self._settle()
        elif called in self._peers:
            origin = self._peers[called].origin
            raise FoundByName(f"{called} is found by {origin} and would come back: drain it, or remove {origin}")
        else:
            remedy = choose_from(called, (*(peer.name for peer in self.pool.peers), *self.names))
            if all(peer.name != called for peer in self.pool.peers):
                raise UnknownPeer(f"pool {self.pool.name} has no peer {called!r}; {remedy}")
            gone = [self.pool.remove(called, why)]
        self._changed()
        return gone

    def put_back(self, thing: Peer | Name, peers: Sequence[tuple[Peer, Sequence[str]]], behind: Sequence[str] = ()) -> list[Peer]:
        """
        A peer that was removed, or a name with its peers, belongs to the pool again; returns the peers that have come back.

        :param peers: with those that stood behind each
        :param behind: the names that stood behind a name
        :raises PeerExists: somebody else does in its place
        """
        line = thing.line if isinstance(thing, Name) else thing.settings
        if thing.origin == SITE and line.name not in {server.name for server in self.pool.settings.servers}:
            thing.origin = SHELL  # the site has no such line any more
        if isinstance(thing, Name):
            if line.name in self.names:
                raise PeerExists(f"pool {self.pool.name} follows {line.name} already")
            order = list(self.names.items())
            at = next((index for index, (called, _) in enumerate(order) if called in behind), len(order))
            self.names.clear()
            self.names.update([*order[:at], (line.name, thing), *order[at:]])
        returned = []
        for peer, followers in reversed(peers):
            try:
                self.pool.put_back(peer, followers)
            except PeerExists:
                if peer is thing:
                    raise
                continue  # it has a line of its own by now
            if peer is not thing:
                self._peers[peer.name] = peer
            returned.append(peer)
        if isinstance(thing, Name) and self.running:
            self._follow(thing)
        self._changed()
        return returned

    # What the site wants.

    def revise(self, before: Sequence[ServerSettings], after: Sequence[ServerSettings]) -> None:
        """
        The site says something else of who belongs to the pool: *before* and now.

        Who is in both stays, with its connections, health and counters.  What the operator has said holds where the site says
        what it said before: who was removed stays away, a weight and a drain stay; and who was added stays.
        """
        old = {_line_name(server): server for server in before}
        new = {_line_name(server): server for server in after}
        for called in [called for called in old if called not in new]:
            self._drop(old[called])
        for called, server in new.items():
            if called not in old:
                self._take(server)
            elif old[called] != server:
                self._revise(old[called], server)
        self._settle()
        self._changed()

    def as_it_is(self, before: Sequence[ServerSettings], after: Sequence[ServerSettings]) -> tuple[ServerSettings, ...]:
        """
        The lines *before*, as far as :meth:`revise` to those *after* would change anything.

        What the operator has done already, as one who has saved it, stands in it as it does in *after*.
        """
        old = {_line_name(server): server for server in before}
        new = {_line_name(server): server for server in after}
        lines = []
        for called, server in old.items():
            wanted = new.get(called)
            if wanted is not None:
                lines.append(wanted if self._is_as(wanted) else server)
            elif self._is_by_site(server):
                lines.append(server)
        lines += [server for called, server in new.items() if called not in old and self._is_as(server)]
        return tuple(lines)

    def _is_as(self, server: ServerSettings) -> bool:
        """Whether whoever the line *server* is about is as it says."""
        if server.stands_for is not StandsFor.PEER:
            name = self.names.get(server.name)
            return name is not None and name.line == server
        peer = next((peer for peer in self.pool.peers if peer.name == server.name), None)
        if peer is None or peer.weight != server.weight or peer.will is not will_by(server) or peer.will_ends < NEVER:
            return False
        return replace(peer.settings, weight=server.weight, down=server.down, drain=server.drain) == server

    def _is_by_site(self, server: ServerSettings) -> bool:
        """Whether whoever the line *server* is about belongs to the pool by the site's word."""
        if server.stands_for is not StandsFor.PEER:
            name = self.names.get(server.name)
            return name is not None and name.origin == SITE
        return any(peer.name == server.name and peer.origin == SITE for peer in self.pool.peers)

    def refresh(self) -> None:
        """Follow the names at the interval that the pool has now."""
        if self.running:
            for name in list(self._loops):
                self._leave(name)
                self._follow(name)

    def _drop(self, server: ServerSettings) -> None:
        """A line has gone from the site; what the operator has removed before, or added once more, is the operator's."""
        if not self._is_by_site(server):
            return
        if server.stands_for is not StandsFor.PEER:
            self._leave(self.names.pop(server.name))
        else:
            self.pool.remove(server.name, "it is not in site.ini any more")

    def _take(self, server: ServerSettings) -> None:
        """A line has come into the site; who was there already, by the shell's or a name's word, is the site's from now on."""
        if server.stands_for is not StandsFor.PEER:
            name = self.names.get(server.name)
            if name is not None:
                name.origin = SITE
                self._say_anew(name, server)
                return
            name = self.names[server.name] = Name(server, SITE)
            if self.running:
                self._follow(name)
            return
        known = next((peer for peer in self.pool.peers if peer.name == server.name), None)
        if known is None or known.tls != server.tls:
            if known is not None:
                self.pool.remove(server.name, "site.ini has it with another protocol")
                self._peers.pop(server.name, None)
            self.pool.add(server, SITE)
        else:
            self._peers.pop(server.name, None)
            self._revise_peer(known, server)

    def _revise(self, old: ServerSettings, server: ServerSettings) -> None:
        """A line says something else of whom it is about."""
        if server.stands_for is not StandsFor.PEER:
            name = self.names.get(server.name)
            if name is not None:
                self._say_anew(name, server)
            return
        known = next((peer for peer in self.pool.peers if peer.name == server.name), None)
        if known is None:
            # The operator had removed it, and the file has the last word.
            self.pool.add(server, SITE)
        else:
            self._revise_peer(known, server, old)

    def _revise_peer(self, peer: Peer, server: ServerSettings, old: ServerSettings | None = None) -> None:
        before = peer.settings if old is None else old
        self.pool.revise(peer, server, SITE)
        if server.weight != before.weight:
            self.pool.set_weight(peer.name, server.weight)
        wanted = will_by(server)
        if wanted is will_by(before):
            return
        if wanted is PeerState.MAINTENANCE:
            self.pool.maintain(peer.name, "down in site.ini")
        elif wanted is PeerState.UP:
            self.pool.restore(peer.name, f"site.ini has it no longer {'down' if before.down else 'drained'}")
        elif peer.will is not PeerState.DRAINING or peer.will_ends < NEVER:
            self.pool.drain(peer.name)

    def _say_anew(self, name: Name, line: ServerSettings) -> None:
        name.line = line
        if name.found is not None:
            name.found = [_by_line(line, server) for server in name.found]
        if name in self._loops:
            self._leave(name)
            self._follow(name)

    def addresses(self, peer: Peer) -> Sequence[str]:
        """The addresses at which *peer* is, if it has a name that was looked up already."""
        address = peer.address
        return self._known(address.host, address.port) if isinstance(address, Tcp) else ()

    def recall(self, called: str, found: Iterable[ServerSettings]) -> None:
        """What a name stood for before the process started: better than nothing until it is resolved."""
        name = self.names.get(called)
        if name is not None and name.found is None:
            name.found = [_by_line(name.line, server) for server in found]
            self._settle()

    # What names say.

    def _follow(self, name: Name) -> None:
        loop = self._loops[name] = LoopingCall(self._ask, name)
        loop.clock = self._reactor
        loop.start(self.pool.settings.resolve)

    def _leave(self, name: Name) -> None:
        loop = self._loops.pop(name, None)
        if loop is not None and loop.running:
            loop.stop()
        again = self._again.pop(name, None)
        if again is not None:
            again.cancel()
        asked = self._asked.get(name)
        if asked is not None:
            asked.cancel()

    def _ask(self, name: Name) -> Deferred[None] | None:
        """Resolve *name*, unless that is still under way."""
        if name in self._asked:
            return None
        asked = maybeDeferred(self._find, name.line)

        def answered(found: list[ServerSettings] | Failure) -> None:
            self._asked.pop(name, None)
            if name not in self._loops:
                return
            if isinstance(found, Failure):
                self._failed(name, found)
            else:
                self._found(name, found)

        ended = asked.addBoth(answered)
        if not ended.called:
            self._asked[name] = ended
        return ended

    def _found(self, name: Name, found: list[ServerSettings]) -> None:
        if name.problem:
            self.log.info("pool {pool}: {name} is resolved again", pool=self.pool.name, name=name.line.name)
            name.problem = ""
        if found != name.found:
            name.found = found
            self._settle()
            self._changed()

    def _failed(self, name: Name, failure: Failure) -> None:
        if not name.problem:
            remedy = "; its last known peers stay" if name.found else ""
            self.log.warn(
                "pool {pool}: {name}: {problem}{remedy}",
                pool=self.pool.name,
                name=name.line.name,
                problem=failure.getErrorMessage(),
                remedy=remedy,
            )
        name.problem = failure.getErrorMessage()
        if not name.found and name not in self._again and self.pool.settings.resolve > RETRY:
            self._again[name] = self._reactor.callLater(RETRY, self._ask_again, name)

    def _ask_again(self, name: Name) -> None:
        del self._again[name]
        self._ask(name)

    def _settle(self) -> list[Peer]:
        """Let the pool have the peers that names stand for, besides those with a line of their own; returns who leaves."""
        wanted: dict[str, tuple[ServerSettings, str]] = {}
        for name in self.names.values():
            for server in name.found or ():
                wanted.setdefault(server.name, (server, name.line.name))
        for called, (server, origin) in wanted.items():
            known = self._peers.get(called)
            if known is None:
                try:
                    self._peers[called] = self.pool.add(server, origin)
                except PeerExists:
                    continue  # it has a line of its own
            elif (known.settings, known.origin) != (server, origin):
                self.pool.revise(known, server, origin)
        gone = [peer for called, peer in self._peers.items() if called not in wanted]
        for peer in gone:
            del self._peers[peer.name]
            self.pool.remove(peer.name, f"{peer.origin} stands for it no more")
        return gone

    def _changed(self) -> None:
        for observer in self.on_change:
            observer()


def _line_name(server: ServerSettings) -> tuple[bool, str, bool]:
    """By what a line is known again; TLS or not is another peer."""
    return server.stands_for is StandsFor.PEER, server.name, server.tls


def _by_line(line: ServerSettings, found: ServerSettings) -> ServerSettings:
    """What was *found* once, with what the line says now."""
    return replace(
        line,
        address=found.address,
        weight=found.weight if line.stands_for is StandsFor.RECORDS else line.weight,
        backup=line.backup or found.tier > 0,
        tier=found.tier,
        stands_for=StandsFor.PEER,
        found_by=found.found_by,
    )
