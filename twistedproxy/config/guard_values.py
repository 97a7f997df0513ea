"""Values that speak of who may in, and how often."""

from __future__ import annotations

import re
from typing import Final

from twistedproxy.addresses import UNIX_CLIENTS
from twistedproxy.config.network import network
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context, size, write_size
from twistedproxy.templates import REQUEST_NAMES, Template

_BITS: Final = re.compile(r"[0-9]+[kKmMgG]?(?:bit|bps|b)/?s?")


def client(text: str, at: Context) -> str:
    """A network in CIDR, ``unix:`` or ``all``."""
    return text if text in ("all", UNIX_CLIENTS) else network(text, at)


def bandwidth(text: str, at: Context) -> int:
    """Bytes a second: ``500k/s``."""
    number, slash, unit = text.partition("/")
    if not slash or unit != "s":
        remedy = "write bytes a second, for instance 500k/s or 1m/s"
        raise BadValue(f"{text!r} is not a bandwidth", remedy if slash or _BITS.fullmatch(text) else f"write {text}/s")
    value = size(number, Context(at.directory, {}))
    if value < 256:
        raise BadValue(f"{text} is next to nothing", "write at least 256/s")
    return value


def write_bandwidth(value: int) -> str:
    """As :func:`bandwidth` reads it."""
    return f"{write_size(value)}/s"


def limit_key(text: str, at: Context) -> str:
    """A template by whose result requests are counted."""
    try:
        Template.parse(text, REQUEST_NAMES)
    except ValueError as bad:
        raise BadValue(str(bad)) from None
    return text
