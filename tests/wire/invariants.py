"""What holds for any bytes whatever: checked by the properties of this folder and by the fuzzer on the same functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import h11

from twistedproxy.errors import RequestError, ResponseError
from twistedproxy.message import CHUNKED, UNTIL_CLOSE, Headers, RequestHead
from twistedproxy.wire.client_hello import ClientHelloError, read_client_hello
from twistedproxy.wire.framing import (
    BadChunk,
    BadTrailer,
    BodyReader,
    ChunkedReader,
    LengthReader,
    Piece,
    UntilCloseReader,
    chunked,
    last_chunk,
)
from twistedproxy.wire.http1 import Limits, check_unfinished, check_unfinished_response, parse_request, parse_response
from twistedproxy.wire.proxy_protocol import Header, ProxyHeaderError, read_header
from twistedproxy.wire.target import route_path

LIMITS: Final = Limits(head=4096, fields=32, target=1024)
_PATH: Final = re.compile(rb"/[\x21-\x7e]*")
_DOTS: Final = re.compile(rb"(?:\A|/)\.\.?(?:/|\Z)")

#: What came of a body: payload, trailers, rest and completeness, or the error.
BodyOutcome = tuple[bytes, Headers, bytes, bool] | type[Exception]


def any_request(data: bytes) -> RequestHead | None:
    """
    Bytes are one request or a RequestError; no beginning of a request is refused.

    :return: the request, if it is one
    """
    try:
        check_unfinished(data, LIMITS)
    except RequestError:
        pass
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or end > LIMITS.head:
        return None
    try:
        head = parse_request(data[:end], LIMITS)
    except RequestError:
        return None
    for stop in range(end):
        check_unfinished(data[:stop], LIMITS)
    assert head.target.startswith(b"/") or head.target == b"*"
    assert head.headers.get_all(b"host") or head.version == 10
    assert len(head.headers.get_all(b"content-length")) + len(head.headers.get_all(b"transfer-encoding")) <= 1
    any_fields(head.headers)
    any_path(head.path)
    return head


def any_response(data: bytes, method: bytes) -> None:
    """Bytes are one response or a ResponseError; no beginning of a response is refused."""
    try:
        check_unfinished_response(data)
    except ResponseError:
        pass
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return
    try:
        head = parse_response(data[:end], method)
    except ResponseError:
        return
    for stop in range(end):
        check_unfinished_response(data[:stop])
    assert 100 <= head.status <= 599
    assert head.length >= 0 or head.length in (CHUNKED, UNTIL_CLOSE)
    assert not (head.length == UNTIL_CLOSE and head.keep_alive)
    any_fields(head.headers)


def any_fields(headers: Headers) -> None:
    """What we write of fields is the same fields, for us and for h11."""
    response = parse_response(b"HTTP/1.1 204 No Content\r\n%b\r\n" % headers.block, b"GET")
    assert response.headers == headers
    # What h11 understands by itself is left out: it has its own rules for two lengths, and joins them.
    plain = headers.without((b"content-length", b"transfer-encoding", b"connection"))
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n" % plain.block)
    event = client.next_event()
    assert isinstance(event, h11.Response)
    *got, coding = event.headers.raw_items()
    assert tuple(got) == plain.items
    assert coding == (b"Transfer-Encoding", b"chunked")


def any_path(path: bytes) -> None:
    """What routes see of a path (of visible ASCII) has no second reading, and is seen the same when it comes again."""
    if not _PATH.fullmatch(path):
        return
    try:
        seen = route_path(path)
    except RequestError:
        return
    assert seen.startswith(b"/")
    assert b"//" not in seen
    assert b"\0" not in seen
    assert b"\\" not in seen
    assert b";" not in seen
    assert not _DOTS.search(seen)
    if b"%" not in seen:
        assert route_path(seen) == seen


def body_outcome(reader: BodyReader, parts: Iterable[bytes]) -> BodyOutcome:
    """What a reader makes of a body that comes in *parts*; what comes after its end counts as rest."""
    payload: list[Piece] = []
    after = b""
    try:
        for part in parts:
            if reader.complete:
                after += part
            elif part:
                payload += reader.feed(part)
    except (BadChunk, BadTrailer) as error:
        return type(error)
    return b"".join(payload), reader.trailers, reader.rest + after, reader.complete


def any_body(data: bytes, parts: Sequence[bytes]) -> None:
    """However the bytes of a body are split, the same comes of it, and nothing is lost."""
    assert b"".join(parts) == data
    by_bytes = [data[i : i + 1] for i in range(len(data))]
    outcome = body_outcome(ChunkedReader(), [data])
    assert body_outcome(ChunkedReader(), parts) == outcome
    assert body_outcome(ChunkedReader(), by_bytes) == outcome
    if isinstance(outcome, tuple) and outcome[3]:
        any_chunks([outcome[0]], outcome[1])
    for length in (1, len(data) // 2 + 1, len(data) + 1):
        payload = data[:length]
        expected = (payload, Headers(), data[length:], len(data) >= length)
        assert body_outcome(LengthReader(length), parts) == expected
        assert body_outcome(LengthReader(length), by_bytes) == expected
    assert body_outcome(UntilCloseReader(), parts) == (data, Headers(), b"", False)


def any_chunks(pieces: Sequence[bytes], trailers: Headers) -> None:
    """What we write in chunks is the same body, for us and for h11."""
    coded = b"".join(chunked(pieces)) + last_chunk(trailers)
    assert body_outcome(ChunkedReader(), [coded]) == (b"".join(pieces), trailers, b"", True)
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded)
    assert isinstance(client.next_event(), h11.Response)
    payload = b""
    while isinstance(event := client.next_event(), h11.Data):
        payload += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert payload == b"".join(pieces)
    assert tuple(event.headers.raw_items()) == trailers.items


def any_opening(data: bytes) -> None:
    """
    What a connection begins with, as a PROXY protocol header and as a ClientHello: understood, refused, or more of it is needed.

    What is needed is more than there is, and no part of what is understood is understood otherwise.
    """
    for read, refusal in ((read_header, ProxyHeaderError), (read_client_hello, ClientHelloError)):
        try:
            found = read(data)
        except refusal:
            continue
        if isinstance(found, int):
            assert found > len(data)
            continue
        whole = found.size if isinstance(found, Header) else len(data)
        assert whole <= len(data)
        for end in range(whole):
            part = read(data[:end])
            assert part == found or (isinstance(part, int) and part > end)
