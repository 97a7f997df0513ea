"""Settings become routes: each with its pool or its answer, with an arm for each share, and with what gets copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from twistedproxy.forward.error_pages import SitePages
from twistedproxy.forward.mirror import Mirror
from twistedproxy.forward.route_table import RouteTable
from twistedproxy.forward.routes import Backend, Guard, Route
from twistedproxy.forward.split import Split
from twistedproxy.settings.answers import HostedApp
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.site_ini import Settings

if TYPE_CHECKING:
    from twistedproxy.cache.cache import Cache


#: The guards of a route, made of its settings.
Guarding = Callable[[RouteSettings], tuple[Guard, ...]]


def build_routes(
    settings: Settings,
    backends: Mapping[str | HostedApp, Backend],
    caches: Mapping[str, Cache],
    guarding: Guarding,
    known: Callable[[RouteSettings], Route | None] = lambda settings: None,
) -> RouteTable:
    """
    All routes of a site.

    :param backends: by the names of their pools; those of apps by what the routes say of them
    :param caches: by their names
    :param guarding: says who may in
    :param known: a route that was made of the same before
    """
    routes = [known(route) or _route(route, backends, caches, guarding) for route in settings.routes]
    return RouteTable(routes, SitePages.of_settings(settings))


def _route(
    settings: RouteSettings, backends: Mapping[str | HostedApp, Backend], caches: Mapping[str, Cache], guarding: Guarding
) -> Route:
    if settings.split:
        arms = {
            line.pool: _route(
                replace(settings, split=(), pool=line.pool, name=f"{settings.name} ({line.pool})"), backends, caches, guarding
            )
            for line in settings.split
            if line.pool
        }
        route = Route(settings, None, None)
        route.split = Split(settings.split, settings.name, arms)
        return route
    served_by = settings.pool or settings.hosted
    backend = backends[served_by] if served_by is not None else None
    route = Route(settings, backend, caches[settings.cache] if settings.cache else None, guarding(settings))
    if settings.mirror is not None:
        # The copy goes once, as the peers of the route's own pool get it, and nothing else happens to it.
        name = f"{settings.name} (mirror)"
        plain = replace(settings, pool=settings.mirror, name=name, static=None, cache=None, tries=1, hedge=None)
        copies = Route(plain, backends[settings.mirror], None)
        copies.retouch, copies.filters = None, ()
        route.mirror = Mirror(copies, settings.mirror_max_body)
        route.guards = (*route.guards, route.mirror)
    return route
