"""Routes, caches, listeners and connections, as objects of the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live_object import LiveObject
from twistedproxy.admin.tables import Column, count, duration, percent, printable, size, table
from twistedproxy.admin.views import client_of, destination, occupation
from twistedproxy.cache.cache import Cache
from twistedproxy.forward.routes import Route

if TYPE_CHECKING:
    from twistedproxy.admin.objects import Objects
    from twistedproxy.downstream.door import Door

#: The percentiles of durations that are shown.
PERCENTILES: Final = (0.5, 0.95, 0.99)


class RouteObject(LiveObject):
    """A route."""

    values = frozenset(("name", "to", "requests", "errors", "client_errors", "server_errors", "p50", "p95", "p99"))

    @property
    def _route(self) -> Route:
        for route in self._objects.live.routes.routes:
            if route.name == self.name:
                return route
        raise VerbError(f"there is no route {self.name!r} any more")

    @property
    def to(self) -> str:
        """Where it leads."""
        return destination(self._route)

    @property
    def requests(self) -> int:
        """Requests that took it."""
        return self._route.requests

    @property
    def errors(self) -> int:
        """Requests that failed, through whoever's fault."""
        return self._route.errors

    @property
    def client_errors(self) -> int:
        """Answers of 400 to 499."""
        return self._route.statuses[4]

    @property
    def server_errors(self) -> int:
        """Answers from 500 on."""
        return self._route.statuses[5]

    @property
    def p50(self) -> float | None:
        """Seconds that half of its requests did not exceed."""
        return self._route.durations.percentile(0.5)

    @property
    def p95(self) -> float | None:
        """Seconds that 95 % of its requests did not exceed."""
        return self._route.durations.percentile(0.95)

    @property
    def p99(self) -> float | None:
        """Seconds that 99 % of its requests did not exceed."""
        return self._route.durations.percentile(0.99)

    def __repr__(self) -> str:
        route = self._route
        classes = ", ".join(f"{digit}xx: {count(route.statuses[digit])}" for digit in range(1, 6) if route.statuses[digit])
        times = " ".join(f"p{share * 100:.0f} {duration(route.durations.percentile(share))}" for share in PERCENTILES)
        return self._told(
            ("route", self.name),
            ("leads to", self.to),
            ("cache", route.settings.cache or ""),
            ("guards", ", ".join(type(guard).__name__ for guard in route.guards)),
            ("requests", f"{count(self.requests)}{f'; {classes}' if classes else ''}; {count(self.errors)} failed"),
            ("durations", times),
        )


class CacheObject(LiveObject):
    """A cache."""

    values = frozenset(("name", "files", "size", "hits", "stale", "misses", "passed", "entries"))
    actions = frozenset(("purge",))

    @property
    def _cache(self) -> Cache:
        caches = self._objects.live.caches
        if self.name not in caches:
            raise VerbError(f"there is no cache {self.name!r} any more")
        return caches[self.name]

    @property
    def files(self) -> int:
        """Files on disk."""
        return self._cache.stats().files

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._cache.stats().bytes

    @property
    def hits(self) -> int:
        """Requests that were served from it."""
        return self._cache.stats().counts.hits

    @property
    def stale(self) -> int:
        """Requests that were served something stale."""
        return self._cache.stats().counts.stale

    @property
    def misses(self) -> int:
        """Requests for which it had nothing."""
        return self._cache.stats().counts.misses

    @property
    def passed(self) -> int:
        """Requests that were not for it."""
        return self._cache.stats().counts.passed

    @property
    def entries(self) -> Any:
        """What is stored, the first hundred."""
        return self._objects.views.entries(self._cache)

    def purge(self, **options: Any) -> Any:
        """Forget all of it: as purge_all."""
        return self._do("purge_all", self.name, **options)

    def __repr__(self) -> str:
        cache = self._cache
        stats = cache.stats()
        counts = stats.counts
        ratio = percent(counts.hits, counts.hits + counts.stale + counts.misses)
        return (
            f"cache {self.name}: {count(stats.files)} files, {size(stats.bytes)} of {size(cache.settings.max_size)}; "
            f"{count(counts.hits)} hits ({ratio}), {count(counts.stale)} stale, {count(counts.misses)} misses, "
            f"{count(counts.passed)} passed\n{self.entries!r}"
        )


class ListenerObject(LiveObject):
    """A listener, or a stream."""

    values = frozenset(("name", "on", "accepted", "turned_away", "open"))

    @property
    def _door(self) -> Door:
        for door in self._objects.live.listeners:
            if door.settings.name == self.name:
                return door
        raise VerbError(f"there is no listener {self.name!r} any more")

    @property
    def on(self) -> str:
        """Where clients connect."""
        return " ".join(self._door.addresses)

    @property
    def accepted(self) -> int:
        """Connections, ever."""
        return self._door.accepted

    @property
    def turned_away(self) -> int:
        """Connections beyond a limit, ever."""
        return self._door.turned_away

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._door.connections)

    def __repr__(self) -> str:
        door = self._door
        refused = ", ".join(f"{why} {count(number)}" for why, number in door.refused.items() if number)
        head = (
            f"{door.kind} {self.name} on {self.on or '-'}: {count(self.open)} open of {count(door.settings.max_connections)}, "
            f"{count(self.accepted)} accepted, {count(self.turned_away)} turned away{f', refused: {refused}' if refused else ''}"
        )
        return f"{head}\n{self._objects.views.connections([door])!r}"


class ConnectionObject(LiveObject):
    """A client's connection."""

    values = frozenset(("number", "client", "listener", "requests", "now"))
    actions = frozenset(("kill",))

    def __init__(self, objects: Objects, number: int) -> None:
        super().__init__(objects, str(number))
        self.number = number

    @property
    def _connection(self) -> Any:
        for listener in self._objects.live.listeners:
            for connection in listener.connections:
                if connection.number == self.number:
                    return connection
        raise VerbError(f"there is no connection {self.number!r}; connections() lists them")

    @property
    def client(self) -> str:
        """The client's address and port."""
        return client_of(self._connection)

    @property
    def listener(self) -> str:
        """By which listener it came."""
        return str(self._connection.listener_name)

    @property
    def requests(self) -> int:
        """Requests on it, ever."""
        return int(self._connection.requests)

    @property
    def now(self) -> str:
        """What it is doing."""
        return printable(occupation(self._connection))

    def kill(self) -> Any:
        """As the verb."""
        return self._do("kill", self.number)

    def __repr__(self) -> str:
        connection = self._connection
        open_for = duration(self._objects.live.clock.monotonic() - connection.opened)
        row = [str(self.number), self.client, self.listener, open_for, count(self.requests), self.now]
        titles = ("NUMBER", "CLIENT", "LISTENER", "OPEN", "REQUESTS", "NOW")
        return table([Column(title) for title in titles], [row], self._objects.views.width())
