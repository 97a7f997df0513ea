"""
What a finished exchange was, as spans: one for the exchange, and one for each of its attempts.

Names are those of OpenTelemetry's semantic conventions for HTTP (stable), and ``twistedproxy.…`` for what these do not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import urandom
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl

from twistedproxy.addresses import Tcp
from twistedproxy.errors import HEDGED_OUT, Reason, Whose
from twistedproxy.forward import tracing
from twistedproxy.forward.nobody import Nobody

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

#: Methods that are told as they are (RFC 9110 §9, RFC 5789): a client can make up others without end.
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"))
#: Arguments that are keys to something: the conventions want them hidden.
_SECRETS: Final = frozenset(("AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"))
#: In ``Attempt.span``: a span was made of it.
_TOLD: Final = "told"

Value = str | int | float


class SpanRecord(NamedTuple):
    """
    A span.

    :ivar trace: 32 hexadecimal digits; *span* and *parent*: 16, no parent is empty
    :ivar remote: the parent is somebody else's
    :ivar kind: ``server``, ``client`` or ``internal``
    :ivar began: seconds since 1970; *ended* likewise
    :ivar events: what happened meanwhile, and when
    :ivar failed: why it counts as failed; None: it does not
    """

    trace: str
    span: str
    parent: str
    remote: bool
    kind: str
    name: str
    began: float
    ended: float
    attributes: dict[str, Value]
    events: tuple[tuple[str, float], ...]
    failed: str | None


def is_seen(exchange: Exchange) -> bool:
    """Whether the trace of *exchange* is one of those that are seen."""
    return tracing.traceparent(exchange).endswith(tracing.SAMPLED)


def records_of(exchange: Exchange) -> list[SpanRecord]:
    """The spans of *exchange*, which has ended: its own first, then those of its attempts."""
    known = tracing.noted(exchange)
    whole = tracing.traceparent(exchange)
    trace, span, parent, remote = whole[3:35], whole[36:52], known["trace_parent_id"], True
    if "span_told" in known:
        # It goes on for others behind an exchange that has ended, of which this one is a part.
        span, parent, remote = urandom(8).hex(), span, False
    known["span_told"] = ""
    behind = isinstance(exchange.downstream, Nobody)
    name, attributes = _named(exchange)
    record = SpanRecord(
        trace,
        span,
        parent,
        remote,
        "internal" if behind else "server",
        name,
        exchange.started_wall,
        exchange.started_wall + exchange.request_time,
        attributes,
        (),
        _failed(exchange.status, exchange.reason, 500),
    )
    return [record, *_attempts(exchange, trace, span)]


def _named(exchange: Exchange) -> tuple[str, dict[str, Value]]:
    head, downstream = exchange.head, exchange.downstream
    method = _method(head.method)
    fields: dict[str, Value | None] = {
        "http.request.method": method,
        "http.request.method_original": _text(head.method) if method == "_OTHER" else None,
        "url.scheme": exchange.scheme.decode("ascii"),
        "url.path": _text(head.path),
        "url.query": _query(head.query),
        "server.address": head.fields.host.decode("ascii"),
        "server.port": head.fields.port or downstream.port,
        "client.address": exchange.client,
        "network.peer.address": downstream.address,
        "network.peer.port": downstream.client_port or None,
        "network.protocol.version": _version(head.version),
        "user_agent.original": _text(head.headers.get(b"user-agent")),
        "http.response.status_code": exchange.status or None,
        "error.type": _error_type(exchange.status, exchange.reason, 500),
        "twistedproxy.cache_status": exchange.cache_status,
        "twistedproxy.request_id": tracing.noted(exchange).get("request_id"),
        "twistedproxy.error": exchange.detail,
    }
    route = exchange.route
    name = "HTTP" if method == "_OTHER" else method
    if route is not None:
        name = f"{name} {route.name}"
        fields["http.route"] = route.name
        fields["twistedproxy.pool"] = exchange.pool_name
    return name, _known(fields)


def _attempts(exchange: Exchange, trace: str, parent: str) -> Iterator[SpanRecord]:
    chain: list[Attempt] = []
    attempt = exchange.attempt
    while attempt is not None:
        chain.append(attempt)
        attempt = attempt.previous
    for number, attempt in enumerate(reversed(chain)):
        after = attempt.response_time if attempt.failed_after is None else attempt.failed_after
        if after is None and attempt.upgrade_time is not None:
            after = exchange.started + exchange.request_time - attempt.started
        if after is None or attempt.span == _TOLD:
            continue
        span, attempt.span = attempt.span or urandom(8).hex(), _TOLD
        yield _attempt(exchange, attempt, (trace, span, parent), number, after)


def _attempt(exchange: Exchange, attempt: Attempt, ids: tuple[str, str, str], number: int, after: float) -> SpanRecord:
    head, peer = exchange.head, attempt.peer
    method = _method(head.method)
    began = exchange.started_wall + attempt.started - exchange.started
    address = peer.address
    targets = exchange.route.targets if exchange.route is not None else None
    target = _text(head.target if targets is None else targets.rewritten(exchange)) or ""
    path, mark, query = target.partition("?")
    url = f"{'https' if peer.tls else 'http'}://{peer.settings.authority}{path}"
    reason = None if attempt.reason is HEDGED_OUT else attempt.reason
    fields: dict[str, Value | None] = {
        "http.request.method": method,
        "http.request.method_original": _text(head.method) if method == "_OTHER" else None,
        "url.full": f"{url}?{_query(query.encode('utf-8'))}" if mark else url,
        "server.address": address.host if isinstance(address, Tcp) else str(address),
        "server.port": address.port if isinstance(address, Tcp) else None,
        "http.request.resend_count": number or None,
        "http.response.status_code": attempt.status or None,
        "error.type": _error_type(attempt.status, reason, 400),
        "twistedproxy.pool": exchange.pool_name,
        "twistedproxy.peer": peer.name,
        "twistedproxy.outcome": attempt.reason.name if attempt.reason is not None else None,
        "twistedproxy.error": attempt.detail,
    }
    times = (("connected", attempt.connect_time), ("answer begins", attempt.header_time))
    events = tuple((name, began + seconds) for name, seconds in times if seconds is not None)
    name = "HTTP" if method == "_OTHER" else method
    return SpanRecord(
        *ids[:2],
        ids[2],
        False,
        "client",
        name,
        began,
        began + after,
        _known(fields),
        events,
        _failed(attempt.status, reason, 400),
    )


def _method(method: bytes) -> str:
    return method.decode("ascii") if method in _METHODS else "_OTHER"


def _version(version: int) -> str:
    return "2" if version == 20 else f"{version // 10}.{version % 10}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _query(query: bytes | None) -> str | None:
    text = _text(query)
    if text is None or not any(name in _SECRETS for name, _ in parse_qsl(text, keep_blank_values=True)):
        return text
    parts = (part.partition("=") for part in text.split("&"))
    return "&".join(f"{name}=REDACTED" if name in _SECRETS else f"{name}{mark}{value}" for name, mark, value in parts)


def _is_failure(reason: Reason | None) -> bool:
    return reason is not None and reason.whose is not Whose.DOWNSTREAM


def _error_type(status: int, reason: Reason | None, bad: int) -> str | None:
    if reason is not None and _is_failure(reason):
        return reason.name
    return str(status) if status >= bad else None


def _failed(status: int, reason: Reason | None, bad: int) -> str | None:
    """The description of a failure; empty where the status says it all."""
    if reason is not None and _is_failure(reason):
        return reason.text
    return "" if status >= bad else None


def _known(fields: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}
