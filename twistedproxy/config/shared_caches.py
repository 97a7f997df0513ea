"""
Routes that give each other's stored answers away.

A cache knows an answer by its URL alone, and every URL belongs to one route: unless ``listen`` sends it to one route by one door
and to another by another.  When those two share a cache, what one has stored is served by the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from twistedproxy.config.problems import Problem
from twistedproxy.config.sections import Built, Draft
from twistedproxy.forward.route_table import precedence
from twistedproxy.settings.routes import RouteMatch, RouteSettings


def of(draft: Draft) -> Iterator[Problem]:
    """A warning for each pair of such routes."""
    cached = [each for each in draft.built["route"] if each.value.cache is not None]
    if not any(each.value.listen or each.value.match for each in cached):
        return
    for first, second in combinations(sorted(cached, key=lambda each: precedence(each.value)), 2):
        one, other = first.value, second.value
        if one.cache != other.cache or _answers(one) == _answers(other) or not _routes_meet(one, other):
            continue
        if set(one.match) != set(other.match) and one.cache_key == other.cache_key:
            yield _problem(second, first, "by other conditions")
            continue
        for tls in (False, True):
            doors = _doors(one, draft, tls)
            if doors and _doors(other, draft, tls) - doors:
                yield _problem(second, first, "by other listeners")
                break


def _problem(route: Built, preferred: Built, how: str) -> Problem:
    return route.section.problem(
        "cache",
        f"[cache {route.value.cache}] is shared with [{preferred.section.title}], which has the same URLs {how}, "
        "and answers for them are mixed up",
        "give one of the two a cache of its own",
    )


def _answers(route: RouteSettings) -> tuple[object, ...]:
    """What decides which answer a URL gets."""
    return route.pool or route.hosted, route.strip_prefix, route.add_prefix, route.rewrite, route.host


def _doors(route: RouteSettings, draft: Draft, tls: bool) -> set[str]:
    """The listeners, with or without TLS, by which *route* is reached: the scheme is part of the URL."""
    if all(match.scheme is not None and (match.scheme == "https") is not tls for match in route.matches):
        return set()
    doors = {door.name for door in draft.values("listen") if (door.tls is not None) is tls}
    return doors & set(route.listen) if route.listen else doors


def _routes_meet(one: RouteSettings, other: RouteSettings) -> bool:
    return any(_meet(first, second) for first in one.matches for second in other.matches)


def _meet(one: RouteMatch, other: RouteMatch) -> bool:
    """Whether there are hosts, ports and paths that both mean."""
    return (
        (one.port is None or other.port is None or one.port == other.port)
        and (_host_means(one.host, other.host) or _host_means(other.host, one.host))
        and (_path_means(one, other) or _path_means(other, one))
    )


def _host_means(wide: str | None, narrow: str | None) -> bool:
    if wide is None or wide == narrow:
        return True
    return narrow is not None and wide.startswith("*.") and narrow.endswith(wide[1:])


def _path_means(wide: RouteMatch, narrow: RouteMatch) -> bool:
    if wide.pattern:
        return wide.pattern == narrow.pattern
    return (wide.path == narrow.path and not narrow.pattern) or (wide.is_prefix and narrow.path.startswith(wide.path))
