"""Messages that do not come to their end are seen to be incomplete by the other side (RFC 9112 §8)."""

from __future__ import annotations

from typing import Any, Final

from tests.corpus.case import Case, Client, Origin, hostile

H = b"Host: corpus.example\r\n"
CUT_UP = "RFC 9112 §8; Varnish 7.1 ends a cut upload with a regular last chunk"
CUT_DOWN = "RFC 9112 §8; Caddy 2.6 ends a cut answer as a complete one"
LEFT = "issue 3: a client that leaves: the peer's work is cancelled"
POST = b"POST /<id> HTTP/1.1\r\n" + H
CODED = b"Transfer-Encoding: chunked\r\n\r\n"

#: Uploads that stop somewhere.
UPLOADS: Final = {
    "in mid-body": b"Content-Length: 10\r\n\r\nhello",
    "one byte before the end": b"Content-Length: 6\r\n\r\nhello",
    "before the first chunk": CODED,
    "in a chunk size": CODED + b"5",
    "behind a chunk size": CODED + b"5\r\n",
    "in mid-chunk": CODED + b"5\r\nhel",
    "behind a chunk's data": CODED + b"5\r\nhello",
    "behind a chunk": CODED + b"5\r\nhello\r\n",
    "behind the last size": CODED + b"5\r\nhello\r\n0",
    "before the empty line": CODED + b"5\r\nhello\r\n0\r\n",
    "in the trailers": CODED + b"5\r\nhello\r\n0\r\nX: y\r\n",
}


def upload(name: str, sends: bytes, end: Client) -> Case:
    """A client that stops in mid-request: the origin never gets a complete one, and nothing is done twice."""
    return Case(
        f"an upload cut {name} by {'a reset' if end is Client.RESET else 'an end'}",
        CUT_UP,
        (POST + sends, Client.HEARD, end),
        (),
        requests=1,
        kept=False if end is Client.END else None,
        origin=((Origin.BODY, Origin.OK),),
        request_cut=True,
        peer_kept=False,
    )


def download(name: str, *says: bytes | Origin, **more: Any) -> Case:
    """An origin that stops in mid-answer: the client sees so."""
    settings: dict[str, Any] = {"status": 200, "kept": False, "cut": True, "peer_kept": None, **more}
    return hostile(f"an answer cut {name}", CUT_DOWN, *says, **settings)


OK_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
OK_CODED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GET_1_0 = b"GET /<id> HTTP/1.0\r\n" + H + b"\r\n"
ONE_OR_TWO = frozenset((1, 2))
CLOSES = (Origin.PAUSE, Origin.CLOSE)

CASES: Final[tuple[Case, ...]] = (
    *(upload(name, sends, end) for name, sends in UPLOADS.items() for end in (Client.END, Client.RESET)),
    Case("a head cut in the request line", "RFC 9112 §8", (b"GET /<id> HT", Client.END), (), requests=0, kept=False),
    Case(
        "a head cut in a field", "RFC 9112 §8", (b"GET /<id> HTTP/1.1\r\n" + H + b"X-A: ", Client.END), (), requests=0, kept=False
    ),
    Case(
        "a head cut before its empty line", "RFC 9112 §8", (b"GET /<id> HTTP/1.1\r\n" + H, Client.END), (), requests=0, kept=False
    ),
    Case("a connection without a byte", "RFC 9112 §9.6", (Client.END,), (), requests=0, kept=False),
    Case(
        "a client that leaves before the answer",
        LEFT,
        (b"GET /<id> HTTP/1.1\r\n" + H + b"\r\n", Client.HEARD, Client.RESET),
        (),
        requests=1,
        origin=((Origin.BODY, Origin.SILENCE),),
        peer_kept=False,
    ),
    Case(
        "a client that leaves in mid-answer",
        LEFT,
        (b"GET /<id> HTTP/1.1\r\n" + H + b"\r\n", Client.HEARD, Client.ANSWERED, Client.RESET),
        (200,),
        requests=1,
        cut=True,
        origin=((Origin.BODY, OK_LENGTH + b"hello", Origin.SILENCE),),
        peer_kept=False,
    ),
    Case(
        "a client that closes its sending side still gets its answer",
        "issue 3: half-closed clients",
        (b"GET /<id> HTTP/1.1\r\n" + H + b"\r\n", Client.END),
        (200,),
        requests=1,
        kept=False,
        origin=((Origin.BODY, Origin.PAUSE, Origin.PAUSE, Origin.OK),),
    ),
    download("before its body", OK_LENGTH, *CLOSES),
    download("in mid-body", OK_LENGTH + b"hello", *CLOSES),
    download("one byte before its end", OK_LENGTH + b"hello wor", *CLOSES),
    download("in mid-body at once", OK_LENGTH + b"hello", Origin.CLOSE),
    download("in mid-body by a reset", OK_LENGTH + b"hello", Origin.PAUSE, Origin.RESET),
    download("before its first chunk", OK_CODED, *CLOSES),
    download("in a chunk size", OK_CODED + b"5", *CLOSES),
    download("in mid-chunk", OK_CODED + b"5\r\nhel", *CLOSES),
    download("behind a chunk", OK_CODED + b"5\r\nhello\r\n", *CLOSES),
    download("behind a chunk at once", OK_CODED + b"5\r\nhello\r\n", Origin.CLOSE),
    download("behind its last size", OK_CODED + b"5\r\nhello\r\n0\r\n", *CLOSES),
    download("in its trailers", OK_CODED + b"5\r\nhello\r\n0\r\nX: y\r\n", *CLOSES),
    download("without a length, by a reset", b"HTTP/1.1 200 OK\r\n\r\nhello", Origin.PAUSE, Origin.RESET),
    download(
        "for an HTTP/1.0 client, which sees no chunks",
        OK_CODED + b"5\r\nhello\r\n",
        *CLOSES,
        client=(GET_1_0,),
    ),
    hostile(
        "no answer at all",
        "RFC 9112 §8; GET is repeated once when the connection was a kept one",
        Origin.CLOSE,
        requests=ONE_OR_TWO,
        peer_kept=None,
    ),
    hostile("no answer but a reset", "RFC 9112 §8; as above", Origin.RESET, requests=ONE_OR_TWO, peer_kept=None),
    hostile("half a status line", "RFC 9112 §8", b"HTTP/1.1 20", *CLOSES, peer_kept=None),
    hostile("half a head", "RFC 9112 §8", b"HTTP/1.1 200 OK\r\nContent-Le", *CLOSES, peer_kept=None),
    hostile("a head without its empty line", "RFC 9112 §8", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", *CLOSES, peer_kept=None),
    hostile("an interim answer and nothing more", "RFC 9110 §15.2", b"HTTP/1.1 103 Hints\r\n\r\n", *CLOSES, peer_kept=None),
    hostile(
        "POST is not repeated when the origin gives up",
        "RFC 9110 §9.2.2: what is not idempotent is never repeated",
        Origin.CLOSE,
        client=(POST + b"Content-Length: 5\r\n\r\nhello",),
        peer_kept=None,
    ),
)
