"""What the cache says: of a request (Lookup), of itself (Counts, Stats), and of one stored response (Summary)."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.cache.entry import Entry
from twistedproxy.cache.outcomes import LookupVerdict, Outcome
from twistedproxy.cache.serial import Stored


class Lookup:
    """
    What the cache says about a request.

    :ivar key: the primary key
    :ivar verdict: the reason
    :ivar outcome: what to do next
    :ivar entry: to serve, or to validate; None when nothing that the request selects is stored
    :ivar removals: how many removals the cache had seen; what is removed later must not come back by this exchange
    """

    __slots__ = ("entry", "key", "outcome", "removals", "verdict")

    def __init__(
        self, key: bytes, verdict: LookupVerdict, outcome: Outcome, entry: Entry | None = None, removals: int = 0
    ) -> None:
        self.key = key
        self.removals = removals
        self.verdict = verdict
        self.outcome = outcome
        self.entry = entry

    def without_entry(self) -> Lookup:
        """The same request when its stored response has proved useless: it is to be fetched."""
        return Lookup(self.key, LookupVerdict.NOTHING_STORED, Outcome.FETCH, None, self.removals)

    def expired(self) -> Lookup:
        """The same request when its stale response is not served before it was validated."""
        assert self.entry is not None
        outcome = Outcome.REVALIDATE if self.entry.validates else Outcome.FETCH
        return Lookup(self.key, LookupVerdict.EXPIRED, outcome, self.entry, self.removals)

    def __repr__(self) -> str:
        return f"<{self.outcome.name}: {self.verdict}>"


@dataclass(slots=True)
class Counts:
    """
    How often what happened since the start.

    :ivar hits: requests answered from the cache, with 200 or 304
    :ivar stale: requests for which something was stored that had to be validated or fetched anew
    :ivar misses: requests for which nothing was stored
    :ivar passed: requests that were not for the cache
    :ivar stored: entries written
    :ivar freshened: entries that a 304 made fresh again
    :ivar collapsed: requests served by the answer to another one, for which they waited
    """

    hits: int = 0
    stale: int = 0
    misses: int = 0
    passed: int = 0
    stored: int = 0
    freshened: int = 0
    collapsed: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """
    The state of a cache at one moment.

    :ivar files: on disk
    :ivar bytes: on disk, in whole pages
    :ivar memory_entries: in the hot tier
    :ivar memory_bytes: in the hot tier, about
    :ivar fills: responses that are being written
    :ivar complete: the files of earlier runs have all been found
    :ivar troubles: with the disk, since the start
    :ivar progress: of finding the files of earlier runs, 0 to 1
    :ivar damaged: files that were not what was written, since the start
    :ivar evicted: files that were removed for lack of room, or because nobody asked for them, since the start
    :ivar purges: that this process was asked for, since the start
    :ivar swept: files that were found and removed since the start because a purge by prefix or tag covers them
    """

    counts: Counts
    files: int
    bytes: int
    memory_entries: int
    memory_bytes: int
    fills: int
    complete: bool
    troubles: int
    progress: float
    damaged: int
    evicted: int
    purges: int
    swept: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One stored response in a list; *vary* is what selected it, *ttl* and *age* are seconds."""

    url: str
    status: int
    length: int
    age: int
    ttl: int
    vary: tuple[tuple[str, str | None], ...]


def summary(held: Stored, now: float) -> Summary:
    """A stored response as a line of a list, its age and ttl at *now*."""
    facts = held.facts
    entry = Entry(facts, held.body)
    pairs = zip(facts.names, facts.values, strict=True)
    return Summary(
        facts.key.decode("latin-1"),
        facts.status,
        entry.length if held.outside is None else held.outside.length,
        entry.age(now),
        entry.ttl(now),
        tuple((name.decode("latin-1"), None if value is None else value.decode("latin-1")) for name, value in pairs),
    )
