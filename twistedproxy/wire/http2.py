"""
HTTP/2's header lists: from decoded fields to requests, strictly (RFC 9113 §8), and from responses to fields.

Frames, HPACK and the states of streams are the h2 library's; what a request says is decided here, by the same rules as for
HTTP/1.1 where the two have rules in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from twistedproxy import errors
from twistedproxy.errors import RequestError
from twistedproxy.message import CHUNKED, LARGE_FIELDS, Field, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.wire.framing import NOT_IN_TRAILERS
from twistedproxy.wire.grammar import LENGTH, TOKEN
from twistedproxy.wire.http1 import Limits
from twistedproxy.wire.target import parse_host, parse_target, route_path

# field-name = token in lower case (RFC 9113 §8.2.1)
FIELD_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]++")
# field-value: no NUL, CR, LF or other control characters, and no blank at either end (RFC 9113 §8.2.1, RFC 9110 §5.5)
FIELD_VALUE: Final = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*+(?<![ \t]))?)?")
_TARGET: Final = re.compile(rb"[\x21\x22\x24-\x7e]++")

_PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority", b":protocol"))
#: Fields of HTTP/1.1's connections (RFC 9113 §8.2.2).
OF_CONNECTIONS: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
#: What a field counts besides its letters (RFC 9113 §6.5.2).
_OVERHEAD: Final = 32


class Malformed(RequestError):
    """No request at all: the stream is reset (RFC 9113 §8.1.1)."""


def parse_request(fields: Sequence[Field], limits: Limits, *, ended: bool, key: bytes) -> RequestHead:
    """
    The head of a request from its field list, as HPACK gave it.

    An extended CONNECT for a WebSocket (RFC 8441) becomes the opening handshake that HTTP/1.1 has for it.

    :param ended: no body follows
    :param key: Sec-WebSocket-Key of such a handshake
    :raises Malformed: RFC 9113 §8.2, §8.3
    :raises RequestError: it is a request, but not one that is served
    """
    pseudo, rest = _split(fields)
    size = sum(len(name) + len(value) + _OVERHEAD for name, value in fields)
    if size > limits.head:
        raise RequestError(errors.HEAD_TOO_LARGE, f"{size} bytes")
    if len(rest) > limits.fields:
        raise RequestError(errors.TOO_MANY_FIELDS, str(len(rest)))
    method = pseudo.get(b":method", b"")
    if TOKEN.fullmatch(method) is None:
        raise Malformed(errors.MALFORMED_STREAM, f":method {method[:40]!r}")
    protocol = pseudo.get(b":protocol")
    if method == b"CONNECT" and protocol is None:
        raise RequestError(errors.CONNECT_REFUSED)
    if protocol is not None:
        if method != b"CONNECT":
            raise Malformed(errors.MALFORMED_STREAM, ":protocol without CONNECT (RFC 8441 §4)")
        if protocol != b"websocket":
            raise RequestError(errors.PROTOCOL_UNKNOWN, repr(protocol[:40]))
        method = b"GET"
    target = _target(pseudo, method, limits)
    rest = _with_host(pseudo.get(b":authority"), rest)
    if protocol is not None:
        rest += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Key", key)]
    return _request(method, target, Headers(rest), ended=ended or protocol is not None, upgrade=protocol is not None)


def _split(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], list[Field]]:
    """Pseudo-fields, and the others with the crumbs of Cookie joined (RFC 9113 §8.2.3)."""
    pseudo: dict[bytes, bytes] = {}
    rest: list[Field] = []
    crumbs: list[bytes] = []
    for name, value in fields:
        if name.startswith(b":"):
            if rest or crumbs or name in pseudo or name not in _PSEUDO:
                raise Malformed(errors.MALFORMED_STREAM, f"{name[:40]!r} unknown, repeated, or not in front (RFC 9113 §8.3)")
            if FIELD_VALUE.fullmatch(value) is None:
                raise Malformed(errors.MALFORMED_STREAM, f"{name[:40]!r}: {value[:40]!r}")
            pseudo[name] = value
            continue
        check_field(name, value)
        if name == b"cookie":
            crumbs.append(value)
        else:
            rest.append((name, value))
    if crumbs:
        rest.append((b"cookie", b"; ".join(crumbs)))
    return pseudo, rest


def check_field(name: bytes, value: bytes) -> None:
    """
    Whether a field may stand in a message of HTTP/2.

    :raises Malformed: RFC 9113 §8.2.1, §8.2.2
    """
    if FIELD_NAME.fullmatch(name) is None or FIELD_VALUE.fullmatch(value) is None:
        raise Malformed(errors.MALFORMED_STREAM, f"{name[:40]!r}: {value[:40]!r} (RFC 9113 §8.2.1)")
    if name in OF_CONNECTIONS or (name == b"te" and value.lower() != b"trailers"):
        raise Malformed(errors.MALFORMED_STREAM, f"{name!r} is of HTTP/1.1's connections (RFC 9113 §8.2.2)")


def _target(pseudo: dict[bytes, bytes], method: bytes, limits: Limits) -> bytes:
    if pseudo.get(b":scheme", b"").lower() not in (b"http", b"https"):
        raise Malformed(errors.MALFORMED_STREAM, ":scheme is missing or unknown (RFC 9113 §8.3.1)")
    target = pseudo.get(b":path", b"")
    if not target or not (target.startswith(b"/") or (target == b"*" and method == b"OPTIONS")):
        raise Malformed(errors.MALFORMED_STREAM, f":path {target[:80]!r} (RFC 9113 §8.3.1)")
    if len(target) > limits.target:
        raise RequestError(errors.TARGET_TOO_LONG)
    if _TARGET.fullmatch(target) is None:
        raise RequestError(errors.BAD_TARGET, repr(target[:80]))
    return target


def _with_host(authority: bytes | None, rest: list[Field]) -> list[Field]:
    """The fields with one Host in front, made from :authority where there is one (RFC 9113 §8.3.1)."""
    hosts = [value for name, value in rest if name == b"host"]
    if len(hosts) > 1:
        raise Malformed(errors.MALFORMED_STREAM, "more than one Host")
    if authority is None:
        if not hosts:
            raise RequestError(errors.BAD_HOST, "neither :authority nor Host")
        authority = hosts[0]
    elif hosts and parse_host(hosts[0]) != parse_host(authority):
        raise Malformed(errors.MALFORMED_STREAM, "Host is not :authority (RFC 9113 §8.3.1)")
    return [(b"Host", authority), *(field for field in rest if field[0] != b"host")]


def _request(method: bytes, target: bytes, headers: Headers, *, ended: bool, upgrade: bool) -> RequestHead:
    host, port = parse_host(headers.index[b"host"])
    declared = headers.index.get(b"content-length")
    length = 0 if ended else CHUNKED
    if declared is not None:
        if LENGTH.fullmatch(declared) is None or b"content-length" in headers.repeated or (ended and int(declared)):
            raise Malformed(errors.MALFORMED_STREAM, f"content-length {declared[:40]!r} (RFC 9113 §8.1.1)")
        if not ended:
            length = int(declared)
    expects = headers.index.get(b"expect")
    if expects is not None and (expects.lower() != b"100-continue" or b"expect" in headers.repeated):
        raise RequestError(errors.EXPECTATION_FAILED, repr(expects[:80]))
    fields = RequestFields(
        headers,
        length=length,
        host=host,
        port=port,
        connection=(b"upgrade",) if upgrade else (),
        expects_continue=expects is not None,
        upgrade=(b"websocket",) if upgrade else (),
        are_large=sum(map(len, headers.index.values())) > LARGE_FIELDS,
    )
    target, path, query, _ = parse_target(method, target)
    authority = host if port is None else b"%b:%d" % (host, port)
    return RequestHead(method, target, 20, fields, path=path, query=query, route_path=route_path(path), authority=authority)


def parse_trailers(fields: Iterable[Field]) -> Headers:
    """
    The trailer fields of a request, without those that would change a head.

    :raises Malformed: pseudo-fields among them, or fields that no message may hold (RFC 9113 §8.1)
    """
    kept = []
    for name, value in fields:
        check_field(name, value)
        kept.append((name, value))
    return Headers(kept).without(NOT_IN_TRAILERS)


def response_fields(head: ResponseHead) -> list[Field]:
    """The field list of a response, its names in lower case; *head* has end-to-end fields only."""
    fields = [(b":status", b"%d" % head.status)]
    values = [value for _, value in head.headers.items]
    fields += [field for field in zip(head.headers.names, values, strict=True) if field[0] not in OF_CONNECTIONS]
    return fields


def trailer_fields(trailers: Headers) -> list[Field]:
    """The field list of trailers, without what no message of HTTP/2 may hold."""
    values = (value for _, value in trailers.items)
    return [(name, value) for name, value in zip(trailers.names, values, strict=True) if name not in OF_CONNECTIONS]
