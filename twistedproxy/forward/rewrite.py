"""
What changes in a head on its way: fields that are for one hop go, those that a proxy owes are added (RFC 9110 §7.6).

Everything else keeps its order, its letters and its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes

from twistedproxy.message import CHUNKED, Field, Headers, RequestHead, ResponseHead
from twistedproxy.settings import HeaderEdit, RouteSettings

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
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)

#: What Connection may name without hiding anything from a peer.
_OPTIONS: Final = HOP_BY_HOP | _PROTECTED | {b"close"}

#: What a proxy says of the client; a client's own word on it is not passed on.
_FORWARDING: Final = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)


def _disguises(name: bytes) -> set[bytes]:
    """All that CGI-like backends take for *name*: they know no difference of ``_`` and ``-``."""
    variants = {b""}
    for number, part in enumerate(name.split(b"-")):
        joints = (b"-", b"_") if number else (b"",)
        variants = {variant + joint + part for variant in variants for joint in joints}
    return variants - {name}


#: Names that would be taken for forwarding fields: never passed on.
_DISGUISED: Final = frozenset().union(*map(_disguises, _FORWARDING))
#: Fields of a request that do not simply pass.  Proxy is no field of HTTP: CGI makes HTTP_PROXY of it (CVE-2016-5385).
#: HTTP2-Settings belongs to an upgrade that is never passed on (RFC 7540 §3.2.1).
_LOOKED_AT: Final = HOP_BY_HOP | _FORWARDING | _DISGUISED | {b"host", b"content-length", b"via", b"proxy", b"http2-settings"}


def hides_fields(head: RequestHead) -> bool:
    """
    Whether Connection names fields that the peer will not see though we do.

    An answer to such a request says nothing of requests that look the same and hide nothing: no cache may keep it.
    """
    return any(name not in _OPTIONS and name in head.headers for name in head.fields.connection)


def is_zero(value: bytes) -> bool:
    """Whether *value* is a number, and 0."""
    return bool(value) and not value.strip(b"0")


def _not_passed(head: RequestHead, route: RouteSettings, trusted: bool) -> set[bytes]:
    """The lower-case names of the fields of *head* that do not go to a peer as they came."""
    names = head.headers.index.keys()
    kept = _NOTHING
    if trusted:
        kept = _EXTENDED if route.forwarded else _FORWARDING
    dropped = names & _LOOKED_AT
    if kept:
        dropped -= kept
    if head.version == 10:
        # RFC 9110 §10.1.1: ignored, so that no peer answers it.
        dropped.add(b"expect")
    connection = head.fields.connection
    if connection and connection != (b"keep-alive",):
        dropped.update(name for name in connection if name not in _PROTECTED)
    return dropped


_NOTHING: Final[frozenset[bytes]] = frozenset()
#: What trusted proxies say and we need not add to.
_EXTENDED: Final = _FORWARDING - {b"x-forwarded-for", b"x-real-ip"}


def request_fields(
    head: RequestHead,
    route: RouteSettings,
    *,
    peer_host: bytes,
    client: str,
    address: str,
    scheme: bytes,
    port: int,
    trusted: bool,
) -> list[Field]:
    """
    The fields of a request for a peer, framing and upgrade left out.

    :param peer_host: what Host says with ``host = upstream``, or when the client sent none
    :param client: the address of the client, by the word of trusted proxies
    :param address: of whoever connected to us; *trusted*: it is a trusted proxy
    :param scheme: by which it connected, to our *port*
    """
    dropped = _not_passed(head, route, trusted)
    headers = head.headers
    fields: list[Field] = [(b"Host", _host(head, route.host, peer_host))]
    fields += headers.fields_without(dropped)
    if head.fields.length >= 0 and b"content-length" in headers.index:
        fields.append((b"Content-Length", b"%d" % head.fields.length))
    fields.append((b"Via", _appended(headers, b"via", _VIA[head.version])))
    if route.forwarded:
        if trusted:
            fields += _extended_forwarding(head, client.encode("ascii"), address.encode("ascii"), scheme, port)
        else:
            fields += _own_forwarding(address, head.authority, scheme, port)
    if b"max-forwards" in headers.index and head.method in (b"OPTIONS", b"TRACE"):
        fields = [_counted_down(field) for field in fields]
    return _edited(fields, route.request_headers) if route.request_headers else fields


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


def _appended(headers: Headers, name: bytes, value: bytes) -> bytes:
    before = headers.joined(name)
    return value if not before else before + b", " + value


@lru_cache(maxsize=1024)
def _own_forwarding(address: str, authority: bytes, scheme: bytes, port: int) -> tuple[Field, ...]:
    """What we say of a client whose own word on these things does not count."""
    client = address.encode("ascii")
    fields = (
        (b"X-Forwarded-For", client),
        (b"X-Forwarded-Host", authority),
        (b"X-Forwarded-Proto", scheme),
        (b"X-Forwarded-Port", b"%d" % port),
        (b"X-Real-IP", client),
    )
    return tuple(field for field in fields if field[1])


def _extended_forwarding(head: RequestHead, client: bytes, address: bytes, scheme: bytes, port: int) -> list[Field]:
    """What we add to what a trusted proxy says."""
    headers = head.headers
    fields = [(b"X-Forwarded-For", _appended(headers, b"x-forwarded-for", address))]
    own = ((b"X-Forwarded-Host", head.authority), (b"X-Forwarded-Proto", scheme), (b"X-Forwarded-Port", b"%d" % port))
    fields += [field for field in own if field[1] and field[0].lower() not in headers]
    real_ip = client if b"x-forwarded-for" in headers else headers.get(b"x-real-ip") or client
    fields.append((b"X-Real-IP", real_ip))
    return fields


def request_block(fields: Iterable[Field], length: int, upgrade: bool) -> bytes:
    """The field lines of a request, with what this hop needs: framing (RFC 9112 §6) and a WebSocket's upgrade."""
    block = b"".join([b"%b: %b\r\n" % field for field in fields])
    if length == CHUNKED:
        block += b"Transfer-Encoding: chunked\r\n"
    if upgrade:
        block += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    return block


#: Dot segments, escaped or not, and empty ones.
_ROUNDABOUT: Final = re.compile(rb"//|/(?:\.|%2[eE]){1,2}(?:/|\Z)")


def upstream_target(head: RequestHead, strip_prefix: bytes) -> bytes:
    """
    The target for the peer: byte for byte the client's, without the prefix that the route takes off.

    A path that says the same in a roundabout way (``/%61pi/``, dot or empty segments) is sent as the route understood it: what is
    left of it must not mean something else.
    """
    if not strip_prefix:
        return head.target
    path = head.path
    roundabout = head.route_path != path and _ROUNDABOUT.search(path)
    if roundabout or not (path + b"/").startswith(strip_prefix + b"/"):
        path = quote_from_bytes(head.route_path, safe="/:@!$&'()*+,;=~").encode("ascii")
        if not (path + b"/").startswith(strip_prefix + b"/"):
            return head.target
    rest = path[len(strip_prefix) :] or b"/"
    return rest if head.query is None else rest + b"?" + head.query


def response_head(head: ResponseHead, edits: tuple[HeaderEdit, ...], wall: float) -> ResponseHead:
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
    if edits:
        headers = Headers(_edited(list(headers.items), edits))
    return ResponseHead(head.status, head.reason, headers, length=head.length)


def _edited(fields: list[Field], edits: tuple[HeaderEdit, ...]) -> list[Field]:
    for edit in edits:
        name = edit.name.encode("ascii")
        lower = name.lower()
        if edit.action != "add":
            fields = [field for field in fields if field[0].lower() != lower]
        if edit.action != "remove":
            fields.append((name, edit.value.encode("latin-1")))
    return fields


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


def upgrade_head(head: ResponseHead, edits: tuple[HeaderEdit, ...]) -> ResponseHead:
    """The 101 for the client, with the upgrade of this hop (RFC 6455 §4.2.2)."""
    fields = _edited(list(interim_head(head).headers.items), edits)
    return ResponseHead(101, head.reason, Headers([*fields, (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]))
