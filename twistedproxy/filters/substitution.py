"""
Text of bodies replaced on the way to the client (``substitute``).

Bodies of the named types are decoded first (gzip, br, zstd), and go on without a coding, in chunks, with a weak ETag: what
the client gets is no byte range of what the peer has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twistedproxy.filters.chain import BodyFilter, Templated
from twistedproxy.filters.changed import WITHOUT_WHOLE_BODY, may_be_changed, of_changed_body, weakened
from twistedproxy.filters.decoding import Decoder, decoder_of
from twistedproxy.filters.replacing import LiteralStream, PatternStream, Stream
from twistedproxy.message import CHUNKED, Headers, RequestHead, ResponseHead
from twistedproxy.settings.edits import Substitution
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.templates import RESPONSE_NAMES, Template
from twistedproxy.wire.framing import Piece

Lookup = Callable[[str], str]


class Substituting(Templated):
    """The lines of one route: a :class:`twistedproxy.filters.chain.Templated`."""

    __slots__ = ("_lines", "_types")

    def __init__(self, settings: RouteKnobs) -> None:
        self._lines = [_Line(line, settings.substitute_once) for line in settings.substitute]
        self._types = frozenset(each.encode("ascii") for each in settings.substitute_types)

    def begin_for(self, lookup: Lookup, request: RequestHead, head: ResponseHead) -> tuple[ResponseHead, BodyFilter | None]:
        """As :meth:`twistedproxy.filters.chain.Filter.begin`; *lookup* knows the names of templates."""
        headers = head.headers
        if head.status in WITHOUT_WHOLE_BODY:
            # What a 304 confirms is what was changed; a part of it never is.
            return (_confirmed(head) if head.status == 304 else head), None
        kind = (headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
        if (kind not in self._types and b"*" not in self._types) or not may_be_changed(headers):
            return head, None
        try:
            decoder = decoder_of(headers.elements(b"content-encoding"))
        except KeyError:
            return head, None
        if head.length == 0 and request.method != b"HEAD":
            return _confirmed(head), None
        made = ResponseHead(head.status, head.reason, Headers(of_changed_body(headers)), length=CHUNKED)
        if request.method == b"HEAD":
            return made, None
        return made, Replacing(decoder, [line.stream(lookup) for line in self._lines])


class _Line:
    """One line of ``substitute``."""

    __slots__ = ("_once", "_pattern", "_source", "_to")

    def __init__(self, line: Substitution, once: bool) -> None:
        self._source = line.source.encode("utf-8")
        self._pattern = re.compile(self._source) if line.is_regex else None
        # Values are Latin-1 characters that stand for bytes: so is the text.
        self._to = Template.parse(line.to.encode("utf-8").decode("latin-1"), RESPONSE_NAMES)
        self._once = once

    def stream(self, lookup: Lookup) -> Stream:
        """The replacement in one body."""
        if self._pattern is None:
            return LiteralStream(self._source, self._to.render(lookup).encode("latin-1"), once=self._once)
        # Values of names are data: a backslash in them stands for itself.
        text = self._to.render(lambda name: lookup(name).replace("\\", "\\\\"))
        return PatternStream(self._pattern, text.encode("latin-1"), once=self._once)


class Replacing:
    """One body: a :class:`twistedproxy.filters.chain.BodyFilter`."""

    __slots__ = ("_decoder", "_streams")

    def __init__(self, decoder: Decoder | None, streams: Sequence[Stream]) -> None:
        self._decoder = decoder
        self._streams = streams

    def feed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """
        What is to go on of what has come.

        :raises ResponseError: it is not coded as its head says
        """
        made: list[Piece] = []
        for piece in pieces:
            data = bytes(piece) if self._decoder is None else self._decoder.feed(piece)
            for stream in self._streams:
                data = stream.feed(data)
            if data:
                made.append(data)
        return made

    def finish(self) -> Sequence[Piece]:
        """
        What was kept.

        :raises ResponseError: the coding is cut short
        """
        if self._decoder is not None:
            self._decoder.finish()
        rest = b""
        for stream in self._streams:
            rest = (stream.feed(rest) if rest else b"") + stream.finish()
        return (rest,) if rest else ()

    def close(self) -> None:
        """The exchange is over."""


def _confirmed(head: ResponseHead) -> ResponseHead:
    """*head*, without a body, with the ETag of what was changed."""
    return ResponseHead(head.status, head.reason, Headers(map(weakened, head.headers)), length=head.length)
