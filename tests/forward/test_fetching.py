"""Questions to servers beside the data path."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from twistedproxy.forward.guards.fetching import Fetcher
from twistedproxy.forward.guards.premises import Fetched


def failure_of(fetched: Deferred[Fetched]) -> list[BaseException]:
    """What goes wrong with *fetched*, once it does."""
    problems: list[BaseException] = []
    fetched.addErrback(lambda failure: problems.append(failure.value))
    return problems


def test_a_server_that_does_not_answer_is_told_of_in_words() -> None:
    reactor = MemoryReactorClock()
    problems = failure_of(Fetcher(reactor)("http://127.0.0.1:4180/auth", (), 5.0, 1000))
    reactor.advance(5.1)
    assert [str(problem) for problem in problems] == ["no answer within 5 s"]
