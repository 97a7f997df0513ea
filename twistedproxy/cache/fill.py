"""An entry that is being written, and those who read it meanwhile; it becomes an entry only when it is complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twistedproxy.cache.entry import BLOCK, BodyFile, Facts
from twistedproxy.cache.files import Spare, SpareBody
from twistedproxy.cache.outcomes import StoreVerdict
from twistedproxy.cache.store import Store

#: Bytes that are kept for those who read a body that is not stored after all; beyond that the slowest of them sets the pace.
WINDOW: Final = 4 * BLOCK

#: The fill has ended by itself, and what still comes is for those who read it already.
_PASSED_ON: Final = frozenset((StoreVerdict.TOO_LARGE, StoreVerdict.DISK))


class CutFill(Exception):
    """The rest of a body that is read while it comes in will never come."""


class Fill:
    """
    A response on its way into the cache.

    Whoever receives the body calls :meth:`write` for each piece, and at the end :meth:`commit` when the body came in
    complete, or :meth:`abort`.  A fill that gives up by itself (too large, disk full) takes further calls in silence; those
    who read it get the rest all the same.

    :ivar facts: of the response
    :ivar length: bytes of the whole body, negative when unknown
    :ivar verdict: why the fill ended; None while it is going on
    :ivar size: bytes that came so far
    :ivar complete: that is all of the body
    :ivar cut: the rest will never come
    :ivar readers: who reads along
    :ivar shared: called when somebody begins to read along
    :ivar unread: called when nobody reads along any more
    :ivar held_back: called with True when more should not come for now, and with False when it may
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_ended",
        "_file",
        "_holds",
        "_known",
        "_limit",
        "_on_disk",
        "_start",
        "_store",
        "complete",
        "cut",
        "facts",
        "held_back",
        "length",
        "readers",
        "shared",
        "size",
        "unread",
        "verdict",
    )

    def __init__(self, facts: Facts, expected: int, limit: int, store: Store, ended: Callable[[Fill], StoreVerdict]) -> None:
        """
        :param expected: bytes of the body, negative when unknown
        :param limit: bytes; a larger body is not stored
        :param ended: called once: keeps the entry when the fill is complete (``verdict`` is None), otherwise forgets it
        """
        self.facts = facts
        self.length = expected
        self.verdict: StoreVerdict | None = None
        self.size = 0
        self.complete = False
        self.cut = False
        self.readers: dict[FillReader, None] = {}
        self.shared: Callable[[], object] | None = None
        self.unread: Callable[[], object] | None = None
        self.held_back: Callable[[bool], object] | None = None
        self._limit = limit
        self._store = store
        self._ended = ended
        # The body's bytes up to _on_disk are in whole blocks in a file; those from _start on are in the buffer.
        self._buffer = bytearray()
        self._start = 0
        self._on_disk = 0
        self._file: BodyFile | None = None
        self._holds = False
        # What was read last, and from where: those who have read all that came before want the same next.
        self._known = (-1, b"")
        self._body: SpareBody | None = None if expected <= BLOCK else store.begin()
        if expected > BLOCK and self._body is None:
            self.abort(StoreVerdict.DISK)

    def write(self, data: bytes | memoryview) -> None:
        """The next piece of the body."""
        if self.verdict is not None and not (self.readers and self.verdict in _PASSED_ON):
            return
        self.size += len(data)
        self._buffer += data
        self._known = (-1, b"")
        if self.verdict is None and self.size > self._limit:
            self._give_up(StoreVerdict.TOO_LARGE)
        # The last block is held back, so that a body of just one block stays in one piece with its fields.
        while self.verdict is None and len(self._buffer) > BLOCK:
            with memoryview(self._buffer) as view:
                block = bytes(view[:BLOCK])
            if self._put(block):
                del self._buffer[:BLOCK]
                self._start += BLOCK
        if self.readers:
            self._wake()
            if self.verdict is not None:
                self.trim()

    def _put(self, block: bytes) -> bool:
        if self._body is None:
            self._body = self._store.begin()
        if self._body is None or not self._store.append(self._body, block):
            self._give_up(StoreVerdict.DISK)
            return False
        self._on_disk += len(block)
        return True

    def _give_up(self, why: StoreVerdict) -> None:
        """It will not be stored; those who read it get the rest, which is kept no longer than they need it."""
        if not self.readers:
            self.abort(why)
            return
        self.verdict = why
        self._ended(self)

    def commit(self) -> StoreVerdict:
        """
        The body is complete; the entry replaces what was stored before.

        :return: STORED, or why not; CUT when the length is not the announced one
        """
        if self.verdict is None and 0 <= self.length != self.size:
            return self.abort(StoreVerdict.CUT)
        if self.verdict is None and (self._body is None or not self._buffer or self._put(bytes(self._buffer))):
            if self._body is not None:
                self._buffer.clear()
                self._start = self.size
            self.verdict = self._ended(self)
            if self.verdict is StoreVerdict.SUPERSEDED and self._body is not None:
                # Open files outlive their names: those who read it read on.
                self._store.discard(self._body)
        assert self.verdict is not None
        if not self.cut:
            self.complete = True
            self._wake()
        return self.verdict

    def content(self) -> tuple[bytes | None, BodyFile | None, Spare | None]:
        """For :class:`Cache`: the complete body, either in memory or in a file, with the place where that was written."""
        if self._body is None:
            return bytes(self._buffer), None, None
        self._file = self._body.finish()
        return None, self._file, self._body.spare

    def abort(self, why: StoreVerdict = StoreVerdict.ABANDONED) -> StoreVerdict:
        """Nothing is stored; *why* says the reason.  After the end it does nothing.  Returns the verdict that holds."""
        if self.complete:
            assert self.verdict is not None
            return self.verdict
        if self.verdict is None:
            self.verdict = why
            self._ended(self)
        if not self.cut:
            self.cut = True
            self._leave()
            self._wake()
        return self.verdict

    def _leave(self) -> None:
        self._buffer.clear()
        self._known = (-1, b"")
        if self._body is not None and self._file is None:
            self._store.discard(self._body)
        self._body = None

    # For those who read along.

    @property
    def is_open(self) -> bool:
        """Whether somebody may begin to read it from the start."""
        return self.verdict is None and not self.cut

    def piece(self, position: int) -> bytes:
        """
        What came from *position* on, at most 256 KiB; empty when nothing came yet.

        :raises CutFill: and nothing will
        :raises DamagedEntry: what was written is not what is read
        """
        if self.cut:
            raise CutFill
        if self._known[0] == position:
            return self._known[1]
        if position < self._on_disk:
            number = position // BLOCK
            source: BodyFile | SpareBody | None = self._file or self._body
            assert source is not None
            found = source.block(number)[position - number * BLOCK :]
        else:
            with memoryview(self._buffer) as view:
                start = position - self._start
                found = bytes(view[start : start + BLOCK])
        self._known = (position, found)
        return found

    def _wake(self) -> None:
        for reader in [reader for reader in self.readers if reader.waits]:
            reader.waits = False
            reader.wake()

    def trim(self) -> None:
        """Of a body that is not stored, forget what everybody has read, and hold back the rest beyond WINDOW."""
        if self.verdict is None or self.complete:
            return
        if len(self._buffer) > WINDOW or self._holds:
            everybody = min((self.size, *(reader.position for reader in self.readers)))
            if everybody > self._start:
                del self._buffer[: everybody - self._start]
                self._start = everybody
        holds = len(self._buffer) > WINDOW
        if holds or holds is not self._holds:
            self._holds = holds
            if self.held_back is not None:
                self.held_back(holds)

    def left(self, reader: FillReader) -> None:
        """*reader* reads no more."""
        if self.readers.pop(reader, False) is False:
            return
        if not self.readers:
            if self.verdict in _PASSED_ON and not self.complete:
                # Nobody needs the rest.
                self._leave()
                if self._holds and self.held_back is not None:
                    self._holds = False
                    self.held_back(False)
            if self.unread is not None:
                self.unread()
        else:
            self.trim()


class FillReader:
    """
    Somebody who reads a fill at a pace of his own.

    :ivar position: bytes read
    :ivar waits: everything that came is read; :attr:`wake` is called when there is more, or the end is known
    """

    __slots__ = ("_fill", "_stop", "position", "waits", "wake")

    def __init__(self, fill: Fill, wake: Callable[[], object], start: int = 0, stop: int | None = None) -> None:
        """Reads the bytes from *start* up to *stop*, by default to the end."""
        self._fill = fill
        self._stop = stop
        self.position = start
        self.waits = False
        self.wake = wake
        fill.readers[self] = None
        if fill.shared is not None:
            fill.shared()

    def read(self) -> bytes | None:
        """
        The next piece of at most 256 KiB; empty at the end; None when more has yet to come.

        :raises CutFill: what is missing will never come
        :raises DamagedEntry: what was written is not what is read
        """
        fill = self._fill
        stop = self._stop
        if stop is not None and self.position >= stop:
            return b""
        # A part may begin behind what has come.
        data = fill.piece(self.position) if self.position < fill.size else b""
        if not data:
            if fill.cut:
                raise CutFill
            if fill.complete:
                return b""
            self.waits = True
            return None
        if stop is not None:
            data = data[: stop - self.position]
        self.position += len(data)
        if fill.verdict is not None:
            fill.trim()
        return data

    def close(self) -> None:
        """No more is read."""
        self._fill.left(self)
