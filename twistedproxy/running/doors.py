"""The doors: every listener of the site, the sockets that they listen on, and how they are opened and closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, overload

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistedproxy.addresses import Address
from twistedproxy.downstream.client import Client
from twistedproxy.downstream.door import Door
from twistedproxy.downstream.http2 import Http2Connection
from twistedproxy.transport.port import CannotListen
from twistedproxy.transport.sockets import Sockets

_log = Logger()

#: Seconds between two looks at whether the last connection of listeners that have closed is gone.
_LOOK: Final = 0.05
#: Seconds for which a kept connection of a listener that was closed may bring one more request, which is answered.
GRACE: Final = 2.0


class Doors(Service):
    """
    The listeners: bound before privileges drop, opened last, closed first.

    :ivar listeners: those of the site
    :ivar leaving: those that the site had before, as long as somebody is connected by them
    :ivar closed: for good: no other site opens them again
    :ivar stop_timeout: seconds that running exchanges have to finish when it stops, and the two sides of a WebSocket whose
        messages are relayed to answer to its end; tunnels, which know no end, are cut at once
    """

    def __init__(self, sockets: Sockets, reactor: IReactorTime) -> None:
        self.listeners: list[Door] = []
        self.leaving: set[Door] = set()
        self.closed = False
        self.stop_timeout = 0.0
        self._wanted: Mapping[Address, int] = {}
        self._sockets = sockets
        self._reactor = reactor
        self._done: Deferred[None] | None = None
        self._grace: IDelayedCall | None = None

    @property
    def all(self) -> list[Door]:
        """Every listener by which somebody may be connected."""
        self.leaving = {listener for listener in self.leaving if listener.connections}
        return [*self.listeners, *sorted(self.leaving, key=lambda listener: listener.settings.name)]

    def say(self, listeners: Sequence[Door], wanted: Mapping[Address, int], stop_timeout: float) -> None:
        """
        These are the listeners from now on; the others accept nothing more, and what they have finishes.

        :param wanted: every address of the site with its backlog, those of others included; all of them are provided
        """
        gone = [listener for listener in self.listeners if listener not in listeners]
        self.listeners = list(listeners)
        self._wanted = wanted
        self.stop_timeout = stop_timeout
        if not self.running:
            return
        for listener in gone:
            listener.stop()
            self.leaving.add(listener)
            _log.info("{kind} {name} is closed", kind=listener.kind, name=listener.settings.name)
        if gone:
            self._let_finish()
        try:
            self._open()
        except CannotListen as problem:
            # What Twisted's endpoints do is known only when they have done it.
            _log.critical("{problem}", problem=str(problem))
        self._sockets.keep(wanted)

    def privilegedStartService(self) -> None:
        """Take the addresses.  Raises CannotListen."""
        self._sockets.provide(self._wanted)

    def startService(self) -> None:
        """Accept; take the addresses first if that was not done before privileges dropped.  Raises CannotListen."""
        self._sockets.provide(self._wanted)
        self._sockets.discard_inherited()
        Service.startService(self)
        self.closed = False
        self._open()

    def _open(self) -> None:
        """Raises CannotListen: an endpoint of Twisted's failed; everything else is open."""
        sockets = [{address: self._sockets.of(address) for address in door.settings.on} for door in self.listeners]
        # Before anybody takes a socket that another one has had.
        for door, own in zip(self.listeners, sockets, strict=True):
            door.release_others([*chain.from_iterable(own.values())])
        problems: list[CannotListen] = []
        for door, own in zip(self.listeners, sockets, strict=True):
            before = set(door.addresses)
            try:
                door.listen_on(own)
            except CannotListen as problem:
                problems.append(problem)
            door.start()
            scheme = door.scheme.decode()
            for address in door.addresses:
                if address not in before:
                    kind, name = door.kind, door.settings.name
                    _log.info("{kind} {name}: {scheme} on {address}", kind=kind, name=name, scheme=scheme, address=address)
        if problems:
            raise problems[0]

    def retire(self) -> None:
        """
        Accept nothing more, by any listener; what is connected finishes: requests, and WebSockets whenever they do.

        A kept connection may bring one more request for a while, and is then told that it was the last.  Whoever comes now is
        refused, unless another process has the sockets, too.
        """
        self.close()
        self._close_sockets()
        self._let_finish()

    def close(self) -> None:
        """Accept nothing more, by any listener, whatever the site's file says from now on."""
        self.closed = True
        for listener in self.listeners:
            listener.stop()

    def _close_sockets(self) -> None:
        """The system shall not go on to take connections for listeners that accept none."""
        self._sockets.drop(address for listener in self.listeners for address in listener.settings.on)

    def _let_finish(self) -> None:
        for connection in self._closing():
            if isinstance(connection, Http2Connection):
                connection.close_when_idle()
        if self._grace is None:
            self._grace = self._reactor.callLater(GRACE, self._end_idle)

    def _end_idle(self) -> None:
        """Close what closed listeners have on which nothing runs and nothing has come; look again as long as there is any."""
        self._grace = None
        closing = self._closing()
        for connection in closing:
            if isinstance(connection, Http2Connection):
                connection.close_when_idle()
            elif isinstance(connection, Client) and connection.tunnel is None:
                connection.end_if_idle()
        if closing:
            self._grace = self._reactor.callLater(GRACE, self._end_idle)

    def _closing(self) -> list[Any]:
        return [connection for listener in self.all if listener.closing for connection in listener.connections]

    def stopService(self) -> Deferred[None] | None:
        """Accept nothing more; the Deferred fires when every connection has ended, at the latest after ``stop_timeout``."""
        Service.stopService(self)
        self.closed = True
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        for listener in self.all:
            listener.stop()
            listener.give_up_handshakes()
        self._close_sockets()
        for connection in self._connections():
            if connection.tunnel is not None:
                connection.tunnel.stop()
            else:
                connection.close_when_idle()
        if not self.is_busy:
            return None
        self._done = Deferred()
        self._wait(self._reactor.seconds() + self.stop_timeout)
        return self._done

    @property
    def is_busy(self) -> bool:
        """Whether anybody is connected."""
        return any(listener.connections for listener in self.all)

    def _connections(self) -> list[Any]:
        return [connection for listener in self.all for connection in listener.connections]

    def hurry(self) -> None:
        """Wait for nobody: cut every connection."""
        for connection in self._connections():
            connection.close_now()

    def _wait(self, until: float) -> None:
        assert self._done is not None
        if self.is_busy and self._reactor.seconds() < until:
            self._reactor.callLater(_LOOK, self._wait, until)
            return
        self.hurry()
        done, self._done = self._done, None
        done.callback(None)


class EveryDoor(Sequence[Door]):
    """Those of the site, and behind them those that have closed and still have connections; as they are now."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    @overload
    def __getitem__(self, key: int) -> Door: ...

    @overload
    def __getitem__(self, key: slice) -> Sequence[Door]: ...

    def __getitem__(self, key: int | slice) -> Door | Sequence[Door]:
        return self._doors.all[key]

    def __len__(self) -> int:
        return len(self._doors.all)
