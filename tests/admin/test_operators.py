"""Who may log in to the dashboard, and how often one may be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import bcrypt
import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from tests.admin.site import HandClock, Log
from twistedproxy.admin.dashboard.operators import SESSION, STRIKE_EVERY, STRIKES, Operators, Refused, Strikes
from twistedproxy.forward.guards.basic import Passwords
from twistedproxy.forward.guards.premises import Premises

T = TypeVar("T")


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


class Threads:
    """
    Work beside the reactor, which is done when somebody says so.

    :ivar done: so much of it
    """

    def __init__(self) -> None:
        self.done = 0
        self.waiting: list[Callable[[], object]] = []

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        done: Deferred[Any] = Deferred()
        self.waiting.append(lambda: maybeDeferred(work).chainDeferred(done))
        return done

    def work(self) -> None:
        while self.waiting:
            self.done += 1
            self.waiting.pop(0)()


class Gate:
    """Operators ann and bob, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.clock = HandClock()
        self.threads = Threads()
        self.file = directory / "users"
        self.file.write_text(f"ann:{hashed('sesame')}\nbob:{hashed('other')}\n")
        unused: Any = None
        self.premises = Premises(self.clock, self.clock, self.threads, unused, b"secret")
        self.operators = Operators(Passwords(str(self.file), self.premises), self.clock)

    def log_in(self, name: str = "ann", password: str = "sesame", address: str = "192.0.2.1") -> str | Refused:
        told: list[Any] = []
        self.operators.log_in(name, password, address).addBoth(told.append)
        self.threads.work()
        (answer,) = told
        assert isinstance(answer, str | Refused), answer
        return answer


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_whoever_knows_the_password_gets_a_token(gate: Gate) -> None:
    with Log() as log:
        token = gate.log_in()
    assert isinstance(token, str) and len(token) == 64
    assert gate.operators.who(token) == "ann"
    assert gate.operators.who(token[:-1]) is None
    assert log.lines == ["status: ann logs in from 192.0.2.1"]


@pytest.mark.parametrize("name", ["ann", "nobody", "", "a\0b", "ann\ud800"])
def test_whoever_does_not_is_told_the_same_whoever_he_says_he_is(gate: Gate, name: str) -> None:
    with Log() as log:
        assert gate.log_in(name, "wrong") is Refused.WRONG
    assert "192.0.2.1 said a wrong password" in log.lines[0]


def test_passwords_are_checked_beside_the_reactor(gate: Gate) -> None:
    told: list[Any] = []
    gate.operators.log_in("ann", "sesame", "192.0.2.1").addBoth(told.append)
    assert told == [] and len(gate.threads.waiting) == 1
    gate.threads.work()
    assert len(told) == 1


def test_wrong_passwords_are_heard_a_few_times_and_then_now_and_then(gate: Gate) -> None:
    for number in range(STRIKES):
        assert gate.log_in(password=f"guess {number}") is Refused.WRONG
    # Not even the right one: who guesses learns nothing.
    assert gate.log_in() is Refused.TOO_OFTEN
    assert gate.threads.waiting == []
    assert isinstance(gate.log_in(address="192.0.2.2"), str)
    gate.clock.advance(STRIKE_EVERY)
    assert gate.log_in(password="guess again") is Refused.WRONG
    assert gate.log_in() is Refused.TOO_OFTEN
    gate.clock.advance(STRIKE_EVERY)
    assert isinstance(gate.log_in(), str)


def test_guesses_at_the_same_time_are_counted_before_they_are_checked(gate: Gate) -> None:
    told: list[Any] = []
    for number in range(STRIKES + 3):
        gate.operators.log_in("ann", f"guess {number}", "192.0.2.1").addBoth(told.append)
    assert told == [Refused.TOO_OFTEN] * 3
    gate.threads.work()
    assert told[3:] == [Refused.WRONG] * STRIKES


def test_right_passwords_are_no_guesses(gate: Gate) -> None:
    for _ in range(3 * STRIKES):
        assert isinstance(gate.log_in(), str)


def test_an_ipv6_client_is_known_by_its_network() -> None:
    strikes = Strikes()
    for number in range(STRIKES):
        strikes.add(f"2001:db8::{number}", 0.0)
    assert strikes.wait("2001:db8::ffff", 0.0) > 0
    assert strikes.wait("2001:db8:0:1::1", 0.0) == 0


def test_as_many_addresses_as_anybody_has_take_so_much_memory_and_no_more() -> None:
    strikes = Strikes()
    for number in range(10_000):
        strikes.add(f"10.0.{number // 256}.{number % 256}", 0.0)
    assert len(strikes._until) <= 4096


def test_a_session_ends(gate: Gate) -> None:
    first, second = gate.log_in(), gate.log_in()
    assert isinstance(first, str) and isinstance(second, str)
    gate.operators.log_out(first)
    assert (gate.operators.who(first), gate.operators.who(second)) == (None, "ann")
    gate.clock.advance(SESSION)
    assert gate.operators.who(second) is None


def test_whoever_leaves_the_file_is_logged_out(gate: Gate) -> None:
    ann, bob = gate.log_in(), gate.log_in("bob", "other")
    assert isinstance(ann, str) and isinstance(bob, str)
    gate.file.write_text(f"ann:{hashed('another one')}\n")
    os.utime(gate.file, (1, 1))
    gate.clock.advance(2)
    with Log():
        assert gate.operators.who(ann) is None
        assert gate.operators.who(bob) is None


def test_the_oldest_session_makes_room(gate: Gate) -> None:
    tokens = [gate.log_in() for _ in range(101)]
    known = [gate.operators.who(token) for token in tokens if isinstance(token, str)]
    assert known == [None] + ["ann"] * 100
