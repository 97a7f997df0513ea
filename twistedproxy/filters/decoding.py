"""Content codings taken off (RFC 9110 §8.4.1), piece by piece, so that bodies can be looked into."""

from __future__ import annotations

import zlib
from typing import Any, Final, Protocol

import brotli
import zstandard

from twistedproxy.errors import BAD_CONTENT_CODING, ResponseError
from twistedproxy.wire.framing import Piece

#: Bytes that one piece of a body may become: a bomb of a few kilobytes must not fill the memory.
MOST: Final = 32 * 1024 * 1024


class Decoder(Protocol):
    """Takes one coding off one body."""

    def feed(self, data: Piece) -> bytes:
        """
        What *data* stands for.

        :raises ResponseError: BAD_CONTENT_CODING
        """

    def finish(self) -> None:
        """
        The body has ended.

        :raises ResponseError: BAD_CONTENT_CODING, in the middle of what was coded
        """


class _Zlib:
    """gzip (RFC 1952), also of several members."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._began = False

    def feed(self, data: Piece) -> bytes:
        made: list[bytes] = []
        size = 0
        rest: bytes = bytes(data)
        while rest:
            if self._one.eof:
                # Padding behind the last member is not one of them.
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                self._one = zlib.decompressobj(zlib.MAX_WBITS | 16)
            self._began = True
            try:
                made.append(self._one.decompress(rest, MOST + 1 - size))
            except zlib.error as error:
                raise ResponseError(BAD_CONTENT_CODING, f"gzip: {error}") from None
            size += len(made[-1])
            if size > MOST:
                raise ResponseError(BAD_CONTENT_CODING, "gzip: too much comes out")
            rest = self._one.unused_data
        return b"".join(made)

    def finish(self) -> None:
        if self._began and not self._one.eof:
            raise ResponseError(BAD_CONTENT_CODING, "gzip: cut short")


class _Brotli:
    """br (RFC 7932)."""

    def __init__(self) -> None:
        self._one: Any = brotli.Decompressor()
        self._began = False

    def feed(self, data: Piece) -> bytes:
        if not data:
            return b""
        self._began = True
        try:
            made: bytes = self._one.process(bytes(data), output_buffer_limit=MOST)
        except brotli.error as error:
            raise ResponseError(BAD_CONTENT_CODING, f"br: {error}") from None
        if len(made) > MOST or not (self._one.can_accept_more_data() or self._one.is_finished()):
            raise ResponseError(BAD_CONTENT_CODING, "br: too much comes out")
        return made

    def finish(self) -> None:
        if self._began and not self._one.is_finished():
            raise ResponseError(BAD_CONTENT_CODING, "br: cut short")


class _Zstandard:
    """zstd (RFC 8878), one frame with a window of 8 MiB at most (RFC 9659)."""

    def __init__(self) -> None:
        self._one = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj()
        self._began = False

    def feed(self, data: Piece) -> bytes:
        if not data:
            return b""
        self._began = True
        try:
            made = self._one.decompress(bytes(data))
        except zstandard.ZstdError as error:
            raise ResponseError(BAD_CONTENT_CODING, f"zstd: {error}") from None
        if len(made) > MOST:
            raise ResponseError(BAD_CONTENT_CODING, "zstd: too much comes out")
        return made

    def finish(self) -> None:
        if self._began and not self._one.eof:
            raise ResponseError(BAD_CONTENT_CODING, "zstd: cut short")


_DECODERS: Final[dict[bytes, Any]] = {b"gzip": _Zlib, b"x-gzip": _Zlib, b"br": _Brotli, b"zstd": _Zstandard}


def decoder_of(codings: tuple[bytes, ...]) -> Decoder | None:
    """
    What takes *codings* (elements of Content-Encoding) off; None for nothing to take off.

    :raises KeyError: one of them is not known here, or there are several
    """
    named = [coding for coding in codings if coding != b"identity"]
    if not named:
        return None
    if len(named) > 1:
        raise KeyError(b", ".join(named))
    decoder: Decoder = _DECODERS[named[0]]()
    return decoder
