"""Request lines: what is one, and what only looks like one to somebody (RFC 9112 §2, §3)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, Origin, passed, refused

HOST = b"\r\nHost: corpus.example\r\n\r\n"
LINE = "RFC 9112 §3: request-line"
ENDS = "RFC 9112 §2.2: a bare CR or LF is no line end"

CASES: Final[tuple[Case, ...]] = (
    passed("a plain GET", LINE, b"GET /<id> HTTP/1.1" + HOST, b"GET /<id> HTTP/1.1\r\n"),
    passed("a method that nobody knows", "RFC 9110 §9.1", b"BREW /<id> HTTP/1.1" + HOST, b"BREW /<id> "),
    passed("a method in lower case is another method", "RFC 9110 §9.1", b"get /<id> HTTP/1.1" + HOST, b"get /<id> "),
    passed("a method of odd token characters", "RFC 9110 §9.1", b"M-S!#$%&'*+^_`|~ /<id> HTTP/1.1" + HOST, b"M-S!#$%&'*+^_`|~ "),
    refused("HTTP/0.9", "RFC 9112 §3; nginx relays it", b"GET /<id>\r\n\r\n"),
    refused("HTTP/0.9 with a field", LINE, b"GET /<id>" + HOST),
    refused("a blank before the method", "RFC 9112 §3", b" GET /<id> HTTP/1.1" + HOST),
    refused("two blanks behind the method", LINE, b"GET  /<id> HTTP/1.1" + HOST),
    refused("two blanks before the version", LINE, b"GET /<id>  HTTP/1.1" + HOST),
    refused("a blank behind the version", LINE, b"GET /<id> HTTP/1.1 " + HOST),
    refused("a tab as separator", LINE, b"GET\t/<id>\tHTTP/1.1" + HOST),
    refused("a vertical tab as separator", LINE, b"GET\x0b/<id>\x0bHTTP/1.1" + HOST),
    refused("a form feed before the version", LINE, b"GET /<id>\x0cHTTP/1.1" + HOST),
    refused("a blank in the target", "RFC 9112 §3.2", b"GET /<id> x HTTP/1.1" + HOST),
    refused("no target", LINE, b"GET  HTTP/1.1" + HOST),
    refused("no method", LINE, b"/<id> HTTP/1.1" + HOST),
    refused("a method that is no token", "RFC 9110 §9.1", b"G(T /<id> HTTP/1.1" + HOST),
    refused("a method with a colon", "RFC 9110 §9.1", b"GET: /<id> HTTP/1.1" + HOST),
    refused("a method with NUL", "RFC 9110 §9.1", b"GE\0T /<id> HTTP/1.1" + HOST),
    refused("a method of eight bits", "RFC 9110 §9.1", b"G\xc3\x89T /<id> HTTP/1.1" + HOST),
    refused("a method without end", "RFC 9112 §3", b"A" * 600 + b" /<id> HTTP/1.1" + HOST, 501),
    refused(
        "CONNECT", "RFC 9110 §9.3.6", b"CONNECT corpus.example:443 HTTP/1.1\r\nHost: corpus.example:443\r\nX: <id>\r\n\r\n", 405
    ),
    refused("CONNECT for a path", "RFC 9110 §9.3.6", b"CONNECT /<id> HTTP/1.1" + HOST, frozenset((400, 405))),
    refused("version in lower case", "RFC 9112 §2.3: case-sensitive", b"GET /<id> http/1.1" + HOST),
    refused("version of two digits", "RFC 9112 §2.3", b"GET /<id> HTTP/1.10" + HOST),
    refused("version with a leading zero", "RFC 9112 §2.3", b"GET /<id> HTTP/01.1" + HOST),
    refused("version without a minor", "RFC 9112 §2.3", b"GET /<id> HTTP/1" + HOST),
    refused("version with a sign", "RFC 9112 §2.3", b"GET /<id> HTTP/+1.1" + HOST),
    refused("version of another protocol", "RFC 9112 §2.3", b"GET /<id> ICAP/1.0" + HOST),
    refused("version with Unicode digits", "RFC 9112 §2.3; Python's isdigit", "GET /<id> HTTP/1.١".encode() + HOST),
    refused("HTTP/2.0 in a line", "RFC 9110 §15.6.6", b"GET /<id> HTTP/2.0" + HOST, 505),
    refused("HTTP/0.1", "RFC 9110 §15.6.6", b"GET /<id> HTTP/0.1" + HOST, 505),
    refused("HTTP/3.1", "RFC 9110 §15.6.6", b"GET /<id> HTTP/3.1" + HOST, 505),
    refused(
        "the preface of HTTP/2 without HTTP/2", "RFC 9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n<id>", frozenset((400, 505))
    ),
    passed("HTTP/1.2 is answered as HTTP/1.1", "RFC 9110 §2.5", b"GET /<id> HTTP/1.2" + HOST, b" HTTP/1.1\r\n"),
    passed(
        "our own version is sent, not the client's",
        "RFC 9112 §2.3",
        b"GET /<id> HTTP/1.0\r\nHost: corpus.example\r\n\r\n",
        b"GET /<id> HTTP/1.1\r\n",
        b"Via: 1.0 twistedproxy",
        kept=False,
        got=(b"HTTP/1.1 200 ",),
    ),
    refused("LF alone behind the request line", ENDS, b"GET /<id> HTTP/1.1\nHost: corpus.example\r\n\r\n"),
    refused(
        "LF alone everywhere",
        ENDS,
        b"GET /<id> HTTP/1.1\nHost: corpus.example\n\n",
        why="RFC 9112 allows LF; who takes it disagrees with who does not",
    ),
    refused("CR alone behind the request line", ENDS, b"GET /<id> HTTP/1.1\rHost: corpus.example\r\n\r\n"),
    refused("CR alone as separator", ENDS, b"GET\r/<id> HTTP/1.1" + HOST),
    refused("CR CR LF", ENDS, b"GET /<id> HTTP/1.1\r\r\nHost: corpus.example\r\n\r\n"),
    refused("LF CR", ENDS, b"GET /<id> HTTP/1.1\n\rHost: corpus.example\r\n\r\n"),
    refused("a request hidden in the target by LF", ENDS, b"GET /<id>\nGET /<id>/x HTTP/1.1" + HOST),
    refused("NUL in the target", "RFC 9112 §3.2", b"GET /<id>\0x HTTP/1.1" + HOST),
    refused("DEL in the target", "RFC 9112 §3.2", b"GET /<id>\x7f HTTP/1.1" + HOST),
    refused("a control character in the target", "RFC 9112 §3.2", b"GET /<id>\x01 HTTP/1.1" + HOST),
    refused("eight-bit characters in the target", "RFC 3986 §2", b"GET /<id>/\xc3\xa9 HTTP/1.1" + HOST, why="escaped they pass"),
    refused("a fragment", "RFC 9112 §3.2.1", b"GET /<id>#part HTTP/1.1" + HOST),
    refused("a target beyond max_target", "RFC 9112 §3: 414", b"GET /<id>/" + b"a" * 9000 + b" HTTP/1.1" + HOST, 414),
    refused("a target that does not end", "RFC 9112 §3: 414", b"GET /<id>/" + b"a" * 60_000, 414),
    passed("a target just below max_target", "RFC 9112 §3", b"GET /<id>/" + b"a" * 8000 + b" HTTP/1.1" + HOST),
    passed("empty lines before the request", "RFC 9112 §2.2", b"\r\n\r\nGET /<id> HTTP/1.1" + HOST),
    refused("empty lines without end", "RFC 9112 §2.2", b"\r\n" * 64 + b"GET /<id> HTTP/1.1" + HOST),
    refused("an empty line of LF alone before the request", ENDS, b"\nGET /<id> HTTP/1.1" + HOST),
    refused("TLS on a plain port", "no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03<id>\r\n\r\n"),
    refused("SSH on a plain port", "no HTTP", b"SSH-2.0-<id>\r\n"),
    refused("NULs", "no HTTP", b"\0" * 64),
    refused("SOCKS", "no HTTP", b"\x05\x01\x00"),
    refused(
        "PROXY protocol that nobody asked for",
        "SECURITY.md: proxy_protocol",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /<id> HTTP/1.1" + HOST,
    ),
    refused(
        "PROXY protocol v2 that nobody asked for",
        "SECURITY.md: proxy_protocol",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2GET /<id> HTTP/1.1" + HOST,
    ),
    passed(
        "HEAD has no body whatever it announces",
        "RFC 9110 §9.3.2",
        b"HEAD /<id> HTTP/1.1" + HOST,
        b"HEAD /<id> HTTP/1.1\r\n",
        to_head=True,
        origin=((Origin.BODY, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),),
        got=(b"Content-Length: 1000\r\n",),
    ),
)
