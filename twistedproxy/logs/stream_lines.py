"""
The end of a stream's connection as one line: the usual one, JSON, or a template of site.ini; and conditions on it.

What clients say of themselves, the name by SNI, was checked when it was read; the rest is ours.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Final

from twistedproxy.addresses import Tcp
from twistedproxy.downstream.stream_connection import StreamConnection
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.logs.request_lines import escaped, local_time
from twistedproxy.settings.routes import RouteCondition
from twistedproxy.templates import STREAM_NAMES, Template

LineOf = Callable[[StreamConnection], bytes]


def _iso(wall: float) -> str:
    local = time.localtime(wall)
    zone = time.strftime("%z", local)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", local)
    return f"{stamp}.{int(wall % 1 * 1000):03d}{zone[:3]}:{zone[3:]}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"


#: Every name of ``templates.STREAM_NAMES``.
VALUES: Final[dict[str, Callable[[StreamConnection], str]]] = {
    "client": lambda c: c.address,
    "client_port": lambda c: str(c.client_port),
    "port": lambda c: str(c.port),
    "scheme": lambda c: c.scheme.decode("ascii"),
    "stream": lambda c: c.listener_name,
    "server_name": lambda c: c.server_name or "-",
    "pool": lambda c: c.pool_name,
    "peer": lambda c: c.peer_name or "-",
    "tries": lambda c: str(c.tries_made),
    "bytes_sent": lambda c: str(c.bytes_sent),
    "bytes_received": lambda c: str(c.bytes_received),
    "connect_time": lambda c: _seconds(c.connect_time),
    "session_time": lambda c: _seconds(c.duration),
    "time_local": lambda c: local_time(c.opened_wall).decode("ascii"),
    "time_iso": lambda c: _iso(c.opened_wall),
    "error": lambda c: c.reason.name if c.reason is not None else "-",
}
_NUMBERS: Final = ("client_port", "tries", "bytes_sent", "bytes_received")
_TIMES: Final = ("connect_time", "session_time")


def line_of(form: str) -> LineOf:
    """
    The function that writes the line of a connection, with its newline, in *form*: ``combined``, ``json`` or a template's text.

    Raises ValueError when a template does not parse.
    """
    if form == "combined":
        return _usual
    if form == "json":
        return _json
    template = Template.parse(form, STREAM_NAMES)

    def line(connection: StreamConnection) -> bytes:
        rendered = template.render(lambda name: escaped(VALUES[name](connection).encode()).decode("ascii"))
        return rendered.encode("utf-8", "backslashreplace") + b"\n"

    return line


def _usual(connection: StreamConnection) -> bytes:
    """Who, when, by which stream, asking for whom, to which peer; how long it took to connect and in all; bytes; the end."""
    value = {name: of(connection) for name, of in VALUES.items()}
    client = str(Tcp(connection.address, connection.client_port)) if connection.client_port else connection.address
    line = (
        f"{client} [{value['time_local']}] {value['stream']} {value['server_name']} {value['pool']}/{value['peer']}"
        f" {value['connect_time']} {value['session_time']} {value['bytes_received']} {value['bytes_sent']} {value['error']}\n"
    )
    return line.encode("utf-8", "backslashreplace")


def _json(connection: StreamConnection) -> bytes:
    """One JSON object; times in seconds, null for what did not happen; names that do not apply are left out."""
    said: dict[str, object] = {}
    for name, of in VALUES.items():
        value = of(connection)
        if name in _NUMBERS:
            said[name] = int(value)
        elif name in _TIMES:
            said[name] = None if value == "-" else float(value)
        elif name != "time_local" and value != "-":
            said[name] = value
    return json.dumps(said).encode("ascii") + b"\n"


class StreamCondition:
    """One line of ``when``, other than comparisons of numbers."""

    def __init__(self, settings: RouteCondition) -> None:
        self._negated = settings.negated
        self._networks = TrustedProxies(settings.values) if settings.subject == "client" else None
        self._template = Template.parse(settings.name, STREAM_NAMES) if settings.subject == "value" else None
        self._value = settings.values[0] if settings.operator else None
        self._pattern = re.compile(settings.values[0]) if settings.operator == "~" else None

    def holds(self, connection: StreamConnection) -> bool:
        """Whether *connection* was like that."""
        return self._is_met(connection) is not self._negated

    def _is_met(self, connection: StreamConnection) -> bool:
        if self._networks is not None:
            return connection.address in self._networks
        assert self._template is not None
        found = self._template.render(lambda name: VALUES[name](connection))
        if self._pattern is not None:
            return self._pattern.search(found) is not None
        return found == self._value if self._value is not None else found not in ("", "-", "0")
