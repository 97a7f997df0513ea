"""What became of a request, told phase by phase: the verdicts of the code that decided, in its own words."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.cache.outcomes import LookupVerdict, StoreVerdict
from twistedproxy.forward.routes import Route
from twistedproxy.rehearsal.stage import Told
from twistedproxy.settings import RouteMatch
from twistedproxy.verdicts import ChooseVerdict, RetryVerdict, Verdict

#: A phase, and a line about it.
Line = tuple[str, str]


def story(told: Told) -> Iterator[Line]:
    """The lines, in the order of the phases."""
    yield from _request(told)
    yield from _route(told)
    if told.exchange.route is None:
        return
    yield from _guards(told)
    yield from _verdicts(told, LookupVerdict, "lookup")
    yield from _peers(told)
    yield from _verdicts(told, RetryVerdict, "retry")
    if told.heard and told.heard[-1].start and told.exchange.upgrade is None:
        yield "receive", "what the peer says is made up: nothing was sent anywhere"
    yield from _verdicts(told, StoreVerdict, "admit")
    yield from _answer(told)


def _request(told: Told) -> Iterator[Line]:
    request, exchange = told.request, told.exchange
    came = f"from {request.client} by [listen {request.listener.name}]"
    if exchange.client != request.client:
        came += f", whose word is believed: the client is {exchange.client}, by {exchange.scheme.decode('ascii')}"
    yield "request", f"{request.head.method.decode('latin-1')} {request.head.target.decode('latin-1')} {came}"
    if request.head.route_path != request.head.path:
        yield "request", f"its path is compared as {request.head.route_path.decode('utf-8', 'replace')}"


def _route(told: Told) -> Iterator[Line]:
    for other, why in told.passed_over:
        yield "route", f"not [route {other.settings.title}]: {why}"
    route = told.exchange.route
    if route is None:
        yield from (("route", str(verdict)) for verdict in told.exchange.verdicts[:1])
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


def _guards(told: Told) -> Iterator[Line]:
    exchange = told.exchange
    assert exchange.route is not None
    names = [type(guard).__name__ for guard in exchange.route.guards]
    if names:
        yield "guard", f"asked in this order: {', '.join(names)}"
    if exchange.answers_itself and exchange.reason is not None and not told.heard:
        yield "guard", f"{exchange.reason.name}: {exchange.reason.text}"


def _verdicts(told: Told, kind: type[Verdict], phase: str) -> Iterator[Line]:
    for verdict in told.exchange.verdicts:
        if isinstance(verdict, kind):
            yield phase, f"{verdict.name.lower().replace('_', ' ')}: {verdict}"


def _peers(told: Told) -> Iterator[Line]:
    exchange = told.exchange
    route = exchange.route
    assert route is not None
    yield from _verdicts(told, ChooseVerdict, "choose")
    for heard in told.heard:
        assert route.backend is not None
        pool = route.backend.pool
        yield "choose", f"{heard.peer} of [pool {pool.name}], by {pool.settings.balance}"
        if heard.start:
            yield "send", heard.start
            yield from (("send", f"    {name}: {value}") for name, value in heard.fields)
            if heard.body:
                yield "send", f"    and {len(heard.body)} bytes"
    for copy in told.copies:
        yield "mirror", f"{copy.peer} gets a copy of {copy.start}"


def _answer(told: Told) -> Iterator[Line]:
    exchange = told.exchange
    assert exchange.route is not None
    if exchange.upgrade is not None and not exchange.finished:
        yield "deliver", f"a WebSocket, if the peer agrees: websocket = {exchange.route.settings.websocket}"
        return
    if told.head is None:
        yield "deliver", "nothing: the exchange waits for something that a rehearsal does not have"
        return
    yield "deliver", f"{told.head.status} {told.head.reason.decode('latin-1')}"
    yield from (("deliver", f"    {name.decode('latin-1')}: {value.decode('latin-1')}") for name, value in told.head.headers)
    if exchange.reason is not None:
        yield "finish", f"{exchange.reason.name}: {exchange.reason.text}{f' ({exchange.detail})' if exchange.detail else ''}"


def written(lines: Iterator[Line]) -> str:
    """The lines as text: each phase is named once."""
    made: list[str] = []
    last = ""
    for phase, text in lines:
        made.append(f"{phase if phase != last else '':9}{text}".rstrip())
        last = phase
    return "\n".join(made)
