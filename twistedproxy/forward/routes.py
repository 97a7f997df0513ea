"""
Routes: which requests, and what becomes of them.

Precedence, the first difference decides: a route that names the scheme before one that does not; an exact host before a
wildcard, a longer wildcard before a shorter one, any before no host; an exact path before a prefix, a longer prefix before a
shorter one; a route that names the port, then one that names listeners, before one that names neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twistedproxy.answers.answer import Answer
from twistedproxy.answers.redirect import Redirect
from twistedproxy.balance.peer import PeerState
from twistedproxy.filters.chain import Filter
from twistedproxy.forward.cache_rules import CacheRules
from twistedproxy.forward.collecting import RequestBuffering
from twistedproxy.forward.cors import Cors
from twistedproxy.forward.purging import Purging
from twistedproxy.forward.request_edits import request_edits
from twistedproxy.forward.retouch import Retouch, response_edits
from twistedproxy.forward.retry import RetryPolicy
from twistedproxy.forward.targets import Targets
from twistedproxy.forward.total_time import TotalTimeout
from twistedproxy.settings import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Change, Peer
    from twistedproxy.balance.pool import Pool
    from twistedproxy.cache.cache import Cache
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.message import ResponseHead
    from twistedproxy.upstream.connector import Connector

#: (scheme, host) pairs whose groups are remembered; hosts are clients' words, so there must be a bound.
_REMEMBERED = 1024


class Affinity(Protocol):
    """What binds a client, or a key of its requests, to a peer."""

    def choose(self, exchange: Exchange, tried: Sequence[Peer], now: float) -> Peer | None:
        """As :meth:`twistedproxy.balance.pool.Pool.choose`, for *exchange*."""

    def mark(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        """The head of the final answer to *exchange*, with what lets its client be known again."""


class Guard(Protocol):
    """May this request in?"""

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """
        True: as far as this guard is concerned, yes.

        False: the guard has answered, or will, or calls ``exchange.guard(passed)`` when it knows better.
        """


@dataclass(frozen=True, slots=True)
class Backend:
    """
    A pool with the connector that reaches its peers, and that keeps no connection to those that left.

    :ivar affinity: has the say in which peer an exchange goes to; None: the pool's scheduler has
    """

    pool: Pool
    connector: Connector
    affinity: Affinity | None = None

    def __post_init__(self) -> None:
        self.pool.on_change.append(self._changed)

    def _changed(self, change: Change) -> None:
        # An ejected peer may be the last one left.
        self.connector.may_keep(change.peer, change.after in (PeerState.UP, PeerState.EJECTED))
        if change.after is PeerState.REMOVED:
            self.connector.part(change.peer)
        elif change.after is not PeerState.UP:
            self.connector.close_idle(change.peer)


class Route:
    """
    A route that lives: its settings, what serves it, and what was counted.

    :ivar answer: replies itself; None: the backend does
    :ivar guards: decide who may in, in this order
    :ivar filters: change its answers, in this order
    :ivar request_edits: of heads for peers, when they are the same for all; *varying_request_edits*: when not
    :ivar response_edits: of heads for clients, likewise; when not, they are a part of *retouch*
    :ivar retouch: changes the heads of its answers for each exchange anew
    :ivar targets: changes what is asked of peers; None: they are asked for what the client asks for
    :ivar requests: exchanges that took this route
    :ivar statuses: answers by the first digit of their status
    :ivar errors: exchanges that failed, through whoever's fault
    """

    __slots__ = (
        "answer",
        "backend",
        "cache",
        "cache_rules",
        "errors",
        "filters",
        "guards",
        "name",
        "request_edits",
        "requests",
        "response_edits",
        "retouch",
        "retries",
        "settings",
        "statuses",
        "targets",
        "varying_request_edits",
    )

    def __init__(
        self, settings: RouteSettings, backend: Backend | None, cache: Cache | None, guards: tuple[Guard, ...] = ()
    ) -> None:
        self.settings = settings
        self.name: str = settings.name
        self.backend = backend
        self.cache = cache
        self.cache_rules = CacheRules(settings) if cache is not None else None
        self.retries = RetryPolicy(settings)
        self.answer: Answer | None = Redirect(settings.redirect.status, settings.redirect.location) if settings.redirect else None
        cors = Cors(settings) if settings.cors else None
        self.guards: tuple[Guard, ...] = (
            *((cors,) if cors is not None else ()),
            *((Purging(cache, settings.cache_purge),) if cache is not None and settings.cache_purge else ()),
            *((TotalTimeout(settings.total_timeout),) if settings.total_timeout else ()),
            *guards,
            *((RequestBuffering(settings.buffer_size),) if settings.request_buffering else ()),
        )
        self.filters: tuple[Filter, ...] = ()
        targets = Targets(settings)
        self.targets = targets if targets.is_needed else None
        editing = request_edits(settings)
        self.request_edits = editing.constant
        self.varying_request_edits = editing if editing.varies else None
        retouch = Retouch(settings, cors)
        self.retouch = retouch if retouch.is_needed else None
        self.response_edits = () if retouch.is_needed else response_edits(settings).constant
        self.requests = 0
        self.statuses = [0] * 6
        self.errors = 0

    def __repr__(self) -> str:
        return f"<Route {self.name}>"


class _Group:
    """The routes of one scheme (or of either) and one host pattern."""

    __slots__ = ("exact", "lengths", "prefixes")

    def __init__(self) -> None:
        self.exact: dict[bytes, list[Route]] = {}
        self.prefixes: dict[bytes, list[Route]] = {}
        self.lengths: list[int] = []

    def add(self, route: Route) -> None:
        path = route.settings.match.path.encode()
        table = self.prefixes if route.settings.match.is_prefix else self.exact
        routes = table.setdefault(path, [])
        routes.append(route)
        routes.sort(key=lambda r: (r.settings.match.port is None, not r.settings.listen))
        self.lengths = sorted({len(prefix) for prefix in self.prefixes}, reverse=True)

    def match(self, path: bytes, port: int, listener: str) -> Route | None:
        routes = self.exact.get(path)
        if routes is not None:
            found = _qualified(routes, port, listener)
            if found is not None:
                return found
        size = len(path)
        for length in self.lengths:
            if length <= size:
                routes = self.prefixes.get(path[:length])
                if routes is not None:
                    found = _qualified(routes, port, listener)
                    if found is not None:
                        return found
        return None


def _qualified(routes: list[Route], port: int, listener: str) -> Route | None:
    for route in routes:
        settings = route.settings
        if settings.match.port is not None and settings.match.port != port:
            continue
        if settings.listen and listener not in settings.listen:
            continue
        return route
    return None


class RouteTable:
    """
    All routes of a site.

    :ivar routes: in order of precedence
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = sorted(routes, key=lambda route: precedence(route.settings))
        self._groups: dict[tuple[str | None, str | None], _Group] = {}
        for route in self.routes:
            match = route.settings.match
            self._groups.setdefault((match.scheme, match.host), _Group()).add(route)
        self._remembered: dict[tuple[bytes, bytes], list[_Group]] = {}

    def match(self, scheme: bytes, host: bytes, port: int, path: bytes, listener: str) -> Route | None:
        """
        The route of a request.

        :param host: in lower case, without a port; empty when the request names none
        :param path: normalised for routing
        :param listener: the name of the listener that the request came in by
        """
        groups = self._remembered.get((scheme, host))
        if groups is None:
            groups = self._groups_for(scheme, host)
        for group in groups:
            route = group.match(path, port, listener)
            if route is not None:
                return route
        # OPTIONS * concerns the server as a whole (RFC 9110 §9.3.7): here, whoever serves the root.
        return self.match(scheme, host, port, b"/", listener) if path == b"*" else None

    def _groups_for(self, scheme: bytes, host: bytes) -> list[_Group]:
        name = host.decode("ascii")
        hosts: list[str | None] = [name]
        labels = name.split(".")
        hosts += ["*." + ".".join(labels[i:]) for i in range(1, len(labels))]
        hosts.append(None)
        groups = [self._groups[key] for s in (scheme.decode("ascii"), None) for h in hosts if (key := (s, h)) in self._groups]
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[scheme, host] = groups
        return groups


def precedence(route: RouteSettings) -> tuple[bool, int, int, bool, int, bool, bool, str]:
    """What routes are sorted by: of those that mean a request, the least one gets it."""
    match = route.match
    host = match.host
    kind = 2 if host is None else 1 if host.startswith("*.") else 0
    labels = -host.count(".") if host else 0
    return (
        match.scheme is None,
        kind,
        labels,
        match.is_prefix,
        -len(match.path),
        match.port is None,
        not route.listen,
        route.name,
    )
