"""Routes: what becomes of requests; which route one takes, :mod:`twistedproxy.forward.route_table` knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twistedproxy.answers.answer import Answer
from twistedproxy.answers.files.static import Static
from twistedproxy.answers.fixed import Fixed
from twistedproxy.answers.pages import Pages
from twistedproxy.answers.redirect import Redirect
from twistedproxy.balance.peer import PeerState
from twistedproxy.filters.chain import AnyFilter
from twistedproxy.filters.compression import Compressing
from twistedproxy.filters.substitution import Substituting
from twistedproxy.forward.cache_rules import CacheRules
from twistedproxy.forward.collecting import RequestBuffering
from twistedproxy.forward.conditions import conditions_of
from twistedproxy.forward.cors import Cors
from twistedproxy.forward.durations import Durations
from twistedproxy.forward.error_pages import Intercepting
from twistedproxy.forward.maintenance import Maintenance
from twistedproxy.forward.patterns import compiled
from twistedproxy.forward.purging import Purging
from twistedproxy.forward.request_edits import request_edits
from twistedproxy.forward.retouch import Retouch, response_edits
from twistedproxy.forward.retry import RetryPolicy
from twistedproxy.forward.secured import RequireClientCert
from twistedproxy.forward.site_filters.asked_first import SiteFilters
from twistedproxy.forward.targets import Targets
from twistedproxy.forward.total_time import TotalTimeout
from twistedproxy.forward.whole import Whole
from twistedproxy.settings.routes import RouteSettings

if TYPE_CHECKING:
    from twistedproxy.balance.peer import Change, Peer
    from twistedproxy.balance.pool import Pool
    from twistedproxy.cache.cache import Cache
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.mirror import Mirror
    from twistedproxy.forward.split import Split
    from twistedproxy.message import ResponseHead
    from twistedproxy.upstream.connector import Connector


class Affinity(Protocol):
    """What binds a client, or a key of its requests, to a peer."""

    def choose(self, exchange: Exchange, tried: Sequence[Peer], now: float) -> Peer | None:
        """As :meth:`twistedproxy.balance.pool.Pool.choose`, for *exchange*."""

    def mark(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        """The head of the final answer to *exchange*, with what lets its client be known again."""

    def twin(self, pool: Pool, peers: Mapping[Peer, Peer]) -> Affinity:
        """The same for *pool*, a twin in which *peers* stand for the originals; nothing that it does changes anything here."""


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

    def part(self) -> None:
        """Another takes its place: the pool's changes concern that one."""
        self.pool.on_change.remove(self._changed)

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

    :ivar conditions: what a request must be like to take it
    :ivar patterns: regular expressions of its title
    :ivar mirror: copies its requests for a second pool
    :ivar split: which route each exchange really takes; then this one has no backend
    :ivar answer: replies itself; None: the backend does
    :ivar guards: decide who may in, in this order
    :ivar filters: change its answers, in this order
    :ivar pages: of its own for errors
    :ivar request_edits: of heads for peers, when they are the same for all; *varying_request_edits*: when not
    :ivar response_edits: of heads for clients, likewise; when not, they are a part of *retouch*
    :ivar retouch: changes the heads of its answers for each exchange anew
    :ivar targets: changes what is asked of peers; None: they are asked for what the client asks for
    :ivar requests: exchanges that took this route
    :ivar statuses: answers by the first digit of their status
    :ivar durations: how long its exchanges took, WebSockets left out
    """

    __slots__ = (
        "answer",
        "backend",
        "cache",
        "cache_rules",
        "conditions",
        "durations",
        "failed",
        "filters",
        "guards",
        "mirror",
        "name",
        "pages",
        "patterns",
        "request_edits",
        "requests",
        "response_edits",
        "retouch",
        "retries",
        "settings",
        "split",
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
        if settings.respond is not None:
            self.answer = Fixed(settings.respond)
        cors = Cors(settings) if settings.cors else None
        self.guards: tuple[Guard, ...] = (
            *((cors,) if cors is not None else ()),
            *((Maintenance(settings),) if settings.maintenance is not None else ()),
            *((RequireClientCert(),) if settings.require_client_cert else ()),
            *((Purging(cache, settings.cache_purge),) if cache is not None and settings.cache_purge else ()),
            *((Whole(),) if settings.substitute or settings.filters else ()),
            *((TotalTimeout(settings.total_timeout),) if settings.total_timeout else ()),
            *guards,
            *((SiteFilters(settings),) if settings.filters else ()),
            *((RequestBuffering(settings.buffer_size),) if settings.request_buffering else ()),
        )
        self.pages = Pages(settings.error_page)
        self.filters: tuple[AnyFilter, ...] = (
            *((Intercepting(),) if settings.intercept_errors else ()),
            *((Substituting(settings),) if settings.substitute else ()),
            *((Compressing(settings),) if settings.compress else ()),
        )
        targets = Targets(settings)
        self.targets = targets if targets.is_needed else None
        if settings.static is not None:
            self.answer = Static(settings, self.targets, passes_on=backend is not None)
        editing = request_edits(settings)
        self.request_edits = editing.constant
        self.varying_request_edits = editing if editing.varies else None
        retouch = Retouch(settings, cors)
        self.retouch = retouch if retouch.is_needed else None
        self.response_edits = () if retouch.is_needed else response_edits(settings).constant
        self.conditions = conditions_of(settings.match)
        self.patterns = tuple(compiled(match) for match in settings.matches if match.pattern)
        self.split: Split | None = None
        self.mirror: Mirror | None = None
        self.requests = 0
        self.statuses = [0] * 6
        self.durations = Durations()
        #: One number, in a list so that the route after a reload goes on counting in the same place.
        self.failed = [0]

    @property
    def errors(self) -> int:
        """Exchanges that failed, through whoever's fault."""
        return self.failed[0]

    @errors.setter
    def errors(self, number: int) -> None:
        self.failed[0] = number

    def succeed(self, before: Route) -> None:
        """Take the place of *before*, whose exchanges finish by its own rules and are counted in both."""
        self.requests = before.requests
        self.statuses = before.statuses
        self.durations = before.durations
        self.failed = before.failed

    def __repr__(self) -> str:
        return f"<Route {self.name}>"
