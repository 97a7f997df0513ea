"""``wsgi.input``: a request's body as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

#: Bytes that are looked for a line's end at a time, and read at once where no size is given.
_MOST: Final = 1 << 62


class Input:
    """
    A file that is read from begin to end.

    :param more: returns what comes next, when it is here; empty at the end
    """

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._kept = b""

    def read(self, size: int | None = -1) -> bytes:
        """Up to *size* bytes, fewer at the end only; all that is left if it is negative or None."""
        wanted = _MOST if size is None or size < 0 else size
        pieces, have = [self._kept], len(self._kept)
        while have < wanted:
            data = self._more()
            if not data:
                break
            pieces.append(data)
            have += len(data)
        whole = b"".join(pieces)
        self._kept = whole[wanted:]
        return whole[:wanted]

    def readline(self, size: int | None = -1) -> bytes:
        """A line with its end, or as much of it as *size* says; empty at the end."""
        wanted = _MOST if size is None or size < 0 else size
        pieces: list[bytes] = []
        have = 0
        while have < wanted:
            data = self._kept or self._more()
            self._kept = b""
            if not data:
                break
            end = data.find(b"\n") + 1
            cut = min(end or len(data), wanted - have)
            pieces.append(data[:cut])
            have += cut
            self._kept = data[cut:]
            if end and cut == end:
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Lines up to the end, or until they have *hint* bytes."""
        lines: list[bytes] = []
        have = 0
        for line in self:
            lines.append(line)
            have += len(line)
            if hint is not None and 0 < hint <= have:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line
