"""``[status]``: the state over HTTP, on a port of its own, to be read only."""

from __future__ import annotations

import json
from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Site

from twistedproxy.admin.life import Stage
from twistedproxy.admin.live import Live
from twistedproxy.admin.metrics import Metrics
from twistedproxy.admin.page import page
from twistedproxy.admin.ports import Ports
from twistedproxy.admin.status import snapshot
from twistedproxy.settings import StatusSettings
from twistedproxy.transport.sockets import Sockets

#: On every answer: it is out of date at once, is what it says it is, and loads and runs nothing.
_FIELDS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)


def make_status_service(settings: StatusSettings, live: Live, reactor: Any, sockets: Sockets | None = None) -> Ports:
    """
    The status port.

    Starting raises CannotListenError when a port cannot be opened.
    """
    return Ports("status", settings.on, StatusSite(live, reactor), reactor, sockets)


class StatusSite(Site):
    """Serves ``/``, ``/status.json`` and ``/metrics``; who looks, and how often, is nobody's business."""

    noisy = False

    def __init__(self, live: Live, reactor: Any) -> None:
        Site.__init__(self, Status(live), reactor=reactor)
        self.displayTracebacks = False

    def log(self, request: Any) -> None:
        """Nothing: a monitor that looks every second would drown the log."""


class Status(Resource):
    """Everything under the port: documents, which can be read."""

    isLeaf = True

    def __init__(self, live: Live) -> None:
        Resource.__init__(self)
        self._live = live
        self._metrics = Metrics(live)

    def render(self, request: Any) -> bytes:
        """The answer to *request*; to HEAD without its content (RFC 9110 §9.3.2)."""
        for name, value in _FIELDS:
            request.setHeader(name, value)
        kind, content = self._answer(request)
        request.setHeader(b"Content-Type", kind)
        request.setHeader(b"Content-Length", b"%d" % len(content))
        return b"" if request.method == b"HEAD" else content

    def _answer(self, request: Any) -> tuple[bytes, bytes]:
        """The media type and the content."""
        if request.path == b"/ready":
            return self._ready(request)
        if request.path not in (b"/", b"/status.json", b"/metrics"):
            request.setResponseCode(404)
            return b"text/plain", b"there is only /, /status.json, /metrics and /ready\n"
        if request.method not in (b"GET", b"HEAD"):
            request.setResponseCode(405)
            request.setHeader(b"Allow", b"GET, HEAD")
            return b"text/plain", b"the state can only be read\n"
        if request.path == b"/metrics":
            return self._metrics.page((request.getHeader(b"Accept") or b"").decode("latin-1"))
        state = snapshot(self._live)
        if request.path == b"/":
            return b"text/html; charset=utf-8", page(state).encode("utf-8")
        return b"application/json", json.dumps(state, indent=1).encode("ascii") + b"\n"

    def _ready(self, request: Any) -> tuple[bytes, bytes]:
        """Whether balancers before us may send requests: 200, or 503 from the moment on at which the proxy drains."""
        stage = self._live.life.stage if self._live.life is not None else Stage.READY
        if stage is not Stage.READY:
            request.setResponseCode(503)
        return b"text/plain; charset=utf-8", f"{stage}\n".encode()
