"""
Purges: what was stored before one and is covered by it is not served (hard), or is stale from then on (soft).

Nothing is looked for when somebody purges.  Purges are numbered, every entry knows the number of the last purge before its
request (``Facts.generation``), and whoever finds an entry asks here whether a later one covers it.  So a purge costs the same
however much is stored.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from twistedproxy.cache.entry import Facts
from twistedproxy.cache.freshness import current_age
from twistedproxy.message import Headers

#: Fields of responses that hold tags, apart by blanks or commas.
TAG_FIELDS: Final = (b"cache-tag", b"surrogate-key")

_APART: Final = re.compile(rb"[\s,]+")


class PurgeKind(enum.Enum):
    """What a purge's value is."""

    URL = "url"
    PREFIX = "prefix"
    TAG = "tag"
    ALL = "all"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Purge:
    """
    One purge.

    :ivar value: the key, what keys begin with, or the tag; empty for everything
    :ivar soft: what it covers may still be validated, and serve while or when its terms allow stale answers
    :ivar number: of two purges the later one has the higher number
    :ivar at: seconds since 1970
    """

    kind: PurgeKind
    value: bytes
    soft: bool
    number: int = 0
    at: float = 0.0

    def covers(self, facts: Facts) -> bool:
        """Whether it is about an entry with *facts*; when that was stored is another question."""
        if self.kind is PurgeKind.PREFIX:
            return facts.key.startswith(self.value)
        if self.kind is PurgeKind.URL:
            return facts.key == self.value
        return self.kind is PurgeKind.ALL or self.value in tags_of(facts.headers)


def tags_of(headers: Headers) -> frozenset[bytes]:
    """The tags of a response."""
    found: set[bytes] = set()
    for name in TAG_FIELDS:
        if name in headers:
            found.update(_APART.split(headers.joined(name) or b""))
    found.discard(b"")
    return frozenset(found)


def made_stale(facts: Facts, at: float) -> Facts:
    """*facts* of an entry that has been stale since *at*, or for longer."""
    terms = facts.terms
    age = current_age(terms.initial_age, facts.response_time, at)
    return replace(facts, terms=replace(terms, lifetime=min(terms.lifetime, age)))


class Purges:
    """
    The purges that still matter, by what they are about.

    :ivar latest: the number of the last one
    """

    def __init__(self) -> None:
        self.latest = 0
        self._known: dict[tuple[PurgeKind, bytes, bool], Purge] = {}
        self._lengths: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, purge: Purge) -> None:
        """One more purge, later than all before it; it takes the place of an earlier one of the same."""
        place = (purge.kind, purge.value, purge.soft)
        self._known.pop(place, None)
        self._known[place] = purge
        self.latest = max(self.latest, purge.number)
        if purge.kind is PurgeKind.PREFIX and len(purge.value) not in self._lengths:
            self._lengths = (*self._lengths, len(purge.value))

    def kept(self) -> list[Purge]:
        """All, the earliest first."""
        return sorted(self._known.values(), key=lambda purge: purge.number)

    @property
    def is_to_be_swept(self) -> bool:
        """Whether there are hard ones whose entries are still to be found, file by file."""
        return any(not purge.soft and purge.kind in (PurgeKind.PREFIX, PurgeKind.TAG) for purge in self._known.values())

    def forget(self, purges: Iterable[Purge]) -> None:
        """*purges* cover nothing any more."""
        for purge in purges:
            place = (purge.kind, purge.value, purge.soft)
            if self._known.get(place) is purge:
                del self._known[place]
        self._lengths = tuple({len(purge.value) for purge in self._known.values() if purge.kind is PurgeKind.PREFIX})

    def judge(self, facts: Facts) -> Purge | None:
        """The purge that an entry with *facts* has fallen to: a hard one if there is any, otherwise the first soft one."""
        if facts.generation >= self.latest:
            return None
        key = facts.key
        places = [(PurgeKind.ALL, b""), (PurgeKind.URL, key)]
        places += [(PurgeKind.PREFIX, key[:length]) for length in self._lengths if length <= len(key)]
        places += [(PurgeKind.TAG, tag) for tag in tags_of(facts.headers)]
        decides: Purge | None = None
        for kind, value in places:
            hard = self._known.get((kind, value, False))
            if hard is not None and hard.number > facts.generation:
                return hard
            soft = self._known.get((kind, value, True))
            if soft is not None and soft.number > facts.generation and (decides is None or soft.number < decides.number):
                decides = soft
        return decides
