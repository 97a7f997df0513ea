"""
What a peer is told of the client: X-Forwarded-* and X-Real-IP, or Forwarded (RFC 7239), by ``forwarded`` of the route.

A client's own word on these things is never passed on; that of a trusted proxy is extended.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twistedproxy.message import CERT_FIELDS, Field, Headers, RequestHead
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.wire.forwarded import write_element


class Origin(NamedTuple):
    """
    Where a request came from.

    :ivar client: the address of the client, by the word of trusted proxies; *client_scheme*: by which it asked
    :ivar address: of whoever connected to us, by *scheme*, to our *port*
    :ivar trusted: that is a trusted proxy, whose fields of the family *believed* count
    """

    client: str
    client_scheme: bytes
    address: str
    scheme: bytes
    port: int
    trusted: bool = False
    believed: str = "x-forwarded"


#: What a proxy says of the client; a client's own word on it is not passed on.
FORWARDING: Final = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
        *CERT_FIELDS,
    )
)

#: The fields of trusted proxies that pass as they came, by the fields that are theirs and by ``forwarded`` of the route.
#: What is not theirs to write may be the word of anybody before them.
_KEPT: Final = {
    ("x-forwarded", "off"): FORWARDING,
    ("x-forwarded", "x-forwarded"): FORWARDING - {b"x-forwarded-for", b"x-real-ip"},
    ("x-forwarded", "rfc7239"): FORWARDING - {b"forwarded"},
    ("x-forwarded", "both"): FORWARDING - {b"forwarded", b"x-forwarded-for", b"x-real-ip"},
    ("rfc7239", "off"): FORWARDING,
    ("rfc7239", "x-forwarded"): frozenset((b"forwarded",)),
    ("rfc7239", "rfc7239"): frozenset[bytes](),
    ("rfc7239", "both"): frozenset[bytes](),
}


def kept_of_trusted(route: RouteSettings, believed: str) -> frozenset[bytes]:
    """The fields that pass as they came, of proxies that are trusted and whose fields are *believed*."""
    kept = _KEPT[believed, route.forwarded]
    return kept - {b"x-forwarded-prefix"} if _prefix(route.strip_prefix, route.forwarded) else kept


def _prefix(strip_prefix: str | None, forwarded: str) -> str:
    """What the peer does not see of the path; empty where it is not told."""
    return (strip_prefix or "").rstrip("/") if forwarded in ("x-forwarded", "both") else ""


def own_forwarding(address: str, authority: bytes, scheme: bytes, port: int, forwarded: str) -> tuple[Field, ...]:
    """What we say of a client whose own word on these things does not count."""
    client = address.encode("ascii")
    fields: list[Field] = []
    if forwarded != "rfc7239":
        fields += [
            (b"X-Forwarded-For", client),
            (b"X-Forwarded-Host", authority),
            (b"X-Forwarded-Proto", scheme),
            (b"X-Forwarded-Port", b"%d" % port),
            (b"X-Real-IP", client),
        ]
    if forwarded != "x-forwarded":
        fields.append((b"Forwarded", write_element(address, authority, scheme)))
    return tuple(field for field in fields if field[1])


def extended_forwarding(origin: Origin, head: RequestHead, forwarded: str) -> list[Field]:
    """What we add to what a trusted proxy says."""
    headers = head.headers
    fields: list[Field] = []
    if forwarded != "rfc7239":
        if origin.believed == "x-forwarded":
            fields += _extended_x_forwarded(origin, head)
        else:
            fields += own_forwarding(origin.client, head.authority, origin.client_scheme, origin.port, "x-forwarded")
    if forwarded != "x-forwarded":
        element = write_element(origin.address, head.authority, origin.scheme)
        if origin.believed != "rfc7239":
            if origin.client != origin.address:
                element = write_element(origin.client, head.authority, origin.client_scheme) + b", " + element
            fields.append((b"Forwarded", element))
        else:
            fields.append((b"Forwarded", appended(headers, b"forwarded", element)))
    return fields


def _extended_x_forwarded(origin: Origin, head: RequestHead) -> list[Field]:
    headers = head.headers
    fields = [(b"X-Forwarded-For", appended(headers, b"x-forwarded-for", origin.address.encode("ascii")))]
    own = (
        (b"X-Forwarded-Host", head.authority),
        (b"X-Forwarded-Proto", origin.scheme),
        (b"X-Forwarded-Port", b"%d" % origin.port),
    )
    fields += [field for field in own if field[1] and field[0].lower() not in headers]
    client = origin.client.encode("ascii")
    fields.append((b"X-Real-IP", client if b"x-forwarded-for" in headers else headers.get(b"x-real-ip") or client))
    return fields


def prefix_fields(strip_prefix: str | None, forwarded: str) -> tuple[Field, ...]:
    """X-Forwarded-Prefix, for applications that are told by it where they are."""
    prefix = _prefix(strip_prefix, forwarded)
    return ((b"X-Forwarded-Prefix", prefix.encode("ascii")),) if prefix else ()


def appended(headers: Headers, name: bytes, value: bytes) -> bytes:
    """The combined value of the field *name* (lower case), with *value* as its last element."""
    before = headers.joined(name)
    return value if not before else before + b", " + value
