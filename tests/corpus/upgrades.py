"""Upgrade (RFC 9110 §7.8) and WebSocket handshakes (RFC 6455 §4)."""

from __future__ import annotations

from typing import Any, Final

from tests.corpus.case import Case, Client, Origin, passed, refused

G = b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\n"
#: The handshake of RFC 6455 §1.3.
ASK = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
YES = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
H2C = "RFC 9110 §7.8: never h2c; nginx by its manual's recipe, HAProxy, Caddy pass it"
ASKED = "RFC 9110 §7.8: an upgrade only when asked"
HANDSHAKE = "RFC 6455 §4.2.1"
BEHIND = "RFC 6455 §4.1; Caddy 2.6 loses bytes right behind a handshake"
INNER = b"GET /<id>/smuggled HTTP/1.1\r\nHost: corpus.example\r\n\r\n"


def not_a_handshake(name: str, ask: bytes, status: int = 400, **more: Any) -> Case:
    """A handshake that is none: refused, and what follows is no tunnel."""
    settings: dict[str, Any] = {"statuses": (status,), "kept": None, **more}
    return Case(name, HANDSHAKE, (G + ask + b"\r\n",), requests=0, **settings)


CASES: Final[tuple[Case, ...]] = (
    passed(
        "h2c",
        H2C,
        G + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
        unheard=(b"h2c", b"HTTP2-Settings", b"Upgrade"),
    ),
    passed(
        "h2c that does not name its settings",
        H2C,
        G + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade\r\n\r\n",
        unheard=(b"h2c", b"HTTP2-Settings"),
    ),
    Case(
        "h2c that the origin would accept",
        H2C,
        (G + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",),
        (502,),
        requests=1,
        kept=True,
        origin=((b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", Origin.SILENCE),),
        peer_kept=False,
    ),
    passed(
        "h2c beside websocket",
        H2C,
        G + ASK.replace(b"Upgrade: websocket", b"Upgrade: h2c, websocket") + b"\r\n",
        b"Upgrade: websocket\r\n",
        unheard=(b"h2c",),
        peer_kept=None,
    ),
    passed("an upgrade to TLS", "RFC 2817", G + b"Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n", unheard=(b"Upgrade",)),
    passed("an upgrade to something", ASKED, G + b"Upgrade: foo/2\r\nConnection: Upgrade\r\n\r\n", unheard=(b"Upgrade",)),
    passed(
        "an upgrade of HTTP/1.0",
        "RFC 9110 §7.8: never in HTTP/1.0",
        (G + ASK + b"\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
        unheard=(b"Upgrade",),
        kept=False,
    ),
    passed(
        "a WebSocket on a route without",
        "CONFIG.md: websocket = no",
        G.replace(b"/<id>", b"/no-tunnel/<id>") + ASK + b"\r\n",
        unheard=(b"Upgrade",),
    ),
    Case(
        "a WebSocket",
        HANDSHAKE,
        (G + ASK + b"\r\n", Client.ANSWERED, b"ping", Client.PAUSE, Client.END),
        (101,),
        requests=1,
        kept=False,
        origin=((Origin.BODY, YES, Origin.ECHO),),
        heard=(b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        got=(b"\r\n\r\nping",),
    ),
    Case(
        "bytes right behind both handshakes",
        BEHIND,
        (G + ASK + b"\r\nping", Client.HEARD, Client.ANSWERED, Client.PAUSE, Client.END),
        (101,),
        requests=1,
        kept=False,
        origin=((YES + b"hello", Origin.ECHO),),
        got=(b"\r\n\r\nhello", b"ping"),
    ),
    Case(
        "a request right behind a handshake that is accepted",
        "smuggling by upgrade: it is data, and goes to the one peer that took it",
        (G + ASK + b"\r\n" + INNER, Client.HEARD, Client.ANSWERED, Client.PAUSE, Client.END),
        (101,),
        requests=1,
        kept=False,
        origin=((YES, Origin.ECHO),),
        got=(INNER,),
    ),
    Case(
        "a request right behind a handshake that is refused",
        "smuggling by upgrade: it is a request of its own",
        (G + ASK + b"\r\n" + b"GET /private/<id> HTTP/1.1\r\nHost: corpus.example\r\n\r\n",),
        (426, 302),
        requests=1,
        kept=True,
        origin=((Origin.BODY, b"HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n"),),
    ),
    Case(
        "a wrong version, which an origin would answer with 426, opens nothing",
        "smuggling by upgrade: a tunnel behind a failed handshake",
        (G + ASK.replace(b"13", b"1337") + b"\r\n",),
        (frozenset((400, 426)),),
        requests=0,
    ),
    not_a_handshake("a handshake of version 8", ASK.replace(b"13", b"8"), 426, got=(b"Sec-WebSocket-Version: 13\r\n",)),
    not_a_handshake("a handshake without a version", ASK.replace(b"Sec-WebSocket-Version: 13\r\n", b"")),
    not_a_handshake("a handshake without a key", ASK.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"")),
    not_a_handshake("a handshake with a short key", ASK.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=")),
    not_a_handshake("a handshake with a key that is none", ASK.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"!!!!!!!!!!!!!!!!!!!!!!==")),
    not_a_handshake("a handshake with two keys", ASK + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
    not_a_handshake("a handshake with a body", ASK + b"Content-Length: 0\r\n".replace(b"0", b"4"), kept=False),
    Case("a handshake by POST", HANDSHAKE, ((G + ASK + b"\r\n").replace(b"GET", b"POST"),), (400,), requests=0),
    Case(
        "a 101 without an accept",
        "RFC 6455 §4.1",
        (G + ASK + b"\r\n",),
        (502,),
        requests=1,
        kept=True,
        origin=((Origin.BODY, b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", Origin.SILENCE),),
        peer_kept=False,
    ),
    Case(
        "a 101 with a wrong accept",
        "RFC 6455 §4.1",
        (G + ASK + b"\r\n",),
        (502,),
        requests=1,
        kept=True,
        origin=((Origin.BODY, YES.replace(b"s3pP", b"AAAA"), Origin.SILENCE),),
        peer_kept=False,
    ),
    Case(
        "a 101 to another protocol than was asked for",
        ASKED,
        (G + ASK + b"\r\n",),
        (502,),
        requests=1,
        kept=True,
        origin=((Origin.BODY, YES.replace(b"Upgrade: websocket", b"Upgrade: h2c"), Origin.SILENCE),),
        peer_kept=False,
    ),
    Case(
        "a 101 that nobody asked for",
        ASKED,
        (G + b"\r\n",),
        (502,),
        requests=1,
        kept=True,
        origin=((Origin.BODY, YES, Origin.SILENCE),),
        peer_kept=False,
    ),
    Case(
        "a 200 instead of a 101",
        HANDSHAKE,
        (G + ASK + b"\r\n",),
        (200,),
        requests=1,
        kept=True,
    ),
    refused(
        "websocket in CONNECT",
        "RFC 8441 is for HTTP/2",
        b"CONNECT corpus.example:80 HTTP/1.1\r\nHost: corpus.example:80\r\nX: <id>\r\n" + ASK + b"\r\n",
        405,
    ),
)
