"""What runs at this moment: requests, WebSockets, streams; the longest first, and as many as people read."""

from __future__ import annotations

from heapq import nsmallest
from typing import Any, Final

from twistedproxy.admin.dashboard.failures import asked
from twistedproxy.admin.live import Live
from twistedproxy.downstream.http2 import Http2Connection
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.websocket.relay import Relay

#: Rows of each kind.
MOST: Final = 30


def running(live: Live) -> dict[str, Any]:
    """``count`` of the requests that wait for their answers' end, and the ``oldest`` of them."""
    exchanges = [exchange for exchange in live.running() if exchange.upgrade is None]
    now = live.clock.monotonic()
    oldest = nsmallest(MOST, exchanges, key=lambda exchange: exchange.started)
    return {
        "count": len(exchanges),
        "oldest": [
            {
                "number": exchange.number,
                "request": asked(exchange),
                "client": exchange.client,
                "route": exchange.route.name if exchange.route is not None else "",
                "peer": exchange.peer_name,
                "for": round(now - exchange.started, 3),
            }
            for exchange in oldest
        ],
    }


def websockets(live: Live) -> dict[str, Any]:
    """``count``, how many there are by route, and the ``oldest`` of them."""
    now = live.clock.monotonic()
    routes: dict[str, int] = {}
    for websocket in live.websockets:
        name = websocket.joined.route_name
        routes[name] = routes.get(name, 0) + 1
    oldest = []
    for websocket in nsmallest(MOST, live.websockets, key=lambda websocket: websocket.opened):
        joined = websocket.joined
        told = joined.messages_up + joined.messages_down if isinstance(joined, Relay) else None
        oldest.append(
            {
                "number": websocket.number,
                "client": websocket.client,
                "route": joined.route_name,
                "peer": joined.peer_name,
                "for": round(now - websocket.opened, 3),
                "silent": round(now - joined.last_activity, 3),
                "messages": told,
                "bytes_up": joined.bytes_up,
                "bytes_down": joined.bytes_down,
            }
        )
    return {"count": len(live.websockets), "routes": routes, "oldest": oldest}


def streams(live: Live) -> dict[str, Any]:
    """``count`` of the connections of streams, and the ``oldest`` of them."""
    now = live.clock.monotonic()
    found = [each for door in live.listeners for each in door.connections if isinstance(each, StreamConnection)]
    return {
        "count": len(found),
        "oldest": [
            {
                "number": each.number,
                "client": each.client,
                "stream": each.listener_name,
                "name": each.server_name,
                "peer": each.joined.peer_name if each.joined is not None else "",
                "for": round(now - each.opened, 3),
                "bytes_up": each.joined.bytes_up if each.joined is not None else 0,
                "bytes_down": each.joined.bytes_down if each.joined is not None else 0,
            }
            for each in nsmallest(MOST, found, key=lambda each: each.opened)
        ],
    }


def http2(live: Live) -> dict[str, dict[str, int]]:
    """Connections that speak HTTP/2, and their streams, by listener; those without any are left out."""
    found: dict[str, dict[str, int]] = {}
    for door in live.listeners:
        spoken = [each for each in door.connections if isinstance(each, Http2Connection)]
        if spoken:
            found[door.settings.name] = {"connections": len(spoken), "streams": sum(len(each.streams) for each in spoken)}
    return found
