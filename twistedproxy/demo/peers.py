# mypy: allow-untyped-calls
"""The three peers of the demo: web servers that say who they are, and that can be broken."""

from __future__ import annotations

import json
from typing import Any, Final

from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site


class DemoPeer:
    """
    One peer.

    :ivar name: what it calls itself
    :ivar port: where it listens on the loopback interface
    :ivar weight: its weight in etc/demo.ini; only the page wants to know
    :ivar answered: requests that it has answered, checks left out
    :ivar broken: it fails its checks and cuts every other connection
    """

    def __init__(self, name: str, port: int, weight: int) -> None:
        self.name = name
        self.port = port
        self.weight = weight
        self.answered = 0
        self.broken = False

    def described(self) -> dict[str, Any]:
        """What the page is told about this peer."""
        return {"name": self.name, "port": self.port, "weight": self.weight, "answered": self.answered, "broken": self.broken}


class PeerResource(Resource):
    """Everything that a peer serves: ``/health`` for checks, ``/who`` for people."""

    isLeaf = True

    def __init__(self, peer: DemoPeer) -> None:
        super().__init__()
        self.peer = peer

    def render(self, request: Request) -> Any:
        """Answer, or fail when the peer is broken."""
        if request.path == b"/health":
            return self._health(request)
        if self.peer.broken:
            # The way in which a process that was killed fails: no answer, and the connection is reset.
            connection: Any = request.channel.transport
            connection.abortConnection()
            return NOT_DONE_YET
        if request.path != b"/who":
            request.setResponseCode(http.NOT_FOUND)
            return send_text(request, "this peer knows /who and /health\n")
        self.peer.answered += 1
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        return send_json(request, {"peer": self.peer.name, "answered": self.peer.answered, "headers": fields})

    def _health(self, request: Request) -> bytes:
        if self.peer.broken:
            request.setResponseCode(http.SERVICE_UNAVAILABLE)
            return send_text(request, "broken\n")
        return send_text(request, "well\n")


class QuietSite(Site):
    """A site that leaves logging to the proxy in front of it."""

    noisy = False

    def log(self, request: http.Request) -> None:
        """Nothing: the proxy's access log has the line."""


#: Seconds after which an idle connection is closed; longer than the proxy keeps one, so that the proxy closes first.
IDLE: Final = 300


def site(resource: Resource, reactor: Any) -> QuietSite:
    """A site for *resource* on the clock of *reactor*."""
    return QuietSite(resource, timeout=IDLE, reactor=reactor)


def send_json(request: Request, value: object) -> bytes:
    """The body of an answer in JSON that nobody may store."""
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"cache-control", b"no-store")
    return json.dumps(value).encode()


def send_text(request: Request, text: str) -> bytes:
    """The body of an answer in plain text."""
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    return text.encode()
