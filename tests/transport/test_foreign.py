"""Endpoints of others, to listen on and to connect by: those that act at once, that take their time, and that fail."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.transport.test_deadlines import Hands
from tests.transport.wires import Peer
from twistedproxy.addresses import Endpoint
from twistedproxy.transport import dialer as dialer_module
from twistedproxy.transport import foreign_port
from twistedproxy.transport.dialer import Dialer
from twistedproxy.transport.foreign_port import ForeignPort
from twistedproxy.transport.port import CannotListen

ADDRESS = Endpoint("carrier-pigeon:home")


class Pigeons:
    """An endpoint whose Deferreds a test fires."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.fires: Deferred[Any] = Deferred(self._cancel)
        self.factory: Any = None

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def listen(self, factory: Any) -> Deferred[Any]:
        self.factory = factory
        return self.fires

    connect = listen


class Port:
    """What listens."""

    stopped = False

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 7)

    def stopListening(self) -> None:
        self.stopped = True


@pytest.fixture
def pigeons(monkeypatch: pytest.MonkeyPatch) -> Pigeons:
    made = Pigeons()
    monkeypatch.setattr(foreign_port, "server_endpoint", lambda address, reactor: made)
    monkeypatch.setattr(dialer_module, "client_endpoint", lambda address, reactor: made)
    return made


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(note)
    yield lines
    globalLogPublisher.removeObserver(note)


def test_a_port_that_opens_at_once_is_there(pigeons: Pigeons) -> None:
    peers = [Peer(), None]
    asked: list[tuple[Any, int]] = []

    def arrives(where: Any, port: int) -> Any:
        asked.append((where, port))
        return peers.pop(0)

    addresses: list[str] = []
    pigeons.fires = succeed(port := Port())
    foreign = ForeignPort(ADDRESS, arrives, None, addresses)
    assert addresses == foreign.where == ["192.0.2.1:7"]
    assert pigeons.factory.buildProtocol("somewhere") is not None
    assert pigeons.factory.buildProtocol("elsewhere") is None
    assert asked == [("somewhere", 7), ("elsewhere", 7)]
    foreign.stop()
    assert port.stopped


def test_one_that_fails_at_once_is_told(pigeons: Pigeons) -> None:
    pigeons.fires = fail(CannotListenError("", 7, OSError(errno.EADDRINUSE, "in use")))
    with pytest.raises(CannotListen, match=r"cannot listen on carrier-pigeon:home.*in use"):
        ForeignPort(ADDRESS, lambda where, port: None, None, [])


def test_what_becomes_of_one_that_takes_its_time_is_logged(pigeons: Pigeons, said: list[str]) -> None:
    addresses: list[str] = []
    foreign = ForeignPort(ADDRESS, lambda where, port: None, None, addresses)
    assert foreign.where == []
    pigeons.fires.callback(Port())
    assert addresses == ["192.0.2.1:7"]
    assert said == ["carrier-pigeon:home listens on 192.0.2.1:7"]
    pigeons.fires = Deferred()
    ForeignPort(ADDRESS, lambda where, port: None, None, addresses)
    pigeons.fires.errback(OSError("no pigeons"))
    assert said[1:] == ["cannot listen on carrier-pigeon:home: no pigeons"]


def test_one_that_was_stopped_meanwhile_opens_no_more(pigeons: Pigeons, said: list[str]) -> None:
    foreign = ForeignPort(ADDRESS, lambda where, port: None, None, [])
    foreign.stop()
    assert pigeons.cancelled == 1 and said == []
    pigeons.fires = Deferred(lambda _: None)
    foreign = ForeignPort(ADDRESS, lambda where, port: None, None, [])
    late = pigeons.fires
    foreign._stopped = True
    late.callback(port := Port())
    assert port.stopped and foreign.where == []


def dialled(hands: Hands, peer: Peer, preface: bytes = b"") -> Any:
    unused: Any = None
    return Dialer(unused, unused, hands.reactor).dial(ADDRESS, peer, None, preface)


def test_a_connection_stands_never_before_the_call_has_returned(pigeons: Pigeons) -> None:
    hands, peer = Hands(), Peer()
    dialled(hands, peer, b"first ")
    assert pigeons.factory is None
    hands.advance(0.1)
    connection = pigeons.factory.buildProtocol(None)
    transport = StringTransport()
    connection.makeConnection(transport)
    pigeons.fires.callback(connection)
    peer.transport.write(b"then")
    assert transport.value() == b"first then"


def test_why_it_could_not_be_made_is_an_error_of_the_system(pigeons: Pigeons) -> None:
    hands, peer = Hands(), Peer()
    pigeons.fires = fail(error.ConnectionRefusedError(errno.ECONNREFUSED))
    dialled(hands, peer)
    hands.advance(0.1)
    assert isinstance(peer.loss, OSError) and peer.loss.errno == errno.ECONNREFUSED
    other = Peer()
    pigeons.fires = fail(LookupError("no pigeons"))
    dialled(hands, other)
    hands.advance(0.1)
    assert str(other.loss) == "no pigeons"


def test_what_is_given_up_is_told_to_nobody(pigeons: Pigeons) -> None:
    hands, peer = Hands(), Peer()
    dialled(hands, peer)()
    hands.advance(0.1)
    assert pigeons.factory is None
    cancel = dialled(hands, peer)
    hands.advance(0.1)
    cancel()
    assert pigeons.cancelled == 1
    assert not peer.losses and peer.transport is None
