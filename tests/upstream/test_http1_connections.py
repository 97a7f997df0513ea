"""Connections to peers: how a failure to make one is called, and which are used again."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost, DNSLookupError
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from tests.kit.clock import HandClock
from tests.kit.streams import HandPoller, Stream, connected
from twistedproxy import errors
from twistedproxy.addresses import Tcp
from twistedproxy.balance.peer import Peer
from twistedproxy.errors import Reason
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.tcp import Connection
from twistedproxy.transport.tls_problems import TlsProblem
from twistedproxy.upstream.connector import Connector
from twistedproxy.wire.framing import Piece

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Note:
    """A receiver that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def ends(self) -> None:
        raise AssertionError("asked for pools with proxy_protocol only")

    def connected(self) -> None:
        self.heard.append("connected")

    def interim(self, head: ResponseHead) -> None:
        self.heard.append(head.status)

    def response(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        self.heard.append((head.status, b"".join(pieces), ended))

    def body(self, pieces: Sequence[Piece]) -> None:
        self.heard.append(b"".join(pieces))

    def ended(self, trailers: Headers) -> None:
        self.heard.append(trailers.items)

    def upgraded(self, head: ResponseHead, rest: bytes) -> None:
        self.heard.append((head.status, rest))

    def failed(self, reason: Reason, detail: str) -> None:
        self.heard.append((reason, detail))


class Scene:
    """One peer, a connector, and a dialer that waits to be told."""

    def __init__(self, **settings: Any) -> None:
        self.clock = HandClock()
        self.poller = HandPoller()
        server = ServerSettings(Tcp("10.0.0.1", 80))
        pool = PoolSettings(name="app", servers=(server,), **settings)
        self.peer = Peer(server, pool)
        self.connector = Connector(pool, self._dial, None, Deadlines(self.clock, self.clock))
        self.dialled: list[IProtocol] = []
        self.cancelled = 0

    def _dial(self, address: object, protocol: IProtocol, tls: object) -> Callable[[], None]:
        self.dialled.append(protocol)
        return self._cancel

    def _cancel(self) -> None:
        self.cancelled += 1

    def accept(self) -> Stream:
        """The connection asked for last is made; returns the peer's end."""
        theirs, ours = connected(("10.0.0.1", 80), ("10.0.0.9", 1234))
        self.poller.streams[ours.fileno()] = ours
        Connection(ours, self.poller, self.dialled[-1]).start()  # type: ignore[arg-type]
        return theirs

    def turn(self) -> None:
        while self.poller.turn():
            pass


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), errors.CONNECT_REFUSED_BY_PEER),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), errors.CONNECT_TIMEOUT),
        (OSError(errno.EHOSTUNREACH, "no route"), errors.CONNECT_FAILED),
        (OSError(errno.EMFILE, "too many open files"), errors.EXHAUSTED),
        (DNSLookupError("no such name"), errors.NAME_UNRESOLVED),
        (TlsProblem("bad record"), errors.TLS_FAILED),
        (TlsProblem("expired", unverified=True), errors.TLS_UNVERIFIED),
        (ConnectionLost("gone"), errors.CONNECT_FAILED),
    ],
)
def test_a_connection_that_cannot_be_made_says_why(problem: Exception, reason: Reason) -> None:
    scene, note = Scene(), Note()
    scene.connector.connect(scene.peer, note, 5.0)
    scene.dialled[0].connectionLost(Failure(problem))
    ((heard, _),) = note.heard  # type: ignore[misc]
    assert heard is reason
    assert reason.untouched


def test_a_connection_that_takes_too_long_is_given_up() -> None:
    scene, note = Scene(), Note()
    scene.connector.connect(scene.peer, note, 5.0)
    scene.clock.advance(4.9)
    assert note.heard == []
    scene.clock.advance(0.4)
    assert note.heard == [(errors.CONNECT_TIMEOUT, "")]
    assert scene.cancelled == 1


def test_a_connection_that_nobody_wants_any_more_is_cut_as_soon_as_it_stands() -> None:
    scene, note = Scene(), Note()
    connection = scene.connector.connect(scene.peer, note, 5.0)
    connection.cancel()
    assert scene.cancelled == 1
    assert scene.accept().reset
    assert note.heard == []


def test_the_connection_used_last_is_taken_first_and_the_oldest_goes() -> None:
    scene = Scene(keepalive=2)
    ends = []
    for _ in range(3):
        note = Note()
        connection = scene.connector.connect(scene.peer, note, 5.0)
        ends.append((connection, scene.accept(), note))
    for connection, end, note in ends:
        connection.send(note, b"GET", GET, (), True, 0, False)
        end.other.inbox += ANSWER
        scene.turn()
        assert note.heard == ["connected", (200, b"hi", True)]
    assert ends[0][1].ended
    assert scene.peer.idle == [ends[1][0], ends[2][0]]
    assert scene.connector.take(scene.peer, Note()) is ends[2][0]
    assert scene.connector.take(scene.peer, Note()) is ends[1][0]
    assert scene.connector.take(scene.peer, Note()) is None


def test_without_keepalive_no_connection_is_kept() -> None:
    scene, note = Scene(keepalive=0), Note()
    connection = scene.connector.connect(scene.peer, note, 5.0)
    end = scene.accept()
    connection.send(note, b"GET", GET, (), True, 0, False)
    end.other.inbox += ANSWER
    scene.turn()
    assert end.ended
    assert not end.reset
    assert scene.peer.idle == []


def test_the_idle_connections_of_a_peer_can_all_be_closed() -> None:
    scene, note = Scene(), Note()
    connection = scene.connector.connect(scene.peer, note, 5.0)
    end = scene.accept()
    connection.send(note, b"GET", GET, (), True, 0, False)
    end.other.inbox += ANSWER
    scene.turn()
    scene.connector.close_idle(scene.peer)
    assert end.ended
    assert scene.peer.idle == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_answer_is_the_same_however_it_is_split(size: int) -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n"
    )
    scene, note = Scene(), Note()
    connection = scene.connector.connect(scene.peer, note, 5.0)
    end = scene.accept()
    connection.send(note, b"GET", GET, (), True, 0, False)
    for start in range(0, len(answer), size):
        end.other.inbox += answer[start : start + size]
        scene.turn()
    status, trailers = note.heard[1], note.heard[-1]
    body = b"".join(piece[1] if isinstance(piece, tuple) else piece for piece in note.heard[2:-1])  # type: ignore[misc]
    assert (status, body, trailers) == (103, b"abcdef", ((b"X", b"y"),))
    assert scene.peer.idle == [connection]


def test_an_answer_before_the_request_is_taken_by_the_kernel_ends_the_connection() -> None:
    scene, note = Scene(), Note()
    connection = scene.connector.connect(scene.peer, note, 5.0)
    end = scene.accept()
    end.capacity = 10
    connection.send(note, b"PUT", GET, (b"x" * 100,), True, 100, False)
    end.other.inbox += ANSWER
    scene.turn()
    assert note.heard == ["connected", (200, b"hi", True)]
    assert end.reset
    assert scene.peer.idle == []


def test_what_a_peer_sends_unasked_closes_its_idle_connection() -> None:
    scene, note = Scene(), Note()
    connection = scene.connector.connect(scene.peer, note, 5.0)
    end = scene.accept()
    connection.send(note, b"GET", GET, (), True, 0, False)
    end.other.inbox += ANSWER
    scene.turn()
    end.other.inbox += ANSWER
    scene.turn()
    assert scene.peer.idle == []
    assert end.ended
    end.shutdown(socket.SHUT_WR)
    assert note.heard == ["connected", (200, b"hi", True)]
