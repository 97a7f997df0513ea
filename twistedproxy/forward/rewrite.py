"""
What changes in a head on its way: fields that are for one hop go, those that a proxy owes are added (RFC 9110 §7.6).

Everything else keeps its order, its letters and its bytes.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from typing import Final

from twistedproxy.forward.forwarding import (
    FORWARDING,
    Origin,
    appended,
    extended_forwarding,
    kept_of_trusted,
    own_forwarding,
    prefix_fields,
)
from twistedproxy.forward.header_edits import Edits, edited
from twistedproxy.message import CERT_FIELDS, CHUNKED, Field, Headers, RequestHead, ResponseHead
from twistedproxy.settings.routes import RouteSettings

#: What Via calls us (RFC 9110 §7.6.3).
PSEUDONYM: Final = b"twistedproxy"
_VIA: Final = {10: b"1.0 " + PSEUDONYM, 11: b"1.1 " + PSEUDONYM, 20: b"2.0 " + PSEUDONYM}

#: Fields for one hop (RFC 9110 §7.6.1), whether Connection names them or not.
HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"transfer-encoding", b"upgrade")
)

#: Fields that stay though a client's Connection names them: without these a request would get past those who rely on them.
_PROTECTED: Final = frozenset(
    (
        b"accept-encoding",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"cookie",
        b"date",
        b"forwarded",
        b"host",
        b"origin",
        b"range",
        b"referer",
        b"trailer",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
        *CERT_FIELDS,
    )
)

#: What Connection may name without hiding anything from a peer.
_OPTIONS: Final = HOP_BY_HOP | _PROTECTED | {b"close"}


def _disguises(name: bytes) -> set[bytes]:
    """All that CGI-like backends take for *name*: they know no difference of ``_`` and ``-``."""
    variants = {b""}
    for number, part in enumerate(name.split(b"-")):
        joints = (b"-", b"_") if number else (b"",)
        variants = {variant + joint + part for variant in variants for joint in joints}
    return variants - {name}


#: Names that would be taken for forwarding fields, or for those that say where a body ends: never passed on.
_DISGUISED: Final = frozenset().union(*map(_disguises, (*FORWARDING, b"content-length", b"transfer-encoding")))
#: Fields of a request that do not simply pass.  Proxy is no field of HTTP: CGI makes HTTP_PROXY of it (CVE-2016-5385).
#: HTTP2-Settings belongs to an upgrade that is never passed on (RFC 7540 §3.2.1).
_LOOKED_AT: Final = HOP_BY_HOP | FORWARDING | _DISGUISED | {b"host", b"content-length", b"via", b"proxy", b"http2-settings"}


def hides_fields(head: RequestHead) -> bool:
    """
    Whether Connection names fields that the peer will not see though we do.

    An answer to such a request says nothing of requests that look the same and hide nothing: no cache may keep it.
    """
    return any(name not in _OPTIONS and name in head.headers for name in head.fields.connection)


def is_zero(value: bytes) -> bool:
    """Whether *value* is a number, and 0."""
    return bool(value) and not value.strip(b"0")


def _not_passed(head: RequestHead, route: RouteSettings, origin: Origin) -> set[bytes]:
    """The lower-case names of the fields of *head* that do not go to a peer as they came."""
    # In this order the few fields are gone through, and not the many names.
    dropped = set(_LOOKED_AT.intersection(head.headers.index))
    if origin.trusted:
        dropped -= kept_of_trusted(route, origin.believed)
    if head.version == 10:
        # RFC 9110 §10.1.1: ignored, so that no peer answers it.
        dropped.add(b"expect")
    connection = head.fields.connection
    if connection and connection != (b"keep-alive",):
        dropped.update(name for name in connection if name not in _PROTECTED)
    return dropped


def request_fields(
    head: RequestHead,
    route: RouteSettings,
    *,
    peer_host: bytes,
    origin: Origin,
    edits: Edits = (),
) -> Headers:
    """
    The fields of a request for a peer, framing and upgrade left out.

    :param peer_host: what Host says with ``host = upstream``, or when the client sent none
    :param origin: where the request came from
    :param edits: what the route changes in the end
    """
    came = head.headers
    index = came.index
    dropped = _not_passed(head, route, origin)
    host = _host(head, route.host, peer_host)
    if index.get(b"host") == host:
        dropped.discard(b"host")
    length = head.fields.length
    if length >= 0 and index.get(b"content-length") == b"%d" % length:
        dropped.discard(b"content-length")
    headers = came
    if dropped:
        headers = came.without(dropped)
        if length >= 0 and b"content-length" in dropped:
            headers = headers.plus((b"Content-Length", b"%d" % length))
    if b"host" in dropped or b"host" not in index:
        headers = Headers(((b"Host", host),)).followed_by(headers)
    headers = headers.followed_by(_said_by_us(head, route, origin))
    if b"max-forwards" in index and head.method in (b"OPTIONS", b"TRACE"):
        headers = Headers(map(_counted_down, headers.items))
    return edited(headers, edits)


def _said_by_us(head: RequestHead, route: RouteSettings, origin: Origin) -> Headers:
    """Via, and whose request it is."""
    forwarded = route.forwarded
    if not origin.trusted and b"via" not in head.headers.index:
        prefix = route.strip_prefix if forwarded != "off" else None
        return _said_of_most(_VIA[head.version], origin.address, head.authority, origin.scheme, origin.port, forwarded, prefix)
    fields = [(b"Via", appended(head.headers, b"via", _VIA[head.version]))]
    if forwarded != "off":
        if origin.trusted:
            fields += extended_forwarding(origin, head, forwarded)
        else:
            fields += own_forwarding(origin.address, head.authority, origin.scheme, origin.port, forwarded)
        fields += prefix_fields(route.strip_prefix, forwarded)
    return Headers(fields)


@lru_cache(maxsize=1024)
def _said_of_most(
    via: bytes, address: str, authority: bytes, scheme: bytes, port: int, forwarded: str, strip_prefix: str | None
) -> Headers:
    fields: list[Field] = [(b"Via", via)]
    if forwarded != "off":
        fields += own_forwarding(address, authority, scheme, port, forwarded)
        fields += prefix_fields(strip_prefix, forwarded)
    return Headers(fields)


def _counted_down(field: Field) -> Field:
    """Max-Forwards, less one (RFC 9110 §7.6.2); other fields as they are."""
    name, value = field
    if name.lower() == b"max-forwards" and value.isdigit():
        return name, b"%d" % max(0, int(value[:9]) - 1)
    return field


def _host(head: RequestHead, wanted: str, peer_host: bytes) -> bytes:
    if wanted == "preserve":
        return head.headers.get(b"host") or peer_host
    return peer_host if wanted == "upstream" else wanted.encode("ascii")


def request_block(headers: Headers, length: int, upgrade: bool) -> bytes:
    """The field lines of a request, with what this hop needs: framing (RFC 9112 §6) and a WebSocket's upgrade."""
    block = headers.block
    if length == CHUNKED:
        block += b"Transfer-Encoding: chunked\r\n"
    if upgrade:
        block += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    return block


def response_head(head: ResponseHead, edits: Edits, wall: float) -> ResponseHead:
    """The head for the client: end-to-end fields only, a Date if the peer sent none (RFC 9110 §6.6.1), the route's edits."""
    headers = head.headers
    index = headers.index
    dropped = index.keys() & HOP_BY_HOP
    if index.get(b"connection", b"keep-alive") != b"keep-alive":
        dropped.update(headers.elements(b"connection"))
    if head.status == 204:
        # RFC 9110 §8.6: no length where there can be no body.
        dropped.add(b"content-length")
    headers = headers.without(dropped)
    if b"date" not in index:
        headers = headers.plus((b"Date", http_date(wall)))
    return ResponseHead(head.status, head.reason, edited(headers, edits), length=head.length)


_dates: dict[int, bytes] = {}


def http_date(wall: float) -> bytes:
    """IMF-fixdate (RFC 9110 §5.6.7) of *wall*, seconds since 1970."""
    second = int(wall)
    date = _dates.get(second)
    if date is None:
        _dates.clear()
        date = _dates[second] = formatdate(second, usegmt=True).encode("ascii")
    return date


def interim_head(head: ResponseHead) -> ResponseHead:
    """A 1xx answer for the client: no fields for one hop, no framing (RFC 9110 §15.2)."""
    dropped = {*HOP_BY_HOP, b"content-length", *head.headers.elements(b"connection")}
    return ResponseHead(head.status, head.reason, head.headers.without(dropped))


def upgrade_head(head: ResponseHead, edits: Edits) -> ResponseHead:
    """The 101 for the client, with the upgrade of this hop (RFC 6455 §4.2.2)."""
    headers = edited(interim_head(head).headers, edits)
    return ResponseHead(101, head.reason, headers.plus((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")))
