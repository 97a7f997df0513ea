"""Which exchanges, or connections of streams, a log tells of: its conditions, and the share that it takes of them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.errors import Reason, Whose
from twistedproxy.forward.conditions import Condition
from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.tracing import request_id
from twistedproxy.logs.stream_lines import StreamCondition
from twistedproxy.settings.logs import COMPARISONS, LogSettings, Measure
from twistedproxy.settings.routes import RouteCondition

#: Whether something is to be logged.
Choice = Callable[[Any], bool]

_BITS: Final = 64
#: Attributes of attempts; the others are those of exchanges.
_OF_ATTEMPTS: Final = frozenset(("connect_time", "header_time", "response_time", "upgrade_time"))


def choice_of(settings: LogSettings) -> Choice | None:
    """What *settings* choose; None: everything."""
    streams = settings.of == "streams"
    choices = [_choice(line, streams) for line in settings.when]
    if settings.sample < 1:
        choices.append(_SampledStreams(settings) if streams else _Sampled(settings))
    if len(choices) < 2:
        return choices[0] if choices else None
    return lambda finished: all(choice(finished) for choice in choices)


def is_sampled(identity: str, share: float) -> bool:
    """Whether the thing of this *identity* is among the *share* that is taken; the same in every proxy and at every time."""
    digest = blake2b(identity.encode("utf-8", "backslashreplace"), digest_size=_BITS // 8).digest()
    return int.from_bytes(digest, "big") < share * float(2**_BITS)


def _choice(line: RouteCondition | Measure, streams: bool) -> Choice:
    if isinstance(line, Measure):
        return _measure(line, streams)
    return StreamCondition(line).holds if streams else Condition(line).holds


def _measure(line: Measure, streams: bool) -> Choice:
    compare, value, name = COMPARISONS[line.operator], line.value, line.name
    of_attempt = name in _OF_ATTEMPTS and not streams
    if streams:
        attribute = {"session_time": "duration", "tries": "tries_made"}.get(name, name)
    else:
        attribute = name

    def holds(finished: Any) -> bool:
        known = getattr(finished.attempt if of_attempt else finished, attribute, None)
        return known is not None and compare(known, value)

    return holds


def _is_ours(reason: Reason | None) -> bool:
    """Whether something went wrong that is not the client's doing."""
    return reason is not None and reason.whose is not Whose.DOWNSTREAM


class _Sampled:
    """A share of all exchanges, by their request ids, with all that failed and all that were slow."""

    def __init__(self, settings: LogSettings) -> None:
        self._share = settings.sample
        self._slow = settings.slow

    def __call__(self, exchange: Exchange) -> bool:
        if exchange.status >= 500 or _is_ours(exchange.reason):
            return True
        # A WebSocket is as long as people talk: slow is the way to it.
        opened = exchange.attempt.upgrade_time if exchange.attempt is not None else None
        taken = exchange.request_time if opened is None else opened
        return taken >= self._slow or is_sampled(request_id(exchange), self._share)


class _SampledStreams:
    """A share of all connections of streams, with all that failed and all for which a peer was slow to reach."""

    def __init__(self, settings: LogSettings) -> None:
        self._share = settings.sample
        self._slow = settings.slow

    def __call__(self, connection: StreamConnection) -> bool:
        if _is_ours(connection.reason) or (connection.connect_time or 0.0) >= self._slow:
            return True
        # They have no ids: the client's end of the connection is known to whoever stands on either side.
        return is_sampled(f"{connection.address} {connection.client_port}", self._share)
