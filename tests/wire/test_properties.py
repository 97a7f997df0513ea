"""Properties of the wire: any split gives the same, what we write is read back the same, and no bytes break the parsers."""

from __future__ import annotations

import h11
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.invariants import any_body, any_chunks, any_path, any_request, any_response
from twistedproxy.message import Headers

# Parts of messages, right and wrong, so that what is put together comes near to a message.
PARTS = st.sampled_from(
    (
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"\r",
            b"\n",
            b" ",
            b"\t",
            b"\0",
            b":",
            b": ",
            b",",
            b";",
            b"0",
            b"1",
            b"a",
            b"\xe9",
            b"%",
            b"\x7f",
        ),
        *(b"GET ", b"POST ", b"OPTIONS ", b"CONNECT ", b"/", b"*", b"?", b"#", b"http://", b"@", b"a.example", b"[::1]"),
        *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"HTTP/1.1 ", b"200 ", b"204", b"304", b"OK"),
        *(b"Host: a\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Connection: ", b"close\r\n", b"Expect: "),
        *(b"keep-alive\r\n", b"Upgrade: x\r\n", b"upgrade\r\n", b"X: y\r\n", b"5\r\n", b"5", b"100-continue\r\n"),
    )
)
BYTES = st.lists(PARTS | st.binary(max_size=3), max_size=20).map(b"".join)

FIELDS = st.lists(
    st.sampled_from(
        (b"X: y\r\n", b"Y:\r\n", b"Z: a b \t\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"X: \xff\r\n")
    ),
    max_size=5,
).map(b"".join)
REQUESTS = st.builds(
    b"".join,
    st.tuples(
        st.sampled_from((b"GET ", b"POST ", b"OPTIONS ")),
        st.sampled_from((b"/", b"/a?b", b"*", b"http://b.example", b"http://b/c?d", b"//x", b"/%61/../b")),
        st.sampled_from((b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")),
        FIELDS,
        st.sampled_from((b"Host: a\r\n", b"Host: [::1]:80\r\n", b"")),
        FIELDS,
        st.sampled_from((b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n")),
        st.just(b"\r\n"),
    ),
)
RESPONSES = st.builds(
    b"".join,
    st.tuples(
        st.sampled_from((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404\r\n", b"HTTP/1.1 103 \r\n", b"HTTP/1.1 304 x\r\n")),
        FIELDS,
        st.sampled_from((b"", b"Content-Length: 5\r\n", b"Content-Length : 5\r\n", b"Transfer-Encoding: chunked\r\n")),
        st.just(b"\r\n"),
    ),
)
CHUNK = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda data: b"%x\r\n%b\r\n" % (len(data), data)),
    st.binary(min_size=1, max_size=20).map(lambda data: b"%X;a=b\r\n%b\r\n" % (len(data), data)),
)
BODIES = st.builds(
    b"".join,
    st.tuples(
        st.lists(CHUNK, max_size=8).map(b"".join),
        st.sampled_from((b"0\r\n\r\n", b"000;x\r\n\r\n", b"0\r\nX: y\r\nZ: \r\n\r\n", b"0\r\nX:y \r\nHost: b\r\n\r\n", b"")),
        BYTES,
    ),
)
PATHS = st.lists(
    st.sampled_from(
        (
            b"/",
            b"/",
            b".",
            b"..",
            b";",
            b"\\",
            b"a",
            b"b",
            b"%2e",
            b"%2F",
            b"%5c",
            b"%25",
            b"25",
            b"2e",
            b"2f",
            b"%00",
            b"%3b",
            b"%",
        )
    ),
    max_size=12,
).map(lambda parts: b"/" + b"".join(parts))


@st.composite
def damaged(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """A message, often with something put into it or cut out of it."""
    message = draw(messages)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(message)))
        end = min(start + draw(st.integers(0, 3)), len(message))
        message = message[:start] + draw(PARTS | st.just(b"")) + message[end:]
    return message


@st.composite
def split(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """A message, and its parts by any split."""
    message = draw(messages)
    cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=6)))
    return message, [message[i:j] for i, j in zip([0, *cuts], [*cuts, len(message)], strict=True)]


@given(damaged(REQUESTS) | BYTES)
def test_any_bytes_are_a_request_or_a_request_error(data: bytes) -> None:
    any_request(data)


@given(damaged(RESPONSES) | BYTES, st.sampled_from((b"GET", b"HEAD")))
def test_any_bytes_are_a_response_or_a_response_error(data: bytes, method: bytes) -> None:
    any_response(data, method)


@given(split(damaged(BODIES) | BYTES))
def test_any_split_of_a_body_gives_the_same(body: tuple[bytes, list[bytes]]) -> None:
    any_body(*body)


@given(PATHS)
def test_a_path_that_routes_see_has_no_second_reading(path: bytes) -> None:
    any_path(path)


TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=20).map(lambda value: bytes(c for c in value if c >= 0x20 and c != 0x7F).strip(b" "))


@given(
    st.lists(st.binary(max_size=300), max_size=6),
    st.lists(st.tuples(TOKENS.map(lambda name: b"X-" + name), VALUES), max_size=4),
)
def test_what_we_write_in_chunks_is_read_back_the_same(pieces: list[bytes], trailers: list[tuple[bytes, bytes]]) -> None:
    any_chunks(pieces, Headers(trailers))


@given(REQUESTS)
def test_a_request_that_we_understand_h11_understands_alike(data: bytes) -> None:
    head = any_request(data)
    if head is None or b"host" not in head.headers:
        return
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"%b %b HTTP/1.1\r\n%b\r\n" % (head.method, head.target, head.headers.block))
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (head.method, head.target)
    assert list(event.headers) == [(name.lower(), value) for name, value in head.headers.items]
