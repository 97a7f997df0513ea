"""Where an answer ends, and what follows it (RFC 9112 §6.3, §7.1, §9.2)."""

from __future__ import annotations

from typing import Any, Final

from tests.corpus.case import GET, Case, Client, Origin, answered, hostile

S = b"HTTP/1.1 200 OK\r\n"
C = S + b"Transfer-Encoding: chunked\r\n\r\n"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
BOTH = "RFC 9112 §6.1: both lengths from an origin"
LENGTH = "RFC 9112 §6.3: an invalid or differing Content-Length is 502"
CODING = "RFC 9112 §6.3: chunked and nothing else"
CHUNK = "RFC 9112 §7.1: chunks of an origin"
NO_BODY = "RFC 9112 §6.3: no body whatever is announced"
SURPLUS = "RFC 9112 §9.2: surplus bytes are never the next answer"
HEAD = b"HEAD /<id> HTTP/1.1\r\nHost: corpus.example\r\n\r\n"


def broken_chunk(name: str, says: bytes, **more: Any) -> Case:
    """An answer that breaks in mid-body: 502 when nothing went out yet, else it is cut."""
    settings: dict[str, Any] = {"status": 502, **more}
    return hostile(name, CHUNK, C + says, Origin.SILENCE, **settings)


def broken_later(name: str, says: bytes) -> Case:
    """The same behind a chunk that the client has already."""
    return hostile(
        name,
        CHUNK,
        C + b"5\r\nhello\r\n",
        Origin.PAUSE,
        says,
        Origin.SILENCE,
        status=200,
        kept=False,
        cut=True,
        ungot=(b"poison",),
    )


BAD_LENGTHS: Final = {
    "a plus": b"+4",
    "a minus": b"-4",
    "an underscore": b"0_4",
    "hexadecimal": b"0x4",
    "a blank inside": b"4 4",
    "empty": b"",
    "a list": b"4, 4",
    "letters": b"four",
    "beyond 64 bits": b"18446744073709551620",
    "a thousand digits": b"4" * 1000,
    "a digit of another script": "٤".encode(),
}

CASES: Final[tuple[Case, ...]] = (
    answered("a chunked answer", CHUNK, C + b"4\r\n<id>\r\n0\r\n\r\n", got=(b"<id>",)),
    answered("a chunked answer with an extension", CHUNK, C + b'4;a="b"\r\n<id>\r\n0\r\n\r\n', got=(b"<id>",), ungot=(b'a="b"',)),
    answered("an answer's trailers", "RFC 9112 §7.1.2", C + b"4\r\n<id>\r\n0\r\nX-T: y\r\n\r\n", got=(b"X-T: y\r\n",)),
    answered(
        "an answer's trailers that fake a head",
        "RFC 9112 §7.1.2",
        C + b"4\r\n<id>\r\n0\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nX-T: y\r\n\r\n",
        got=(b"X-T: y\r\n",),
        ungot=(b"Set-Cookie",),
    ),
    hostile(
        "both lengths in an answer", BOTH, S + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<id>\r\n0\r\n\r\n"
    ),
    hostile(
        "both lengths in an answer, the other way",
        BOTH,
        S + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n4\r\n<id>\r\n0\r\n\r\n",
    ),
    hostile(
        "a coding in HTTP/1.0", "RFC 9112 §6.1", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<id>\r\n0\r\n\r\n"
    ),
    hostile("an unknown coding", CODING, S + b"Transfer-Encoding: gzip\r\n\r\n<id>", Origin.SILENCE),
    hostile("gzip, chunked", CODING, S + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    hostile("chunked twice in an answer", CODING, S + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    hostile(
        "chunked in two fields of an answer",
        CODING,
        S + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    hostile("xchunked in an answer", CODING, S + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    hostile("identity in an answer", CODING, S + b"Transfer-Encoding: identity\r\n\r\n<id>", Origin.SILENCE),
    *(
        hostile(f"an answer's length: {name}", LENGTH, S + b"Content-Length: " + value + b"\r\n\r\n<id>", Origin.SILENCE)
        for name, value in BAD_LENGTHS.items()
    ),
    hostile(
        "two lengths in an answer", LENGTH + "; httpd takes the first", S + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\n<id>"
    ),
    hostile(
        "the same length twice in an answer",
        LENGTH,
        S + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n<id>",
        why="as in requests",
    ),
    broken_chunk("a chunk size that is none", b"zz\r\n"),
    broken_chunk("a chunk size with 0x", b"0x4\r\n<id>\r\n0\r\n\r\n"),
    broken_chunk("a chunk size with a sign", b"-4\r\n<id>\r\n0\r\n\r\n"),
    broken_chunk("a chunk size beyond all measure", b"FFFFFFFFFFFFFFFF\r\n<id>"),
    broken_chunk("LF alone behind a chunk size of an answer", b"4\n<id>\r\n0\r\n\r\n"),
    broken_chunk("LF alone behind a chunk of an answer", b"4\r\n<id>\n0\r\n\r\n"),
    broken_chunk("an answer's chunk longer than its size", b"4\r\n<id>x\r\n0\r\n\r\n"),
    broken_chunk("an answer's trailer that is none", b"4\r\n<id>\r\n0\r\nnonsense\r\n\r\n"),
    broken_chunk("an answer's trailer with LF alone", b"4\r\n<id>\r\n0\r\nX: y\n\r\n"),
    broken_later("a chunk that is none, later", b"zz\r\npoison"),
    broken_later("LF alone, later", b"6\npoison\r\n0\r\n\r\n"),
    broken_later("a trailer that is none, later", b"0\r\nnonsense\r\n\r\n"),
    broken_later("an answer in place of a chunk, later", POISON),
    answered(
        "an answer until the end of the connection",
        "RFC 9112 §6.3",
        S + b"\r\n<id>",
        Origin.CLOSE,
        got=(b"<id>", b"Transfer-Encoding: chunked\r\n"),
        peer_kept=None,
    ),
    answered(
        "an answer until the end of the connection, slowly",
        "RFC 9112 §6.3",
        S + b"\r\n<i",
        Origin.PAUSE,
        b"d>",
        Origin.CLOSE,
        peer_kept=None,
        ungot=(b"poison",),
    ),
    answered(
        "surplus behind a length", SURPLUS, S + b"Content-Length: 4\r\n\r\n<id>" + POISON, peer_kept=False, ungot=(b"poison",)
    ),
    answered("one surplus byte", SURPLUS, S + b"Content-Length: 4\r\n\r\n<id>\n", peer_kept=False),
    answered("surplus CRLF", SURPLUS, S + b"Content-Length: 4\r\n\r\n<id>\r\n", peer_kept=False),
    answered(
        "surplus a moment later",
        SURPLUS,
        S + b"Content-Length: 4\r\n\r\n<id>",
        Origin.PAUSE,
        POISON,
        client=(GET, Client.PAUSE, Client.PAUSE),
        peer_kept=False,
        ungot=(b"poison",),
        alone=True,
    ),
    answered(
        "surplus behind the last chunk", SURPLUS, C + b"4\r\n<id>\r\n0\r\n\r\n" + POISON, peer_kept=False, ungot=(b"poison",)
    ),
    answered(
        "surplus behind trailers", SURPLUS, C + b"4\r\n<id>\r\n0\r\nX: y\r\n\r\n" + POISON, peer_kept=False, ungot=(b"poison",)
    ),
    answered(
        "surplus behind an empty body", SURPLUS, S + b"Content-Length: 0\r\n\r\n" + POISON, peer_kept=False, ungot=(b"poison",)
    ),
    answered(
        "the body of an answer to HEAD",
        NO_BODY,
        S + b"Content-Length: 45\r\n\r\n" + POISON,
        client=(HEAD,),
        to_head=True,
        peer_kept=False,
        ungot=(b"poison",),
    ),
    answered(
        "chunks of an answer to HEAD", NO_BODY, C + b"4\r\n<id>\r\n0\r\n\r\n", client=(HEAD,), to_head=True, peer_kept=False
    ),
    answered("an answer to HEAD that announces chunks", NO_BODY, C, client=(HEAD,), to_head=True),
    answered(
        "204 with a length and a body",
        NO_BODY,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 45\r\n\r\n" + POISON,
        status=204,
        peer_kept=False,
        ungot=(b"poison",),
    ),
    answered(
        "204 with a length",
        NO_BODY,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 45\r\n\r\n",
        status=204,
        ungot=(b"Content-Length",),
    ),
    answered(
        "204 that announces chunks",
        NO_BODY,
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        status=204,
        ungot=(b"chunked",),
    ),
    answered("304 with a length", NO_BODY, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 45\r\n\r\n", status=304),
    answered(
        "304 with a body",
        NO_BODY,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 45\r\n\r\n" + POISON,
        status=304,
        peer_kept=False,
        ungot=(b"poison",),
    ),
    answered("205 with a length", "RFC 9110 §15.3.6", b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", status=205),
    answered("a length of leading zeros", LENGTH, S + b"Content-Length: 0004\r\n\r\n<id>"),
    answered(
        "an answer that closes",
        "RFC 9112 §9.6",
        S + b"Connection: close\r\nContent-Length: 4\r\n\r\n<id>",
        Origin.PAUSE,
        peer_kept=False,
    ),
    answered(
        "an answer that keeps by Proxy-Connection",
        "RFC 9112 §9.3",
        b"HTTP/1.0 200 OK\r\nProxy-Connection: keep-alive\r\nContent-Length: 4\r\n\r\n<id>",
        Origin.PAUSE,
        peer_kept=False,
    ),
    answered(
        "an answer of many pieces",
        CHUNK,
        C + b"2\r\n<i",
        Origin.PAUSE,
        b"\r",
        Origin.PAUSE,
        b"\n2\r\nd>\r\n0\r",
        Origin.PAUSE,
        b"\n\r\n",
    ),
)
