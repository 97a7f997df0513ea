"""
The history of what operators have changed, and the way back.

Every change stands in it with who made it; those that can be undone know how.  A change may end by itself (a deadline of its
own), and all changes of an operator may hang on a word that must be said in time (:meth:`Journal.expect`), whatever becomes of
the connection over which they were made.  When the process stops, or hands over to another, what hangs so is taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twistedproxy.admin.aspects import Aspect
from twistedproxy.admin.audit import Audit
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.roles import Role, Who
from twistedproxy.admin.tables import printable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twistedproxy.clock import Clock

#: Changes that are remembered.
MOST: Final = 1000

#: Who takes back what nobody has confirmed, or what was to last for some time only.
NOBODY: Final = Who("the deadline", Role.OPERATE)


@dataclass(eq=False)
class Changed:
    """
    A change.

    :ivar number: counted from 1
    :ivar at: when it was made, seconds since 1970
    :ivar command: as it could be typed again
    :ivar said: what the operator was told
    :ivar why_not: why it cannot be undone; empty when it can
    :ivar aspect: what it has changed, from *before* to *after*; None for what cannot be undone
    :ivar undone: who has undone it; empty as long as nobody has
    :ivar ends: when it is undone by itself, seconds since 1970; None: it is not
    :ivar is_late: that moment has come
    """

    number: int
    at: float
    who: Who
    command: str
    said: str
    why_not: str = ""
    aspect: Aspect | None = None
    before: Any = None
    after: Any = None
    undone: str = ""
    ends: float | None = None
    call: IDelayedCall | None = field(default=None, repr=False)
    is_late: bool = False

    @property
    def holds(self) -> bool:
        """Whether it can be undone: nobody has, and what it changed is as it left it."""
        return not self.undone and self.aspect is not None and self.aspect.now() == self.aspect.by_now(self.after)

    @property
    def is_over(self) -> bool:
        """Whether everything is as it was before, without anybody's undoing it."""
        return not self.undone and self.aspect is not None and self.aspect.now() == self.before != self.after


@dataclass(eq=False)
class Expected:
    """A word of *who* that is expected until *ends* (seconds since 1970); all changes behind *number* hang on it."""

    who: Who
    number: int
    ends: float
    call: IDelayedCall


class Journal(Service):
    """
    What was changed.

    :ivar changes: the latest, oldest first
    :ivar audit: where everything is written down
    :ivar expected: what changes hang on, by the identities of operators
    """

    log = Logger()

    def __init__(self, clock: Clock, reactor: IReactorTime, audit: Audit | None = None) -> None:
        self.changes: deque[Changed] = deque(maxlen=MOST)
        self.audit = audit or Audit()
        self.expected: dict[str, Expected] = {}
        self.clock = clock
        self._reactor = reactor
        self._number = 0

    def note(self, who: Who, command: str, said: str, why_not: str = "") -> Changed:
        """A change was made, which cannot be undone for the reason *why_not*; or as :meth:`can_undo` says."""
        self._number += 1
        command = printable(command)
        changed = Changed(self._number, self.clock.wall(), who, command, said, why_not)
        self.changes.append(changed)
        self.log.info("shell: {who}: {what}", who=who.name, what=command)
        self.audit.change(changed.at, who, changed.number, command, said)
        return changed

    def can_undo(self, changed: Changed, aspect: Aspect, before: Any, lasts: float | None = None) -> None:
        """*changed* has changed *aspect*, whose value was *before*; it is undone after *lasts* seconds, unless None."""
        changed.aspect, changed.before, changed.after = aspect, before, aspect.now()
        if lasts is not None:
            changed.ends = changed.at + lasts
            changed.call = self._reactor.callLater(lasts, self._over, changed)

    def get(self, number: int) -> Changed:
        """The change with *number*; raises VerbError."""
        for changed in self.changes:
            if changed.number == number:
                return changed
        raise VerbError(f"there is no change {number!r}; history() lists them")

    def latest(self) -> Changed | None:
        """The latest change that was not undone, whether it can be or not."""
        return next((changed for changed in reversed(self.changes) if not changed.undone and not changed.is_over), None)

    def undo(self, changed: Changed, who: Who) -> str:
        """
        Put back what *changed* has changed; returns what there is to say.

        Raises VerbError when that cannot be done, and then nothing has changed.
        """
        if changed.undone:
            raise VerbError(f"change {changed.number} was undone already, by {changed.undone}")
        if changed.aspect is None:
            raise VerbError(f"change {changed.number}, {changed.command}, cannot be undone: {changed.why_not}")
        later = self.followed_by(changed)
        if later is not None:
            first = f"{later.who}'s {later.command} followed; undo({later.number}) first"
            raise VerbError(f"change {changed.number}, {changed.command}, is not the last word: {first}")
        aspect, now = changed.aspect, changed.aspect.now()
        if now == aspect.by_now(changed.before) and now != changed.after:
            if now is not None:
                aspect.put_back(changed.before, changed.command)
            said = f"{changed.command} was over already"
        elif now == aspect.by_now(changed.after):
            aspect.put_back(changed.before, f"undone: {changed.command}")
            said = f"undone: {changed.command}"
        else:
            what = "what it changed has changed since"
            raise VerbError(f"change {changed.number}, {changed.command}, is not the last word: {what}")
        self._settle(changed, who)
        return said

    def followed_by(self, changed: Changed) -> Changed | None:
        """The latest change of the same thing, or of what it belongs to, behind *changed* that was not undone."""
        if changed.aspect is None:
            return None
        for later in reversed(self.changes):
            if later.number <= changed.number:
                break
            if not later.undone and later.aspect is not None and later.aspect.covers(changed.aspect, later.before, later.after):
                return later
        return None

    def _settle(self, changed: Changed, who: Who) -> None:
        changed.undone = who.name
        call, changed.call = changed.call, None
        if call is not None and call.active():
            call.cancel()
        # A change whose time is over may have waited for this one.
        for earlier in reversed(self.changes):
            if earlier.is_late and not earlier.undone and self.followed_by(earlier) is None:
                earlier.is_late = False
                self._take_back(earlier, NOBODY, "its time is over")

    # What ends by itself.

    def _over(self, changed: Changed) -> None:
        changed.call = None
        changed.is_late = True
        self._take_back(changed, NOBODY, "its time is over")

    def expect(self, who: Who, seconds: float) -> Expected:
        """All that *who* changes from now on is undone after *seconds*, unless :meth:`confirm` is called; again: later."""
        before = self.expected.pop(who.identity, None)
        number = self._number
        if before is not None:
            before.call.cancel()
            number = before.number
        call = self._reactor.callLater(seconds, self._unconfirmed, who)
        expected = self.expected[who.identity] = Expected(who, number, self.clock.wall() + seconds, call)
        return expected

    def hanging(self, who: Who) -> list[Changed]:
        """What *who* has changed and not confirmed yet, latest first."""
        expected = self.expected.get(who.identity)
        if expected is None:
            return []
        behind = [changed for changed in reversed(self.changes) if changed.number > expected.number]
        mine = [changed for changed in behind if changed.who.identity == who.identity]
        return [changed for changed in mine if not changed.undone and not changed.is_over]

    def confirm(self, who: Who) -> list[Changed] | None:
        """What *who* has changed stays: that; None when nothing was expected."""
        changes = self.hanging(who)
        expected = self.expected.pop(who.identity, None)
        if expected is None:
            return None
        expected.call.cancel()
        return changes

    def _unconfirmed(self, who: Who) -> None:
        changes = self.hanging(who)
        del self.expected[who.identity]
        for changed in changes:
            self._take_back(changed, NOBODY, f"{who.name} has not confirmed it")

    def _take_back(self, changed: Changed, who: Who, why: str) -> None:
        try:
            said = self.undo(changed, who)
        except VerbError as error:
            if not changed.undone:
                self.log.warn("shell: {why}, but it stays: {error}", why=why, error=str(error))
            return
        except Exception:
            self.log.failure("shell: {command} could not be undone", command=changed.command)
            return
        self.log.info("shell: {said}: {why}", said=said, why=why)
        self.audit.command(self.clock.wall(), who, f"undo({changed.number})", f"{said}: {why}")

    def take_back(self, why: str) -> None:
        """Whatever is to end by itself, or waits to be confirmed, ends now: nobody could do so later."""
        for changed in list(self._provisional()):
            self._take_back(changed, NOBODY, why)
        for expected in self.expected.values():
            expected.call.cancel()
        self.expected.clear()

    def _provisional(self) -> Iterator[Changed]:
        hanging = {changed for expected in self.expected.values() for changed in self.hanging(expected.who)}
        return (changed for changed in reversed(self.changes) if changed.call is not None or changed in hanging)

    def stopService(self) -> None:
        """Take back what hangs on something."""
        Service.stopService(self)
        self.take_back("the process stops")
        self.audit.reopen()
