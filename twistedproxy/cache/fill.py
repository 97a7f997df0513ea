"""An entry that is being written: it exists for others only when it is complete."""

from __future__ import annotations

from collections.abc import Callable

from twistedproxy.cache.entry import BLOCK, BodyFile, Facts
from twistedproxy.cache.files import Spare
from twistedproxy.cache.outcomes import StoreVerdict
from twistedproxy.cache.store import Store


class Fill:
    """
    A response on its way into the cache.

    Whoever receives the body calls :meth:`write` for each piece, and at the end :meth:`commit` when the body came in
    complete, or :meth:`abort`.  A fill that gives up by itself (too large, disk full) takes further calls in silence.

    :ivar facts: of the response
    :ivar verdict: why the fill ended; None while it is going on
    :ivar size: bytes that came so far
    """

    __slots__ = ("_body", "_buffer", "_ended", "_expected", "_limit", "_store", "facts", "size", "verdict")

    def __init__(self, facts: Facts, expected: int, limit: int, store: Store, ended: Callable[[Fill], StoreVerdict]) -> None:
        """
        :param expected: bytes of the body, negative when unknown
        :param limit: bytes; a larger body is not stored
        :param ended: called once: keeps the entry when the fill is complete (``verdict`` is None), otherwise forgets it
        """
        self.facts = facts
        self.verdict: StoreVerdict | None = None
        self.size = 0
        self._expected = expected
        self._limit = limit
        self._store = store
        self._ended = ended
        self._buffer = bytearray()
        self._body = None if expected <= BLOCK else store.begin()
        if expected > BLOCK and self._body is None:
            self.abort(StoreVerdict.DISK)

    def write(self, data: bytes | memoryview) -> None:
        """The next piece of the body."""
        if self.verdict is not None:
            return
        self.size += len(data)
        if self.size > self._limit:
            self.abort(StoreVerdict.TOO_LARGE)
            return
        self._buffer += data
        # The last block is held back, so that a body of just one block stays in one piece with its fields.
        while len(self._buffer) > BLOCK:
            with memoryview(self._buffer) as view:
                block = bytes(view[:BLOCK])
            del self._buffer[:BLOCK]
            if not self._put(block):
                return

    def _put(self, block: bytes) -> bool:
        if self._body is None:
            self._body = self._store.begin()
        if self._body is None or not self._store.append(self._body, block):
            self.abort(StoreVerdict.DISK)
            return False
        return True

    def commit(self) -> StoreVerdict:
        """
        The body is complete; the entry replaces what was stored before.

        :return: STORED, or why not; CUT when the length is not the announced one
        """
        if self.verdict is not None:
            return self.verdict
        if 0 <= self._expected != self.size:
            return self.abort(StoreVerdict.CUT)
        if self._body is not None and self._buffer and not self._put(bytes(self._buffer)):
            return StoreVerdict.DISK
        self.verdict = self._ended(self)
        if self.verdict is StoreVerdict.SUPERSEDED:
            self._leave()
        return self.verdict

    def content(self) -> tuple[bytes | None, BodyFile | None, Spare | None]:
        """For :class:`Cache`: the complete body, either in memory or in a file, with the place where that was written."""
        if self._body is None:
            return bytes(self._buffer), None, None
        return None, self._body.finish(), self._body.spare

    def abort(self, why: StoreVerdict = StoreVerdict.ABANDONED) -> StoreVerdict:
        """Nothing is stored; *why* says the reason.  After the end it does nothing.  Returns the verdict that holds."""
        if self.verdict is None:
            self.verdict = why
            self._leave()
            self._ended(self)
        return self.verdict

    def _leave(self) -> None:
        self._buffer.clear()
        if self._body is not None:
            self._store.discard(self._body)
            self._body = None
