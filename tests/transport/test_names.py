"""Names of peers: asked once, remembered, renewed while the old answer serves."""

from __future__ import annotations

import socket

import pytest

from tests.transport.test_deadlines import Hands
from twistedproxy.transport.names import Answered, Names, Resolved, system_look_up

ONE: Resolved = [(socket.AF_INET, ("192.0.2.1", 80))]
TWO: Resolved = [(socket.AF_INET, ("192.0.2.2", 80))]


class Resolver:
    """Keeps questions until they are answered by hand."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, int, Answered]] = []

    def __call__(self, host: str, port: int, answered: Answered) -> None:
        self.questions.append((host, port, answered))

    def answer(self, addresses: Resolved) -> None:
        self.questions.pop(0)[2](list(addresses))


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def names(resolver: Resolver, hands: Hands) -> Names:
    return Names(resolver, hands, 30.0)


def asked(names: Names, host: str = "app.example") -> list[Resolved]:
    answers: list[Resolved] = []
    names.resolve(host, 80, answers.append)
    return answers


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 80))), ("::1", (socket.AF_INET6, ("::1", 80, 0, 0)))],
)
def test_a_literal_address_is_answered_at_once(names: Names, resolver: Resolver, host: str, expected: object) -> None:
    assert asked(names, host) == [[expected]]
    assert resolver.questions == []


def test_all_who_wait_get_the_one_answer(names: Names, resolver: Resolver) -> None:
    first, second = asked(names), asked(names)
    assert len(resolver.questions) == 1
    assert first == second == []
    resolver.answer(ONE)
    assert first == second == [ONE]


def test_an_answer_is_remembered(names: Names, resolver: Resolver, hands: Hands) -> None:
    asked(names)
    resolver.answer(ONE)
    hands.advance(29)
    assert asked(names) == [ONE]
    assert resolver.questions == []


def test_an_old_answer_serves_while_it_is_renewed(names: Names, resolver: Resolver, hands: Hands) -> None:
    asked(names)
    resolver.answer(ONE)
    hands.advance(31)
    assert asked(names) == [ONE]
    assert asked(names) == [ONE]
    assert len(resolver.questions) == 1
    resolver.answer(TWO)
    assert asked(names) == [TWO]


def test_a_failed_renewal_keeps_the_old_answer_and_is_tried_again_soon(names: Names, resolver: Resolver, hands: Hands) -> None:
    asked(names)
    resolver.answer(ONE)
    hands.advance(31)
    asked(names)
    resolver.answer([])
    assert asked(names) == [ONE]
    assert resolver.questions == []
    hands.advance(1.1)
    assert asked(names) == [ONE]
    resolver.answer(TWO)
    assert asked(names) == [TWO]


def test_an_unknown_name_is_answered_with_nothing_and_asked_again_soon(names: Names, resolver: Resolver, hands: Hands) -> None:
    answers = asked(names)
    resolver.answer([])
    assert answers == [[]]
    assert asked(names) == [[]]
    assert resolver.questions == []
    hands.advance(1.1)
    answers = asked(names)
    resolver.answer(ONE)
    assert answers == [ONE]


def test_several_addresses_take_turns_at_the_head(names: Names, resolver: Resolver) -> None:
    asked(names)
    resolver.answer(ONE + TWO)
    assert [asked(names)[0][0] for _ in range(3)] == [ONE[0], TWO[0], ONE[0]]
    assert len(asked(names)[0]) == 2


def test_the_system_is_asked_in_a_thread_and_answers_without_repeats() -> None:
    answers: list[Resolved] = []
    look_up = system_look_up(lambda ask: ask(), lambda answered, found: answered(found))
    look_up("127.0.0.1", 80, answers.append)
    assert answers == [[(socket.AF_INET, ("127.0.0.1", 80))]]


def test_a_name_that_cannot_be_a_name_is_unknown() -> None:
    answers: list[Resolved] = []
    look_up = system_look_up(lambda ask: ask(), lambda answered, found: answered(found))
    look_up("x" * 300 + ".example", 80, answers.append)
    assert answers == [[]]


def test_what_is_known_is_told_without_asking(names: Names, resolver: Resolver) -> None:
    assert names.known("app.example", 80) == []
    assert not resolver.questions
    asked(names)
    assert names.known("app.example", 80) == []
    resolver.answer(TWO + ONE)
    assert names.known("app.example", 80) == ["192.0.2.1", "192.0.2.2"]
    assert names.known("192.0.2.9", 80) == []


def test_names_that_nobody_asks_for_any_more_are_forgotten_when_there_are_many(
    names: Names, resolver: Resolver, hands: Hands
) -> None:
    for number in range(1500):
        asked(names, f"n{number}.example")
        resolver.answer(ONE)
    hands.advance(700)
    asked(names, "one.more.example")
    resolver.answer(ONE)
    assert len(names._known) == 1
    assert asked(names, "n7.example") == []
    resolver.answer(TWO)
    assert asked(names, "n7.example") == [TWO]
