"""Which of several forms of a text a client wants, by its Accept (RFC 9110 §12.5.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

HTML: Final = b"text/html"
PROBLEM: Final = b"application/problem+json"
PLAIN: Final = b"text/plain"
JSON: Final = b"application/json"

#: Who asks for JSON of any kind can read a problem (RFC 9457 §3).
_ALSO_CALLED: Final = {PROBLEM: JSON, JSON: PROBLEM}

#: Nobody who means it writes more.
_LONGEST: Final = 1024
_WEIGHT: Final = re.compile(rb"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def preferred(accept: bytes | None, offers: tuple[bytes, ...]) -> bytes:
    """
    The one of *offers*, media types in lower case, that *accept* prefers; the first when it does not say or wants none.

    Of two that it wants alike the one that it names wins over the one that a ``*`` of it covers, then the earlier offer.
    """
    if accept is None or len(accept) > _LONGEST or len(offers) == 1:
        return offers[0]
    return _preferred(accept, offers)


@lru_cache(maxsize=512)
def _preferred(accept: bytes, offers: tuple[bytes, ...]) -> bytes:
    ranges = dict(map(_weighed, accept.lower().split(b",")))
    best, chosen = (0.0, 0), offers[0]
    for offer in offers:
        found = _wanted(offer, ranges)
        if found[0] > 0 and found > best:
            best, chosen = found, offer
    return chosen


def _weighed(text: bytes) -> tuple[bytes, float]:
    """A media range, and its weight; parameters other than q do not count here."""
    name, *parameters = (part.strip(b" \t") for part in text.split(b";"))
    for parameter in parameters:
        key, _, value = parameter.partition(b"=")
        if key.strip(b" \t") == b"q":
            value = value.strip(b" \t")
            return name, float(value) if _WEIGHT.fullmatch(value) else 0.0
    return name, 1.0


def _wanted(offer: bytes, ranges: dict[bytes, float]) -> tuple[float, int]:
    """How much *offer* is wanted, and how exactly that is said."""
    names = [offer, _ALSO_CALLED.get(offer, offer)]
    for exactness, spellings in ((2, names), (1, [offer.partition(b"/")[0] + b"/*"]), (0, [b"*/*"])):
        weights = [ranges[name] for name in spellings if name in ranges]
        if weights:
            return max(weights), exactness
    return 0.0, 0
