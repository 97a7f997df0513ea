"""
Why something is served from the cache or not, and stored or not: the decisions of the code that decides, put into words.

A request is made up, and asked of the cache as a client's would be; it goes to no peer, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, cast

from twistedproxy.cache.key import split_url
from twistedproxy.cache.outcomes import HITS, LookupVerdict
from twistedproxy.wire.http1 import Limits, parse_request

if TYPE_CHECKING:
    from twistedproxy.cache.cache import Cache
    from twistedproxy.cache.responses import Lookup
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.route_table import RouteTable
    from twistedproxy.forward.routes import Route
    from twistedproxy.message import RequestHead

#: Of the variants that a request does not select, the latest are shown.
_MOST_SHOWN: Final = 5


class NotAsked(ValueError):
    """The request cannot be made up; says why."""


@dataclass
class _Door:
    """Where the request would have come in."""

    port: int


class _NoSite:
    """The site, of which nothing is known here."""

    @property
    def maps(self) -> NoReturn:
        """Tables."""
        raise NotAsked("a table has a say in this; `revproxy explain` knows tables")


@dataclass
class _Asked:
    """What a route's rules ask of an exchange."""

    head: RequestHead
    scheme: bytes
    downstream: _Door
    route: Route | None = None
    client: str = "127.0.0.1"
    client_port: int = 0
    identity: None = None
    site: _NoSite = field(default_factory=lambda: _NoSite())
    noted: dict[str, str] | None = None


def cache_why(routes: RouteTable, url: str, fields: Sequence[str], listeners: Iterable[str], now: float) -> list[tuple[str, str]]:
    """
    What the cache makes of a GET.

    :param url: absolute
    :param fields: header fields, ``Name: value``
    :param listeners: by which it may come in
    :param now: seconds since 1970
    :return: lines, each with a word before it
    :raises NotAsked: it is no request, or no route is its
    :raises RequestError: the request is malformed
    """
    parts = split_url(url.encode("utf-8", "backslashreplace"))
    if parts is None:
        raise NotAsked(f"a URL is absolute, like 'https://example.com/a?b=c', not {url!r}")
    scheme, authority, target = parts
    lines = [b"GET %b HTTP/1.1" % target, b"Host: " + authority, *(field.encode("utf-8") for field in fields)]
    head = parse_request(b"\r\n".join([*lines, b"", b""]), Limits())
    port = head.fields.port or (443 if scheme == b"https" else 80)
    asked = cast("Exchange", _Asked(head, scheme, _Door(port)))
    for listener in ("", *listeners):
        route = routes.match(scheme, head.fields.host, port, head.route_path, listener, asked)
        if route is not None:
            break
    else:
        raise NotAsked("no route is that of this URL")
    if route.cache is None or route.cache_rules is None:
        return [("ROUTE", f"{route.name}, which has no cache")]
    asked.route = route
    rules = route.cache_rules
    rules.prepare(asked)
    lookup = route.cache.ask(head, scheme, now)
    return [
        ("ROUTE", f"{route.name}, [cache {route.cache.settings.name}]"),
        ("KEY", lookup.key.decode("latin-1")),
        ("NOW", f"{'served from the cache' if lookup.outcome in HITS else lookup.outcome.value}: {lookup.verdict}"),
        *_stored(lookup, now),
        *_variants(route.cache, lookup),
        *_refused(route.cache, lookup.key, now),
        *_waiting(route.cache, lookup),
        *([("SKIPS", "the route's cache_skip holds: what a peer answers is not stored")] if rules.of(asked).skips else []),
    ]


def _stored(lookup: Lookup, now: float) -> list[tuple[str, str]]:
    entry = lookup.entry
    if entry is None:
        return [("STORED", "nothing that this request selects")]
    ttl = entry.ttl(now)
    terms = entry.facts.terms
    said = [
        f"{entry.status}, {entry.length} bytes, age {entry.age(now)} s",
        "never served without validation" if terms.no_cache else f"fresh for {ttl} s" if ttl > 0 else f"stale for {-ttl} s",
    ]
    if terms.must_revalidate:
        said.append("never served stale")
    said += [
        f"{name.decode('latin-1')}: {'absent' if value is None else value.decode('latin-1')}"
        for name, value in zip(entry.facts.names, entry.facts.values, strict=True)
    ]
    return [("STORED", ", ".join(said))]


def _variants(cache: Cache, lookup: Lookup) -> list[tuple[str, str]]:
    """By what the other requests differed, whose answers are stored."""
    if lookup.verdict is not LookupVerdict.NO_VARIANT:
        return []
    stored = cache.variants(lookup.key)
    shown = ["; ".join(f"{name}: {'absent' if value is None else value}" for name, value in each.vary) for each in stored]
    return [("OTHERS", said) for said in shown[-_MOST_SHOWN:]]


def _refused(cache: Cache, key: bytes, now: float) -> list[tuple[str, str]]:
    refusal = cache.refusals.of(key)
    if refusal is None:
        return []
    return [("NOT STORED", f"{max(0, int(now - refusal.at))} s ago, an answer with {refusal.status}: {refusal.verdict}")]


def _waiting(cache: Cache, lookup: Lookup) -> list[tuple[str, str]]:
    values = () if lookup.entry is None else lookup.entry.facts.values
    fetch = cache.fetches.of((lookup.key, values, False))
    if fetch is not None:
        return [("FETCHED", f"by another request, {fetch.state.value}; {fetch.waiting} wait for it")]
    if cache.fetches.passes(lookup.key, named=False):
        return [("ALONE", "requests do not wait for each other: the last answer could not be shared")]
    return []
