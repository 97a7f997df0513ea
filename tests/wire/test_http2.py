"""Requests of HTTP/2: what is one, what is none, and what it becomes (RFC 9113 §8)."""

from __future__ import annotations

import pytest

from twistedproxy.errors import RequestError
from twistedproxy.message import CHUNKED, Field, Headers, RequestHead, ResponseHead
from twistedproxy.wire.http1 import Limits
from twistedproxy.wire.http2 import Malformed, parse_request, parse_trailers, response_fields, trailer_fields

GET: list[Field] = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/a?b=c"), (b":authority", b"Example.com:8443")]
WEBSOCKET: list[Field] = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"https"),
    (b":path", b"/chat"),
    (b":authority", b"example.com"),
    (b"sec-websocket-version", b"13"),
]


LIMITS = Limits()


def parsed(fields: list[Field], *, ended: bool = True, limits: Limits = LIMITS) -> RequestHead:
    return parse_request(fields, limits, ended=ended, key=b"a2V5")


def changed(name: bytes, *values: bytes) -> list[Field]:
    """GET with other values of one pseudo-field."""
    place = [field[0] for field in GET].index(name)
    return [*GET[:place], *((name, value) for value in values), *GET[place + 1 :]]


def test_a_request_is_what_it_would_be_in_http_1() -> None:
    head = parsed([*GET, (b"accept", b"*/*")])
    assert (head.method, head.target, head.path, head.query, head.version) == (b"GET", b"/a?b=c", b"/a", b"b=c", 20)
    assert (head.authority, head.fields.host, head.fields.port) == (b"example.com:8443", b"example.com", 8443)
    assert head.headers.items == ((b"Host", b"Example.com:8443"), (b"accept", b"*/*"))
    assert head.fields.length == 0


def test_crumbs_of_cookies_are_joined() -> None:
    head = parsed([*GET, (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2")])
    assert head.headers.get_all(b"cookie") == [b"a=1; b=2"]


def test_a_body_has_the_announced_length_or_any() -> None:
    assert parsed([*GET, (b"content-length", b"5")], ended=False).fields.length == 5
    assert parsed(GET, ended=False).fields.length == CHUNKED
    assert parsed([*GET, (b"content-length", b"0")]).fields.length == 0


def test_host_stands_for_a_missing_authority() -> None:
    fields = [field for field in GET if field[0] != b":authority"]
    assert parsed([*fields, (b"host", b"a.example")]).headers.items == ((b"Host", b"a.example"),)


def test_host_may_say_the_same_as_the_authority() -> None:
    assert parsed([*GET, (b"host", b"example.com:8443")]).headers.items == ((b"Host", b"Example.com:8443"),)


def test_the_expectation_of_a_100_is_kept() -> None:
    assert parsed([*GET, (b"expect", b"100-continue")], ended=False).fields.expects_continue


def test_an_extended_connect_is_the_handshake_of_a_websocket() -> None:
    head = parsed(WEBSOCKET, ended=False)
    assert (head.method, head.target, head.fields.upgrade, head.fields.length) == (b"GET", b"/chat", (b"websocket",), 0)
    assert head.headers.items[1:] == (
        (b"sec-websocket-version", b"13"),
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Key", b"a2V5"),
    )


def test_options_may_be_of_the_server_as_a_whole() -> None:
    fields = [(b":method", b"OPTIONS"), (b":scheme", b"https"), (b":path", b"*"), (b":authority", b"a")]
    assert parsed(fields).target == b"*"


@pytest.mark.parametrize(
    "fields",
    [
        changed(b":method"),
        changed(b":method", b"G T"),
        changed(b":method", b"GET", b"GET"),
        changed(b":scheme"),
        changed(b":scheme", b"ftp"),
        changed(b":path"),
        changed(b":path", b""),
        changed(b":path", b"a"),
        changed(b":path", b"*"),
        changed(b":path", b"http://a/"),
        changed(b":path", b"/ "),
        changed(b":path", b"/\x00"),
        [*GET, (b":path", b"/")],
        [*GET, (b":status", b"200")],
        [*GET, (b":protocol", b"websocket")],
        [*GET, (b"accept", b"a"), (b":authority", b"a")],
        [(b"accept", b"a"), *GET],
        [*GET, (b"Accept", b"a")],
        [*GET, (b"", b"a")],
        [*GET, (b"a b", b"a")],
        [*GET, (b"a\x00", b"a")],
        [*GET, (b"a:", b"a")],
        [*GET, (b"a", b"a\r\nb: c")],
        [*GET, (b"a", b"a\nb")],
        [*GET, (b"a", b"\x00")],
        [*GET, (b"a", b" a")],
        [*GET, (b"a", b"a ")],
        [*GET, (b"a", b"\ta")],
        [*GET, (b"a", b"a\x7f")],
        [*GET, (b"connection", b"close")],
        [*GET, (b"proxy-connection", b"close")],
        [*GET, (b"keep-alive", b"1")],
        [*GET, (b"transfer-encoding", b"chunked")],
        [*GET, (b"upgrade", b"h2c")],
        [*GET, (b"te", b"gzip")],
        [*GET, (b"te", b"trailers, gzip")],
        [*GET, (b"host", b"b.example")],
        [*GET, (b"host", b"example.com:8443"), (b"host", b"example.com:8443")],
        [*GET, (b"content-length", b"5")],
        [*GET, (b"content-length", b"+0")],
        [*GET, (b"content-length", b"0"), (b"content-length", b"0")],
        [*GET, (b"content-length", b"0, 0")],
    ],
    ids=repr,
)
def test_what_is_no_request_is_malformed(fields: list[Field]) -> None:
    with pytest.raises(Malformed):
        parsed(fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (changed(b":authority", b"a@example.com"), "bad_host"),
        (changed(b":authority", b""), "bad_host"),
        (changed(b":authority"), "bad_host"),
        (changed(b":path", b"/#"), "bad_target"),
        (changed(b":path", b"/%00"), "bad_target"),
        (changed(b":path", b"/../a"), "bad_target"),
        (changed(b":path", b"/" + b"a" * 9000), "target_too_long"),
        ([*GET, (b"a", b"a" * 40_000)], "head_too_large"),
        ([*GET, *((b"a", b"") for _ in range(101))], "too_many_fields"),
        ([*GET, (b"expect", b"more")], "expectation_failed"),
        ([(b":method", b"CONNECT"), (b":authority", b"a:443")], "connect_refused"),
        ([*WEBSOCKET[:1], (b":protocol", b"connect-udp"), *WEBSOCKET[2:]], "protocol_unknown"),
    ],
)
def test_what_is_not_served_says_why(fields: list[Field], reason: str) -> None:
    with pytest.raises(RequestError) as refused:
        parsed(fields)
    assert (type(refused.value), refused.value.reason.name) == (RequestError, reason)


def test_te_may_say_trailers() -> None:
    assert parsed([*GET, (b"te", b"trailers")]).headers.get(b"te") == b"trailers"


def test_trailers_are_fields_only() -> None:
    assert parse_trailers([(b"grpc-status", b"0")]).items == ((b"grpc-status", b"0"),)
    harmful = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-client-cert-subject", b"CN=root"), (b"cookie", b"a=b")]
    assert parse_trailers([*harmful, (b"grpc-status", b"0")]).items == ((b"grpc-status", b"0"),)
    for wrong in ((b":path", b"/"), (b"connection", b"close"), (b"A", b"a")):
        with pytest.raises(Malformed):
            parse_trailers([wrong])


def test_an_answer_has_its_status_in_front_and_names_in_lower_case() -> None:
    head = ResponseHead(200, b"OK", Headers([(b"Content-Type", b"text/plain")]), length=5)
    assert response_fields(head) == [(b":status", b"200"), (b"content-type", b"text/plain")]
    unknown = ResponseHead(200, b"OK", Headers(), length=CHUNKED)
    assert response_fields(unknown) == [(b":status", b"200")]
    assert response_fields(ResponseHead(304, b"", Headers())) == [(b":status", b"304")]


def test_trailers_of_an_answer_lose_what_is_of_connections() -> None:
    assert trailer_fields(Headers([(b"Sum", b"1"), (b"Connection", b"close")])) == [(b"sum", b"1")]
