"""Ready, draining, finishing, stopping; and another process that takes over, or does not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.admin.site import Things
from twistedproxy.addresses import Endpoint, Tcp, Unix
from twistedproxy.admin.life import CannotBeDone, Reloaded, Stage
from twistedproxy.config.plan import Plan
from twistedproxy.running.heritage import VARIABLE, Heritage, bequeath, inherit
from twistedproxy.running.life import Life, Outside
from twistedproxy.running.notify import Notify
from twistedproxy.running.upgrade import PATIENCE, Command
from twistedproxy.settings.site import SiteSettings
from twistedproxy.transport.sockets import Sockets


class HandReactor(Clock):
    """A reactor whose turns are taken by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.runs_in = 0.0
        self.stopped = 0
        self.spawned: list[tuple[Any, ...]] = []

    def callWhenRunning(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.callLater(self.runs_in, call, *arguments)

    def callFromThread(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.callLater(0, call, *arguments)

    def stop(self) -> None:
        self.stopped += 1

    def spawnProcess(self, protocol: Any, *arguments: Any, **more: Any) -> None:
        self.spawned.append((protocol, *arguments, more["childFDs"]))


class Listening(Notify):
    """A systemd that remembers the last that it was told of the state."""

    heard = ""

    def _tell(self, *lines: str) -> None:
        self.heard = next((line for line in lines if line.startswith("STATUS=")), self.heard)


class World:
    """A life, and all that it touches."""

    def __init__(self, directory: Path, *, runs_in: float = 0.0) -> None:
        self.told: list[str] = []
        self.reactor = HandReactor()
        self.busy = True
        self.outcome: Any = Reloaded(Plan())
        self.options: dict[str, Any] = {"pidfile": str(directory / "the.pid")}
        (directory / "the.pid").write_text("1")
        site = SiteSettings(drain_delay=5.0, drain_timeout=0.0)
        self.running: Any = Things(
            parts=Things(settings=Things(site=site)),
            sockets=Sockets(),
            remember=lambda: self.told.append("remembers"),
            hand_over=lambda: self.told.append("hands over"),
        )
        world = self

        class Doors:
            is_busy = property(lambda _: world.busy)
            retire = staticmethod(lambda: self.told.append("retires"))
            hurry = staticmethod(lambda: self.told.append("hurries"))

        reload: Any = Things(plan=lambda: succeed(Plan()), reload=self._reload)
        self.systemd = Listening({}, self.reactor)
        outside = Outside(Heritage(), self.systemd, Command(("python", "twistd"), str(directory), self.options))
        doors: Any = Doors()
        self.life = Life(self.running, doors, reload, outside, self.reactor)
        self.reactor.runs_in = runs_in
        self.life.startService()
        self.reactor.pump([0, 0])

    def _reload(self, who: str, is_wanted: Callable[[], bool]) -> Deferred[Reloaded]:
        self.told.append(f"reloads for {who}")
        if isinstance(self.outcome, Deferred):
            return self.outcome
        return fail(self.outcome) if isinstance(self.outcome, Exception) else succeed(self.outcome)

    def send(self, number: signal.Signals) -> None:
        signal.raise_signal(number)
        self.reactor.advance(0)

    def failed(self, deferred: Deferred[Any]) -> str:
        told: list[Failure] = []
        deferred.addErrback(told.append)
        (failure,) = told
        failure.trap(CannotBeDone)
        return failure.getErrorMessage()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTERM)}
    made = World(tmp_path)
    yield made
    made.life.stopService()
    assert {number: signal.getsignal(number) for number in before} == before


def test_it_is_ready_when_everything_has_started(world: World) -> None:
    assert world.life.stage is Stage.READY


def test_a_signal_that_comes_before_that_waits(tmp_path: Path) -> None:
    world = World(tmp_path, runs_in=1.0)
    world.send(signal.SIGHUP)
    assert (world.told, world.life.stage) == ([], Stage.STARTING)
    world.reactor.pump([0.5, 0.6, 0, 0.5])
    assert (world.told, world.life.stage) == (["reloads for SIGHUP"], Stage.READY)
    world.life.stopService()


def test_sighup_reloads_and_a_failure_is_no_end(world: World) -> None:
    world.send(signal.SIGHUP)
    world.outcome = ValueError("no site")
    world.send(signal.SIGHUP)
    assert world.told == ["reloads for SIGHUP"] * 2
    assert world.life.stage is Stage.READY


def test_a_drain_closes_the_listeners_after_a_while_and_ends_with_the_last_connection(world: World) -> None:
    world.send(signal.SIGQUIT)
    assert world.life.stage is Stage.DRAINING
    world.reactor.advance(4.9)
    assert world.told == []
    world.reactor.advance(0.2)
    assert (world.told, world.life.stage) == (["retires"], Stage.FINISHING)
    world.reactor.advance(3600)
    assert not world.reactor.stopped
    world.busy = False
    world.reactor.advance(1)
    assert (world.reactor.stopped, world.life.stage) == (1, Stage.STOPPING)


def test_a_drain_may_have_an_end(world: World) -> None:
    world.running.parts.settings.site = SiteSettings(drain_delay=0.0, drain_timeout=60.0)
    world.life.drain("the test")
    world.reactor.advance(0)
    world.reactor.pump([1] * 58)
    assert not world.reactor.stopped
    world.reactor.pump([1] * 4)
    assert world.reactor.stopped == 1


def test_a_drain_is_taken_back_as_long_as_the_listeners_are_open(world: World) -> None:
    assert not world.life.undrain("the test")
    world.life.drain("the test", 3)
    world.life.drain("the test", 9)
    world.reactor.advance(8)
    assert world.life.undrain("the test")
    world.reactor.advance(9)
    assert (world.told, world.life.stage) == ([], Stage.READY)
    world.life.drain("the test", 0)
    world.reactor.advance(0)
    assert not world.life.undrain("the test")
    world.life.drain("the test", 0)
    assert world.told == ["retires"]


def test_systemd_hears_what_state_it_is_in_also_behind_a_reload(world: World) -> None:
    assert world.systemd.heard == "STATUS=serving"
    world.life.drain("the test", 9)
    world.life.reload("the test")
    assert world.systemd.heard == "STATUS=draining"
    assert world.life.undrain("the test")
    assert world.systemd.heard == "STATUS=serving"


def test_systemd_hears_of_an_end_that_comes_during_a_reload_and_of_nothing_after_it(world: World) -> None:
    reloaded: Deferred[Reloaded] = Deferred()
    world.outcome = reloaded
    world.life.reload("the test")
    world.send(signal.SIGTERM)
    reloaded.callback(Reloaded(Plan()))
    assert world.systemd.heard == "STATUS=stopping"


def test_sigterm_stops_and_a_second_one_waits_for_nobody(world: World) -> None:
    world.send(signal.SIGTERM)
    assert (world.reactor.stopped, world.told) == (1, [])
    world.send(signal.SIGTERM)
    assert (world.reactor.stopped, world.told) == (1, ["hurries"])


def test_who_stops_is_not_reloaded(world: World) -> None:
    world.send(signal.SIGTERM)
    assert "stopping" in world.failed(world.life.reload("the test"))
    assert "stopping" in world.failed(world.life.upgrade("the test"))


def test_another_process_takes_over(world: World, tmp_path: Path) -> None:
    done = world.life.upgrade("the test")
    ((protocol, program, arguments, environ, directory, descriptors),) = world.reactor.spawned
    assert (program, arguments, directory) == ("python", ("python", "twistd"), str(tmp_path))
    assert VARIABLE in environ and descriptors == {0: 0, 1: 1, 2: 2, 3: "r"}
    assert not (tmp_path / "the.pid").exists()
    assert "already" in world.failed(world.life.upgrade("the test"))
    protocol.childDataReceived(3, b"ready ")
    protocol.processExited(Failure(ProcessDone(0)))  # a daemon's first process
    assert world.told == ["remembers"]
    protocol.childDataReceived(3, b"4711\n")
    told: list[int] = []
    done.addCallback(told.append)
    assert told == [4711]
    assert world.told == ["remembers", "hands over", "retires"]
    assert world.options["pidfile"].endswith("the.pid.old")
    protocol.childConnectionLost(3)
    world.busy = False
    world.reactor.advance(1)
    assert world.reactor.stopped == 1


def test_a_drain_that_was_begun_meanwhile_is_over_when_another_process_takes_over(world: World) -> None:
    world.life.upgrade("the test")
    world.life.drain("the test", 3)
    world.reactor.spawned[0][0].childDataReceived(3, b"ready 4711\n")
    world.reactor.advance(4)
    assert world.told == ["remembers", "hands over", "retires"]
    world.busy = False
    world.reactor.pump([0.25] * 8)
    assert world.reactor.stopped == 1


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (lambda protocol, _: protocol.processExited(Failure(ProcessTerminated(exitCode=1))), "ended with status 1"),
        (lambda protocol, _: protocol.processExited(Failure(ProcessTerminated(signal=9))), "ended by a signal"),
        (lambda protocol, _: protocol.childConnectionLost(3), "ended before it served"),
        (lambda _, reactor: reactor.advance(PATIENCE + 1), "does not serve after 60 s"),
    ],
)
def test_if_the_other_process_does_not_serve_this_one_does(world: World, tmp_path: Path, happens: Any, words: str) -> None:
    done = world.life.upgrade("the test")
    protocol = world.reactor.spawned[0][0]
    happens(protocol, world.reactor)
    assert words in world.failed(done)
    assert (tmp_path / "the.pid").exists()
    assert (world.told, world.life.stage) == (["remembers"], Stage.READY)
    # What comes late is of no interest, and it may be tried again.
    protocol.childDataReceived(3, b"ready 1\n")
    protocol.childConnectionLost(3)
    world.life.upgrade("the test").addErrback(lambda _: None)
    assert len(world.reactor.spawned) == 2


def test_what_is_bequeathed_is_inherited() -> None:
    sockets = Sockets()
    address = Tcp("127.0.0.1", 0)
    sockets.provide({address: 5})
    (sock,) = sockets.of(address)
    said, descriptors, tells = bequeath({address: [sock], Unix("/run/door"): [], Endpoint("systemd:domain=INET:index=0"): []})
    assert descriptors == {0: 0, 1: 1, 2: 2, 3: sock.fileno(), 4: "r"} and tells == 4
    # As the other process finds it, but for the numbers.
    ours, theirs = os.dup(sock.fileno()), os.pipe()
    environ = {VARIABLE: said.replace("[3]", f"[{ours}]").replace('"tell": 4', f'"tell": {theirs[1]}')}
    heritage = inherit(environ)
    assert environ == {}
    assert list(heritage.sockets) == [address, Unix("/run/door"), Endpoint("systemd:domain=INET:index=0")]
    assert heritage.sockets[address][0].getsockname() == sock.getsockname()
    heritage.serving()
    assert os.read(theirs[0], 100) == b"ready %d\n" % os.getpid()
    assert os.read(theirs[0], 100) == b""
    os.close(theirs[0])
    heritage.sockets[address][0].close()
    sockets.close()


def test_who_inherits_nothing_has_nothing() -> None:
    assert inherit({}) == Heritage(nameless=[])
    Heritage().serving()
