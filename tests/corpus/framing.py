"""Where a request ends: Content-Length, Transfer-Encoding, and both (RFC 9112 §6, RFC 9110 §8.6)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, passed, refused

P = b"POST /<id> HTTP/1.1\r\nHost: corpus.example\r\n"
#: A request that somebody would find in the body, were they led astray.
INNER = b"GET /<id>/smuggled HTTP/1.1\r\nHost: corpus.example\r\n\r\n"
BOTH = "RFC 9112 §6.1: Content-Length with Transfer-Encoding"
CODING = "RFC 9112 §6.3: chunked and nothing else"
LENGTH = "RFC 9112 §6.3: an invalid or differing Content-Length"

#: Transfer-Encoding as field lines that one server takes for chunked and another does not (TE.TE).
DISGUISED: Final = {
    "xchunked": b"Transfer-Encoding: xchunked",
    "a quoted coding": b'Transfer-Encoding: "chunked"',
    "chunked with a parameter": b"Transfer-Encoding: chunked;q=1",
    "chunked twice": b"Transfer-Encoding: chunked, chunked",
    "chunked in two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "identity first": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "identity last": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "identity alone": b"Transfer-Encoding: identity",
    "identity in a list": b"Transfer-Encoding: identity, chunked",
    "cow": b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow",
    "gzip before chunked": b"Transfer-Encoding: gzip, chunked",
    "gzip alone": b"Transfer-Encoding: gzip",
    "chunked not last": b"Transfer-Encoding: chunked, gzip",
    "an empty value": b"Transfer-Encoding:",
    "an empty element in front": b"Transfer-Encoding: , chunked",
    "an empty element behind": b"Transfer-Encoding: chunked,",
    "a vertical tab in front": b"Transfer-Encoding: \x0bchunked",
    "a form feed behind": b"Transfer-Encoding: chunked\x0c",
    "NUL behind": b"Transfer-Encoding: chunked\0",
    "CR behind": b"Transfer-Encoding: chunked\r",
    "LF in front": b"Transfer-Encoding: \nchunked",
    "no-break space in front": b"Transfer-Encoding: \xa0chunked",
    "eight bits": b"Transfer-Encoding: chun\xe4ked",
    "a kelvin sign": "Transfer-Encoding: chun\N{KELVIN SIGN}ed".encode(),
    "a tab before the colon": b"Transfer-Encoding\t: chunked",
    "a colon too many": b"Transfer-Encoding:: chunked",
    "a blank before the name": b" Transfer-Encoding: chunked",
    "behind CR": b"X: y\rTransfer-Encoding: chunked",
    "behind LF": b"X: y\nTransfer-Encoding: chunked",
    "folded": b"Transfer-Encoding\r\n : chunked",
    "brackets": b"Transfer-Encoding: [chunked]",
    "a word behind": b"Transfer-Encoding: chunked foo",
}

#: Values of Content-Length that one server takes for 5 and another does not.
BAD_LENGTHS: Final = {
    "a plus": b"+5",
    "a minus": b"-5",
    "minus nothing": b"-0",
    "an underscore": b"0_5",
    "hexadecimal": b"0x5",
    "a point": b"5.0",
    "an exponent": b"5e0",
    "a blank inside": b"5 5",
    "a letter behind": b"5a",
    "empty": b"",
    "a comma": b"5,",
    "a list of the same": b"5, 5",
    "a list": b"5, 6",
    "a semicolon": b"5;",
    "quotes": b'"5"',
    "a vertical tab": b"\x0b5",
    "NUL": b"5\0",
    "a digit of another script": "٥".encode(),
    "full-width digits": "５".encode(),
    "superscript": b"\xb2",
    "beyond 64 bits": b"18446744073709551621",
    "beyond 32 bits, wrapped, and nonsense": b"4294967301x",
    "a thousand digits": b"5" * 1000,
    "many zeros": b"0" * 40 + b"5",
}

CASES: Final[tuple[Case, ...]] = (
    passed(
        "a body with its length", "RFC 9112 §6.2", P + b"Content-Length: 5\r\n\r\nhello", b"Content-Length: 5\r\n", body=b"hello"
    ),
    passed(
        "an empty body with its length", "RFC 9112 §6.2", P + b"Content-Length: 0\r\n\r\n", b"Content-Length: 0\r\n", body=b""
    ),
    passed("no length is no body", "RFC 9112 §6.3", P + b"\r\n", body=b"", unheard=(b"chunked",)),
    passed(
        "GET with a body",
        "RFC 9110 §9.3.1",
        b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 5\r\n\r\nhello",
        body=b"hello",
    ),
    passed(
        "a request inside a body stays inside",
        "smuggling",
        P + b"Content-Length: 53\r\n\r\n" + INNER,
        b"Content-Length: 53\r\n",
        body=INNER,
    ),
    passed(
        "a request inside the body of GET stays inside",
        "smuggling: CL.0",
        b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 53\r\n\r\n" + INNER,
        body=INNER,
    ),
    passed(
        "a request inside the body of HEAD stays inside",
        "smuggling: CL.0",
        b"HEAD /<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 53\r\n\r\n" + INNER,
        body=INNER,
        to_head=True,
    ),
    passed(
        "leading zeros are digits",
        "RFC 9110 §8.6",
        P + b"Content-Length: 0005\r\n\r\nhello",
        b"Content-Length: 5\r\n",
        body=b"hello",
    ),
    refused("CL.TE", BOTH, P + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
    refused("TE.CL", BOTH, P + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n35\r\n" + INNER + b"\r\n0\r\n\r\n"),
    refused(
        "CL.TE with a whole request behind",
        BOTH,
        P + b"Content-Length: 58\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    ),
    refused(
        "both that agree",
        BOTH,
        P + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        why="RFC 9112 allows to take the coding; nobody honest sends both",
    ),
    refused("Content-Length: 0 and chunked", BOTH, P + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0\r\n\r\n"),
    refused(
        "both, the length named by Connection",
        BOTH,
        P + b"Connection: Content-Length\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    refused(
        "both, the coding named by Connection",
        BOTH,
        P + b"Connection: Transfer-Encoding\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    refused(
        "HTTP/1.0 with Transfer-Encoding",
        "RFC 9112 §6.1: faulty framing",
        b"POST /<id> HTTP/1.0\r\nHost: corpus.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    refused(
        "HTTP/1.0 with keep-alive and Transfer-Encoding",
        "RFC 9112 §6.1: faulty framing",
        b"POST /<id> HTTP/1.0\r\nHost: corpus.example\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + INNER,
    ),
    *(
        refused(f"Transfer-Encoding: {name}", CODING, P + line + b"\r\n\r\n0\r\n\r\n" + INNER, frozenset((400, 501)))
        for name, line in DISGUISED.items()
    ),
    *(
        refused(
            f"Transfer-Encoding beside a length: {name}",
            CODING,
            P + b"Content-Length: 5\r\n" + line + b"\r\n\r\n0\r\n\r\n" + INNER,
            frozenset((400, 501)),
        )
        for name, line in DISGUISED.items()
    ),
    passed(
        "the coding in capitals",
        "RFC 9112 §7",
        P + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n",
        body=b"hello",
    ),
    passed(
        "the coding named by Connection",
        "RFC 9110 §7.6.1",
        P + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        body=b"hello",
    ),
    passed(
        "the length named by Connection",
        "RFC 9110 §7.6.1",
        P + b"Connection: content-length\r\nContent-Length: 53\r\n\r\n" + INNER,
        b"Content-Length: 53\r\n",
        body=INNER,
    ),
    *(
        refused(f"Content-Length: {name}", LENGTH, P + b"Content-Length: " + value + b"\r\n\r\nhello")
        for name, value in BAD_LENGTHS.items()
    ),
    refused(
        "two Content-Lengths", LENGTH + "; httpd takes the first", P + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhellox"
    ),
    refused("two Content-Lengths, the first of them 0", LENGTH, P + b"Content-Length: 0\r\nContent-Length: 53\r\n\r\n" + INNER),
    refused(
        "the same Content-Length twice",
        LENGTH,
        P + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
        why="RFC 9110 §8.6 allows to take one; who sends two has something in mind",
    ),
    refused("a length beyond max_body", "RFC 9110 §15.5.14", P + b"Content-Length: 99999999999\r\n\r\n", 413),
    refused(
        "a length of the largest number",
        "RFC 9110 §15.5.14; overflow",
        P + b"Content-Length: 999999999999999999\r\n\r\n" + INNER,
        413,
    ),
    refused(
        "a length beyond a route's max_body",
        "RFC 9110 §15.5.14",
        P.replace(b"/<id>", b"/small/<id>") + b"Content-Length: 9\r\n\r\nnine byte",
        413,
        kept=None,
    ),
    refused(
        "chunks beyond a route's max_body",
        "RFC 9110 §15.5.14",
        P.replace(b"/<id>", b"/small/<id>") + b"Transfer-Encoding: chunked\r\n\r\n9\r\nnine byte\r\n0\r\n\r\n",
        413,
        kept=None,
        may_begin=True,
    ),
    passed(
        "a body just of a route's max_body",
        "RFC 9110 §15.5.14",
        P.replace(b"/<id>", b"/small/<id>") + b"Content-Length: 8\r\n\r\nnine byt",
        body=b"nine byt",
    ),
)
