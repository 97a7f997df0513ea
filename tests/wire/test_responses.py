"""Heads of responses: an origin is no friend either, and what it sends is one unambiguous response or none."""

from __future__ import annotations

import pytest

from twistedproxy import errors
from twistedproxy.errors import Reason, ResponseError
from twistedproxy.message import CHUNKED, UNTIL_CLOSE
from twistedproxy.wire.http1 import RESPONSE_LIMITS, check_unfinished_response, parse_response


def response(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A head of a status line and field lines."""
    return b"\r\n".join([line, *fields, b"", b""])


def refusal(head: bytes) -> Reason:
    """Why a head is refused."""
    with pytest.raises(ResponseError) as refused:
        parse_response(head, b"GET")
    return refused.value.reason


@pytest.mark.parametrize(
    ("line", "status", "phrase", "version"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK", 11),
        (b"HTTP/1.0 404 Not Found", 404, b"Not Found", 10),
        (b"HTTP/1.1 599 ", 599, b"", 11),
        (b"HTTP/1.1 204", 204, b"", 11),
        (b"HTTP/1.3 100 Continue", 100, b"Continue", 11),
        (b"HTTP/1.1 200 \tn\xc3\xa9 ", 200, b"\tn\xc3\xa9 ", 11),
    ],
)
def test_a_status_line_is_read(line: bytes, status: int, phrase: bytes, version: int) -> None:
    head = parse_response(response(line=line), b"GET")
    assert (head.status, head.reason, head.version) == (status, phrase, version)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"<html>",
        b"HTTP/2 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/1 200 OK",
        b"HTTP/1.10 200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1  200 OK",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 600 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 2\xb20 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200 a\x00b",
        b"HTTP/1.1 200 a\x1bb",
        b"HTTP/1.1 200 OK\r",
        b"HTTP/1.1 200 O\rK",
        b"HTTP/1.1 200 OK\nX: y",
    ],
)
def test_a_status_line_that_is_none_is_refused(line: bytes) -> None:
    assert refusal(response(line=line)) is errors.BAD_RESPONSE


@pytest.mark.parametrize(
    "field",
    [
        b"X",
        b": x",
        b"X@: y",
        b"X: a\x00",
        b"X: a\x0b",
        b"X: a\r\n b",
        b" X: a",
        b"X: a\rb",
        b"X: a\nb: c",
        b"X: a\r\r",
        b"X: a\n",
        b"X Y: a",
        b"X\x0b: a",
    ],
)
def test_a_field_line_that_is_none_is_refused(field: bytes) -> None:
    assert refusal(response(field)) is errors.BAD_RESPONSE_FIELD
    assert refusal(response(b"A : b ", field, b"C: d")) is errors.BAD_RESPONSE_FIELD


def test_white_space_before_a_colon_is_taken_off() -> None:
    head = parse_response(response(b"Content-Length : 5", b"X \t: a : b", b"Y:z "), b"GET")
    assert head.headers.items == ((b"Content-Length", b"5"), (b"X", b"a : b"), (b"Y", b"z"))
    assert head.length == 5
    assert refusal(response(b"Content-Length: 5", b"Content-Length : 6")) is errors.BAD_RESPONSE_LENGTH


def test_as_many_fields_as_the_limit_are_taken_and_no_more() -> None:
    assert len(parse_response(response(*[b"X: y"] * RESPONSE_LIMITS.fields), b"GET").headers) == RESPONSE_LIMITS.fields
    assert refusal(response(*[b"X: y"] * (RESPONSE_LIMITS.fields + 1))) is errors.RESPONSE_HEAD_TOO_LARGE


@pytest.mark.parametrize(
    ("method", "line", "fields", "length"),
    [
        # RFC 9112 §6.3, rules in their order.
        (b"HEAD", b"HTTP/1.1 200 OK", [b"Content-Length: 5"], 0),
        (b"HEAD", b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], 0),
        (b"HEAD", b"HTTP/1.1 200 OK", [], 0),
        (b"GET", b"HTTP/1.1 304 Not Modified", [b"Content-Length: 5"], 0),
        (b"GET", b"HTTP/1.1 204 No Content", [b"Content-Length: 5"], 0),
        (b"GET", b"HTTP/1.1 204 No Content", [], 0),
        (b"GET", b"HTTP/1.1 103 Early Hints", [b"Content-Length: 5"], 0),
        (b"GET", b"HTTP/1.1 101 Switching Protocols", [b"Transfer-Encoding: chunked"], 0),
        (b"GET", b"HTTP/1.1 200 OK", [b"Transfer-Encoding: Chunked"], CHUNKED),
        (b"GET", b"HTTP/1.1 200 OK", [b"Content-Length: 5"], 5),
        (b"GET", b"HTTP/1.1 205 Reset Content", [b"Content-Length: 5"], 5),
        (b"GET", b"HTTP/1.0 200 OK", [b"Content-Length: 0"], 0),
        (b"GET", b"HTTP/1.1 200 OK", [], UNTIL_CLOSE),
        (b"head", b"HTTP/1.1 200 OK", [], UNTIL_CLOSE),
    ],
)
def test_the_length_of_a_body_follows_rfc_9112_6_3(method: bytes, line: bytes, fields: list[bytes], length: int) -> None:
    assert parse_response(response(*fields, line=line), method).length == length


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([b"Content-Length: 5", b"Content-Length: 6"], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length: 5", b"Content-Length: 5"], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length: 5, 5"], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length: +5"], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length: 5_0"], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length:"], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length: " + b"9" * 19], errors.BAD_RESPONSE_LENGTH),
        ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], errors.BAD_RESPONSE_LENGTH),
        ([b"Transfer-Encoding: gzip"], errors.BAD_RESPONSE_CODING),
        ([b"Transfer-Encoding: gzip, chunked"], errors.BAD_RESPONSE_CODING),
        ([b"Transfer-Encoding: identity"], errors.BAD_RESPONSE_CODING),
        ([b"Transfer-Encoding:"], errors.BAD_RESPONSE_CODING),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], errors.BAD_RESPONSE_CODING),
    ],
)
def test_ambiguous_framing_is_refused_whatever_the_status(fields: list[bytes], reason: Reason) -> None:
    assert refusal(response(*fields)) is reason
    assert refusal(response(*fields, line=b"HTTP/1.1 304 Not Modified")) is reason


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    assert refusal(response(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK")) is errors.BAD_RESPONSE_LENGTH


@pytest.mark.parametrize(
    ("version", "fields", "kept"),
    [
        (b"1.1", [b"Content-Length: 5"], True),
        (b"1.1", [b"Content-Length: 5", b"Connection: close"], False),
        (b"1.1", [b"Content-Length: 5", b"Connection: keep-alive, CLOSE"], False),
        (b"1.1", [b"Transfer-Encoding: chunked", b"Connection: keep-alive"], True),
        (b"1.1", [b"Connection: keep-alive"], False),
        (b"1.0", [b"Content-Length: 5"], False),
        (b"1.0", [b"Content-Length: 5", b"Connection: Keep-Alive"], True),
        (b"1.0", [b"Connection: keep-alive"], False),
    ],
)
def test_a_connection_is_kept_when_both_the_peer_and_the_framing_allow_it(
    version: bytes, fields: list[bytes], kept: bool
) -> None:
    assert parse_response(response(*fields, line=b"HTTP/" + version + b" 200 OK"), b"GET").keep_alive is kept


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"<html>", errors.BAD_RESPONSE),
        (b"HTTP/2", errors.BAD_RESPONSE),
        (b"HTTP/1.1 x", errors.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\nServer: x\n\n", errors.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\rServer: x", errors.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nServer: x\nA", errors.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nServer: x\rA", errors.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nServer: " + b"x" * RESPONSE_LIMITS.head, errors.RESPONSE_HEAD_TOO_LARGE),
    ],
)
def test_a_head_that_cannot_become_right_is_refused_before_its_end(start: bytes, reason: Reason) -> None:
    with pytest.raises(ResponseError) as refused:
        check_unfinished_response(start)
    assert refused.value.reason is reason


def test_no_beginning_of_a_right_head_is_refused() -> None:
    head = response(b"A: b", line=b"HTTP/1.1 404 Not Found")
    for end in range(len(head)):
        check_unfinished_response(head[:end])
