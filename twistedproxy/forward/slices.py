"""
Bodies that are changed on their way, a slice in each turn of the reactor.

What filters do (compression above all) costs time for each byte, and apps, caches and fast peers hand over many at once: between
slices the other exchanges have their turn, and whoever sends the body is held back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy.errors import ResponseError
from twistedproxy.message import Headers
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Bytes that go through the filters at once.
SLICE: Final = 256 * 1024


def is_large(pieces: Sequence[Piece]) -> bool:
    """Whether *pieces* are too much for one turn."""
    return sum(map(len, pieces)) > SLICE


class Slices:
    """
    What has yet to go through the filters of *exchange*, and whether the end comes behind it.

    :ivar holds_end: the body is complete, and a part of it still waits here
    """

    __slots__ = ("_exchange", "_is_due", "_rest", "_trailers")

    def __init__(self, exchange: Exchange, pieces: Sequence[Piece], trailers: Headers | None) -> None:
        """:param trailers: of a body that is complete"""
        self._exchange = exchange
        self._rest: deque[Piece] = deque(pieces)
        self._trailers = trailers
        self._is_due = False
        exchange.hold_source()
        self.soon()

    @property
    def holds_end(self) -> bool:
        return self._trailers is not None

    def more(self, pieces: Sequence[Piece]) -> None:
        """What comes all the same."""
        self._rest.extend(pieces)

    def end(self, trailers: Headers) -> None:
        """The body is complete."""
        self._trailers = trailers

    def soon(self) -> None:
        """Go on in the next turn."""
        if not self._is_due:
            self._is_due = True
            self._exchange.site.reactor.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._is_due = False
        exchange = self._exchange
        if exchange.finished or exchange.slices is not self or exchange.client_full:
            return
        taken = self._next()
        if taken:
            assert exchange.chain is not None
            try:
                made = exchange.chain.feed(taken)
            except ResponseError as error:
                exchange.undeliverable(error, complete=self.holds_end)
                return
            exchange.send_pieces(made)
            self.soon()
            return
        exchange.slices = None
        if self._trailers is not None:
            exchange.end_body(self._trailers)
        elif not exchange.client_full:
            exchange.let_source_go()

    def _next(self) -> list[Piece]:
        """A slice of what waits."""
        left = SLICE
        taken: list[Piece] = []
        while self._rest and left > 0:
            piece = self._rest[0]
            if len(piece) <= left:
                self._rest.popleft()
            else:
                # Filters are used to bytes.
                self._rest[0], piece = memoryview(piece)[left:], bytes(memoryview(piece)[:left])
            left -= len(piece)
            taken.append(piece if isinstance(piece, bytes) else bytes(piece))
        return taken
