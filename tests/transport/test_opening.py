"""What a connection begins with is looked at, and stays where it is; on real sockets of both kinds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.transport.test_deadlines import Hands
from tests.transport.wires import Epoll, settle
from twistedproxy.transport.deadlines import Deadlines
from twistedproxy.transport.opening import Opening


class Refusal(Exception):
    """What :func:`word` raises."""


def word(data: bytes) -> str | int:
    """A word and a full stop, which has five letters at least."""
    if b"!" in data:
        raise Refusal("no shouting")
    if b"." in data:
        return data.partition(b".")[0].decode()
    return max(5, len(data) + 1)


class Look:
    """An opening, its ends, and what came of it."""

    def __init__(self, poller: Epoll, theirs: socket.socket, ours: socket.socket) -> None:
        self.hands = Hands()
        self.poller = poller
        self.theirs, self.ours = theirs, ours
        ours.setblocking(False)
        self.found: list[Any] = []
        self.failed: list[Any] = []
        self.looks = 0
        deadlines = Deadlines(self.hands.reactor, self.hands)

        def read(data: bytes) -> str | int:
            self.looks += 1
            return word(data)

        self.opening = Opening(ours, poller, read, 20, Refusal, deadlines)
        self.opening.start(10.0, self.found.append, self.failed.append)

    def says(self, data: bytes) -> None:
        self.theirs.sendall(data)
        settle(self.poller)

    def waits(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            self.hands.advance(0.1)
            settle(self.poller)


def tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return theirs, listening.accept()[0]


@pytest.fixture(params=[tcp, socket.socketpair], ids=["tcp", "unix"])
def look(request: pytest.FixtureRequest) -> Iterator[Look]:
    poller = Epoll()
    look = Look(poller, *request.param())
    yield look
    assert len(look.found) + len(look.failed) == 1
    assert poller.members == 0
    assert not any(look.opening._deadlines._buckets.values())
    look.theirs.close()
    look.ours.close()
    poller.close()


def test_all_of_it_is_still_there(look: Look) -> None:
    look.says(b"hello. more")
    assert look.found == ["hello"]
    assert look.ours.recv(100) == b"hello. more"


def test_it_may_come_in_drops_that_wake_nobody_in_vain(look: Look) -> None:
    for value in b"hel":
        look.says(bytes((value,)))
    if look.ours.family != socket.AF_UNIX:
        assert look.looks <= 1
    look.says(b"lo")
    look.waits(0.3)
    look.says(b".")
    look.waits(0.3)
    assert look.found == ["hello"]
    look.theirs.sendall(b"x")
    assert look.ours.recv(100).startswith(b"hello.")
    assert look.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


def test_what_is_refused_is_refused(look: Look) -> None:
    look.says(b"oh!")
    (problem,) = look.failed
    assert isinstance(problem, Refusal)


def test_what_is_longer_than_may_be_is_refused(look: Look) -> None:
    look.says(b"x" * 30)
    assert "longer than 20 bytes" in str(look.failed[0])


def test_who_does_not_finish_runs_out_of_time(look: Look) -> None:
    look.says(b"hell")
    look.waits(9.5)
    assert not look.failed
    look.waits(1)
    assert "did not come in time" in str(look.failed[0])


def test_who_leaves_is_noticed(look: Look) -> None:
    look.theirs.close()
    settle(look.poller)
    assert "left" in str(look.failed[0])


def test_who_ends_in_the_middle_costs_a_look_now_and_then_and_no_more(look: Look) -> None:
    look.says(b"hell")
    look.theirs.shutdown(socket.SHUT_WR)
    settle(look.poller)
    look.waits(1)
    assert look.looks < 20
    look.waits(10)
    assert look.failed


def test_it_can_be_given_up(look: Look) -> None:
    look.says(b"hell")
    look.opening.abort()
    assert "given up" in str(look.failed[0])
