"""Interim answers (RFC 9110 §15.2)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, Origin, answered, hostile, passed

INTERIM = "RFC 9110 §15.2: 1xx forwarded, bounded in number"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<id>"

CASES: Final[tuple[Case, ...]] = (
    answered("early hints", INTERIM, HINTS, Origin.OK, got=(HINTS,)),
    answered("early hints a moment before", INTERIM, HINTS, Origin.PAUSE, Origin.OK, got=(HINTS,)),
    answered("several interim answers in one packet with the final one", INTERIM, HINTS * 3 + OK, got=(HINTS * 3,)),
    answered(
        "102 and a status that nobody knows",
        INTERIM,
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n" + OK,
        got=(b"HTTP/1.1 199 Odd\r\n\r\n",),
    ),
    answered(
        "an interim answer has no fields for one hop and no length",
        INTERIM,
        b"HTTP/1.1 103 Hints\r\nConnection: close\r\nContent-Length: 0\r\nUpgrade: h2c\r\nLink: <a>\r\n\r\n" + OK,
        got=(b"HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n",),
    ),
    answered(
        "an interim answer whose Connection names a field",
        "RFC 9110 §7.6.1",
        b"HTTP/1.1 103 Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nLink: <a>\r\n\r\n" + OK,
        ungot=(b"X-Hop",),
    ),
    answered(
        "an interim answer that announces chunks has none",
        INTERIM,
        b"HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK,
        ungot=(b"chunked",),
    ),
    hostile(
        "the body of an interim answer",
        INTERIM,
        b"HTTP/1.1 103 Hints\r\nContent-Length: 6\r\n\r\npoison" + OK,
        ungot=(b"poison",),
    ),
    hostile("interim answers for ever", "SECURITY.md: one that sends 1xx for ever", HINTS * 500, Origin.SILENCE),
    hostile("a malformed interim answer", INTERIM, b"HTTP/1.1 103 Hints\r\nX: a\nb\r\n\r\n" + OK),
    hostile(
        "an interim answer of both lengths",
        INTERIM,
        b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + OK,
    ),
    passed(
        "no interim answer for HTTP/1.0",
        "RFC 9110 §15.2: none to 1.0 clients",
        b"GET /<id> HTTP/1.0\r\nHost: corpus.example\r\n\r\n",
        origin=((Origin.BODY, HINTS, Origin.OK),),
        ungot=(b"103",),
        kept=False,
    ),
    answered(
        "an interim answer and none for the next request",
        "RFC 9112 §9.2",
        OK + b"HTTP/1.1 103 Hints\r\n\r\n",
        peer_kept=False,
        ungot=(b"103",),
    ),
)
