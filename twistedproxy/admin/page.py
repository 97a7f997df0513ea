"""``/plain``: the snapshot as HTML tables, for browsers without scripts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from twistedproxy.admin.tables import count, duration, percent, size
from twistedproxy.balance.membership import SITE

_Cell = str | int


def page(state: dict[str, Any]) -> str:
    """The whole page for *state*, a snapshot of :mod:`twistedproxy.admin.status`."""
    totals, process, now = state["totals"], state["process"], state["now"]
    summary = (
        f"Version {state['version']}, process {process['pid']}, up {duration(state['uptime'])}. "
        f"{count(totals['requests'])} requests, {count(totals['errors'])} errors, "
        f"{count(totals['connections'])} connections, {count(totals['websockets'])} WebSockets; "
        f"{size(process['memory'])} of memory, {process['files'] if process['files'] is not None else '?'} open files."
    )
    parts = [
        "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>twistedproxy</title>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f'<link rel=stylesheet href="plain.css">\n<h1>twistedproxy</h1>\n<p>{html.escape(summary)}</p>\n'
        '<p><a href="./">The dashboard</a>; <a href="status.json">the same as JSON</a></p>\n'
    ]
    columns: Sequence[str]
    for name, pool in state["pools"].items():
        members = sum(peer["state"] != "removed" for peer in pool["peers"])
        problems = "; ".join(f"{each['name']}: {each['problem']}" for each in pool["names"] if each["problem"])
        title = f"Pool {name}: {pool['available']} of {members} up{f' ({problems})' if problems else ''}"
        columns = ("Peer", "State", "#Weight", "#Running", "#Attempts", "#Failed", "Last check", "Since", "Because")
        parts.append(_section(title, columns, (_peer(peer, now) for peer in pool["peers"])))
    columns = ("Route", "To", "Cache", "#Requests", "#1xx", "#2xx", "#3xx", "#4xx", "#5xx", "#Errors")
    parts.append(_section("Routes", columns, (_route(route) for route in state["routes"])))
    columns = ("Listener", "On", "TLS", "#Connections", "#At most", "#Accepted")
    parts.append(_section("Listeners", columns, (_listener(listener) for listener in state["listeners"])))
    if state["caches"]:
        columns = ("Cache", "#Files", "#Size", "#Of", "#Hits", "#Stale", "#Misses", "#Hit ratio")
        parts.append(_section("Caches", columns, (_cache(name, cache) for name, cache in state["caches"].items())))
    return "".join(parts)


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[_Cell]]) -> str:
    """A heading and its table; titles of columns that begin with ``#`` are numbers'."""
    numeric = [name.startswith("#") for name in columns]
    head = _row("th", [name.removeprefix("#") for name in columns], numeric)
    body = "".join(_row("td", row, numeric) for row in rows)
    return f"<h2>{html.escape(title)}</h2>\n<div><table>\n{head}{body}</table></div>\n"


def _row(tag: str, cells: Iterable[_Cell], numeric: Iterable[bool]) -> str:
    inside = "".join(_cell(tag, cell, number=number) for cell, number in zip(cells, numeric, strict=True))
    return f"<tr>{inside}</tr>\n"


def _cell(tag: str, value: _Cell, *, number: bool) -> str:
    text = count(value) if isinstance(value, int) else value
    names = ["number"] if number else []
    if text in ("up", "down", "ejected"):
        names.append("up" if text == "up" else "down")
    attribute = f' class="{" ".join(names)}"' if names else ""
    return f"<{tag}{attribute}>{html.escape(text)}</{tag}>"


def _peer(peer: dict[str, Any], now: float) -> Sequence[_Cell]:
    checked = "-"
    if peer["checks"]:
        last = peer["checks"][-1]
        outcome = "passed" if last["passed"] else last["reason"]
        checked = f"{outcome} in {duration(last['duration'])}, {duration(now - last['at'])} ago"
    return (
        peer["name"] + (" (backup)" if peer["backup"] else "") + (f", from {peer['origin']}" if peer["origin"] != SITE else ""),
        peer["state"] + (f" for {duration(max(0.0, peer['until'] - now))}" if peer["until"] is not None else ""),
        peer["weight"],
        peer["in_flight"],
        peer["attempts"],
        peer["failures"],
        checked,
        duration(now - peer["since"]),
        peer["why"] or "-",
    )


def _route(route: dict[str, Any]) -> Sequence[_Cell]:
    return (route["name"], route["to"], route["cache"] or "-", route["requests"], *route["statuses"].values(), route["errors"])


def _listener(listener: dict[str, Any]) -> Sequence[_Cell]:
    return (
        listener["name"],
        " ".join(listener["addresses"]),
        listener["tls"] or "-",
        listener["connections"],
        listener["max_connections"],
        listener["accepted"],
    )


def _cache(name: str, cache: dict[str, Any]) -> Sequence[_Cell]:
    hits, stale, misses = (cache["counts"][outcome] for outcome in ("hits", "stale", "misses"))
    ratio = percent(hits, hits + stale + misses)
    return (name, cache["files"], size(cache["bytes"]), size(cache["max_size"]), hits, stale, misses, ratio)
