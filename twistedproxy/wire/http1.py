"""
Heads of HTTP/1.0 and HTTP/1.1 messages: bytes to values, strictly (RFC 9112).

Every regular expression here is also the grammar: what does not match is refused, and only then looked at again to say why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy import errors
from twistedproxy.errors import RequestError, ResponseError
from twistedproxy.message import CHUNKED, LARGE_FIELDS, UNTIL_CLOSE, Headers, RequestFields, RequestHead, ResponseHead
from twistedproxy.wire.grammar import LENGTH, PADDED_FIELD_LINE, REQUEST_LINE, REQUEST_LINE_START, SPACED_NAME, STATUS_LINE, TOKEN
from twistedproxy.wire.lines import has_stray_line_end, parse_field_lines
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

_KEEP_ALIVE: Final = (b"keep-alive",)
#: What :attr:`twistedproxy.message.Headers.index` is.
Index = dict[bytes, bytes]
#: Letters of a method, as in the grammar of a request line.
_LONGEST_METHOD: Final = 32


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
    if len(words[0]) > _LONGEST_METHOD and TOKEN.fullmatch(words[0]) is not None:
        return RequestError(errors.METHOD_TOO_LONG, repr(words[0][:40]))
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
    fields = parse_field_lines(block)
    if fields is None:
        raise _bad_field(block)
    if len(fields) > limits.fields:
        raise RequestError(errors.TOO_MANY_FIELDS, str(len(fields)))
    understood = understand_request(fields, version)
    if len(block) > LARGE_FIELDS:
        understood.are_large = True
    return understood


def _bad_field(block: bytes) -> RequestError:
    """Which of the field lines *block* is not what RFC 9112 §5 asks for, and why."""
    line = next(line for line in block.split(b"\r\n") if PADDED_FIELD_LINE.fullmatch(line + b"\r\n") is None)
    if b"\r" in line or b"\n" in line:
        reason = errors.BARE_CR_OR_LF
    elif line.startswith((b" ", b"\t")):
        reason = errors.OBS_FOLD
    elif SPACED_NAME.match(line):
        reason = errors.SPACE_BEFORE_COLON
    else:
        reason = errors.BAD_FIELD
    return RequestError(reason, repr(line[:80]))


def understand_request(headers: Headers, version: int) -> RequestFields:
    """
    Framing, Host, persistence, expectation and upgrade of a request (RFC 9112 §3.2, §6, §9.3; RFC 9110 §7.8, §10.1.1).

    :raises RequestError: any of them is malformed or ambiguous
    """
    index = headers.index
    host, port = _host(headers, index, version)
    connection = _connection(headers, index)
    upgrade: tuple[bytes, ...] = ()
    if b"upgrade" in connection and version != 10:
        upgrade = headers.elements(b"upgrade")
    expects_continue = False
    expect = index.get(b"expect")
    if expect is not None:
        if expect.lower() != b"100-continue" or b"expect" in headers.repeated:
            raise RequestError(errors.EXPECTATION_FAILED, repr(headers.get_all(b"expect"))[:80])
        # RFC 9110 §10.1.1: ignored in HTTP/1.0.
        expects_continue = version != 10
    return RequestFields(
        headers,
        length=_request_length(headers, index, version),
        host=host,
        port=port,
        keep_alive=b"close" not in connection and (version != 10 or b"keep-alive" in connection),
        connection=connection,
        expects_continue=expects_continue,
        upgrade=upgrade,
    )


# The index of the fields is handed on with them: it is looked at often.


def _connection(headers: Headers, index: Index) -> tuple[bytes, ...]:
    """The options that Connection lists, in lower case (RFC 9110 §7.6.1)."""
    value = index.get(b"connection")
    if value is None:
        return ()
    if value == b"keep-alive" and b"connection" not in headers.repeated:
        return _KEEP_ALIVE  # what most clients say
    return headers.elements(b"connection")


def _host(headers: Headers, index: Index, version: int) -> tuple[bytes, int | None]:
    host = index.get(b"host")
    if host is None:
        if version != 10:
            raise RequestError(errors.BAD_HOST, "missing")
        return b"", None
    if b"host" in headers.repeated:
        raise RequestError(errors.BAD_HOST, "more than one")
    return parse_host(host)


def _request_length(headers: Headers, index: Index, version: int) -> int:
    coding = index.get(b"transfer-encoding")
    length = index.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise RequestError(errors.LENGTH_AND_CODING)
        if version == 10:
            raise RequestError(errors.CODING_IN_1_0)
        if coding.lower() != b"chunked" or b"transfer-encoding" in headers.repeated:
            raise RequestError(errors.BAD_CODING, repr(headers.get_all(b"transfer-encoding"))[:80])
        return CHUNKED
    if length is None:
        return 0
    if LENGTH.fullmatch(length) is None or b"content-length" in headers.repeated:
        raise RequestError(errors.BAD_LENGTH, repr(headers.get_all(b"content-length"))[:80])
    return int(length)


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
    headers = Headers([(b"Host", authority), *fields.headers.without({b"host"}).items])
    return RequestFields(
        headers,
        length=fields.length,
        host=host,
        port=port,
        keep_alive=fields.keep_alive,
        connection=fields.connection,
        expects_continue=fields.expects_continue,
        upgrade=fields.upgrade,
        are_large=fields.are_large,
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

    :raises RequestError: too long, a bad request line, or a CR or LF that stands alone
    """
    end = head.find(b"\r\n")
    if end < 0:
        if REQUEST_LINE_START.fullmatch(head) is None:
            raise _bad_request_line(head.removesuffix(b"\r"), limits)
        if len(head) > limits.target + 64:
            raise RequestError(errors.TARGET_TOO_LONG)
        return
    parse_request_line(head[:end], limits)
    if len(head) > limits.head:
        raise RequestError(errors.HEAD_TOO_LARGE)
    if has_stray_line_end(head):
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
    fields = parse_field_lines(block)
    if fields is None:
        # RFC 9112 §5.1: white space before a colon is taken off in responses.
        fields = parse_field_lines(SPACED_NAME.sub(rb"\1:", block))
        if fields is None:
            raise ResponseError(errors.BAD_RESPONSE_FIELD, repr(block[:80]))
    if len(fields) > RESPONSE_LIMITS.fields:
        raise ResponseError(errors.RESPONSE_HEAD_TOO_LARGE, f"{len(fields)} fields")
    return fields


def check_unfinished_response(head: bytes) -> None:
    """
    Refuse the head of a response that cannot become right any more, though its end has not come.

    :raises ResponseError: too long, no status line, or a CR or LF that stands alone
    """
    if len(head) > RESPONSE_LIMITS.head:
        raise ResponseError(errors.RESPONSE_HEAD_TOO_LARGE)
    line, ended, _ = head.partition(b"\r\n")
    if not ended:
        # As much of a status line as has come, made whole.
        line = line.removesuffix(b"\r")
        line += b"HTTP/1.1 200"[len(line) :]
    if STATUS_LINE.fullmatch(line) is None or has_stray_line_end(head):
        raise ResponseError(errors.BAD_RESPONSE, repr(head[:80]))


def understand_response(status: int, reason: bytes, headers: Headers, version: int, method: bytes) -> ResponseHead:
    """
    A response's head with its framing (RFC 9112 §6.3) and persistence (§9.3).

    :raises ResponseError: the framing is malformed or ambiguous
    """
    index = headers.index
    coding = index.get(b"transfer-encoding")
    declared = index.get(b"content-length")
    length = UNTIL_CLOSE
    if coding is not None:
        if declared is not None or version == 10:
            raise ResponseError(errors.BAD_RESPONSE_LENGTH, "Transfer-Encoding with Content-Length, or in HTTP/1.0")
        if coding.lower() != b"chunked" or b"transfer-encoding" in headers.repeated:
            raise ResponseError(errors.BAD_RESPONSE_CODING, repr(headers.get_all(b"transfer-encoding"))[:80])
        length = CHUNKED
    elif declared is not None:
        if LENGTH.fullmatch(declared) is None or b"content-length" in headers.repeated:
            raise ResponseError(errors.BAD_RESPONSE_LENGTH, repr(headers.get_all(b"content-length"))[:80])
        length = int(declared)
    if method == b"HEAD" or status == 304 or status == 204 or status < 200:
        length = 0
    options = _connection(headers, index)
    keep_alive = b"close" not in options and (version != 10 or b"keep-alive" in options)
    return ResponseHead(status, reason, headers, version=version, length=length, keep_alive=keep_alive and length != UNTIL_CLOSE)
