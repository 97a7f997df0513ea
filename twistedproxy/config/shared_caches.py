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
from twistedproxy.forward.routes import precedence
from twistedproxy.settings import RouteMatch, RouteSettings


def of(draft: Draft) -> Iterator[Problem]:
    """A warning for each pair of such routes."""
    cached = [each for each in draft.built["route"] if each.value.cache is not None]
    for first, second in combinations(sorted(cached, key=lambda each: precedence(each.value)), 2):
        one, other = first.value, second.value
        if one.cache != other.cache or _answers(one) == _answers(other) or not _meet(one.match, other.match):
            continue
        for tls in (False, True):
            doors = _doors(one, draft, tls)
            if doors and _doors(other, draft, tls) - doors:
                yield _problem(second, first)
                break


def _problem(route: Built, preferred: Built) -> Problem:
    return route.section.problem(
        "cache",
        f"[cache {route.value.cache}] is shared with [{preferred.section.title}], which has the same URLs by other listeners, "
        "and answers for them are mixed up",
        "give one of the two a cache of its own",
    )


def _answers(route: RouteSettings) -> tuple[str | None, str | None, object]:
    """What decides which answer a URL gets."""
    return route.pool, route.strip_prefix, route.host


def _doors(route: RouteSettings, draft: Draft, tls: bool) -> set[str]:
    """The listeners, with or without TLS, by which *route* is reached: the scheme is part of the URL."""
    if route.match.scheme is not None and (route.match.scheme == "https") is not tls:
        return set()
    doors = {door.name for door in draft.values("listen") if (door.tls is not None) is tls}
    return doors & set(route.listen) if route.listen else doors


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
    return wide.path == narrow.path or (wide.is_prefix and narrow.path.startswith(wide.path))
