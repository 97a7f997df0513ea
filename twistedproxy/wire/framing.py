"""
Where a body ends (RFC 9112 §6 and §7): readers that take a body out of a stream of bytes, and writers for the chunked coding.

A reader is fed what arrives and returns the payload in it, in pieces that may be views of the input.  Once it is
:attr:`~BodyReader.complete`, :attr:`~BodyReader.rest` holds what follows the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from twistedproxy.message import Headers
from twistedproxy.wire.grammar import CHUNK_LINE, FIELD_LINE

Piece = bytes | memoryview

#: Bytes of one chunk line; more is no honest use of extensions.
_MAX_CHUNK_LINE: Final = 1024
#: Bytes of all chunk extensions of one body together, beyond one for each 16 bytes of payload.
_MAX_EXTENSIONS: Final = 16 * 1024
#: Bytes of a trailer section.
_MAX_TRAILERS: Final = 16 * 1024
_MAX_TRAILER_FIELDS: Final = 64

#: Fields that mean nothing or harm as trailers (RFC 9110 §6.5.1): they are left out.
_NOT_IN_TRAILERS: Final = frozenset(
    (
        b"authorization",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"host",
        b"keep-alive",
        b"max-forwards",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"range",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"www-authenticate",
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
            if self._state == self._DATA:
                size = min(self._remaining, end - position)
                pieces.append(view[position : position + size])
                position += size
                self._remaining -= size
                if self._remaining == 0:
                    self._state = self._DATA_END
            elif self._state == self._SIZE:
                found = data.find(b"\n", position, position + _MAX_CHUNK_LINE)
                if found < 0:
                    self._check_partial_line(data, position)
                    self._buffer = data[position:]
                    return pieces
                self._chunk_line(data[position : found + 1])
                position = found + 1
            elif self._state == self._DATA_END:
                if end - position < 2:
                    if data[position] != 13:
                        raise BadChunk("a chunk's data is not followed by CRLF")
                    self._buffer = data[position:]
                    return pieces
                if data[position : position + 2] != b"\r\n":
                    raise BadChunk("a chunk's data is not followed by CRLF")
                position += 2
                self._state = self._SIZE
            else:
                self._trailer_section(data, position)
                return pieces
        return pieces

    def _check_partial_line(self, data: bytes, position: int) -> None:
        if len(data) - position >= _MAX_CHUNK_LINE:
            raise BadChunk("a chunk line is too long")
        carriage_return = data.find(b"\r", position)
        if 0 <= carriage_return < len(data) - 1:
            raise BadChunk("a bare CR in a chunk line")

    def _chunk_line(self, line: bytes) -> None:
        if line[-2:] != b"\r\n":
            raise BadChunk("a bare LF ends a chunk line")
        match = CHUNK_LINE.fullmatch(line, 0, len(line) - 2)
        if match is None:
            raise BadChunk(f"chunk line {line[:40]!r}")
        size = int(match[1], 16)
        if size >= 1 << 62:
            raise BadChunk("a chunk size beyond all measure")
        self._extensions += len(line) - 2 - len(match[1]) - size // 16
        if self._extensions > _MAX_EXTENSIONS:
            raise BadChunk("too many chunk extensions")
        self._extensions = max(self._extensions, 0)
        self._remaining = size
        self._state = self._DATA if size else self._TRAILERS

    def _trailer_section(self, data: bytes, position: int) -> None:
        if data[position : position + 2] == b"\r\n":
            self.complete = True
            self.rest = data[position + 2 :]
            return
        end = data.find(b"\r\n\r\n", position)
        if end < 0:
            if len(data) - position > _MAX_TRAILERS:
                raise BadTrailer("the trailer section is too long")
            if b"\n" in data[position:].replace(b"\r\n", b""):
                raise BadTrailer("a bare LF in the trailer section")
            self._buffer = data[position:]
            return
        block = data[position : end + 2]
        fields = FIELD_LINE.findall(block)
        if len(block) > _MAX_TRAILERS or len(fields) > _MAX_TRAILER_FIELDS:
            raise BadTrailer("the trailer section is too long")
        if len(fields) != block.count(b"\n"):
            raise BadTrailer(f"trailer section {block[:80]!r}")
        self.trailers = Headers(
            (name, value.rstrip(b" \t")) for name, value in fields if name.lower() not in _NOT_IN_TRAILERS
        )
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
    return b"0\r\n" + b"".join([b"%b: %b\r\n" % field for field in trailers.items]) + b"\r\n"
