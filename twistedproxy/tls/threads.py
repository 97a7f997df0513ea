"""Threads for what waits for others: nobody waits for them when the process ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

#: Seconds for which a thread waits for the reactor, which may have ended.
_PATIENCE: Final = 5.0


def in_daemon(reactor: Any, call: Callable[[], Any]) -> Deferred[Any]:
    """Call *call* in a thread of its own, a daemon; the Deferred fires in the reactor's thread."""
    done: Deferred[Any] = Deferred()

    def run() -> None:
        try:
            result = call()
        except BaseException:
            result = Failure()
        reactor.callFromThread(done.callback, result)

    threading.Thread(target=run, daemon=True).start()
    return done


def in_reactor(reactor: Any, call: Callable[[], None]) -> None:
    """From another thread: let the reactor's call *call*, and wait until it has; not for long, for it may have stopped."""
    called = threading.Event()

    def run() -> None:
        try:
            call()
        finally:
            called.set()

    reactor.callFromThread(run)
    called.wait(_PATIENCE)
