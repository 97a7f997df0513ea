"""The hot tier: small entries with their bodies, large ones with open files; the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from twistedproxy.cache.entry import BLOCK, Entry
from twistedproxy.cache.key import Values, selecting_values
from twistedproxy.cache.purge import Purge, made_stale
from twistedproxy.message import Headers

#: What an entry occupies besides its body and the text of its fields, about.
_OVERHEAD: Final = 2048
#: What may be kept in ``Entry.prepared``.
_PREPARED: Final = 16 * 1024

#: Bodies that are files, and are kept open.
_MOST_OPEN: Final = 256
#: Seconds after their last use in which they stay open.
_OPEN_FOR: Final = 20.0

Place = bytes | tuple[bytes, Values]


def cost(entry: Entry) -> int:
    """The bytes of memory that *entry* is counted with."""
    text = sum(len(name) + len(value) + 64 for name, value in entry.headers)
    if entry.file is not None:
        return _OVERHEAD + len(entry.key) + text + 8 * len(entry.file.outside.sums)
    return _OVERHEAD + len(entry.key) + text + entry.length + min(entry.length, _PREPARED)


def _place(entry: Entry) -> Place:
    return (entry.key, entry.facts.values) if entry.facts.names else entry.key


class Memory:
    """
    Entries by primary key, or by primary key and what the request said in the fields of Vary.

    :param limit: bytes
    :ivar bytes: what the entries occupy, about
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._entries: OrderedDict[Place, Entry] = OrderedDict()
        # For keys with variants: the names of Vary, and what is stored of them.
        # Those whose bodies are files that are open, in the order in which they came.
        self._open: dict[Place, None] = {}
        self._variants: dict[bytes, tuple[tuple[bytes, ...], set[Values]]] = {}

    def revise(self, limit: int) -> None:
        """Another limit from now on."""
        self.limit = limit
        while self.bytes > self.limit:
            self._drop(next(iter(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, asked: Headers) -> Entry | None:
        """The entry for *key* that a request with the fields *asked* selects; it counts as used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        variants = self._variants.get(key)
        if variants is None:
            return None
        place = (key, selecting_values(variants[0], asked))
        entry = self._entries.get(place)
        if entry is not None:
            self._entries.move_to_end(place)
        return entry

    def put(self, entry: Entry) -> None:
        """Keeps *entry* if it is small enough; whatever it replaces goes in any case."""
        names, values = entry.facts.names, entry.facts.values
        self._supersede(entry.key, names, values)
        size = cost(entry)
        if (entry.body is None and not entry.files) or (entry.body or b"")[BLOCK:] or size > self.limit // 4:
            return
        if names:
            self._variants.setdefault(entry.key, (names, set()))[1].add(values)
        place = _place(entry)
        self._entries[place] = entry
        self.bytes += size
        if entry.file is not None:
            self._open[place] = None
            if len(self._open) > _MOST_OPEN:
                self._drop(next(iter(self._open)))
        while self.bytes > self.limit:
            self._drop(next(iter(self._entries)))

    def _supersede(self, key: bytes, names: tuple[bytes, ...], values: Values) -> None:
        known = self._variants.get(key)
        if known is None or known[0] != names:
            # Without variants, or with variants by other fields: what was known of this key is superseded.
            self.remove(key)
        elif values in known[1]:
            self._drop((key, values))

    def holds(self, entry: Entry) -> bool:
        """Whether *entry* itself is kept."""
        return self._entries.get(_place(entry)) is entry

    def remove(self, key: bytes) -> int:
        """Drops everything that is kept for *key*; returns how many entries that was."""
        places: list[Place] = [key] if key in self._entries else []
        places += [(key, values) for values in self._variants.get(key, ((), ()))[1]]
        for place in places:
            self._drop(place)
        return len(places)

    def discard(self, entry: Entry) -> None:
        """Drops *entry* itself, if it is still kept."""
        if self.holds(entry):
            self._drop(_place(entry))

    def apply(self, purges: Sequence[Purge]) -> int:
        """Drops what hard *purges* cover, and makes stale what soft ones do; returns how many entries that were."""
        count = 0
        for entry in list(self._entries.values()):
            facts = entry.facts
            for purge in purges:
                if facts.generation < purge.number and purge.covers(facts):
                    count += 1
                    if not purge.soft:
                        self.discard(entry)
                        break
                    facts = made_stale(facts, purge.at)
                    entry.change(facts)
        return count

    def close_idle(self, now: float) -> None:
        """Drops entries with open files that were not used lately: a file that is removed meanwhile fills the disk until then."""
        for place in list(self._open):
            if not 0 <= now - self._entries[place].touched < _OPEN_FOR:
                self._drop(place)

    def clear(self) -> None:
        """Drops everything."""
        self._entries.clear()
        self._open.clear()
        self._variants.clear()
        self.bytes = 0

    def _drop(self, place: Place) -> None:
        entry = self._entries.pop(place)
        self._open.pop(place, None)
        self.bytes -= cost(entry)
        if type(place) is tuple:
            key, values = place
            kept = self._variants[key][1]
            kept.discard(values)
            if not kept:
                del self._variants[key]
