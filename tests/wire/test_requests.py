"""Heads of requests: what RFC 9112 and RFC 9110 ask of a server and an intermediary, one case for each rule."""

from __future__ import annotations

import pytest

from tests.wire.heads import LIMITS, refusal, request
from twistedproxy import errors
from twistedproxy.errors import Reason, RequestError
from twistedproxy.message import CHUNKED
from twistedproxy.wire.http1 import check_unfinished, parse_request, parse_request_line


def test_a_head_is_what_its_bytes_say() -> None:
    head = parse_request(request(b"Accept: */*", line=b"PUT /a%20b/c?d=e?f HTTP/1.1"), LIMITS)
    assert (head.method, head.target, head.path, head.query) == (b"PUT", b"/a%20b/c?d=e?f", b"/a%20b/c", b"d=e?f")
    assert (head.route_path, head.version, head.authority) == (b"/a b/c", 11, b"a.example")
    assert head.headers.items == ((b"Host", b"a.example"), (b"Accept", b"*/*"))
    assert head.fields.keep_alive
    assert head.fields.length == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"", errors.BAD_REQUEST_LINE, id="empty"),
        pytest.param(b"GET /", errors.BAD_REQUEST_LINE, id="HTTP/0.9"),
        pytest.param(b"GET  / HTTP/1.1", errors.BAD_REQUEST_LINE, id="two spaces"),
        pytest.param(b"GET / HTTP/1.1 ", errors.BAD_REQUEST_LINE, id="a space at the end"),
        pytest.param(b" GET / HTTP/1.1", errors.BAD_REQUEST_LINE, id="a space in front"),
        pytest.param(b"GET\t/ HTTP/1.1", errors.BAD_REQUEST_LINE, id="a tab as separator"),
        pytest.param(b"GET /a b HTTP/1.1", errors.BAD_REQUEST_LINE, id="a space in the target"),
        pytest.param(b"G@T / HTTP/1.1", errors.BAD_METHOD, id="a method that is no token"),
        pytest.param(b"G\xc3\x89T / HTTP/1.1", errors.BAD_METHOD, id="a method beyond ASCII"),
        pytest.param(b"M" * 33 + b" / HTTP/1.1", errors.METHOD_TOO_LONG, id="a method longer than any"),
        pytest.param(b"GET /\x00 HTTP/1.1", errors.BAD_TARGET, id="NUL in the target"),
        pytest.param(b"GET /\x7f HTTP/1.1", errors.BAD_TARGET, id="DEL in the target"),
        pytest.param(b"GET /\t HTTP/1.1", errors.BAD_TARGET, id="a tab in the target"),
        pytest.param(b"GET /\x0b HTTP/1.1", errors.BAD_TARGET, id="VT in the target"),
        pytest.param(b"GET /\xe9 HTTP/1.1", errors.BAD_TARGET, id="a target beyond ASCII"),
        pytest.param(b"GET /a#b HTTP/1.1", errors.BAD_TARGET, id="a fragment"),
        pytest.param(b"GET a HTTP/1.1", errors.BAD_TARGET, id="a relative target"),
        pytest.param(b"GET ?a HTTP/1.1", errors.BAD_TARGET, id="a query without a path"),
        pytest.param(b"GET /" + b"a" * 256 + b" HTTP/1.1", errors.TARGET_TOO_LONG, id="a target beyond the limit"),
        pytest.param(b"GET /" + b"\xe9" * 256 + b" HTTP/1.1", errors.TARGET_TOO_LONG, id="a wrong target beyond the limit"),
        pytest.param(b"GET / HTTP/1", errors.BAD_VERSION, id="a version without minor"),
        pytest.param(b"GET / HTTP/1.", errors.BAD_VERSION, id="a version that stops at the dot"),
        pytest.param(b"GET / HTTP/1.10", errors.BAD_VERSION, id="a minor of two digits"),
        pytest.param(b"GET / http/1.1", errors.BAD_VERSION, id="a version in lower case"),
        pytest.param(b"GET / HTTP/\xd9\xa1.1", errors.BAD_VERSION, id="a digit beyond ASCII"),
        pytest.param(b"GET / HTTPS/1.1", errors.BAD_VERSION, id="another protocol"),
        pytest.param(b"GET / HTTP/2.0", errors.VERSION_UNSUPPORTED, id="HTTP/2"),
        pytest.param(b"PRI * HTTP/2.0", errors.VERSION_UNSUPPORTED, id="the preface of HTTP/2"),
        pytest.param(b"GET / HTTP/0.9", errors.VERSION_UNSUPPORTED, id="HTTP/0.9 said"),
        pytest.param(b"GET /\r HTTP/1.1", errors.BARE_CR_OR_LF, id="a bare CR"),
        pytest.param(b"GET / HTTP/1.1\r", errors.BARE_CR_OR_LF, id="a bare CR at the end"),
        pytest.param(b"GET / HTTP/1.1\nX: y", errors.BARE_CR_OR_LF, id="a bare LF"),
        pytest.param(b"CONNECT a.example:443 HTTP/1.1", errors.CONNECT_REFUSED, id="CONNECT"),
        pytest.param(b"CONNECT / HTTP/1.1", errors.CONNECT_REFUSED, id="CONNECT with a path"),
        pytest.param(b"GET a.example:443 HTTP/1.1", errors.BAD_TARGET, id="the authority-form without CONNECT"),
        pytest.param(b"GET * HTTP/1.1", errors.BAD_TARGET, id="the asterisk-form without OPTIONS"),
        pytest.param(b"OPTIONS ** HTTP/1.1", errors.BAD_TARGET, id="two asterisks"),
    ],
)
def test_a_request_line_is_refused(line: bytes, reason: Reason) -> None:
    assert refusal(request(line=line)) is reason


@pytest.mark.parametrize("method", [b"GET", b"get", b"M-SEARCH", b"UPDATEREDIRECTREF", b"!#$%&'*+-.^_`|~09", b"M" * 32])
def test_any_token_is_a_method_and_keeps_its_case(method: bytes) -> None:
    assert parse_request(request(line=method + b" / HTTP/1.1"), LIMITS).method == method


@pytest.mark.parametrize("target", [b"/", b"//", b'/?"<>\\^`{|}', b"/a?b?c", b"/?", b"/a;b=c", b"/" + b"a" * 255])
def test_a_target_is_kept_byte_for_byte(target: bytes) -> None:
    head = parse_request(request(line=b"GET " + target + b" HTTP/1.1"), LIMITS)
    assert head.target == target
    assert head.path + (b"" if head.query is None else b"?" + head.query) == target


@pytest.mark.parametrize(("version", "number"), [(b"1.0", 10), (b"1.1", 11), (b"1.2", 11), (b"1.9", 11)])
def test_a_higher_minor_version_is_answered_as_the_highest_that_is_known(version: bytes, number: int) -> None:
    assert parse_request_line(b"GET / HTTP/" + version, LIMITS) == (b"GET", b"/", number)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        pytest.param(b"X", errors.BAD_FIELD, id="no colon"),
        pytest.param(b": x", errors.BAD_FIELD, id="an empty name"),
        pytest.param(b"X@: y", errors.BAD_FIELD, id="a name that is no token"),
        pytest.param(b"X Y: z", errors.BAD_FIELD, id="a blank in a name"),
        pytest.param(b"X\xe9: y", errors.BAD_FIELD, id="a name beyond ASCII"),
        pytest.param(b"X: a\x00b", errors.BAD_FIELD, id="NUL in a value"),
        pytest.param(b"X\x00: a", errors.BAD_FIELD, id="NUL in a name"),
        pytest.param(b"X: a\x01b", errors.BAD_FIELD, id="a control character in a value"),
        pytest.param(b"X: a\x0bb", errors.BAD_FIELD, id="VT in a value"),
        pytest.param(b"X: a\x0c", errors.BAD_FIELD, id="FF at the end of a value"),
        pytest.param(b"X:\x0bchunked", errors.BAD_FIELD, id="VT before a value"),
        pytest.param(b"X: a\x7f", errors.BAD_FIELD, id="DEL in a value"),
        pytest.param(b"X : a", errors.SPACE_BEFORE_COLON, id="a blank before the colon"),
        pytest.param(b"X\t: a", errors.SPACE_BEFORE_COLON, id="a tab before the colon"),
        pytest.param(b"X: a\r\n b", errors.OBS_FOLD, id="a folded field"),
        pytest.param(b"X: a\r\n\tb: c", errors.OBS_FOLD, id="a field folded by a tab"),
        pytest.param(b"X: a\rb", errors.BARE_CR_OR_LF, id="a bare CR"),
        pytest.param(b"X: a\rY: b", errors.BARE_CR_OR_LF, id="a bare CR as a line end"),
        pytest.param(b"X: a\nY: b", errors.BARE_CR_OR_LF, id="a bare LF"),
        pytest.param(b"X: a\r\r", errors.BARE_CR_OR_LF, id="CR CR LF"),
        pytest.param(b"X: a\n", errors.BARE_CR_OR_LF, id="LF CR LF"),
        pytest.param(b"\nX: a", errors.BARE_CR_OR_LF, id="LF in front"),
    ],
)
def test_a_field_line_is_refused(field: bytes, reason: Reason) -> None:
    assert refusal(request(field)) is reason
    assert refusal(request(b"A: b ", field, b"C: d")) is reason


def test_white_space_before_the_first_field_is_refused() -> None:
    assert refusal(request(host=b" Host: a.example")) is errors.OBS_FOLD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"X:a", b"a"),
        (b"X: a", b"a"),
        (b"X: \t a b \t ", b"a b"),
        (b"X:", b""),
        (b"X: ", b""),
        (b"X:\t \t", b""),
        (b"X: \xe9\xff", b"\xe9\xff"),
        (b"X: a:b: c", b"a:b: c"),
    ],
)
def test_blanks_around_a_value_are_no_part_of_it(field: bytes, value: bytes) -> None:
    head = parse_request(request(b"A: b", field, b"C: d"), LIMITS)
    assert head.headers.items == ((b"Host", b"a.example"), (b"A", b"b"), (b"X", value), (b"C", b"d"))


def test_fields_of_one_name_keep_their_order() -> None:
    head = parse_request(request(b"X: 1", b"Y: 2", b"x: 3"), LIMITS)
    assert head.headers.get_all(b"x") == [b"1", b"3"]
    assert head.headers.items[1:] == ((b"X", b"1"), (b"Y", b"2"), (b"x", b"3"))


def test_as_many_fields_as_the_limit_are_taken_and_no_more() -> None:
    assert len(parse_request(request(*[b"X: y"] * 9), LIMITS).headers) == 10
    assert refusal(request(*[b"X: y"] * 10)) is errors.TOO_MANY_FIELDS


# Framing.


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"5", 5), (b"0005", 5), (b"9" * 18, 10**18 - 1)])
def test_content_length_is_digits(value: bytes, length: int) -> None:
    assert parse_request(request(b"Content-Length: " + value), LIMITS).fields.length == length


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"+5",
        b"-5",
        b"5_0",
        b"0x5",
        b"5.0",
        b"5 5",
        b"5,5",
        b"5, 6",
        b"5;",
        b'"5"',
        b"\xb2",
        b"\xd9\xa5",
        b"9" * 19,
        b"1" * 400,
    ],
)
def test_a_content_length_that_is_none_is_refused(value: bytes) -> None:
    assert refusal(request(b"Content-Length: " + value)) is errors.BAD_LENGTH


def test_two_content_lengths_are_refused() -> None:
    assert refusal(request(b"Content-Length: 5", b"Content-Length: 6")) is errors.BAD_LENGTH
    assert refusal(request(b"Content-Length: 5", b"content-length: 5")) is errors.BAD_LENGTH


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED", b" \t chunked \t"])
def test_chunked_is_the_coding_that_is_known(value: bytes) -> None:
    assert parse_request(request(b"Transfer-Encoding:" + value), LIMITS).fields.length == CHUNKED


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"gzip",
        b"identity",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"chunked,",
        b",chunked",
        b"chunked;a=b",
        b"xchunked",
        b"chunked x",
        b"'chunked'",
        b"\xa0chunked",
    ],
)
def test_any_other_coding_is_refused(value: bytes) -> None:
    assert refusal(request(b"Transfer-Encoding: " + value)) is errors.BAD_CODING


def test_transfer_encoding_comes_once_and_without_a_length_and_not_in_http_1_0() -> None:
    coding = b"Transfer-Encoding: chunked"
    assert refusal(request(coding, coding)) is errors.BAD_CODING
    assert refusal(request(coding, b"Transfer-Encoding: identity")) is errors.BAD_CODING
    assert refusal(request(coding, b"Content-Length: 5")) is errors.LENGTH_AND_CODING
    assert refusal(request(b"Content-Length: 5", coding)) is errors.LENGTH_AND_CODING
    assert refusal(request(coding, line=b"POST / HTTP/1.0")) is errors.CODING_IN_1_0


# Connection, Expect, Upgrade.


@pytest.mark.parametrize(
    ("version", "fields", "kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Connection: keep-alive"], True),
        (b"1.1", [b"Connection: close"], False),
        (b"1.1", [b"Connection: Close"], False),
        (b"1.1", [b"Connection: x, close , y"], False),
        (b"1.1", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"1.1", [b"Connection: closed"], True),
        (b"1.0", [], False),
        (b"1.0", [b"Connection: keep-alive"], True),
        (b"1.0", [b"Connection: Keep-Alive"], True),
        (b"1.0", [b"Connection: keep-alive, close"], False),
        (b"1.0", [b"Proxy-Connection: keep-alive"], False),
    ],
)
def test_connections_are_kept_as_rfc_9112_9_3_says(version: bytes, fields: list[bytes], kept: bool) -> None:
    assert parse_request(request(*fields, line=b"GET / HTTP/" + version), LIMITS).fields.keep_alive is kept


def test_the_options_of_connection_are_all_of_its_elements() -> None:
    fields = parse_request(request(b"Connection: Keep-Alive , ,X-A", b"connection: keep-alive"), LIMITS).fields
    assert fields.connection == (b"keep-alive", b"x-a", b"keep-alive")
    assert parse_request(request(b"Connection: keep-alive", b"Connection: x"), LIMITS).fields.connection == (b"keep-alive", b"x")


@pytest.mark.parametrize(
    ("version", "fields", "upgrade"),
    [
        (b"1.1", [b"Connection: Upgrade", b"Upgrade: WebSocket"], (b"websocket",)),
        (b"1.1", [b"Connection: keep-alive, upgrade", b"Upgrade: a/1, b"], (b"a/1", b"b")),
        (b"1.1", [b"Connection: Upgrade"], ()),
        (b"1.1", [b"Upgrade: websocket"], ()),
        (b"1.0", [b"Connection: Upgrade", b"Upgrade: websocket"], ()),
    ],
)
def test_an_upgrade_is_asked_for_by_connection_and_never_in_http_1_0(
    version: bytes, fields: list[bytes], upgrade: tuple[bytes, ...]
) -> None:
    assert parse_request(request(*fields, line=b"GET / HTTP/" + version), LIMITS).fields.upgrade == upgrade


def test_the_only_expectation_is_100_continue() -> None:
    assert parse_request(request(b"Expect: 100-Continue"), LIMITS).fields.expects_continue
    assert not parse_request(request(), LIMITS).fields.expects_continue
    assert not parse_request(request(b"Expect: 100-continue", line=b"POST / HTTP/1.0"), LIMITS).fields.expects_continue
    assert refusal(request(b"Expect: 200-ok")) is errors.EXPECTATION_FAILED
    assert refusal(request(b"Expect:")) is errors.EXPECTATION_FAILED
    assert refusal(request(b"Expect: 100-continue", b"Expect: 100-continue")) is errors.EXPECTATION_FAILED


# Heads whose end has not come.


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01", errors.BAD_REQUEST_LINE, id="TLS"),
        pytest.param(b"\x00", errors.BAD_REQUEST_LINE, id="NUL"),
        pytest.param(b" ", errors.BAD_REQUEST_LINE, id="a blank in front"),
        pytest.param(b"GET  ", errors.BAD_TARGET, id="two spaces"),
        pytest.param(b"GET /\n", errors.BARE_CR_OR_LF, id="HTTP/0.9 with LF"),
        pytest.param(b"GET /\rX", errors.BARE_CR_OR_LF, id="a bare CR"),
        pytest.param(b"GET / HTTX", errors.BAD_VERSION, id="another protocol"),
        pytest.param(b"GET / HTTP/1.1 ", errors.BAD_REQUEST_LINE, id="a space at the end"),
        pytest.param(b"GET /\xe9 H", errors.BAD_TARGET, id="a target beyond ASCII"),
        pytest.param(b"M" * 40, errors.METHOD_TOO_LONG, id="a word without end"),
        pytest.param(b"M" * 4000, errors.METHOD_TOO_LONG, id="a word longer than any request line"),
        pytest.param(b"GET /" + b"a" * 400, errors.TARGET_TOO_LONG, id="a target without end"),
        pytest.param(b"GET / HTTP/3.0\r\n", errors.VERSION_UNSUPPORTED, id="another version"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\nC: d", errors.BARE_CR_OR_LF, id="a bare LF in the fields"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\rC", errors.BARE_CR_OR_LF, id="a bare CR in the fields"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"b" * 2048, errors.HEAD_TOO_LARGE, id="fields without end"),
    ],
)
def test_a_head_that_cannot_become_right_is_refused_before_its_end(start: bytes, reason: Reason) -> None:
    with pytest.raises(RequestError) as refused:
        check_unfinished(start, LIMITS)
    assert refused.value.reason is reason


def test_no_beginning_of_a_right_head_is_refused() -> None:
    head = request(b"A: b", line=b"M" * 32 + b" /" + b"a" * 255 + b" HTTP/1.1")
    for end in range(len(head)):
        check_unfinished(head[:end], LIMITS)


def test_what_is_refused_says_where() -> None:
    with pytest.raises(RequestError) as refused:
        parse_request(request(b"A: b", b"Wrong"), LIMITS)
    assert refused.value.detail == "b'Wrong'"
