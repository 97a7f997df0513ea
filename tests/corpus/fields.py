"""Header fields: lines, names, values, numbers of them (RFC 9112 §5, RFC 9110 §5)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, passed, refused

G = b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\n"
COLON = "RFC 9112 §5.1: no white space before the colon"
FOLD = "RFC 9112 §5.2: obs-fold is refused"
NAME = "RFC 9110 §5.6.2: a name is a token"
VALUE = "RFC 9110 §5.5: no NUL, CR, LF in values"
ENDS = "RFC 9112 §2.2: a bare CR or LF is no line end"
TRUST = "RFC 9110 §7.6.1, RFC 7239 §8: a client's own word on forwarding is not passed on"

CASES: Final[tuple[Case, ...]] = (
    refused("a blank before the first field", "RFC 9112 §2.2", b"GET /<id> HTTP/1.1\r\n Host: corpus.example\r\n\r\n"),
    refused("a tab before the first field", "RFC 9112 §2.2", b"GET /<id> HTTP/1.1\r\n\tHost: corpus.example\r\nHost: b\r\n\r\n"),
    refused("a line of one blank before the fields", "RFC 9112 §2.2", b"GET /<id> HTTP/1.1\r\n \r\nHost: corpus.example\r\n\r\n"),
    refused("a blank before a colon", COLON, G + b"X-A : b\r\n\r\n"),
    refused("a tab before a colon", COLON, G + b"X-A\t: b\r\n\r\n"),
    refused("a blank before the colon of Transfer-Encoding", COLON, G + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    refused("a blank before the colon of Content-Length", COLON, G + b"Content-Length : 5\r\n\r\nhello"),
    refused("a blank before the colon of Host", COLON, b"GET /<id> HTTP/1.1\r\nHost : corpus.example\r\n\r\n"),
    refused("a folded field", FOLD, G + b"X-A: a\r\n b\r\n\r\n"),
    refused("a field folded by a tab", FOLD, G + b"X-A: a\r\n\tb\r\n\r\n"),
    refused("a folded Transfer-Encoding", FOLD, G + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    refused("a folded Host", FOLD, b"GET /<id> HTTP/1.1\r\nHost:\r\n corpus.example\r\n\r\n"),
    refused("a field in a fold", FOLD, G + b"X-A: a\r\n Content-Length: 5\r\n\r\nhello"),
    refused("a fold of blanks alone", FOLD, G + b"X-A: a\r\n \r\n\r\n"),
    refused("a field without a colon", NAME, G + b"nonsense\r\n\r\n"),
    refused("a field without a name", NAME, G + b": value\r\n\r\n"),
    refused("a name with a blank", NAME, G + b"X A: b\r\n\r\n"),
    refused("a name with NUL", NAME, G + b"X\0A: b\r\n\r\n"),
    refused("a name with a bracket", NAME, G + b"X[A]: b\r\n\r\n"),
    refused("a name with a slash", NAME, G + b"X/A: b\r\n\r\n"),
    refused("a name of eight bits", NAME, G + b"X-\xc3\x84: b\r\n\r\n"),
    refused(
        "Transfer-Encoding with a long s", NAME + "; Python's lower()", G + "Tranſfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()
    ),
    refused("a name with a control character", NAME, G + b"X\x0bA: b\r\n\r\n"),
    refused("a name in quotes", NAME, G + b'"Content-Length": 5\r\n\r\nhello'),
    passed("names of odd token characters pass", NAME, G + b"X!#$%&'*+-.^_`|~9: b\r\n\r\n", b"X!#$%&'*+-.^_`|~9: b\r\n"),
    passed("letter case of names stays", "RFC 9110 §5.1", G + b"x-LoWeR: b\r\n\r\n", b"x-LoWeR: b\r\n"),
    passed(
        "order of fields stays",
        "RFC 9110 §5.3",
        G + b"X-A: 1\r\nX-B: 2\r\nX-A: 3\r\nAccept: a\r\nX-B: 4\r\n\r\n",
        b"X-A: 1\r\nX-B: 2\r\nX-A: 3\r\nAccept: a\r\nX-B: 4\r\n",
    ),
    passed("cookies stay apart", "RFC 9110 §5.3", G + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n", b"Cookie: a=1\r\nCookie: b=2\r\n"),
    passed(
        "Authorization is not touched",
        "RFC 9110 §11.6.2",
        G + b"Authorization: Basic YTpi\r\n\r\n",
        b"Authorization: Basic YTpi\r\n",
    ),
    refused("NUL in a value", VALUE, G + b"X-A: a\0b\r\n\r\n"),
    refused("CR in a value", VALUE, G + b"X-A: a\rb\r\n\r\n"),
    refused("CR before a field name", VALUE, G + b"X-A: a\rContent-Length: 5\r\n\r\nhello"),
    refused("LF in a value", VALUE, G + b"X-A: a\nb\r\n\r\n"),
    refused("a field behind LF alone", ENDS, G + b"X-A: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused("CR CR LF behind a field", ENDS, G + b"X-A: a\r\r\n\r\n"),
    refused("a head that ends with LF LF", ENDS, G + b"X-A: a\n\n"),
    refused("a head that ends with CR LF LF", ENDS, G + b"X-A: a\r\n\n"),
    refused("a head that ends with LF CR LF", ENDS, G + b"X-A: a\n\r\n"),
    refused(
        "a control character in a value",
        VALUE,
        G + b"X-A: a\x01b\r\n\r\n",
        why="RFC 9110 lets a recipient keep it; nobody needs it",
    ),
    refused("DEL in a value", VALUE, G + b"X-A: a\x7fb\r\n\r\n", why="as other control characters"),
    refused("a vertical tab in a value", VALUE, G + b"X-A: a\x0bb\r\n\r\n", why="as other control characters"),
    passed("a tab in a value", "RFC 9110 §5.5", G + b"X-A: a\tb\r\n\r\n", b"X-A: a\tb\r\n"),
    passed(
        "eight bits in a value", "RFC 9110 §5.5: obs-text", G + b"X-A: \xe9\x85\x80\xff\r\n\r\n", b"X-A: \xe9\x85\x80\xff\r\n"
    ),
    passed(
        "line ends of Unicode in a value are text",
        "Python's splitlines",
        G + b"X-A: a\x85b\xe2\x80\xa8c: d\r\n\r\n",
        b"a\x85b\xe2\x80\xa8c: d\r\n",
    ),
    passed("an empty value", "RFC 9110 §5.5", G + b"X-A:\r\nX-B: b\r\n\r\n", b"X-B: b\r\n"),
    passed("blanks around a value go", "RFC 9112 §5", G + b"X-A: \t a b \t\r\n\r\n", b"X-A: a b\r\n"),
    refused("too many fields", "RFC 6585 §5", G + b"X: y\r\n" * 150 + b"\r\n", 431),
    refused("fields without end", "RFC 6585 §5", G + b"X: y\r\n" * 20_000, 431),
    refused("a field without end", "RFC 6585 §5", G + b"X-A: " + b"a" * 100_000, 431),
    refused("a name without end", "RFC 6585 §5", G + b"a" * 100_000, 431),
    refused("a head beyond max_header_size", "RFC 6585 §5", G + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    passed("a head just below max_header_size", "RFC 9112 §3", G + b"X-A: " + b"a" * 32_000 + b"\r\n\r\n", b"X-A: aaaa"),
    passed("as many fields as are allowed", "RFC 6585 §5", G + b"X: y\r\n" * 99 + b"\r\n"),
    passed(
        "X-Forwarded-For of a stranger",
        TRUST,
        G + b"X-Forwarded-For: 6.6.6.6\r\n\r\n",
        b"X-Forwarded-For: 127.0.0.1\r\n",
        unheard=(b"6.6.6.6",),
    ),
    passed("Forwarded of a stranger", TRUST, G + b"Forwarded: for=6.6.6.6\r\n\r\n", unheard=(b"6.6.6.6",)),
    passed(
        "X-Real-IP of a stranger", TRUST, G + b"X-Real-IP: 6.6.6.6\r\n\r\n", b"X-Real-IP: 127.0.0.1\r\n", unheard=(b"6.6.6.6",)
    ),
    passed(
        "X-Forwarded-Host of a stranger",
        TRUST,
        G + b"X-Forwarded-Host: evil\r\n\r\n",
        b"X-Forwarded-Host: corpus.example\r\n",
        unheard=(b"evil",),
    ),
    passed(
        "X-Forwarded-Proto of a stranger",
        TRUST,
        G + b"X-Forwarded-Proto: https\r\n\r\n",
        b"X-Forwarded-Proto: http\r\n",
        unheard=(b"https",),
    ),
    passed(
        "X_Forwarded_For of a stranger",
        TRUST + " (CGI sees no difference)",
        G + b"X_Forwarded_For: 6.6.6.6\r\n\r\n",
        unheard=(b"6.6.6.6",),
    ),
    *(
        passed(
            f"{name}, which is no framing",
            "smuggling: CGI sees no difference",
            b"POST /<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 5\r\n" + name.encode() + b": 0\r\n\r\nhello",
            b"Content-Length: 5\r\n",
            unheard=(name.encode(),),
            body=b"hello",
        )
        for name in ("Content_Length", "Transfer_Encoding")
    ),
    passed(
        "X-Forwarded_For of a stranger",
        TRUST + " (CGI sees no difference)",
        G + b"X-Forwarded_For: 6.6.6.6\r\n\r\n",
        unheard=(b"6.6.6.6",),
    ),
    passed(
        "X-Forwarded-For of a proxy that is believed",
        TRUST,
        G + b"X-Forwarded-For: 192.0.2.7\r\n\r\n",
        b"X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n",
        listener="trusting",
    ),
    passed(
        "nonsense in X-Forwarded-For of a proxy that is believed",
        TRUST,
        G + b"X-Forwarded-For: a'\"<script>, ,\r\n\r\n",
        listener="trusting",
    ),
    passed(
        "many X-Forwarded-For of a proxy that is believed are one",
        TRUST,
        G + b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n",
        b"X-Forwarded-For: 192.0.2.7, 192.0.2.8, 127.0.0.1\r\n",
        listener="trusting",
    ),
    passed("Content_Length is no length", "names with underscores; CGI sees no difference", G + b"Content_Length: 5\r\n\r\n"),
    passed(
        "Transfer_Encoding is no coding",
        "names with underscores; CGI sees no difference",
        G + b"Transfer_Encoding: chunked\r\n\r\n",
    ),
    passed(
        "Proxy is not passed on",
        "CVE-2016-5385 (httpoxy)",
        G + b"Proxy: http://evil.example/\r\n\r\n",
        unheard=(b"evil.example",),
    ),
    passed(
        "Via grows",
        "RFC 9110 §7.6.3",
        G + b"Via: 1.0 fred\r\nVia: 1.1 wilma\r\n\r\n",
        b"Via: 1.0 fred, 1.1 wilma, 1.1 twistedproxy\r\n",
    ),
)
