"""
Bodies compressed on their way to clients that can read them (RFC 9110 §8.4): gzip, Brotli and Zstandard.

What may still grow while the client waits (a body of unknown length: event streams, long polls) is flushed at each piece.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import brotli
import zstandard

from twistedproxy.filters.chain import BodyFilter
from twistedproxy.filters.changed import WITHOUT_WHOLE_BODY, may_be_changed, of_changed_body, weakened
from twistedproxy.message import CHUNKED, Headers, RequestHead, ResponseHead
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.wire.content_codings import preferred
from twistedproxy.wire.framing import Piece

#: Logarithm of the bytes that Brotli and Zstandard look back: bounds the memory of an exchange.
_WINDOW: Final = 18


class _Coder(Protocol):
    def feed(self, data: Piece) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Gzip:
    """gzip (RFC 1952)."""

    __slots__ = ("_made",)

    def __init__(self, level: int) -> None:
        self._made = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS | 16)

    def feed(self, data: Piece) -> bytes:
        return self._made.compress(data)

    def flush(self) -> bytes:
        return self._made.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._made.flush()


class _Brotli:
    """Brotli (RFC 7932)."""

    __slots__ = ("_made",)

    def __init__(self, level: int) -> None:
        self._made = brotli.Compressor(quality=level, lgwin=_WINDOW)

    def feed(self, data: Piece) -> bytes:
        return bytes(self._made.process(bytes(data)))

    def flush(self) -> bytes:
        return bytes(self._made.flush())

    def finish(self) -> bytes:
        return bytes(self._made.finish())


class _Zstandard:
    """Zstandard (RFC 8878)."""

    __slots__ = ("_made",)

    def __init__(self, level: int) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=_WINDOW)
        self._made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def feed(self, data: Piece) -> bytes:
        return self._made.compress(data)

    def flush(self) -> bytes:
        return self._made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._made.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


_CODERS: Final[dict[bytes, Callable[[int], _Coder]]] = {b"gzip": _Gzip, b"br": _Brotli, b"zstd": _Zstandard}


class Compressing:
    """What one route compresses: a :class:`twistedproxy.filters.chain.Filter`."""

    __slots__ = ("_codings", "_least", "_level", "_types")

    def __init__(self, settings: RouteKnobs) -> None:
        self._codings = tuple(each.encode("ascii") for each in settings.compress)
        self._types = frozenset(each.encode("ascii") for each in settings.compress_types)
        self._level = settings.compress_level
        self._least = settings.compress_min_size

    def begin(self, request: RequestHead, head: ResponseHead) -> tuple[ResponseHead, BodyFilter | None]:
        """As :meth:`twistedproxy.filters.chain.Filter.begin`."""
        headers = head.headers
        if head.status == 304:
            return _confirmed(request, head), None
        if head.status < 200 or head.status in WITHOUT_WHOLE_BODY or b"content-range" in headers:
            return head, None
        kind = (headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
        if (kind not in self._types and b"*" not in self._types) or b"content-encoding" in headers:
            return head, None
        if not may_be_changed(headers):
            return head, None
        length = headers.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length) < max(self._least, 1)):
            return head, None
        # Others may get another coding of it, or none: caches have to know (RFC 9110 §12.5.5).
        headers = _varied(headers)
        coding = preferred(request.headers.elements(b"accept-encoding"), self._codings)
        if coding is None:
            return ResponseHead(head.status, head.reason, headers, length=head.length), None
        fields = of_changed_body(headers)
        fields.append((b"Content-Encoding", coding))
        made = ResponseHead(head.status, head.reason, Headers(fields), length=CHUNKED)
        if request.method == b"HEAD":
            return made, None
        return made, _Compressed(_CODERS[coding](self._level), prompt=length is None)


class _Compressed:
    """
    One body: a :class:`twistedproxy.filters.chain.BodyFilter`.

    :param prompt: keep nothing back, ever
    """

    __slots__ = ("_coder", "_prompt")

    def __init__(self, coder: _Coder, *, prompt: bool) -> None:
        self._coder = coder
        self._prompt = prompt

    def feed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """What is to go on of what has come."""
        made = [self._coder.feed(piece) for piece in pieces if piece]
        if self._prompt and made:
            made.append(self._coder.flush())
        return [each for each in made if each]

    def finish(self) -> Sequence[Piece]:
        """What was kept, and the end."""
        return (self._coder.finish(),)

    def close(self) -> None:
        """The exchange is over."""


def _varied(headers: Headers) -> Headers:
    named = {each.lower() for each in headers.elements(b"vary")}
    return headers if named & {b"*", b"accept-encoding"} else headers.plus((b"Vary", b"Accept-Encoding"))


def _confirmed(request: RequestHead, head: ResponseHead) -> ResponseHead:
    """A 304 names the ETag that the client knows, weak if what it has was compressed (RFC 9110 §15.4.5)."""
    etag = head.headers.get(b"etag")
    if etag is None or b"W/" + etag not in (request.headers.joined(b"if-none-match") or b""):
        return head
    fields = [weakened(field) for field in _varied(head.headers)]
    return ResponseHead(head.status, head.reason, Headers(fields), length=head.length)
