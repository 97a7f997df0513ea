"""Parts of files on their way to a socket: in order with what is written, as fast as it is taken, cut when the file is."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transport.wires import Epoll, Peer, Source, connected, drain, socket_pair, turn_until
from twistedproxy.transport.file_part import FilePart
from twistedproxy.transport.sending import HIGH_WATER

CONTENT = bytes(range(256)) * 8192


class Opened:
    """A file with CONTENT, open until nobody needs it any more."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(CONTENT)
        self.descriptor = os.open(path, os.O_RDONLY)

    def part(self, offset: int, count: int) -> FilePart:
        return FilePart(self, self.descriptor, offset, count)

    def __del__(self) -> None:
        os.close(self.descriptor)


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


@pytest.mark.parametrize("kernel", ["sends", "cannot"])
def test_parts_and_bytes_arrive_in_order_and_hold_the_producer(
    poller: Epoll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    if kernel == "cannot":

        def refuse(*args: object) -> int:
            raise OSError(errno.EINVAL, "not here")

        monkeypatch.setattr(os, "sendfile", refuse)
    ours, theirs = socket_pair(4096)
    connection = connected(poller, ours, Peer())
    source = Source()
    connection.registerProducer(source, True)
    assert connection.sends_files
    file = Opened(tmp_path / "body")
    connection.write(b"head")
    connection.send_file(file.part(10, 1_000_000))
    connection.write(b"between")
    connection.write(b"two")
    connection.send_file(file.part(0, 20))
    connection.write(b"end")
    assert connection.pending > HIGH_WATER
    del file
    connection.unregisterProducer()
    connection.loseConnection()
    expected = b"head" + CONTENT[10:1_000_010] + b"betweentwo" + CONTENT[:20] + b"end"
    received = bytearray()

    def all_came() -> bool:
        received.extend(drain(theirs))
        return len(received) >= len(expected)

    turn_until(poller, all_came)
    assert received == expected
    assert source.told == ["pause"]


def test_a_file_that_was_cut_cuts_the_connection(poller: Epoll, tmp_path: Path) -> None:
    ours, theirs = socket_pair()
    peer = Peer()
    connection = connected(poller, ours, peer)
    file = Opened(tmp_path / "body")
    os.truncate(tmp_path / "body", 100)
    connection.send_file(file.part(0, 200))
    turn_until(poller, lambda: connection.disconnected)
    assert theirs.recv(1000) == CONTENT[:100]
    assert theirs.recv(1000) == b""


def test_a_closed_connection_takes_nothing(poller: Epoll, tmp_path: Path) -> None:
    ours, theirs = socket_pair()
    connection = connected(poller, ours, Peer())
    connection.loseConnection()
    connection.send_file(Opened(tmp_path / "body").part(0, 200))
    assert theirs.recv(1000) == b""
