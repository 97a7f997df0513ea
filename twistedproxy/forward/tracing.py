"""
By what an exchange is known to others: its request id, and its place in a trace (W3C Trace Context).

Both are made when they are first asked for, and stay the same for all attempts of the exchange.
"""

from __future__ import annotations

import re
from os import urandom
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: What an id of somebody else may look like: it goes into logs and fields.
_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")
#: W3C Trace Context §3.2: version, trace-id, parent-id, flags; versions after 00 may have more behind them.
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
#: Sampled (§3.2.2.3.1): whoever begins a trace wants to see it.
_SAMPLED: Final = b"01"
#: The field by which ids come where a route names none.
_USUAL: Final = b"x-request-id"


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
        trace, flags = _going_on(exchange) or (urandom(16).hex().encode("ascii"), _SAMPLED)
        parent = urandom(8).hex()
        known["traceparent"] = f"00-{trace.decode('ascii')}-{parent}-{flags.decode('ascii')}"
    return known["traceparent"]


def trace_id(exchange: Exchange) -> str:
    """The trace that *exchange* is a part of: 32 hexadecimal digits."""
    return traceparent(exchange)[3:35]


def tracestate(exchange: Exchange) -> str:
    """What others say of the trace; nothing of it is left where the trace begins anew (§3.3.1)."""
    if _going_on(exchange) is None:
        return ""
    return (exchange.head.headers.joined(b"tracestate") or b"").decode("latin-1")


def _going_on(exchange: Exchange) -> tuple[bytes, bytes] | None:
    """The trace-id and the flags of a trace that goes on; None: one begins."""
    wanted = exchange.route.settings.traceparent if exchange.route else "no"
    if wanted == "trusted" and not exchange.downstream.trusted:
        return None
    given = exchange.head.headers.get_all(b"traceparent")
    found = _TRACEPARENT.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    # §3.2.2: zeros and version ff are invalid; of later versions the parts that are known are taken (§3.2.4).
    if version == b"ff" or not trace.strip(b"0") or not parent.strip(b"0") or (version == b"00" and more):
        return None
    return trace, b"%02x" % (int(flags, 16) & 1)
