"""A stored response as the answer to one exchange: its head, and its body as fast as the client takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from twisted.logger import Logger

from twistedproxy import errors
from twistedproxy.cache.entry import BodyReader, DamagedEntry, Entry
from twistedproxy.cache.extent import Extent, Span, content_range
from twistedproxy.cache.fill import CutFill, Fill, FillReader
from twistedproxy.cache.ranges import Plan, SpanReader, asked_spans, extent, partial_fields, plan_length, planned
from twistedproxy.cache.validation import not_modified_fields
from twistedproxy.forward import rewrite
from twistedproxy.message import CHUNKED, Field, Headers, ResponseHead
from twistedproxy.transport.file_part import FilePart

if TYPE_CHECKING:
    from twistedproxy.cache.cache import Cache
    from twistedproxy.forward.exchange import Exchange

_log = Logger()

#: Blocks of an entry's body written in one turn of the reactor, however fast the client takes them.
_BLOCKS: Final = 4

#: Bytes of a file that are sent at once.
_AT_ONCE: Final = 1024 * 1024

#: What is said of the cache: the word of X-Cache-Status, and the member of Cache-Status.
Said = tuple[bytes, bytes]


class Reader(Protocol):
    """A body that is read piece by piece."""

    def read(self) -> bytes | None:
        """
        The next piece, empty at the end; None when it has yet to come.

        :raises DamagedEntry: it is not what was written
        :raises CutFill: it will never come
        """

    def close(self) -> None:
        """No more is read."""


class Serving:
    """Serves what is stored to the client of one exchange."""

    __slots__ = ("_cache", "_entry", "_exchange", "_paused", "_reader")

    def __init__(self, exchange: Exchange, cache: Cache) -> None:
        self._exchange = exchange
        self._cache = cache
        self._entry: Entry | None = None
        self._reader: Reader | None = None
        self._paused = False

    @property
    def is_busy(self) -> bool:
        """Whether a body is being served."""
        return self._reader is not None

    def head(self, entry: Entry, now: float, said: Said) -> ResponseHead:
        """The head of the whole."""
        return self._made(entry.status, entry.reason, entry.headers.items, entry.length, entry.age(now), now, said)

    def _made(
        self, status: int, reason: bytes, fields: tuple[Field, ...] | list[Field], length: int, age: int, now: float, said: Said
    ) -> ResponseHead:
        exchange = self._exchange
        exchange.cache_status = said[0].decode("ascii")
        route = exchange.route
        made = Headers(
            (
                *fields,
                *(((b"Content-Length", b"%d" % length),) if length >= 0 else ()),
                (b"Age", b"%d" % age),
                (b"Cache-Status", said[1]),
                (b"X-Cache-Status", said[0]),
            )
        )
        edits = route.response_edits if route is not None else ()
        return rewrite.response_head(ResponseHead(status, reason, made, length=length), edits, now)

    def whole(self, entry: Entry, head: ResponseHead) -> None:
        """Answer with all of *entry*."""
        exchange = self._exchange
        if exchange.head.method == b"HEAD" or entry.status in (204, 304):
            exchange.deliver(head, (), True)
            exchange.finish()
        elif entry.body is not None:
            exchange.deliver(head, (entry.body,) if entry.body else (), True)
            exchange.finish()
        else:
            self._begin(entry, head, entry.open())

    def part(self, entry: Entry, now: float, said: Said) -> None:
        """Answer a request with Range: 206, 416, or the whole after all (RFC 9110 §14.2)."""
        exchange = self._exchange
        spans = asked_spans(exchange.head.headers, entry.headers, extent(entry).total)
        if spans is None:
            self.whole(entry, self.head(entry, now, said))
            return
        plan: Plan = ()
        if spans:
            status, reason = 206, b"Partial Content"
            fields, plan = partial_fields(entry, spans)
        else:
            status, reason = 416, b"Range Not Satisfiable"
            fields = [(b"Content-Range", b"bytes */%d" % entry.length)]
        head = self._made(status, reason, fields, plan_length(plan), entry.age(now), now, said)
        if plan and entry.file is not None:
            self._begin(entry, head, SpanReader(entry.file, plan))
        else:
            exchange.deliver(head, planned(plan, entry.body or b""), True)
            exchange.finish()

    def growing(self, fill: Fill, entry: Entry, now: float, said: Said) -> None:
        """Answer with all of what *fill* is and will be; *entry* has its facts."""
        exchange = self._exchange
        length = fill.length if fill.length >= 0 else CHUNKED
        head = self._made(entry.status, entry.reason, entry.headers.items, length, entry.age(now), now, said)
        if exchange.head.method == b"HEAD" or entry.status in (204, 304):
            exchange.deliver(head, (), True)
            exchange.finish()
        else:
            self._begin(entry, head, FillReader(fill, self._pump_soon))

    def growing_part(self, fill: Fill, entry: Entry, where: Extent, span: Span, now: float, said: Said) -> None:
        """Answer with one part, *span*, of what *fill* will be, whose bytes belong *where*."""
        headers = entry.headers.without({b"content-range"})
        fields: list[Field] = [*headers.items, (b"Content-Range", content_range(span, where.total))]
        length = span[1] - span[0]
        head = self._made(206, b"Partial Content", fields, length, entry.age(now), now, said)
        self._begin(entry, head, FillReader(fill, self._pump_soon, span[0] - where.start, span[1] - where.start))

    def read_along(self, fill: Fill, *, paused: bool) -> None:
        """From here on the client, which has got all that came, reads what *fill* is stored in: nobody waits for it."""
        self._paused = paused
        self._reader = reader = FillReader(fill, self._pump_soon, fill.size)
        # Awaits what has yet to come.
        reader.waits = True

    def not_modified(self, entry: Entry, now: float, said: Said) -> None:
        """Answer that the client has *entry* already."""
        exchange = self._exchange
        exchange.cache_status = said[0].decode("ascii")
        fields = not_modified_fields(entry.headers).plus(
            (b"Age", b"%d" % entry.age(now)), (b"Cache-Status", said[1]), (b"X-Cache-Status", said[0])
        )
        edits = exchange.route.response_edits if exchange.route is not None else ()
        exchange.deliver(rewrite.response_head(ResponseHead(304, b"Not Modified", fields), edits, now), (), True)
        exchange.finish()

    def _begin(self, entry: Entry, head: ResponseHead, reader: Reader) -> None:
        self._entry = entry
        self._reader = reader
        self._exchange.deliver(head, (), False)
        self._pump()

    def _pump(self) -> None:
        """Write blocks of a stored body until the client is slow, or for a turn of the reactor."""
        exchange = self._exchange
        # What is changed on its way costs time for each byte: the others have their turn after one block.
        for _ in range(_BLOCKS if exchange.chain is None else 1):
            if self._paused or self._reader is None or exchange.finished:
                return
            if type(self._reader) is BodyReader and self._send_file(self._reader):
                continue
            try:
                block = self._reader.read()
            except DamagedEntry as problem:
                _log.warn("{entry}: {problem}", entry=self._entry or exchange.head, problem=problem)
                if self._entry is not None:
                    self._cache.drop(self._entry)
                exchange.fail(errors.STORED_DAMAGED, str(problem))
                return
            except CutFill:
                exchange.fail(errors.SHARED_CUT)
                return
            if block is None:
                return
            if not block:
                self.close()
                exchange.deliver_end(Headers())
                return
            exchange.deliver_body((block,))
        self._pump_soon()

    def _send_file(self, reader: BodyReader) -> bool:
        """Have the kernel send what needs no second look; False when it has to be read."""
        exchange = self._exchange
        if not exchange.sends_files:
            return False
        try:
            part = reader.checked(_AT_ONCE)
        except OSError:
            # Reading it says what is wrong.
            return False
        if part is None:
            return False
        file, start, count = part
        exchange.send_file(FilePart(file, file.descriptor, start, count))
        return True

    def _pump_soon(self) -> None:
        self._exchange.site.reactor.callLater(0, self._pump)

    def pause(self) -> None:
        """The client is slow."""
        self._paused = True

    def resume(self) -> None:
        """The client has taken what was written."""
        self._paused = False
        if self._reader is not None:
            self._pump_soon()

    def close(self) -> None:
        """The exchange is over."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
