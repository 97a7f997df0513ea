"""What a route says of its cache, made ready when the route is: by what a request is found, and what is not for the cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from twistedproxy.cache.key import primary_key
from twistedproxy.cache.outcomes import LookupVerdict
from twistedproxy.cache.policy import Wishes, request_wishes
from twistedproxy.cache.rules import Rules
from twistedproxy.forward import values
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.templates import REQUEST_NAMES, Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: What a condition's value is when it does not hold, as in nginx; a dash stands for what is absent.
_NOTHING: Final = frozenset(("", "-", "0"))

#: What forwarding adds that says who the client is.
_OF_CLIENT: Final = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))


class CacheRules:
    """
    The rules of one route.

    :ivar rules: of storing
    :ivar settings: of the route
    """

    __slots__ = ("_bypass", "_key", "_methods", "_plain", "_skip", "_skipping", "rules", "settings")

    def __init__(self, settings: RouteSettings) -> None:
        self.settings = settings
        self._key = None if settings.cache_key is None else Template.parse(settings.cache_key, REQUEST_NAMES)
        self.rules = Rules(
            settings.cache_valid,
            settings.cache_heuristic,
            frozenset(name.encode("ascii") for name in settings.cache_ignore),
            "POST" in settings.cache_methods,
            settings.cache_min_uses,
            ours=_ours(settings, None if self._key is None else self._key.names),
        )
        self._skipping = replace(self.rules, skips=True)
        self._methods = frozenset(name.encode("ascii") for name in settings.cache_methods)
        self._bypass = _names(settings.cache_bypass)
        self._skip = _names(settings.cache_skip)
        # What the cache makes of a request by itself will do.
        self._plain = self._key is None and not self._bypass and b"HEAD" in self._methods

    def prepare(self, exchange: Exchange) -> None:
        """Leave in the request's head by what it is found in the cache, and what it wishes, where the route has a say in it."""
        if self._plain:
            return
        head = exchange.head
        if head.cached is not None and head.cached[0] == exchange.scheme:
            return
        wishes = request_wishes(head)
        if head.method not in self._methods:
            wishes = Wishes(passes=LookupVerdict.METHOD)
        if self._bypass and wishes.passes is None and _holds(self._bypass, exchange):
            wishes = replace(wishes, bypasses=True)
        head.cached = (exchange.scheme, self.key(exchange), wishes)

    def key(self, exchange: Exchange) -> bytes:
        """The primary key of a request."""
        head = exchange.head
        if self._key is None:
            return primary_key(exchange.scheme, head.authority, head.target)
        # GET and HEAD share what is stored, and other methods make that invalid.
        return self._key.render(lambda name: "GET" if name == "method" else values.value_of(exchange, name)).encode("latin-1")

    def of(self, exchange: Exchange) -> Rules:
        """The rules by which what a peer answers to *exchange* is stored."""
        rules = self._skipping if self._skip and _holds(self._skip, exchange) else self.rules
        identity = exchange.identity
        if identity is not None:
            rules = replace(rules, personal=frozenset(name.lower() for name, _ in identity.fields))
        return rules


def _ours(settings: RouteSettings, key: tuple[str, ...] | None) -> frozenset[bytes]:
    """
    The fields that a peer sees of each client's own, whatever the client sends: two who send nothing of them are not alike.

    :param key: the names in the site's ``cache_key``, None without: then scheme and host tell requests apart anyway
    """
    found = {edit.name.lower().encode("ascii") for edit in settings.request_headers if "{" in edit.value}
    if settings.request_id:
        found.add(settings.request_id.lower().encode("ascii"))
    if settings.traceparent != "no":
        found |= {b"traceparent", b"tracestate"}
    if settings.forwarded != "off":
        found |= _OF_CLIENT
        if key is not None and "scheme" not in key:
            found.add(b"x-forwarded-proto")
        if key is not None and "host" not in key:
            found.add(b"x-forwarded-host")
    return frozenset(found)


def _names(conditions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for condition in conditions for name in Template.parse(condition, REQUEST_NAMES).names)


def _holds(names: tuple[str, ...], exchange: Exchange) -> bool:
    return any(values.value_of(exchange, name) not in _NOTHING for name in names)
