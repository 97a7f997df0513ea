"""Expect (RFC 9110 §10.1.1), and answers that come before a request is complete (RFC 9112 §9.3, issue 3 point 4)."""

from __future__ import annotations

from typing import Final

from tests.corpus.case import Case, Client, Origin, passed, refused

P = b"POST /<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 5\r\n"
EXPECT = "RFC 9110 §10.1.1: Expect"
EARLY = "issue 3: a peer that answers before the body is read"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

CASES: Final[tuple[Case, ...]] = (
    Case(
        "continue is asked of the origin",
        EXPECT,
        (P + b"Expect: 100-continue\r\n\r\n", Client.HEARD, Client.ANSWERED, b"hello"),
        (200,),
        requests=1,
        kept=True,
        origin=((CONTINUE, Origin.BODY, Origin.OK),),
        heard=(b"Expect: 100-continue\r\n",),
        got=(CONTINUE,),
        body=b"hello",
        peer_kept=True,
    ),
    passed("continue in other letters, and a body at once", EXPECT, P + b"Expect: 100-Continue\r\n\r\nhello", body=b"hello"),
    passed(
        "an origin that says continue though the body is there",
        EXPECT,
        P + b"Expect: 100-continue\r\n\r\nhello",
        origin=((CONTINUE, Origin.BODY, CONTINUE, Origin.OK),),
        body=b"hello",
    ),
    passed(
        "an origin that says continue though nobody asked",
        "RFC 9110 §15.2",
        P + b"\r\nhello",
        origin=((CONTINUE, Origin.BODY, Origin.OK),),
        body=b"hello",
    ),
    Case(
        "an expectation that the origin refuses",
        EXPECT + "; CVE: what follows is a body or a request, so the connection closes",
        (
            P + b"Expect: 100-continue\r\n\r\n",
            Client.HEARD,
            Client.ANSWERED,
            b"GET /<id>/smuggled HTTP/1.1\r\nHost: corpus.example\r\n\r\n",
        ),
        (417,),
        requests=1,
        kept=False,
        origin=((b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n",),),
        request_cut=True,
        peer_kept=False,
    ),
    refused("an expectation that nobody knows", EXPECT, P + b"Expect: 200-ok\r\n\r\nhello", 417),
    refused("two expectations", EXPECT, P + b"Expect: 100-continue\r\nExpect: 100-continue\r\n\r\nhello", 417),
    refused("a list of expectations", EXPECT, P + b"Expect: 100-continue, x\r\n\r\nhello", 417),
    refused("an expectation in quotes", EXPECT, P + b'Expect: "100-continue"\r\n\r\nhello', 417),
    refused("an empty expectation", EXPECT, P + b"Expect:\r\n\r\nhello", 417),
    refused("an obfuscated expectation", EXPECT + " (Expect: y 100-continue)", P + b"Expect: y 100-continue\r\n\r\nhello", 417),
    passed(
        "an expectation without a body", EXPECT, b"GET /<id> HTTP/1.1\r\nHost: corpus.example\r\nExpect: 100-continue\r\n\r\n"
    ),
    passed(
        "an expectation of HTTP/1.0",
        EXPECT + ": ignored",
        b"POST /<id> HTTP/1.0\r\nHost: corpus.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        unheard=(b"Expect",),
        kept=False,
        body=b"hello",
    ),
    passed(
        "HEAD with an expectation and a body",
        EXPECT + "; desynchronisation by 100-continue and HEAD",
        b"HEAD /<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        origin=((CONTINUE, Origin.BODY, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),),
        to_head=True,
        body=b"hello",
    ),
    Case(
        "an early answer, then the rest of the body",
        EARLY,
        (P + b"\r\nhe", Client.HEARD, Client.ANSWERED, b"llo"),
        (413,),
        requests=1,
        kept=False,
        origin=((Origin.SOME, b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"),),
        request_cut=True,
        peer_kept=False,
    ),
    Case(
        "an early answer, and a request instead of the rest of the body",
        EARLY + "; smuggling by the unread rest",
        (
            P.replace(b"5", b"60") + b"\r\nhe",
            Client.HEARD,
            Client.ANSWERED,
            b"GET /<id>/smuggled HTTP/1.1\r\nHost: corpus.example\r\n\r\n" * 2,
        ),
        (200,),
        requests=1,
        kept=False,
        origin=((Origin.SOME, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),),
        request_cut=True,
        peer_kept=False,
    ),
    Case(
        "an early answer and an end of the connection",
        EARLY,
        (P + b"\r\nhe", Client.HEARD, Client.ANSWERED),
        (400,),
        requests=1,
        kept=False,
        origin=((Origin.SOME, b"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", Origin.CLOSE),),
        request_cut=True,
    ),
    Case(
        "a body that is refused by its length is not read on",
        "RFC 9110 §15.5.14",
        (b"POST /small/<id> HTTP/1.1\r\nHost: corpus.example\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n",),
        (413,),
        requests=0,
        kept=False,
        ungot=(b"100 Continue",),
    ),
)
