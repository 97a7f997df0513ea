"""Forwarded (RFC 7239): what proxies say of where a request came from."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

# RFC 7239 §4: forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] ), value = token / quoted-string.
_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PAIR: Final = re.compile(rf'[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?[ \t]*(;|,|\Z)')
_QUOTED: Final = re.compile(r"\\(.)")
_PLAIN: Final = re.compile(_TOKEN)
#: Elements that are looked at, from the right.
_MOST: Final = 64

#: One proxy's word: the parameters that it gives, names in lower case.
Element = dict[str, str]


def parse_forwarded(value: bytes) -> list[Element] | None:
    """The elements of the combined field, from left to right; None when it is malformed."""
    text = value.decode("latin-1")
    elements: list[Element] = [{}]
    at = 0
    while True:
        found = _PAIR.match(text, at)
        if found is None:
            return None
        name, token, quoted, mark = found.groups()
        if name is not None:
            if name.lower() in elements[-1]:
                # §4: each parameter occurs at most once.
                return None
            elements[-1][name.lower()] = token if token is not None else _QUOTED.sub(r"\1", quoted)
        at = found.end()
        if not mark:
            return [element for element in elements if element][-_MOST:]
        if mark == ",":
            elements.append({})


def node_address(node: str) -> str | None:
    """The address of ``for=`` or ``by=`` in its shortest form; None for ``unknown`` and obfuscated ones (§6)."""
    if node.startswith("["):
        text = node[1:].partition("]")[0]
    else:
        text = node.partition(":")[0]
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def write_element(client: str, host: bytes, scheme: bytes) -> bytes:
    """Our word on a request of *client* (an address) for *host* by *scheme*."""
    try:
        node = f'"[{client}]"' if ip_address(client).version == 6 else client
    except ValueError:
        # Whoever comes by a unix socket has no address (§6.2).
        node = "unknown"
    parts = [f"for={node}"]
    if host:
        parts.append(f"host={_written(host.decode('latin-1'))}")
    parts.append(f"proto={scheme.decode('ascii')}")
    return ";".join(parts).encode("latin-1")


def _written(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
