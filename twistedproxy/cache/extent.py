"""Where the content of a 206 belongs: its Content-Range (RFC 9110 §14.4)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from twistedproxy.message import Headers, ResponseHead

#: A part of a body: its first byte, and the one behind its last.
Span = tuple[int, int]

# RFC 9110 §14.4; of an unknown complete-length nothing can be made here.
_CONTENT_RANGE: Final = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


class Extent(NamedTuple):
    """Where the bytes of a part belong: from *start* up to *stop* of *total*."""

    start: int
    stop: int
    total: int

    @property
    def is_all(self) -> bool:
        """Whether the part is the whole."""
        return self.start == 0 and self.stop == self.total

    def covers(self, span: Span) -> bool:
        """Whether all of *span* is here."""
        return self.start <= span[0] and span[1] <= self.stop


def extent_of(headers: Headers) -> Extent | None:
    """What the Content-Range of a 206 says; None when it has none that is sound, or more than one part."""
    values = headers.get_all(b"content-range")
    found = _CONTENT_RANGE.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    start, last, total = map(int, found.groups())
    return Extent(start, last + 1, total) if start <= last < total else None


def content_range(span: Span, length: int) -> bytes:
    """The value of Content-Range for *span* of *length* bytes."""
    return b"bytes %d-%d/%d" % (span[0], span[1] - 1, length)


def as_whole(response: ResponseHead) -> ResponseHead:
    """A 206 that holds all there is, as the 200 that it stands for (RFC 9111 §3.3); every other response as it is."""
    if response.status != 206:
        return response
    found = extent_of(response.headers)
    if found is None or not found.is_all:
        return response
    headers = response.headers.without({b"content-range"})
    return ResponseHead(200, b"OK", headers, length=response.length)
