"""What streams say of TLS that they do not decrypt: names, protocols, and where these go."""

from __future__ import annotations

import re
from typing import Final

from twistedproxy.config.network import host
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context
from twistedproxy.settings.streams import SniSettings
from twistedproxy.spelling import choose_from

# RFC 7301 knows any octets; those that IANA has registered are visible ASCII.
_PROTOCOL: Final = re.compile(r"[!-+\--~]{1,255}")


def sni(text: str, at: Context) -> SniSettings:
    """``NAME POOL [alpn=PROTOCOL,…]``; the name may be ``*.NAME`` or ``*``."""
    name, *rest = text.split()
    if not rest or "=" in rest[0]:
        raise BadValue(f"{text!r} names no pool", f"write {name} POOL")
    pool, *options = rest
    protocols: tuple[str, ...] = ()
    for option in options:
        what, equals, value = option.partition("=")
        if what != "alpn" or not equals:
            raise BadValue(f"{option!r} is not an option of a name", choose_from(option, ("alpn=PROTOCOL",)))
        if protocols:
            raise BadValue("alpn is said twice", "write alpn=h2,http/1.1 for several protocols")
        protocols = tuple(alpn_protocol(each, at) for each in value.split(","))
    if name != "*":
        name = f"*.{host(name[2:])}" if name.startswith("*.") else host(name.removesuffix("."))
        if name.startswith("[") or name.rpartition(".")[2].isdigit():
            raise BadValue(f"{name} is an address, and clients ask for names", "write a name, *.NAME or *")
    return SniSettings(name, pool, protocols)


def write_sni(line: SniSettings) -> str:
    """As :func:`sni` reads it."""
    alpn = f" alpn={','.join(line.protocols)}" if line.protocols else ""
    return f"{line.host} {line.pool}{alpn}"


def alpn_protocol(text: str, at: Context) -> str:
    """The name of an application protocol, for instance ``h2`` or ``postgresql``."""
    if not _PROTOCOL.fullmatch(text):
        raise BadValue(f"{text!r} is not the name of a protocol", "write for instance h2, http/1.1 or postgresql")
    return text
