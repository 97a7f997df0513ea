"""Starting and stopping, and the signal in between."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.logs.places import place
from twistedproxy.admin.audit import Audit
from twistedproxy.lifecycle import CannotStart, Proxy, Rotation
from twistedproxy.logs.making import make_log
from twistedproxy.settings.logs import LogSettings
from twistedproxy.transport.port import CannotListen


class Part(Service):
    """Notes when it starts and stops; fails with *problem* if there is one."""

    def __init__(self, name: str, told: list[str], problem: Exception | None = None) -> None:
        self._name = name
        self._told = told
        self._problem = problem

    def privilegedStartService(self) -> None:
        if self._problem is not None:
            raise self._problem
        self._told.append(f"{self._name} binds")

    def startService(self) -> None:
        Service.startService(self)
        self._told.append(f"{self._name} starts")

    def stopService(self) -> None:
        Service.stopService(self)
        self._told.append(f"{self._name} stops")


def test_parts_start_in_order_and_stop_in_the_opposite_one() -> None:
    told: list[str] = []
    proxy = Proxy([Part("one", told), Part("two", told)])
    proxy.privilegedStartService()
    proxy.startService()
    proxy.stopService()
    assert told == ["one binds", "two binds", "one starts", "two starts", "two stops", "one stops"]


@pytest.mark.parametrize(
    "problem",
    [CannotListen("cannot listen on 127.0.0.1:80: Permission denied"), CannotListenError("127.0.0.1", 80, OSError(13, "denied"))],
)
def test_a_port_that_cannot_be_had_ends_the_program_with_status_1(problem: Exception) -> None:
    with pytest.raises(CannotStart, match=r"listen on 127\.0\.0\.1:80: ") as ended:
        Proxy([Part("one", [], problem)]).privilegedStartService()
    assert ended.value.code == 1
    # What twistd and the interpreter look for.
    assert isinstance(ended.value, SystemExit) and isinstance(ended.value, Exception)


def test_other_failures_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        Proxy([Part("one", [], ZeroDivisionError())]).privilegedStartService()


@implementer(IReactorFromThreads)
class Turns(Clock):
    """A reactor whose turns are taken by hand."""

    def callFromThread(
        self,
        callable: Callable[..., Any],  # noqa: A002
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.callLater(0, callable, *args, **kwargs)


@pytest.fixture
def restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("restored")
def test_sigusr1_reopens_the_logs_in_the_next_turn_and_reaches_whoever_had_it_before(tmp_path: Path) -> None:
    heard: list[int] = []
    before = lambda number, frame: heard.append(number)  # noqa: E731
    signal.signal(signal.SIGUSR1, before)
    turns = Turns()
    log = make_log(LogSettings("access", file=str(tmp_path / "access.log")), place(turns))
    rotation = Rotation([log], Audit(), turns)
    log.startService()
    rotation.startService()
    (tmp_path / "access.log").rename(tmp_path / "old.log")
    signal.raise_signal(signal.SIGUSR1)
    assert heard == [signal.SIGUSR1]
    assert not (tmp_path / "access.log").exists()
    turns.advance(0)
    assert (tmp_path / "access.log").exists()
    rotation.stopService()
    log.stopService()
    assert signal.getsignal(signal.SIGUSR1) is before


@pytest.mark.usefixtures("restored")
def test_sigusr1_does_not_end_a_proxy_without_access_logs() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    turns = Turns()
    rotation = Rotation([], Audit(), turns)
    rotation.startService()
    signal.raise_signal(signal.SIGUSR1)
    turns.advance(0)
    rotation.stopService()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
