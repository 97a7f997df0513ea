"""
What is known of files that were sent, and small ones as a whole; never believed without a look at the file.

A look is one system call: what it shows (device, inode, size, both times) is what it showed when the file was opened below its
directory, or the file is opened anew.  So links that are turned and directories that are exchanged change nothing here.
"""

from __future__ import annotations

import os
from typing import Final

from twistedproxy.answers.files.open_file import identity_of
from twistedproxy.answers.files.representation import Representation

#: Bytes of the largest file that is kept as a whole.
LARGEST: Final = 64 * 1024
#: What it costs to know a file, roughly.
_EACH: Final = 2048


class Shelf:
    """
    :param most: bytes that it may hold
    :param valid: seconds for which no look is taken
    :ivar size: bytes that it holds
    """

    def __init__(self, most: int, valid: float) -> None:
        self._most = most
        self._valid = valid
        self._kept: dict[bytes, Representation] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: bytes, now: float) -> Representation | None:
        """What is known of *key*, if it still holds; *now*: monotonic seconds."""
        shown = self._kept.get(key)
        if shown is None:
            return None
        shown.was_used = True
        if self._valid and now - shown.compared < self._valid:
            return shown
        try:
            stat = os.stat(shown.place)
        except OSError:
            stat = None
        if stat is None or identity_of(stat) != shown.identity:
            self.drop(key)
            return None
        shown.compared = now
        return shown

    def keep(self, shown: Representation, now: float) -> None:
        """Know *shown* by its key; the oldest that nobody has used since the last look make room."""
        if not shown.is_settled or _cost(shown) > self._most:
            return
        self.drop(shown.key)
        shown.compared = now
        self._kept[shown.key] = shown
        self.size += _cost(shown)
        while self.size > self._most:
            oldest = next(iter(self._kept))
            known = self._kept[oldest]
            if known.was_used:
                # Another turn.
                known.was_used = False
                del self._kept[oldest]
                self._kept[oldest] = known
            else:
                self.drop(oldest)

    def drop(self, key: bytes) -> None:
        """Forget *key*."""
        shown = self._kept.pop(key, None)
        if shown is not None:
            self.size -= _cost(shown)


def _cost(shown: Representation) -> int:
    return _EACH + (len(shown.body) if shown.body is not None else 0)
