"""What active checks make of a peer: how many must pass or fail in a row before its state follows."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.pools import PoolSettings


@dataclass(frozen=True, slots=True)
class CheckResult:
    """
    What one active check found.

    :ivar at: when it began, seconds since 1970 (wall clock)
    :ivar duration: seconds until its outcome was known
    :ivar reason: why it failed; empty when it passed
    :ivar counts: it says something of the peer, and not only of the proxy
    """

    at: float
    duration: float
    passed: bool
    reason: str = ""
    counts: bool = True

    def __str__(self) -> str:
        return f"{'passed' if self.passed else self.reason} ({self.duration * 1000:.0f} ms)"


class Standing:
    """
    The standing of one peer with its checks.

    :ivar passes: what they have found last; before they have found anything, what ``check_initial`` says
    """

    __slots__ = ("_fall", "_rise", "_streak", "_to_prove", "passes")

    def __init__(self, pool: PoolSettings) -> None:
        self._rise = pool.rise
        self._fall = pool.fall
        self._streak = 0
        #: Checks that must pass before it is up for the first time; 0 once it was, and once one has failed.
        self._to_prove = 0
        if pool.check is not None and pool.check_initial != "up":
            self._to_prove = 1 if pool.check_initial == "unknown" else pool.rise
        self.passes = not self._to_prove

    @property
    def is_firm(self) -> bool:
        """Whether the peer passes, and its last check said so, too: nothing is to be feared or hoped for."""
        return self.passes and not self._streak

    def revise(self, pool: PoolSettings) -> bool:
        """
        The pool says something else of checks now; what they have found so far holds.

        :returns: it passes from now on, since nobody would ever find it well again
        """
        self._rise = pool.rise
        self._fall = pool.fall
        if pool.check is not None or self.passes:
            return False
        self._streak = self._to_prove = 0
        self.passes = True
        return True

    def recall(self, *, passes: bool) -> None:
        """What it was when the process ended; who must prove itself has to do so again."""
        self.passes = passes and not self._to_prove

    def heard(self, result: CheckResult) -> str:
        """Take note of a check; why the standing is another now, or is known for the first time, and empty if it is as before."""
        if not result.counts:
            return ""
        if self._to_prove and not result.passed:
            self._to_prove = self._streak = 0
            return f"its first check failed: {result.reason}"
        if result.passed is self.passes:
            self._streak = 0
            return ""
        self._streak += 1
        if self._streak < (self._to_prove or self._rise if result.passed else self._fall):
            return ""
        checks = "1 check" if self._streak == 1 else f"{self._streak} checks"
        self._streak = self._to_prove = 0
        self.passes = result.passed
        return f"{checks} passed" if result.passed else f"{checks} failed, the last: {result.reason}"
