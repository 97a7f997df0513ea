"""What one operator changes: each change passes through here, to be tried dry, written down and undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from twistedproxy.admin.aspects import Aspect
from twistedproxy.admin.roles import Who
from twistedproxy.admin.tables import printable
from twistedproxy.admin.verb import Said

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live


class Changes:
    """
    The changes of *who*.

    :ivar who: the operator
    """

    def __init__(self, live: Live, who: Who) -> None:
        self.who = who
        self._live = live
        self._dry = 0

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be changed."""
        return self._dry > 0

    @contextmanager
    def dry(self) -> Iterator[None]:
        """Within, changes only say what they would do."""
        self._dry += 1
        try:
            yield
        finally:
            self._dry -= 1

    def make(
        self, command: str, do: Callable[[], str], would: str, aspect: Aspect | None = None, lasts: float | None = None
    ) -> Said:
        """
        A change that can be undone; or one of nothing that lasts, without an *aspect*.

        :param command: as it could be typed again
        :param do: makes the change, and returns what there is to say
        :param would: what it would do, for a dry run
        :param aspect: what it changes
        :param lasts: seconds after which it is undone by itself; None: it is not
        """
        if self.is_dry:
            return Said(f"would: {printable(would)}")
        before = aspect.now() if aspect is not None else None
        said = Said(do())
        changed = self._live.journal.note(self.who, command, said)
        if aspect is not None:
            self._live.journal.can_undo(changed, aspect, before, lasts)
        return said

    def make_for_good(self, command: str, do: Callable[[], Any], would: str, why_not: str) -> Any:
        """
        A change that cannot be undone, for the reason *why_not*.

        *do* returns what there is to say, or a Deferred that fires with that.
        """
        if self.is_dry:
            return Said(f"would: {printable(would)}")
        journal, who = self._live.journal, self.who
        said = do()
        if not isinstance(said, Deferred):
            journal.note(who, command, said, why_not)
            return Said(said)
        changed = journal.note(who, command, "begun", why_not)

        def ended(result: Any) -> Any:
            changed.said = str(result) if isinstance(result, str) else f"failed: {result.getErrorMessage()}"
            journal.audit.change(journal.clock.wall(), who, changed.number, command, changed.said)
            return result

        return said.addBoth(ended)
