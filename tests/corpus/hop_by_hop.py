"""What is for one hop goes no further, and nobody's protection goes with it (RFC 9110 §7.6)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import GET, Case, Origin, passed

G = b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\n"
HOP = "RFC 9110 §7.6.1: fields named by Connection are removed"
KEPT = "RFC 9110 §7.6.1: but never what protects, on a client's word; HAProxy 2.6 passes the list on"
CACHED = "smuggling by the cache: what hides fields is not stored"


def protected(name: bytes, value: bytes, *more: bytes) -> Case:
    """A field that stays though Connection names it."""
    return passed(
        f"Connection: {name.decode()}",
        KEPT,
        G + name + b": " + value + b"\r\nConnection: close, " + name + b"\r\n\r\n",
        *(more or (name + b": " + value + b"\r\n",)),
        unheard=(b"\r\nConnection:",),
        kept=False,
    )


CASES: Final[tuple[Case, ...]] = (
    passed("a field that Connection names", HOP, G + b"X-Hop: 1\r\nConnection: x-hop\r\n\r\n", unheard=(b"x-hop",)),
    passed(
        "fields that two Connections name",
        HOP,
        G + b"X-A: 1\r\nX-B: 2\r\nConnection: X-A\r\nConnection: X-B\r\n\r\n",
        unheard=(b"x-a", b"x-b"),
    ),
    passed("Keep-Alive", HOP, G + b"Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\n", unheard=(b"keep-alive",)),
    passed("Keep-Alive that Connection does not name", HOP, G + b"Keep-Alive: timeout=5\r\n\r\n", unheard=(b"keep-alive",)),
    passed("Proxy-Connection", HOP, G + b"Proxy-Connection: keep-alive\r\n\r\n", unheard=(b"proxy-connection",)),
    passed("TE", "RFC 9110 §10.1.4", G + b"TE: trailers, gzip\r\nConnection: TE\r\n\r\n", unheard=(b"\r\nTE:",)),
    passed("TE that Connection does not name", "RFC 9110 §10.1.4", G + b"TE: gzip\r\n\r\n", unheard=(b"\r\nTE:",)),
    passed(
        "Upgrade that Connection does not name", "RFC 9110 §7.8", G + b"Upgrade: websocket\r\n\r\n", unheard=(b"\r\nUpgrade",)
    ),
    passed("Connection without a value", HOP, G + b"Connection:\r\n\r\n", unheard=(b"\r\nConnection",)),
    passed("Connection of commas", HOP, G + b"Connection: , ,,\r\n\r\n", unheard=(b"\r\nConnection",)),
    passed("Connection of nonsense", HOP, G + b'Connection: "close", =, @ \xff\r\n\r\n', unheard=(b"\r\nConnection",)),
    passed(
        "Connection of very many names", HOP, G + b"Connection: " + b"a," * 10_000 + b"x\r\n\r\n", unheard=(b"\r\nConnection",)
    ),
    passed("Connection names Connection", HOP, G + b"Connection: connection\r\n\r\n", unheard=(b"\r\nConnection",)),
    protected(b"X-Forwarded-For", b"6.6.6.6", b"X-Forwarded-For: 127.0.0.1\r\n"),
    protected(b"X-Forwarded-Proto", b"https", b"X-Forwarded-Proto: http\r\n"),
    protected(b"X-Forwarded-Host", b"evil", b"X-Forwarded-Host: corpus.example\r\n"),
    protected(b"X-Real-IP", b"6.6.6.6", b"X-Real-IP: 127.0.0.1\r\n"),
    protected(b"Authorization", b"Basic YTpi"),
    protected(b"Cookie", b"session=1"),
    protected(b"Cache-Control", b"no-cache"),
    protected(b"Content-Type", b"text/plain"),
    protected(b"Range", b"bytes=0-1"),
    protected(b"Origin", b"http://corpus.example"),
    protected(b"Referer", b"http://corpus.example/"),
    passed("Connection: Host", KEPT, G + b"Connection: host\r\n\r\n", b"Host: corpus.example\r\n"),
    passed("Connection: Via", KEPT, G + b"Via: 1.1 wilma\r\nConnection: via\r\n\r\n", b"Via: 1.1 wilma, 1.1 twistedproxy\r\n"),
    passed(
        "Connection names what a believed proxy said",
        KEPT,
        G + b"X-Forwarded-For: 192.0.2.7\r\nConnection: X-Forwarded-For\r\n\r\n",
        b"X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n",
        listener="trusting",
    ),
    passed(
        "Max-Forwards of OPTIONS counts down",
        "RFC 9110 §7.6.2",
        G.replace(b"GET", b"OPTIONS") + b"Max-Forwards: 5\r\n\r\n",
        b"Max-Forwards: 4\r\n",
    ),
    Case(
        "Max-Forwards of TRACE ends here",
        "RFC 9110 §7.6.2",
        (G.replace(b"GET", b"TRACE") + b"Max-Forwards: 0\r\n\r\n",),
        (frozenset((200, 405)),),
        requests=0,
    ),
    Case(
        "Max-Forwards of OPTIONS ends here",
        "RFC 9110 §7.6.2",
        (G.replace(b"GET", b"OPTIONS") + b"Max-Forwards: 0\r\n\r\n",),
        (frozenset((200, 204, 405)),),
        requests=0,
    ),
    passed("Max-Forwards of GET means nothing", "RFC 9110 §7.6.2", G + b"Max-Forwards: 0\r\n\r\n", b"Max-Forwards: 0\r\n"),
    passed("Max-Forwards of nonsense", "RFC 9110 §7.6.2", G.replace(b"GET", b"OPTIONS") + b"Max-Forwards: -1\r\n\r\n"),
    passed(
        "Max-Forwards without end",
        "RFC 9110 §7.6.2; Python's int()",
        G.replace(b"GET", b"OPTIONS") + b"Max-Forwards: " + b"9" * 5000 + b"\r\n\r\n",
    ),
    Case(
        "an answer's fields for one hop",
        HOP,
        (GET,),
        (200,),
        requests=1,
        kept=True,
        origin=(
            (
                Origin.BODY,
                b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n"
                b"Proxy-Connection: x\r\nUpgrade: h2c\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n",
            ),
        ),
        got=(b"X-End: 2\r\n", b"Content-Length: 0\r\n"),
        ungot=(b"X-Hop", b"Keep-Alive", b"Proxy-Connection", b"h2c"),
        peer_kept=True,
    ),
    Case(
        "an answer whose Connection names its length",
        HOP,
        (GET,),
        (200,),
        requests=1,
        kept=True,
        origin=((Origin.BODY, b"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello"),),
        got=(b"\r\n\r\nhello",),
    ),
    Case(
        "what hides a field is not taken from the cache, nor put there",
        CACHED,
        (
            b"GET /cached/<id> HTTP/1.1\r\nHost: corpus.example\r\nX-Tenant: a\r\nConnection: x-tenant\r\n\r\n"
            b"GET /cached/<id> HTTP/1.1\r\nHost: corpus.example\r\nX-Tenant: a\r\n\r\n",
        ),
        (200, 200),
        requests=2,
        kept=True,
        origin=(
            (Origin.BODY, b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: X-Tenant\r\nContent-Length: 5\r\n\r\nnaked"),
            (Origin.BODY, b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: X-Tenant\r\nContent-Length: 5\r\n\r\ndress"),
        ),
        got=(b"naked", b"dress"),
    ),
    Case(
        "a cut answer is not stored",
        "DESIGN.md: a response cut short is never cached",
        (b"GET /cached/<id> HTTP/1.1\r\nHost: corpus.example\r\n\r\n",),
        (200,),
        requests=1,
        kept=False,
        cut=True,
        origin=(
            (
                Origin.BODY,
                b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 50\r\n\r\nhalf",
                Origin.PAUSE,
                Origin.CLOSE,
            ),
        ),
    ),
)
