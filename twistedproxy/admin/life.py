"""The process as a whole, as the shell and the status port see it: what it is about to do, and what it can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted.internet.defer import Deferred

from twistedproxy.config.plan import Plan
from twistedproxy.config.problems import Problem


class Stage(Enum):
    """Where the process is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FINISHING = "finishing"
    STOPPING = "stopping"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Reloaded:
    """
    A reload that was made.

    :ivar warnings: of the file
    :ivar failed: what did not go well all the same, one line each
    """

    plan: Plan
    warnings: tuple[Problem, ...] = ()
    failed: tuple[str, ...] = ()


class CannotBeDone(Exception):
    """What was asked for cannot be done; the text says why."""


class Life(Protocol):
    """
    What can be asked of the process.

    :ivar stage: where it is
    :ivar drain_delay: seconds that listeners stay open while it drains, unless somebody says otherwise
    """

    stage: Stage

    @property
    def drain_delay(self) -> float: ...

    def plan(self) -> Deferred[Plan]:
        """What a reload would change; fails with ConfigError."""

    def reload(self, who: str) -> Deferred[Reloaded]:
        """Let the file as it is now be the site.  Fails, and then nothing has changed."""

    def drain(self, who: str, delay: float | None = None) -> None:
        """Be not ready at once, close the listeners after *delay* seconds, and leave when the last connection has ended."""

    def undrain(self, who: str) -> bool:
        """Be ready again, as long as the listeners are open; False when they are not."""

    def upgrade(self, who: str) -> Deferred[int]:
        """
        Start the program anew beside this one, and leave when it has taken over.

        The Deferred fires with the number of the new process; it fails with :class:`CannotBeDone`, and this one serves on.
        """
