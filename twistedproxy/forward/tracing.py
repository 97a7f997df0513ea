"""
By what an exchange is known to others: its request id, and its place in a trace (W3C Trace Context).

Both are made when they are first asked for, and stay the same for all attempts of the exchange.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from os import urandom
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

#: What an id of somebody else may look like: it goes into logs and fields.
_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")
#: W3C Trace Context §3.2: version, trace-id, parent-id, flags; versions after 00 may have more behind them.
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
#: Sampled (§3.2.2.3.1): whoever begins a trace wants to see it.
SAMPLED: Final = "01"
_NOT_SAMPLED: Final = "00"
#: The field by which ids come where a route names none.
_USUAL: Final = b"x-request-id"


@dataclass(frozen=True)
class Sampling:
    """
    Which traces are seen, where spans are made of exchanges.

    :ivar share: of all traces, picked by their ids, so that everybody who takes that share picks the same
    :ivar follows: of traces that go on, whoever began them has decided
    """

    share: float
    follows: bool

    def flags(self, trace: str, decided: str | None) -> str:
        """The flags of the trace with the id *trace*; *decided*: those that came with it, from somebody who may decide."""
        if decided is not None and self.follows:
            return decided
        # As OpenTelemetry's TraceIdRatioBased: the last 8 of the id's 16 bytes.
        return SAMPLED if int(trace[16:], 16) < self.share * 2.0**64 else _NOT_SAMPLED


def noted(exchange: Exchange) -> dict[str, str]:
    """What was made for *exchange* alone."""
    if exchange.noted is None:
        exchange.noted = {}
    return exchange.noted


def request_id(exchange: Exchange) -> str:
    """The id of *exchange*: 32 hexadecimal digits, or what a trusted proxy calls it."""
    known = noted(exchange)
    if "request_id" not in known:
        known["request_id"] = _given_id(exchange) or urandom(16).hex()
    return known["request_id"]


def _given_id(exchange: Exchange) -> str | None:
    if not exchange.downstream.trusted:
        return None
    settings = exchange.route.settings if exchange.route else None
    name = settings.request_id.lower().encode("ascii") if settings and settings.request_id else _USUAL
    given = exchange.head.headers.get(name)
    return given.decode("ascii") if given is not None and _ID.fullmatch(given) else None


def traceparent(exchange: Exchange) -> str:
    """The traceparent field for a peer: the trace goes on, or begins, with us as the parent."""
    known = noted(exchange)
    if "traceparent" not in known:
        going_on = _going_on(exchange)
        trace, parent, flags = going_on or (urandom(16).hex(), "", SAMPLED)
        sampling = exchange.site.tracing
        if sampling is not None:
            flags = sampling.flags(trace, flags if going_on is not None and _may_decide(exchange) else None)
            known["trace_parent_id"] = parent
        known["traceparent"] = f"00-{trace}-{urandom(8).hex()}-{flags}"
    return known["traceparent"]


def _may_decide(exchange: Exchange) -> bool:
    """Whether the client's word on what is seen counts."""
    return exchange.downstream.trusted or (exchange.route is not None and exchange.route.settings.traceparent == "any")


def of_attempt(exchange: Exchange, attempt: Attempt) -> str:
    """The traceparent field for the peer of *attempt*: where spans are made, that of the attempt is the parent."""
    whole = traceparent(exchange)
    if not exchange.site.finished:
        # A mirror's copy, of which nobody tells.
        return whole
    attempt.span = urandom(8).hex()
    return f"{whole[:36]}{attempt.span}{whole[52:]}"


def values_of(exchange: Exchange, attempt: Attempt) -> Callable[[str], str]:
    """The values of templates in what the peer of *attempt* gets."""
    if exchange.site.tracing is None:
        return exchange.value
    return lambda name: of_attempt(exchange, attempt) if name == "traceparent" else exchange.value(name)


def trace_id(exchange: Exchange) -> str:
    """The trace that *exchange* is a part of: 32 hexadecimal digits."""
    return traceparent(exchange)[3:35]


def tracestate(exchange: Exchange) -> str:
    """What others say of the trace; nothing of it is left where the trace begins anew (§3.3.1)."""
    if _going_on(exchange) is None:
        return ""
    return (exchange.head.headers.joined(b"tracestate") or b"").decode("latin-1")


def _going_on(exchange: Exchange) -> tuple[str, str, str] | None:
    """The ids of a trace that goes on and of its latest span, and its flags; None: one begins."""
    wanted = exchange.route.settings.traceparent if exchange.route else "no"
    if wanted == "trusted" and not exchange.downstream.trusted:
        return None
    given = exchange.head.headers.get_all(b"traceparent")
    found = _TRACEPARENT.fullmatch(given[0].decode("latin-1")) if len(given) == 1 else None
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    # §3.2.2: zeros and version ff are invalid; of later versions the parts that are known are taken (§3.2.4).
    if version == "ff" or not trace.strip("0") or not parent.strip("0") or (version == "00" and more):
        return None
    return trace, parent, SAMPLED if int(flags, 16) & 1 else _NOT_SAMPLED
