"""Values of ``[tracing]``: where spans go, and what is said with them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from twistedproxy.config import guard_values
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context

#: Where collectors take spans (OTLP 1.x, "OTLP/HTTP request").
_USUAL_PATH: Final = "/v1/traces"
_ATTRIBUTE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]*")


def endpoint(text: str, at: Context) -> str:
    """The URL of a collector; without a path, the usual one."""
    url = guard_values.url(text, at)
    path = urlsplit(url).path
    return url if path not in ("", "/") else url.removesuffix("/") + _USUAL_PATH


def attribute(text: str, at: Context) -> tuple[str, str]:
    """``NAME VALUE`` of a resource."""
    name, value = _pair(text, "deployment.environment.name prod")
    if not _ATTRIBUTE.fullmatch(name):
        raise BadValue(f"{name!r} is not the name of an attribute", "letters, digits, dots, _ and - only")
    if name == "service.name":
        raise BadValue("the name of the service has a key of its own", f"write service_name = {value}")
    return name, value


def header(text: str, at: Context) -> tuple[str, str]:
    """``NAME VALUE`` of a field for the collector."""
    name, value = _pair(text, "Authorization Bearer ${TOKEN}")
    if not value.isascii() or not value.isprintable():
        raise BadValue(f"the value of {name} has a character beyond printable ASCII", "write ASCII only")
    return guard_values.field_name(name, at), value


def _pair(text: str, example: str) -> tuple[str, str]:
    name, *rest = text.split(None, 1)
    if not rest:
        raise BadValue(f"{text!r} is not NAME VALUE", f"write for instance {example}")
    return name, rest[0]


def write_pair(value: tuple[str, str]) -> str:
    """As :func:`attribute` and :func:`header` read it."""
    return " ".join(value)
