"""TLS connections: what their protocols and the other side can see."""

from __future__ import annotations

import errno
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionLost

from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import Arrival, Foreign, arrive, foreign_client, join, pool, tls
from tests.transport.wires import Epoll, HalfPeer, Peer, Plain, Source, settle, turn_until
from twistedproxy.transport.contexts import TlsClient, TlsServer
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.transport.tls import TlsConnection
from twistedproxy.transport.tls_records import RECORD, WANTS_WRITE, read_record

#: A record of content, its type and its tag (RFC 8446 §5.2).
SEALED = 17
BOTH_VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(params=[Epoll, Plain])
def poller(request: pytest.FixtureRequest) -> Iterator[Epoll | Plain]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> TlsServer:
    return TlsServer(tls(authority.issue("a.example")), str(tmp_path), Hands())


@pytest.fixture
def client(authority: Authority) -> TlsClient:
    return TlsClient(pool(ca=authority.path))


def reads(foreign: Foreign, poller: Epoll | Plain, size: int) -> bytes:
    """*size* bytes, however often the loop must turn for them."""
    while len(foreign.received) < size:
        poller.turn(0.01)
        foreign.read()
    return bytes(foreign.received)


def test_the_protocol_is_connected_when_the_handshake_is_done(
    poller: Epoll | Plain, server: TlsServer, client: TlsClient
) -> None:
    arrival, peer = join(poller, server, client)
    assert arrival.problems == []
    ours, theirs = arrival.connection, peer.transport
    assert ours.tls_version == theirs.tls_version == "TLSv1.3"
    assert ours.cipher == theirs.cipher != ""
    assert ours.alpn == theirs.alpn == b"http/1.1"
    assert ours.server_name == "a.example"
    assert not ours.session_reused


@BOTH_VERSIONS
def test_a_message_is_one_record_even_when_it_was_written_in_pieces(
    poller: Epoll | Plain, server: TlsServer, version: ssl.TLSVersion
) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(version=version))
    foreign.read()
    before = len(foreign.records)
    overhead = SEALED if version == ssl.TLSVersion.TLSv1_3 else SEALED + 7  # TLS 1.2 sends its nonce along (RFC 5288 §3)
    arrival.connection.writeSequence([b"HTTP/1.1 200 OK\r\n", b"\r\n", b"body"])
    assert reads(foreign, poller, 23) == b"HTTP/1.1 200 OK\r\n\r\nbody"
    assert foreign.records[before:] == [23 + overhead]
    assert arrival.connection.pending == 0


def test_a_large_sequence_is_cut_into_full_records(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(version=ssl.TLSVersion.TLSv1_3))
    foreign.read()
    before = len(foreign.records)
    pieces = [b"10000\r\n", b"x" * 65536, b"\r\n"]
    arrival.connection.writeSequence(pieces)
    assert reads(foreign, poller, 65545) == b"".join(pieces)
    assert foreign.records[before:] == [RECORD + SEALED] * 4 + [9 + SEALED]


@BOTH_VERSIONS
def test_large_bodies_arrive_whole_through_small_buffers(
    poller: Epoll | Plain, server: TlsServer, version: ssl.TLSVersion
) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(version=version), buffer=8192)
    body = bytes(range(256)) * 2048
    connection = arrival.connection
    connection.write(body)
    connection.write(b"and")
    connection.writeSequence([b" so", b" on", b"y" * 40_000, b"", b"z" * 7, b"w" * RECORD])
    connection.writeSequence([b"a", b"b"])
    expected = body + b"and so on" + b"y" * 40_000 + b"z" * 7 + b"w" * RECORD + b"ab"
    assert connection.pending > 0
    assert reads(foreign, poller, len(expected)) == expected
    settle(poller)
    assert connection.pending == 0


def test_a_sequence_through_small_buffers_keeps_its_order(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    arrival, peer = join(poller, server, client, buffer=8192)
    pieces = [bytes([65 + number % 26]) * size for number, size in enumerate([10, 20_000, 3, 70_000, 16_384, 1, 0, 200_000, 5])]
    arrival.connection.writeSequence(pieces)
    expected = b"".join(pieces)
    turn_until(poller, lambda: len(peer.received) == len(expected))
    assert bytes(peer.received) == expected


def test_both_directions_at_once(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    arrival, peer = join(poller, server, client, buffer=8192)
    size = 600_000
    arrival.connection.write(b"d" * size)
    peer.transport.write(b"u" * size)
    turn_until(poller, lambda: len(peer.received) == len(arrival.peer.received) == size)
    assert peer.received == b"d" * size
    assert arrival.peer.received == b"u" * size


def test_a_body_is_handed_on_in_large_pieces(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    foreign.send(b"x" * 200_000)
    turn_until(poller, lambda: len(arrival.peer.received) == 200_000)
    assert max(arrival.peer.pieces) > RECORD
    foreign.send(b"small")
    settle(poller)
    foreign.send(b"again")
    settle(poller)
    assert arrival.peer.received.endswith(b"smallagain")


@pytest.mark.parametrize("size", [10, RECORD, RECORD + 1, 5 * RECORD])
def test_records_that_came_together_are_all_seen_however_often_reading_pauses(
    poller: Epoll | Plain, server: TlsServer, size: int
) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    connection = arrival.connection
    arrival.peer.on_data = lambda data: connection.pauseProducing()
    for _ in range(3):
        foreign.tls.write(b"x" * size)
    foreign.flush()
    settle(poller)
    for _ in range(100):
        before = len(arrival.peer.received)
        settle(poller)
        assert len(arrival.peer.received) == before, "data came while paused"
        if before == 3 * size:
            break
        foreign.flush()
        connection.resumeProducing()
        settle(poller)
        assert len(arrival.peer.received) > before
    assert len(arrival.peer.received) == 3 * size


def test_a_producer_is_paused_and_resumed(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(), buffer=8192)
    source = Source()
    arrival.connection.registerProducer(source, True)
    arrival.connection.write(b"x" * HIGH_WATER * 3)
    assert source.told == ["pause"]
    reads(foreign, poller, HIGH_WATER * 3)
    settle(poller)
    assert source.told == ["pause", "resume"]


# Ends.


@pytest.mark.parametrize("size", [0, 10, RECORD, 3 * RECORD])
def test_close_notify_is_a_clean_end_behind_whatever_came_before(poller: Epoll | Plain, server: TlsServer, size: int) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    foreign.tls.write(b"x" * size)
    foreign.close_notify()
    settle(poller)
    assert len(arrival.peer.received) == size
    assert arrival.peer.ended_cleanly
    assert poller.members == 0


@pytest.mark.parametrize("size", [0, 10, RECORD, 3 * RECORD])
def test_a_stream_cut_without_close_notify_is_a_loss(poller: Epoll | Plain, server: TlsServer, size: int) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    foreign.send(b"x" * size)
    foreign.sock.shutdown(socket.SHUT_WR)
    turn_until(poller, lambda: arrival.peer.losses)
    assert len(arrival.peer.received) == size
    assert isinstance(arrival.peer.loss, ConnectionLost)
    assert "close_notify" in str(arrival.peer.loss)


def test_a_cut_stream_is_a_loss_to_those_who_know_half_closes_too(poller: Epoll | Plain, server: TlsServer) -> None:
    peer = HalfPeer()
    _, foreign = arrive(poller, server, foreign_client(), peer)
    foreign.sock.shutdown(socket.SHUT_WR)
    turn_until(poller, lambda: peer.losses)
    assert peer.read_ends == 0
    assert isinstance(peer.loss, ConnectionLost)


@pytest.mark.parametrize("fin", [False, True])
@pytest.mark.parametrize("size", [10, 3 * RECORD])
def test_a_half_close_of_the_other_side_leaves_ours_open(poller: Epoll | Plain, server: TlsServer, size: int, fin: bool) -> None:
    peer = HalfPeer()
    arrival, foreign = arrive(poller, server, foreign_client(), peer)
    foreign.tls.write(b"x" * size)
    foreign.close_notify()
    if fin:
        foreign.sock.shutdown(socket.SHUT_WR)
    settle(poller)
    assert len(peer.received) == size
    assert peer.read_ends == 1
    arrival.connection.resumeProducing()
    settle(poller)
    assert peer.read_ends == 1
    assert not peer.losses
    arrival.connection.write(b"answer")
    settle(poller)
    assert not peer.losses
    arrival.connection.loseConnection()
    assert peer.ended_cleanly


@pytest.mark.parametrize("size", [10, RECORD, 3 * RECORD])
def test_the_end_waits_while_reading_is_paused(poller: Epoll | Plain, server: TlsServer, size: int) -> None:
    peer = HalfPeer()
    arrival, foreign = arrive(poller, server, foreign_client(), peer)
    peer.on_data = lambda data: arrival.connection.pauseProducing()
    foreign.tls.write(b"x" * size)
    foreign.close_notify()
    settle(poller)
    while len(peer.received) < size:
        assert peer.read_ends == 0
        arrival.connection.resumeProducing()
        settle(poller)
    assert peer.read_ends == 0
    arrival.connection.resumeProducing()
    settle(poller)
    assert peer.read_ends == 1


@BOTH_VERSIONS
def test_lose_connection_flushes_and_sends_close_notify(
    poller: Epoll | Plain, server: TlsServer, version: ssl.TLSVersion
) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(version=version), buffer=8192)
    arrival.connection.write(b"x" * 300_000)
    arrival.connection.loseConnection()
    arrival.connection.write(b"never sent")
    while not foreign.ended:
        poller.turn(0.01)
        foreign.read()
    assert len(foreign.received) == 300_000
    assert arrival.peer.ended_cleanly
    assert poller.members == 0


def test_our_half_close_sends_close_notify_and_goes_on_reading(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(version=ssl.TLSVersion.TLSv1_3), buffer=8192)
    arrival.connection.write(b"x" * 100_000)
    arrival.connection.loseWriteConnection()
    while not foreign.ended:
        poller.turn(0.01)
        foreign.read()
    assert len(foreign.received) == 100_000
    arrival.connection.write(b"dropped")
    arrival.connection.loseWriteConnection()
    foreign.send(b"still there")
    settle(poller)
    assert arrival.peer.received == b"still there"
    assert not arrival.peer.losses
    foreign.close_notify()
    settle(poller)
    assert arrival.peer.ended_cleanly


def test_a_tunnel_of_half_closes_ends_on_both_sides(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    ours, theirs = HalfPeer(), HalfPeer()
    arrival, _ = join(poller, server, client, ours, theirs)
    theirs.transport.write(b"request")
    theirs.transport.loseWriteConnection()
    settle(poller)
    assert (bytes(ours.received), ours.read_ends) == (b"request", 1)
    arrival.connection.write(b"answer")
    arrival.connection.loseWriteConnection()
    settle(poller)
    assert (bytes(theirs.received), theirs.read_ends) == (b"answer", 1)
    assert ours.losses == theirs.losses == []
    arrival.connection.loseConnection()
    theirs.transport.loseConnection()
    assert ours.ended_cleanly
    assert theirs.ended_cleanly


def test_abort_resets_without_close_notify(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(), tcp=True)
    foreign.read()
    arrival.connection.abortConnection()
    assert isinstance(arrival.peer.loss, ConnectionAborted)
    with pytest.raises(ConnectionResetError):
        foreign.sock.recv(100)
    arrival.connection.write(b"x")
    arrival.connection.loseConnection()
    arrival.connection.loseWriteConnection()
    assert poller.members == 0


def test_a_reset_by_the_other_side_is_a_loss(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(), tcp=True)
    foreign.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    foreign.sock.close()
    turn_until(poller, lambda: arrival.peer.losses)
    assert isinstance(arrival.peer.loss, ConnectionLost)


def test_a_write_to_a_reset_connection_tells_the_protocol_later(poller: Epoll | Plain, server: TlsServer) -> None:
    arrival, foreign = arrive(poller, server, foreign_client(), tcp=True)
    arrival.connection.write(b"request")
    foreign.sock.close()  # with the request unread: a reset follows
    for _ in range(3):
        arrival.connection.write(b"more of the request")
        assert not arrival.peer.losses
    turn_until(poller, lambda: arrival.peer.losses)
    assert isinstance(arrival.peer.loss, ConnectionLost)
    arrival.connection.write(b"after the loss")
    arrival.connection.writeSequence([b"after the loss", b"x" * 40_000])


@pytest.mark.parametrize("size", [10, 3 * RECORD])
def test_bytes_that_are_no_record_end_the_connection(poller: Epoll | Plain, server: TlsServer, size: int) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    foreign.tls.write(b"x" * size)
    foreign.sock.send(foreign.take() + b"\x17\x03\x03\x00\x20" + b"forged!!" * 4)
    turn_until(poller, lambda: arrival.peer.losses)
    assert len(arrival.peer.received) == size
    assert isinstance(arrival.peer.loss, ConnectionLost)
    assert "TLS" in str(arrival.peer.loss)
    assert errno.errorcode[errno.EPROTO] not in str(arrival.peer.loss)


def test_a_protocol_can_be_exchanged(poller: Epoll | Plain, server: TlsServer, client: TlsClient) -> None:
    arrival, peer = join(poller, server, client)
    other = Peer()
    peer.transport.protocol = other
    arrival.connection.write(b"to the other")
    settle(poller)
    arrival.connection.loseConnection()
    settle(poller)
    assert other.received == b"to the other"
    assert other.ended_cleanly
    assert not peer.losses


def test_renegotiation_is_refused(poller: Epoll | Plain, server: TlsServer) -> None:
    from OpenSSL import SSL

    door = socket.create_server(("127.0.0.1", 0))
    sock = socket.create_connection(door.getsockname())
    accepted, _ = door.accept()
    door.close()
    accepted.setblocking(False)
    sock.setblocking(False)
    arrival = Arrival(poller, accepted, server)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    other = SSL.Connection(context, sock)
    other.set_connect_state()

    def shaken() -> bool:
        try:
            other.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    while not shaken():
        poller.turn(0.01)
    turn_until(poller, lambda: arrival.over)
    other.renegotiate()
    refused = False
    for _ in range(20):
        try:
            other.do_handshake()
            break
        except SSL.WantReadError:
            poller.turn(0.01)
        except SSL.Error:
            refused = True
            break
    assert refused
    assert other.total_renegotiations() <= 1
    settle(poller)
    assert arrival.peer.received == b""


# OpenSSL may have to send before it can read, and the other way about (a key update, RFC 8446 §4.6.3).


class Reading:
    """``read_record`` that first wants something else."""

    def __init__(self, *outcomes: int) -> None:
        self.outcomes = list(outcomes)

    def __call__(self, ssl_handle: object) -> bytes | int:
        return self.outcomes.pop(0) if self.outcomes else read_record(ssl_handle)


def test_reading_goes_on_when_openssl_could_send(
    poller: Epoll | Plain, server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    monkeypatch.setattr("twistedproxy.transport.tls.read_record", Reading(WANTS_WRITE, WANTS_WRITE))
    foreign.send(b"hello")
    settle(poller)
    assert arrival.peer.received == b"hello"
    foreign.send(b" again")
    settle(poller)
    assert arrival.peer.received == b"hello again"


def test_reading_that_waits_to_send_stays_paused_when_told_to(
    poller: Epoll | Plain, server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    monkeypatch.setattr("twistedproxy.transport.tls.read_record", Reading(WANTS_WRITE))
    foreign.send(b"hello")
    poller.turn(0)
    arrival.connection.pauseProducing()
    settle(poller)
    assert arrival.peer.received == b""
    arrival.connection.resumeProducing()
    settle(poller)
    assert arrival.peer.received == b"hello"


class Writing:
    """``SSL_write`` that takes nothing until something was read; and the connection that says so."""

    def __init__(self, connection: TlsConnection) -> None:
        self.blocked = True
        self.tries = 0
        self._send = connection._send
        self._tls = connection._tls
        connection._send = self.send
        connection._tls = self  # type: ignore[assignment]

    def send(self, data: bytes) -> int:
        self.tries += 1
        return 0 if self.blocked else self._send(data)

    def want_read(self) -> bool:
        return self.blocked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls, name)


@pytest.mark.parametrize("paused", ["no", "before", "after"])
def test_writing_goes_on_when_openssl_could_read(poller: Epoll | Plain, server: TlsServer, paused: str) -> None:
    arrival, foreign = arrive(poller, server, foreign_client())
    connection = arrival.connection
    writing = Writing(connection)
    if paused == "before":
        connection.pauseProducing()
    connection.write(b"answer")
    settle(poller)
    if paused == "after":
        connection.pauseProducing()
    tries = writing.tries
    settle(poller)
    assert writing.tries == tries, "it spins"
    writing.blocked = False
    foreign.send(b"what it waited for")
    settle(poller)
    foreign.read()
    assert foreign.received == b"answer"
    assert connection.pending == 0
    connection.resumeProducing()
    settle(poller)
    assert arrival.peer.received == b"what it waited for"
