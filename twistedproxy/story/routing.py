"""Which route a request took, which it did not, and what the route's title means."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.forward.routes import Route
from twistedproxy.settings.routes import RouteMatch
from twistedproxy.story.lines import Line
from twistedproxy.story.tale import Tale


def routing(tale: Tale) -> Iterator[Line]:
    """The candidates in order, each with what it failed by, and the route."""
    if tale.passed_over is None:
        yield "route", f"{tale.lost}: which routes were passed over is not known any more"
    for other, why in tale.passed_over or ():
        yield "route", f"not [route {other.settings.title}]: {why}"
    route = tale.facts.route
    if route is None:
        yield from (("route", str(verdict)) for verdict in tale.facts.verdicts[:1])
        return
    yield "route", f"[route {route.settings.title}]: {_meaning(route)}"
    for condition in route.conditions:
        yield "route", f"it holds that {condition.settings}"
    if route.settings.split or (route.name != route.settings.title and not route.conditions):
        yield "route", f"of its shares {route.name}"


def _meaning(route: Route) -> str:
    """By what the titles of *route* mean requests."""
    return ", or ".join(dict.fromkeys(_of(match) for match in route.settings.matches))


def _of(match: RouteMatch) -> str:
    host = "any host" if match.host is None else f"every name below {match.host[2:]}" if match.host[0] == "*" else match.host
    if match.pattern:
        path = f"paths in which {match.pattern} is found"
    elif match.path == "/":
        path = "every path"
    else:
        path = f"{match.path} and what is below it" if match.is_prefix else f"{match.path} exactly"
    scheme = f" by {match.scheme}" if match.scheme else ""
    port = f" on port {match.port}" if match.port else ""
    return f"{host}{port}{scheme}, {path}"
