"""What a request's conditions make of an answer with a file (RFC 9110 §13, §14); pure, in the order of §13.2.2."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from twistedproxy.cache.dates import single_date
from twistedproxy.cache.extent import Span
from twistedproxy.cache.ranges import asked_spans
from twistedproxy.cache.validation import client_has
from twistedproxy.message import Headers

#: Fields without which a request gets the whole, always.
CONDITIONS: Final = frozenset(
    (b"if-match", b"if-unmodified-since", b"if-none-match", b"if-modified-since", b"range", b"if-range")
)
_TAG: Final = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class Outcome(NamedTuple):
    """*status*: 200, 206, 304, 412 or 416; the *spans* of a 206."""

    status: int
    spans: tuple[Span, ...] = ()


def outcome(asked: Headers, shown: Headers, size: int, now: float, *, is_get: bool) -> Outcome:
    """
    What a GET or HEAD with the fields *asked* gets of a file whose 200 has the fields *shown*.

    :param size: bytes of the file
    :param now: seconds since 1970
    """
    if not _is_as_wanted(asked, shown, now):
        return Outcome(412)
    if client_has(asked, 200, shown, now):
        return Outcome(304)
    # §14.2: Range means something for GET alone.
    spans = asked_spans(asked, shown, size) if is_get and b"range" in asked else None
    if spans is None:
        return Outcome(200)
    return Outcome(206, spans) if spans else Outcome(416)


def _is_as_wanted(asked: Headers, shown: Headers, now: float) -> bool:
    """§13.1.1 and §13.1.4: If-Match, compared strongly, and without it If-Unmodified-Since."""
    tags = asked.joined(b"if-match")
    if tags is not None:
        tag = shown.get(b"etag") or b""
        return tags.strip(b" \t") == b"*" or (tag.startswith(b'"') and tag in _TAG.findall(tags))
    since = single_date(asked.get_all(b"if-unmodified-since"), now)
    modified = single_date(shown.get_all(b"last-modified"), now)
    return since is None or modified is None or modified <= since
