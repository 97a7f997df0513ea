"""What guards need of the world: time, threads, and answers of other servers; handed in, so that plays can do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime

from twistedproxy.clock import Clock
from twistedproxy.message import Field

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server has answered: its body up to the size that was asked for, and whether that is all of it."""

    status: int
    fields: tuple[Field, ...]
    body: bytes
    whole: bool = True


class Fetch(Protocol):
    """Asks a server something."""

    def __call__(self, url: str, fields: tuple[Field, ...], timeout: float, most: int) -> Deferred[Fetched]:
        """
        GET *url* with *fields*; no redirect is followed.  The Deferred fails when there is no answer within *timeout* seconds.

        :param most: bytes of the body that are read
        """


class InThread(Protocol):
    """Runs what takes long beside the reactor."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """What *work* returns, or raises."""


@dataclass(frozen=True, slots=True)
class Premises:
    """
    Where guards stand.

    :ivar secret: of this process; nobody outside knows it
    """

    clock: Clock
    reactor: IReactorTime
    in_thread: InThread
    fetch: Fetch
    secret: bytes


def at_once(work: Callable[[], T]) -> Deferred[T]:
    """In the place of a thread."""
    return maybeDeferred(work)


def threads(reactor: Any) -> InThread:
    """The threads of *reactor*."""
    from twisted.internet.threads import deferToThreadPool

    def in_thread(work: Callable[[], T]) -> Deferred[T]:
        deferred: Deferred[T] = deferToThreadPool(reactor, reactor.getThreadPool(), work)
        return deferred

    return in_thread
