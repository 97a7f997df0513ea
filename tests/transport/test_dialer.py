"""Calls to peers: names with several addresses, and what the protocol hears."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock

from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import pool
from tests.transport.wires import Epoll, Peer, Plain, settle, turn_until
from twistedproxy.addresses import Tcp, Unix
from twistedproxy.transport.contexts import TlsClient
from twistedproxy.transport.dialer import HEAD_START, Cancel, Dialer
from twistedproxy.transport.names import Names, Resolved
from twistedproxy.transport.tls_problems import TlsProblem

NAME = Tcp("app.example", 80)


@pytest.fixture(params=[Epoll, Plain])
def poller(request: pytest.FixtureRequest) -> Iterator[Epoll | Plain]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def doors() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def door(doors: contextlib.ExitStack) -> socket.socket:
    """A socket that listens."""
    made = doors.enter_context(socket.socket())
    made.bind(("127.0.0.1", 0))
    made.listen(8)
    return made


def refusing() -> Any:
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()


def silent(doors: contextlib.ExitStack) -> Any:
    """An address that swallows connections: whoever listens there has more waiting than the kernel lets in."""
    full = doors.enter_context(socket.socket())
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for _ in range(4):
        waiting = doors.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(full.getsockname())
    return full.getsockname()


class Caller:
    """A dialer whose names have the addresses that a test says."""

    def __init__(self, poller: Epoll | Plain, *names: Any) -> None:
        self.poller = poller
        self.clock = Clock()
        self.peer = Peer()
        found: Resolved = [(socket.AF_INET, name) for name in names]
        self._dialer = Dialer(poller, Names(lambda host, port, answered: answered(found), Hands(), 30.0), self.clock)

    def dial(self, tls: TlsClient | None = None, preface: bytes = b"") -> Cancel:
        cancel = self._dialer.dial(NAME, self.peer, tls, preface)
        assert self.peer.transport is None
        assert not self.peer.losses
        return cancel

    def until_over(self) -> None:
        """Take turns until the protocol has heard."""
        for _ in range(1000):
            self.clock.advance(0)
            if self.peer.transport or self.peer.losses:
                return
            self.poller.turn(0.01)
        raise AssertionError("the protocol heard nothing")


def test_an_address_that_refuses_is_followed_by_the_next(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    open_door = door(doors)
    caller = Caller(poller, refusing(), refusing(), open_door.getsockname())
    caller.dial()
    caller.until_over()
    assert caller.peer.transport.getPeer().port == open_door.getsockname()[1]
    theirs, _ = open_door.accept()
    theirs.send(b"welcome")
    turn_until(poller, lambda: caller.peer.received)
    theirs.close()
    turn_until(poller, lambda: caller.peer.losses)
    assert caller.peer.ended_cleanly
    assert not caller.clock.getDelayedCalls()


def test_an_address_that_does_not_answer_gets_company_after_its_head_start(
    poller: Epoll | Plain, doors: contextlib.ExitStack
) -> None:
    open_door = door(doors)
    caller = Caller(poller, silent(doors), open_door.getsockname())
    caller.dial()
    caller.clock.advance(HEAD_START - 0.01)
    settle(poller)
    assert caller.peer.transport is None
    caller.clock.advance(0.01)
    caller.until_over()
    assert caller.peer.transport.getPeer().port == open_door.getsockname()[1]
    assert poller.members == 1, "the other attempt is given up"
    assert not caller.clock.getDelayedCalls()


def test_an_address_that_did_not_answer_comes_last_for_a_while(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    open_door = door(doors)
    caller = Caller(poller, silent(doors), open_door.getsockname())
    caller.dial()
    caller.clock.advance(HEAD_START)
    caller.until_over()
    for _ in range(3):
        caller.peer = Peer()
        caller.dial()
        caller.until_over()
        assert caller.peer.transport.getPeer().port == open_door.getsockname()[1]
    caller.clock.advance(60)
    caller.peer = Peer()
    cancel = caller.dial()
    settle(poller)
    assert caller.peer.transport is None, "after a while it is tried first again"
    cancel()


def test_a_slow_address_may_still_win_when_its_company_fails(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    caller = Caller(poller, silent(doors), refusing())
    cancel = caller.dial()
    caller.clock.advance(HEAD_START)
    settle(poller)
    caller.clock.advance(1)
    assert poller.members == 1
    assert not caller.peer.losses
    cancel()
    assert poller.members == 0


def test_when_no_address_can_be_reached_the_last_failure_is_told_once(poller: Epoll | Plain) -> None:
    caller = Caller(poller, refusing(), refusing())
    caller.dial()
    caller.until_over()
    assert isinstance(caller.peer.loss, ConnectionRefusedError)
    assert caller.peer.transport is None
    assert poller.members == 0
    assert not caller.clock.getDelayedCalls()


def test_whoever_gives_up_hears_nothing(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    caller = Caller(poller, silent(doors), silent(doors), door(doors).getsockname())
    cancel = caller.dial()
    caller.clock.advance(HEAD_START)
    assert poller.members == 2
    cancel()
    caller.clock.advance(10)
    settle(poller)
    assert (caller.peer.transport, caller.peer.losses, poller.members) == (None, [], 0)
    assert not caller.clock.getDelayedCalls()


def test_giving_up_a_connection_that_stands_changes_nothing(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    caller = Caller(poller, door(doors).getsockname(), refusing())
    cancel = caller.dial()
    caller.until_over()
    cancel()
    assert not caller.peer.losses
    assert poller.members == 1


def test_one_address_needs_no_timer(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    caller = Caller(poller, door(doors).getsockname())
    caller.dial()
    assert not caller.clock.getDelayedCalls()


def test_a_peer_that_answers_and_cannot_speak_tls_is_the_answer(poller: Epoll | Plain, doors: contextlib.ExitStack) -> None:
    first, second = door(doors), door(doors)
    second.setblocking(False)
    caller = Caller(poller, first.getsockname(), second.getsockname())
    caller.dial(TlsClient(pool(verify=False)))
    theirs = doors.enter_context(first.accept()[0])
    settle(poller)
    # A handshake is under way: nobody else is called meanwhile.
    caller.clock.advance(HEAD_START * 2)
    theirs.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    caller.until_over()
    assert isinstance(caller.peer.loss, TlsProblem)
    with pytest.raises(BlockingIOError):
        second.accept()


def test_an_https_peer_is_looked_for_at_every_address(poller: Epoll | Plain) -> None:
    caller = Caller(poller, refusing(), refusing())
    caller.dial(TlsClient(pool(verify=False)))
    caller.until_over()
    assert isinstance(caller.peer.loss, ConnectionRefusedError)


def test_a_name_without_an_address_is_told_in_the_next_turn(poller: Epoll | Plain) -> None:
    caller = Caller(poller)
    caller.dial()
    caller.clock.advance(0)
    assert isinstance(caller.peer.loss, DNSLookupError)
    assert "app.example:80" in str(caller.peer.loss)


def test_a_socket_file_that_is_not_there_is_told_in_the_next_turn(poller: Epoll | Plain, tmp_path: Path) -> None:
    clock, peer = Clock(), Peer()
    Dialer(poller, Names(lambda *question: None, Hands(), 30.0), clock).dial(Unix(str(tmp_path / "door")), peer)
    assert not peer.losses
    clock.advance(0)
    assert isinstance(peer.loss, FileNotFoundError)


def test_a_call_that_was_given_up_before_the_name_was_known_is_not_made(poller: Epoll | Plain) -> None:
    waiting: list[Any] = []
    peer = Peer()
    names = Names(lambda host, port, answered: waiting.append(answered), Hands(), 30.0)
    Dialer(poller, names, Clock()).dial(NAME, peer)()
    waiting[0]([(socket.AF_INET, refusing())])
    assert poller.members == 0
    assert not peer.losses


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_preface_comes_first_at_every_address_and_before_tls(
    poller: Epoll | Plain, doors: contextlib.ExitStack, encrypted: bool
) -> None:
    open_door = door(doors)
    caller = Caller(poller, refusing(), open_door.getsockname())
    caller.dial(TlsClient(pool(verify=False)) if encrypted else None, preface=b"PROXY UNKNOWN\r\n")
    for _ in range(100):
        caller.clock.advance(0)
        poller.turn(0.01)
    theirs = doors.enter_context(open_door.accept()[0])
    data = theirs.recv(65536)
    assert data.startswith(b"PROXY UNKNOWN\r\n")
    # Handshakes begin with 22 (RFC 8446, 5.1).
    assert data[15:16] == (b"\x16" if encrypted else b"")
    theirs.send(b"no TLS here")
    caller.until_over()
    assert bool(caller.peer.losses) is encrypted
