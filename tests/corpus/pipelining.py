"""Several requests on a connection: in order, each of them once, nothing after a close (RFC 9112 §9.3, §9.6)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, Client, Origin

H = b"Host: corpus.example\r\n"
ORDER = "RFC 9112 §9.3.2: pipelined answers in order"
CLOSE = "RFC 9112 §9.6: nothing after close"
#: An answer that nobody asked for.
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
SURPLUS = "RFC 9112 §9.2: surplus bytes are no answer"


def get(path: bytes, *fields: bytes) -> bytes:
    """A request for ``/<id>`` and *path*."""
    return b"GET /<id>" + path + b" HTTP/1.1\r\n" + H + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def ok(body: bytes, surplus: bytes = b"") -> tuple[Origin | bytes, ...]:
    """The origin answers with a *body*, and with more than was asked for."""
    return (Origin.BODY, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) + surplus)


CASES: Final[tuple[Case, ...]] = (
    Case(
        "two requests in one packet",
        ORDER,
        (get(b"/1") + get(b"/2"),),
        (200, 200),
        requests=2,
        kept=True,
        origin=(ok(b"first"), ok(b"second")),
        got=(b"first", b"second"),
        ungot=(b"secondHTTP/1.1 200 OK\r\nfirst",),
    ),
    Case(
        "ten requests in one packet", ORDER, (b"".join(get(b"/%d" % n) for n in range(10)),), (200,) * 10, requests=10, kept=True
    ),
    Case(
        "a body, and a request right behind it",
        ORDER,
        (b"POST /<id>/1 HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhello" + get(b"/2"),),
        (200, 200),
        requests=2,
        kept=True,
        body=b"hello",
    ),
    Case(
        "chunks, and a request right behind them",
        ORDER,
        (b"POST /<id>/1 HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + get(b"/2"),),
        (200, 200),
        requests=2,
        kept=True,
        body=b"hello",
    ),
    Case(
        "a slow answer before a quick one",
        ORDER,
        (get(b"/1") + get(b"/2"),),
        (200, 200),
        requests=2,
        kept=True,
        origin=((Origin.BODY, Origin.PAUSE, Origin.PAUSE, Origin.OK), (Origin.BODY, Origin.OK)),
    ),
    Case(
        "a refused request behind a good one",
        ORDER,
        (get(b"/1") + b"GET /<id>/2 HTTP/1.1\r\nnonsense\r\n\r\n" + get(b"/3"),),
        (200, 400),
        requests=1,
        kept=False,
    ),
    Case(
        "a good request behind a refused one",
        CLOSE,
        (b"GET /<id>/1 HTTP/9.1\r\n\r\n" + get(b"/2"),),
        (505,),
        requests=0,
        kept=False,
    ),
    Case(
        "a request behind Connection: close",
        CLOSE,
        (get(b"/1", b"Connection: close") + get(b"/2"),),
        (200,),
        requests=1,
        kept=False,
    ),
    Case(
        "a request behind Connection: CLOSE in a list",
        CLOSE,
        (get(b"/1", b"Connection: foo, CLOSE") + get(b"/2"),),
        (200,),
        requests=1,
        kept=False,
    ),
    Case(
        "a request behind close and keep-alive together",
        CLOSE,
        (get(b"/1", b"Connection: keep-alive, close") + get(b"/2"),),
        (200,),
        requests=1,
        kept=False,
    ),
    Case(
        "a request behind HTTP/1.0",
        CLOSE,
        (b"GET /<id>/1 HTTP/1.0\r\n" + H + b"\r\n" + get(b"/2"),),
        (200,),
        requests=1,
        kept=False,
    ),
    Case(
        "HTTP/1.0 with keep-alive",
        "RFC 9112 §9.3",
        (b"GET /<id> HTTP/1.0\r\n" + H + b"Connection: keep-alive\r\n\r\n",),
        (200,),
        requests=1,
        kept=True,
        got=(b"Connection: keep-alive\r\n",),
    ),
    Case(
        "HTTP/1.0 with keep-alive, and an answer without a length",
        "RFC 9112 §6.1: no chunked to 1.0 clients",
        (b"GET /<id> HTTP/1.0\r\n" + H + b"Connection: keep-alive\r\n\r\n",),
        (200,),
        requests=1,
        kept=False,
        origin=((Origin.BODY, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),),
        got=(b"\r\n\r\nhello",),
        ungot=(b"chunked",),
    ),
    Case(
        "garbage behind a request",
        "RFC 9112 §9.3.2",
        (get(b"/1") + b"\0\1\2garbage",),
        (200, 400),
        requests=1,
        kept=False,
    ),
    Case(
        "a body that nobody announced is a bad request",
        "smuggling: CL.0",
        (b"POST /<id> HTTP/1.1\r\n" + H + b"\r\n" + b"x=1&y=2 GET /<id>/smuggled HTTP/1.1\r\n" + H + b"\r\n",),
        (200, 400),
        requests=1,
        kept=False,
    ),
    Case(
        "an origin sends two answers for one request",
        SURPLUS,
        (get(b"/1"), Client.ANSWERED, get(b"/2")),
        (200, 200),
        requests=2,
        kept=True,
        origin=(ok(b"first", surplus=POISON), ok(b"second")),
        got=(b"first", b"second"),
        ungot=(b"poison",),
        peer_kept=False,
    ),
    Case(
        "an origin sends a second answer a moment later",
        SURPLUS,
        (get(b"/1"), Client.ANSWERED, Client.PAUSE, Client.PAUSE, get(b"/2")),
        (200, 200),
        requests=2,
        kept=True,
        origin=((*ok(b"first"), Origin.PAUSE, POISON), ok(b"second")),
        ungot=(b"poison",),
        peer_kept=False,
        alone=True,
    ),
    Case(
        "an origin answers before the next request of the pipeline",
        SURPLUS,
        (get(b"/1") + get(b"/2"),),
        (200, 200),
        requests=2,
        kept=True,
        origin=(ok(b"first", surplus=POISON), ok(b"second")),
        got=(b"first", b"second"),
        ungot=(b"poison",),
        peer_kept=False,
    ),
    Case(
        "an origin closes the connection behind its answer",
        "httpd: a pooled connection closed by the origin becomes a 502",
        (get(b"/1"), Client.ANSWERED, get(b"/2")),
        (200, 200),
        requests=2,
        kept=True,
        origin=((Origin.BODY, Origin.OK, Origin.CLOSE), (Origin.BODY, Origin.OK)),
        alone=True,
    ),
    Case(
        "an origin resets the connection behind its answer",
        "httpd: a pooled connection closed by the origin becomes a 502",
        (get(b"/1"), Client.ANSWERED, get(b"/2")),
        (200, 200),
        requests=2,
        kept=True,
        origin=((Origin.BODY, Origin.OK, Origin.RESET), (Origin.BODY, Origin.OK)),
        alone=True,
    ),
    Case(
        "half a second request",
        "RFC 9112 §8",
        (get(b"/1") + b"GET /<id>/2 HTTP/1.1\r\nHos", Client.ANSWERED, Client.END),
        (200,),
        requests=1,
        kept=False,
    ),
    Case(
        "pipelined requests of a client that closed its sending side",
        "issue 3: half-closed clients",
        (get(b"/1") + get(b"/2"), Client.END),
        (200, 200),
        requests=2,
        kept=False,
    ),
)
