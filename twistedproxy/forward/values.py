"""The names of templates, and what each stands for in an exchange."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from twistedproxy.forward import tracing

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


def value_of(exchange: Exchange, name: str) -> str:
    """
    The value of a template's *name* for *exchange*; ``-`` for what is not known or does not apply, as in nginx's logs.

    Bytes that are not ASCII come as Latin-1 characters.
    """
    plain = VALUES.get(name)
    if plain is not None:
        return plain(exchange)
    value = argument_of(exchange, name)
    return "-" if value is None else value


def argument_of(exchange: Exchange, name: str) -> str | None:
    """The value of a *name* that has an argument; None where there is nothing."""
    kind, _, argument = name.partition(".")
    value = _ARGUMENTS[kind](exchange, argument.encode("latin-1"))
    return None if value is None else value.decode("latin-1")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _time_of(name: str) -> Callable[[Exchange], str]:
    return lambda exchange: _seconds(getattr(exchange.attempt, name, None))


def _zone(wall: float) -> str:
    return time.strftime("%z", time.localtime(wall))


def _iso(wall: float) -> str:
    zone = _zone(wall)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(wall)) + f"{zone[:3]}:{zone[3:]}"


def _port(exchange: Exchange) -> str:
    return str(exchange.head.fields.port or exchange.downstream.port)


def _cookie(exchange: Exchange, wanted: bytes) -> bytes | None:
    for part in (exchange.head.headers.joined(b"cookie") or b"").replace(b", ", b"; ").split(b";"):
        name, mark, value = part.strip(b" \t").partition(b"=")
        if mark and name == wanted:
            return value
    return None


def _argument(exchange: Exchange, wanted: bytes) -> bytes | None:
    for part in (exchange.head.query or b"").split(b"&"):
        name, _, value = part.partition(b"=")
        if unquote_to_bytes(name.replace(b"+", b" ")) == wanted:
            return unquote_to_bytes(value.replace(b"+", b" "))
    return None


def _cert(name: str) -> Callable[[Exchange], str]:
    """One of a client's certificate's facts."""

    def fact(exchange: Exchange) -> str:
        secured = exchange.downstream.secured
        cert = None if secured is None else secured.client_cert
        return "-" if cert is None else str(getattr(cert, name))

    return fact


def _verified(exchange: Exchange) -> str:
    secured = exchange.downstream.secured
    if secured is None or not secured.verifies:
        return "-"
    return "NONE" if secured.client_cert is None else "SUCCESS"


def _claim(exchange: Exchange, name: str) -> bytes | None:
    claim = exchange.identity.claim(name) if exchange.identity is not None else None
    return None if claim is None else claim.encode("utf-8", "surrogateescape")


def _capture(exchange: Exchange, wanted: bytes) -> bytes | None:
    """
    What the group *wanted* of the route's regular expression has found in the path, written as in a URL.

    Paths are compared decoded; put into a target or a Location as it is, ``%3F`` would begin a query.
    """
    name = wanted.decode("latin-1")
    for pattern in exchange.route.patterns if exchange.route else ():
        if name in pattern.groupindex and (found := pattern.search(exchange.head.route_path)) is not None:
            value: bytes | None = found[name]
            return None if value is None else quote_from_bytes(value, safe="/:@!$&'()*+,;=~").encode("ascii")
    return None


def _mapped(exchange: Exchange, wanted: bytes) -> bytes | None:
    value = exchange.site.maps[wanted.decode("latin-1")].of(exchange)
    return None if value is None else value.encode("latin-1")


_ARGUMENTS: Final[dict[str, Callable[[Exchange, bytes], bytes | None]]] = {
    "header": lambda exchange, name: exchange.head.headers.joined(name),
    "cookie": _cookie,
    "arg": _argument,
    "jwt": lambda exchange, name: _claim(exchange, name.decode("latin-1")),
    "capture": _capture,
    "map": _mapped,
}

VALUES: Final[dict[str, Callable[[Exchange], str]]] = {
    "client": lambda e: e.client,
    "client_port": lambda e: str(e.client_port),
    "scheme": lambda e: e.scheme.decode("ascii"),
    "host": lambda e: e.head.fields.host.decode("ascii") or "-",
    "port": _port,
    "user": lambda e: (e.identity.user if e.identity is not None else "") or "-",
    "method": lambda e: e.head.method.decode("latin-1"),
    "uri": lambda e: e.head.target.decode("latin-1"),
    "path": lambda e: e.head.path.decode("latin-1"),
    "query": lambda e: (e.head.query or b"").decode("latin-1"),
    "protocol": lambda e: "HTTP/{}.{}".format(*divmod(e.head.version, 10)),
    "route": lambda e: e.route.name if e.route else "-",
    "request_id": tracing.request_id,
    "trace_id": tracing.trace_id,
    "traceparent": tracing.traceparent,
    "tracestate": tracing.tracestate,
    "pool": lambda e: e.pool_name or "-",
    "peer": lambda e: e.peer_name or "-",
    "status": lambda e: str(e.status),
    "cache_status": lambda e: e.cache_status or "-",
    "bytes_sent": lambda e: str(e.bytes_sent),
    "bytes_received": lambda e: str(e.bytes_received),
    "request_time": lambda e: _seconds(e.request_time),
    "connect_time": _time_of("connect_time"),
    "header_time": _time_of("header_time"),
    "response_time": _time_of("response_time"),
    "upgrade_time": _time_of("upgrade_time"),
    "time_local": lambda e: time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(e.started_wall)),
    "time_iso": lambda e: _iso(e.started_wall),
    "request_line": lambda e: "{} {} {}".format(
        e.head.method.decode("latin-1"), e.head.target.decode("latin-1"), VALUES["protocol"](e)
    ),
    "client_cert.verified": _verified,
    "client_cert.subject": _cert("subject"),
    "client_cert.issuer": _cert("issuer"),
    "client_cert.serial": _cert("serial"),
    "client_cert.fingerprint": _cert("fingerprint"),
    "error": lambda e: e.reason.name if e.reason else "-",
}
