"""What a site says about storing on one route, beside what RFC 9111 says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy.message import Headers
from twistedproxy.settings.caches import CacheValid


@dataclass(frozen=True, slots=True)
class Rules:
    """
    The rules of a route.

    :ivar valid: lifetimes in seconds for responses that say nothing themselves
    :ivar heuristic: where these have none, the time since the last modification may tell (RFC 9111 §4.2.2)
    :ivar ignored: fields of responses that have no say, in lower case; Set-Cookie among them is not stored either
    :ivar post: answers to POST may be stored for GET (RFC 9110 §9.3.3)
    :ivar min_uses: requests after which something is stored, the one included that brings it
    :ivar ours: request fields, in lower case, that differ from client to client by what the proxy makes of them for a peer
    :ivar personal: a guard knows who asks, and tells the peer by these fields (lower case): as with Authorization, answers
        are not for others unless they say so
    :ivar skips: nothing is stored: the site's ``cache_skip`` holds for this request
    """

    valid: CacheValid = ()
    heuristic: bool = False
    ignored: frozenset[bytes] = frozenset()
    post: bool = False
    min_uses: int = 1
    skips: bool = False
    ours: frozenset[bytes] = frozenset()
    personal: frozenset[bytes] | None = None

    def heard(self, answered: Headers) -> Headers:
        """The fields of a response that have a say."""
        return answered.without(self.ignored) if self.ignored else answered

    def storable(self, answered: Headers) -> Headers:
        """The fields of a response that may be stored: a cookie is never everybody's."""
        return answered.without({b"set-cookie"}) if b"set-cookie" in self.ignored else answered


#: Where the site says nothing.
NO_RULES: Final = Rules()
