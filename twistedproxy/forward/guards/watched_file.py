"""A small file that is read again when it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from twisted.logger import Logger

from twistedproxy.clock import Clock

T = TypeVar("T")
#: Seconds from one look at the file to the next.
_LOOK: Final = 1.0

_log = Logger()


class WatchedFile(Generic[T]):
    """
    What a file says; looked at, when it is needed, once a second.  What cannot be read or understood leaves things as they are.

    :param understand: bytes to what they mean; ValueError when they mean nothing
    :raises OSError: it cannot be read
    :raises ValueError: it cannot be understood
    """

    def __init__(self, path: str, understand: Callable[[bytes], T], clock: Clock) -> None:
        self.path = path
        self._understand = understand
        self._clock = clock
        self._stamp = self._seen()
        self._said = self._read()
        self._next = clock.monotonic() + _LOOK

    @property
    def said(self) -> T:
        """What the file says now."""
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + _LOOK
            self._look()
        return self._said

    def _look(self) -> None:
        try:
            stamp = self._seen()
            if stamp == self._stamp:
                return
            said = self._read()
        except (OSError, ValueError) as problem:
            if self._stamp is not None:
                _log.warn(
                    "{path} has changed and cannot be used: {problem}; what it said before counts",
                    path=self.path,
                    problem=problem,
                )
                self._stamp = None
            return
        self._stamp, self._said = stamp, said
        _log.info("{path} has changed and was read again", path=self.path)

    def _seen(self) -> tuple[int, int, int] | None:
        found = os.stat(self.path)
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> T:
        with open(self.path, "rb") as file:
            return self._understand(file.read())
