"""
Text replaced in a stream of bytes: what stands across the border of two pieces is found, and never more than a little is kept.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

#: Bytes that a match of a regular expression may have across a border; longer ones may be missed.
REACH: Final = 4096
#: Bytes before a place that a regular expression can look back at.
_BEHIND: Final = 64


class Stream(Protocol):
    """One replacement in one body."""

    def feed(self, data: bytes) -> bytes:
        """What can go on."""

    def finish(self) -> bytes:
        """The body has ended: what was kept."""


class LiteralStream:
    """Replaces a text by another; *once*: only where it comes first."""

    __slots__ = ("_done", "_kept", "_once", "_source", "_to")

    def __init__(self, source: bytes, to: bytes, *, once: bool) -> None:
        self._source = source
        self._to = to
        self._once = once
        self._done = False
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        """What can go on: all but an end that the text may begin with."""
        if self._done:
            return data
        whole = self._kept + data
        parts = whole.split(self._source, 1 if self._once else -1)
        if self._once and len(parts) > 1:
            self._done = True
            self._kept = b""
            return self._to.join(parts)
        last = parts.pop()
        kept = self._beginning_in(last)
        self._kept = last[len(last) - kept :]
        return self._to.join([*parts, last[: len(last) - kept]])

    def _beginning_in(self, text: bytes) -> int:
        """How many bytes at the end of *text* are how the source begins."""
        source = self._source
        for size in range(min(len(source) - 1, len(text)), 0, -1):
            if text.endswith(source[:size]):
                return size
        return 0

    def finish(self) -> bytes:
        """What was kept, after all not the text."""
        kept, self._kept = self._kept, b""
        return kept


class PatternStream:
    """Replaces what a regular expression finds."""

    __slots__ = ("_behind", "_done", "_kept", "_once", "_pattern", "_to")

    def __init__(self, pattern: re.Pattern[bytes], to: bytes, *, once: bool) -> None:
        self._pattern = pattern
        self._to = to
        self._once = once
        self._done = False
        self._kept = b""
        # Of what is kept, so much at the front has gone on already: the expression may look back at it.
        self._behind = 0

    def feed(self, data: bytes) -> bytes:
        """What can go on: all but the last :data:`REACH` bytes, in which a match may begin that ends later."""
        if self._done:
            return data
        whole = self._kept + data
        return self._replaced(whole, len(whole) - REACH)

    def finish(self) -> bytes:
        """The rest."""
        if self._done:
            return b""
        whole = self._kept
        return self._replaced(whole, len(whole) + 1)

    def _replaced(self, whole: bytes, limit: int) -> bytes:
        """*whole* from where nothing has gone on, with matches replaced that begin before *limit*."""
        made: list[bytes] = []
        position = at = self._behind
        while at < limit:
            found = self._pattern.search(whole, at)
            if found is None or found.start() >= limit:
                break
            if found.end() == found.start():
                # Nothing is not replaced.
                at = found.end() + 1
                continue
            made += (whole[position : found.start()], found.expand(self._to))
            position = at = found.end()
            if self._once:
                self._done = True
                self._kept = b""
                return b"".join([*made, whole[position:]])
        end = min(max(position, limit), len(whole))
        made.append(whole[position:end])
        start = max(0, end - _BEHIND)
        self._behind = end - start
        self._kept = whole[start:]
        return b"".join(made)
