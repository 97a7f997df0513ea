"""Stream connections: what a protocol, a producer and the other side can see."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionLost

from tests.transport.wires import (
    Epoll,
    HalfPeer,
    Peer,
    Plain,
    Source,
    connected,
    drain,
    settle,
    socket_pair,
    tcp_pair,
    turn_until,
)
from twistedproxy.transport.sending import HIGH_WATER
from twistedproxy.transport.tcp import LARGE_READ, SMALL_READ


@pytest.fixture(params=[Epoll, Plain])
def poller(request: pytest.FixtureRequest) -> Iterator[Epoll | Plain]:
    made = request.param()
    yield made
    made.close()


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while data := sock.recv(1 << 20):
        received += data
    return received


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_small_write_is_sent_at_once(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    connection = connected(poller, ours, Peer())
    connection.write(b"hello")
    assert theirs.recv(100) == b"hello"
    assert connection.pending == 0


def test_what_the_kernel_does_not_take_follows_in_order(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair(4096)
    connection = connected(poller, ours, Peer())
    body = bytes(range(256)) * 4096
    connection.write(body)
    connection.write(b"and")
    connection.writeSequence([b" so", b" on"])
    connection.writeSequence([b"x" * SMALL_READ, b"y"])
    assert connection.pending > 0
    expected = body + b"and so on" + b"x" * SMALL_READ + b"y"
    received = bytearray()

    def all_came() -> bool:
        received.extend(drain(theirs))
        return len(received) == len(expected)

    turn_until(poller, all_came)
    settle(poller)
    assert bytes(received) == expected
    assert connection.pending == 0


def test_a_large_sequence_arrives_whole_whatever_the_kernel_takes(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair(8192)
    connection = connected(poller, ours, Peer())
    pieces = [b"head\r\n", b"a" * 100_000, b"", b"b" * 5, b"c" * 300_000, b"\r\n"]
    connection.writeSequence(pieces)
    received = bytearray()

    def all_came() -> bool:
        received.extend(drain(theirs))
        return len(received) == sum(map(len, pieces))

    while not all_came():
        poller.turn(0.01)
    assert bytes(received) == b"".join(pieces)


def test_pending_counts_what_waits(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair(4096)
    connection = connected(poller, ours, Peer())
    connection.write(b"x" * 1_000_000)
    assert connection.pending == 1_000_000 - len(drain(theirs))


def test_a_body_is_read_in_large_pieces_once_a_read_came_back_full(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connected(poller, ours, peer)
    theirs.send(b"x" * 100_000)
    theirs.send(b"x" * 50_000)
    turn_until(poller, lambda: len(peer.received) == 150_000)
    assert peer.pieces[0] == SMALL_READ
    assert max(peer.pieces) > SMALL_READ
    assert max(peer.pieces) <= LARGE_READ


def test_nothing_is_read_while_paused_and_all_after(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.pauseProducing()
    theirs.send(b"later")
    settle(poller)
    assert peer.received == b""
    connection.resumeProducing()
    settle(poller)
    assert peer.received == b"later"


def test_a_protocol_may_pause_within_data_received(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    peer.on_data = lambda data: connection.pauseProducing()
    theirs.send(b"x" * 100_000)
    settle(poller)
    assert len(peer.received) == SMALL_READ
    peer.on_data = lambda data: None
    connection.resumeProducing()
    settle(poller)
    assert len(peer.received) == 100_000


def test_a_producer_is_paused_above_the_mark_and_resumed_when_all_is_sent(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair(4096)
    connection = connected(poller, ours, Peer())
    source = Source()
    connection.registerProducer(source, True)
    connection.write(b"x" * (HIGH_WATER * 2))
    assert source.told == ["pause"]
    while "resume" not in source.told:
        drain(theirs)
        poller.turn(0.1)
    assert connection.pending == 0
    assert source.told == ["pause", "resume"]


def test_a_producer_below_the_mark_is_left_alone(poller: Epoll | Plain) -> None:
    ours, _theirs = socket_pair(4096)
    connection = connected(poller, ours, Peer())
    source = Source()
    connection.registerProducer(source, True)
    connection.write(b"x" * 20_000)
    assert connection.pending
    assert source.told == []


def test_a_producer_registered_on_a_full_connection_is_paused(poller: Epoll | Plain) -> None:
    ours, _theirs = socket_pair(4096)
    connection = connected(poller, ours, Peer())
    connection.write(b"x" * 1_000_000)
    source = Source()
    connection.registerProducer(source, True)
    assert source.told == ["pause"]


def test_only_one_push_producer_is_served(poller: Epoll | Plain) -> None:
    ours, _theirs = socket_pair()
    connection = connected(poller, ours, Peer())
    with pytest.raises(ValueError, match="push"):
        connection.registerProducer(Source(), False)
    connection.registerProducer(Source(), True)
    with pytest.raises(RuntimeError, match="registered already"):
        connection.registerProducer(Source(), True)


def test_the_producer_of_a_lost_connection_is_stopped(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    source = Source()
    connection.registerProducer(source, True)
    theirs.close()
    settle(poller)
    assert source.told == ["stop"]
    late = Source()
    connection.registerProducer(late, True)
    assert late.told == ["stop"]


def test_lose_connection_flushes_first(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair(4096)
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.write(b"x" * 500_000)
    connection.loseConnection()
    connection.write(b"never sent")
    assert not peer.losses
    received = 0
    while not peer.losses:
        received += len(drain(theirs))
        poller.turn(0.1)
    received += len(drain(theirs))
    assert received == 500_000
    assert theirs.recv(1) == b""
    assert peer.ended_cleanly
    assert poller.members == 0


def test_lose_connection_waits_for_a_producer(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.registerProducer(Source(), True)
    connection.loseConnection()
    settle(poller)
    assert not peer.losses
    connection.unregisterProducer()
    assert peer.ended_cleanly
    assert theirs.recv(1) == b""


def test_the_end_of_the_other_side_is_a_clean_end(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connected(poller, ours, peer)
    theirs.send(b"bye")
    theirs.close()
    settle(poller)
    assert peer.received == b"bye"
    assert peer.ended_cleanly
    assert poller.members == 0


def test_a_half_close_of_the_other_side_leaves_ours_open(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = HalfPeer()
    connection = connected(poller, ours, peer)
    theirs.send(b"request")
    theirs.shutdown(socket.SHUT_WR)
    settle(poller)
    assert peer.received == b"request"
    assert peer.read_ends == 1
    assert not peer.losses
    connection.write(b"answer")
    assert theirs.recv(100) == b"answer"
    connection.loseConnection()
    assert peer.ended_cleanly


def test_a_half_close_is_told_once_even_when_reading_is_resumed(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = HalfPeer()
    connection = connected(poller, ours, peer)
    theirs.shutdown(socket.SHUT_WR)
    settle(poller)
    connection.resumeProducing()
    settle(poller)
    assert peer.read_ends == 1


def test_the_end_is_not_told_while_paused(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = HalfPeer()
    connection = connected(poller, ours, peer)
    connection.pauseProducing()
    theirs.send(b"last")
    theirs.shutdown(socket.SHUT_WR)
    settle(poller)
    assert peer.read_ends == 0
    connection.resumeProducing()
    settle(poller)
    assert peer.received == b"last"
    assert peer.read_ends == 1


def test_what_came_before_a_close_is_read_after_a_pause(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.pauseProducing()
    theirs.send(b"last words")
    theirs.close()
    settle(poller)
    assert not peer.losses
    connection.resumeProducing()
    turn_until(poller, lambda: peer.losses)
    assert peer.received == b"last words"
    assert peer.ended_cleanly


def test_our_half_close_flushes_and_goes_on_reading(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair(4096)
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.write(b"x" * 200_000)
    connection.loseWriteConnection()
    received = bytearray()
    ended = False
    while not ended:
        poller.turn(0.1)
        try:
            data = theirs.recv(1 << 20)
        except BlockingIOError:
            continue
        received += data
        ended = not data
    assert len(received) == 200_000
    theirs.send(b"still there")
    settle(poller)
    assert peer.received == b"still there"
    assert not peer.losses
    theirs.close()
    settle(poller)
    assert peer.ended_cleanly


def test_writing_after_our_half_close_is_dropped_and_reading_goes_on(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.loseWriteConnection()
    connection.write(b"too late")
    connection.writeSequence([b"too", b"late"])
    connection.writeSequence([b"too" * SMALL_READ, b"late"])
    settle(poller)
    theirs.send(b"heard")
    settle(poller)
    assert peer.received == b"heard"
    assert not peer.losses
    assert theirs.recv(100) == b""


def test_a_producer_that_leaves_after_our_half_close_breaks_nothing(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.loseWriteConnection()
    connection.registerProducer(Source(), True)
    connection.unregisterProducer()
    settle(poller)
    theirs.send(b"heard")
    turn_until(poller, lambda: peer.received)
    assert not peer.losses


def test_abort_resets_and_drops_what_waits(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair(8192)
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.write(b"x" * 1_000_000)
    connection.abortConnection()
    assert isinstance(peer.loss, ConnectionAborted)
    with pytest.raises(ConnectionResetError):
        read_all(theirs)
    connection.abortConnection()
    connection.loseConnection()
    connection.write(b"x")
    connection.resumeProducing()
    assert len(peer.losses) == 1
    assert poller.members == 0


def test_a_reset_by_the_other_side_is_a_loss(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair()
    peer = Peer()
    connected(poller, ours, peer)
    reset(theirs)
    turn_until(poller, lambda: peer.losses)
    assert isinstance(peer.loss, ConnectionLost)


def test_a_reset_is_heard_even_while_paused(poller: Epoll | Plain) -> None:
    if isinstance(poller, Plain):
        pytest.skip("select() tells nothing of a descriptor that it is not asked about")
    ours, theirs = tcp_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.pauseProducing()
    reset(theirs)
    turn_until(poller, lambda: peer.losses)
    assert isinstance(peer.loss, ConnectionLost)


def test_a_write_to_a_reset_connection_tells_the_protocol_later(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    reset(theirs)
    for _ in range(3):
        connection.write(b"x" * 1000)
        assert not peer.losses
    turn_until(poller, lambda: peer.losses)
    assert isinstance(peer.loss, ConnectionLost)
    connection.write(b"after the loss")
    connection.writeSequence([b"after", b"the loss"])


def test_an_answer_that_came_before_the_reset_is_read_although_writing_failed(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.write(b"request")
    theirs.send(b"early answer")
    theirs.close()  # with the request unread: a reset follows
    for _ in range(3):
        connection.write(b"more of the request")
    turn_until(poller, lambda: peer.losses)
    assert peer.received == b"early answer"


def test_a_reset_while_much_waits_drops_it(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair(8192)
    peer = Peer()
    connection = connected(poller, ours, peer)
    connection.write(b"x" * 1_000_000)
    reset(theirs)
    turn_until(poller, lambda: peer.losses)
    assert connection.pending == 0
    assert isinstance(peer.loss, ConnectionLost)


def test_a_protocol_can_be_exchanged(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    first, second = Peer(), Peer()
    connection = connected(poller, ours, first)
    theirs.send(b"one")
    settle(poller)
    connection.protocol = second
    theirs.send(b"two")
    settle(poller)
    theirs.close()
    settle(poller)
    assert (first.received, second.received) == (b"one", b"two")
    assert not first.losses
    assert second.ended_cleanly


def test_addresses_are_told(poller: Epoll | Plain) -> None:
    ours, theirs = tcp_pair()
    connection = connected(poller, ours, Peer())
    assert (connection.getPeer().host, connection.getPeer().port) == theirs.getsockname()
    assert (connection.getHost().host, connection.getHost().port) == theirs.getpeername()
    connection.setTcpNoDelay(True)
    assert connection.getTcpNoDelay()
    connection.setTcpKeepAlive(True)
    assert connection.getTcpKeepAlive()


def test_is_quiet_tells_of_what_was_not_read(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    connection = connected(poller, ours, Peer())
    assert connection.is_quiet(and_open=True)
    theirs.send(b"x")
    assert not connection.is_quiet(and_open=True)
    settle(poller)
    assert connection.is_quiet(and_open=True)
    theirs.close()
    assert not connection.is_quiet(and_open=True)


def test_of_what_may_be_repeated_only_bytes_matter(poller: Epoll | Plain) -> None:
    ours, theirs = socket_pair()
    connection = connected(poller, ours, Peer())
    assert connection.is_quiet(and_open=False)
    theirs.send(b"x")
    assert not connection.is_quiet(and_open=False)
    settle(poller)
    assert connection.is_quiet(and_open=False)
