"""What happens beside the data path of a play: threads, and servers that guards ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from twisted.internet.defer import Deferred, maybeDeferred

from tests.kit.clock import HandClock
from tests.kit.party import spoken
from twistedproxy.forward.guards.premises import Fetched
from twistedproxy.message import Field, Headers

T = TypeVar("T")


@dataclass
class Question:
    """What a guard has asked a server, and has no answer to yet."""

    url: str
    headers: Headers
    answer: Deferred[Fetched]
    turn: Callable[[], None]

    def answers(self, text: str, body: bytes = b"") -> None:
        """The server answers with a head as text, and with *body*."""
        start, *lines = spoken(text).decode("latin-1").rstrip("\r\n").split("\r\n")
        fields = tuple(
            (name.encode("latin-1"), value.encode("latin-1")) for name, _, value in (line.partition(": ") for line in lines)
        )
        self.answer.callback(Fetched(int(start.split(" ")[1]), fields, body))
        self.turn()

    def fails(self) -> None:
        """The server refuses the connection."""
        self.answer.errback(ConnectionRefusedError("connection refused"))
        self.turn()


class Beside:
    """
    Threads that are done at once, and servers that a play speaks for.

    :ivar seconds: that a piece of work takes
    :ivar works: pieces of work that threads have done
    :ivar questions: asked, and not taken up by the play yet
    """

    def __init__(self, clock: HandClock, turn: Callable[[], None]) -> None:
        self._clock = clock
        self._turn = turn
        self.seconds = 0.0
        self.works = 0
        self.questions: list[Question] = []

    def in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        """*work* is done in a later turn, or some time later."""
        done: Deferred[T] = Deferred()

        def run() -> None:
            self.works += 1
            maybeDeferred(work).chainDeferred(done)

        self._clock.callLater(self.seconds, run)
        return done

    def fetch(self, url: str, fields: tuple[Field, ...], timeout: float, most: int) -> Deferred[Fetched]:
        """As :class:`twistedproxy.forward.guards.premises.Fetch`."""
        answer: Deferred[Fetched] = Deferred()
        answer.addTimeout(timeout, self._clock, lambda _failure, _seconds: _late())
        self.questions.append(Question(url, Headers(fields), answer, self._turn))
        return answer

    def question(self) -> Question:
        """The next question that the play takes up."""
        assert self.questions, "no server was asked anything"
        return self.questions.pop(0)


def _late() -> Fetched:
    raise TimeoutError("no answer in time")
