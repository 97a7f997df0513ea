"""A running proxy for tests: real pools and routes, and listeners, connections and caches that hold still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from twistedproxy.addresses import Tcp
from twistedproxy.admin.live import Live
from twistedproxy.admin.verbs import Verbs
from twistedproxy.balance.membership import Membership
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.entry import Facts
from twistedproxy.cache.policy import Terms
from twistedproxy.cache.purge import Purge, PurgeKind
from twistedproxy.cache.removals import Preview, Purged
from twistedproxy.cache.responses import Counts, Stats, Summary
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Route
from twistedproxy.message import Headers
from twistedproxy.settings.answers import RedirectAnswer
from twistedproxy.settings.caches import CacheSettings
from twistedproxy.settings.listen import ListenSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.routes import RouteMatch, RouteSettings
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.settings.site import SiteSettings
from twistedproxy.settings.site_ini import Settings

START = 1_800_000_000.0


@implementer(IReactorTime)
class HandClock(Clock):
    """Reactor time, monotonic time and wall time in one, all advanced by hand."""

    def monotonic(self) -> float:
        return float(self.seconds())

    def wall(self) -> float:
        return START + float(self.seconds())


class StillConnection:
    """A client's connection that does nothing but be looked at, and closed."""

    def __init__(self, number: int, **attributes: Any) -> None:
        self.number = number
        self.client = "192.0.2.7"
        self.client_port = 40000 + number
        self.scheme = b"https"
        self.listener_name = "https"
        self.opened = 0.0
        self.requests = 1
        self.exchange: Any = None
        self.tunnel: Any = None
        self.closed = False
        self.__dict__.update(attributes)

    def close_now(self) -> None:
        self.closed = True


class StillListener:
    """A listener that accepts nobody."""

    kind = "listener"

    def __init__(self, settings: ListenSettings, connections: list[StillConnection]) -> None:
        self.settings = settings
        self.addresses = ["0.0.0.0:443"]
        self.connections = set(connections)
        self.accepted = 12
        self.turned_away = 0
        self.refused = {"bad_host": 2}


class Things:
    """Any object, by its attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class StillCache:
    """A cache that holds still."""

    def __init__(self, *urls: str) -> None:
        self.settings = CacheSettings("static", directory="var/cache", max_size=1024**2)
        self.urls = list(urls)

    def stats(self) -> Stats:
        counts = Counts(hits=30, stale=4, misses=6, passed=2)
        return Stats(
            counts,
            files=len(self.urls),
            bytes=524288,
            memory_entries=1,
            memory_bytes=4096,
            fills=0,
            complete=True,
            troubles=0,
            progress=1.0,
            damaged=0,
            evicted=0,
            purges=0,
            swept=0,
        )

    def entries(self) -> Iterator[Summary]:
        for url in self.urls:
            yield Summary(url, 200, 2048, 60, 540, (("accept-encoding", "gzip"),))

    @property
    def removals(self) -> StillCache:
        return self

    def purge(self, kind: PurgeKind, value: bytes, *, soft: bool) -> Purged:
        purge = Purge(kind, value, soft)
        covered = [url for url in self.urls if purge.covers(_facts(url))]
        if not soft:
            self.urls = [url for url in self.urls if url not in covered]
        return Purged(len(covered), written=value != b"lost")

    def preview(self, kind: PurgeKind, value: bytes, seconds: float) -> Preview:
        purge = Purge(kind, value, True)
        return Preview(sum(purge.covers(_facts(url)) for url in self.urls), len(self.urls), len(self.urls))


def _facts(url: str) -> Facts:
    fields = Headers([(b"Cache-Tag", b"pictures")])
    return Facts(url.encode(), (), (), 200, b"OK", fields, 0.0, 0.0, Terms(0.0, 60.0))


def live_site(clock: HandClock | None = None) -> Live:
    """A site with two pools, two routes, a listener with three connections, and a cache."""
    clock = clock or HandClock()
    app = PoolSettings(
        "app",
        servers=(
            ServerSettings(Tcp("app1", 3000), weight=3),
            ServerSettings(Tcp("app2", 3000)),
            ServerSettings(Tcp("spare", 3000), backup=True),
        ),
    )
    api = PoolSettings("api", servers=(ServerSettings(Tcp("api1", 4000)),))
    pools = {settings.name: Pool(settings, clock) for settings in (app, api)}
    routes = RouteTable(
        Route(settings, None, None)
        for settings in (
            RouteSettings(name="/api/", matches=(RouteMatch(None, None, None, "/api/"),), pool="api", cache="static"),
            RouteSettings(name="/", pool="app"),
            RouteSettings(name="/old", matches=(RouteMatch(None, None, None, "/old"),), redirect=RedirectAnswer(301, "/")),
        )
    )
    listener = ListenSettings("https", on=(Tcp("", 443),), tls="site")
    head = Things(method=b"GET", authority=b"example.com", target=b"/a\x1b[2J")
    connections = [
        StillConnection(1),
        StillConnection(
            2,
            exchange=Things(
                head=head, peer_name="app1:3000", number=2, started=0.0, client="192.0.2.7", route=None, upgrade=None
            ),
        ),
        StillConnection(3, tunnel=Things(route_name="/ws/", peer_name="app2:3000", bytes_up=10, bytes_down=4096)),
    ]
    caches: dict[str, Any] = {"static": StillCache("https://example.com/logo.svg", "https://example.com/style.css")}
    listeners: list[Any] = [StillListener(listener, connections)]
    return Live(
        settings=Settings(SiteSettings(), (listener,), tuple(route.settings for route in routes.routes)),
        pools=pools,
        caches=caches,
        routes=routes,
        listeners=listeners,
        clock=clock,
        started=START - 3 * 3600,
        memberships={name: Membership(pool, _found, _known, clock) for name, pool in pools.items()},
        reactor=clock,
    )


def _found(line: ServerSettings) -> Deferred[list[ServerSettings]]:
    """Every name stands for two peers."""
    hosts = ("10.0.0.1", "10.0.0.2")
    return succeed([replace(line, address=Tcp(host, 80), stands_for=StandsFor.PEER, found_by="found") for host in hosts])


def _known(host: str, port: int) -> list[str]:
    """The addresses of app4, which alone was looked up."""
    return ["10.1.1.1", "fd00::1"] if host == "app4" else []


def names(live: Live, width: int | None = None) -> dict[str, Any]:
    """What an operator called alice sees."""
    return Verbs(live, "alice@laptop", lambda: width).namespace()


@implementer(ILogObserver)
class Log:
    """The lines of the error log while a test runs; only those of the module called *of*, if that is given."""

    def __init__(self, of: str = "") -> None:
        self.lines: list[str] = []
        self._of = of

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith(self._of):
            self.lines.append(formatEvent(event))

    def __enter__(self) -> Log:
        globalLogPublisher.addObserver(self)
        return self

    def __exit__(self, *failure: object) -> None:
        globalLogPublisher.removeObserver(self)
