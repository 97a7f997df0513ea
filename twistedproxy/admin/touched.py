"""Which live connections each change of a plan touches, and what becomes of them."""

from __future__ import annotations

from twistedproxy.admin.live import Live
from twistedproxy.config.plan import Change, Deed, Plan
from twistedproxy.spelling import counted


def touched(plan: Plan, live: Live) -> str:
    """*plan* in lines, each change with what it touches."""
    lines = []
    for change in plan:
        what = _touches(change, live)
        lines.append(f"{change}{f' ({what})' if what else ''}")
    return "\n".join(lines) or "nothing would change"


def _touches(change: Change, live: Live) -> str:
    if change.deed is Deed.ADDED:
        return ""
    if change.kind == "route":
        return _route(change, live)
    if change.kind == "pool":
        running = sum(peer.in_flight for peer in live.pools[change.name].peers) if change.name in live.pools else 0
        runs = f"{counted(running, 'request')} and WebSockets run there"
        return f"{runs} and {'finish' if change.deed is Deed.REMOVED else 'go on'}" if running else ""
    if change.kind == "listen":
        number = sum(len(each.connections) for each in live.listeners if each.settings.name == change.name)
        return f"{counted(number, 'connection')} {'finish' if change.deed is Deed.REMOVED else 'stay'}" if number else ""
    if change.kind == "tls":
        number = sum(len(each.connections) for each in live.listeners if each.settings.tls == change.name)
        return f"{counted(number, 'connection')} go on with what they began with" if number else ""
    if change.kind == "cache" and change.deed is Deed.REMOVED:
        return "what it has stored stays in its directory"
    return ""


def _route(change: Change, live: Live) -> str:
    name = change.name.partition(" (listen = ")[0]
    websockets = sum(websocket.joined.route_name == name for websocket in live.websockets)
    requests = sum(
        exchange.route is not None and exchange.route.name == name and exchange.upgrade is None for exchange in live.running()
    )
    parts = [counted(number, noun) for number, noun in ((requests, "request"), (websockets, "WebSocket")) if number]
    return f"{' and '.join(parts)} finish under the old rules" if parts else ""
