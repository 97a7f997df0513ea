"""Transports of Twisted's own where ours stand: nothing is lost, nothing piles up, and what waits is told."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.transport.wires import Peer
from twistedproxy.transport.adapted import AdaptedConnection, Adapting


class Transport(StringTransport):
    """One of Twisted's, with more of what real ones have."""

    def __init__(self) -> None:
        super().__init__()
        self.half_closed = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Peer):
    def __init__(self) -> None:
        super().__init__()
        self.ends = 0

    def readConnectionLost(self) -> None:
        self.ends += 1

    def writeConnectionLost(self) -> None:
        pass


class Flow:
    """A producer that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


def joined(peer: Peer | None = None, preface: bytes = b"") -> tuple[Any, AdaptedConnection, Transport]:
    peer = peer or Peer()
    transport = Transport()
    connection = Adapting(lambda where: peer, preface).buildProtocol(None)
    connection.makeConnection(transport)
    assert peer.transport is connection
    return peer, connection, transport


def test_who_is_not_wanted_gets_no_protocol() -> None:
    assert Adapting(lambda where: None).buildProtocol(None) is None


def test_bytes_pass_both_ways_behind_a_preface() -> None:
    peer, connection, transport = joined(preface=b"PROXY UNKNOWN\r\n")
    connection.dataReceived(b"hello")
    assert peer.received == b"hello"
    connection.write(b"an")
    connection.writeSequence([b"sw", b"er"])
    assert transport.value() == b"PROXY UNKNOWN\r\nanswer"
    assert connection.is_quiet(and_open=True) and connection.pending == 0


def test_what_a_full_transport_does_not_take_waits_and_is_told() -> None:
    _, connection, transport = joined()
    flow = Flow()
    connection.registerProducer(flow, True)
    transport.producer.pauseProducing()
    connection.write(b"x" * 10)
    connection.write(b"y" * 10)
    assert (connection.pending, transport.value(), flow.told) == (20, b"", ["pause"])
    transport.producer.resumeProducing()
    assert (connection.pending, connection.drained, connection.acknowledged) == (0, 20, 20)
    assert transport.value() == b"x" * 10 + b"y" * 10
    assert flow.told == ["pause", "resume"]


def test_a_producer_that_comes_to_a_full_transport_is_paused_at_once() -> None:
    _, connection, transport = joined()
    transport.producer.pauseProducing()
    flow = Flow()
    connection.registerProducer(flow, True)
    assert flow.told == ["pause"]
    with pytest.raises(RuntimeError):
        connection.registerProducer(flow, True)
    with pytest.raises(ValueError, match="push producers"):
        connection.registerProducer(flow, False)


def test_an_end_comes_when_all_was_sent() -> None:
    _, connection, transport = joined()
    transport.producer.pauseProducing()
    connection.write(b"last words")
    connection.loseConnection()
    connection.write(b"too late")
    assert not transport.disconnecting
    transport.producer.resumeProducing()
    assert transport.value() == b"last words"
    assert transport.disconnecting
    assert transport.producer is None


def test_an_end_waits_for_the_producer() -> None:
    _, connection, transport = joined()
    connection.registerProducer(Flow(), True)
    connection.loseWriteConnection()
    assert not transport.half_closed
    connection.unregisterProducer()
    assert transport.half_closed
    connection.write(b"too late")
    assert transport.value() == b""
    connection.loseConnection()
    assert transport.disconnecting


def test_half_an_end_passes_to_those_who_know_it_and_ends_the_others() -> None:
    knowing, connection, transport = joined(HalfCloseable())
    connection.readConnectionLost()
    assert knowing.ends == 1 and not transport.disconnecting
    _, connection, transport = joined()
    connection.readConnectionLost()
    assert transport.disconnecting


def test_what_comes_though_nobody_reads_is_kept_in_order() -> None:
    peer, connection, transport = joined(HalfCloseable())
    connection.pauseProducing()
    assert transport.producerState == "paused"
    connection.dataReceived(b"one")
    connection.dataReceived(b"two")
    connection.readConnectionLost()
    assert peer.received == b"" and peer.ends == 0
    assert not connection.is_quiet(and_open=False)
    peer.on_data = lambda data: connection.pauseProducing()
    connection.resumeProducing()
    assert peer.received == b"one"
    connection.resumeProducing()
    assert peer.received == b"onetwo" and peer.ends == 0
    connection.resumeProducing()
    assert peer.ends == 1


def test_what_came_before_the_connection_broke_is_heard_first() -> None:
    peer, connection, _ = joined()
    connection.pauseProducing()
    connection.dataReceived(b"last words")
    connection.connectionLost(Failure(ConnectionDone()))
    assert peer.received == b"last words" and peer.ended_cleanly
    assert not connection.is_quiet(and_open=True)


def test_who_does_not_stop_when_told_to_is_cut() -> None:
    peer, connection, transport = joined()
    connection.pauseProducing()
    for _ in range(5):
        connection.dataReceived(b"x" * 1024 * 1024)
    assert peer.loss.__class__ is ConnectionAborted
    assert transport.disconnecting or transport.disconnected
    assert peer.received == b""


def test_a_cut_is_told_at_once_and_once() -> None:
    peer, connection, _ = joined()
    flow = Flow()
    connection.registerProducer(flow, True)
    connection.abortConnection()
    connection.connectionLost(Failure(ConnectionDone()))
    connection.abortConnection()
    assert isinstance(peer.loss, ConnectionAborted)
    assert flow.told == ["stop"]
    late = Flow()
    connection.registerProducer(late, True)
    assert late.told == ["stop"]


def test_the_protocol_may_be_exchanged() -> None:
    first, connection, _ = joined()
    second = Peer()
    connection.protocol = second
    connection.dataReceived(b"hello")
    assert (first.received, second.received) == (b"", b"hello")
    assert connection.protocol is second
