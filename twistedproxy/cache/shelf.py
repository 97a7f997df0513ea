"""
What is stored, found by key and request fields: the hot tier before the files, the variants of a URI, and what supersedes what.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from twistedproxy.cache.entry import BodyFile, Entry, Facts
from twistedproxy.cache.files import Spare
from twistedproxy.cache.key import file_name, selecting_values
from twistedproxy.cache.memory import Memory
from twistedproxy.cache.outcomes import LookupVerdict
from twistedproxy.cache.purge import Purge, made_stale
from twistedproxy.cache.serial import Stored, Variants, pack_entry, pack_variants, variant_seed
from twistedproxy.cache.store import Store
from twistedproxy.cache.upkeep import Upkeep
from twistedproxy.clock import Clock
from twistedproxy.message import Headers

#: Variants of one URI that are kept; the oldest go.  A Vary on User-Agent must not fill the disk.
MOST_VARIANTS: Final = 64


def _nobody_asks(purges: list[Purge], missed: bool) -> None:
    """Who has the shelf wants to hear of purges later."""


class Shelf:
    """
    Entries in memory and on disk; every change is made in both.

    :ivar on_purges: called with the purges of other processes, and with whether there were others besides, which are forgotten
    """

    def __init__(self, memory: Memory, store: Store, upkeep: Upkeep, clock: Clock) -> None:
        self.memory = memory
        self.store = store
        self.upkeep = upkeep
        self.on_purges: Callable[[list[Purge], bool], object] = _nobody_asks
        self._clock = clock
        self._refreshed = float("-inf")
        upkeep.each_round.append(lambda: memory.close_idle(clock.wall()))

    def find(self, key: bytes, asked: Headers, now: float) -> Entry | LookupVerdict:
        """
        The entry for *key* that a request with the fields *asked* selects (RFC 9111 §4.1), or why there is none.

        :param now: seconds since 1970; the entry counts as used
        """
        entry = self.memory.get(key, asked)
        if entry is None:
            return self._from_disk(key, asked, now)
        if entry.file is not None and not entry.file.is_in_place():
            self.memory.discard(entry)
            return self._from_disk(key, asked, now)
        # To the second is exact enough, and spares the hot path the rest.
        if now - entry.touched >= 1.0 or now < entry.touched:
            if not self._is_current(entry, now):
                return self._from_disk(key, asked, now)
            entry.touched = now
            for name in entry.files:
                self.store.touch(name, now)
        return entry

    def refresh(self, now: float) -> None:
        """Hears of the purges of other processes, once a second."""
        if 0 <= now - self._refreshed < 1.0:
            return
        self._refreshed = now
        self.look_for_purges()

    def look_for_purges(self) -> None:
        """Hears of the purges of other processes."""
        found, missed = self.store.ledger.refresh()
        if missed:
            # Whatever these were about may be among what is in memory.
            self.memory.clear()
        if found or missed:
            self.on_purges(found, missed)

    def _is_current(self, entry: Entry, now: float) -> bool:
        """Whether *entry* in memory is still what the disk has, where other processes may have removed or replaced it."""
        self.refresh(now)
        if entry.files and self.store.stamp(entry.files[-1]) != entry.stamp:
            self.memory.discard(entry)
        return self.memory.holds(entry)

    def _unpurged(self, held: Stored, name: str) -> Facts | None:
        """The facts of what the file *name* holds, as purges leave them; None when nothing of it may be served."""
        facts = held.facts
        ledger = self.store.ledger
        if facts.generation > ledger.purges.latest:
            self.look_for_purges()
        if not ledger.is_readable or facts.generation > ledger.purges.latest:
            # It knows of a purge that we do not.
            return None
        purge = ledger.purges.judge(facts)
        if purge is None:
            return facts
        if purge.soft:
            return made_stale(facts, purge.at)
        self.store.remove(name)
        return None

    def _from_disk(self, key: bytes, asked: Headers, now: float) -> Entry | LookupVerdict:
        self.refresh(now)
        name = file_name(key)
        files: tuple[str, ...] = (name,)
        stamp = self.store.stamp(name)
        found = self.store.load(name, now)
        if found is None or found[0].key != key:
            return LookupVerdict.NOTHING_STORED
        held, file = found
        if isinstance(held, Variants):
            values = selecting_values(held.names, asked)
            name = file_name(key, variant_seed(held.generation, values))
            files = (*files, name)
            stamp = self.store.stamp(name)
            found = self.store.load(name, now) if name in held.files else None
            if found is None:
                return LookupVerdict.NO_VARIANT
            held, file = found
            if not isinstance(held, Stored) or held.key != key or held.facts.values != values:
                return LookupVerdict.NO_VARIANT
        facts = self._unpurged(held, name)
        if facts is None:
            return LookupVerdict.NOTHING_STORED
        entry = Entry(facts, held.body, file, files)
        entry.touched = now
        entry.stamp = stamp
        self.memory.put(entry)
        return entry

    def keep(
        self, facts: Facts, body: bytes | None, file: BodyFile | None = None, spare: Spare | None = None
    ) -> tuple[Entry, bool]:
        """
        Puts an entry on disk and into memory, in place of what it supersedes.

        :param body: of the entry when it is small
        :param file: the body otherwise; *spare* is where it was written, when it has no name yet
        :return: the entry, and whether it is kept
        """
        now = self._clock.wall()
        outside = None if file is None else file.outside
        data = pack_entry(facts, body, outside)
        main = file_name(facts.key)
        variants = self._variants(main, facts.key, now)
        if facts.names:
            if variants is None or variants.names != facts.names:
                # One URI has variants by one set of fields: so no request selects two of them, and none is out of date.
                self._forget(variants)
                variants = Variants(facts.key, facts.names, os.urandom(8), ())
            name = file_name(facts.key, variant_seed(variants.generation, facts.values))
            files: tuple[str, ...] = (main, name)
            saved = self.store.save(name, data, now, outside, spare) and self._list(main, variants, name, now)
        else:
            self._forget(variants)
            files = (main,)
            saved = self.store.save(main, data, now, outside, spare)
        entry = Entry(facts, body, file, files if saved else ())
        entry.touched = now
        if saved:
            entry.stamp = self.store.stamp(files[-1])
        self.memory.put(entry)
        self.upkeep.make_room()
        return entry, saved or self.memory.holds(entry)

    def _variants(self, main: str, key: bytes, now: float) -> Variants | None:
        if self.upkeep.complete and self.store.index.get(main) is None:
            return None
        found = self.store.load(main, now)
        return found[0] if found is not None and isinstance(found[0], Variants) and found[0].key == key else None

    def _list(self, main: str, variants: Variants, name: str, now: float) -> bool:
        """Enters the variant *name* in the list of its URI; the oldest goes when there are too many."""
        if name in variants.files:
            return True
        listed = (*variants.files, name)
        for old in listed[:-MOST_VARIANTS]:
            self.store.remove(old)
        kept = Variants(variants.key, variants.names, variants.generation, listed[-MOST_VARIANTS:])
        return self.store.save(main, pack_variants(kept), now)

    def _forget(self, variants: Variants | None) -> int:
        return sum(self.store.remove(name) for name in (variants.files if variants is not None else ()))

    def drop(self, entry: Entry) -> None:
        """Forgets *entry*; other variants of its URI stay."""
        self.memory.discard(entry)
        if entry.files:
            self.store.remove(entry.files[-1])

    def remove(self, key: bytes) -> int:
        """Removes everything that is stored for *key*; returns how many entries that were."""
        in_memory = self.memory.remove(key)
        main = file_name(key)
        found = self.store.load(main, self._clock.wall())
        if found is not None and isinstance(found[0], Variants):
            on_disk = self._forget(found[0])
            self.store.remove(main)
        else:
            # Also when it could not be read: what is invalid must not come back.
            on_disk = int(self.store.remove(main))
        return max(in_memory, on_disk)

    def peek(self, name: str) -> Stored | None:
        """What the file *name* holds, as purges leave it, for those who only look; None when nothing of it may be served."""
        held = self.store.peek(name)
        if not isinstance(held, Stored):
            return None
        purge = self.store.ledger.purges.judge(held.facts)
        if purge is None:
            return held
        return replace(held, facts=made_stale(held.facts, purge.at)) if purge.soft else None

    def all_of(self, key: bytes) -> list[Stored]:
        """What is stored for *key*, with all variants, for those who only look."""
        main = file_name(key)
        held = self.store.peek(main)
        names = held.files if isinstance(held, Variants) else (main,)
        return [found for found in map(self.peek, names) if found is not None and found.key == key]

    def count(self, key: bytes) -> int:
        """How many entries are stored for *key*, with all variants."""
        return len(self.all_of(key))

    def clear(self) -> int:
        """Removes everything; returns how many files were known."""
        self.memory.clear()
        return self.store.clear()
