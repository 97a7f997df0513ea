"""
PURGE: those who may, remove what the cache of a route has, or make it stale, by a request.

    PURGE /page                                       the URL, with all variants
    PURGE /images/*                                   all URLs that begin so
    PURGE /anything   Surrogate-Key: news sport       whatever has one of these tags; Cache-Tag likewise
    … with Soft-Purge: 1                              stale instead of removed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twistedproxy import errors
from twistedproxy.cache.purge import TAG_FIELDS, PurgeKind, tags_of
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.message import Headers, ResponseHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twistedproxy.cache.cache import Cache
    from twistedproxy.forward.exchange import Exchange

#: Fields that ask for a soft purge; what they say does not matter unless it is a word for no.
_SOFT: Final = (b"soft-purge", b"fastly-soft-purge")
_NO: Final = frozenset((b"", b"0", b"no", b"false", b"off"))

_log = Logger()


class Purging:
    """
    Answers PURGE on a route with ``cache_purge``, and lets everything else pass.

    :param allowed: networks whose addresses may purge
    """

    def __init__(self, cache: Cache, allowed: Sequence[str]) -> None:
        self._cache = cache
        self._allowed = TrustedProxies(allowed)

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        if exchange.head.method != b"PURGE":
            return True
        if exchange.client not in self._allowed:
            exchange.refuse(errors.PURGE_REFUSED)
            return False
        headers = exchange.head.headers
        soft = any((headers.joined(name) or b"").strip().lower() not in _NO for name in _SOFT)
        count, written = 0, True
        for kind, value in self._asked(exchange, headers):
            done = self._cache.removals.purge(kind, value, soft=soft)
            count += done.count
            written = written and done.written
            _log.info("{client} purges {kind} {value!r}, soft={soft}", client=exchange.client, kind=kind, value=value, soft=soft)
        said = {"status": "ok" if written else "until the next start", "purged": count, "soft": soft}
        body = json.dumps(said).encode("ascii") + b"\n"
        fields = Headers(((b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))))
        exchange.reply(ResponseHead(200, b"OK", fields, length=len(body)), body)
        return False

    def _asked(self, exchange: Exchange, headers: Headers) -> Iterator[tuple[PurgeKind, bytes]]:
        """What is to be purged."""
        if any(name in headers for name in TAG_FIELDS):
            # A field without a tag is a mistake, and no reason to purge the URL instead.
            for tag in sorted(tags_of(headers)):
                yield PurgeKind.TAG, tag
            return
        assert exchange.route is not None and exchange.route.cache_rules is not None
        key = exchange.route.cache_rules.key(exchange)
        kind = PurgeKind.PREFIX if key.endswith(b"*") else PurgeKind.URL
        key = key.removesuffix(b"*")
        yield kind, key
        # Whoever purges does not care by which scheme clients come.
        for scheme, other in ((b"http://", b"https://"), (b"https://", b"http://")):
            if key.startswith(scheme):
                yield kind, other + key.removeprefix(scheme)
