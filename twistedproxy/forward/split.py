"""
Shares of a route's requests for several pools: canaries and A/B tests.

Whoever has the same key gets the same pool, on every connection, in every worker and after every restart: the key decides, by
a hash.  Shares are laid side by side in the order of the file, so that one which grows keeps all whom it had when what stands
before it stays as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from twistedproxy.forward.conditions import is_volatile
from twistedproxy.settings.routes import SplitLine
from twistedproxy.templates import Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.routes import Route

#: Hundredths of a percent: the finest share.
WHOLE: Final = 10_000


class Split:
    """
    Who gets which pool.

    :ivar arms: the route as each pool serves it, in the order of the file
    :ivar varies: who asks for the same again may get another pool
    """

    __slots__ = ("_bounds", "_key", "_salt", "arms", "varies")

    def __init__(self, lines: Sequence[SplitLine], salt: str, arms: Mapping[str, Route]) -> None:
        """*lines*: the key, then the shares; *salt*: what tells this split from others of the same key; *arms*: by pool."""
        key, *shares = lines
        self._key = Template.parse(key.key)
        self._salt = blake2b(salt.encode("utf-8")).digest()
        # The last share ends where the whole does, whatever it is called.
        self._bounds = list(accumulate(line.share for line in shares[:-1]))
        self.arms = tuple(arms[line.pool] for line in shares)
        self.varies = is_volatile(self._key)

    def arm(self, exchange: Exchange) -> Route:
        """The route as the pool of *exchange* serves it."""
        key = self._key.render(exchange.value).encode("latin-1", "replace")
        hashed = int.from_bytes(blake2b(key, digest_size=8, key=self._salt).digest(), "big")
        return self.arms[bisect_right(self._bounds, hashed * WHOLE >> 64)]
