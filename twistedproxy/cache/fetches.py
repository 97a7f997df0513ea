"""
Collapsed requests: of those that want the same, one goes to a peer, and the others wait for its answer.

A fetch is such a request on its way.  When the head of its answer is here, those who wait are told, some in each turn of the
reactor: to read along while the answer is being stored, to look into the cache again, to go to a peer each by himself, or, when
the fetch has failed, one of them to take it over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistedproxy.cache.fill import Fill
from twistedproxy.cache.key import Values
from twistedproxy.cache.outcomes import LookupVerdict

#: A primary key, the variant of it as far as that is known, and whether those who ask say who they are: what is answered to
#: them may be for nobody else, which must not hinder the others.
Place = tuple[bytes, Values, bool]

#: Seconds for which requests of a key do not wait for each other, after an answer that could not be shared.
PASSING: Final = 120.0
_REMEMBERED: Final = 4096

#: Of those who wait, so many are told in one turn of the reactor.
_AT_A_TIME: Final = 128


class Follower(Protocol):
    """A request that waits for the answer to another one."""

    def lead(self, fetch: Fetch) -> None:
        """Take *fetch* over: ask a peer."""

    def follow(self, fill: Fill) -> None:
        """The answer is being stored: read along."""

    def look_again(self) -> None:
        """The answer is stored: look into the cache."""

    def stand_in(self, case: str, fwd_status: int | None) -> None:
        """The fetch has found an error, and its client was served what is stored though stale: likewise, because of *case*."""

    def go_alone(self, verdict: LookupVerdict) -> None:
        """Ask a peer, because of *verdict*."""


class State(Enum):
    """How far a fetch is."""

    ASKING = "a peer was asked"
    FILLING = "the answer is being stored"
    STORED = "the answer is stored"
    STALE = "the answer was an error, and what is stored stands in for it"
    REFUSED = "the answer is not for others"
    FAILED = "there is no answer"


class Fetch:
    """
    A request on its way to a peer, and those who wait for its answer.  Whoever leads it tells how it goes.

    :ivar place: what is fetched
    :ivar state: how far it is
    :ivar fill: the answer, while it is being stored
    :ivar names: the fields of Vary, once the answer is here
    :ivar alone: called when nobody waits any more, before there is an answer
    """

    __slots__ = ("_case", "_fetches", "_followers", "_telling", "_timer", "alone", "fill", "names", "place", "state")

    def __init__(self, fetches: Fetches, place: Place) -> None:
        self.place = place
        self.state = State.ASKING
        self.fill: Fill | None = None
        self.names: tuple[bytes, ...] = ()
        self.alone: Callable[[], object] | None = None
        self._fetches = fetches
        # With the time until which each waits.
        self._followers: dict[Follower, float] = {}
        self._telling = False
        self._timer: IDelayedCall | None = None
        self._case: tuple[str, int | None] = ("error", None)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._followers)

    def join(self, follower: Follower, timeout: float) -> None:
        """*follower* waits for the answer, at most *timeout* seconds."""
        until = self._followers[follower] = self._fetches.reactor.seconds() + timeout
        if self.state is not State.ASKING:
            self._tell_soon()
        elif self._timer is None:
            self._timer = self._fetches.reactor.callLater(timeout, self._timed_out)
        elif self._timer.getTime() > until:
            self._timer.reset(timeout)

    def leave(self, follower: Follower) -> None:
        """*follower* does not wait any more."""
        if self._followers.pop(follower, None) is not None and not self._followers and self.alone is not None:
            self.alone()

    # How it goes.

    def filling(self, fill: Fill) -> None:
        """The head of the answer is here, and it is being stored."""
        self.fill = fill
        self._is(State.FILLING)

    def stored(self) -> None:
        """The answer is stored."""
        self.fill = None
        self._over(State.STORED)

    def stands_in(self, case: str, fwd_status: int | None) -> None:
        """Of what was stored, the stale response is served instead of an error, because of *case*."""
        self._case = (case, fwd_status)
        self._over(State.STALE)

    def refused(self) -> None:
        """The answer is not for others."""
        self._over(State.REFUSED)

    def failed(self) -> None:
        """There is no answer, or no whole one: somebody else leads, if anybody waits."""
        self.fill = None
        if self._followers:
            self._is(State.FAILED)
        else:
            self._over(State.FAILED)

    def _over(self, state: State) -> None:
        self._fetches.forget(self)
        self._is(state)

    def _is(self, state: State) -> None:
        self.state = state
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._followers:
            self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._fetches.reactor.callLater(0, self._tell)

    def _tell(self) -> None:
        self._telling = False
        for _ in range(_AT_A_TIME):
            if not self._followers or self.state is State.ASKING:
                break
            follower = next(iter(self._followers))
            del self._followers[follower]
            self._tell_one(follower)
        if self._followers and self.state is not State.ASKING:
            self._tell_soon()
        elif self._followers and self._timer is None:
            # Another one leads now, and the others wait on.
            self._wait_on()
        elif self.state is State.FAILED:
            self._fetches.forget(self)

    def _tell_one(self, follower: Follower) -> None:
        state = self.state
        if state is State.FILLING and self.fill is not None and self.fill.is_open:
            follower.follow(self.fill)
        elif state is State.STORED:
            follower.look_again()
        elif state is State.STALE:
            follower.stand_in(*self._case)
        elif state is State.FAILED:
            self.state = State.ASKING
            follower.lead(self)
        else:
            follower.go_alone(LookupVerdict.NOT_SHARED)

    # Those who have waited long enough.

    def _wait_on(self) -> None:
        now = self._fetches.reactor.seconds()
        first = min(self._followers.values())
        # Not more often than every 50 ms, however they came.
        self._timer = self._fetches.reactor.callLater(max(0.05, first - now), self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        now = self._fetches.reactor.seconds()
        due = [follower for follower, until in self._followers.items() if until <= now]
        for follower in due[:_AT_A_TIME]:
            # One may have left because of another one.
            if self._followers.pop(follower, None) is not None:
                follower.go_alone(LookupVerdict.LOCK_TIMEOUT)
        if self._followers and self.state is State.ASKING and self._timer is None:
            if len(due) > _AT_A_TIME:
                self._timer = self._fetches.reactor.callLater(0, self._timed_out)
            else:
                self._wait_on()


class Fetches:
    """The fetches of a cache, by what they fetch."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.reactor = reactor
        self._fetches: dict[Place, Fetch] = {}
        # Keys whose answers could not be shared, and until when nobody waits for one.
        self._passing: OrderedDict[tuple[bytes, bool], float] = OrderedDict()

    def of(self, place: Place) -> Fetch | None:
        """The fetch of *place* that goes on."""
        return self._fetches.get(place)

    def begin(self, place: Place) -> Fetch:
        """Somebody is about to ask a peer for *place*; others may wait for the answer."""
        fetch = self._fetches[place] = Fetch(self, place)
        return fetch

    def forget(self, fetch: Fetch) -> None:
        """Nobody else joins *fetch*."""
        if self._fetches.get(fetch.place) is fetch:
            del self._fetches[fetch.place]

    def passes(self, key: bytes, named: bool) -> bool:
        """
        Whether the requests of *key* go to a peer each by itself for now.

        :param named: of those who say who they are
        """
        until = self._passing.get((key, named))
        if until is None:
            return False
        if until <= self.reactor.seconds():
            del self._passing[key, named]
            return False
        return True

    def let_pass(self, key: bytes, named: bool) -> None:
        """The answer for *key* could not be shared: for a while nobody waits for such."""
        self._passing[key, named] = self.reactor.seconds() + PASSING
        self._passing.move_to_end((key, named))
        if len(self._passing) > _REMEMBERED:
            self._passing.popitem(last=False)

    def collapse_again(self, key: bytes, named: bool) -> None:
        """An answer for *key* can be shared after all."""
        if self._passing:
            self._passing.pop((key, named), None)
