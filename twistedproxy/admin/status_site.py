"""``[status]``: the state over HTTP, on a port of its own, to be read only."""

from __future__ import annotations

import json
from typing import Any, Final

from twisted.application.service import IService
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from twistedproxy.admin.live import Live
from twistedproxy.admin.page import page
from twistedproxy.admin.ports import Ports
from twistedproxy.admin.status import snapshot
from twistedproxy.settings import StatusSettings

#: On every answer: it is out of date at once, is what it says it is, and loads and runs nothing.
_FIELDS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)


def make_status_service(settings: StatusSettings, live: Live, reactor: Any) -> IService:
    """
    The status port; ``addresses`` of the service says where it listens.

    Starting raises CannotListenError when a port cannot be opened.
    """
    return Ports("status", settings.on, StatusSite(live, reactor), reactor)


class StatusSite(Site):
    """Serves ``/`` and ``/status.json``; who looks, and how often, is nobody's business."""

    def __init__(self, live: Live, reactor: Any) -> None:
        root = Resource()
        root.putChild(b"", StatusPage(live))
        root.putChild(b"status.json", StatusJson(live))
        Site.__init__(self, root, reactor=reactor)
        self.displayTracebacks = False

    def getResourceFor(self, request: Request) -> Any:
        """What answers *request*, with the fields that go on every answer."""
        for name, value in _FIELDS:
            request.setHeader(name, value)
        return Site.getResourceFor(self, request)

    def log(self, request: Any) -> None:
        """Nothing: a monitor that looks every second would drown the log."""


class StatusPage(Resource):
    """``/``: tables for people."""

    isLeaf = True

    def __init__(self, live: Live) -> None:
        Resource.__init__(self)
        self._live = live

    def render_GET(self, request: IRequest) -> bytes:
        """The page; HEAD gets its head."""
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return page(snapshot(self._live)).encode("utf-8")


class StatusJson(Resource):
    """``/status.json``: everything, for programs."""

    isLeaf = True

    def __init__(self, live: Live) -> None:
        Resource.__init__(self)
        self._live = live

    def render_GET(self, request: IRequest) -> bytes:
        """The object; HEAD gets its head."""
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps(snapshot(self._live), indent=1).encode("ascii") + b"\n"
