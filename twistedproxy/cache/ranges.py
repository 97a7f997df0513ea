"""Parts of a stored response: what Range and If-Range ask for (RFC 9110 §13.1.5, §14), and what is answered."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from twistedproxy.cache.dates import single_date
from twistedproxy.cache.entry import BLOCK, BodyFile, Entry
from twistedproxy.cache.extent import Extent, Span, content_range, extent_of
from twistedproxy.message import Field, Headers

#: What a body is sent from: bytes that stand for themselves, and spans of what is stored.
Plan = Sequence[bytes | Span]

#: More parts than these are answered with the whole, which costs less (RFC 9110 §14.2, §17.15).
MOST_SPANS: Final = 16

_UNIT: Final = b"bytes="
# int-range = first-pos "-" [ last-pos ]; suffix-range = "-" suffix-length.  No file has a size of more digits.
_SPEC: Final = re.compile(rb"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")
_CHANCE: Final = os.urandom(16)


def asked_spans(asked: Headers, stored: Headers, length: int) -> tuple[Span, ...] | None:
    """
    The parts of a stored 200 that a GET asks for, in its order.

    :param length: bytes of the stored body
    :return: none of them (empty) when no part exists, which is answered with 416; None when the whole is the answer: Range is
        absent or malformed (§14.2), it asks for too much at a time, or If-Range names another representation
    """
    value = asked.joined(b"range") or b""
    if value[: len(_UNIT)].lower() != _UNIT or not _if_range_holds(asked, stored):
        return None
    # §5.6.1.2: empty elements of a list mean nothing.
    parts = [part for part in (part.strip(b" \t") for part in value[len(_UNIT) :].split(b",")) if part]
    if not parts:
        return None
    spans = []
    for part in parts:
        spec = _SPEC.fullmatch(part)
        if spec is None:
            return None
        first, last, suffix = spec.groups()
        if suffix is not None:
            start, stop = max(0, length - int(suffix)), length
        else:
            start, stop = int(first), min(int(last) + 1, length) if last else length
            if last and int(last) < start:
                return None  # §14.1.1: invalid.
        if start < stop:
            spans.append((start, stop))
    in_order = sorted(spans)
    if len(spans) > MOST_SPANS or any(one[1] > other[0] for one, other in pairwise(in_order)):
        return None
    return tuple(spans)


def _if_range_holds(asked: Headers, stored: Headers) -> bool:
    """RFC 9110 §13.1.5: the parts are wanted only of the very representation that the client has others of."""
    values = asked.get_all(b"if-range")
    if not values:
        return True
    if len(values) > 1:
        return False
    value = values[0]
    if value.startswith((b'"', b"W/")):
        # §8.8.3.2: the strong comparison; a weak tag never matches.
        return value.startswith(b'"') and stored.get_all(b"etag") == [value]
    if stored.get_all(b"last-modified") != [value]:
        return False
    # §8.8.2.2: a date is a strong validator only when nothing can have changed later within its second.
    modified, date = (single_date(stored.get_all(name), 0.0) for name in (b"last-modified", b"date"))
    return modified is not None and date is not None and date - modified >= 1


def extent(entry: Entry) -> Extent:
    """Where the stored bytes of *entry* belong; of a complete response they are all."""
    found = extent_of(entry.headers) if entry.status == 206 else None
    return found or Extent(0, entry.length, entry.length)


def partial_fields(entry: Entry, spans: tuple[Span, ...]) -> tuple[list[Field], Plan]:
    """
    The fields and the body of a 206 with *spans* of *entry* (RFC 9110 §15.3.7).

    :return: the fields, without Content-Length, and what the body is made of: several parts are multipart/byteranges (§14.6)
    """
    first, _, total = extent(entry)
    headers = entry.headers.without({b"content-range"}) if entry.status == 206 else entry.headers
    fields, plan = parts(headers, spans, total, b"%b %a %d" % (entry.key, entry.facts.response_time, entry.length))
    return fields, [part if isinstance(part, bytes) else (part[0] - first, part[1] - first) for part in plan]


def parts(headers: Headers, spans: tuple[Span, ...], total: int, seed: bytes) -> tuple[list[Field], Plan]:
    """
    The fields and the body of a 206 with *spans* of *total* bytes (RFC 9110 §15.3.7); returns what :func:`partial_fields` does.

    :param headers: of the whole, without Content-Length
    :param seed: the same for the same representation
    """
    if len(spans) == 1:
        return [*headers.items, (b"Content-Range", content_range(spans[0], total))], spans
    boundary = hashlib.blake2b(seed, digest_size=16, key=_CHANCE).hexdigest().encode("ascii")
    kind = headers.get(b"content-type")
    about = b"" if kind is None else b"Content-Type: %b\r\n" % kind
    plan: list[bytes | Span] = []
    for span in spans:
        start = b"\r\n--%b\r\n%bContent-Range: %b\r\n\r\n" % (boundary, about, content_range(span, total))
        plan += (start, span)
    plan.append(b"\r\n--%b--\r\n" % boundary)
    fields = list(headers.without({b"content-type"}).items)
    return [*fields, (b"Content-Type", b"multipart/byteranges; boundary=" + boundary)], plan


def plan_length(plan: Plan) -> int:
    """Bytes that *plan* makes."""
    return sum(len(part) if isinstance(part, bytes) else part[1] - part[0] for part in plan)


def planned(plan: Plan, body: bytes) -> list[bytes]:
    """The pieces that *plan* makes of a *body* in memory."""
    return [part if isinstance(part, bytes) else body[part[0] : part[1]] for part in plan]


class SpanReader:
    """What a plan makes of a body on disk, in pieces of at most 256 KiB; read as :class:`twistedproxy.cache.entry.BodyReader`."""

    __slots__ = ("_file", "_rest")

    def __init__(self, file: BodyFile, plan: Plan) -> None:
        self._file: BodyFile | None = file
        self._rest = deque(plan)

    def read(self) -> bytes:
        """
        The next piece, empty at the end.

        :raises DamagedEntry: the block that it is in is not what was written
        """
        if self._file is None or not self._rest:
            return b""
        part = self._rest.popleft()
        if isinstance(part, bytes):
            return part
        start, stop = part
        number = start // BLOCK
        end = min(stop, (number + 1) * BLOCK)
        if end < stop:
            self._rest.appendleft((end, stop))
        return self._file.block(number)[start - number * BLOCK : end - number * BLOCK]

    def close(self) -> None:
        """No more is read; further reads return nothing."""
        self._file = None
