"""Whom the scheduler could choose, whom it chose, and how each attempt went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedproxy.addresses import InProcess
from twistedproxy.balance.lookback import Seen, View
from twistedproxy.balance.peer import PeerState
from twistedproxy.balance.pool import Pool
from twistedproxy.forward.attempt import Attempt
from twistedproxy.story.lines import Line, lasting
from twistedproxy.story.tale import Sent, Tale
from twistedproxy.verdicts import ChooseVerdict, RetryVerdict, Verdict

#: Peers of a view that are listed.
_LISTED: Final = 30


def peers(tale: Tale) -> Iterator[Line]:
    """The choices and the attempts, in order."""
    route = tale.facts.route
    backend = route.backend if route is not None else None
    if backend is None:
        return
    attempts = tale.facts.attempts
    steps = [each for each in tale.facts.verdicts if isinstance(each, ChooseVerdict | RetryVerdict)]
    if attempts or steps:
        yield from _view(tale, backend.pool, attempts[0].started if attempts else tale.facts.ended)
    sent = {id(attempt): heard for attempt, heard in zip(attempts, tale.heard, strict=False)}
    number = 0
    for verdict in steps:
        if isinstance(verdict, RetryVerdict) and number < len(attempts):
            yield from _attempt(number, attempts, backend.pool, sent)
            number += 1
        yield _phase(verdict), f"{verdict.name.lower().replace('_', ' ')}: {verdict}"
    while number < len(attempts):
        yield from _attempt(number, attempts, backend.pool, sent)
        number += 1


def _phase(verdict: Verdict) -> str:
    return "retry" if isinstance(verdict, RetryVerdict) else "choose"


def _view(tale: Tale, pool: Pool, moment: float) -> Iterator[Line]:
    """How the scheduler saw the peers."""
    if isinstance(pool.settings.servers[0].address, InProcess):
        yield "choose", f"{pool.name}, in the proxy's own process"
        return
    view = pool.lookback.at(moment)
    if view is None:
        yield "choose", f"[pool {pool.name}], by {pool.settings.balance}; how its peers were then is not known any more"
        return
    candidates = [seen for seen in view.peers if seen.chosen_from]
    resort = ", though each is ejected or down: nobody else was left" if view.last_resort else ""
    count = f"{len(candidates)} of {len(view.peers)} peers could be chosen{resort}"
    yield "choose", f"[pool {pool.name}], by {pool.settings.balance}: {count}"
    width = max((len(seen.name) for seen in view.peers), default=0)
    for seen in view.peers[:_LISTED]:
        yield "choose", f"    {seen.name:{width}}  {_standing(tale, view, seen, pool, moment)}"
    if len(view.peers) > _LISTED:
        yield "choose", f"    and {len(view.peers) - _LISTED} more"


def _standing(tale: Tale, view: View, seen: Seen, pool: Pool, moment: float) -> str:
    ran = tale.ran_at(seen, moment) if tale.ran_at is not None else None
    most = seen.peer.settings.max_connections
    busy = "" if ran is None else f", {ran} running"
    if most:
        busy += f" (max_connections={most})"
    if not seen.chosen_from:
        last = f" (its last failure: {seen.last_failure})" if seen.last_failure and seen.state is not PeerState.UP else ""
        return f"out, {seen.is_out}{last}"
    total = sum(other.weight for other in view.peers if other.chosen_from)
    share = f"weight {seen.weight:g}" + (f", {100 * seen.weight / total:.0f}% of the requests" if total else "")
    score = ""
    if ran is not None and pool.settings.balance.scheduler in ("least_connections", "random_two") and seen.weight:
        score = f", load {ran / seen.weight:.3g} (running for each weight: the least is taken)"
    elif pool.settings.balance.scheduler == "least_time" and tale.is_made_up:
        usual = seen.peer.answer_time.usual(moment)
        score = (
            f", answers begin after {lasting(usual)} as a rule (times running + 1, by weight: the least is taken)"
            if usual
            else ""
        )
    trial = ", on trial after an ejection" if seen.on_trial else ""
    return f"{share}{busy}{score}{trial}"


def _attempt(number: int, attempts: list[Attempt], pool: Pool, sent: dict[int, Sent]) -> Iterator[Line]:
    attempt = attempts[number]
    heard = sent.get(id(attempt))
    if heard is not None:
        if not isinstance(attempt.peer.address, InProcess):
            yield "choose", f"{attempt.peer.name} of [pool {pool.name}], by {pool.settings.balance}"
        if heard.start:
            yield "send", heard.start
            yield from (("send", f"    {name}: {value}") for name, value in heard.fields)
            if heard.body:
                yield "send", f"    and {len(heard.body)} bytes"
        return
    after = f", {lasting(attempt.started - attempts[0].started)} after the first" if number else ""
    yield "attempt", f"{number + 1} on {attempt.peer.name}{after}: {'; '.join(_times(attempt))}"


def _times(attempt: Attempt) -> Iterator[str]:
    connected = attempt.connect_time
    if isinstance(attempt.peer.address, InProcess):
        yield "in this process"
    elif attempt.reused:
        yield "a kept connection"
    elif connected is not None:
        tls = ", TLS included" if attempt.peer.tls else ""
        if attempt.handshake_time is not None:
            tls = f", {lasting(attempt.handshake_time)} of it TLS"
        yield f"a new connection in {lasting(connected)}{tls}"
    else:
        yield "no connection"
    if attempt.upgrade_time is not None:
        yield f"a WebSocket from {lasting(attempt.upgrade_time)} on"
    elif attempt.header_time is not None:
        yield f"its answer began after {lasting(attempt.header_time)}"
    if attempt.response_time is not None:
        yield f"ended after {lasting(attempt.response_time)}"
    if attempt.reason is not None:
        detail = f" ({attempt.detail})" if attempt.detail else ""
        after = f"after {lasting(attempt.failed_after)} " if attempt.failed_after is not None else ""
        yield f"failed {after}by {attempt.reason.name}: {attempt.reason.text}{detail}"
    elif attempt.response_time is None and attempt.upstream is not None:
        yield "it runs"
