"""
Heads of HTTP/1.0 and HTTP/1.1 messages: bytes to values, strictly (RFC 9112).

Every regular expression here is also the grammar: what does not match is refused, and only then looked at again to say why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedproxy import errors
from twistedproxy.errors import Reason, RequestError, ResponseError
from twistedproxy.message import CHUNKED, UNTIL_CLOSE, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.wire.grammar import FIELD_LINE, LENGTH, REQUEST_LINE, STATUS_LINE
from twistedproxy.wire.target import parse_host, parse_target, route_path


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How large a head may be.

    :ivar head: bytes, the empty line included
    :ivar fields: number of header fields
    :ivar target: bytes of a request target
    """

    head: int = 32 * 1024
    fields: int = 100
    target: int = 8 * 1024


#: What a peer's head may measure.
RESPONSE_LIMITS: Final = Limits(head=128 * 1024, fields=500)


# Requests.


def parse_request_line(line: bytes, limits: Limits) -> tuple[bytes, bytes, int]:
    """
    Method, target as sent, and version (10 or 11) of a request line without its CRLF.

    :raises RequestError: malformed, too long, or of a version that is not spoken
    """
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _bad_request_line(line, limits)
    method, target, major, minor = match.groups()
    if len(target) > limits.target:
        raise RequestError(errors.TARGET_TOO_LONG)
    if major != b"1":
        raise RequestError(errors.VERSION_UNSUPPORTED, f"HTTP/{major.decode()}.{minor.decode()}")
    # RFC 9110 §2.5: a higher minor version is answered as the highest that we know.
    return method, target, 10 if minor == b"0" else 11


def _bad_request_line(line: bytes, limits: Limits) -> RequestError:
    if b"\r" in line or b"\n" in line:
        return RequestError(errors.BARE_CR_OR_LF, repr(line[:80]))
    words = line.split(b" ")
    if len(words) != 3:
        return RequestError(errors.BAD_REQUEST_LINE, repr(line[:80]))
    method, target, version = words
    if REQUEST_LINE.fullmatch(method + b" / HTTP/1.1") is None:
        return RequestError(errors.BAD_METHOD, repr(method[:40]))
    if len(target) > limits.target:
        return RequestError(errors.TARGET_TOO_LONG)
    if REQUEST_LINE.fullmatch(b"GET " + target + b" HTTP/1.1") is None:
        return RequestError(errors.BAD_TARGET, repr(target[:80]))
    return RequestError(errors.BAD_VERSION, repr(version[:40]))


def parse_request_fields(block: bytes, version: int, limits: Limits) -> RequestFields:
    """
    What the header fields of a request say; *block* is all field lines, each with its CRLF.

    :raises RequestError: malformed fields, ambiguous framing, or an expectation that is not known
    """
    items: list[tuple[bytes, bytes]] = FIELD_LINE.findall(block)
    if len(items) != block.count(b"\n"):
        raise RequestError(_bad_field(block), repr(block[:80]))
    if len(items) > limits.fields:
        raise RequestError(errors.TOO_MANY_FIELDS, str(len(items)))
    if b" \r\n" in block or b"\t\r\n" in block:
        items = [(name, value.rstrip(b" \t")) for name, value in items]
    return understand_request(Headers(items), version)


def understand_request(headers: Headers, version: int) -> RequestFields:
    """
    Framing, Host, persistence, expectation and upgrade of a request (RFC 9112 §3.2, §6, §9.3; RFC 9110 §7.8, §10.1.1).

    :raises RequestError: any of them is malformed or ambiguous
    """
    host, port = _host(headers, version)
    connection = headers.elements(b"connection")
    if version == 10:
        keep_alive = b"keep-alive" in connection and b"close" not in connection
    else:
        keep_alive = b"close" not in connection
    expects_continue = False
    expect = headers.joined(b"expect")
    if expect is not None:
        if expect.lower() != b"100-continue":
            raise RequestError(errors.EXPECTATION_FAILED, repr(expect[:40]))
        # RFC 9110 §10.1.1: ignored in HTTP/1.0.
        expects_continue = version >= 11
    return RequestFields(
        headers,
        length=_request_length(headers, version),
        host=host,
        port=port,
        keep_alive=keep_alive,
        connection=connection,
        expects_continue=expects_continue,
        upgrade=headers.elements(b"upgrade") if b"upgrade" in connection and version == 11 else (),
    )


def _host(headers: Headers, version: int) -> tuple[bytes, int | None]:
    values = headers.get_all(b"host")
    if len(values) == 1:
        return parse_host(values[0])
    if not values and version == 10:
        return b"", None
    raise RequestError(errors.BAD_HOST, "more than one" if values else "missing")


def _request_length(headers: Headers, version: int) -> int:
    coding = headers.get_all(b"transfer-encoding")
    lengths = headers.get_all(b"content-length")
    if coding:
        if lengths:
            raise RequestError(errors.LENGTH_AND_CODING)
        if version == 10:
            raise RequestError(errors.CODING_IN_1_0)
        if len(coding) != 1 or coding[0].lower() != b"chunked":
            raise RequestError(errors.BAD_CODING, repr(coding)[:80])
        return CHUNKED
    if not lengths:
        return 0
    if len(lengths) > 1 or LENGTH.fullmatch(lengths[0]) is None:
        raise RequestError(errors.BAD_LENGTH, repr(lengths)[:80])
    return int(lengths[0])


def _bad_field(block: bytes) -> Reason:
    """Why the field lines *block* are not what RFC 9112 §5 asks for."""
    for line in block.split(b"\r\n"):
        if b"\r" in line or b"\n" in line:
            return errors.BARE_CR_OR_LF
        if line[:1] in (b" ", b"\t"):
            return errors.OBS_FOLD
        if re.match(rb"[^:]*[ \t]:", line):
            return errors.SPACE_BEFORE_COLON
    return errors.BAD_FIELD


def make_request(method: bytes, target: bytes, version: int, fields: RequestFields) -> RequestHead:
    """
    A request's head from its parts.

    The authority of an absolute-form replaces Host (RFC 9112 §3.2.2).

    :raises RequestError: the target is malformed, or CONNECT
    """
    target, path, query, authority = parse_target(method, target)
    if authority is not None:
        host, port = parse_host(authority)
        fields = _with_host(fields, authority, host, port)
    else:
        host, port = fields.host, fields.port
    return RequestHead(
        method,
        target,
        version,
        fields,
        path=path,
        query=query,
        route_path=route_path(path),
        authority=host if port is None else b"%b:%d" % (host, port),
    )


def _with_host(fields: RequestFields, authority: bytes, host: bytes, port: int | None) -> RequestFields:
    headers = Headers([(b"Host", authority), *fields.headers.without((b"host",)).items])
    return RequestFields(
        headers,
        length=fields.length,
        host=host,
        port=port,
        keep_alive=fields.keep_alive,
        connection=fields.connection,
        expects_continue=fields.expects_continue,
        upgrade=fields.upgrade,
    )


def parse_request(head: bytes, limits: Limits) -> RequestHead:
    """
    A request's head from its bytes, the empty line included.

    :raises RequestError: anything that is not exactly one unambiguous request
    """
    end = head.index(b"\r\n")
    method, target, version = parse_request_line(head[:end], limits)
    return make_request(method, target, version, parse_request_fields(head[end + 2 : -2], version, limits))


def check_unfinished(head: bytes, limits: Limits) -> None:
    """
    Refuse a head that cannot become right any more, though its end has not come.

    :raises RequestError: too long, a bad request line, or a bare CR or LF
    """
    end = head.find(b"\r\n")
    if end < 0:
        if len(head) > limits.target + 64:
            raise RequestError(errors.TARGET_TOO_LONG)
        if b"\n" in head or b"\r" in head[:-1]:
            raise RequestError(errors.BARE_CR_OR_LF, repr(head[:80]))
        return
    parse_request_line(head[:end], limits)
    if len(head) > limits.head:
        raise RequestError(errors.HEAD_TOO_LARGE)
    if b"\n" in head.replace(b"\r\n", b""):
        raise RequestError(errors.BARE_CR_OR_LF)


# Responses.


def parse_response(head: bytes, method: bytes) -> ResponseHead:
    """
    The head of a response to a request with *method*, from its bytes, the empty line included.

    :raises ResponseError: anything that is not exactly one unambiguous response
    """
    end = head.index(b"\r\n")
    match = STATUS_LINE.fullmatch(head, 0, end)
    if match is None:
        raise ResponseError(errors.BAD_RESPONSE, repr(head[: min(end, 80)]))
    minor, status, reason = match.groups()
    headers = parse_response_fields(head[end + 2 : -2])
    return understand_response(int(status), reason or b"", headers, 10 if minor == b"0" else 11, method)


def parse_response_fields(block: bytes) -> Headers:
    """
    The header fields of a response; *block* is all field lines, each with its CRLF.

    :raises ResponseError: malformed, or too many
    """
    items: list[tuple[bytes, bytes]] = FIELD_LINE.findall(block)
    if len(items) != block.count(b"\n"):
        # RFC 9112 §5.1: white space before a colon is taken off in responses.
        block = re.sub(rb"(?m)^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]+:", rb"\1:", block)
        items = FIELD_LINE.findall(block)
        if len(items) != block.count(b"\n"):
            raise ResponseError(errors.BAD_RESPONSE_FIELD, repr(block[:80]))
    if len(items) > RESPONSE_LIMITS.fields:
        raise ResponseError(errors.RESPONSE_HEAD_TOO_LARGE, f"{len(items)} fields")
    if b" \r\n" in block or b"\t\r\n" in block:
        items = [(name, value.rstrip(b" \t")) for name, value in items]
    return Headers(items)


def understand_response(status: int, reason: bytes, headers: Headers, version: int, method: bytes) -> ResponseHead:
    """
    A response's head with its framing (RFC 9112 §6.3) and persistence (§9.3).

    :raises ResponseError: the framing is malformed or ambiguous
    """
    coding = headers.get_all(b"transfer-encoding")
    lengths = headers.get_all(b"content-length")
    length = UNTIL_CLOSE
    if coding:
        if lengths or version == 10:
            raise ResponseError(errors.BAD_RESPONSE_LENGTH, "Transfer-Encoding with Content-Length, or in HTTP/1.0")
        if len(coding) != 1 or coding[0].lower() != b"chunked":
            raise ResponseError(errors.BAD_RESPONSE_CODING, repr(coding)[:80])
        length = CHUNKED
    elif lengths:
        if len(lengths) > 1 or LENGTH.fullmatch(lengths[0]) is None:
            raise ResponseError(errors.BAD_RESPONSE_LENGTH, repr(lengths)[:80])
        length = int(lengths[0])
    if method == b"HEAD" or status == 304 or status == 204 or status < 200:
        length = 0
    connection = headers.get(b"connection")
    if connection is None:
        keep_alive = version == 11
    else:
        options = headers.elements(b"connection")
        keep_alive = b"close" not in options and (version == 11 or b"keep-alive" in options)
    return ResponseHead(
        status, reason, headers, version=version, length=length, keep_alive=keep_alive and length != UNTIL_CLOSE
    )
