"""
A finished exchange as one line: combined, JSON, or a template of site.ini.

What a client sent is escaped in all three, so that nobody can write a line, or move a reader's cursor, by asking for it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Final

from twistedproxy.forward.exchange import Exchange
from twistedproxy.forward.guards.basic import credentials_of
from twistedproxy.forward.values import value_of
from twistedproxy.templates import LOG_NAMES, Template

LineOf = Callable[["Exchange"], bytes]

_UNSAFE: Final = re.compile(rb"[^ !#-\[\]-~]")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Names whose values are whole numbers in JSON.
_NUMBERS: Final = ("client_port", "status", "bytes_sent", "bytes_received")
#: Times of the last attempt, seconds in JSON; null when the exchange did not come so far.
_TIMES: Final = ("connect_time", "header_time", "response_time", "upgrade_time")
#: The other names of JSON, in the order in which people look for them; those that do not apply are left out.
_TEXTS: Final = (
    ("client", "client"),
    ("scheme", "scheme"),
    ("host", "host"),
    ("port", "port"),
    ("method", "method"),
    ("uri", "uri"),
    ("protocol", "protocol"),
    ("header.referer", "referer"),
    ("header.user-agent", "user_agent"),
    ("route", "route"),
    ("pool", "pool"),
    ("peer", "peer"),
    ("cache_status", "cache_status"),
    ("error", "error"),
)
#: Ids, by what is noted of an exchange where they were made.
_IDS: Final = (("request_id", "request_id"), ("traceparent", "trace_id"))
_VERSIONS: Final = {10: b"1.0", 11: b"1.1", 20: b"2.0"}
_quoted: Final = json.JSONEncoder(ensure_ascii=True).encode


def line_of(form: str) -> LineOf:
    """
    The function that writes an exchange's line, with its newline, in *form*: ``combined``, ``json`` or a template's text.

    Raises ValueError when a template does not parse.
    """
    if form == "combined":
        return Combined()
    if form == "json":
        return Json()
    return TemplateLine(form)


def escaped(value: bytes) -> bytes:
    """*value* with quotes, backslashes and everything that is not printable ASCII as ``\\xHH``, as nginx writes it."""
    if _UNSAFE.search(value) is None:
        return value
    return _UNSAFE.sub(_hexadecimal, value)


def _hexadecimal(found: re.Match[bytes]) -> bytes:
    return b"\\x%02X" % found.group()[0]


def local_time(wall: float) -> bytes:
    """*wall* in the machine's time zone: ``21/Nov/2026:03:12:00 +0000``; months are English in every locale."""
    local = time.localtime(wall)
    offset = local.tm_gmtoff // 60
    sign, offset = ("-", -offset) if offset < 0 else ("+", offset)
    return (
        f"{local.tm_mday:02d}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:{local.tm_hour:02d}:{local.tm_min:02d}"
        f":{local.tm_sec:02d} {sign}{offset // 60:02d}{offset % 60:02d}"
    ).encode("ascii")


class Combined:
    """nginx's ``combined``: client, user, time of the end, request line, status, bytes of the body, Referer, User-Agent."""

    def __init__(self) -> None:
        self._second = -1
        self._stamp = b""

    def __call__(self, exchange: Exchange) -> bytes:
        second = int(exchange.started_wall + exchange.request_time)
        if second != self._second:
            self._second = second
            self._stamp = local_time(second)
        head = exchange.head
        get = head.headers.get
        authorization = get(b"authorization")
        return b'%b - %b [%b] "%b %b HTTP/%b" %03d %d "%b" "%b"\n' % (
            escaped(exchange.client.encode("ascii", "backslashreplace")),
            _user(exchange, authorization),
            self._stamp,
            head.method,
            escaped(head.target),
            _VERSIONS[head.version],
            exchange.status,
            exchange.bytes_sent,
            b"-" if (referer := get(b"referer")) is None else escaped(referer),
            b"-" if (user_agent := get(b"user-agent")) is None else escaped(user_agent),
        )


def _user(exchange: Exchange, authorization: bytes | None) -> bytes:
    """Who a guard has found out that it is; without, who the client says it is."""
    identity = exchange.identity
    if identity is not None and identity.user:
        return escaped(identity.user.encode("utf-8", "backslashreplace")).replace(b" ", b"\\x20")
    return b"-" if authorization is None else basic_user(authorization)


def basic_user(authorization: bytes) -> bytes:
    """The name in Basic credentials (RFC 7617 §2), as the client claims it; ``-`` when there is none."""
    credentials = credentials_of(authorization)
    return b"-" if credentials is None else escaped(credentials[0]).replace(b" ", b"\\x20") or b"-"


class Json:
    """One JSON object: what the exchange was, how it ended, and its times in seconds; ASCII, so that no byte is special."""

    def __init__(self) -> None:
        self._second = -1
        self._stamp = self._zone = ""

    def __call__(self, exchange: Exchange) -> bytes:
        second = int(exchange.started_wall)
        if second != self._second:
            self._second = second
            local = time.localtime(second)
            zone = time.strftime("%z", local)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", local)
            self._zone = f"{zone[:3]}:{zone[3:]}"
        # Put together by hand: the encoder takes three times as long for the whole.
        parts = [f'{{"time_iso": "{self._stamp}.{int((exchange.started_wall - second) * 1000):03d}{self._zone}"']
        for name, key in _TEXTS:
            value = value_of(exchange, name)
            if value != "-" and value:
                text = value if value.isascii() else _bytes(value).decode("utf-8", "backslashreplace")
                parts.append(f'"{key}": {_quoted(text)}')
        if exchange.noted is not None:
            # By what others know it; nothing is made for the log alone.
            for known, name in _IDS:
                if known in exchange.noted:
                    parts.append(f'"{name}": {_quoted(value_of(exchange, name))}')
        for name in _NUMBERS:
            parts.append(f'"{name}": {getattr(exchange, name)}')
        parts.append(f'"request_time": {exchange.request_time:.6f}')
        for name in _TIMES:
            seconds = getattr(exchange.attempt, name, None)
            parts.append(f'"{name}": null' if seconds is None else f'"{name}": {seconds:.6f}')
        return ", ".join(parts).encode("ascii") + b"}\n"


class TemplateLine:
    """A line of a site's own making, in which no value can leave its place."""

    def __init__(self, text: str) -> None:
        self._template = Template.parse(text, LOG_NAMES)

    def __call__(self, exchange: Exchange) -> bytes:
        line = self._template.render(lambda name: escaped(_bytes(value_of(exchange, name))).decode("ascii"))
        return line.encode("utf-8", "backslashreplace") + b"\n"


def _bytes(value: str) -> bytes:
    """The bytes behind a value: what came over the wire is Latin-1 in it, what site.ini says may be anything."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "backslashreplace")
