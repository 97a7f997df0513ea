"""Where the lines of a log go, as the log sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred


class Output(Protocol):
    """
    Takes lines, and passes them on without ever waiting.

    :ivar name: what messages call it
    :ivar lost: lines that were taken and could not be passed on
    """

    name: str
    lost: int

    @property
    def pending(self) -> int:
        """Bytes that were added and have not been passed on."""

    def open(self) -> None:
        """Begin; raises OSError, after which :meth:`flush` tries again."""

    def add(self, lines: Sequence[bytes]) -> None:
        """Take whole lines, each with its newline."""

    def flush(self) -> None:
        """
        Pass on what goes without waiting; what does not stays.

        :raises OSError: nothing goes at the moment, and why
        """

    def reopen(self) -> None:
        """Begin anew, in a new file of the same name for instance; raises OSError likewise."""

    def close(self) -> Deferred[None] | None:
        """Stop; what is pending then is lost.  The Deferred fires when what was passed on is gone."""
