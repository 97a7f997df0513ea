"""Whoever is too slow is cut, in either direction, and nothing of it is passed on as complete (SECURITY.md, issue 3 point 5)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, Client, Origin, hostile

H = b"Host: corpus.example\r\n"
HEAD = "SECURITY.md: head within header_timeout"
BODY = "SECURITY.md: a body that moves"

CASES: Final[tuple[Case, ...]] = (
    Case("a connection that says nothing", HEAD, (), (), requests=0, kept=False, listener="brief"),
    Case("a request line that does not go on", HEAD, (b"GET /<id>",), (408,), requests=0, kept=False, listener="brief"),
    Case(
        "a head that does not go on",
        HEAD,
        (b"GET /<id> HTTP/1.1\r\nHost: corp",),
        (408,),
        requests=0,
        kept=False,
        listener="brief",
    ),
    Case(
        "a head that drips",
        HEAD + "; slowloris",
        (b"GET /<id> HTTP/1.1\r\n" + H, *(step for n in range(60) for step in (b"X-%d: y\r\n" % n, Client.PAUSE, Client.PAUSE))),
        (408,),
        requests=0,
        kept=False,
        listener="brief",
    ),
    Case(
        "a second head that does not go on",
        HEAD,
        (b"GET /<id> HTTP/1.1\r\n" + H + b"\r\n", Client.ANSWERED, b"GET /<id>/2 HTTP"),
        (200, 408),
        requests=1,
        kept=False,
        listener="brief",
    ),
    Case(
        "an idle connection is closed without a word",
        "RFC 9112 §9.5",
        (b"GET /<id> HTTP/1.1\r\n" + H + b"\r\n",),
        (200,),
        requests=1,
        kept=False,
        listener="brief",
    ),
    Case(
        "a body that does not go on",
        BODY,
        (b"POST /brief/<id> HTTP/1.1\r\n" + H + b"Content-Length: 10\r\n\r\nhello",),
        (408,),
        requests=1,
        kept=False,
        request_cut=True,
        peer_kept=False,
    ),
    Case(
        "a chunk that does not go on",
        BODY,
        (b"POST /brief/<id> HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",),
        (408,),
        requests=1,
        kept=False,
        request_cut=True,
        peer_kept=False,
    ),
    hostile(
        "an origin that says nothing",
        "issue 3: read_timeout",
        Origin.SILENCE,
        status=504,
        client=(b"GET /brief/<id> HTTP/1.1\r\n" + H + b"\r\n",),
    ),
    hostile(
        "an origin whose head does not go on",
        "issue 3: read_timeout",
        b"HTTP/1.1 200 OK\r\nX: ",
        Origin.SILENCE,
        status=504,
        client=(b"GET /brief/<id> HTTP/1.1\r\n" + H + b"\r\n",),
    ),
    hostile(
        "an origin whose body does not go on",
        "issue 3: read_timeout",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        Origin.SILENCE,
        status=200,
        cut=True,
        kept=False,
        client=(b"GET /brief/<id> HTTP/1.1\r\n" + H + b"\r\n",),
    ),
    hostile(
        "an origin whose chunks do not go on",
        "issue 3: read_timeout",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        Origin.SILENCE,
        status=200,
        cut=True,
        kept=False,
        client=(b"GET /brief/<id> HTTP/1.1\r\n" + H + b"\r\n",),
    ),
    hostile(
        "an origin that only sends interim answers, then nothing",
        "issue 3: read_timeout",
        b"HTTP/1.1 103 Hints\r\n\r\n",
        Origin.SILENCE,
        status=504,
        client=(b"GET /brief/<id> HTTP/1.1\r\n" + H + b"\r\n",),
    ),
)
