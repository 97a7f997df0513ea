"""What a route says of WebSockets: origins and rates, and what is of no effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from twistedproxy.config.network import authority
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.spelling import choose_from

_RATE: Final = re.compile(r"([0-9]{1,9})r/([sm])")
_SECONDS: Final = {"s": 1, "m": 60}
_PORTS: Final = {"http": 80, "https": 443}
_WORDS: Final = ("same", "null")

_ONLY_WITH_MESSAGES: Final = (
    "websocket_max_message",
    "websocket_message_rate",
    "websocket_message_burst",
    "websocket_message_delay",
    "websocket_ping_interval",
    "websocket_ping_timeout",
    "websocket_close_timeout",
    "websocket_compress",
    "websocket_context_takeover",
    "websocket_filter",
    "websocket_filter_timeout",
    "websocket_filter_errors",
    "websocket_resume",
    "websocket_resume_waiting",
    "websocket_resume_timeout",
)
_ONLY_WITH_WEBSOCKETS: Final = (
    "websocket_idle_timeout",
    "websocket_half_close_timeout",
    "websocket_origins",
    "websocket_max",
    "websocket_max_per_client",
    "websocket_drain_timeout",
)


def rate(text: str, at: Context) -> float:
    """Times a second: ``10r/s``, ``600r/m``."""
    found = _RATE.fullmatch(text)
    if found is None:
        remedy = f"write {text}r/s" if text.isascii() and text.isdigit() else "write for instance 10r/s or 600r/m"
        raise BadValue(f"{text!r} is not a rate", remedy)
    if not int(found[1]):
        raise BadValue(f"{text} lets nothing through", "write a number of at least 1")
    return int(found[1]) / _SECONDS[found[2]]


def write_rate(value: float) -> str:
    """As :func:`rate` reads it."""
    return f"{round(value)}r/s" if value == round(value) else f"{round(value * 60)}r/m"


def origin(text: str, at: Context) -> str:
    """An origin as browsers send it (RFC 6454 §6.2), with ``*.`` for names below one; ``same`` or ``null``."""
    if text in _WORDS:
        return text
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _PORTS:
        raise BadValue(f"{text!r} is not an origin", choose_from(text, _WORDS) if not separator else "write http:// or https://")
    if rest.endswith("/"):
        raise BadValue(f"{text!r} has a path", f"write {text.rstrip('/')}")
    wild = rest.startswith("*.")
    name, port = authority(rest[2:] if wild else rest)
    written = "" if port is None or port == _PORTS[scheme] else f":{port}"
    return f"{scheme}://{'*.' if wild else ''}{name}{written}"


def warnings(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    """Lines without effect, and what is dangerous."""
    if route.websocket == "no":
        for key in (*_ONLY_WITH_WEBSOCKETS, *_ONLY_WITH_MESSAGES):
            if section.gives(key):
                yield section.problem(key, "has no effect: websocket is no", "remove the line")
        return
    if route.websocket == "tunnel":
        for key in _ONLY_WITH_MESSAGES:
            if section.gives(key):
                yield section.problem(key, "has no effect: websocket is tunnel", "write websocket = messages, or remove the line")
        return
    if section.gives("websocket_half_close_timeout"):
        yield section.problem("websocket_half_close_timeout", "has no effect: messages know no half close", "remove the line")
    if route.websocket_message_rate is None:
        for key in ("websocket_message_burst", "websocket_message_delay"):
            if section.gives(key):
                yield section.problem(key, "has no effect without websocket_message_rate", "give the rate, or remove the line")
    for needed, without, keys in (
        ("websocket_filter", route.websocket_filter is None, ("websocket_filter_timeout", "websocket_filter_errors")),
        ("websocket_resume", not route.websocket_resume, ("websocket_resume_waiting", "websocket_resume_timeout")),
    ):
        for key in keys if without else ():
            if section.gives(key):
                yield section.problem(key, f"has no effect without {needed}", f"give {needed}, or remove the line")
    if not route.websocket_max_message and (route.websocket_filter is not None or route.websocket_resume):
        yield section.problem(
            "websocket_max_message", "messages of any size are put together in memory", "write for instance 16m"
        )
    if route.websocket_compress == "no" and section.gives("websocket_context_takeover"):
        yield section.problem("websocket_context_takeover", "has no effect: websocket_compress is no", "remove the line")
