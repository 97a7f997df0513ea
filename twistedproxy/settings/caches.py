"""``[cache NAME]``: where responses are stored, and how long they are fresh."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.knob import knob

#: What ``cache_valid`` of a route says: statuses, and for how many seconds answers with these are fresh.
CacheValid = tuple[tuple[frozenset[int], float], ...]


@dataclass(frozen=True)
class CacheSettings:
    """A place for stored responses."""

    name: str
    directory: str = knob("path", "where entries are kept; made when absent", required=True)
    max_size: int = knob("size", "bytes on disk; beyond it the least recently used entries go", default=1024**3, minimum=1024)
    memory: int = knob("size", "bytes of small entries kept ready in memory", default=64 * 1024**2, minimum=0)
    max_entry: int = knob("size", "larger responses are not stored", default=256 * 1024**2, minimum=1)
    inactive: float = knob("duration", "entries that nobody asked for go after", default=3600.0, minimum=1)
