"""
The opening of a client's connection: what has come is looked at before anybody takes the socket.

Nothing is taken off the socket while it is looked at (``MSG_PEEK``), so that whoever has the connection next finds every byte in
its place: OpenSSL the ClientHello by which its server was chosen, a tunnel all of it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.python.failure import Failure

from twistedproxy.transport.deadlines import Deadlines, Timed
from twistedproxy.transport.poller import Poller, forget

#: Seconds until a socket is looked at again that tells of bytes which we know already.
_LOOK: Final = 0.1

#: Understands what has come so far, or says how many bytes there must be at least; raises its own errors.
Read = Callable[[bytes], Any]
#: Hears what was understood, or why nothing was.
OnEnd = Callable[[Any], None]


class NotOpened(Exception):
    """Nothing could be understood; the text says why."""


class Opening(Timed):
    """
    A look at what a connection begins with, in the poller.

    It ends with exactly one call: of *done*, with what *read* has made of the bytes, or of *failed*, with the error.  The socket
    stays open and is the caller's again, with every byte that has come.

    :param read: is given what has come, and returns an ``int`` when it needs that many bytes
    :param most: so many bytes are looked at; when that is not enough it has failed
    :param refusals: the errors that *read* raises
    """

    __slots__ = ("_deadlines", "_done", "_failed", "_most", "_over", "_poller", "_read", "_refusals", "_seen", "_sock", "_until")

    def __init__(
        self, sock: socket.socket, poller: Poller, read: Read, most: int, refusals: type[Exception], deadlines: Deadlines
    ) -> None:
        super().__init__()
        self._sock = sock
        self._poller = poller
        self._read = read
        self._most = most
        self._refusals = refusals
        self._deadlines = deadlines
        self._done: OnEnd | None = None
        self._failed: OnEnd | None = None
        self._until = 0.0
        self._seen = 0
        self._over = False

    def start(self, timeout: float, done: OnEnd, failed: OnEnd) -> None:
        """Begin; it must have come within *timeout* seconds."""
        self._done, self._failed = done, failed
        self._until = self._deadlines.now() + timeout
        self._deadlines.watch(self, self._until)
        self._poller.addReader(self)

    def abort(self) -> None:
        """Give up: *failed* is called."""
        self._fail(NotOpened("it was given up"))

    def doRead(self) -> None:
        try:
            data = self._sock.recv(self._most, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self._fail(NotOpened(problem.strerror or str(problem)))
            return
        if not data:
            self._fail(NotOpened("the client has left"))
            return
        try:
            found = self._read(data)
        except self._refusals as problem:
            self._fail(problem)
            return
        if not isinstance(found, int):
            done = self._done
            self._leave()
            if done is not None:
                done(found)
        elif len(data) >= self._most:
            self._fail(NotOpened(f"it is longer than {self._most} bytes"))
        else:
            self._wait(len(data), found)

    def _wait(self, have: int, needs: int) -> None:
        if have > self._seen:
            self._seen = have
            # The kernel tells of nothing more until that much is there.
            if _wake_at(self._sock, min(needs, self._most)):
                return
        # It tells of what we know already: the client has ended its side, or the kernel does not know how to wait.
        forget(self._poller, self)
        self._deadlines.watch(self, min(self._deadlines.now() + _LOOK, self._until))

    def deadline_passed(self, now: float) -> None:
        if now >= self._until:
            self._fail(NotOpened("it did not come in time"))
        else:
            self._deadlines.watch(self, self._until)
            self._poller.addReader(self)

    def _fail(self, problem: Exception) -> None:
        if not self._over:
            failed = self._failed
            self._leave()
            if failed is not None:
                failed(problem)

    def _leave(self) -> None:
        self._over = True
        self._done = self._failed = None  # which probably know of us: a circle
        self._deadlines.forget(self)
        forget(self._poller, self)
        if self._seen:
            _wake_at(self._sock, 1)

    # What else the poller calls.

    def doWrite(self) -> None:
        """Never registered for writing."""

    def connectionLost(self, reason: Failure) -> None:
        """Reading failed in a way that we do not know."""
        self._fail(NotOpened(reason.getErrorMessage()))

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "opening"


def _wake_at(sock: socket.socket, size: int) -> bool:
    """Have the kernel tell of the socket only when *size* bytes are there (TCP on Linux); whether it does."""
    if sock.family == socket.AF_UNIX:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
    except OSError:
        return False
    return True
