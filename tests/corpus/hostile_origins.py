"""Heads of answers that are none, or that nobody should see as they are (RFC 9112 §4, §5; an origin is no friend either)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, Origin, answered, hostile

S = b"HTTP/1.1 200 OK\r\n"
L = b"Content-Length: 4\r\n\r\n<id>"
STATUS = "RFC 9112 §4: status-line"
FIELD = "RFC 9112 §5: 502 from an origin"
SPLIT = "RFC 9110 §5.5; response splitting"

CASES: Final[tuple[Case, ...]] = (
    hostile("HTTP/0.9 from an origin", STATUS + "; nginx relays it", b"<html><id></html>", Origin.CLOSE, peer_kept=None),
    hostile("another protocol", STATUS, b"SSH-2.0-OpenSSH_9\r\n", Origin.SILENCE),
    hostile("another protocol in a whole head", STATUS, b"RTSP/1.0 200 OK\r\n" + L),
    hostile("a status line of HTTP/2.0", STATUS, b"HTTP/2.0 200 OK\r\n" + L),
    hostile("a version in lower case", STATUS, b"http/1.1 200 OK\r\n" + L),
    hostile("a version of two digits", STATUS, b"HTTP/1.10 200 OK\r\n" + L),
    hostile("a status of two digits", STATUS, b"HTTP/1.1 20 OK\r\n" + L),
    hostile("a status of four digits", STATUS, b"HTTP/1.1 2000 OK\r\n" + L),
    hostile("a status of 0", STATUS, b"HTTP/1.1 000 OK\r\n" + L),
    hostile("a status of 099", STATUS, b"HTTP/1.1 099 OK\r\n" + L),
    hostile("a status of 600", "RFC 9110 §15: 100 to 599", b"HTTP/1.1 600 OK\r\n" + L),
    hostile("a status with a sign", STATUS, b"HTTP/1.1 +20 OK\r\n" + L),
    hostile("a status of letters", STATUS, b"HTTP/1.1 abc OK\r\n" + L),
    hostile("a status of digits of another script", STATUS + "; Python's int()", "HTTP/1.1 ٢٠٠ OK\r\n".encode() + L),
    hostile("no status", STATUS, b"HTTP/1.1\r\n" + L),
    hostile("two blanks before the status", STATUS, b"HTTP/1.1  200 OK\r\n" + L),
    hostile("a tab before the status", STATUS, b"HTTP/1.1\t200 OK\r\n" + L),
    hostile("a status line behind an empty line", STATUS, b"\r\n" + S + L, Origin.SILENCE),
    hostile("NUL in the reason", STATUS, b"HTTP/1.1 200 O\0K\r\n" + L),
    hostile("CR in the reason", SPLIT, b"HTTP/1.1 200 OK\rSet-Cookie: a=b\r\n" + L),
    hostile("LF behind the status line", SPLIT, b"HTTP/1.1 200 OK\nSet-Cookie: a=b\r\n" + L),
    hostile(
        "LF alone everywhere in an answer",
        "RFC 9112 §2.2",
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\n<id>",
        Origin.SILENCE,
        why="as in requests",
    ),
    answered("no reason", STATUS, b"HTTP/1.1 200 \r\n" + L),
    answered("no reason and no blank", STATUS, b"HTTP/1.1 200\r\n" + L, got=(b"HTTP/1.1 200 \r\n",)),
    answered("a reason of eight bits", STATUS, b"HTTP/1.1 200 \xc3\xa9t\xe9\r\n" + L),
    answered(
        "a status that nobody knows", "RFC 9110 §15", b"HTTP/1.1 299 Odd\r\n" + L, status=299, got=(b"HTTP/1.1 299 Odd\r\n",)
    ),
    answered("a status of 599", "RFC 9110 §15", b"HTTP/1.1 599 Odd\r\n" + L, status=599),
    answered(
        "HTTP/1.0 that keeps the connection",
        "RFC 9112 §9.3",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + L,
        got=(b"HTTP/1.1 200 OK\r\n",),
    ),
    answered(
        "HTTP/1.0 that does not keep the connection",
        "RFC 9112 §9.3",
        b"HTTP/1.0 200 OK\r\n" + L,
        Origin.PAUSE,
        got=(b"HTTP/1.1 200 OK\r\n",),
        peer_kept=False,
    ),
    answered("HTTP/1.7", "RFC 9110 §2.5", b"HTTP/1.7 200 OK\r\n" + L, got=(b"HTTP/1.1 200 OK\r\n",)),
    hostile(
        "a folded field in an answer",
        "RFC 9112 §5.2: 502 from an origin",
        S + b"X: a\r\n b\r\n" + L,
        why="RFC 9112 allows to unfold; to refuse is safer",
    ),
    hostile("a blank before an answer's first field", "RFC 9112 §2.2", S + b" X: a\r\n" + L),
    hostile("a field without a colon in an answer", FIELD, S + b"nonsense\r\n" + L),
    hostile("a field without a name in an answer", FIELD, S + b": x\r\n" + L),
    hostile("a name with a blank in an answer", FIELD, S + b"X A: b\r\n" + L),
    hostile("NUL in an answer's value", FIELD, S + b"X: a\0b\r\n" + L),
    hostile("NUL in an answer's name", FIELD, S + b"X\0: b\r\n" + L),
    hostile("CR in an answer's value", SPLIT, S + b"X: a\rSet-Cookie: b=c\r\n" + L),
    hostile("LF in an answer's value", SPLIT, S + b"X: a\nSet-Cookie: b=c\r\n" + L),
    hostile("CR CR LF in an answer", SPLIT, S + b"X: a\r\r\n" + L),
    hostile("a head that ends with LF LF in an answer", "RFC 9112 §2.2", S + b"Content-Length: 4\n\n<id>", Origin.SILENCE),
    hostile("a control character in an answer's value", FIELD, S + b"X: a\x01b\r\n" + L, why="as in requests"),
    answered(
        "a blank before a colon in an answer", "RFC 9112 §5.1: removed in responses", S + b"X-A : b\r\n" + L, got=(b"X-A: b\r\n",)
    ),
    answered(
        "a blank before the colon of an answer's length",
        "RFC 9112 §5.1: removed in responses",
        S + b"Content-Length : 4\r\n\r\n<id>",
        got=(b"Content-Length: 4\r\n",),
        ungot=(b"Content-Length :",),
    ),
    answered(
        "eight bits in an answer's value",
        "RFC 9110 §5.5: obs-text",
        S + b"X-A: \xe9\x85\xff\r\n" + L,
        got=(b"X-A: \xe9\x85\xff\r\n",),
    ),
    answered(
        "cookies of an answer stay apart",
        "RFC 9110 §5.3",
        S + b"Set-Cookie: a=1\r\nX: y\r\nSet-Cookie: b=2\r\n" + L,
        got=(b"Set-Cookie: a=1\r\nX: y\r\nSet-Cookie: b=2\r\n",),
    ),
    answered("no Date from an origin", "RFC 9110 §6.6.1", S + L, got=(b"\r\nDate: ",)),
    hostile("an answer of too many fields", "issue 3: oversized heads", S + b"X: y\r\n" * 2000 + L),
    hostile("an answer's field without end", "issue 3: oversized heads", S + b"X: " + b"y" * 300_000, Origin.SILENCE),
    hostile("an answer's fields without end", "issue 3: oversized heads", S + b"X: y\r\n" * 50_000, Origin.SILENCE),
    hostile("a status line without end", "issue 3: oversized heads", b"HTTP/1.1 200 " + b"y" * 300_000, Origin.SILENCE),
    answered("an answer's head of 100 KiB", "issue 3: oversized heads", S + (b"X: " + b"y" * 1000 + b"\r\n") * 100 + L),
    hostile(
        "a CONNECT answer's trick", "RFC 9112 §6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n<id>"
    ),
)
