"""The verbs about changes themselves: what was changed, and the way back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twistedproxy.admin.changes import Changes
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.journal import Changed
from twistedproxy.admin.roles import Role
from twistedproxy.admin.saving import NAME, save
from twistedproxy.admin.tables import Column, duration
from twistedproxy.admin.verb import Listing, Said, Verb
from twistedproxy.spelling import counted

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live

#: Changes that history() shows, unless asked for more.
_SHOWN = 50
#: Seconds for which a word may be expected.
_LONGEST = 24 * 3600.0


class ChangeVerbs:
    """The verbs of one operator, whose changes are *changes*."""

    def __init__(self, live: Live, changes: Changes, width: Callable[[], int | None]) -> None:
        self._live = live
        self._changes = changes
        self._width = width

    def verbs(self) -> Sequence[Verb]:
        """In the order in which help() lists them."""
        return (
            Verb(self.history),
            Verb(self.undo, (self._numbers,), Role.OPERATE),
            Verb(self.dry_run, (), Role.OPERATE),
            Verb(self.commit_confirmed, (), Role.OPERATE),
            Verb(self.confirm, (), Role.OPERATE),
            Verb(self.save, (), Role.OPERATE),
        )

    def history(self, latest: int = _SHOWN) -> Listing[Changed]:
        """
        what operators have changed, the latest last, and how each is undone

        Times are UTC.  The last 1000 changes are known; the audit log in state_dir has them all.
        """
        if isinstance(latest, bool) or not isinstance(latest, int) or latest < 1:
            raise VerbError(f"latest is a number of changes, not {latest!r}")
        columns = (
            Column("NUMBER", right=True),
            Column("WHEN"),
            Column("WHO", drop=2),
            Column("COMMAND"),
            Column("WHAT BECAME OF IT", drop=1),
            Column("UNDO"),
        )
        today = _utc(self._live.clock.wall()).date()

        def row(changed: Changed) -> list[str]:
            at = _utc(changed.at)
            return [
                str(changed.number),
                f"{at:%H:%M:%S}" if at.date() == today else f"{at:%Y-%m-%d %H:%M:%S}",
                changed.who.name,
                changed.command,
                changed.said.split("\n")[0],
                self._way_back(changed),
            ]

        shown = list(self._live.journal.changes)[-latest:]
        return Listing(((str(each.number), each) for each in shown), columns, row, self._width, empty="nothing was changed")

    def _way_back(self, changed: Changed) -> str:
        journal = self._live.journal
        if changed.undone:
            return f"undone by {changed.undone}"
        if changed.aspect is None:
            return f"no: {changed.why_not}" if changed.why_not else "-"
        later = journal.followed_by(changed)
        if later is not None:
            return f"undo({later.number}) first"
        if changed.is_over:
            return "it is over"
        if not changed.holds:
            return "it is not the last word"
        if changed.ends is not None:
            return f"undo({changed.number}), by itself in {duration(changed.ends - journal.clock.wall())}"
        expected = journal.expected.get(changed.who.identity)
        if expected is not None and changed.number > expected.number:
            return f"undo({changed.number}), by itself in {duration(expected.ends - journal.clock.wall())} unless confirm()"
        return f"undo({changed.number})"

    def undo(self, number: int | None = None, since: int | None = None) -> Said:
        """
        put back what was changed: the latest change, or the one with a number of history(), or all since one

        undo() is for changes of one's own; another operator's are undone by number.  undo(since=3) undoes 3 and all that
        followed, the latest first.  What somebody has changed again since stays as it is, and you are told.
        """
        journal, who = self._live.journal, self._changes.who
        for given in (number, since):
            if given is not None and (isinstance(given, bool) or not isinstance(given, int)):
                raise VerbError(f"a change has a number, not {given!r}; history() lists them")
        if since is not None:
            return self._undo_since(since)
        if number is not None:
            changed = journal.get(number)
        else:
            latest = journal.latest()
            if latest is None:
                raise VerbError("there is nothing to undo; history() tells what was changed")
            if latest.who.identity != who.identity:
                raise VerbError(f"the latest change is {latest.who}'s {latest.command}; undo({latest.number}) if you mean that")
            changed = latest
        if self._changes.is_dry:
            return Said(f"would: undo {changed.command}")
        said = journal.undo(changed, who)
        self._told(f"undo({changed.number})", said)
        return Said(said)

    def _undo_since(self, since: int) -> Said:
        journal, who = self._live.journal, self._changes.who
        journal.get(since)
        lines = []
        for changed in reversed(list(journal.changes)):
            if changed.number < since or changed.undone:
                continue
            if self._changes.is_dry:
                lines.append(f"would: undo {changed.command}")
                continue
            try:
                lines.append(journal.undo(changed, who))
            except VerbError as error:
                lines.append(f"left: {error}")
        said = "\n".join(lines) or "nothing is left to undo"
        if not self._changes.is_dry:
            self._told(f"undo(since={since})", said)
        return Said(said)

    def dry_run(self) -> AbstractContextManager[None]:
        """
        try changes: with dry_run(): drain('app', 'app1:3000')

        Verbs in the block say what they would do, and change nothing.
        """
        return self._changes.dry()

    def commit_confirmed(self, seconds: float = 60) -> Said:
        """
        undo all that you change from now on after some seconds, unless you say confirm() before

        It holds for your key, not for this connection: should that be lost by what you change, everything comes back.  Said
        again, it gives you the time anew.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= _LONGEST:
            raise VerbError(f"seconds is a number from 1 to {_LONGEST:g}, not {seconds!r}")
        if self._changes.is_dry:
            return Said(f"would: undo all that follows after {duration(seconds)}, unless confirm()")
        expected = self._live.journal.expect(self._changes.who, float(seconds))
        hanging = len(self._live.journal.hanging(self._changes.who))
        also = f", and the {counted(hanging, 'change')} before" if hanging else ""
        said = f"all that you change from now on{also} is undone at {_utc(expected.ends):%H:%M:%S} UTC, unless you say confirm()"
        self._told(f"commit_confirmed({seconds:g})", said)
        return Said(said)

    def confirm(self) -> Said:
        """let all that you have changed since commit_confirmed() stay"""
        if self._changes.is_dry:
            return Said("would: let everything stay")
        changes = self._live.journal.confirm(self._changes.who)
        if changes is None:
            raise VerbError("nothing waits to be confirmed; history() tells what was changed")
        said = f"{counted(len(changes), 'change')} confirmed"
        self._told("confirm()", said)
        return Said(said)

    def save(self) -> Said:
        """
        write what differs from site.ini into a file that it includes: weights, drains, peers that were added and removed

        The file is saved.ini beside site.ini, or where save_to of [shell] says; [site] needs include = saved.ini.  It is written
        anew each time, never over a file of somebody else, and only if `revproxy check` passes with it.  What ends by itself is
        not saved.
        """
        live = self._live
        if not live.file:
            raise VerbError("this proxy was not started from a site file")
        shell = live.settings.shell
        path = shell.save_to if shell is not None else os.path.join(os.path.dirname(live.file), NAME)

        def do() -> str:
            return save(live, path, self._changes.who.name, f"{_utc(live.clock.wall()):%Y-%m-%d %H:%M:%S} UTC")

        why_not = "undo what it holds, and save() again"
        said: Said = self._changes.make_for_good("save()", do, f"what differs is written to {path}", why_not)
        return said

    def _told(self, command: str, said: str) -> None:
        journal, who = self._live.journal, self._changes.who
        journal.log.info("shell: {who}: {what}", who=who.name, what=command)
        journal.audit.command(journal.clock.wall(), who, command, said)

    def _numbers(self, given: Sequence[str]) -> Iterable[str]:
        return [str(changed.number) for changed in self._live.journal.changes if changed.holds]


def _utc(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
