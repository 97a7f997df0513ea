"""The chunked coding of requests: sizes, line ends, extensions, trailers (RFC 9112 §7.1)."""

from __future__ import annotations

from typing import Any, Final

from tests.corpus.case import Case, passed

C = b"POST /<id> HTTP/1.1\r\nHost: corpus.example\r\nTransfer-Encoding: chunked\r\n\r\n"
INNER = b"GET /<id>/smuggled HTTP/1.1\r\nHost: corpus.example\r\n\r\n"
SIZE = "RFC 9112 §7.1: digits only, no overflow"
LINE = "CVE-2025-22871, -55315, -58056: LF alone in chunk lines"
GRAMMAR = "RFC 9112 §7.1.1: chunk-ext"
EXTENSION = "RFC 9112 §7.1.1: unknown extensions are ignored, bounded"
TRAILER = "RFC 9112 §7.1.2: trailers are never merged into the head"


def broken(name: str, covers: str, body: bytes, **more: Any) -> Case:
    """
    A chunked body that is none: 400, and the connection is closed.

    The origin may have heard of the request, when its head came first; it never hears a complete one.
    """
    settings: dict[str, Any] = {"statuses": (400,), "kept": False, "may_begin": True, **more}
    return Case(name, covers, (C + body,), requests=0, **settings)


BAD_SIZES: Final = {
    "0x": b"0x5",
    "a plus": b"+5",
    "a minus": b"-5",
    "an underscore": b"0_5",
    "a blank in front": b" 5",
    "a tab in front": b"\t5",
    "a blank behind": b"5 ",
    "a letter": b"5g",
    "none": b"",
    "a point": b"5.",
    "quotes": b'"5"',
    "NUL": b"5\0",
    "CR": b"5\r",
    "a vertical tab": b"5\x0b",
    "a digit of another script": "٥".encode(),
    "seventeen digits": b"00000000000000005",
    "beyond 64 bits": b"10000000000000005",
    "64 bits": b"FFFFFFFFFFFFFFFF",
    "the sign bit": b"8000000000000000",
    "nothing but an extension": b";a=b",
    "a comma": b"5,5",
    "digits without end": b"5" * 3000,
}

BAD_EXTENSIONS: Final = {
    "nothing behind its semicolon": b";",
    "nothing between two": b";;a",
    "no name": b";=b",
    "a name that is no token": b";bad[=x",
    "no value behind =": b";a=",
    "quotes that do not end": b';a="b',
    "quotes in a token": b';a=b"c"',
    "two words": b";a b",
    "two values": b";a=b=c",
    "a blank behind": b";a ",
}

CASES: Final[tuple[Case, ...]] = (
    passed(
        "a chunked body",
        "RFC 9112 §7.1",
        C + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n",
        body=b"hello world",
    ),
    passed("an empty chunked body", "RFC 9112 §7.1", C + b"0\r\n\r\n", body=b""),
    passed("sizes in capitals and with zeros", "RFC 9112 §7.1", C + b"000A\r\n0123456789\r\n00\r\n\r\n", body=b"0123456789"),
    passed("sixteen digits", SIZE, C + b"0000000000000005\r\nhello\r\n0\r\n\r\n", body=b"hello"),
    passed("a request inside a chunk stays inside", "smuggling", C + b"35\r\n" + INNER + b"\r\n0\r\n\r\n", body=INNER),
    passed(
        "the end of a body inside a chunk stays inside",
        "smuggling",
        C + b"3a\r\n0\r\n\r\n" + INNER + b"\r\n0\r\n\r\n",
        body=b"0\r\n\r\n" + INNER,
    ),
    *(broken(f"chunk size: {name}", SIZE, size + b"\r\nhello\r\n0\r\n\r\n" + INNER) for name, size in BAD_SIZES.items()),
    broken("LF alone behind a size", LINE, b"5\nhello\r\n0\r\n\r\n" + INNER),
    broken("LF alone behind the data", LINE, b"5\r\nhello\n0\r\n\r\n" + INNER),
    broken("LF alone behind the last size", LINE, b"5\r\nhello\r\n0\n\r\n" + INNER),
    broken("LF alone at the very end", LINE, b"5\r\nhello\r\n0\r\n\n" + INNER),
    broken("LF alone everywhere in a chunked body", LINE, b"5\nhello\n0\n\n" + INNER),
    broken("CR alone behind a size", LINE, b"5\rhello\r\n0\r\n\r\n" + INNER),
    broken("CR alone behind the data", LINE, b"5\r\nhello\r0\r\n\r\n" + INNER),
    broken("CR CR LF behind a size", LINE, b"5\r\r\nhello\r\n0\r\n\r\n" + INNER),
    broken("LF in an extension", LINE, b"5;a\nb\r\nhello\r\n0\r\n\r\n" + INNER),
    broken("LF behind an extension", LINE, b"5;a=b\nhello\r\n0\r\n\r\n" + INNER),
    broken("CR in an extension", LINE, b"5;a\rb\r\nhello\r\n0\r\n\r\n" + INNER),
    broken("a size behind LF in an extension", LINE + " (TERM.EXT)", b"2;\nxx\r\n35\r\n" + INNER + b"\r\n0\r\n\r\n"),
    broken("a size behind CR in an extension", LINE + " (EXT.TERM)", b"2;\rxx\r\n35\r\n" + INNER + b"\r\n0\r\n\r\n"),
    broken("NUL in an extension", EXTENSION, b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    broken("data longer than its size", "RFC 9112 §7.1", b"5\r\nhellox\r\n0\r\n\r\n"),
    broken("data shorter than its size", "RFC 9112 §7.1", b"6\r\nhello\r\n0\r\n\r\n"),
    broken(
        "two bytes of anything behind the data", "RFC 9112 §7.1 (SPILL.TERM)", b"5\r\nhelloXX35\r\n" + INNER + b"\r\n0\r\n\r\n"
    ),
    broken("no CRLF behind the data", "RFC 9112 §7.1", b"5\r\nhello0\r\n\r\n" + INNER),
    broken("a line of nothing between chunks", "RFC 9112 §7.1", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    passed("an extension", EXTENSION, C + b'5;a=b;c="d e";f\r\nhello\r\n0;z\r\n\r\n', body=b"hello"),
    passed("an extension behind blanks", "RFC 9112 §7.1.1: BWS", C + b"5 ; a\r\nhello\r\n0\r\n\r\n", body=b"hello"),
    *(
        broken(f"an extension that is none: {name}", GRAMMAR, b"5" + extension + b"\r\nhello\r\n0\r\n\r\n" + INNER)
        for name, extension in BAD_EXTENSIONS.items()
    ),
    broken("an extension without end", EXTENSION, b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n"),
    broken(
        "extensions of many small chunks",
        EXTENSION + " (CVE-2023-39326)",
        (b"1;" + b"a" * 900 + b"\r\nx\r\n") * 60 + b"0\r\n\r\n",
    ),
    passed("trailers go behind the body", TRAILER, C + b"5\r\nhello\r\n0\r\nX-T: <id>\r\n\r\n", unheard=(b"X-T",), body=b"hello"),
    passed(
        "trailers that fake a head",
        TRAILER,
        C + b"5\r\nhello\r\n0\r\nContent-Length: 99\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\nTransfer-Encoding: x\r\n\r\n",
        unheard=(b"evil", b"6.6.6.6", b"Content-Length"),
        body=b"hello",
    ),
    broken("a trailer without a colon", TRAILER, b"0\r\nnonsense\r\n\r\n" + INNER),
    broken("a trailer with a blank before its colon", TRAILER, b"0\r\nX : y\r\n\r\n"),
    broken("a folded trailer", TRAILER, b"0\r\nX: y\r\n z\r\n\r\n"),
    broken("a trailer with LF alone", TRAILER, b"0\r\nX: y\n\r\n" + INNER),
    broken("a trailer with NUL", TRAILER, b"0\r\nX: \0\r\n\r\n"),
    broken("a request as a trailer", TRAILER, b"0\r\n" + INNER),
    broken("too many trailers", TRAILER, b"0\r\n" + b"X: y\r\n" * 500 + b"\r\n"),
    broken("trailers without end", TRAILER, b"0\r\n" + b"X: y\r\n" * 5000),
)
