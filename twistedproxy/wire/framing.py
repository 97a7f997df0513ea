"""
Where a body ends (RFC 9112 §6 and §7): readers that take a body out of a stream of bytes, and writers for the chunked coding.

A reader is fed what arrives and returns the payload in it, in pieces that may be views of the input.  Once it is
:attr:`~BodyReader.complete`, :attr:`~BodyReader.rest` holds what follows the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from twistedproxy.message import CERT_FIELDS, Headers
from twistedproxy.wire.grammar import CHUNK_LINE, CHUNK_LINE_START
from twistedproxy.wire.lines import has_stray_line_end, parse_field_lines

Piece = bytes | memoryview

#: Bytes of one chunk line, its CRLF included; more is no honest use of extensions.
MAX_CHUNK_LINE: Final = 1024
#: Bytes of all chunk extensions of one body together, beyond one for each 16 bytes of payload.
MAX_EXTENSIONS: Final = 16 * 1024
#: Bytes of a trailer section, its empty line included.
MAX_TRAILERS: Final = 16 * 1024
MAX_TRAILER_FIELDS: Final = 64
#: A chunk of at least so many bytes is worth a view; to copy a smaller one costs less.
_VIEWED: Final = 1024
#: More chunks than these out of one read are joined: what passes many tiny pieces on costs far more than a copy.
_MANY: Final = 32

#: Fields that would change the framing, the routing or the meaning of a head, were they merged into it by a server behind us
#: (RFC 9110 §6.5.1): as trailers they are left out.
NOT_IN_TRAILERS: Final = frozenset(
    (
        b"age",
        b"authorization",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expect",
        b"expires",
        b"forwarded",
        b"host",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"keep-alive",
        b"location",
        b"max-forwards",
        b"pragma",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"range",
        b"retry-after",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"vary",
        b"via",
        b"www-authenticate",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
        *CERT_FIELDS,
    )
)

NO_TRAILERS: Final = Headers()


class BadChunk(Exception):
    """The chunked coding is broken; the text shows how."""


class BadTrailer(Exception):
    """The trailer section is broken; the text shows how."""


class BodyReader(Protocol):
    """Takes a body out of a stream."""

    complete: bool
    rest: bytes
    trailers: Headers

    def feed(self, data: bytes) -> Sequence[Piece]:
        """The payload in *data*."""


class LengthReader:
    """A body of a known number of bytes."""

    __slots__ = ("complete", "remaining", "rest")

    trailers = NO_TRAILERS

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.complete = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> Sequence[Piece]:
        """The payload in *data*."""
        remaining = self.remaining - len(data)
        if remaining > 0:
            self.remaining = remaining
            return (data,)
        size = self.remaining
        self.remaining = 0
        self.complete = True
        if remaining == 0:
            return (data,)
        self.rest = data[size:]
        return (memoryview(data)[:size],)


class UntilCloseReader:
    """A body that ends with the connection: only in responses (RFC 9112 §6.3 rule 8)."""

    __slots__ = ()

    complete = False
    rest = b""
    trailers = NO_TRAILERS

    def feed(self, data: bytes) -> Sequence[Piece]:
        """All of *data*."""
        return (data,)


class ChunkedReader:
    """
    A body in the chunked coding (RFC 9112 §7.1), strictly: only CRLF ends a line, sizes are hexadecimal digits alone.

    Extensions are read over; trailers are kept apart from the head.
    """

    __slots__ = ("_buffer", "_extensions", "_remaining", "_state", "complete", "rest", "trailers")

    _SIZE, _DATA, _DATA_END, _TRAILERS = range(4)

    def __init__(self) -> None:
        self._state = self._SIZE
        self._buffer = b""
        self._remaining = 0
        self._extensions = 0
        self.complete = False
        self.rest = b""
        self.trailers = NO_TRAILERS

    def feed(self, data: bytes) -> Sequence[Piece]:
        """
        The payload in *data*.

        :raises BadChunk: a chunk is malformed
        :raises BadTrailer: the trailer section is malformed
        """
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        view = memoryview(data)
        end = len(data)
        position = 0
        pieces: list[Piece] = []
        while position < end:
            if self._state == self._SIZE:
                line = CHUNK_LINE.match(data, position, position + MAX_CHUNK_LINE)
                if line is None:
                    self._unfinished_line(data[position : position + MAX_CHUNK_LINE])
                    break
                digits, after = line[1], line.end()
                size = int(digits, 16)
                self._begin_chunk(size, after - position - len(digits) - 2)
                position = after
                stop = position + size
                if size and data.startswith(b"\r\n", stop):
                    # All of the chunk is here, as most are.
                    pieces.append(view[position:stop] if size >= _VIEWED else data[position:stop])
                    position = stop + 2
                    self._state = self._SIZE
            elif self._state == self._DATA:
                stop = min(position + self._remaining, end)
                pieces.append(view[position:stop] if stop - position >= _VIEWED else data[position:stop])
                self._remaining -= stop - position
                position = stop
                if not self._remaining:
                    self._state = self._DATA_END
            elif self._state == self._DATA_END:
                if data.startswith(b"\r\n", position):
                    position += 2
                    self._state = self._SIZE
                elif data[position:] == b"\r":
                    self._buffer = b"\r"
                    break
                else:
                    raise BadChunk("a chunk's data is not followed by CRLF")
            else:
                self._trailer_section(data[position:])
                break
        return pieces if len(pieces) <= _MANY else (b"".join(pieces),)

    def _unfinished_line(self, start: bytes) -> None:
        if len(start) == MAX_CHUNK_LINE or CHUNK_LINE_START.fullmatch(start) is None:
            raise BadChunk(f"chunk line {start[:40]!r}")
        self._buffer = start

    def _begin_chunk(self, size: int, extensions: int) -> None:
        if size >= 1 << 62:
            raise BadChunk("a chunk size beyond all measure")
        # What went before pays for extensions only up to their own length: nothing is saved up for later.
        self._extensions = max(self._extensions + extensions - size // 16, 0)
        if self._extensions > MAX_EXTENSIONS:
            raise BadChunk("too many chunk extensions")
        self._remaining = size
        self._state = self._DATA if size else self._TRAILERS

    def _trailer_section(self, data: bytes) -> None:
        if data.startswith(b"\r\n"):
            self.complete = True
            self.rest = data[2:]
            return
        end = data.find(b"\r\n\r\n", 0, MAX_TRAILERS)
        if end < 0:
            if len(data) >= MAX_TRAILERS:
                raise BadTrailer("the trailer section is too long")
            if has_stray_line_end(data):
                raise BadTrailer("a bare CR or LF in the trailer section")
            self._buffer = data
            return
        fields = parse_field_lines(data[: end + 2])
        if fields is None:
            raise BadTrailer(f"trailer section {data[: min(end, 80)]!r}")
        if len(fields) > MAX_TRAILER_FIELDS:
            raise BadTrailer("too many trailer fields")
        self.trailers = fields.without(NOT_IN_TRAILERS)
        self.complete = True
        self.rest = data[end + 4 :]


def chunked(pieces: Iterable[Piece]) -> list[Piece]:
    """*pieces* in the chunked coding, one chunk each; empty ones, which would end the body, are left out."""
    coded: list[Piece] = []
    for piece in pieces:
        if piece:
            coded += (b"%x\r\n" % len(piece), piece, b"\r\n")
    return coded


#: The end of a chunked body without trailers.
LAST_CHUNK: Final = b"0\r\n\r\n"


def last_chunk(trailers: Headers) -> bytes:
    """The end of a chunked body with its trailers."""
    if not trailers.items:
        return LAST_CHUNK
    return b"0\r\n%b\r\n" % trailers.block
