"""Which content coding a client prefers of those that a route has (RFC 9110 §12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_ELEMENT: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*\Z")
#: Names that mean the same (RFC 9110 §8.4.1.3).
_SAME: Final = {b"x-gzip": b"gzip"}


def preferred(accepted: Sequence[bytes], offered: Sequence[bytes]) -> bytes | None:
    """
    The coding to use; None: the answer goes as it is, which is right, too, when nothing suits the client.

    Among codings that the client likes equally, the first of *offered* wins.

    :param accepted: the elements of Accept-Encoding; those that are malformed do not count
    :param offered: names of codings in lower case, the best first
    """
    weights: dict[bytes, float] = {}
    for element in accepted:
        found = _ELEMENT.match(element)
        if found is not None:
            name = found[1].lower()
            weights[_SAME.get(name, name)] = 1.0 if found[2] is None else float(found[2])
    rest = weights.get(b"*", 0.0)
    best, most = None, 0.0
    for name in offered:
        weight = weights.get(name, rest)
        if weight > most:
            best, most = name, weight
    # Whoever names identity with a higher weight wants it more than what is smaller.
    return best if most >= weights.get(b"identity", 0.0) else None
