"""A play in which the site's file changes: the same composition as the program's own, on the kit's streams and sockets."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed

from tests.kit.beside import Beside
from tests.kit.play import Play
from twistedproxy.addresses import Address, Tcp
from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.live import Live
from twistedproxy.apps.process import Process
from twistedproxy.balance.memory import Memory, StateFile
from twistedproxy.config.load import load_text
from twistedproxy.downstream.listener import Listener
from twistedproxy.downstream.stream import StreamDoor, StreamSite
from twistedproxy.forward.guards.premises import Premises
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Route
from twistedproxy.forward.site import Site
from twistedproxy.running.doors import Doors
from twistedproxy.running.hosted import hosted
from twistedproxy.running.pools import Surroundings
from twistedproxy.running.reload import Reload
from twistedproxy.running.running import Running
from twistedproxy.service import Ground, compose
from twistedproxy.transport.port import CannotListen
from twistedproxy.transport.sockets import Sockets


class HandSocket:
    """A listening socket by which nobody comes: the play lets them in."""

    family = socket.AF_INET
    # As the poller sees it.
    hung_up = readable = writable = False

    def __init__(self, address: Address, number: int) -> None:
        self.address = address
        self.number = number
        self.backlog = 0
        self.closed = False

    def fileno(self) -> int:
        """A number of its own."""
        return self.number

    def getsockname(self) -> tuple[str, int]:
        """Where it is."""
        assert isinstance(self.address, Tcp)
        return self.address.host or "0.0.0.0", self.address.port

    def listen(self, backlog: int) -> None:
        """Let so many wait."""
        self.backlog = backlog

    def close(self) -> None:
        """Nobody waits any more."""
        self.closed = True


class ReloadingPlay(Play):
    """
    A play whose site can be replaced by another: :meth:`reload`.

    :ivar taken: addresses that somebody else listens on
    :ivar bound: every socket that was bound, in order
    """

    def _build(self, text: str, directory: Path | None) -> None:
        self.directory = directory or Path("/play")
        self.taken: set[str] = set()
        self.bound: list[HandSocket] = []
        self._text = text
        clock = self.clock
        self.site = Site(RouteTable(()), clock, clock, self._deadlines)
        self.site.finished.append(self.finished.append)
        streams = StreamSite(self._poller, self._deadlines, clock, clock)
        streams.finished.append(self.ended.append)
        settings = self._read().settings
        self.live = Live(settings, {}, {}, self.site.routes, (), clock, clock.wall(), {}, self.site.websockets, site=self.site)
        sockets = Sockets(bind=self._bind)
        around = Surroundings(
            lambda names: self._dial, clock, clock, self._deadlines, lambda host, port, answered: answered([]), _find, "/state"
        )
        self.beside = Beside(clock, self.turn)
        premises = Premises(clock, clock, self.beside.in_thread, self.beside.fetch, b"the secret of plays")
        self.recorder = recorder = Recorder(self.live, clock)
        ground = Ground(clock, clock, self._poller, around, self.site, streams, self.live, recorder, sockets, premises, _at_once)
        self.hinges = Doors(sockets, clock)
        memory = Memory(StateFile("/nowhere/pools.json"), {}, (_never, _never), clock, clock)

        def made(*arguments: Any) -> Any:
            return compose(ground, *arguments)

        host = partial(hosted, process=Process(clock, self._deadlines, self.crossing.put), clock=clock)
        self.running = Running(made, (self.site, streams), self.live, self.hinges, sockets, memory, [], host)
        self.running.begin(settings)
        self.running.group.startService()
        self.hinges.startService()
        self._reload = Reload(self._read, self.running, _at_once)

    def reload(self, *replacements: tuple[str, str]) -> list[str]:
        """
        Replace each first text of the file by the second, and reload; returns the plan.

        Raises what the reload fails with; the file then is what it was, too.
        """
        before = self._text
        told = self.begin_reload(*replacements)
        self.until(lambda: bool(told))
        (result,) = told
        if hasattr(result, "raiseException"):
            self._text = before
            result.raiseException()
        return str(result.plan).splitlines()

    def begin_reload(self, *replacements: tuple[str, str], is_wanted: bool = True) -> list[Any]:
        """As :meth:`reload`, without waiting for what it waits for; what comes of it gets into the list."""
        for old, new in replacements:
            assert old in self._text, old
            self._text = self._text.replace(old, new)
        told: list[Any] = []
        self._reload.reload("the play", lambda: is_wanted).addBoth(told.append)
        self.turn()
        return told

    def _read(self) -> Any:
        return load_text(self._text, str(self.directory / "site.ini"), {})

    def _bind(self, address: Address, backlog: int) -> list[Any]:
        if str(address) in self.taken:
            raise CannotListen(f"cannot listen on {address}: {os.strerror(errno.EADDRINUSE)}")
        made: Any = HandSocket(address, 90_000 + len(self.bound))
        self.bound.append(made)
        self._poller.streams[made.number] = made
        return [made]

    def _check(self) -> None:
        super()._check()
        self.hinges.stopService()
        stopped = self.running.group.stopService()
        self.until(lambda: stopped is None or stopped.called)
        self.turn()
        left = [call for call in self.clock.getDelayedCalls() if call.func.__name__ != "_advance"]
        assert not left, f"something is still to come: {left}"

    # What a play looks at, as it is now.

    @property
    def _parts(self) -> Any:
        return self.running.parts

    @property
    def pools(self) -> dict[str, Any]:
        """By name."""
        return {name: pool.pool for name, pool in self._parts.pools.items()}

    @property
    def caches(self) -> dict[str, Any]:
        """By name."""
        return {name: store.cache for name, store in self._parts.caches.items()}

    @property
    def routes(self) -> dict[str, Route]:
        """By name."""
        return {route.name: route for route in self._parts.routes.routes}

    @property
    def doors(self) -> dict[str, Listener | StreamDoor]:
        """Listeners and streams, those included that have closed and still have connections."""
        doors: list[Any] = self.hinges.all
        return {door.settings.name: door for door in doors}

    @property
    def listeners(self) -> dict[str, Listener]:
        """By name."""
        found: dict[str, Listener] = self._parts.listeners
        return found

    @property
    def checks(self) -> dict[str, Any]:
        """By the names of the pools."""
        return {name: pool.health for name, pool in self._parts.pools.items() if pool.health is not None}

    @property
    def _connectors(self) -> dict[str, Any]:
        return {name: pool.backend.connector for name, pool in self._parts.pools.items()}


def _at_once(call: Callable[[], Any]) -> Deferred[Any]:
    return maybeDeferred(call)


def _find(line: Any) -> Deferred[Any]:
    return succeed([])


def _never(value: Any) -> Any:
    raise AssertionError(value)


def open_sockets(play: ReloadingPlay) -> Iterator[str]:
    """The addresses that are listened on."""
    return (str(sock.address) for sock in play.bound if not sock.closed)
