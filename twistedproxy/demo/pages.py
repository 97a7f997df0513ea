# mypy: allow-untyped-calls
"""The demo's own web server: the page, the slow page, and the switches that break and mend a peer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.static import Data

from twistedproxy.demo.peers import DemoPeer, send_json, send_text

#: Seconds that the slow page takes.
SLOW: Final = 1.5
#: Seconds for which the slow page may be stored.
FRESH: Final = 10

_FILES: Final = {
    b"": ("page.html", "text/html; charset=utf-8"),
    b"page.css": ("page.css", "text/css; charset=utf-8"),
    b"page.js": ("page.js", "text/javascript; charset=utf-8"),
    b"chat.js": ("chat.js", "text/javascript; charset=utf-8"),
    b"icon.svg": ("icon.svg", "image/svg+xml"),
}
# The page asks nobody but the site that it came from.
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'"
)


def pages(peers: Sequence[DemoPeer], shell_command: str, reactor: IReactorTime) -> Resource:
    """The root of everything that the demo serves beside its peers and its chat."""
    root = Resource()
    for path, (name, content_type) in _FILES.items():
        root.putChild(path, PageFile(files(__package__).joinpath(name).read_bytes(), content_type))
    root.putChild(b"demo.json", Facts(peers, shell_command))
    root.putChild(b"slow", SlowPage(reactor))
    root.putChild(b"control", Control(peers))
    return root


class PageFile(Data):
    """A file of the page."""

    def render_GET(self, request: Request) -> Any:
        """Send it, to be asked for again each time: it changes with the program."""
        request.setHeader(b"cache-control", b"no-cache")
        request.setHeader(b"content-security-policy", _POLICY)
        request.setHeader(b"x-content-type-options", b"nosniff")
        return super().render_GET(request)


class Facts(Resource):
    """``/demo.json``: what the page cannot know by itself."""

    isLeaf = True

    def __init__(self, peers: Sequence[DemoPeer], shell_command: str) -> None:
        super().__init__()
        self.peers = peers
        self.shell_command = shell_command

    def render_GET(self, request: Request) -> bytes:
        """Tell them."""
        return send_json(
            request, {"peers": [peer.described() for peer in self.peers], "shell": self.shell_command, "fresh": FRESH}
        )


class SlowPage(Resource):
    """``/slow``: takes a while to make, and may then be stored for a while."""

    isLeaf = True

    def __init__(self, reactor: IReactorTime) -> None:
        super().__init__()
        self.reactor = reactor
        self.made = 0

    def render_GET(self, request: Request) -> int:
        """Answer after :data:`SLOW` seconds, unless the client has left."""
        self.made += 1
        call = self.reactor.callLater(SLOW, self._send, request, self.made)
        request.notifyFinish().addErrback(lambda _: call.cancel() if call.active() else None)
        return NOT_DONE_YET

    def _send(self, request: Request, edition: int) -> None:
        request.setHeader(b"cache-control", b"max-age=%d" % FRESH)
        clock = time.strftime("%H:%M:%S", time.localtime())
        request.write(send_text(request, f"Edition {edition}, made at {clock} in {SLOW} seconds of hard work.\n"))
        request.finish()


class Control(Resource):
    """``POST /control/NAME/break`` and ``POST /control/NAME/mend``."""

    isLeaf = True

    def __init__(self, peers: Sequence[DemoPeer]) -> None:
        super().__init__()
        self.peers = {peer.name: peer for peer in peers}

    def render_POST(self, request: Request) -> bytes:
        """Break or mend a peer, and tell how it is now."""
        # Browsers say whence a request comes, so that no other site can press the switch.
        if request.getHeader("sec-fetch-site") not in (None, "same-origin"):
            request.setResponseCode(http.FORBIDDEN)
            return send_text(request, "only the demo's own page may do this\n")
        name, _, switch = b"/".join(request.postpath or ()).decode("latin-1").partition("/")
        peer = self.peers.get(name)
        if peer is None or switch not in ("break", "mend"):
            request.setResponseCode(http.NOT_FOUND)
            return send_text(request, "there is no such peer, or no such switch\n")
        peer.broken = switch == "break"
        return send_json(request, peer.described())
