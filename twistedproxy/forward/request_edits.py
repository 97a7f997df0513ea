"""The edits of the heads that a route's peers get."""

from __future__ import annotations

from twistedproxy.forward.header_edits import Editing
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.settings.routes import RouteSettings


def request_edits(settings: RouteSettings) -> Editing:
    """What names the exchange and its trace, then the edits of the route."""
    edits: list[HeaderEdit] = []
    if settings.request_id:
        edits.append(HeaderEdit("set", settings.request_id, "{request_id}"))
    if settings.traceparent != "no":
        edits += [HeaderEdit("set", "traceparent", "{traceparent}"), HeaderEdit("set", "tracestate", "{tracestate}")]
    return Editing((*edits, *settings.request_headers))
