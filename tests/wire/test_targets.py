"""Which host and which resource a request is for: Host (RFC 9112 §3.2) and the four forms of a target (§3.2.1 to §3.2.4)."""

from __future__ import annotations

import pytest

from tests.wire.heads import LIMITS, refusal, request
from twistedproxy import errors
from twistedproxy.errors import Reason, RequestError
from twistedproxy.wire.http1 import make_request, parse_request

# Host.


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        (b"a.example", b"a.example", None),
        (b"A.Example", b"a.example", None),
        (b"a.example.", b"a.example", None),
        (b"a.example:8080", b"a.example", 8080),
        (b"a.example.:80", b"a.example", 80),
        (b"a.example:", b"a.example", None),
        (b"a_b~c.example", b"a_b~c.example", None),
        (b"127.0.0.1:1", b"127.0.0.1", 1),
        (b"a:65535", b"a", 65535),
        (b"[::1]", b"[::1]", None),
        (b"[2001:DB8:0:0::1]:443", b"[2001:db8::1]", 443),
        (b"a" * 255, b"a" * 255, None),
    ],
)
def test_host_is_read(value: bytes, host: bytes, port: int | None) -> None:
    head = parse_request(request(host=b"Host: " + value), LIMITS)
    assert (head.fields.host, head.fields.port) == (host, port)
    assert head.authority == (host if port is None else host + b":%d" % port)
    assert head.headers.get(b"host") == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b".",
        b"..",
        b".a.example",
        b"a..example",
        b"a.example..",
        b"a" * 256,
        b"a b",
        b"a,b",
        b"a.example, b.example",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"a%2eb",
        b"user@a.example",
        b"http://a.example",
        b"a.example:x",
        b"a.example:0",
        b"a.example:00000",
        b"a.example:65536",
        b"a.example:123456",
        b"a.example:-1",
        b"a.example:+1",
        b"a.example:1_0",
        b"a.example:80:80",
        b":80",
        b"\xc3\xa4.example",
        b"::1",
        b"[]",
        b"[::1",
        b"[:::1]",
        b"[127.0.0.1]",
        b"[::1]a",
        b"[fe80::1%25eth0]",
        b"[v1.a]",
        b'"a"',
    ],
)
def test_a_host_that_is_none_is_refused(value: bytes) -> None:
    assert refusal(request(host=b"Host: " + value)) is errors.BAD_HOST
    assert refusal(request(host=b"Host: " + value, line=b"GET / HTTP/1.0")) is errors.BAD_HOST
    # Even where an absolute-form replaces it (RFC 9112 §3.2).
    assert refusal(request(host=b"Host: " + value, line=b"GET http://b.example/ HTTP/1.1")) is errors.BAD_HOST


def test_exactly_one_host_is_asked_for() -> None:
    assert refusal(request(host=None)) is errors.BAD_HOST
    assert refusal(request(b"host: a.example")) is errors.BAD_HOST
    assert refusal(request(b"HOST: b.example", line=b"GET / HTTP/1.0")) is errors.BAD_HOST
    assert refusal(request(host=None, line=b"GET http://a.example/ HTTP/1.1")) is errors.BAD_HOST


def test_http_1_0_may_come_without_host() -> None:
    head = parse_request(request(host=None, line=b"GET / HTTP/1.0"), LIMITS)
    assert (head.authority, head.fields.host, head.fields.port) == (b"", b"", None)
    assert parse_request(b"GET / HTTP/1.0\r\n\r\n", LIMITS).headers.items == ()


# Targets.


@pytest.mark.parametrize(
    ("line", "target", "path", "query", "authority"),
    [
        (b"GET http://b.example HTTP/1.1", b"/", b"/", None, b"b.example"),
        (b"GET http://b.example/ HTTP/1.1", b"/", b"/", None, b"b.example"),
        (b"GET HTTP://B.Example:81/x?y HTTP/1.1", b"/x?y", b"/x", b"y", b"b.example:81"),
        (b"GET https://b.example?y HTTP/1.1", b"/?y", b"/", b"y", b"b.example"),
        (b"GET http://b.example? HTTP/1.1", b"/?", b"/", b"", b"b.example"),
        (b"GET http://b.example/@?@ HTTP/1.1", b"/@?@", b"/@", b"@", b"b.example"),
        (b"OPTIONS * HTTP/1.1", b"*", b"*", None, b"a.example"),
        (b"OPTIONS http://b.example HTTP/1.1", b"*", b"*", None, b"b.example"),
        (b"OPTIONS http://b.example/ HTTP/1.1", b"/", b"/", None, b"b.example"),
        (b"OPTIONS http://b.example?x HTTP/1.1", b"/?x", b"/", b"x", b"b.example"),
    ],
)
def test_every_form_of_a_target_is_read(line: bytes, target: bytes, path: bytes, query: bytes | None, authority: bytes) -> None:
    head = parse_request(request(b"A: b", line=line), LIMITS)
    assert (head.target, head.path, head.query, head.authority) == (target, path, query, authority)


def test_an_absolute_form_wins_over_host() -> None:
    line = b"POST http://B.example:81/ HTTP/1.1"
    head = parse_request(request(b"A: b", b"Content-Length: 5", b"Connection: close", line=line), LIMITS)
    assert head.headers.get_all(b"host") == [b"B.example:81"]
    assert (head.fields.host, head.fields.port) == (b"b.example", 81)
    assert (head.fields.length, head.fields.keep_alive, head.headers.get(b"a")) == (5, False, b"b")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"http://", errors.BAD_TARGET),
        (b"http:///path", errors.BAD_TARGET),
        (b"http:/path", errors.BAD_TARGET),
        (b"http:path", errors.BAD_TARGET),
        (b"ftp://b.example/", errors.BAD_TARGET),
        (b"ws://b.example/", errors.BAD_TARGET),
        (b"http://user@b.example/", errors.BAD_TARGET),
        (b"http://a.example@b.example", errors.BAD_TARGET),
        (b"http://b.example:x/", errors.BAD_HOST),
        (b"http://b.example\\@a/", errors.BAD_TARGET),
        (b"http://b.example\\a/", errors.BAD_HOST),
        (b"http://:80/", errors.BAD_HOST),
        (b"http://[::1/", errors.BAD_HOST),
        (b"*/", errors.BAD_TARGET),
    ],
)
def test_an_absolute_form_is_refused(target: bytes, reason: Reason) -> None:
    assert refusal(request(line=b"GET " + target + b" HTTP/1.1")) is reason


def test_a_target_of_another_version_of_http_is_checked_in_the_same_way() -> None:
    fields = parse_request(request(), LIMITS).fields
    with pytest.raises(RequestError):
        make_request(b"GET", b"", 20, fields)
    assert make_request(b"GET", b"/", 20, fields).version == 20
