"""Which files the cache has, how large they are, and which was used least recently; in memory, bounded by max_size."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

#: A file occupies whole pages of the disk; counting them also bounds the number of files.
PAGE: Final = 4096


class Record:
    """
    What is known of one file without opening it.

    :ivar size: bytes on disk, in whole pages, with its bodies
    :ivar used: when it was last used, seconds since 1970
    :ivar marked: the time of last use that the file itself shows, seconds since 1970
    :ivar bodies: tokens of the body files that belong to it
    :ivar whole: the file itself was seen, not only a body of it
    """

    __slots__ = ("bodies", "marked", "size", "used", "whole")

    def __init__(self, size: int, used: float, bodies: tuple[str, ...], whole: bool) -> None:
        self.size = size
        self.used = used
        self.marked = used
        self.bodies = bodies
        self.whole = whole


def pages(size: int) -> int:
    """The bytes that a file of *size* bytes occupies."""
    return -(-size // PAGE) * PAGE


class Index:
    """
    All known files by name, ordered by the second of their last use.

    Files with the same second stand in one bucket, in the order in which they came there; a heap knows the oldest bucket.
    So every operation costs the same, however many files there are.

    :ivar bytes: the sum of all sizes
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._records: dict[str, Record] = {}
        self._buckets: dict[int, dict[str, None]] = {}
        self._seconds: list[int] = []

    def __len__(self) -> int:
        return len(self._records)

    def get(self, name: str) -> Record | None:
        """The record of the file *name*, if it is known."""
        return self._records.get(name)

    def put(self, name: str, size: int, used: float, bodies: tuple[str, ...] = (), whole: bool = True) -> Record:
        """Notes a file that was written or found; one of the same name is replaced."""
        self.remove(name)
        record = self._records[name] = Record(size, used, bodies, whole)
        self.bytes += size
        self._enter(name, used)
        return record

    def touch(self, name: str, now: float) -> Record | None:
        """Notes that the file *name* is used at *now*; returns its record, if it is known."""
        record = self._records.get(name)
        if record is not None:
            self._leave(name, record.used)
            record.used = now
            self._enter(name, now)
        return record

    def remove(self, name: str) -> Record | None:
        """Forgets the file *name*; returns what was known of it."""
        record = self._records.pop(name, None)
        if record is not None:
            self.bytes -= record.size
            self._leave(name, record.used)
        return record

    def oldest(self) -> tuple[str, Record] | None:
        """The file that was used least recently; None when there is none."""
        while self._seconds:
            bucket = self._buckets.get(self._seconds[0])
            if bucket:
                name = next(iter(bucket))
                return name, self._records[name]
            heapq.heappop(self._seconds)
        return None

    def newest_first(self) -> Iterator[str]:
        """The names of all files, the most recently used first; the index must not change meanwhile."""
        for second in sorted(self._buckets, reverse=True):
            yield from reversed(self._buckets[second])

    def _enter(self, name: str, used: float) -> None:
        second = int(used)
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = {}
            if len(self._seconds) > 2 * len(self._buckets) + 64:
                # Seconds whose buckets are gone pile up behind an old one.
                self._seconds = list(self._buckets)
                heapq.heapify(self._seconds)
            else:
                heapq.heappush(self._seconds, second)
        bucket[name] = None

    def _leave(self, name: str, used: float) -> None:
        second = int(used)
        bucket = self._buckets[second]
        del bucket[name]
        if not bucket:
            del self._buckets[second]
