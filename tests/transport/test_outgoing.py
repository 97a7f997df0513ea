"""Connections that we make: what their protocol hears."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.transport.wires import Epoll, Peer, Plain, settle, turn_until
from twistedproxy.transport.outgoing import OutgoingConnection


@pytest.fixture(params=[Epoll, Plain])
def poller(request: pytest.FixtureRequest) -> Iterator[Epoll | Plain]:
    made = request.param()
    yield made
    made.close()


def test_an_outgoing_connection_is_made(poller: Epoll | Plain) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(1)
        peer = Peer()
        sock = socket.socket()
        sock.setblocking(False)
        OutgoingConnection(sock, poller, peer).connect(door.getsockname())
        assert peer.transport is None
        turn_until(poller, lambda: peer.transport)
        theirs, _ = door.accept()
        theirs.send(b"welcome")
        turn_until(poller, lambda: peer.received)
        theirs.close()
        turn_until(poller, lambda: peer.losses)
        assert peer.ended_cleanly


def test_a_refused_connection_is_told_with_its_error(poller: Epoll | Plain) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        address = door.getsockname()
    peer = Peer()
    sock = socket.socket()
    sock.setblocking(False)
    try:
        OutgoingConnection(sock, poller, peer).connect(address)
    except ConnectionRefusedError:
        return  # said at once
    turn_until(poller, lambda: peer.losses)
    assert isinstance(peer.loss, ConnectionRefusedError)
    assert peer.transport is None


def test_a_connection_in_the_making_can_be_given_up(poller: Epoll | Plain) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(1)
        peer = Peer()
        sock = socket.socket()
        sock.setblocking(False)
        connection = OutgoingConnection(sock, poller, peer)
        connection.connect(door.getsockname())
        connection.discard()
        settle(poller)
        assert peer.transport is None
        assert not peer.losses
        assert poller.members == 0
