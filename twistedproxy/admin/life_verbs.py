"""Verbs about the process as a whole: its file read again, its leave, and the program started anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred

from twistedproxy.admin.changes import Changes
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.life import Life, Reloaded
from twistedproxy.admin.live import Live
from twistedproxy.admin.roles import Role
from twistedproxy.admin.tables import duration
from twistedproxy.admin.touched import touched
from twistedproxy.admin.verb import Said, Verb
from twistedproxy.config.plan import Plan

T = TypeVar("T")


class LifeVerbs:
    """The verbs of one operator, whose changes are *changes*."""

    def __init__(self, live: Live, changes: Changes) -> None:
        self.live = live
        self._changes = changes
        self._asker = f"shell: {changes.who}"

    def verbs(self) -> list[Verb]:
        """In the order in which help() lists them."""
        return [Verb(each, (), Role.OPERATE) for each in (self.reload, self.retire, self.unretire, self.upgrade)]

    def reload(self, plan: bool = False) -> Deferred[Said]:
        """
        read site.ini again, and let it be the site

        reload(plan=True) only tells what that would change, and which connections it touches.  A file with errors changes
        nothing: all of them are told.  What has not changed keeps its connections, health, counters and cache; requests and
        WebSockets on what has changed finish under the old rules.
        """
        life = self._life()
        if plan or self._changes.is_dry:
            return _said(life.plan(), self._planned)
        made: Deferred[Said] = self._changes.make_for_good(
            "reload()", lambda: _said(life.reload(self._asker), reloaded), "", "the file is what it is: edit it, and reload()"
        )
        return made

    def _planned(self, plan: Plan) -> str:
        return touched(plan, self.live)

    def retire(self, delay: float | None = None) -> Said:
        """
        let the whole proxy take its leave: no longer ready, then its listeners close, then it ends with its last connection

        delay: seconds between the first two, for balancers that look at /ready; drain_delay of site.ini without.
        unretire() takes it back as long as the listeners are open.
        """
        life = self._life()
        if delay is not None and (isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay < 1e9):
            raise VerbError(f"a delay is a number of seconds, not {delay!r}")
        lasts = life.drain_delay if delay is None else float(delay)

        def do() -> str:
            life.drain(self._asker, lasts)
            return f"not ready any more; the listeners close in {duration(lasts)}, unless unretire() takes it back"

        said: Said = self._changes.make_for_good(
            f"retire({'' if delay is None else f'{delay:g}'})",
            do,
            f"not ready any more, and the listeners close in {duration(lasts)}",
            "unretire(), as long as the listeners are open",
        )
        return said

    def unretire(self) -> Said:
        """take retire() back, as long as the listeners are open"""
        life = self._life()

        def do() -> str:
            if not life.undrain(self._asker):
                raise VerbError(f"it is {life.stage}: there is nothing to take back")
            return "ready again"

        said: Said = self._changes.make_for_good("unretire()", do, f"it is {life.stage}, and is ready again", "retire()")
        return said

    def upgrade(self) -> Deferred[Said] | Said:
        """
        start the program anew, as it is installed now; it takes over the sockets, and this process ends with its last connection

        If the new one cannot start, this one serves on as if nothing had happened.
        """
        life = self._life()

        def do() -> Deferred[Said]:
            return _said(
                life.upgrade(self._asker), lambda number: f"process {number} serves; this one ends with its last connection"
            )

        made: Deferred[Said] | Said = self._changes.make_for_good(
            "upgrade()", do, "the program is started anew and takes over", "what has ended has ended"
        )
        return made

    def _life(self) -> Life:
        if self.live.life is None:
            raise VerbError("this proxy was not started from a site file")
        return self.live.life


def reloaded(done: Reloaded) -> str:
    """What a reload has done, in lines."""
    warnings = [f"warning: {warning}" for warning in done.warnings]
    return "\n".join([*warnings, str(done.plan), *done.failed, "reloaded" if done.plan else "reloaded, although it is the same"])


def _said(deferred: Deferred[T], words: Callable[[T], str]) -> Deferred[Said]:
    return deferred.addCallback(lambda result: Said(words(result)))
