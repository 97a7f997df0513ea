"""A responder is asked by treq: a client's work, beside the data path."""

from __future__ import annotations

from typing import Any, Final, cast

from treq.client import HTTPClient
from twisted.internet.defer import inlineCallbacks
from twisted.web.client import Agent, BrowserLikeRedirectAgent
from twisted.web.http_headers import Headers

from twistedproxy.tls.ocsp import OcspProblem
from twistedproxy.tls.stapling import Ask

#: Seconds in which a responder must have answered.
_TIMEOUT: Final = 15.0
#: Bytes of an answer, at most; usual ones have 2,000.
_MOST: Final = 64 * 1024


def asking(reactor: Any) -> Ask:
    """Requests over HTTP (RFC 6960 §A.1), on *reactor*."""
    client = HTTPClient(BrowserLikeRedirectAgent(Agent(reactor, connectTimeout=_TIMEOUT), redirectLimit=3))
    headers = Headers({"Content-Type": ["application/ocsp-request"], "Accept": ["application/ocsp-response"]})

    @inlineCallbacks
    def ask(url: str, request: bytes) -> Any:
        response = yield client.post(url, data=request, headers=headers, timeout=_TIMEOUT, unbuffered=True)
        if response.code != 200:
            raise OcspProblem(f"the responder answers with status {response.code}")
        data = bytearray()

        def take(piece: bytes) -> None:
            data.extend(piece)
            if len(data) > _MOST:
                raise OcspProblem("the answer is too large")

        yield response.collect(take)
        return bytes(data)

    return cast("Ask", ask)
