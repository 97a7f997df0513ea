"""HTTP/2's header lists on the way to and from peers: requests as they are sent, answers as they are understood (RFC 9113 §8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from twistedproxy import errors
from twistedproxy.errors import ResponseError
from twistedproxy.message import CHUNKED, Field, Headers, ResponseHead
from twistedproxy.wire.framing import NOT_IN_TRAILERS
from twistedproxy.wire.grammar import LENGTH
from twistedproxy.wire.http2 import FIELD_NAME, FIELD_VALUE, OF_CONNECTIONS

_STATUS: Final = re.compile(rb"[1-5][0-9][0-9]")
#: What HTTP/1 says besides the number.
_PHRASES: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
#: Fields of HTTP/1.1 that another one stands for, or that this hop alone may say.
_NOT_SENT: Final = OF_CONNECTIONS | {b"host", b"http2-settings", b"te"}


def request_fields(fields: Iterable[Field], *, takes_trailers: bool) -> list[Field]:
    """
    What follows ``:method``, ``:scheme`` and ``:path`` in a request to a peer.

    :param fields: of the request, with Host
    :param takes_trailers: the client has said so (TE, RFC 9110 §10.1.4); gRPC insists on it
    """
    authority = b""
    kept: list[Field] = []
    for name, value in fields:
        lower = name.lower()
        if lower == b"host":
            authority = value
        elif lower not in _NOT_SENT:
            kept.append((lower, value))
    if takes_trailers:
        kept.append((b"te", b"trailers"))
    return [(b":authority", authority), *kept] if authority else kept


def parse_answer(fields: Sequence[Field], method: bytes, *, ended: bool) -> ResponseHead:
    """
    The head of an answer to a request with *method*; *ended*: no content follows.

    :raises ResponseError: it is malformed (RFC 9113 §8.1.1, §8.3.2)
    """
    if not fields or fields[0][0] != b":status" or _STATUS.fullmatch(fields[0][1]) is None:
        raise ResponseError(errors.BAD_RESPONSE, "no :status in front (RFC 9113 §8.3.2)")
    status = int(fields[0][1])
    headers = Headers(_checked(fields[1:]))
    if status < 200 and (ended or status == 101):
        raise ResponseError(errors.BAD_RESPONSE, f"{status} at the end of a stream, or for no upgrade (RFC 9113 §8.6)")
    return ResponseHead(
        status, _PHRASES.get(status, b""), headers, version=20, length=_length(headers, method, status, ended=ended)
    )


def _length(headers: Headers, method: bytes, status: int, *, ended: bool) -> int:
    declared = headers.index.get(b"content-length")
    if declared is not None and (LENGTH.fullmatch(declared) is None or b"content-length" in headers.repeated):
        raise ResponseError(errors.BAD_RESPONSE_LENGTH, repr(headers.get_all(b"content-length"))[:80])
    if method == b"HEAD" or status in (204, 304) or status < 200:
        return 0
    if ended:
        if declared is not None and int(declared):
            raise ResponseError(errors.BAD_RESPONSE_LENGTH, "an end instead of content (RFC 9113 §8.1.1)")
        return 0
    return CHUNKED if declared is None else int(declared)


def parse_trailers(fields: Sequence[Field], *, ended: bool) -> Headers:
    """
    The trailer fields of an answer, without those that would change a head.

    :raises ResponseError: they are malformed, or do not end the stream
    """
    if not ended:
        raise ResponseError(errors.BAD_RESPONSE, "a second head (RFC 9113 §8.1)")
    return Headers(_checked(fields)).without(NOT_IN_TRAILERS)


def _checked(fields: Sequence[Field]) -> Sequence[Field]:
    for name, value in fields:
        if FIELD_NAME.fullmatch(name) is None or FIELD_VALUE.fullmatch(value) is None or name in OF_CONNECTIONS:
            raise ResponseError(errors.BAD_RESPONSE_FIELD, f"{name[:40]!r}: {value[:40]!r} (RFC 9113 §8.2)")
    return fields
