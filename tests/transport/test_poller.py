"""The epoll set: who is called, when, and what one member's failure does to the others."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from twisted.python.failure import Failure

from tests.transport.wires import Epoll, settle, socket_pair
from twistedproxy.transport.poller import forget


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


class Member:
    """A descriptor that keeps what it is told."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.told: list[str] = []
        self.on_read: Callable[[], None] = lambda: None
        self.on_write: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None

    def fileno(self) -> int:
        return self.sock.fileno()

    def doRead(self) -> None:
        self.told.append("read")
        self.on_read()

    def doWrite(self) -> None:
        self.told.append("write")
        self.on_write()

    def connectionLost(self, reason: Failure) -> None:
        self.told.append(f"lost: {reason.getErrorMessage()}")
        self.on_lost()

    def logPrefix(self) -> str:
        return "member"


def test_it_is_one_reader_of_the_reactor(poller: Epoll) -> None:
    poller.start()
    assert poller.reactor.readers == [poller]
    assert poller.fileno() >= 0
    poller._reactor.removeReader(poller)
    assert poller.reactor.readers == []


def test_members_hear_only_of_what_they_asked_for(poller: Epoll) -> None:
    ours, theirs = socket_pair()
    member = Member(ours)
    poller.addWriter(member)
    poller.turn(0)
    theirs.send(b"x")
    poller.removeWriter(member)
    settle(poller)
    assert member.told == ["write"]
    poller.addReader(member)
    poller.addReader(member)
    member.on_read = lambda: poller.removeReader(member)
    settle(poller)
    assert member.told == ["write", "read"]


def test_both_events_come_reading_first(poller: Epoll) -> None:
    ours, theirs = socket_pair()
    member = Member(ours)
    poller.addReader(member)
    poller.addWriter(member)
    theirs.send(b"x")
    poller.turn(0)
    assert member.told == ["read", "write"]


def test_a_member_that_left_while_reading_is_not_asked_to_write(poller: Epoll) -> None:
    ours, theirs = socket_pair()
    member = Member(ours)
    poller.addReader(member)
    poller.addWriter(member)
    theirs.send(b"x")
    member.on_read = lambda: poller.forget(member)
    settle(poller)
    assert member.told == ["read"]
    assert poller.members == 0


def test_a_member_that_another_removed_in_the_same_turn_hears_nothing(poller: Epoll) -> None:
    members = []
    for _ in range(2):
        ours, theirs = socket_pair()
        theirs.send(b"x")
        member = Member(ours)
        poller.addReader(member)
        members.append((member, theirs))
    first, second = members[0][0], members[1][0]
    first.on_read = lambda: (poller.forget(first), poller.forget(second), None)[-1]
    second.on_read = first.on_read
    settle(poller)
    assert sorted((first.told, second.told)) == [[], ["read"]]


def test_a_broken_connection_is_heard_of_without_interest(poller: Epoll) -> None:
    ours, theirs = socket_pair()
    member = Member(ours)
    poller.addReader(member)
    poller.removeReader(member)
    member.on_read = lambda: poller.forget(member)
    theirs.close()
    settle(poller)
    assert member.told == ["read"]


def test_a_member_that_fails_is_cut_and_the_others_go_on(poller: Epoll) -> None:
    def fail() -> None:
        raise ValueError("broken code")

    bad, bad_peer = socket_pair()
    good, good_peer = socket_pair()
    failing, fine = Member(bad), Member(good)
    failing.on_read = fail

    def lost() -> None:
        poller.forget(failing)
        raise RuntimeError("broken again")

    failing.on_lost = lost
    fine.on_read = lambda: (good.recv(10), None)[-1]
    poller.addReader(failing)
    poller.addReader(fine)
    bad_peer.send(b"x")
    good_peer.send(b"x")
    settle(poller)
    assert failing.told == ["read", "lost: broken code"]
    assert fine.told == ["read"]


def test_forgetting_is_harmless_when_unknown(poller: Epoll) -> None:
    ours, _theirs = socket_pair()
    member = Member(ours)
    forget(poller, member)
    poller.removeReader(member)
    poller.removeWriter(member)
    poller.addReader(member)
    forget(poller, member)
    forget(poller, member)
    assert poller.members == 0


def test_what_is_put_off_is_done_when_all_were_told(poller: Epoll) -> None:
    ours, theirs = socket_pair()
    more, others = socket_pair()
    first, second = Member(ours), Member(more)
    done: list[str] = []
    for member in (first, second):
        member.on_read = lambda: done.append(f"put off: {poller.put_off(lambda: done.append('now'))}")
        poller.addReader(member)
    assert not poller.put_off(lambda: done.append("never"))
    theirs.send(b"a")
    others.send(b"b")
    poller.doRead()
    assert done == ["put off: True", "put off: True", "now", "now"]
    for sock in (ours, theirs, more, others):
        sock.close()


def test_what_fails_when_it_was_put_off_stops_nobody(poller: Epoll) -> None:
    ours, theirs = socket_pair()
    member = Member(ours)
    done: list[str] = []

    def put_off() -> None:
        poller.put_off(lambda: [].remove(1))
        poller.put_off(lambda: done.append("now"))

    member.on_read = put_off
    poller.addReader(member)
    theirs.send(b"a")
    poller.doRead()
    assert done == ["now"]
    ours.close()
    theirs.close()
