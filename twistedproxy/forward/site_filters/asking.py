"""How filters of the site are asked: with a time, and without harm when they fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


def asked(reactor: IReactorTime, timeout: float, ask: Callable[..., Any], *about: object) -> Awaitable[Any] | Any:
    """What *ask* returns; a Deferred, which fails after *timeout* seconds, when it takes its time (a coroutine or a Deferred)."""
    result = ask(*about)
    if isinstance(result, Coroutine):
        result = Deferred.fromCoroutine(result)
    if isinstance(result, Deferred):
        result.addTimeout(timeout, reactor)
    return result


def told(route: str, which: object, failure: Failure) -> None:
    """Tell the operator of a filter that has failed."""
    _log.failure("a filter of {route} has failed: {which}", failure, route=route, which=type(which).__qualname__)
