"""What goes on on an operator's screen until it ends by itself, or is ended: by a key, or with the connection."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

#: Keys that end it: q, Ctrl-C, Ctrl-D.
ENDS = (b"q", b"Q", b"\x03", b"\x04")


class Stage(Protocol):
    """
    Where it is shown.

    :ivar rows: lines that can be seen at a time; None: there is no screen, only lines that follow each other
    """

    @property
    def rows(self) -> int | None: ...

    def line(self, text: str) -> None:
        """Add *text*."""

    def picture(self, text: str) -> None:
        """Show *text* in place of what was shown before."""


class Ongoing:
    """
    One of those things.

    :ivar done: fires, with None, when it has ended
    """

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()
        self.stage: Stage | None = None

    def begin(self, stage: Stage) -> None:
        """Go on from now on, on *stage*."""
        self.stage = stage
        self.began()

    def began(self) -> None:
        """There is a stage: begin."""

    def ended(self) -> None:
        """Let go of whatever goes on."""

    def stop(self, _reason: Any = None) -> None:
        """End it; once is enough."""
        if self.stage is not None:
            self.stage = None
            self.ended()
            self.done.callback(None)

    def __repr__(self) -> str:
        return "it has ended" if self.done.called else "it goes on"
