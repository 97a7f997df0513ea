"""The story of a request, phase by phase: the verdicts of the code that decided, in its own words, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twistedproxy.cache.outcomes import LookupVerdict, StoreVerdict
from twistedproxy.errors import Reason, Whose
from twistedproxy.remedies import remedy_for
from twistedproxy.story.causes import nobody_because
from twistedproxy.story.files import files
from twistedproxy.story.lines import Line, lasting
from twistedproxy.story.peers import peers
from twistedproxy.story.routing import routing
from twistedproxy.story.tale import Tale
from twistedproxy.verdicts import Verdict


def story(tale: Tale) -> Iterator[Line]:
    """The lines, in the order of the phases."""
    yield from _request(tale)
    yield from routing(tale)
    if tale.facts.route is not None:
        yield from _guards(tale)
        yield from files(tale)
        yield from _verdicts(tale, LookupVerdict, "lookup")
        yield from peers(tale)
        for copy in tale.copies:
            yield "mirror", f"{copy.peer} gets a copy of {copy.start}"
        if tale.heard and tale.heard[-1].start and not tale.is_websocket:
            yield "receive", "what the peer says is made up: nothing was sent anywhere"
        yield from _verdicts(tale, StoreVerdict, "admit")
        yield from _filters(tale)
    elif tale.is_made_up:
        return
    yield from _answer(tale)
    yield from _end(tale)


def as_json(tale: Tale) -> dict[str, Any]:
    """The same for programs; durations are seconds, sizes bytes."""
    facts = tale.facts
    pool = facts.route.backend.pool if facts.route is not None and facts.route.backend is not None else None
    remedy = remedy_for(facts.reason) if facts.reason is not None else None
    return {
        "number": facts.number,
        "request_id": facts.request_id or None,
        "finished": tale.finished,
        "client": facts.client,
        "listener": facts.listener,
        "method": facts.head.method.decode("latin-1"),
        "url": tale.url,
        "route": facts.route.name if facts.route is not None else None,
        "pool": pool.name if pool is not None else None,
        "status": facts.status,
        "cache_status": facts.cache_status or None,
        "bytes_received": facts.bytes_received,
        "bytes_sent": facts.bytes_sent,
        "request_time": round(facts.request_time, 6),
        "error": facts.reason.name if facts.reason is not None else None,
        "detail": facts.detail or None,
        "cause": remedy.cause if remedy is not None else None,
        "remedy": remedy.remedy if remedy is not None else None,
        "attempts": [
            {
                "peer": attempt.peer.name,
                "reused": attempt.reused,
                "connect_time": _rounded(attempt.connect_time),
                "handshake_time": _rounded(attempt.handshake_time),
                "header_time": _rounded(attempt.header_time),
                "response_time": _rounded(attempt.response_time),
                "failed_after": _rounded(attempt.failed_after),
                "error": attempt.reason.name if attempt.reason is not None else None,
                "detail": attempt.detail or None,
            }
            for attempt in facts.attempts
        ],
        "story": [{"phase": phase, "text": text} for phase, text in story(tale)],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _request(tale: Tale) -> Iterator[Line]:
    facts = tale.facts
    head = facts.head
    if tale.note:
        yield "request", tale.note
    came = f"from {facts.address} by [listen {facts.listener}]"
    if facts.client != facts.address:
        came += f", whose word is believed: the client is {facts.client}, by {facts.scheme.decode('ascii')}"
    if tale.is_made_up:
        yield "request", f"{head.method.decode('latin-1')} {head.target.decode('latin-1')} {came}"
    else:
        name = f", {facts.request_id}" if facts.request_id else ""
        yield "request", f"{facts.number}{name}, {tale.when}"
        version = "HTTP/{}.{}".format(*divmod(head.version, 10))
        yield "request", f"{head.method.decode('latin-1')} {tale.url} {version} {came}"
    if head.route_path != head.path:
        yield "request", f"its path is compared as {head.route_path.decode('utf-8', 'replace')}"


def _guards(tale: Tale) -> Iterator[Line]:
    facts = tale.facts
    assert facts.route is not None
    names = [type(guard).__name__ for guard in facts.route.guards]
    if names:
        yield "guard", f"asked in this order: {', '.join(names)}"
    if facts.answers_itself and facts.reason is not None and facts.reason.whose is not Whose.UPSTREAM and facts.attempt is None:
        yield "guard", _said(facts.reason, facts.detail if tale.finished and not tale.is_made_up else "")


def _verdicts(tale: Tale, kind: type[Verdict], phase: str) -> Iterator[Line]:
    for verdict in tale.facts.verdicts:
        if isinstance(verdict, kind):
            yield phase, f"{verdict.name.lower().replace('_', ' ')}: {verdict}"


def _filters(tale: Tale) -> Iterator[Line]:
    assert tale.facts.route is not None
    names = [type(each).__name__ for each in tale.facts.route.filters]
    if names and not tale.is_made_up:
        yield "filter", f"asked, in this order, whether they change the answer: {', '.join(names)}"


def _answer(tale: Tale) -> Iterator[Line]:
    facts = tale.facts
    if not tale.finished:
        if tale.is_websocket:
            knob = facts.route.settings.websocket if facts.route is not None else ""
            agreed = "a WebSocket, if the peer agrees" if tale.is_made_up else "a WebSocket"
            yield "deliver", f"{agreed}: websocket = {knob}"
        elif tale.is_made_up:
            yield "deliver", "nothing: the exchange waits for something that a rehearsal does not have"
        else:
            begun = f"an answer with {facts.status} has begun" if facts.status else "no answer has begun yet"
            yield "deliver", f"{begun}; it runs for {lasting(facts.request_time)}"
        return
    if tale.head is not None:
        yield "deliver", f"{tale.head.status} {tale.head.reason.decode('latin-1')}"
        yield from (("deliver", f"    {name.decode('latin-1')}: {value.decode('latin-1')}") for name, value in tale.head.headers)
        return
    if tale.is_made_up:
        yield "deliver", "nothing: the exchange waits for something that a rehearsal does not have"
        return
    own = ", the proxy's own answer" if facts.answers_itself else ""
    status = "nothing: the client had left" if facts.status == 499 else f"{facts.status}{own}"
    cached = f", cache {facts.cache_status}" if facts.cache_status else ""
    passed = f"bodies: {facts.bytes_received} bytes in, {facts.bytes_sent} bytes out"
    yield "deliver", f"{status}{cached}; {passed}; after {lasting(facts.request_time)}"


def _end(tale: Tale) -> Iterator[Line]:
    facts = tale.facts
    reason = facts.reason
    if reason is None or (not tale.finished and tale.is_websocket):
        return
    pool = facts.route.backend.pool if facts.route is not None and facts.route.backend is not None else None
    now = nobody_because(reason, pool).removeprefix("; ") if tale.is_made_up else ""
    yield "finish", _said(reason, facts.detail)
    remedy = remedy_for(reason)
    if remedy is not None:
        yield "cause", remedy.cause + (f": {now}" if now else "")
        yield "remedy", remedy.remedy


def _said(reason: Reason, detail: str) -> str:
    return f"{reason.name}: {reason.text}{f' ({detail})' if detail else ''}"
