"""The head of a request as a peer gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy.forward import rewrite, tracing
from twistedproxy.forward.forwarding import Origin
from twistedproxy.forward.header_edits import edited
from twistedproxy.forward.secured import with_cert_fields
from twistedproxy.wire.hpack import encode
from twistedproxy.wire.http2_answers import request_fields

if TYPE_CHECKING:
    from twistedproxy.forward.attempt import Attempt
    from twistedproxy.forward.exchange import Exchange

#: Methods whose heads change on the way, because Max-Forwards counts down (RFC 9110 §7.6.2).
COUNTED: Final = frozenset((b"OPTIONS", b"TRACE"))


def is_last_recipient(exchange: Exchange) -> bool:
    """Whether a request of one of the :data:`COUNTED` methods ends here: Max-Forwards: 0 is answered by who gets it."""
    return rewrite.is_zero(exchange.head.headers.get(b"max-forwards") or b"")


def request_head(exchange: Exchange, attempt: Attempt, multiplexed: bool) -> bytes:
    """
    The bytes of the head for the peer of *attempt*: lines, the empty one included; for HTTP/2 (*multiplexed*) a header block.

    A client that repeats its fields on a connection has them rewritten once.
    """
    head = exchange.head
    route = exchange.route
    assert route is not None
    caching = exchange.caching
    identity = exchange.identity
    if head.forwarded is not None and head.forwarded[0] is route and caching is None and identity is None:
        return head.forwarded[1]
    peer = attempt.peer
    downstream = exchange.downstream
    settings = route.settings
    targets = route.targets
    varying = route.varying_request_edits
    repeatable = (
        caching is None
        and identity is None
        and settings.host == "preserve"
        and head.fields.host
        and head.method not in COUNTED
        and varying is None
        and not (targets is not None and targets.varies)
    )
    known = downstream.known
    if known is not None and known[0] is head.fields and known[1] is route and repeatable:
        block = known[2]
    else:
        edits = route.request_edits if varying is None else varying.rendered(tracing.values_of(exchange, attempt))
        fields = rewrite.request_fields(
            head,
            settings,
            peer_host=b"" if settings.host == "preserve" and head.fields.host else peer.settings.authority.encode(),
            origin=Origin(
                exchange.client,
                exchange.scheme,
                downstream.address,
                downstream.scheme,
                downstream.port,
                downstream.trusted,
                downstream.trusted_proxies.believed,
            ),
            edits=edits if identity is None else (),
        )
        if settings.client_cert_headers and downstream.secured is not None:
            fields = with_cert_fields(fields, downstream.secured)
        if identity is not None:
            # What a guard takes out or tells, the route's own edits may still change.
            fields = edited(identity.for_peer(fields), edits)
        if caching is not None:
            fields = caching.for_peer(fields)
        if exchange.upgrade is not None:
            fields = exchange.upgrade.for_peer(fields)
        if multiplexed:
            block = encode(request_fields(fields, takes_trailers=b"trailers" in head.headers.elements(b"te")))
        else:
            block = rewrite.request_block(fields, head.fields.length, exchange.upgrade is not None)
    target = head.target if targets is None else targets.rewritten(exchange)
    if multiplexed:
        scheme = b"https" if peer.tls else b"http"
        start = encode([(b":method", head.method), (b":scheme", scheme), (b":path", target)]) + block
    else:
        start = b"%b %b HTTP/1.1\r\n%b\r\n" % (head.method, target, block)
    if repeatable:
        downstream.known = (head.fields, route, block)
        head.forwarded = (route, start)
    return start
