"""
What was invalidated or purged, and since when: what an exchange brings must not be older than that.

Removals are numbered in the order in which this process hears of them, those of other processes included.  A lookup keeps the
number of the last one before it.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedproxy.cache.entry import Facts
from twistedproxy.cache.purge import Purge, PurgeKind
from twistedproxy.cache.responses import Lookup
from twistedproxy.cache.shelf import Shelf
from twistedproxy.clock import Clock

#: Removals that are remembered; an exchange that is older than all of them stores nothing.
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Purged:
    """
    What a purge has done.

    :ivar count: entries that are known to be covered; those of a prefix or tag are found later
    :ivar written: it also holds after a restart, and for the other processes
    """

    count: int
    written: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a purge would do: *count* of the *looked_at* entries that were used last, of *known* files."""

    count: int
    looked_at: int
    known: int


class Removals:
    """
    The removals of one cache.

    :ivar latest: the number of the last one
    :ivar purges: how many purges this process was asked for
    """

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self.latest = 0
        self.purges = 0
        self._shelf = shelf
        self._clock = clock
        self._ledger = shelf.store.ledger
        # Per key, the number of the last one.  Those below the floor are forgotten.
        self._keys: OrderedDict[bytes, int] = OrderedDict()
        self._purges: deque[tuple[int, Purge]] = deque()
        self._floor = 0
        # What was purged before the first removal that is remembered.
        self._generation = 0
        shelf.on_purges = self._purged_elsewhere

    def drop(self, key: bytes) -> int:
        """Removes what is stored for *key*; returns how many entries that were."""
        self.latest += 1
        self._keys[key] = self.latest
        self._keys.move_to_end(key)
        if len(self._keys) > _REMEMBERED:
            self._floor = max(self._floor, self._keys.popitem(last=False)[1])
        return self._shelf.remove(key)

    def purge(self, kind: PurgeKind, value: bytes, *, soft: bool) -> Purged:
        """
        Purges what is stored now; what is being written is not stored.

        :param value: a key, the beginning of keys, a tag; empty for everything
        """
        self.purges += 1
        purge, others, written = self._ledger.record(kind, value, soft=soft)
        self._note([*others, purge])
        shelf = self._shelf
        shelf.memory.apply(others)
        in_memory = 0 if kind is PurgeKind.URL and not soft else shelf.memory.apply([purge])
        if kind is PurgeKind.URL:
            return Purged(max(in_memory, shelf.count(value)) if soft else self.drop(value), written)
        if kind is PurgeKind.ALL:
            return Purged(max(in_memory, len(shelf.store.index) if soft else shelf.clear()), written)
        return Purged(in_memory, written)

    def preview(self, kind: PurgeKind, value: bytes, seconds: float) -> Preview:
        """What such a purge would cover, looked for in the files for *seconds* at most."""
        store = self._shelf.store
        names = list(store.index.newest_first())
        purge = Purge(kind, value, soft=True)
        until = self._clock.monotonic() + seconds
        count = looked_at = 0
        for name in names:
            if self._clock.monotonic() > until:
                break
            looked_at += 1
            try:
                facts = store.facts(name)
            except OSError:
                continue
            count += facts is not None and purge.covers(facts)
        return Preview(count, looked_at, len(names))

    def is_removed(self, lookup: Lookup, facts: Facts) -> bool:
        """Whether *facts* were invalidated or purged after the *lookup* whose exchange has brought them."""
        self._shelf.look_for_purges()
        if self._keys.get(lookup.key, 0) > lookup.removals or self._floor > lookup.removals:
            return True
        later = itertools.takewhile(lambda noted: noted[0] > lookup.removals, reversed(self._purges))
        return any(purge.covers(facts) for _, purge in later)

    def may_concern(self, lookup: Lookup) -> bool:
        """Whether something was removed after *lookup* that may concern its key."""
        self._shelf.look_for_purges()
        if self._keys.get(lookup.key, 0) > lookup.removals or self._floor > lookup.removals:
            return True
        return bool(self._purges) and self._purges[-1][0] > lookup.removals

    def generation(self, lookup: Lookup) -> int:
        """The number of the last purge before the *lookup*."""
        for number, purge in reversed(self._purges):
            if number <= lookup.removals:
                return purge.number
        return self._generation

    def _note(self, purges: Sequence[Purge]) -> None:
        for purge in purges:
            self.latest += 1
            self._purges.append((self.latest, purge))
        while len(self._purges) > _REMEMBERED:
            number, purge = self._purges.popleft()
            self._floor = max(self._floor, number)
            self._generation = purge.number

    def _purged_elsewhere(self, purges: list[Purge], missed: bool) -> None:
        if missed:
            self.latest += 1
            self._floor = self.latest
        self._note(purges)
        self._shelf.memory.apply(purges)
