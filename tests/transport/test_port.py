"""Listening sockets: binding, accepting, and patience."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.transport.wires import Epoll, settle, turn_until
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.transport.port import CannotListen, Port, bind


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


class Door:
    """A port, what it accepted, and whether it may accept more."""

    def __init__(self, sock: Any, poller: Epoll) -> None:
        self.accepted: list[socket.socket] = []
        self.open = True
        self.clock = Clock()
        self.port = Port(sock, lambda client, where: self.accepted.append(client), lambda: self.open, poller, self.clock)
        self.port.startListening()


def visit(address: Any, family: int = socket.AF_INET) -> socket.socket:
    client = socket.socket(family)
    client.connect(address)
    return client


def test_every_interface_means_both_families_on_one_port(poller: Epoll) -> None:
    sockets = bind(Tcp("", 0), 10)
    ports = {sock.getsockname()[1] for sock in sockets}
    families = {sock.family for sock in sockets}
    for sock in sockets:
        sock.close()
    assert len(ports) == 1
    assert socket.AF_INET in families


def test_connections_are_accepted_in_batches_and_do_not_block(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 100)
    door = Door(sock, poller)
    clients = [visit(sock.getsockname()) for _ in range(70)]
    poller.turn(1)
    assert 1 < len(door.accepted) <= 64
    turn_until(poller, lambda: len(door.accepted) == 70)
    assert not door.accepted[0].getblocking()
    assert door.accepted[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for client in (*clients, *door.accepted):
        client.close()


def test_a_port_that_is_taken_is_said_with_the_remedy(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 10)
    with pytest.raises(CannotListen, match="another program listens there"):
        bind(Tcp("127.0.0.1", sock.getsockname()[1]), 10)
    sock.close()


def test_an_address_that_is_not_ours_is_said(poller: Epoll) -> None:
    with pytest.raises(CannotListen, match=r"no interface of this machine|cannot listen on 192\.0\.2\.1"):
        bind(Tcp("192.0.2.1", 0), 10)


def test_while_it_may_not_accept_clients_wait_in_the_backlog(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 10)
    door = Door(sock, poller)
    door.open = False
    client = visit(sock.getsockname())
    settle(poller)
    assert door.accepted == []
    door.open = True
    settle(poller)
    assert door.accepted == []
    door.port.wake()
    turn_until(poller, lambda: door.accepted)
    client.close()


class Exhausted:
    """A listening socket of a process without free descriptors."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.tries = 0
        self.code = errno.EMFILE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def accept(self) -> Any:
        self.tries += 1
        if self.code:
            raise OSError(self.code, os.strerror(self.code))
        return self._sock.accept()


def test_without_descriptors_it_backs_off_and_recovers_without_spinning(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 10)
    short = Exhausted(sock)
    door = Door(short, poller)
    client = visit(sock.getsockname())
    settle(poller)
    settle(poller)
    assert short.tries == 1
    door.clock.advance(0.5)
    settle(poller)
    assert short.tries == 2
    short.code = 0
    door.clock.advance(0.5)
    turn_until(poller, lambda: door.accepted)
    client.close()


def test_a_client_that_left_in_the_backlog_harms_no_other(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 10)
    fickle = Exhausted(sock)
    fickle.code = errno.ECONNABORTED
    door = Door(fickle, poller)
    client = visit(sock.getsockname())
    poller.turn(1)
    assert fickle.tries == 64
    fickle.code = 0
    turn_until(poller, lambda: door.accepted)
    client.close()


def test_a_stopped_port_refuses(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 10)
    address = sock.getsockname()
    door = Door(sock, poller)
    door.port.stopListening()
    door.port.stopListening()
    door.port.wake()
    with pytest.raises(ConnectionRefusedError):
        visit(address)
    assert poller.members == 0


def test_a_back_off_that_ends_after_the_stop_does_nothing(poller: Epoll) -> None:
    (sock,) = bind(Tcp("127.0.0.1", 0), 10)
    door = Door(Exhausted(sock), poller)
    client = visit(sock.getsockname())
    settle(poller)
    door.port.stopListening()
    door.clock.advance(1)
    assert poller.members == 0
    client.close()


def test_a_unix_socket_has_its_mode_and_is_removed_at_the_end(poller: Epoll, tmp_path: Path) -> None:
    path = tmp_path / "door.sock"
    (sock,) = bind(Unix(str(path), 0o600), 10)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    door = Door(sock, poller)
    client = visit(str(path), socket.AF_UNIX)
    turn_until(poller, lambda: door.accepted)
    door.port.stopListening()
    assert not path.exists()
    client.close()


def test_a_dead_unix_socket_is_replaced(poller: Epoll, tmp_path: Path) -> None:
    path = tmp_path / "door.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
        old.listen()
    assert path.exists()
    (sock,) = bind(Unix(str(path)), 10)
    visit(str(path), socket.AF_UNIX).close()
    sock.close()


def test_a_unix_socket_in_use_is_left_alone(poller: Epoll, tmp_path: Path) -> None:
    path = tmp_path / "door.sock"
    (sock,) = bind(Unix(str(path)), 1)
    waiting = []
    for _ in range(5):  # until the backlog is full: asking whether somebody listens must not wait
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect_ex(str(path))
        waiting.append(client)
    with pytest.raises(CannotListen, match="another program"):
        bind(Unix(str(path)), 10)
    for client in (*waiting, sock):
        client.close()


def test_a_file_that_is_no_socket_is_left_alone(poller: Epoll, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(CannotListen):
        bind(Unix(str(path)), 10)
    assert path.read_text() == "data"
