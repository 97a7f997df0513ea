"""
The objects of the shell: ``pool('app')``, its ``peer('app1:3000')``, ``route('/api/')``, ``cache('api')``, ``listener('https')``.

Each shows its present state when it is printed, and has a public surface: values, which are plain or objects of the same sort,
and actions.  Nothing else of it can be reached by a key that may not program (:mod:`twistedproxy.admin.limited`); the objects of
the proxy that are behind it never can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live_object import LiveObject
from twistedproxy.admin.pool_objects import PeerObject, PoolObject
from twistedproxy.admin.traffic_objects import CacheObject, ConnectionObject, ListenerObject, RouteObject
from twistedproxy.admin.verb import known
from twistedproxy.admin.views import Views
from twistedproxy.balance.peer import Peer
from twistedproxy.balance.pool import Pool
from twistedproxy.cache.cache import Cache
from twistedproxy.forward.routes import Route

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live

#: Types whose values nobody can do anything with but read them.
PLAIN: Final = frozenset((str, int, float, bool, bytes, type(None)))
#: The types of objects, each of which has a surface.
OBJECTS: Final = (PoolObject, PeerObject, RouteObject, CacheObject, ListenerObject, ConnectionObject)


class Objects:
    """
    Makes the objects for one operator.

    :param verbs: the operator's, by name: actions are theirs
    """

    def __init__(self, live: Live, views: Views, verbs: Callable[[], dict[str, Any]]) -> None:
        self.live = live
        self.views = views
        self.verbs = verbs

    def pool(self, name: str) -> PoolObject:
        """The pool called *name*.  Raises VerbError, as all of these do."""
        return PoolObject(self, known("pool", name, self.live.pools))

    def route(self, name: str) -> RouteObject:
        """The first route called *name*."""
        return RouteObject(self, known("route", name, [route.name for route in self.live.routes.routes]))

    def cache(self, name: str) -> CacheObject:
        """The cache called *name*."""
        return CacheObject(self, known("cache", name, self.live.caches))

    def listener(self, name: str) -> ListenerObject:
        """The listener, or stream, called *name*."""
        return ListenerObject(self, known("listener", name, [each.settings.name for each in self.live.listeners]))

    def connection(self, number: int) -> ConnectionObject:
        """The client's connection with *number*."""
        found = ConnectionObject(self, number)
        found.client  # noqa: B018  (raises VerbError when there is none)
        return found

    def of(self, item: object) -> Any:
        """The object for a live one; plain values are returned as they are.  Raises VerbError for everything else."""
        if item is None or type(item) in PLAIN or isinstance(item, LiveObject):
            return item
        if isinstance(item, Pool):
            return self.pool(item.name)
        if isinstance(item, Peer):
            owner = next((pool for pool in self.live.pools.values() if item in pool.peers), None)
            if owner is not None:
                return PeerObject(self, owner.name, item.name)
        if isinstance(item, Route):
            return self.route(item.name)
        if isinstance(item, Cache):
            return self.cache(item.settings.name)
        for listener in self.live.listeners:
            if item is listener:
                return self.listener(listener.settings.name)
            if item in listener.connections:
                return self.connection(item.number)  # type: ignore[attr-defined]
        raise VerbError(f"a {type(item).__name__} has nothing more to show")
